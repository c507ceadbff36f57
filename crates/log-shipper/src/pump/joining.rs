//! Lines that are joined to records, and the spans that wait for them. See [`super`].
//!
//! A record is given out when a later line, the time or the end says that it is complete. Until
//! then no position may move over its beginning: of each file that has one, the span from there on
//! is kept, and goes with the batch that the record went with, or with a later one. A record can
//! begin in a rotated file and end in the one that has its name since; then both keep theirs.

use std::collections::HashMap;
use std::sync::Arc;

use event::multiline::Joiner;
use tail::{Source, Span, Tailer};

#[derive(Debug)]
pub(crate) struct Joining {
    pub(super) joiner: Joiner,
    /// By [`Source::file_id`]. There is one for each file of which something is held.
    pub(super) kept: HashMap<u64, Kept>,
    /// Only parts of containers' lines are joined.
    pub(super) is_for_parts: bool,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) source: Arc<Source>,
    pub(super) span: Span,
}

impl Joining {
    pub(crate) fn new(joiner: Joiner) -> Joining {
        let is_for_parts = joiner.joins_pieces_only();
        Joining { joiner, kept: HashMap::new(), is_for_parts }
    }

    /// Behind a turn of reading, in which `span` was read: what of this file can be acknowledged
    /// with the batch at hand.
    pub(super) fn settle(
        &mut self,
        source: &Arc<Source>,
        span: Option<Span>,
        tailer: &Tailer,
    ) -> Vec<Span> {
        let file = source.file_id;
        let mut settled = Vec::new();
        let kept = self.kept.remove(&file).map(|kept| kept.span);
        let whole = match (kept, span) {
            (Some(kept), Some(mut span)) if kept.is_superseded_by(&span) => {
                span.lines += kept.lines;
                span.bytes += kept.bytes;
                Some(span)
            }
            (kept, Some(span)) => {
                // What was kept is of a content that is gone.
                settled.extend(kept);
                Some(span)
            }
            (kept, None) => kept,
        };
        let Some(whole) = whole else { return settled };
        let held_from = self.joiner.held_from(file);
        let split = held_from.map(|offset| tailer.split(&whole, offset));
        let rest = match split {
            None => {
                settled.push(whole);
                return settled;
            }
            Some(Some((first, rest))) => {
                settled.push(first);
                rest
            }
            Some(None) => whole,
        };
        self.kept.insert(file, Kept { source: Arc::clone(source), span: rest });
        settled
    }

    /// Files of which nothing is held any more: their spans go with the batch at hand.
    pub(super) fn release(&mut self) -> Vec<Span> {
        let joiner = &self.joiner;
        let over = self.kept.extract_if(|file, _kept| joiner.held_from(*file).is_none());
        over.map(|(_file, kept)| kept.span).collect()
    }
}
