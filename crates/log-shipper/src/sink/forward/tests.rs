use std::path::PathBuf;

use event::Fields;
use rmpv::Value;
use rmpv::decode::read_value;
use tail::{Line, Part};

use super::*;
use crate::record::{plain, record_id, text};

fn map(fields: Vec<(&str, Value)>) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

#[test]
fn an_entry_says_what_when_and_where() {
    let labels: Vec<(String, String)> =
        (0..20).map(|number| (format!("key{number}"), "value".to_owned())).collect();
    let mut recorder = ForwardRecorder::new("a.{stream}.b", true, &labels);
    let path = PathBuf::from("/logs/my app.1.log");
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5);
    recorder.begin(&Source { path, group: 0, file_id: 0xab }, time);
    assert_eq!(recorder.head(), b"a.my_app.1.b");
    let (mut out, mut ids) = (Vec::new(), Vec::new());
    for (bytes, part) in [(&b"caf\xc3\xa9\r"[..], Part::Whole), (b"\xff", Part::Partial)] {
        let (fields, line) = (Fields::default(), Line { bytes, offset: 70_000, part });
        let (text, _replaced) = text(line.text());
        let entry = Entry { bytes, part, ..plain(&text, 70_000, &fields) };
        recorder.write(&entry, &mut out);
        let mut id = Vec::new();
        record_id(0xab, &entry, &mut id);
        ids.push(String::from_utf8(id).unwrap());
    }
    let mut rest = &out[..];
    for (fraction, id, message, partial) in
        [(5_u32, &*ids[0], "café", None), (6, &*ids[1], "\u{fffd}", Some(true))]
    {
        let mut fields = vec![("file", "/logs/my app.1.log".into()), ("stream", "my app.1".into())];
        fields.extend(labels.iter().map(|(key, value)| (key.as_str(), value.as_str().into())));
        fields.extend([("offset", 70_000.into()), ("id", id.into()), ("message", message.into())]);
        fields.extend(partial.map(|is_partial| ("partial", is_partial.into())));
        let time = [1_700_000_000_u32.to_be_bytes(), fraction.to_be_bytes()].concat();
        let expected = Value::Array(vec![Value::Ext(0, time), map(fields)]);
        assert_eq!(read_value(&mut rest).unwrap(), expected);
    }
    assert!(rest.is_empty());
}
