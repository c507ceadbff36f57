use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use super::super::config::tests::configured;
use super::super::families::{Sources, Syslog};
use super::super::tally::Tally;
use super::*;

const FRONT: &str = "<190>Nov 22 06:44:12 host nginx: ";

fn counts(addr: &SyslogAddr) -> Counts {
    let flags = ["--syslog-listen=udp://:0", "--access-log-format=$request_method $status"];
    let tally = Tally::new(configured(&flags).unwrap().unwrap().counting);
    let sources = Sources {
        lines: vec![(addr.to_string(), 0)],
        syslog: Some(Syslog::default()),
        ..Sources::default()
    };
    Counts::new(tally, sources)
}

/// Receives in a task until the drain; `send` sends one message.
async fn receive(receiver: Receiver, counts: Counts, mut send: impl FnMut(&str)) {
    let lifecycle = Lifecycle::new(Duration::from_secs(20));
    let task = lifecycle.spawn_essential("syslog", receiver.run(counts.clone(), lifecycle.clone()));
    let deadline = Instant::now() + Duration::from_secs(20);
    for round in 1..=3 {
        for _ in 0..5 {
            send(&format!("{FRONT}GET 200"));
        }
        send(&format!("{FRONT}2026/11/22 06:44:12 [alert] 1#1: x"));
        send("no such message");
        while counts.lock().sources.lines[0].1 < round * 7 {
            assert!(Instant::now() < deadline, "{:?}", counts.lock().sources);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    lifecycle.drain("test");
    // Sent before the signal was: the linger takes it in.
    send(&format!("{FRONT}GET 200"));
    task.await.unwrap();
    let state = counts.lock();
    assert_eq!(state.tally.series().next().unwrap().requests, 16);
    assert_eq!((state.tally.levels[1], state.tally.unparsed), (3, 3));
    let syslog = state.sources.syslog.as_ref().unwrap();
    assert_eq!((syslog.messages, syslog.drops.read()), (22, 0));
}

#[tokio::test]
async fn messages_over_udp_are_counted() {
    let receiver = Receiver::bind(&SyslogAddr::Udp("127.0.0.1:0".parse().unwrap()), 0).unwrap();
    let Socket::Udp(socket) = &receiver.socket else { panic!("it is UDP") };
    let addr = socket.local_addr().unwrap();
    assert!(receiver.udp_inode().is_some());
    let sender = StdUdpSocket::bind("127.0.0.1:0").unwrap();
    let counts = counts(&SyslogAddr::Udp(addr));
    receive(receiver, counts, |message| {
        sender.send_to(message.as_bytes(), addr).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_unix_socket_is_open_to_all_and_gone_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.sock");
    // The socket of a process that was killed.
    drop(StdUnixDatagram::bind(&path).unwrap());
    let addr = SyslogAddr::Unix(path.clone());
    let receiver = Receiver::bind(&addr, 0).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, SOCKET_MODE);
    let error = Receiver::bind(&addr, 0).unwrap_err().to_string();
    assert!(error.starts_with("syslog-listen"), "{error}");
    let sender = StdUnixDatagram::unbound().unwrap();
    let to = path.clone();
    receive(receiver, counts(&addr), move |message| {
        sender.send_to(message.as_bytes(), &to).unwrap();
    })
    .await;
    assert!(!path.exists());
}

#[tokio::test]
async fn the_socket_of_another_program_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.sock");
    let addr = SyslogAddr::Unix(path.clone());
    // It lives, although it refuses datagrams.
    let listener = UnixListener::bind(&path).unwrap();
    assert!(Receiver::bind(&addr, 0).is_err());
    UnixStream::connect(&path).unwrap();
    drop(listener);
    let receiver = Receiver::bind(&addr, 0).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _successor = StdUnixDatagram::bind(&path).unwrap();
    drop(receiver);
    assert!(path.exists());
}

#[tokio::test]
async fn what_the_kernel_drops_is_counted() {
    let receiver = Receiver::bind(&SyslogAddr::Udp("127.0.0.1:0".parse().unwrap()), 0).unwrap();
    let Socket::Udp(socket) = &receiver.socket else { panic!("it is UDP") };
    rustix::net::sockopt::set_socket_recv_buffer_size(socket, 4096).unwrap();
    let drops = drops::UdpDrops::new(receiver.udp_inode().into_iter().collect());
    assert_eq!(drops.read(), 0);
    let sender = StdUdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..100 {
        sender.send_to(&[b'x'; 1000], socket.local_addr().unwrap()).unwrap();
    }
    assert!(drops.read() > 50, "{}", drops.read());
}
