//! A turn of reading: from the lines of one file to records in the batch. See [`super`].

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use event::ContainerStream;
use event::filter::DropReason;
use event::multiline::{self, Joiner, Record};
use tail::{Line, Part, Source};

use super::joining::Joining;
use crate::batch::Batch;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::processor::{Piece, Processed, Processor};
use crate::record::Recorder;

/// What lines of one file are joined apart: those of the file itself, and of a container's streams.
const CHANNELS: [Option<ContainerStream>; 3] =
    [None, Some(ContainerStream::Stdout), Some(ContainerStream::Stderr)];

/// The place of a stream in [`CHANNELS`].
fn channel(stream: ContainerStream) -> u8 {
    match stream {
        ContainerStream::Stdout => 1,
        ContainerStream::Stderr => 2,
    }
}

/// What stands between a line and its record.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) metadata: Metadata,
    pub(crate) joining: Option<Joining>,
    pub(crate) processor: Processor,
    pub(crate) recorder: Recorder,
}

/// A turn under way.
pub(crate) struct Writing<'a> {
    way: &'a mut Way,
    pub(crate) batch: &'a mut Batch,
    now: Instant,
    /// The file whose end the lines that come go on from.
    before: Option<u64>,
    /// The file that records are being written of.
    writes: Option<u64>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    replaced: u64,
    unparsed: u64,
    cut: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl<'a> Writing<'a> {
    /// A turn of no file, in which records that were held can be given out.
    pub(crate) fn new(way: &'a mut Way, batch: &'a mut Batch, now: Instant) -> Writing<'a> {
        Writing { way, batch, now, before: None, writes: None, counts: Counts::default() }
    }

    /// A turn of the lines of `source`.
    pub(crate) fn begin(
        way: &'a mut Way,
        source: &Source,
        batch: &'a mut Batch,
        now: Instant,
    ) -> Writing<'a> {
        let mut writing = Writing::new(way, batch, now);
        writing.turn_to(source);
        writing
    }

    fn turn_to(&mut self, source: &Source) {
        if let Some(pod) = self.way.metadata.turn(&source.path, self.now) {
            self.way.recorder.describe(pod);
        }
        self.way.recorder.begin(source, SystemTime::now());
        self.way.processor.begin(source);
        self.batch.begin(self.way.recorder.head());
        self.batch.begin_file(&source.path);
        self.writes = Some(source.file_id);
    }

    /// If lines come, what `before` (a [`Source::file_id`]) ended within goes on in them.
    pub(crate) fn follow(&mut self, before: Option<u64>) {
        self.before = before;
    }

    /// Takes a line of the turn's file.
    pub(crate) fn add(&mut self, source: &Source, line: &Line<'_>) {
        if self.writes != Some(source.file_id) {
            // A record of another file was given out in between.
            self.turn_to(source);
        }
        let (file, now) = (source.file_id, self.now);
        let Some(joining) = &mut self.way.joining else {
            return self.write(&Piece::from(line));
        };
        if let Some(before) = self.before.take() {
            joining.joiner.carry(before, file, |channel| CHANNELS[usize::from(channel)].is_none());
        }
        let is_for_parts = joining.is_for_parts;
        let whole = multiline::Line {
            bytes: line.text(),
            offset: line.offset,
            channel: 0,
            time: None,
            is_cut: line.part != Part::Whole,
        };
        let parser = self.way.processor.of_container().filter(|_| !whole.is_cut);
        let joined = match parser.and_then(|parser| parser.container_line(whole.bytes).ok()) {
            Some(part) => multiline::Line {
                bytes: part.text,
                channel: channel(part.stream),
                time: Some(part.time),
                is_cut: part.is_partial,
                ..whole
            },
            None if is_for_parts => return self.write(&Piece::from(line)),
            None => whole,
        };
        self.with_joiner(Some(source), |joiner, on_record| {
            joiner.push(file, &joined, now, on_record);
        });
    }

    /// Takes a line that nothing can be added to any more.
    pub(crate) fn add_alone(&mut self, line: &Line<'_>) {
        self.write(&Piece::from(line));
    }

    /// Lets the joiner give out records. Says whether there is one.
    pub(crate) fn with_joiner(
        &mut self,
        source: Option<&Source>,
        act: impl FnOnce(&mut Joiner, &mut dyn FnMut(&Record<'_>)),
    ) -> bool {
        let Some(mut joining) = self.way.joining.take() else { return false };
        let Joining { joiner, kept, .. } = &mut joining;
        act(joiner, &mut |record| {
            if self.writes != Some(record.file) {
                match source.filter(|source| source.file_id == record.file) {
                    Some(source) => self.turn_to(source),
                    None => match kept.get(&record.file).map(|kept| Arc::clone(&kept.source)) {
                        Some(source) => self.turn_to(&source),
                        None => debug_assert!(false, "a file with something held is known"),
                    },
                }
            }
            let is_cut = record.ending.is_cut();
            self.counts.cut += u64::from(is_cut);
            let Record { bytes, offset, time, is_partial, .. } = *record;
            let (part, stream) = (Part::Whole, CHANNELS[usize::from(record.channel)]);
            let text = bytes;
            self.write(&Piece { bytes, text, offset, part, time, stream, is_partial, is_cut });
        });
        self.way.joining = Some(joining);
        true
    }

    fn write(&mut self, piece: &Piece<'_>) {
        let Way { processor, recorder, .. } = &mut *self.way;
        match processor.process(piece, self.now, recorder, self.batch) {
            Processed::Shipped { replaced, unparsed } => {
                self.counts.replaced += u64::from(replaced);
                self.counts.unparsed += u64::from(unparsed);
            }
            Processed::Dropped(reason) => self.counts.dropped[reason as usize] += 1,
        }
    }

    /// Counts what the turn did. Returns how many records were dropped.
    pub(crate) fn end(self, metrics: &Metrics) -> u64 {
        let Counts { replaced, unparsed, cut, dropped } = self.counts;
        metrics.lines_replaced.inc_by(replaced);
        metrics.lines_unparsed.inc_by(unparsed);
        metrics.records_cut.inc_by(cut);
        metrics.lines_cut.inc_by(self.way.recorder.take_cut());
        metrics.redacted(&self.way.processor.take_redacted());
        for (reason, lines) in DropReason::ALL.into_iter().zip(dropped) {
            if lines > 0 {
                metrics.dropped(reason.into(), lines);
            }
        }
        dropped.iter().sum()
    }
}
