//! A turn of reading: from the lines of one file to records in the batch. See [`super`].

use std::time::{Instant, SystemTime};

use event::filter::DropReason;
use tail::Source;

use crate::batch::Batch;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::processor::{Piece, Processed, Processor};
use crate::record::Recorder;

/// What stands between a line and its record.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) metadata: Metadata,
    pub(crate) processor: Processor,
    pub(crate) recorder: Recorder,
}

/// A turn under way.
pub(super) struct Writing<'a> {
    way: &'a mut Way,
    pub(super) batch: &'a mut Batch,
    now: Instant,
    replaced: u64,
    unparsed: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl<'a> Writing<'a> {
    pub(super) fn begin(
        way: &'a mut Way,
        source: &Source,
        batch: &'a mut Batch,
        now: Instant,
    ) -> Writing<'a> {
        if let Some(pod) = way.metadata.turn(&source.path, now) {
            way.recorder.describe(pod);
        }
        way.recorder.begin(source, SystemTime::now());
        way.processor.begin(source);
        batch.begin(way.recorder.head());
        Writing { way, batch, now, replaced: 0, unparsed: 0, dropped: [0; DropReason::ALL.len()] }
    }

    pub(super) fn add(&mut self, piece: &Piece<'_>) {
        let Way { processor, recorder, .. } = &mut *self.way;
        match processor.process(piece, self.now, recorder, self.batch) {
            Processed::Shipped { replaced, unparsed } => {
                self.replaced += u64::from(replaced);
                self.unparsed += u64::from(unparsed);
            }
            Processed::Dropped(reason) => self.dropped[reason as usize] += 1,
        }
    }

    /// Counts what the turn did. Returns how many lines were dropped.
    pub(super) fn end(self, metrics: &Metrics) -> u64 {
        metrics.lines_replaced.inc_by(self.replaced);
        metrics.lines_unparsed.inc_by(self.unparsed);
        metrics.lines_cut.inc_by(self.way.recorder.take_cut());
        metrics.redacted(&self.way.processor.take_redacted());
        for (reason, lines) in DropReason::ALL.into_iter().zip(self.dropped) {
            if lines > 0 {
                metrics.dropped(reason.into(), lines);
            }
        }
        self.dropped.iter().sum()
    }
}
