//! Lines of any other form, by a regular expression.
//!
//! In: a pattern with named groups, once; then lines. Out: a field for each group that took part:
//! time, level and message by their usual names, those of a known field under its names. Patterns
//! see bytes, so `\\d` and `\\w` are ASCII and the search is a fast one; a match that cuts a
//! character is none. The time is linear in the length of the line whatever the pattern is, and its
//! size is bounded when it is read.

use regex::bytes::{CaptureLocations, Regex, RegexBuilder};

use super::ParserError;
use super::request::{Kind, value_of};
use super::usual::Usual;
use crate::name::{Key, Name};
use crate::time::TimeReader;
use crate::{Fields, Unparsed};

/// Memory of a compiled pattern, and again of what its searches keep.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A pattern and what its groups are.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// By their numbers in the pattern.
    groups: Vec<(usize, &'static Name, Kind)>,
    found: CaptureLocations,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Pattern, ParserError> {
        let mut builder = RegexBuilder::new(text);
        builder.unicode(false).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let regex = builder.build()?;
        let names = regex.capture_names().enumerate();
        let named = names.filter_map(|(number, name)| Some((number, name?)));
        let groups: Vec<_> =
            named.map(|(number, group)| (number, Name::of_group(group), Kind::of(group))).collect();
        if groups.is_empty() {
            return Err(ParserError::NoGroup);
        }
        Ok(Pattern { found: regex.capture_locations(), regex, groups })
    }

    pub(super) fn parse<'a>(
        &mut self,
        line: &'a str,
        times: &mut TimeReader,
        fields: &mut Fields<'a>,
    ) -> Result<(), Unparsed> {
        const NO_MATCH: Unparsed = Unparsed::Form("no match of the pattern");
        let found = self.regex.captures_read(&mut self.found, line.as_bytes());
        found.ok_or(NO_MATCH)?;
        let mut usual = Usual::default();
        for (number, name, kind) in &self.groups {
            if let Some((start, end)) = self.found.get(*number) {
                let raw = line.get(start..end).ok_or(NO_MATCH)?;
                usual.take(Key::Known(name), value_of(*kind, raw), times, fields)?;
            }
        }
        usual.finish(fields);
        Ok(())
    }
}
