//! What a line says, as a list of fields.
//!
//! In: what a parser finds, in the order of the line. Out: the same for sinks and filters. One list
//! serves all lines: [`Fields::recycle`] empties it and keeps its memory, also for lines that live
//! elsewhere. A map was not taken: a line has ten fields, which are written in order and rarely
//! looked up.

use std::borrow::Cow;

use crate::{Key, Level, Timestamp, Value};

/// Fields of one event beyond which a line counts as not parsed.
pub const FIELDS_MAX: usize = 256;

/// The parts of an event. What stands in `time`, `level` and `message` is in no entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields<'a> {
    /// When it happened, by the line itself.
    pub time: Option<Timestamp>,
    pub level: Option<Level>,
    /// The text for people; none if all of the line went into fields, as with an access log.
    pub message: Option<Cow<'a, str>>,
    /// The line is a part of a longer one and its continuation comes later (CRI, Docker).
    pub is_partial: bool,
    entries: Vec<(Key<'a>, Value<'a>)>,
}

impl<'a> Fields<'a> {
    /// Appends a field. A key that is there already is not looked for.
    #[inline(always)]
    pub fn push(&mut self, key: impl Into<Key<'a>>, value: Value<'a>) {
        self.entries.push((key.into(), value));
    }

    /// The fields in the order of the line.
    #[must_use]
    pub fn entries(&self) -> &[(Key<'a>, Value<'a>)] {
        &self.entries
    }

    /// The first field of this name; a known name may be given in any of its vocabularies.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let mut entries = self.entries.iter();
        entries.find_map(|(key, value)| key.is(name).then_some(value))
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { entries: self.entries.len(), time: self.time, level: self.level }
    }

    /// Undoes what a parser did that set neither message nor part.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.entries.truncate(mark.entries);
        (self.time, self.level) = (mark.time, mark.level);
    }

    /// The same list, empty, for the next line. Its memory stays.
    #[must_use]
    pub fn recycle<'b>(mut self) -> Fields<'b> {
        self.entries.clear();
        // An empty list of another lifetime: collecting in place keeps the allocation.
        let entries = self.entries.into_iter().map(|_entry| unreachable!("it is empty")).collect();
        Fields { entries, ..Fields::default() }
    }
}

/// What was there before a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    entries: usize,
    time: Option<Timestamp>,
    level: Option<Level>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name;

    #[test]
    fn memory_is_kept_from_line_to_line() {
        let mut fields = Fields::default();
        let (mut places, mut sizes) = (Vec::new(), Vec::new());
        for number in 0..3 {
            let line = format!("line {number}");
            let mut of_line = fields.recycle();
            for _field in 0..20 {
                of_line.push(&name::STATUS, Value::from(line.as_str()));
            }
            of_line.message = Some(line.as_str().into());
            places.push(of_line.entries().as_ptr() as usize);
            sizes.push(of_line.entries.capacity());
            fields = of_line.recycle();
            assert_eq!(fields, Fields::default());
        }
        assert_eq!(places[1], places[2]);
        assert_eq!(sizes, vec![sizes[0]; 3]);
    }

    #[test]
    fn a_field_is_found_by_each_of_its_names() {
        let mut fields = Fields::default();
        fields.push(&name::REMOTE_ADDR, Value::from("::1"));
        fields.push("own", Value::Integer(1));
        for name in ["remote_addr", "source.address", "client.address"] {
            assert_eq!(fields.get(name), Some(&Value::from("::1")), "{name}");
        }
        assert_eq!(fields.get("own"), Some(&Value::Integer(1)));
        assert_eq!(fields.get("other"), None);
    }
}
