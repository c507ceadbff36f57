//! Syslog to a real rsyslog, over TCP, TLS and UDP.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use e2e::certificates::Authority;
use e2e::ledger::account;
use e2e::pace::{SOON, holds_for, wait_until};
use e2e::rsyslog::{Rsyslog, Transport};
use e2e::shipper::{Settings, Shipper};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

const LINES: usize = 3_000;

fn settings(place: &Workplace, rsyslog: &Rsyslog) -> Settings {
    Settings::bare(place)
        .flag("--include", place.log("*.log").to_str().unwrap())
        .flag("--linger", "200ms")
        .flag("--sink", "syslog")
        .flag("--sink-url", &rsyslog.url())
}

fn over_tcp() -> (Workplace, Rsyslog) {
    let place = Workplace::new();
    let rsyslog = Rsyslog::started(place.path(), &Transport::Tcp);
    (place, rsyslog)
}

fn cut_lines(shipper: &Shipper) -> f64 {
    shipper.metrics().sum("log_shipper_lines_cut_total")
}

#[test]
fn lines_arrive_with_where_they_are_from() {
    let (place, rsyslog) = over_tcp();
    let shipper = settings(&place, &rsyslog)
        .flag("--syslog-facility", "local3")
        .flag("--label", "team=a\"b\\c]d")
        .start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    let mut other = Numbered::open(place.log("the other].log"), "other");
    log.lines(LINES);
    other.lines(LINES);
    rsyslog.wait_texts(2 * LINES, SOON);
    shipper.drain_ok();
    rsyslog.account(&[&log, &other]).assert_exactly_once();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let path = other.path().to_str().unwrap().replace(']', "\\]");
    let expected = format!(
        "158 {} the_other] - - [outrider@32473 file=\"{path}\" stream=\"the other\\]\" \
         team=\"a\\\"b\\\\c\\]d\" offset=\"0\"]",
        host.trim()
    );
    let heads = rsyslog.heads();
    assert!(heads.contains(&expected), "{expected}\n{}", heads[LINES]);
}

/// Every byte but LF, and NUL, which rsyslog replaces; and a line that fills many segments.
#[test]
fn every_byte_arrives_as_it_is() {
    let (place, rsyslog) = over_tcp();
    let shipper = settings(&place, &rsyslog).flag("--label", "app=odd").start();
    let odd: Vec<u8> = (1..=255).filter(|byte| *byte != b'\n').collect();
    let lines = [
        b"<13>1 looks like a header".to_vec(),
        b" begins and ends with spaces ".to_vec(),
        b"12 <34>".to_vec(),
        odd,
        vec![b'x'; 150_000],
        "caf\u{e9} \u{20ac}".as_bytes().to_vec(),
    ];
    fs::write(place.log("odd.log"), lines.join(&b'\n')).unwrap();
    rsyslog.wait_texts(lines.len() - 1, SOON);
    shipper.drain_ok();
    rsyslog.wait_texts(lines.len(), SOON);
    let mut expected = lines.to_vec();
    // What is UTF-8 and not ASCII begins with the mark that says so.
    expected[5].splice(0..0, *b"\xef\xbb\xbf");
    assert!(rsyslog.texts() == expected, "{:?}", rsyslog.texts());
    assert!(rsyslog.heads().iter().all(|head| head.contains(" odd - - [")));
}

#[test]
fn a_restarted_receiver_gets_what_was_written_meanwhile() {
    let (place, mut rsyslog) = over_tcp();
    let shipper = settings(&place, &rsyslog).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    for round in 1..=3 {
        log.lines(LINES);
        // Syslog cannot tell what a receiver took before it ended: it ends with nothing to take.
        rsyslog.wait_texts((2 * round - 1) * LINES, SOON);
        shipper.wait_no_lag();
        rsyslog.stop();
        log.lines(LINES);
        let retries = shipper.metrics().sum("log_shipper_retries_total");
        shipper.wait_metric("log_shipper_retries_total", |now| now > retries);
        rsyslog.start();
        rsyslog.wait_texts(2 * round * LINES, SOON);
    }
    shipper.drain_ok();
    rsyslog.account(&[&log]).assert_exactly_once();
}

/// A receiver that takes nothing has its kernel's buffer full at last: what is behind that is not
/// counted as delivered, and comes again after a kill.
#[test]
fn what_is_not_confirmed_is_not_delivered() {
    let (place, rsyslog) = over_tcp();
    let settings = settings(&place, &rsyslog);
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(10);
    rsyslog.wait_texts(10, SOON);
    shipper.wait_no_lag();
    rsyslog.freeze();
    log.set_padding("x".repeat(1_000));
    log.lines(40_000);
    // One batch at the receiver, one that waits: the rest stays in the file.
    shipper.wait_metric("log_shipper_lag_bytes", |lag_bytes| lag_bytes > 20e6);
    assert!(holds_for(Duration::from_secs(1), || {
        shipper.metrics().sum("log_shipper_lag_bytes") > 20e6
    }));
    shipper.kill9();
    rsyslog.resume();
    let shipper = settings.start();
    rsyslog.wait_distinct(40_010, SOON);
    shipper.drain_ok();
    rsyslog.account(&[&log]).assert_nothing_lost();
}

