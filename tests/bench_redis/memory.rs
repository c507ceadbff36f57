//! What memory it takes: with few and many clients, behind one that does not read, for one large
//! value.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::ambassador::Ambassador;
use e2e::pace::{SOON, paced};
use e2e::resp_client::{RespClient, request, words};
use e2e::table::{Rounds, markdown};

use crate::subject::{Servers, Subject};
use crate::{Request, progress};

const CROWDS: [usize; 3] = [50, 1_000, 10_000];
const SLOW_GETS: usize = 4_000;
const SLOW_VALUE_BYTES: usize = 64 * 1024;
const LARGE_VALUE_BYTES: usize = 512 * 1024 * 1024;
const PART_BYTES: usize = 16 * 1024 * 1024;
/// Before memory is looked at.
const REST: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Figures {
    start: Rounds,
    crowds: [Rounds; CROWDS.len()],
    after_close: Rounds,
    slow_reader: Rounds,
    large_peak: Rounds,
    large_set_seconds: Rounds,
    large_get_seconds: Rounds,
}

pub(crate) fn run(request: &Request) -> String {
    let servers = Servers::start();
    let mut all: Vec<(&Subject, Figures)> =
        request.proxies.iter().map(|subject| (subject, Figures::default())).collect();
    for round in 1..=request.scale.rounds.min(3) {
        for (subject, figures) in &mut all {
            progress(&format!("round {round}: memory of {}", subject.name));
            servers.fill(1, 1);
            crowds(subject, &servers, figures);
            slow_reader(subject, &servers, figures);
            large_value(subject, &servers, figures);
        }
    }
    table(&all)
}

fn table(all: &[(&Subject, Figures)]) -> String {
    let row = |name: &str, cell: &dyn Fn(&Figures) -> String| {
        let cells = all.iter().map(|(_subject, figures)| cell(figures));
        std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
    };
    let mut rows = vec![row("at the start, MB", &|it| it.start.cell(1))];
    for (index, crowd) in CROWDS.iter().enumerate() {
        let name = format!("{crowd} connections after one GET each, MB");
        rows.push(row(&name, &|it| it.crowds[index].cell(1)));
    }
    rows.extend([
        row("1 s after they have gone, MB", &|it| it.after_close.cell(1)),
        row("a client asks 4,000 times for 64 KiB and never reads, MB", &|it| {
            it.slow_reader.cell(1)
        }),
        row("peak while 512 MiB are set and got, MB", &|it| it.large_peak.cell(1)),
        row("that SET, s", &|it| it.large_set_seconds.cell(1)),
        row("that GET, s", &|it| it.large_get_seconds.cell(1)),
    ]);
    let names = all.iter().map(|(subject, _figures)| subject.name.as_str());
    let head: Vec<&str> = std::iter::once("resident").chain(names).collect();
    markdown("Memory", &head, &rows)
}

fn crowds(subject: &Subject, servers: &Servers, figures: &mut Figures) {
    let mut proxy = subject.start(servers);
    rest();
    figures.start.add(megabytes(&mut proxy));
    let mut clients = Vec::new();
    for (crowd, figure) in CROWDS.iter().zip(&mut figures.crowds) {
        clients.extend((clients.len()..*crowd).map(|_client| connect(proxy.port())));
        // All before any reply is read.
        clients.iter_mut().for_each(|client| client.write_all(&words("GET a")).unwrap());
        for client in &mut clients {
            client.read_exact(&mut [0; 5]).unwrap();
        }
        rest();
        figure.add(megabytes(&mut proxy));
    }
    drop(clients);
    rest();
    figures.after_close.add(megabytes(&mut proxy));
}

fn slow_reader(subject: &Subject, servers: &Servers, figures: &mut Figures) {
    let mut proxy = subject.start(servers);
    let mut client = proxy.client();
    client.send(&request(&[b"SET", &b"slow"[..], &vec![b'x'; SLOW_VALUE_BYTES]]));
    client.read();
    let gets: Vec<u8> = (0..SLOW_GETS).flat_map(|_get| words("GET slow")).collect();
    client.send(&gets);
    rest();
    rest();
    figures.slow_reader.add(megabytes(&mut proxy));
}

fn large_value(subject: &Subject, servers: &Servers, figures: &mut Figures) {
    let mut proxy = subject.start(servers);
    let mut client = RespClient::connect(proxy.address());
    let part = vec![b'x'; PART_BYTES];
    let start = Instant::now();
    client.send(format!("*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n${LARGE_VALUE_BYTES}\r\n").as_bytes());
    (0..LARGE_VALUE_BYTES / PART_BYTES).for_each(|_part| client.send(&part));
    client.send(b"\r\n");
    assert!(!client.read().is_error());
    figures.large_set_seconds.add(start.elapsed().as_secs_f64());
    let start = Instant::now();
    client.send(&words("GET large"));
    let head = format!("${LARGE_VALUE_BYTES}\r\n\r\n").len();
    client.skip(u64::try_from(LARGE_VALUE_BYTES + head).unwrap());
    figures.large_get_seconds.add(start.elapsed().as_secs_f64());
    client.call("DEL large");
    figures.large_peak.add(bytes_to_megabytes(proxy.process().rss_peak_bytes()));
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn megabytes(proxy: &mut Ambassador) -> f64 {
    bytes_to_megabytes(proxy.process().rss_bytes())
}

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn bytes_to_megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Part of what is measured: memory after a while without work.
fn rest() {
    paced(1, REST, |_time| {});
}
