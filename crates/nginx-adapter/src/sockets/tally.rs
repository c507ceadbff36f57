//! Which connection belongs to which listening socket, and what is shown.
//!
//! In go sockets one by one, listening ones first, out comes a report. A connection belongs to the
//! socket that listens on its very address, else to one that listens on every address of its
//! family, else, if it is IPv4, to one that listens on every address of both. Several sockets on
//! one address (`reuseport`) are one. What is neither asked for nor ours to show is left out. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Socket;

/// Of addresses shown; the lowest are, the rest is counted.
const SHOWN_MAX: usize = 64;

/// Which listening sockets count.
#[derive(Debug)]
pub(super) struct Ports {
    /// All if empty.
    pub(super) shown: Vec<u16>,
    /// Those of this process.
    pub(super) own: Vec<u16>,
}

/// The sockets of one moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SocketReport {
    pub(crate) listeners: BTreeMap<SocketAddr, Listener>,
    /// Listening sockets above the number that is shown.
    pub(crate) hidden: u64,
    /// Connections of all listeners; none if there were too many to look at.
    pub(crate) connections: Option<u64>,
    /// Connections that found the queue full, in the whole namespace; none if unknown.
    pub(crate) overflows: Option<u64>,
    /// Connections dropped for this or another reason, in the whole namespace; none if unknown.
    pub(crate) drops: Option<u64>,
}

/// What listens on one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Listener {
    /// Connections that wait to be accepted.
    pub(crate) queue: u64,
    /// How many may wait; none if unknown.
    pub(crate) queue_max: Option<u64>,
    /// Connections that a process has accepted and not closed.
    pub(crate) connections: u64,
}

#[derive(Debug)]
pub(super) struct Tally<'a> {
    ports: &'a Ports,
    listeners: BTreeMap<SocketAddr, Listener>,
    hidden: u64,
    connections: Option<u64>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(ports: &'a Ports) -> Tally<'a> {
        Tally { ports, listeners: BTreeMap::new(), hidden: 0, connections: Some(0) }
    }

    /// True if this one is asked for.
    pub(super) fn listener(&mut self, socket: Socket) -> bool {
        let port = socket.local.port();
        let asked = self.ports.shown.is_empty() || self.ports.shown.contains(&port);
        if !asked || self.ports.own.contains(&port) {
            return false;
        }
        let listener = self.listeners.entry(canonical(socket.local)).or_default();
        listener.queue += u64::from(socket.queue);
        if let Some(max) = socket.queue_max {
            *listener.queue_max.get_or_insert(0) += u64::from(max);
        }
        if self.listeners.len() > SHOWN_MAX {
            self.listeners.pop_last();
            self.hidden += 1;
        }
        true
    }

    pub(super) fn connection(&mut self, socket: Socket) {
        if !socket.held {
            return;
        }
        let local = canonical(socket.local);
        let all = |address: IpAddr| SocketAddr::new(address, local.port());
        let (four, six) = (all(Ipv4Addr::UNSPECIFIED.into()), all(Ipv6Addr::UNSPECIFIED.into()));
        let places = if local.is_ipv4() { [local, four, six] } else { [local, six, six] };
        let place = places.into_iter().find(|place| self.listeners.contains_key(place));
        if let Some(listener) = place.and_then(|place| self.listeners.get_mut(&place)) {
            listener.connections += 1;
            self.connections = self.connections.map(|connections| connections + 1);
        }
    }

    /// Not all were seen, so none are shown.
    pub(super) fn forget_connections(&mut self) {
        self.connections = None;
    }

    pub(super) fn report(self, overflows: Option<u64>, drops: Option<u64>) -> SocketReport {
        let Tally { ports: _, listeners, hidden, connections } = self;
        SocketReport { listeners, hidden, connections, overflows, drops }
    }
}

impl SocketReport {
    /// Of the `active` connections that the page tells, those that no process has. Fewer than there
    /// are if other servers of the pod listen: their connections count as held, if their ports are
    /// looked at. More than there are if nginx has connections over unix sockets or HTTP/3, which
    /// the page tells as well and TCP does not.
    pub(crate) fn phantoms(&self, active: u64) -> Option<u64> {
        self.connections.map(|held| active.saturating_sub(held))
    }
}