/// What fits into the kernel's buffers on this side has left the shipper, and is not delivered.
#[test]
fn what_waits_in_the_send_queue_is_not_delivered() {
    let place = Workplace::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4_096).unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1_000);
    let shipper = Settings::bare(&place)
        .flag("--include", place.log("*.log").to_str().unwrap())
        .flag("--linger", "200ms")
        .flag("--sink", "syslog")
        .flag("--sink-url", &url)
        .flag("--sink-timeout", "500ms")
        .start();
    let (first, _peer) = listener.accept().unwrap();
    wait_until("a timeout", SOON, || {
        let metrics = shipper.metrics();
        metrics.with_label("log_shipper_retries_total", "reason", "timeout") >= 1.0
    });
    assert!(shipper.metrics().sum("log_shipper_lines_acked_total").abs() < 0.5);
    drop(first);
    let reader = std::thread::spawn(move || {
        // Those that the shipper gave up hold less.
        loop {
            let mut taken = Vec::new();
            let (mut stream, _peer) = listener.accept().unwrap();
            let is_whole = stream.read_to_end(&mut taken).is_ok();
            let messages = frames(&taken);
            if is_whole && messages.len() >= 1_000 {
                return messages;
            }
        }
    });
    shipper.wait_no_lag();
    shipper.drain_ok();
    let messages = reader.join().unwrap();
    let texts = messages.iter().map(|message| message.split_once("\"] ").unwrap().1);
    account(log.written(), texts).assert_exactly_once();
}

/// Messages with their lengths before them; the last may be cut off.
fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let Some((frame, rest)) = bytes[space + 1..].split_at_checked(length) else { break };
        frames.push(String::from_utf8(frame.to_vec()).unwrap());
        bytes = rest;
    }
    frames
}

#[test]
fn a_drain_delivers_what_is_there() {
    let (place, rsyslog) = over_tcp();
    let shipper = settings(&place, &rsyslog).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(50_000);
    shipper.drain_ok();
    rsyslog.wait_texts(50_000, SOON);
    rsyslog.account(&[&log]).assert_exactly_once();
}

#[test]
fn a_dead_receiver_costs_the_grace_and_no_line() {
    let place = Workplace::new();
    let mut rsyslog = Rsyslog::new(place.path(), &Transport::Tcp);
    let settings = settings(&place, &rsyslog).flag("--shutdown-grace", "2s");
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(LINES);
    let (code, stderr) = settings.start().drain(SOON);
    assert_eq!(code, 75, "{stderr}");
    rsyslog.start();
    let shipper = settings.start();
    rsyslog.wait_texts(LINES, SOON);
    shipper.drain_ok();
    rsyslog.account(&[&log]).assert_exactly_once();
}

#[test]
fn tls_asks_both_sides_for_certificates() {
    let place = Workplace::new();
    let authority = Authority::new(place.path(), "ca");
    let (server, client) = (authority.sign("server"), authority.sign("client"));
    let other = Authority::new(place.path(), "other-ca");
    let rsyslog = Rsyslog::started(place.path(), &Transport::Tls(&server, &authority));
    let with = |authority: &Authority| {
        settings(&place, &rsyslog)
            .flag("--sink-ca-file", authority.file().to_str().unwrap())
            .flag("--sink-client-cert", client.certificate.to_str().unwrap())
            .flag("--sink-client-key", client.key.to_str().unwrap())
    };
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(LINES);
    let shipper = with(&other).start();
    shipper.wait_metric("log_shipper_retries_total", |retries| retries >= 2.0);
    drop(shipper);
    assert!(rsyslog.texts().is_empty());
    let shipper = with(&authority).start();
    rsyslog.wait_texts(LINES, SOON);
    log.lines(LINES);
    rsyslog.wait_texts(2 * LINES, SOON);
    shipper.drain_ok();
    rsyslog.account(&[&log]).assert_exactly_once();
}

/// Datagrams are cut and marked; where nobody listens on a host that is near, lines wait.
#[test]
fn datagrams_are_cut_and_wait_for_a_listener() {
    let place = Workplace::new();
    let mut rsyslog = Rsyslog::new(place.path(), &Transport::Udp);
    let shipper = settings(&place, &rsyslog).flag("--syslog-datagram-bytes", "1KiB").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    shipper.wait_metric("log_shipper_retries_total", |retries| retries >= 2.0);
    rsyslog.start();
    rsyslog.wait_texts(100, SOON);
    rsyslog.account(&[&log]).assert_nothing_lost();
    shipper.wait_no_lag();
    assert!(cut_lines(&shipper).abs() < 0.5);
    fs::write(place.log("long.log"), "\u{20ac}".repeat(1_000) + "\n").unwrap();
    wait_until("the cut line", SOON, || {
        rsyslog.heads().iter().any(|head| head.ends_with(" cut=\"true\"]"))
    });
    assert_eq!(cut_lines(&shipper).round(), 1.0);
    let text = String::from_utf8(rsyslog.texts().pop().unwrap()).unwrap();
    assert!(text.len() > 500 && "\u{feff}".to_owned() + &"\u{20ac}".repeat(1_000) > text);
    shipper.drain_ok();
}
