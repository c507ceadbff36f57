//! The resolver against a name server of a few lines, which knows `known.test.` and counts.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const TYPE_A: u16 = 1;
const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;

/// What the name server says; the number of queries for IPv4 addresses it got.
#[derive(Default)]
struct Zone {
    last_octet: AtomicU32,
    ttl_seconds: AtomicU32,
    broken: AtomicU32,
    queries: AtomicU32,
}

impl Zone {
    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let name_length = query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
        let question = &query[12..12 + name_length + 4];
        let name: String = question[1..name_length - 1]
            .iter()
            .map(|byte| if *byte < 32 { '.' } else { char::from(*byte) })
            .collect();
        let kind = u16::from_be_bytes([question[name_length], question[name_length + 1]]);
        let count = self.last_octet.load(Ordering::Relaxed);
        let known = ["known.test", "a_b.known.test"].contains(&name.as_str()) && count > 0;
        let code = match (self.broken.load(Ordering::Relaxed), known) {
            (0, true) => NO_ERROR,
            (0, false) => NO_SUCH_NAME,
            _ => SERVER_FAILURE,
        };
        let answers = u8::from(code == NO_ERROR && kind == TYPE_A);
        self.queries.fetch_add(u32::from(kind == TYPE_A), Ordering::Relaxed);
        let mut answer = query[..2].to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]);
        answer.extend(question);
        if answers == 1 {
            answer.extend([0xc0, 12, 0, 1, 0, 1]);
            answer.extend(self.ttl_seconds.load(Ordering::Relaxed).to_be_bytes());
            answer.extend([0, 4, 10, 0, 0, u8::try_from(count).unwrap()]);
        }
        answer
    }
}

struct Server {
    zone: Arc<Zone>,
    resolver: Resolver,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test aborts it")]
async fn server() -> Server {
    let zone = Arc::new(Zone::default());
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let serving = Arc::clone(&zone);
    let task = tokio::spawn(async move {
        let mut query = [0; 512];
        loop {
            let (length, peer) = socket.recv_from(&mut query).await.unwrap();
            socket.send_to(&serving.answer(&query[..length]), peer).await.unwrap();
        }
    });
    Server { zone, resolver: asking(address), task }
}

/// As from resolv.conf: this name server, `search test`, `ndots:2`, no hosts file.
fn asking(server: SocketAddr) -> Resolver {
    let mut name_server = NameServerConfig::udp(server.ip());
    name_server.connections[0].port = server.port();
    let search = vec![Name::from_ascii("test.").unwrap()];
    let config = ResolverConfig::from_parts(None, search, vec![name_server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    settle(builder.options_mut());
    builder.options_mut().ndots = 2;
    let client = OnceLock::new();
    client.set(builder.build().unwrap()).unwrap_or_else(|_| unreachable!("a new lock"));
    Resolver { hosts_file: PathBuf::from("/nonexistent"), client }
}

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

#[tokio::test]
async fn an_answer_has_the_time_it_holds_and_is_not_kept() {
    let server = server().await;
    let zone = &server.zone;
    zone.ttl_seconds.store(300, Ordering::Relaxed);
    for (octet, host) in [(1, "known.test"), (2, "known.test."), (3, "known"), (4, "a_b.known")] {
        zone.last_octet.store(octet, Ordering::Relaxed);
        let answer = server.resolver.lookup(host, deadline()).await.unwrap();
        let address = [10, 0, 0, u8::try_from(octet).unwrap()];
        assert_eq!(answer.addresses, [IpAddr::from(address)], "{host}");
        assert_eq!(answer.ttl, Some(Duration::from_secs(300)), "{host}");
    }
    zone.ttl_seconds.store(0, Ordering::Relaxed);
    let answer = server.resolver.lookup("known", deadline()).await.unwrap();
    assert_eq!(answer.ttl, Some(Duration::ZERO));
}

#[tokio::test]
async fn a_failure_is_told_apart_and_not_kept() {
    let server = server().await;
    let zone = &server.zone;
    let error = server.resolver.lookup("known", deadline()).await.unwrap_err();
    assert!(matches!(error, NameError::Unknown { .. }), "{error:?}");
    zone.broken.store(1, Ordering::Relaxed);
    let error = server.resolver.lookup("known", deadline()).await.unwrap_err();
    assert!(matches!(error, NameError::Unanswered { .. }), "{error:?}");
    zone.broken.store(0, Ordering::Relaxed);
    zone.last_octet.store(7, Ordering::Relaxed);
    let answer = server.resolver.lookup("known", deadline()).await.unwrap();
    assert_eq!(answer.addresses, [IpAddr::from([10, 0, 0, 7])]);
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = asking(silent.local_addr().unwrap());
    let deadline = Instant::now() + Duration::from_millis(100);
    let error = resolver.lookup("known", deadline).await.unwrap_err();
    assert!(matches!(error, NameError::Timeout), "{error:?}");
    assert!(Instant::now() >= deadline);
}

#[tokio::test]
async fn localhost_and_literals_ask_nobody() {
    let resolver = Resolver { hosts_file: PathBuf::from("/nonexistent"), client: OnceLock::new() };
    for (host, addresses) in [
        ("LocalHost", &["::1", "127.0.0.1"] as &[&str]),
        ("10.1.2.3", &["10.1.2.3"]),
        ("fd00::7", &["fd00::7"]),
    ] {
        let answer = resolver.lookup(host, deadline()).await.unwrap();
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(answer, Answer { addresses, ttl: None }, "{host}");
    }
    assert!(resolver.client.get().is_none());
}

#[tokio::test]
async fn the_hosts_file_comes_before_name_servers_and_is_read_again() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"# comment\n10.0.0.1\tredis redis-a # not-a-name\nbad redis\n\n").unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut resolver = asking(silent.local_addr().unwrap());
    resolver.hosts_file = file.path().to_owned();
    let addresses = |answer: Answer| answer.addresses;
    let answer = resolver.lookup("REDIS-a.", deadline()).await.unwrap();
    assert_eq!(answer.ttl, Some(HOSTS_FILE_TTL));
    assert_eq!(addresses(answer), [IpAddr::from([10, 0, 0, 1])]);
    file.write_all(b"::2 redis\n10.0.0.3 redis\n").unwrap();
    let answer = resolver.lookup("redis", deadline()).await.unwrap();
    let expected: [IpAddr; 3] = ["10.0.0.1", "10.0.0.3", "::2"].map(|text| text.parse().unwrap());
    assert_eq!(addresses(answer), expected);
    assert!(addresses_in("10.0.0.1 a # b", "b").is_empty());
}