/// An IPv4 address inside an IPv6 one is that IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(local: &str, queue: u32, held: bool) -> Socket {
        Socket { local: local.parse().unwrap(), queue, queue_max: Some(511), held }
    }

    fn report(ports: &Ports, listeners: &[Socket], connections: &[&str]) -> SocketReport {
        let mut tally = Tally::new(ports);
        for listener in listeners {
            tally.listener(*listener);
        }
        connections.iter().for_each(|local| tally.connection(socket(local, 0, true)));
        tally.report(Some(1), None)
    }

    static ALL: Ports = Ports { shown: Vec::new(), own: Vec::new() };

    #[test]
    fn a_connection_belongs_to_the_narrowest_listener() {
        let listeners = ["0.0.0.0:80", "127.0.0.1:80", "[::]:80", "[::]:81", "[::1]:82"];
        let listeners = listeners.map(|local| socket(local, 2, true));
        let connections = [
            "10.0.0.1:80",
            "[::ffff:10.0.0.1]:80",
            "127.0.0.1:80",
            "[fe80::1]:80",
            "10.0.0.1:81",
            "[::1]:82",
            "[::2]:82",
            "10.0.0.1:40000",
        ];
        let report = report(&ALL, &listeners, &connections);
        let shown: Vec<_> = report
            .listeners
            .iter()
            .map(|(address, listener)| (address.to_string(), listener.connections))
            .collect();
        let expected = [
            ("0.0.0.0:80", 2),
            ("127.0.0.1:80", 1),
            ("[::]:80", 1),
            ("[::]:81", 1),
            ("[::1]:82", 1),
        ];
        assert_eq!(shown, expected.map(|(address, count)| (address.to_owned(), count)));
        assert_eq!(report.connections, Some(6));
        assert_eq!((report.phantoms(8), report.phantoms(5)), (Some(2), Some(0)));
    }

    #[test]
    fn what_no_process_holds_is_no_connection() {
        let mut tally = Tally::new(&ALL);
        tally.listener(socket("0.0.0.0:80", 0, true));
        tally.connection(socket("10.0.0.1:80", 0, false));
        assert_eq!(tally.connections, Some(0));
        tally.connection(socket("10.0.0.1:80", 0, true));
        tally.forget_connections();
        let report = tally.report(None, None);
        assert_eq!((report.connections, report.phantoms(8)), (None, None));
    }

    #[test]
    fn sockets_on_one_address_are_one() {
        let listeners = [socket("0.0.0.0:80", 2, true), socket("0.0.0.0:80", 3, true)];
        let report = report(&ALL, &listeners, &[]);
        let expected = Listener { queue: 5, queue_max: Some(1022), connections: 0 };
        assert_eq!(report.listeners.into_values().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn ports_choose_and_our_own_stay_out() {
        let listeners = ["0.0.0.0:80", "0.0.0.0:443", "0.0.0.0:9113"];
        let listeners = listeners.map(|local| socket(local, 0, true));
        let shown = |ports: &Ports| {
            let report = report(ports, &listeners, &["1.2.3.4:9113", "1.2.3.4:80"]);
            assert_eq!(report.connections, Some(1));
            report.listeners.into_keys().map(|address| address.port()).collect::<Vec<_>>()
        };
        assert_eq!(shown(&Ports { shown: Vec::new(), own: vec![9113] }), [80, 443]);
        assert_eq!(shown(&Ports { shown: vec![80, 9113], own: vec![9113] }), [80]);
    }

    #[test]
    fn the_lowest_addresses_are_shown() {
        let listeners = (0..100u16).rev().map(|port| socket(&format!("1.1.1.1:{port}"), 0, true));
        let report = report(&ALL, &listeners.collect::<Vec<_>>(), &[]);
        assert_eq!((report.listeners.len(), report.hidden), (SHOWN_MAX, 36));
        assert_eq!(report.listeners.into_keys().next_back().unwrap().port(), 63);
    }
}
