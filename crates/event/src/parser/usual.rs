//! Time, level and message by the keys that programs usually give them.
//!
//! In: the members of an event of which nothing is known but the key. Out: those three, the first
//! of each whose value can be read as such; all others become fields, unread. JSON, logfmt and
//! patterns share this, so that they agree.

use std::borrow::Cow;

use crate::time::TimeReader;
use crate::{FIELDS_MAX, Fields, Key, Level, Timestamp, Unparsed, Value, json};

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Usual<'a> {
    time: Option<Timestamp>,
    level: Option<Level>,
    message: Option<Cow<'a, str>>,
    seen: u64,
    count: usize,
}

impl<'a> Usual<'a> {
    /// Takes a member. Of two with the same key the first counts: receivers refuse both.
    pub(super) fn take(
        &mut self,
        key: Key<'a>,
        value: Value<'a>,
        times: &mut TimeReader,
        fields: &mut Fields<'a>,
    ) -> Result<(), Unparsed> {
        let Some(value) = self.keep(key.plain(), value, times) else { return Ok(()) };
        self.count += 1;
        if self.count > FIELDS_MAX {
            return Err(Unparsed::Limit("too many fields"));
        }
        // Most keys are new, and a bit that no key had before proves it.
        let word = key.plain();
        let (first, last) = (word.bytes().next(), word.bytes().next_back());
        let mixed = [first, last].into_iter().flatten().map(usize::from);
        let bit = 1 << (mixed.fold(word.len(), |sum, byte| sum * 7 + byte) % 64);
        let is_new =
            self.seen & bit == 0 || !fields.entries().iter().any(|(it, _)| it.plain() == word);
        self.seen |= bit;
        if is_new {
            fields.push(key, value);
        }
        Ok(())
    }

    /// Gives the event what was found.
    pub(super) fn finish(self, fields: &mut Fields<'a>) {
        fields.time = self.time.or(fields.time);
        fields.level = self.level.or(fields.level);
        if self.message.is_some() {
            fields.message = self.message;
        }
    }

    /// Keeps the value if it is one of the three; gives it back if not.
    fn keep(&mut self, key: &str, value: Value<'a>, times: &mut TimeReader) -> Option<Value<'a>> {
        // Most keys begin with another letter.
        if !matches!(key.as_bytes(), [b'@' | b't' | b'd' | b'm' | b'l' | b's', ..]) {
            return Some(value);
        }
        match key {
            "time" | "timestamp" | "@timestamp" | "ts" | "datetime" | "msec"
                if self.time.is_none() =>
            {
                self.time = time(&value, times);
                self.time.is_none().then_some(value)
            }
            "level" | "severity" | "log.level" | "log_level" | "loglevel" | "lvl" | "levelname"
            | "severity_text" | "levelno" | "severity_number"
                if self.level.is_none() =>
            {
                self.level = level(key, &value);
                self.level.is_none().then_some(value)
            }
            "message" | "msg" if self.message.is_none() => {
                match value {
                    Value::Text(text) => self.message = Some(text),
                    Value::Json(raw) => match json::decode_string(raw) {
                        Some(text) => self.message = Some(text),
                        None => return Some(value),
                    },
                    other => return Some(other),
                }
                None
            }
            _ => Some(value),
        }
    }
}

fn time(value: &Value<'_>, times: &mut TimeReader) -> Option<Timestamp> {
    match value {
        Value::Text(text) => times.any(text),
        Value::Integer(_) | Value::Number(_) => TimeReader::unix(&value.text()),
        _ => None,
    }
}

fn level(key: &str, value: &Value<'_>) -> Option<Level> {
    let of_number = match key {
        "levelno" => Level::of_python,
        "severity_number" => Level::of_otel,
        _ => Level::of_number,
    };
    match value {
        Value::Text(text) => Level::of_word(text).or_else(|| of_number(text.parse().ok()?)),
        Value::Integer(number) => of_number(*number),
        _ => None,
    }
}
