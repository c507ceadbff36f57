use std::path::PathBuf;

use event::Fields;
use net::{Endpoint, Scheme, TlsSettings};
use tail::Part;

use super::*;
use crate::config::StreamConfig;
use crate::record::plain;

fn recorder(datagram_bytes_max: Option<usize>, labels: &[(&str, &str)]) -> SyslogRecorder {
    let scheme = Scheme { name: "tcp", tls: false, port: 514 };
    let endpoint = Endpoint::of_schemes("tcp://logs", &[scheme]).unwrap();
    let tls = TlsSettings { ca_file: None, client_cert: None, client_key: None };
    let to = StreamConfig { endpoint, tls, timeout: Duration::ZERO };
    let config = SyslogConfig { to, facility: 16, datagram_bytes_max };
    let labels: Vec<(String, String)> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut recorder = SyslogRecorder::new(&config, false, &labels);
    recorder.hostname = "pod-1".to_owned();
    let path = PathBuf::from("/logs/my app].log");
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    recorder.begin(&Source { path, group: 0, file_id: 0xab }, time);
    recorder
}

fn written(recorder: &mut SyslogRecorder, bytes: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::new();
    let fields = Fields::default();
    recorder.write(&Entry { bytes, part, ..plain("", 7, &fields) }, &mut out);
    out
}

const HEADER: &str = "<134>1 2023-11-14T22:13:20.123456Z pod-1 my_app] - - \
                      [outrider@32473 file=\"/logs/my app\\].log\" stream=\"my app\\]\"";

#[test]
fn a_message_is_of_rfc_5424() {
    for (bytes, part, rest) in [
        (&b"plain\r"[..], Part::Whole, &b" offset=\"7\"] plain"[..]),
        (b"\x01\xff\0", Part::Split, b" offset=\"7\" split=\"true\"] \x01\xff\0"),
        (
            "caf\u{e9}".as_bytes(),
            Part::Partial,
            b" offset=\"7\" partial=\"true\"] \xef\xbb\xbfcaf\xc3\xa9",
        ),
        (b"", Part::Whole, b" offset=\"7\"] "),
    ] {
        let message = [HEADER.as_bytes(), rest].concat();
        let framed = [format!("{} ", message.len()).as_bytes(), &message].concat();
        assert_eq!(written(&mut recorder(None, &[]), bytes, part), framed);
        assert_eq!(written(&mut recorder(Some(2_048), &[]), bytes, part), message);
    }
}

#[test]
fn labels_are_parameters_and_one_is_the_app() {
    let labels = [("app", "w\"e\\b\u{e9}"), ("team", "")];
    let message = written(&mut recorder(Some(2_048), &labels), b"x", Part::Whole);
    let message = String::from_utf8(message).unwrap();
    assert!(message.contains(" pod-1 w\"e\\b_ - - ["), "{message}");
    assert!(message.contains(" app=\"w\\\"e\\\\b\u{e9}\" team=\"\" offset="), "{message}");
}

#[test]
fn datagrams_are_cut_between_characters() {
    let fits = 480;
    let mut recorder = recorder(Some(fits), &[]);
    let spare = fits - written(&mut recorder, b"", Part::Whole).len();
    let exact = "x".repeat(spare);
    assert_eq!(written(&mut recorder, exact.as_bytes(), Part::Whole).len(), fits);
    assert_eq!(recorder.take_cut(), 0);
    for length in spare..spare + 10 {
        let text = "\u{20ac}".repeat(length);
        let message = written(&mut recorder, text.as_bytes(), Part::Whole);
        assert!((fits - 2..=fits).contains(&message.len()), "{}", message.len());
        let message = String::from_utf8(message).unwrap();
        assert!(message.contains(" cut=\"true\"] \u{feff}\u{20ac}"), "{message}");
    }
    assert_eq!((recorder.take_cut(), recorder.take_cut()), (10, 0));
    let raw = written(&mut recorder, &[0xff; 600], Part::Whole);
    assert_eq!(raw.len(), fits);
    let tiny = written(&mut self::recorder(Some(1), &[]), b"text", Part::Whole);
    assert!(tiny.ends_with(b" cut=\"true\"] "));
}
