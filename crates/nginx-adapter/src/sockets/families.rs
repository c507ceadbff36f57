//! The socket metrics in the registry.
//!
//! In goes a reading, made when somebody scrapes, out come families. What is unknown is left out
//! rather than shown as 0; when the kernel cannot be asked, all of them are.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::tally::Listener;
use super::{SocketReport, Sockets};

impl Collector for Sockets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        match self.read_or_log() {
            Some(report) => encode(&mut encoder, &report, self.active()),
            None => Ok(()),
        }
    }
}

fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    report: &SocketReport,
    active: Option<u64>,
) -> fmt::Result {
    let queue = |listener: &Listener| Some(listener.queue);
    let help = "Connections that wait to be accepted.";
    by_listener(encoder, report, "nginx_listen_queue_connections", help, queue)?;
    let help = "Connections that may wait to be accepted.";
    by_listener(encoder, report, "nginx_listen_queue_max", help, |listener| listener.queue_max)?;
    if report.connections.is_some() {
        let held = |listener: &Listener| Some(listener.connections);
        let help = "Connections that a process has accepted and not closed.";
        by_listener(encoder, report, "nginx_listen_connections", help, held)?;
    }
    let help = "Connections refused because a queue was full, in the whole network namespace.";
    counter(encoder, "nginx_listen_overflows", help, report.overflows)?;
    let help = "Connections dropped before they were accepted, in the whole network namespace.";
    counter(encoder, "nginx_listen_drops", help, report.drops)?;
    let help = "Active connections of the status page that no process has over TCP; \
                those over unix sockets and HTTP/3 count as well.";
    let phantoms = active.and_then(|active| report.phantoms(active));
    gauge(encoder, "nginx_connections_phantom", help, phantoms)?;
    let help = "Listening sockets above the number that is shown.";
    let hidden = (report.hidden > 0).then_some(report.hidden);
    gauge(encoder, "nginx_listen_hidden", help, hidden)
}

fn by_listener(
    encoder: &mut DescriptorEncoder<'_>,
    report: &SocketReport,
    name: &str,
    help: &str,
    value: impl Fn(&Listener) -> Option<u64>,
) -> fmt::Result {
    let known = report.listeners.iter().filter_map(|(address, it)| Some((address, value(it)?)));
    let mut known = known.peekable();
    if known.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (address, value) in known {
        let labels = [("listen", address.to_string())];
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauge<T: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: Option<T>,
) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: Option<u64>,
) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    let encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(encoder)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Fixed(SocketReport, Option<u64>);

    impl Collector for Fixed {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            super::encode(&mut encoder, &self.0, self.1)
        }
    }

    fn samples(report: SocketReport, active: Option<u64>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Fixed(report, active)));
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_known_is_shown() {
        let listener = Listener { queue: 9, queue_max: Some(511), connections: 3 };
        let listeners = BTreeMap::from([("[::]:80".parse().unwrap(), listener)]);
        let (connections, overflows, drops) = (Some(3), Some(7), Some(8));
        let report = SocketReport { listeners, hidden: 2, connections, overflows, drops };
        assert_eq!(
            samples(report, Some(88)),
            "nginx_listen_queue_connections{listen=\"[::]:80\"} 9\n\
             nginx_listen_queue_max{listen=\"[::]:80\"} 511\n\
             nginx_listen_connections{listen=\"[::]:80\"} 3\n\
             nginx_listen_overflows_total 7\n\
             nginx_listen_drops_total 8\n\
             nginx_connections_phantom 85\n\
             nginx_listen_hidden 2"
        );
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let listener = Listener { queue: 9, queue_max: None, connections: 0 };
        let listeners = BTreeMap::from([("1.2.3.4:80".parse().unwrap(), listener)]);
        let report =
            SocketReport { listeners, hidden: 0, connections: None, overflows: None, drops: None };
        let expected = "nginx_listen_queue_connections{listen=\"1.2.3.4:80\"} 9";
        assert_eq!(samples(report, Some(88)), expected);
    }
}
