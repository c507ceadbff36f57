//! From what was read to what is shipped: parse, filter, and have the record written.
//!
//! In: a line, or lines that were joined. Out: one record in the batch, or the reason why there is
//! none; either way the bytes count as done with. A line that is not of the form that its file
//! should have is shipped as it is, marked and counted: a parser costs no line.
//!
//! Which parser is for a file is decided by its path at each turn of reading, by the first rule
//! that matches. Patterns of filters see the line as it stands in the file.

use std::borrow::Cow;
use std::fmt;
use std::time::Instant;

use event::filter::{Candidate, DropReason, Filter};
use event::redact::{Redactor, Tally};
use event::{ContainerStream, Fields, Parser, Timestamp};
use tail::{Line, Part, Source};

use crate::batch::Batch;
use crate::record::{Entry, Parsed, Recorder, text};

/// What is done with lines on their way.
#[derive(Clone)]
pub(crate) struct Processor {
    pub(crate) rules: Vec<ParseRule>,
    pub(crate) filter: Option<Filter>,
    pub(crate) redactor: Option<Redactor>,
    state: State,
}

/// A parser and the files that it is for.
#[derive(Debug, Clone)]
pub(crate) struct ParseRule {
    /// All files if there is none.
    pub(crate) files: Option<glob::Pattern>,
    pub(crate) parser: Parser,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Of this turn.
    rule: Option<usize>,
    file_id: u64,
    /// Memory for the next record.
    fields: Fields<'static>,
    redacted: Tally,
}

/// A line on its way, or lines that were joined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    /// With CR, if the line has one.
    pub(crate) bytes: &'a [u8],
    /// Without.
    pub(crate) text: &'a [u8],
    pub(crate) offset: u64,
    pub(crate) part: Part,
    /// Said of the line outside of its text.
    pub(crate) time: Option<Timestamp>,
    /// The text is what a container has written there, without what its engine put around it.
    pub(crate) stream: Option<ContainerStream>,
    /// The text goes on, but not in this record.
    pub(crate) is_partial: bool,
    pub(crate) is_cut: bool,
}

impl<'a> From<&Line<'a>> for Piece<'a> {
    fn from(line: &Line<'a>) -> Piece<'a> {
        let Line { bytes, offset, part } = *line;
        Piece {
            bytes,
            text: line.text(),
            offset,
            part,
            time: None,
            stream: None,
            is_partial: false,
            is_cut: false,
        }
    }
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processed {
    Shipped {
        /// Bytes that are not UTF-8 were.
        replaced: bool,
        unparsed: bool,
    },
    Dropped(DropReason),
}

impl Processor {
    pub(crate) fn new(
        rules: Vec<ParseRule>,
        filter: Option<Filter>,
        redactor: Option<Redactor>,
    ) -> Processor {
        Processor { rules, filter, redactor, state: State::default() }
    }

    /// Begins a turn: the lines that follow are of `source`.
    pub(crate) fn begin(&mut self, source: &Source) {
        let is_for = |rule: &ParseRule| {
            rule.files.as_ref().is_none_or(|files| files.matches_path(&source.path))
        };
        self.state.rule = self.rules.iter().position(is_for);
        self.state.file_id = source.file_id;
    }

    /// The parser of this turn's file, if its lines are of a container.
    pub(crate) fn of_container(&mut self) -> Option<&mut Parser> {
        let parser = self.state.rule.map(|rule| &mut self.rules[rule].parser);
        parser.filter(|parser| parser.is_of_containers())
    }

    /// Adds the record of a piece to the batch, unless it is dropped.
    pub(crate) fn process(
        &mut self,
        piece: &Piece<'_>,
        now: Instant,
        recorder: &mut Recorder,
        batch: &mut Batch,
    ) -> Processed {
        let Some(redactor) = &self.redactor else {
            return self.write(piece, piece.text, now, recorder, batch);
        };
        let bytes = redactor.redact(piece.bytes, &mut self.state.redacted);
        let has_cr = piece.text.len() < piece.bytes.len();
        let text = bytes.strip_suffix(b"\r").filter(|_| has_cr).unwrap_or(&bytes);
        self.write(&Piece { bytes: &bytes, text, ..*piece }, piece.text, now, recorder, batch)
    }

    /// What was taken out since the last call.
    pub(crate) fn take_redacted(&mut self) -> Tally {
        std::mem::take(&mut self.state.redacted)
    }

    /// The same for a piece that may be shipped; `original` is how it stands in the file.
    fn write(
        &mut self,
        piece: &Piece<'_>,
        original: &[u8],
        now: Instant,
        recorder: &mut Recorder,
        batch: &mut Batch,
    ) -> Processed {
        let parser = self.state.rule.map(|rule| &mut self.rules[rule].parser);
        let (text, replaced) = match parser.is_some() || recorder.takes_text() {
            true => text(piece.text),
            false => (Cow::Borrowed(""), false),
        };
        let mut fields = std::mem::take(&mut self.state.fields).recycle();
        let parsed = parser.map(|parser| match piece.stream {
            Some(stream) => parser.parse_text(stream, &text, &mut fields),
            None => parser.parse(&text, &mut fields),
        });
        let parsed = match parsed {
            None => Parsed::Not,
            Some(Ok(())) => Parsed::Done,
            Some(Err(_unparsed)) => Parsed::Failed,
        };
        fields.time = fields.time.or(piece.time);
        fields.is_partial |= piece.is_partial;
        let candidate = Candidate {
            file: self.state.file_id,
            offset: piece.offset,
            text: original,
            fields: &fields,
        };
        let dropped = self.filter.as_mut().and_then(|filter| filter.drops(&candidate, now));
        if dropped.is_none() {
            let Piece { bytes, offset, part, is_cut, .. } = *piece;
            let entry = Entry { bytes, text: &text, offset, part, fields: &fields, parsed, is_cut };
            batch.add(|out| recorder.write(&entry, out));
            batch.note(offset, entry.raw_text());
        }
        self.state.fields = fields.recycle();
        let unparsed = parsed == Parsed::Failed;
        dropped.map_or(Processed::Shipped { replaced, unparsed }, Processed::Dropped)
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processor")
            .field("rules", &self.rules.len())
            .field("filters", &self.filter.is_some())
            .field("redacts", &self.redactor.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use event::redact::Custom;

    use super::*;
    use crate::record::{Format, TextRecorder};

    #[test]
    fn what_is_taken_out_may_be_all_of_a_line() {
        let custom: Custom = "x+\r?=".parse().unwrap();
        let mut processor =
            Processor::new(Vec::new(), None, Some(Redactor::new(&[], vec![custom])));
        let raw = TextRecorder::new(Format::Raw, false, &[]);
        let (mut recorder, mut batch) = (Recorder::Text(raw), Batch::default());
        for bytes in [&b"x\r"[..], b"ax\r", b"x", b"", b"\r"] {
            let line = Line { bytes, offset: 0, part: Part::Whole };
            processor.process(&Piece::from(&line), Instant::now(), &mut recorder, &mut batch);
        }
        assert_eq!(&batch.take_records().bytes()[..], b"\na\n\n\n\r\n");
        assert_eq!(processor.take_redacted().custom, 3);
    }
}
