//! What a record is made of: a line, or lines that were joined, and what was read in it.

use event::{Fields, Timestamp};
use tail::Part;

/// One record before it has the form of a sink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// As they are to be shipped, without a line end; an LF between joined lines.
    pub(crate) bytes: &'a [u8],
    /// The same as text, without CR; empty where the sink takes bytes.
    pub(crate) text: &'a str,
    /// Of the first byte in its file.
    pub(crate) offset: u64,
    pub(crate) part: Part,
    /// Empty unless it was parsed.
    pub(crate) fields: &'a Fields<'a>,
    pub(crate) parsed: Parsed,
    /// A limit ended it before its last line.
    pub(crate) is_cut: bool,
}

/// What became of the parsing of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Nobody asked for it.
    Not,
    Done,
    /// It is not of the form.
    Failed,
}

impl<'a> Entry<'a> {
    /// The text for people: all of it, unless a parser has found which part that is, or that none
    /// is.
    pub(crate) fn message(&self) -> Option<&'a str> {
        match self.parsed {
            Parsed::Done => self.fields.message.as_deref(),
            Parsed::Not | Parsed::Failed => Some(self.text),
        }
    }

    /// Its bytes without CR.
    pub(crate) fn raw_text(&self) -> &'a [u8] {
        match (self.part, self.bytes) {
            // What follows is of the same line.
            (Part::Split, bytes) => bytes,
            (_, [text @ .., b'\r']) => text,
            (_, bytes) => bytes,
        }
    }

    /// When it happened, if the line says so.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.fields.time
    }

    /// That nanosecond, if it is of this age: since 1970.
    pub(crate) fn nanos(&self) -> Option<u64> {
        self.fields.time.and_then(|time| u64::try_from(time.nanos()).ok())
    }

    /// What is unusual about it, as names of fields that are true.
    pub(crate) fn marks(&self) -> impl Iterator<Item = &'static str> + use<> {
        let part = match self.part {
            // A container engine says so of a line that it cut.
            Part::Whole if self.fields.is_partial => Some("partial"),
            Part::Whole => None,
            Part::Partial => Some("partial"),
            Part::Split => Some("split"),
        };
        let cut = self.is_cut.then_some("cut");
        let unparsed = (self.parsed == Parsed::Failed).then_some("unparsed");
        [part, cut, unparsed].into_iter().flatten()
    }
}

/// A whole line of which nothing was read.
#[cfg(test)]
pub(crate) fn plain<'a>(text: &'a str, offset: u64, fields: &'a Fields<'a>) -> Entry<'a> {
    let (bytes, part, parsed) = (text.as_bytes(), Part::Whole, Parsed::Not);
    Entry { bytes, text, offset, part, fields, parsed, is_cut: false }
}
