//! The statistics as a reader gets them, against a recording of nutcracker 0.5.0.

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::metrics;

/// Two pools of two servers, as nutcracker shows them, with the numbers of one GET.
const RECORDED: &str = concat!(
    r#"{"service":"nutcracker", "source":"host", "version":"VERSION", "uptime":4, "#,
    r#""timestamp":1795357973, "total_connections":6, "curr_connections":4, "#,
    r#""b": {"client_eof":0, "client_err":0, "client_connections":0, "server_ejects":0, "#,
    r#""forward_error":0, "fragments":0, SERVERone0, SERVERtwo0},"#,
    r#""alpha": {"client_eof":1, "client_err":1, "client_connections":1, "server_ejects":2, "#,
    r#""forward_error":3, "fragments":4, "#,
    r#""one": {"server_eof":0, "server_err":0, "server_timedout":0, "server_connections":1, "#,
    r#""server_ejected_at":0, "requests":6, "request_bytes":126, "responses":5, "#,
    r#""response_bytes":30, "in_queue":0, "in_queue_bytes":9, "out_queue":1, "#,
    r#""out_queue_bytes":0},"#,
    r#""two": {"server_eof":2, "server_err":1, "server_timedout":1, "server_connections":0, "#,
    r#""server_ejected_at":1795357970000007, "requests":0, "request_bytes":0, "responses":0, "#,
    r#""response_bytes":0, "in_queue":0, "in_queue_bytes":0, "out_queue":0, "#,
    "\"out_queue_bytes\":0}}}\n"
);
const IDLE: &str = concat!(
    r#"{"server_eof":0, "server_err":0, "server_timedout":0, "server_connections":0, "#,
    r#""server_ejected_at":0, "requests":0, "request_bytes":0, "responses":0, "#,
    r#""response_bytes":0, "in_queue":0, "in_queue_bytes":0, "out_queue":0, "#,
    r#""out_queue_bytes":0}"#
);
const PATIENCE: Duration = Duration::from_secs(20);

fn counted() -> Arc<Metrics> {
    let (metrics, threads) = metrics::tests::metrics(2);
    let pool = threads[0].pool(0);
    pool.clients_accepted.add(3);
    pool.clients_closed.add(2);
    pool.clients_closed_protocol.add(1);
    pool.error("server").add(3);
    pool.fragments.add(4);
    let one = pool.server(0);
    one.connects.add(1);
    one.connections.add(1);
    one.requests.add(6);
    one.request_bytes.add(126);
    one.replies.add(5);
    one.reply_bytes.add(30);
    one.in_flight.set(1);
    one.queue_bytes.set(9);
    let two = threads[1].pool(0).server(1);
    two.ejects.add(2);
    two.ejected_at.set(1_795_357_970_000_007);
    two.closed_idle.add(1);
    for reason in ["closed", "refused", "timeout"] {
        two.error(reason).add(1);
    }
    metrics
}

#[test]
fn the_object_is_that_of_nutcracker() {
    let moment =
        Moment { host: "host", uptime: Duration::from_secs(4), unix_seconds: 1_795_357_973 };
    let object = object(&counted(), &moment);
    let expected = RECORDED
        .replace("VERSION", env!("CARGO_PKG_VERSION"))
        .replace("SERVERone0, ", &format!("\"one\": {IDLE},"))
        .replace("SERVERtwo0", &format!("\"two\": {IDLE}"));
    assert_eq!(object, expected);
    serde_json::from_str::<Value>(&object).unwrap();
}

/// A served port, and where it is.
async fn served(lifecycle: &Lifecycle) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let source = Source { metrics: counted(), host: "a\"b".to_owned(), started: Instant::now() };
    lifecycle.spawn_session(serve(listener, Arc::new(source), lifecycle.clone()));
    address
}

async fn read_all(mut stream: TcpStream) -> Value {
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn every_reader_gets_one_object_and_the_end() {
    let lifecycle = Lifecycle::new(PATIENCE);
    let address = served(&lifecycle).await;
    // Readers that neither read nor hang up take all places, for a while.
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX + 4 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut talker = TcpStream::connect(address).await.unwrap();
    talker.write_all(b"stats\r\n").await.unwrap();
    let object = read_all(talker).await;
    assert_eq!(object["source"], "a\"b");
    assert_eq!(object["alpha"]["one"]["requests"], 6);
    for stream in idle {
        assert_eq!(read_all(stream).await["service"], "nutcracker");
    }
}

#[tokio::test]
async fn a_taken_port_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = StatsListen::Address(taken.local_addr().unwrap());
    let lifecycle = Lifecycle::new(PATIENCE);
    assert!(open(listen, counted(), &lifecycle).await.is_err());
    assert!(open(StatsListen::Everywhere(0), counted(), &lifecycle).await.is_ok());
}
