//! Where the records of a batch came from and what they said, in the order of the records.
//!
//! Kept only for a sink with a quarantine: the records themselves have the form of a wire, which
//! need not be readable. It costs the text of a batch once more.

use std::path::{Path, PathBuf};

#[derive(Debug, Default)]
pub(super) struct Origins {
    texts: Vec<u8>,
    records: Vec<Place>,
    turns: Vec<Turn>,
}

#[derive(Debug)]
struct Place {
    offset: u64,
    /// Behind its text.
    end: usize,
}

/// Records of one file that follow each other.
#[derive(Debug)]
struct Turn {
    first: usize,
    path: PathBuf,
}

/// Of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    pub(crate) path: &'a Path,
    /// Of its first byte in that file.
    pub(crate) offset: u64,
    /// As it was to be shipped.
    pub(crate) text: &'a [u8],
}

impl Origins {
    /// What is added next is of this file.
    pub(super) fn begin(&mut self, path: &Path) {
        let first = self.records.len();
        match self.turns.last_mut() {
            Some(turn) if turn.path == path => {}
            Some(turn) if turn.first == first => turn.path = path.to_owned(),
            _ => self.turns.push(Turn { first, path: path.to_owned() }),
        }
    }

    pub(super) fn add(&mut self, offset: u64, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.records.push(Place { offset, end: self.texts.len() });
    }

    pub(super) fn get(&self, number: usize) -> Option<Origin<'_>> {
        let place = self.records.get(number)?;
        let begin = number.checked_sub(1).map_or(0, |before| self.records[before].end);
        let turn = self.turns.partition_point(|turn| turn.first <= number).checked_sub(1)?;
        let (path, text) = (self.turns[turn].path.as_path(), &self.texts[begin..place.end]);
        Some(Origin { path, offset: place.offset, text })
    }

    /// Empties it; a buffer above the limit is given back.
    pub(super) fn clear(&mut self, kept_bytes_max: usize) {
        self.texts.clear();
        self.texts.shrink_to(kept_bytes_max);
        self.records.clear();
        self.turns.clear();
    }
}
