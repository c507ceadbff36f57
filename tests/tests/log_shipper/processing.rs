//! What happens to lines between file and sink: parsed, filtered, redacted. A line that is not
//! shipped is done with all the same, and one that cannot be parsed is shipped as it is.

use std::fs;
use std::process::Stdio;

use e2e::pace::SOON;
use e2e::shipper::Settings;
use e2e::sink::{Protocol, Record, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;
use serde_json::{Value, json};

const ACCESS: &str = "203.0.113.7 - ann [22/Nov/2026:10:00:01 +0200] \"GET /a?b=1 HTTP/1.1\" \
                      404 12 \"https://example.org/\" \"curl/8.5\"";

/// Where each protocol has the client's address, the status and the agent, and in which form it has
/// the status.
fn places(protocol: Protocol) -> ([&'static str; 3], Value) {
    match protocol {
        Protocol::Ndjson => (["remote_addr", "status", "http_user_agent"], json!(404)),
        Protocol::LokiProtobuf | Protocol::LokiJson => {
            (["remote_addr", "status", "http_user_agent"], json!("404"))
        }
        Protocol::Bulk => {
            (["source.address", "http.response.status_code", "user_agent.original"], json!(404))
        }
        _ => (["client.address", "http.response.status_code", "user_agent.original"], json!(404)),
    }
}

fn one(sink: &Sink, about: &str) -> Record {
    let records = sink.records();
    assert_eq!(records.len(), 1, "{about}");
    records.into_iter().next().unwrap()
}

#[test]
fn each_receiver_gets_the_fields_in_its_words() {
    for protocol in Protocol::ALL {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let shipper = Settings::new(&place, &sink).flag("--parse", "nginx").start();
        fs::write(place.log("access.log"), format!("{ACCESS}\n")).unwrap();
        sink.wait_records(1, SOON);
        shipper.drain_ok();
        let record = one(&sink, &format!("{protocol:?}"));
        let ([address, status, agent], expected) = places(protocol);
        let about = format!("{protocol:?}: {record:?}");
        assert_eq!(record.fields[address], "203.0.113.7", "{about}");
        assert_eq!(record.fields[status], expected, "{about}");
        assert_eq!(record.fields[agent], "curl/8.5", "{about}");
        match protocol {
            Protocol::Ndjson | Protocol::Bulk => {
                assert_eq!(
                    (&*record.time, &*record.message),
                    ("2026-11-22T08:00:01Z", ""),
                    "{about}"
                );
            }
            // They have a place for the line as it is; what the second leaves open tells lines
            // apart.
            _ => {
                assert_eq!(record.message, ACCESS, "{about}");
                assert!(record.time.starts_with("1795334401000"), "{about}");
            }
        }
    }
}

/// Of equal lines of one second Loki would keep one if they had the same time.
#[test]
fn equal_lines_of_one_second_are_all_kept() {
    let (place, sink) = (Workplace::new(), Sink::speaking(Protocol::LokiProtobuf));
    let settings = Settings::new(&place, &sink).flag("--parse", "combined");
    let shipper = settings.start();
    fs::write(place.log("access.log"), format!("{ACCESS}\n").repeat(2_000)).unwrap();
    sink.wait_records(2_000, SOON);
    shipper.drain_ok();
    assert_eq!(sink.records().len(), 2_000);
}

#[test]
fn what_cannot_be_parsed_is_shipped_as_it_is() {
    for protocol in Protocol::ALL {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let shipper = Settings::new(&place, &sink).flag("--parse", "json").start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.lines(500);
        sink.wait_records(500, SOON);
        shipper.wait_no_lag();
        assert!(shipper.metrics().sum("log_shipper_lines_unparsed_total") > 499.0);
        shipper.drain_ok();
        sink.account(&[&log]).assert_exactly_once();
        let record = sink.records().into_iter().next().unwrap();
        let mark = match protocol {
            Protocol::Ndjson => record.fields["unparsed"] == true,
            Protocol::Bulk => record.fields["flags"] == json!(["unparsed"]),
            Protocol::LokiProtobuf | Protocol::LokiJson => record.fields["unparsed"] == "true",
            _ => record.fields["log.unparsed"] == true,
        };
        assert!(mark, "{protocol:?}: {record:?}");
    }
}

/// Class 27: what a filter drops is acknowledged, also when nothing else is there.
#[test]
fn c27_dropped_lines_are_done_with() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).flag("--exclude-lines", "^app ");
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(5_000);
    shipper.wait_metric("log_shipper_lines_dropped_total", |lines| lines > 4_999.0);
    shipper.wait_no_lag();
    let dropped = shipper.metrics();
    let excluded = dropped.with_label("log_shipper_lines_dropped_total", "reason", "excluded");
    assert!((excluded - 5_000.0).abs() < 0.5, "{excluded}");
    shipper.drain_ok();
    let shipper = settings.start();
    log.line_with("kept");
    fs::write(place.log("other.log"), "kept\n").unwrap();
    sink.wait_records(1, SOON);
    shipper.wait_no_lag();
    assert!(shipper.metrics().sum("log_shipper_lines_read_total") < 2.5, "nothing is read again");
    shipper.drain_ok();
    assert_eq!(sink.messages(), ["kept"]);
}

