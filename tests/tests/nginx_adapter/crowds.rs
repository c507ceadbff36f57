//! More peers than there are places, and peers that do not read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::exporter::Settings;
use e2e::pace::{SOON, holds_for, wait_until};
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::Workplace;
use rustix::net::sockopt::set_socket_recv_buffer_size;

/// The places of the admin port.
const CONNECTIONS: usize = 256;
const MEGABYTE: u64 = 1_000_000;

/// A connection that is kept, with its first request sent.
fn keep(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    stream
}

/// All places are busy with a hung nginx; once they are answered and idle, they give way.
#[test]
fn idle_connections_give_way_to_new_ones() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::Silence(Vec::new()));
    let adapter = Settings::adapter(&place).scrape(&upstream.uri()).arg("-nginx.timeout=2s");
    let adapter = adapter.start();
    let mut kept: Vec<_> = (0..CONNECTIONS).map(|_| keep(adapter.port())).collect();
    upstream.wait_requests(1, SOON);
    let start = Instant::now();
    assert_eq!(adapter.get("/healthz").status, 200);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    // Each of the first ones was answered before it had to go.
    for stream in &mut kept {
        let mut first = [0; 15];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
    }
}

/// A large page for each of many readers that do not read would be all memory.
#[test]
fn slow_readers_share_a_bounded_room() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let log = place.log("access.log");
    let mut adapter = Settings::adapter(&place)
        .scrape(&upstream.uri())
        .arg(format!("--access-log={}", log.display()))
        .arg("--access-log-format=$host $status $request_time")
        .arg("--access-log-host")
        .arg("--access-log-series-max=1000")
        .start_ready();
    let lines: String = (0..1000).map(|host| format!("host-{host}.example 200 0.1\n")).collect();
    std::fs::write(&log, lines).unwrap();
    adapter.wait_metrics("all series", |shown| shown.sum("nginx_adapter_log_series") > 999.0);
    let page = adapter.text().len() as u64;
    assert!(page > MEGABYTE, "{page} bytes");
    let before = adapter.process().rss_bytes();
    let mut slow = Vec::new();
    for _reader in 0..40 {
        let stream = keep(adapter.port());
        set_socket_recv_buffer_size(&stream, 4096).unwrap();
        slow.push(stream);
    }
    let bound = before + 24 * MEGABYTE;
    let mut most = 0;
    holds_for(Duration::from_secs(3), || {
        most = most.max(adapter.process().rss_bytes());
        true
    });
    assert!(most < bound, "{} MB, a page of {page} bytes", most / MEGABYTE);
    drop(slow);
    wait_until("room for a reader again", SOON, || adapter.get("/metrics").status == 200);
}
