//! How many nodes have answered, on a terminal.
//!
//! One line of stderr, written over until it is wiped. Where stderr is no terminal nothing is
//! written, so that logs hold events only.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

/// The line.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    done: Cell<usize>,
    total: usize,
}

impl Progress {
    pub(super) fn new(total: usize) -> Progress {
        let progress =
            Progress { shown: total > 0 && io::stderr().is_terminal(), done: Cell::new(0), total };
        progress.show();
        progress
    }

    /// One more has answered.
    pub(super) fn step(&self) {
        self.done.set(self.done.get() + 1);
        self.show();
    }

    fn show(&self) {
        self.write(&format!("\rnodes asked: {} of {}", self.done.get(), self.total));
    }

    fn write(&self, text: &str) {
        if self.shown {
            // A terminal that has gone away needs no line.
            match io::stderr().write_all(text.as_bytes()) {
                Ok(()) | Err(_) => {}
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.write("\r\x1b[K");
    }
}
