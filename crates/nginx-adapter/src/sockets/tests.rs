use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};

use super::tally::Listener;
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const BACKLOG: i32 = 7;

/// A socket that listens on a free port of 127.0.0.1 and accepts nothing.
fn listening() -> (OwnedFd, SocketAddr) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    rustix::net::listen(&socket, BACKLOG).unwrap();
    let address = rustix::net::getsockname(&socket).unwrap();
    (socket, address.try_into().unwrap())
}

fn check(source: Source, queue_max: Option<u64>) {
    let (socket, address) = listening();
    let ports = Ports { shown: vec![address.port()], own: Vec::new() };
    let expect = |queue, connections| {
        let expected = Listener { queue, queue_max, connections };
        let end = Instant::now() + PATIENCE;
        loop {
            let report = source.read(&ports).unwrap();
            assert!(report.overflows.is_some() && report.drops.is_some());
            let listeners: Vec<_> = report.listeners.into_iter().collect();
            if listeners == [(address, expected)] {
                return assert_eq!(report.connections, Some(connections));
            }
            assert!(Instant::now() < end, "{listeners:?} is not {expected:?}");
        }
    };
    expect(0, 0);
    let clients: Vec<_> = (0..3).map(|_client| TcpStream::connect(address).unwrap()).collect();
    expect(3, 0);
    let accepted = rustix::net::accept(&socket).unwrap();
    expect(2, 1);
    drop(clients);
    expect(2, 1);
    drop(accepted);
    expect(2, 0);
}

#[test]
fn netlink_tells_of_real_sockets() {
    check(Source::Netlink, Some(7));
}

#[test]
fn proc_tells_the_same() {
    check(Source::Proc, None);
}

#[test]
fn our_own_ports_are_left_out() {
    let (_socket, address) = listening();
    let (_other, other) = listening();
    let sockets = Sockets::open(vec![address.port(), other.port()], vec![address.port()]).unwrap();
    let listeners: Vec<_> = sockets.read().unwrap().listeners.into_keys().collect();
    assert_eq!(listeners, [other]);
}

#[test]
fn a_reading_has_an_end() {
    let (_socket, _address) = listening();
    let dump = |max| {
        let mut count = 0;
        let each = &mut |_socket| count += 1;
        (Diag::open().unwrap().dump(Kind::Listening, Family::Ipv4, max, each).unwrap(), count)
    };
    assert_eq!(dump(0), (Seen::UpToTheLimit, 0));
    assert_eq!(dump(LISTENERS_MAX).0, Seen::All);
}
