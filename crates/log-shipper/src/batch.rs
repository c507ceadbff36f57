//! Records on their way to the sink.
//!
//! A [`Batch`] is one buffer of records, where each of them ends, and the spans of the files that
//! they came from, in order. It is delivered as a whole: its spans are acknowledged together, or
//! not yet. What a sink is asked to take is [`Records`], a part of the buffer that is cut between
//! records only and copied for nothing but the few that a sink has left over.
//!
//! A run is records of one stream that follow each other. What is the same for all of them (labels,
//! a tag) is its head, so that a sink whose protocol groups records need not take them apart.

mod origins;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tail::Span;

pub(crate) use self::origins::Origin;
use self::origins::Origins;

/// Bytes of records from which a batch is full. One more record may go over it.
pub(crate) const BATCH_BYTES: usize = 512 << 10;
/// Buffers larger than this, made by a long line, are not kept for the next batch.
pub(crate) const KEPT_BYTES_MAX: usize = 2 * BATCH_BYTES;
/// Spans from which a batch is full, however small they are.
const SPANS_MAX: usize = 4_096;
/// Bytes of files from which it is full, however little was made of them.
const FILE_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    table: Table,
    /// Of each record it is kept where it came from.
    keeps_origins: bool,
    pub(crate) spans: Vec<Span>,
    /// Bytes of files that the spans cover.
    pub(crate) file_bytes: u64,
}

/// Where records and runs end.
#[derive(Debug, Default)]
struct Table {
    /// Of each record, the offset behind it.
    ends: Vec<usize>,
    runs: Vec<Run>,
    /// Empty unless they are kept.
    origins: Origins,
}

#[derive(Debug)]
struct Run {
    /// The number of its first record.
    first: usize,
    head: Box<[u8]>,
}

/// Some records of a batch, in order.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    buffer: Bytes,
    table: Arc<Table>,
    range: Range<usize>,
}

impl Batch {
    pub(crate) fn new(keeps_origins: bool) -> Batch {
        Batch { keeps_origins, ..Batch::default() }
    }

    /// Begins a turn: what is added next has this head.
    pub(crate) fn begin(&mut self, head: &[u8]) {
        let first = self.table.ends.len();
        match self.table.runs.last_mut() {
            Some(run) if *run.head == *head => {}
            Some(run) if run.first == first => run.head = head.into(),
            _ => self.table.runs.push(Run { first, head: head.into() }),
        }
    }

    /// Adds the record that `write` appends.
    pub(crate) fn add<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let written = write(&mut self.bytes);
        self.table.ends.push(self.bytes.len());
        written
    }

    /// The records that follow are of this file.
    pub(crate) fn begin_file(&mut self, path: &Path) {
        if self.keeps_origins {
            self.table.origins.begin(path);
        }
    }

    /// Notes what the record added last was made of.
    pub(crate) fn note(&mut self, offset: u64, text: &[u8]) {
        if self.keeps_origins {
            self.table.origins.add(offset, text);
        }
    }

    pub(crate) fn push(&mut self, span: Span) {
        self.file_bytes += span.bytes;
        self.spans.push(span);
    }

    /// Records, those included that no span covers.
    pub(crate) fn lines(&self) -> u64 {
        self.table.ends.len() as u64
    }

    /// Bytes of records.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.ends.is_empty() && self.spans.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES
            || self.spans.len() >= SPANS_MAX
            || self.file_bytes >= FILE_BYTES_MAX
    }

    /// The records for the sink. The batch keeps its spans.
    pub(crate) fn take_records(&mut self) -> Records {
        let table = std::mem::take(&mut self.table);
        let range = 0..table.ends.len();
        let buffer = Bytes::from(std::mem::take(&mut self.bytes));
        Records { buffer, table: Arc::new(table), range }
    }

    /// Takes back the buffers of the records, to be filled again.
    pub(crate) fn give_back(&mut self, whole: Records) {
        if whole.buffer.is_unique() && whole.buffer.len() <= KEPT_BYTES_MAX {
            self.bytes = Vec::from(whole.buffer);
            self.bytes.clear();
        }
        self.table = Arc::try_unwrap(whole.table).unwrap_or_default();
        self.table.clear();
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.file_bytes = 0;
        self.table.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }
}

impl Table {
    fn clear(&mut self) {
        self.ends.clear();
        self.runs.clear();
        self.origins.clear(KEPT_BYTES_MAX);
    }
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// All of them, one behind the other.
    pub(crate) fn bytes(&self) -> Bytes {
        self.buffer.slice(self.span(&self.range))
    }

    /// One of them.
    pub(crate) fn record(&self, number: usize) -> &[u8] {
        let at = self.range.start + number;
        &self.buffer[self.span(&(at..at + 1))]
    }