#[test]
fn levels_samples_and_rates() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let lines = |level: &str| {
        let line = format!("2026/11/22 10:00:00 [{level}] 7#7: *1 of {level}, client: ::1\n");
        line.repeat(300)
    };
    let text = ["debug", "info", "warn", "error"].map(lines).concat();
    let settings = |name: &str, value: &str| {
        let settings = Settings::new(&place, &sink).flag("--parse", "nginx-error");
        settings.without("--state-dir").flag(name, value).start()
    };
    fs::write(place.log("error.log"), text).unwrap();
    for (name, value, least, most) in [
        ("--min-level", "warn", 600, 600),
        ("--sample", "0.5", 400, 800),
        ("--rate-limit", "1:100", 100, 130),
        ("--include-lines", "of (warn|info)", 600, 600),
    ] {
        let before = sink.records().len();
        let shipper = settings(name, value);
        shipper.wait_metric("log_shipper_lines_read_total", |lines| lines > 1_199.0);
        shipper.wait_no_lag();
        shipper.drain_ok();
        let shipped = sink.records().len() - before;
        assert!((least..=most).contains(&shipped), "{name} {value}: {shipped}");
    }
}

#[test]
fn nothing_secret_leaves() {
    for protocol in Protocol::ALL {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let settings = Settings::new(&place, &sink).flag("--redact", "all");
        let shipper = settings.flag("--redact-regex", "order-[0-9]+=order").start();
        let line = "ann@example.org 192.0.2.1 Authorization: Bearer abcdef0123456789 \
                    https://u:hunter2@example.org/ 4111 1111 1111 1111 order-77 end\n";
        fs::write(place.log("app.log"), line).unwrap();
        sink.wait_records(1, SOON);
        shipper.wait_metric("log_shipper_redactions_total", |places| places > 5.0);
        shipper.drain_ok();
        let record = format!("{:?}", one(&sink, "redacted"));
        for secret in ["ann@", "192.0.2.1", "abcdef0123456789", "hunter2", "1111", "order-77"] {
            assert!(!record.contains(secret), "{protocol:?}: {secret}: {record}");
        }
        assert!(record.contains("end"), "{record}");
    }
}

/// Receivers decode what JSON escapes, and so does whoever reads a line that is JSON.
#[test]
fn nothing_secret_hides_behind_escapes() {
    const LINE: &str = r#"{"msg":"https:\/\/user:hunter2@db\/x","mail":"joe\u0040example.org","#;
    const REST: &str =
        r#""n":[{"auth":"Bearer\u0020abcdef0123456789"}],"log":"{\"m\":\"a\\u0040b.org\"}"}"#;
    let lines = format!("{LINE}{REST}\n");
    for protocol in Protocol::ALL {
        for parser in ["json", "none"] {
            let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
            let settings = Settings::new(&place, &sink).flag("--redact", "all");
            let shipper = settings.flag("--parse", parser).start();
            fs::write(place.log("app.log"), &lines).unwrap();
            sink.wait_records(1, SOON);
            shipper.wait_metric("log_shipper_redactions_total", |places| places == 4.0);
            shipper.drain_ok();
            let record = format!("{:?}", one(&sink, "hidden")).to_lowercase();
            for secret in ["hunter2", "example.org", "abcdef0123456789", "b.org", "u0040", "u0020"]
            {
                assert!(!record.contains(secret), "{protocol:?}: {secret}: {record}");
            }
        }
    }
}

/// `test FILE` shows what would be shipped, and ships nothing.
#[test]
fn a_file_can_be_tried() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let file = place.log("access.log");
    fs::write(&file, format!("{ACCESS}\nno access\n")).unwrap();
    let settings = Settings::new(&place, &sink).flag("--parse", "nginx");
    let settings = settings.flag("--label", "status=live").flag("--pod-name", "web-0");
    let mut command = settings.command();
    let output = command.arg("test").arg(&file).stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&records[0]["status_"], &records[0]["remote_addr"]),
        (&json!(404), &json!("203.0.113.7"))
    );
    assert_eq!(
        (&records[0]["status"], &records[0]["kubernetes"]["pod_name"]),
        (&json!("live"), &json!("web-0"))
    );
    assert_eq!(
        (&records[1]["message"], &records[1]["unparsed"]),
        (&json!("no access"), &json!(true))
    );
    assert_eq!((records.len(), sink.attempts().len()), (2, 0));
}
