//! nginx sends its access log as syslog datagrams, over UDP and over a unix socket.
//!
//! Datagrams may be lost under load, which is documented; these scenarios send no more at a time
//! than the queue of a unix socket holds, and expect every line.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use e2e::exporter::{Exporter, Settings};
use e2e::nginx::Site;
use e2e::pace::{SOON, wait_until};
use e2e::workplace::{Workplace, free_address};

const REQUESTS: &str = "nginx_http_response_requests_total";
const REQUESTS_SENT: u32 = 50;
/// Below net.unix.max_dgram_qlen, which is 10 where nobody has raised it.
const AT_A_TIME: u32 = 5;

fn exporter(place: &Workplace, site: &Site, listen: &str) -> Exporter {
    Settings::adapter(place)
        .scrape(&site.status_uri())
        .arg(format!("--syslog-listen={listen}"))
        .arg("--access-log-format=combined")
        .start_ready()
}

/// From a real nginx, with the options that its page has.
fn check(listen: &str, server: &str) {
    let place = Workplace::new();
    let listen = listen.replace("{folder}", place.path().to_str().unwrap());
    let server = server.replace("{folder}", place.path().to_str().unwrap());
    for options in ["", ",nohostname", ",facility=local7,tag=web,severity=warn"] {
        let site = Site::new(place.path(), &place.logs())
            .access_log(&format!("syslog:server={server}{options} combined"));
        // Its socket must be there before nginx starts.
        let exporter = exporter(&place, &site, &listen);
        let nginx = site.start();
        for sent in (AT_A_TIME..=REQUESTS_SENT).step_by(AT_A_TIME as usize) {
            nginx.get(AT_A_TIME as usize);
            exporter.wait_metrics("all lines", |it| it.sum(REQUESTS) >= f64::from(sent));
        }
        let (shown, expected) = (exporter.metrics(), f64::from(REQUESTS_SENT));
        let ok = shown.with_labels(REQUESTS, &[("method", "GET"), ("status", "200")]);
        assert_eq!(ok, expected, "{options}: {shown:?}");
        assert!(shown.sum("nginx_adapter_syslog_messages_total") >= expected);
        assert_eq!(shown.sum("nginx_adapter_log_lines_unparsed_total"), 0.0, "{options}");
        exporter.stop();
    }
}

#[test]
fn over_udp() {
    let port = free_address().port();
    check(&format!("udp://127.0.0.1:{port}"), &format!("127.0.0.1:{port}"));
}

/// nginx's workers are another user; the socket lets them in.
#[test]
fn over_a_unix_socket() {
    check("unix:{folder}/log.sock", "unix:{folder}/log.sock");
}

#[test]
fn a_unix_socket_lets_everybody_in_and_is_taken_away() {
    use std::os::unix::fs::PermissionsExt;
    let place = Workplace::new();
    let site = Site::new(place.path(), &place.logs());
    let socket = place.path().join("log.sock");
    let listen = format!("unix:{}", socket.display());
    let exporter_one = exporter(&place, &site, &listen);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o666, 0o666, "{mode:o}");
    exporter_one.kill9();
    let exporter_two = exporter(&place, &site, &listen);
    exporter_two.stop();
    assert!(!socket.exists());
}

/// Datagrams that are no syslog are counted, and hurt nobody.
#[test]
fn garbage_is_counted() {
    let place = Workplace::new();
    let site = Site::new(place.path(), &place.logs());
    let address = free_address();
    let exporter = exporter(&place, &site, &format!("udp://{address}"));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let line = "<190>Nov 22 06:44:12 host nginx: 192.0.2.1 - - [22/Nov/2026:06:44:12 +0000] \
                \"GET / HTTP/1.1\" 200 6 \"-\" \"-\"";
    for datagram in [&b"5ecret"[..], b"", b"<190>", b"\xff\xfe", line.as_bytes(), &[b'x'; 60_000]] {
        socket.send_to(datagram, address).unwrap();
    }
    let shown = exporter.wait_metrics("one line", |it| it.sum(REQUESTS) >= 1.0);
    assert_eq!(shown.sum(REQUESTS), 1.0);
    exporter.wait_metrics("what did not fit", |it| {
        it.sum("nginx_adapter_log_lines_unparsed_total") >= 3.0
    });
    assert!(!exporter.stop().contains("5ecret"));
}

/// A line with a line end in it, as datagrams may have, and many at once over a unix socket.
#[test]
fn a_burst_is_counted_or_refused() {
    const BURST: u32 = 2000;
    let place = Workplace::new();
    let site = Site::new(place.path(), &place.logs());
    let path = place.path().join("log.sock");
    let exporter = exporter(&place, &site, &format!("unix:{}", path.display()));
    let taken = send_burst(&path, BURST);
    wait_until("every datagram that was taken", SOON, || {
        exporter.metrics().sum("nginx_adapter_syslog_messages_total") >= f64::from(taken)
    });
    assert_eq!(exporter.metrics().sum(REQUESTS), f64::from(taken));
    exporter.stop();
}

/// Blocking, so that the kernel refuses none.
fn send_burst(path: &Path, count: u32) -> u32 {
    let socket = UnixDatagram::unbound().unwrap();
    let line = "<190>Nov 22 06:44:12 nginx: 192.0.2.1 - - [22/Nov/2026:06:44:12 +0000] \
                \"GET / HTTP/1.1\" 200 6 \"-\" \"-\"\n";
    (0..count).map(|_| u32::from(socket.send_to(line.as_bytes(), path).is_ok())).sum()
}
