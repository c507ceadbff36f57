//! One line, one record.
//!
//! In: a line and where it comes from. Out: the bytes that stand for it on the wire of a sink. Only
//! the sink knows that form, so each sink with one of its own brings its recorder; what they have
//! in common is here.
//!
//! A record with a time of its own is stamped when its line is read, in nanoseconds that rise from
//! record to record: a receiver that takes equal lines of one time for one line keeps both, and a
//! record that is sent twice has the same time both times.

mod entry;
mod text;

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::SystemTime;

use event::{Fields, Key};
use serde_json::{Map, Value};
use tail::{Part, Source};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

#[cfg(test)]
pub(crate) use self::entry::plain;
pub(crate) use self::entry::{Entry, Parsed};
pub(crate) use self::text::{Format, PLAIN, POD, RESERVED, TextRecorder};
use crate::metadata::Pod;
use crate::sink::{BulkRecorder, ForwardRecorder, LokiRecorder, OtlpRecorder, SyslogRecorder};

/// Writes records.
#[derive(Debug)]
pub(crate) enum Recorder {
    Text(TextRecorder),
    Loki(LokiRecorder),
    Bulk(BulkRecorder),
    Otlp(OtlpRecorder),
    Forward(ForwardRecorder),
    Syslog(SyslogRecorder),
}

impl Recorder {
    /// Takes note of the pod that the lines of the turns from now on are of.
    pub(crate) fn describe(&mut self, pod: &Pod) {
        match self {
            Recorder::Text(recorder) => recorder.describe(pod),
            Recorder::Loki(recorder) => recorder.describe(pod),
            Recorder::Bulk(recorder) => recorder.describe(pod),
            Recorder::Otlp(recorder) => recorder.describe(pod),
            Recorder::Forward(recorder) => recorder.describe(pod),
            Recorder::Syslog(recorder) => recorder.describe(pod),
        }
    }

    /// Begins a turn: the lines that follow are of `source` and were read at `time`.
    pub(crate) fn begin(&mut self, source: &Source, time: SystemTime) {
        match self {
            Recorder::Text(recorder) => recorder.begin(source, time),
            Recorder::Loki(recorder) => recorder.begin(source, time),
            Recorder::Bulk(recorder) => recorder.begin(source, time),
            Recorder::Otlp(recorder) => recorder.begin(source, time),
            Recorder::Forward(recorder) => recorder.begin(source, time),
            Recorder::Syslog(recorder) => recorder.begin(source, time),
        }
    }

    /// What is the same for all records of this turn and belongs before them.
    pub(crate) fn head(&self) -> &[u8] {
        match self {
            Recorder::Loki(recorder) => recorder.head(),
            Recorder::Otlp(recorder) => recorder.head(),
            Recorder::Forward(recorder) => recorder.head(),
            Recorder::Text(_) | Recorder::Bulk(_) | Recorder::Syslog(_) => &[],
        }
    }

    /// Appends the record of an entry.
    pub(crate) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        match self {
            Recorder::Text(recorder) => recorder.write(entry, out),
            Recorder::Loki(recorder) => recorder.write(entry, out),
            Recorder::Bulk(recorder) => recorder.write(entry, out),
            Recorder::Otlp(recorder) => recorder.write(entry, out),
            Recorder::Forward(recorder) => recorder.write(entry, out),
            Recorder::Syslog(recorder) => recorder.write(entry, out),
        }
    }

    /// Whether entries need a text, or their bytes are all that is written.
    pub(crate) fn takes_text(&self) -> bool {
        match self {
            Recorder::Text(recorder) => recorder.takes_text(),
            Recorder::Syslog(_) => false,
            _ => true,
        }
    }

    /// Lines that had to be cut since the last call.
    pub(crate) fn take_cut(&mut self) -> u64 {
        match self {
            Recorder::Syslog(recorder) => recorder.take_cut(),
            _ => 0,
        }
    }
}

/// Nanoseconds since 1970 that never come twice.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    last: u64,
}

impl Stamps {
    /// The next stamp will be of this time, or just behind the last one.
    pub(crate) fn begin(&mut self, time: SystemTime) {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX / 2);
        self.last = self.last.max(nanos.saturating_sub(1));
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// Bytes as text, and whether some had to be replaced.
pub(crate) fn text(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_invalid) => (String::from_utf8_lossy(bytes), true),
    }
}

/// The file's name without its ending.
pub(crate) fn stream(source: &Source) -> Cow<'_, str> {
    source.path.file_stem().unwrap_or_default().to_string_lossy()
}

/// Appends what is the same whenever this line is read from this file of this host. The offset
/// alone is not enough: a file that was emptied while nobody looked has new lines at old offsets,
/// and where a file system keeps no time of birth, files of two hosts can look the same.
pub(crate) fn record_id(file_id: u64, entry: &Entry<'_>, out: &mut Vec<u8>) {
    static HOST: LazyLock<u64> =
        LazyLock::new(|| xxh3_64(rustix::system::uname().nodename().to_bytes()));
    let content = xxh3_64_with_seed(entry.bytes, *HOST);
    write_hex(file_id, out);
    out.push(b'-');
    out.extend_from_slice(itoa::Buffer::new().format(entry.offset).as_bytes());
    out.push(b'-');
    write_hex(content, out);
    if entry.part == Part::Partial {
        // The whole line may come later; it is not a duplicate of its beginning.
        out.extend_from_slice(b"-partial");
    }
}

