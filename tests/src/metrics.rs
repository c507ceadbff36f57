//! Reads the admin port: GET a path, and the numbers of /metrics by name.
//!
//! Only as much of HTTP and of the Prometheus text as the tests need: one request a connection,
//! read to its end, and `name{labels} value` lines. A metric without samples counts as 0, which is
//! also how a counter that nothing has touched yet may be exposed.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Request;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Samples by `name{labels}` as exposed.
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// None while nobody answers.
    pub fn scrape(address: SocketAddr) -> Option<Self> {
        let (status, body) = get(address, "/metrics").ok()?;
        (status == 200).then(|| Self::parse(&body))
    }

    /// From the text of /metrics, in either format.
    pub fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect();
        Self { samples }
    }

    /// The sum over all label sets of a metric, 0 if there is none.
    pub fn sum(&self, name: &str) -> f64 {
        let of_name = self.samples.iter().filter(|(key, _value)| base_name(key) == name);
        of_name.map(|(_key, value)| value).sum()
    }

    /// The sum over the samples of a metric that carry `label="value"`.
    pub fn with_label(&self, name: &str, label: &str, value: &str) -> f64 {
        self.with_labels(name, &[(label, value)])
    }

    /// The one sample with exactly this name and these labels, written as it is exposed.
    pub fn value(&self, sample: &str) -> Option<f64> {
        self.samples.get(sample).copied()
    }

    /// The sum over the samples of a metric that carry all of these `label="value"`.
    pub fn with_labels(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let of_name = self.samples.iter().filter(|(key, _value)| base_name(key) == name);
        let carries = |key: &str| {
            labels.iter().all(|(label, value)| key.contains(&format!("{label}=\"{value}\"")))
        };
        of_name.filter(|(key, _value)| carries(key)).map(|(_key, value)| value).sum()
    }

    /// The samples as exposed, by `name{labels}`.
    pub fn samples(&self) -> &BTreeMap<String, f64> {
        &self.samples
    }

    /// Names without labels, for tests of what is exposed.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.samples.keys().map(|key| base_name(key)).collect();
        names.dedup();
        names
    }
}

/// Status and body of a GET.
pub fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    request(address, "GET", path)
}

/// Status and body of a request without a body.
pub fn request(address: SocketAddr, method: &str, path: &str) -> io::Result<(u16, String)> {
    let reply = ask(address, method, path, "*/*")?;
    Ok((reply.status, reply.body))
}

/// An answer of the admin port.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Status line and headers as received.
    pub head: String,
    pub body: String,
}

/// Sends a request without a body that accepts these media types.
pub fn ask(address: SocketAddr, method: &str, path: &str, accept: &str) -> io::Result<Reply> {
    let request = Request::new(method, path).header("accept", accept).header("content-length", "0");
    let answer = request.within(ANSWER_TIMEOUT).send(&address.into())?;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Ok(Reply { status: answer.status, head: answer.head, body })
}

fn base_name(key: &str) -> &str {
    key.split('{').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_name_and_label() {
        let text = "# HELP a b\na_total{reason=\"x\"} 1\na_total{reason=\"y\"} 2\nab 4\n# EOF\n";
        let metrics = Metrics::parse(text);
        assert!((metrics.sum("a_total") - 3.0).abs() < f64::EPSILON);
        assert!((metrics.with_label("a_total", "reason", "y") - 2.0).abs() < f64::EPSILON);
        assert!((metrics.sum("ab") - 4.0).abs() < f64::EPSILON);
        assert!(metrics.sum("absent").abs() < f64::EPSILON);
        assert_eq!(metrics.names(), ["a_total", "ab"]);
    }
}
