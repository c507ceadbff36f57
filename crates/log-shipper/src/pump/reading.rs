//! Reading: lines of the files into the batch, and what they were of. See [`super`].
//!
//! What a turn read is a span. It goes with the batch that holds its records; where records are
//! held, only the part of it before them.

use std::collections::HashSet;
use std::sync::Arc;

use event::multiline::{Joiner, Record};
use tail::{FileId, Flow, Source};
use tokio::time::Instant;

use super::joining::Kept;
use super::{Pump, Writing, now};
use crate::batch::BATCH_BYTES;

impl Pump {
    pub(super) fn read(&mut self, id: FileId, source: &Arc<Source>) {
        let now = now();
        self.mark_beginning();
        let before = self.tailer.continues(id).filter(|_| self.way.joining.is_some());
        let batch = &mut self.state.filling;
        let mut writing = Writing::begin(&mut self.way, source, batch, now);
        writing.follow(before);
        let too_long_before = self.tailer.stats().long_lines_dropped;
        let span = self.tailer.read(id, now, |line| {
            writing.add(source, line);
            if writing.batch.bytes() >= BATCH_BYTES { Flow::Stop } else { Flow::Continue }
        });
        let filtered = writing.end(&self.metrics);
        self.state.unpublished = true;
        let too_long = self.tailer.stats().long_lines_dropped - too_long_before;
        self.state.accounts.read(source, id, span.as_ref(), too_long + filtered);
        let span = span.map(|mut span| {
            let group = &self.groups[source.group];
            group.lines_read.inc_by(span.lines);
            group.bytes_read.inc_by(span.bytes);
            // What a filter dropped is done with, and not acknowledged by a sink.
            span.lines = span.lines.saturating_sub(filtered);
            span
        });
        match &mut self.way.joining {
            None => span.into_iter().for_each(|span| self.state.filling.push(span)),
            Some(joining) => {
                let settled = joining.settle(source, span, &self.tailer);
                let released = joining.release();
                settled.into_iter().chain(released).for_each(|span| self.state.filling.push(span));
            }
        }
    }

    /// Has records given out that were held.
    pub(super) fn give_out(&mut self, act: impl FnOnce(&mut Joiner, &mut dyn FnMut(&Record<'_>))) {
        self.mark_beginning();
        let mut writing = Writing::new(&mut self.way, &mut self.state.filling, now());
        writing.with_joiner(None, act);
        let filtered = writing.end(&self.metrics);
        let Some(joining) = &mut self.way.joining else { return };
        let mut released = joining.release();
        if let Some(first) = released.first_mut() {
            first.lines = first.lines.saturating_sub(filtered);
        }
        released.into_iter().for_each(|span| self.state.filling.push(span));
    }

    /// Gives out records to which nothing was added for long enough, of files without lines that
    /// wait.
    pub(super) fn expire_if_due(&mut self) {
        let now = now();
        let due = self.way.joining.as_ref().and_then(|joining| joining.joiner.due());
        if due.is_none_or(|due| now < due) || self.state.filling.is_full() {
            return;
        }
        let kept = self.way.joining.iter().flat_map(|joining| &joining.kept);
        let has_more = |kept: &Kept| self.tailer.is_ready(kept.span.file);
        let busy = kept.filter(|(_file, kept)| has_more(kept)).map(|(file, _kept)| *file);
        let busy: HashSet<u64> = busy.collect();
        self.give_out(|joiner, on_record| {
            joiner.expire(now, |file| !busy.contains(&file), on_record);
        });
    }

    fn mark_beginning(&mut self) {
        if self.state.filling.is_empty() {
            self.state.filling_since = Instant::now();
        }
    }
}