/// Sixteen digits.
fn write_hex(number: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in number.to_be_bytes() {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Labels, and fields whose names no label has, as fields of a JSON object, with a comma behind
/// each.
pub(crate) fn labels_fragment(labels: &[(String, String)], fields: &Map<String, Value>) -> Vec<u8> {
    let mut fragment = Vec::new();
    for (key, value) in fields {
        if !is_label(labels, key) {
            write_string(key, &mut fragment);
            fragment.extend_from_slice(format!(":{value},").as_bytes());
        }
    }
    for (key, value) in labels {
        write_string(key, &mut fragment);
        fragment.push(b':');
        write_string(value, &mut fragment);
        fragment.push(b',');
    }
    fragment
}

/// Whether one of `--label` has this name; it wins over what is known of the pod.
pub(crate) fn is_label(labels: &[(String, String)], key: &str) -> bool {
    labels.iter().any(|(known, _value)| known == key)
}

/// How a sink names fields.
pub(crate) struct Naming {
    /// The word of its vocabulary, as far as it can be a name at all.
    pub(crate) word: for<'a> fn(&'a Key<'_>) -> Cow<'a, str>,
    /// A record has this field by itself.
    pub(crate) is_reserved: fn(&str) -> bool,
    /// `a.b` is a field of the object `a`, which then is no other field.
    pub(crate) dots_nest: bool,
}

impl Naming {
    /// What the entry with this number is called. A name that a label or an earlier field has, or a
    /// key of the line that a record has by itself, gets `_` behind it, until nothing else has the
    /// name: a receiver may refuse a record that names a field twice.
    pub(crate) fn name<'a>(
        &self,
        number: usize,
        fields: &'a Fields<'_>,
        labels: &[(String, String)],
    ) -> Cow<'a, str> {
        let entries = fields.entries();
        let key = &entries[number].0;
        let is_own = matches!(key, Key::Other(_));
        let mut word = (self.word)(key);
        if self.dots_nest && is_own && word.contains('.') {
            let is_within = |other: &Key<'_>| {
                let rest = word.strip_prefix(&*(self.word)(other));
                rest.is_some_and(|rest| rest.starts_with('.'))
            };
            if entries.iter().any(|(key, _value)| is_within(key)) {
                word = Cow::Owned(word.replace('.', "_"));
            }
        }
        let is_taken = |name: &str| is_label(labels, name) || (is_own && (self.is_reserved)(name));
        let is_same = |(key, _): &&(Key<'_>, event::Value<'_>)| (self.word)(key) == word;
        let before = if is_own { entries[..number].iter().filter(is_same).count() } else { 0 };
        let others = before + usize::from(is_taken(&word));
        if others == 0 {
            return word;
        }
        let is_free = |name: &String| {
            !is_taken(name) && entries.iter().all(|(key, _value)| (self.word)(key) != **name)
        };
        let longer = (1..).map(|count| format!("{word}{}", "_".repeat(count)));
        let name = longer.filter(is_free).nth(others - 1);
        Cow::Owned(name.expect("there is always a longer one"))
    }
}

/// Appends a JSON string with its quotes.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    json_escape_simd::escape_into(text, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_fields_have_one_name() {
        let naming = Naming {
            word: |key| key.plain().into(),
            is_reserved: |name| name == "file",
            dots_nest: true,
        };
        let labels = [("app".to_owned(), String::new()), ("app_".to_owned(), String::new())];
        for (keys, expected) in [
            (&["a", "b"][..], &["a", "b"][..]),
            (&["a", "a", "a"], &["a", "a_", "a__"]),
            (&["a", "a_", "a", "a__"], &["a", "a_", "a___", "a__"]),
            (&["app", "app", "file_", "file"], &["app__", "app___", "file_", "file__"]),
            (&["a", "a.b", "ab.c"], &["a", "a_b", "ab.c"]),
            (&["a.b", "b", "a"], &["a_b", "b", "a"]),
        ] {
            let mut fields = Fields::default();
            keys.iter().for_each(|key| fields.push(*key, event::Value::Null));
            let names: Vec<_> =
                (0..keys.len()).map(|number| naming.name(number, &fields, &labels)).collect();
            assert_eq!(names, expected, "{keys:?}");
        }
    }

    #[test]
    fn an_id_is_of_file_offset_and_content() {
        let fields = Fields::default();
        let id = |file_id, text, offset, part| {
            let mut out = Vec::new();
            record_id(file_id, &Entry { part, ..plain(text, offset, &fields) }, &mut out);
            String::from_utf8(out).unwrap()
        };
        let one = id(0xab, "a", 42, Part::Whole);
        assert!(one.starts_with("00000000000000ab-42-") && one.len() == 36, "{one}");
        assert_eq!(one, id(0xab, "a", 42, Part::Whole));
        for other in [
            id(0xac, "a", 42, Part::Whole),
            id(0xab, "b", 42, Part::Whole),
            id(0xab, "a", 43, Part::Whole),
            id(0xab, "a", 42, Part::Partial),
        ] {
            assert_ne!(one, other);
        }
    }
}
