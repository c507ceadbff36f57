//! A log writer that numbers its lines and remembers them.
//!
//! Every act that a main container or its rotator can do to a log file is one method; each
//! remembers what it wrote, so that the ledger can be made afterwards. Lines are never equal
//! between writers with different names. A write goes to the kernel at once, without a buffer:
//! what a method has returned from is in the file.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::ledger::Line;
use crate::pace::pause;

const PADDING: &str = "GET /index.html HTTP/1.1 200 612 curl/7.88.1";

/// How a log file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// O_APPEND, as nginx and nearly all loggers do.
    Append,
    /// At the writer's own position: after a truncation by somebody else it leaves a hole.
    OwnPosition,
}

/// One writer with one open log file.
#[derive(Debug)]
pub struct Numbered {
    path: PathBuf,
    file: File,
    mode: Mode,
    name: String,
    /// Number of the current file among those that this writer has had.
    file_number: u32,
    padding: String,
    line_end: &'static str,
    /// The second half of a line whose first half is in the file.
    half: Option<String>,
    written: Vec<Line>,
}

impl Numbered {
    /// Opens (and creates) the file. The name is the first word of every line.
    pub fn open(path: impl Into<PathBuf>, name: &str) -> Self {
        Self::open_with(path, name, Mode::Append)
    }

    pub fn open_with(path: impl Into<PathBuf>, name: &str, mode: Mode) -> Self {
        let path = path.into();
        Self {
            file: open_log(&path, mode),
            path,
            mode,
            name: name.to_owned(),
            file_number: 0,
            padding: PADDING.to_owned(),
            line_end: "\n",
            half: None,
            written: Vec::new(),
        }
    }

    /// What follows the number in every later line.
    pub fn set_padding(&mut self, padding: impl Into<String>) {
        self.padding = padding.into();
    }

    /// Later lines end with CR LF.
    pub fn use_crlf(&mut self) {
        self.line_end = "\r\n";
    }

    /// Writes whole lines in one go.
    pub fn lines(&mut self, count: usize) {
        let mut block = String::new();
        for _line in 0..count {
            block.push_str(&self.next_line());
            block.push_str(self.line_end);
        }
        self.file.write_all(block.as_bytes()).unwrap();
    }

    /// Writes one line with a text of the test's own after the number.
    pub fn line_with(&mut self, text: &str) {
        let before = std::mem::replace(&mut self.padding, text.to_owned());
        self.lines(1);
        self.padding = before;
    }

    /// Writes the first half of a line. [`Self::other_half`] ends it.
    pub fn half(&mut self) {
        let line = self.next_line();
        let (first, second) = line.split_at(line.len() / 2);
        self.file.write_all(first.as_bytes()).unwrap();
        let before = self.half.replace(second.to_owned());
        assert_eq!(before, None, "a half line is open already");
    }

    pub fn other_half(&mut self) {
        let second = self.half.take().expect("half() was called before");
        self.file.write_all((second + self.line_end).as_bytes()).unwrap();
    }

    /// Writes a line without its end, as a process that dies does.
    pub fn unended(&mut self) {
        let line = self.next_line();
        self.file.write_all(line.as_bytes()).unwrap();
    }

    /// Renames the log; the writer still writes to the renamed file, as nginx does until USR1.
    pub fn rename_to(&self, path: impl AsRef<Path>) {
        fs::rename(&self.path, path).unwrap();
    }

    /// Opens the path anew, as nginx does at USR1.
    pub fn reopen(&mut self) {
        self.file = open_log(&self.path, self.mode);
        self.file_number += 1;
    }

    /// Renames `log.1` to `log.2` and so on, then the log to `log.1`, then reopens. At most `keep`
    /// old files stay.
    pub fn rotate(&mut self, keep: u32) {
        for number in (1..keep).rev() {
            if rotated(&self.path, number).exists() {
                fs::rename(rotated(&self.path, number), rotated(&self.path, number + 1)).unwrap();
            }
        }
        self.rename_to(rotated(&self.path, 1));
        self.reopen();
    }

    /// Copies the log and empties it, as logrotate's copytruncate does.
    pub fn copytruncate(&mut self, copy: impl AsRef<Path>) {
        fs::copy(&self.path, copy).unwrap();
        self.truncate();
    }

    /// The same by one who copied while the last line was being written: the copy lacks its last
    /// bytes.
    pub fn copytruncate_torn(&mut self, copy: impl AsRef<Path>, lacking: usize) {
        let bytes = fs::read(&self.path).unwrap();
        fs::write(copy, &bytes[..bytes.len() - lacking]).unwrap();
        self.truncate();
    }

    /// Empties the file through its path; the writer's own position stays.
    pub fn truncate(&mut self) {
        OpenOptions::new().write(true).open(&self.path).unwrap().set_len(0).unwrap();
        self.file_number += 1;
    }

    /// Removes the file; the writer still writes to it.
    pub fn unlink(&self) {
        fs::remove_file(&self.path).unwrap();
    }

    /// Everything written, in order.
    pub fn written(&self) -> &[Line] {
        &self.written
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the open file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.file.metadata().unwrap().len()
    }

    /// Goes on in a thread with `count` lines each `interval`, until stopped.
    pub fn in_background(mut self, count: usize, interval: Duration) -> Background {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut due = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                self.lines(count);
                due += interval;
                pause(due.saturating_duration_since(Instant::now()));
            }
            self
        });
        Background { stop, thread }
    }

    fn next_line(&mut self) -> String {
        let text = format!("{} {:08} {}", self.name, self.written.len(), self.padding);
        let file = (self.name.clone(), self.file_number);
        self.written.push(Line { file, text: text.clone() });
        text
    }
}

/// A writer at work in a thread.
#[derive(Debug)]
pub struct Background {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Numbered>,
}

impl Background {
    /// Ends the thread after its current write.
    pub fn stop(self) -> Numbered {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// `access.log` → `access.log.1`
pub fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn open_log(path: &Path, mode: Mode) -> File {
    let mut options = OpenOptions::new();
    match mode {
        Mode::Append => options.create(true).append(true),
        Mode::OwnPosition => options.create(true).write(true).truncate(false),
    };
    options.open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(writer: &Numbered) -> Vec<&str> {
        writer.written().iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn the_file_holds_what_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Numbered::open(folder.path().join("a.log"), "a");
        writer.lines(3);
        writer.half();
        writer.other_half();
        writer.unended();
        let content = fs::read_to_string(writer.path()).unwrap();
        assert_eq!(content.lines().collect::<Vec<_>>(), texts(&writer));
        assert!(content.starts_with("a 00000000 GET") && !content.ends_with('\n'));
    }

    #[test]
    fn rotation_keeps_as_many_files_as_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Numbered::open(folder.path().join("a.log"), "a");
        for _rotation in 0..4 {
            writer.lines(1);
            writer.rotate(2);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        let newest = fs::read_to_string(rotated(writer.path(), 1)).unwrap();
        assert!(newest.starts_with("a 00000003"));
    }

    #[test]
    fn a_writer_with_its_own_position_leaves_a_hole() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        let mut writer = Numbered::open_with(&log, "a", Mode::OwnPosition);
        writer.lines(100);
        let end = writer.file_bytes();
        writer.copytruncate(folder.path().join("copy"));
        writer.lines(1);
        assert!(writer.file_bytes() > end);
        assert_eq!(fs::read(&log).unwrap()[0], 0);
    }
}