    /// Where one of them came from, if that is kept.
    pub(crate) fn origin(&self, number: usize) -> Option<Origin<'_>> {
        self.table.origins.get(self.range.start + number)
    }

    /// Head and bytes of each run.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.run_ranges().map(|(head, range)| (head, &self.buffer[self.span(&range)]))
    }

    /// The number of records in each run.
    pub(crate) fn run_lengths(&self) -> impl Iterator<Item = usize> {
        self.run_ranges().map(|(_head, range)| range.len())
    }

    /// Cut in two, about the middle; `None` for a single record.
    pub(crate) fn halve(&self) -> Option<[Records; 2]> {
        if self.len() < 2 {
            return None;
        }
        let span = self.span(&self.range);
        let middle = span.start + span.len() / 2;
        let ends = &self.table.ends[self.range.clone()];
        let first_behind = self.range.start + ends.partition_point(|end| *end < middle) + 1;
        let at = first_behind.clamp(self.range.start + 1, self.range.end - 1);
        Some([self.part(self.range.start..at), self.part(at..self.range.end)])
    }

    /// The records of these numbers, which rise, in a buffer of their own.
    pub(crate) fn pick(&self, numbers: &[usize]) -> Records {
        let mut picked = Batch::default();
        for number in numbers {
            let at = self.range.start + number;
            let runs = &self.table.runs;
            let behind = runs.partition_point(|run| run.first <= at);
            picked.begin(behind.checked_sub(1).map_or(&[], |run| &runs[run].head));
            picked.add(|out| out.extend_from_slice(self.record(*number)));
            if let Some(origin) = self.origin(*number) {
                picked.table.origins.begin(origin.path);
                picked.table.origins.add(origin.offset, origin.text);
            }
        }
        picked.take_records()
    }

    /// Whether both are the same part of the same batch.
    pub(crate) fn is(&self, other: &Records) -> bool {
        Arc::ptr_eq(&self.table, &other.table) && self.range == other.range
    }

    fn part(&self, range: Range<usize>) -> Records {
        Records { buffer: self.buffer.clone(), table: Arc::clone(&self.table), range }
    }

    fn run_ranges(&self) -> impl Iterator<Item = (&[u8], Range<usize>)> {
        let runs = &self.table.runs;
        let ends = runs.iter().skip(1).map(|run| run.first).chain([usize::MAX]);
        runs.iter().zip(ends).filter_map(|(run, end)| {
            let range = run.first.max(self.range.start)..end.min(self.range.end);
            (range.start < range.end).then_some((&*run.head, range))
        })
    }

    /// From records to bytes of the buffer.
    fn span(&self, range: &Range<usize>) -> Range<usize> {
        let behind = |number: usize| number.checked_sub(1).map_or(0, |last| self.table.ends[last]);
        behind(range.start)..behind(range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a:one` is a record `one` of the stream `a`.
    fn batch(records: &[&str]) -> Batch {
        let mut batch = Batch::default();
        for record in records {
            let (head, text) = record.split_once(':').unwrap();
            batch.begin(head.as_bytes());
            batch.add(|out| out.extend_from_slice(text.as_bytes()));
        }
        batch
    }

    fn shown(records: &Records) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        records.runs().map(|(head, bytes)| format!("{}:{}", text(head), text(bytes))).collect()
    }

    #[test]
    fn records_are_halved_about_the_middle() {
        for (records, expected) in [
            (&["x:a", "x:b"][..], Some(["a", "b"])),
            (&["x:aaaa", "x:b"], Some(["aaaa", "b"])),
            (&["x:a", "x:bbbbbb"], Some(["a", "bbbbbb"])),
            (&["x:a", "x:b", "x:c", "x:d"], Some(["ab", "cd"])),
            (&["x:", "x:", "x:"], Some(["", ""])),
            (&["x:a"], None),
            (&[], None),
        ] {
            let halves = batch(records).take_records().halve();
            let halves = halves.map(|halves| halves.map(|half| half.bytes()));
            assert_eq!(halves, expected.map(|halves| halves.map(Bytes::from)), "{records:?}");
        }
    }

    #[test]
    fn runs_follow_their_streams_through_every_cut() {
        let records = batch(&["a:1", "a:2", "b:3", "a:4"]).take_records();
        assert_eq!(shown(&records), ["a:12", "b:3", "a:4"]);
        let [first, second] = records.halve().unwrap();
        assert_eq!(shown(&first), ["a:12"]);
        assert_eq!(shown(&second), ["b:3", "a:4"]);
        let picked = second.pick(&[1]);
        assert_eq!((shown(&picked), picked.record(0)), (vec!["a:4".to_owned()], &b"4"[..]));
        assert_eq!(shown(&records.pick(&[0, 2, 3])), ["a:1", "b:3", "a:4"]);
        assert!(records.is(&records.clone()) && !first.is(&second) && !picked.is(&second));
    }

    #[test]
    fn a_turn_without_records_leaves_no_run() {
        let mut batch = Batch::default();
        batch.begin(b"a");
        batch.begin(b"b");
        batch.add(|out| out.push(b'1'));
        batch.begin(b"c");
        assert_eq!(shown(&batch.take_records()), ["b:1"]);
    }

    #[test]
    fn buffers_come_back_empty() {
        let mut batch = batch(&["a:1", "a:2"]);
        let whole = batch.take_records();
        let place = whole.bytes().as_ptr();
        batch.give_back(whole);
        batch.clear();
        assert!(batch.is_empty() && batch.bytes() == 0 && batch.lines() == 0);
        batch.begin(b"b");
        batch.add(|out| out.push(b'3'));
        let records = batch.take_records();
        assert_eq!((shown(&records), records.bytes().as_ptr()), (vec!["b:3".to_owned()], place));
    }
}
