//! The account that closes the log: what became of every file.
//!
//! In: what was read, acknowledged and dropped, as it happens. Out: at the end one line for each
//! file, rotated ones with the one whose name they were discovered under, and one line for
//! all. What was written is what was read and what was seen and is still unread, so that the sums
//! leave no gap. The first [`FILES_MAX`] files have a line of their own, the others one together:
//! memory does not depend on how many come and go. Which file a refused line came from is known no
//! more exactly than its batch; the sum is exact.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use tail::{FileId, Source, Span, Tailer};
use tracing::info;

/// Files with a line of their own.
const FILES_MAX: usize = 100;
/// Files whose row is remembered; above, those are forgotten that the tailer knows no more.
const IDS_MAX: usize = 10_000;
/// The row of all files without one of their own.
const OTHERS: usize = 0;

/// What became of one file, or of several together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Row {
    path: PathBuf,
    read_lines: u64,
    read_bytes: u64,
    acked_lines: u64,
    acked_bytes: u64,
    dropped_lines: u64,
    dropped_bytes: u64,
    /// At the end.
    unread_bytes: u64,
    unended_bytes: u64,
    owed_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Accounts {
    rows: Vec<Row>,
    by_path: HashMap<PathBuf, usize>,
    by_file: HashMap<FileId, usize>,
}

impl Accounts {
    pub(crate) fn new() -> Accounts {
        let (by_path, by_file) = (HashMap::new(), HashMap::new());
        Accounts { rows: vec![Row::default()], by_path, by_file }
    }

    /// A turn of reading took `span` from a file and passed over `dropped` lines.
    pub(crate) fn read(&mut self, source: &Source, id: FileId, span: Option<&Span>, dropped: u64) {
        let row = self.row(id, source);
        row.dropped_lines += dropped;
        if let Some(span) = span {
            row.read_lines += span.lines;
            row.read_bytes += span.bytes;
        }
    }

    /// Nothing of `span` is owed any more; the sink has refused `dropped` of its lines.
    pub(crate) fn settled(&mut self, span: &Span, dropped: u64) {
        let index = self.by_file.get(&span.file).copied().unwrap_or(OTHERS);
        let row = &mut self.rows[index];
        row.acked_lines += span.lines - dropped;
        row.acked_bytes += span.bytes;
        row.dropped_lines += dropped;
    }

    /// `span` was given up unshipped.
    pub(crate) fn dropped(&mut self, span: &Span) {
        let index = self.by_file.get(&span.file).copied().unwrap_or(OTHERS);
        self.rows[index].dropped_lines += span.lines;
        self.rows[index].dropped_bytes += span.bytes;
    }

    /// Writes the account. `dropped` are all lines that were not shipped, by reason; `quarantined`
    /// records are kept for somebody to look at.
    pub(crate) fn close(
        &mut self,
        tailer: &Tailer,
        dropped: &[(&'static str, u64)],
        quarantined: u64,
    ) {
        for standing in tailer.standings() {
            let row = self.row(standing.file, standing.source);
            row.unread_bytes += standing.unread_bytes;
            row.unended_bytes += standing.unended_bytes;
            row.owed_bytes += standing.owed_bytes;
        }
        let mut sum = Row::default();
        for (index, row) in self.rows.iter().enumerate() {
            sum.add(row);
            let path = row.path.display().to_string();
            if !row.is_empty() {
                row.tell(if index == OTHERS { "all others" } else { &path });
            }
        }
        let files = self.by_path.len();
        let reasons: Vec<String> = dropped
            .iter()
            .filter(|(_, lines)| *lines > 0)
            .map(|(reason, lines)| format!("{reason}={lines}"))
            .collect();
        info!(
            files,
            written_bytes = sum.written_bytes(),
            read_bytes = sum.read_bytes,
            acknowledged_bytes = sum.acked_bytes,
            dropped_bytes = sum.dropped_bytes,
            left_bytes = sum.owed_bytes,
            unended_bytes = sum.unended_bytes,
            lost_bytes = tailer.stats().lost_bytes,
            read_lines = sum.read_lines,
            acknowledged_lines = sum.acked_lines,
            dropped_lines = reasons.join(" "),
            quarantined_records = quarantined,
            read_errors = tailer.stats().read_errors,
            "Account of all files"
        );
    }

    fn row(&mut self, id: FileId, source: &Source) -> &mut Row {
        let index = match self.by_file.get(&id) {
            Some(index) => *index,
            None => {
                let index = self.index_of(source);
                self.by_file.insert(id, index);
                index
            }
        };
        &mut self.rows[index]
    }

    fn index_of(&mut self, source: &Source) -> usize {
        if let Some(index) = self.by_path.get(&source.path) {
            return *index;
        }
        if self.rows.len() > FILES_MAX {
            return OTHERS;
        }
        self.rows.push(Row { path: source.path.clone(), ..Row::default() });
        self.by_path.insert(source.path.clone(), self.rows.len() - 1);
        self.rows.len() - 1
    }

    /// Forgets the files that the tailer has forgotten, once there are many.
    pub(crate) fn forget_gone(&mut self, tailer: &Tailer) {
        if self.by_file.len() > IDS_MAX {
            let known: HashSet<FileId> = tailer.standings().map(|it| it.file).collect();
            self.by_file.retain(|id, _| known.contains(id));
        }
    }
}

impl Row {
    fn written_bytes(&self) -> u64 {
        self.read_bytes + self.unread_bytes
    }

    fn is_empty(&self) -> bool {
        self.written_bytes() == 0 && self.dropped_lines == 0
    }

    fn add(&mut self, other: &Row) {
        self.read_lines += other.read_lines;
        self.read_bytes += other.read_bytes;
        self.acked_lines += other.acked_lines;
        self.acked_bytes += other.acked_bytes;
        self.dropped_lines += other.dropped_lines;
        self.dropped_bytes += other.dropped_bytes;
        self.unread_bytes += other.unread_bytes;
        self.unended_bytes += other.unended_bytes;
        self.owed_bytes += other.owed_bytes;
    }

    fn tell(&self, path: &str) {
        info!(
            file = path,
            written_bytes = self.written_bytes(),
            read_bytes = self.read_bytes,
            acknowledged_bytes = self.acked_bytes,
            dropped_bytes = self.dropped_bytes,
            left_bytes = self.owed_bytes,
            unended_bytes = self.unended_bytes,
            read_lines = self.read_lines,
            acknowledged_lines = self.acked_lines,
            dropped_lines = self.dropped_lines,
            "Account of a file"
        );
    }
}
