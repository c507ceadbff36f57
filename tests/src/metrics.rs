//! Reads the admin port: GET a path, and the numbers of /metrics by name.
//!
//! Only as much of HTTP and of the Prometheus text as the tests need: one request a connection,
//! read to its end, and `name{labels} value` lines. A metric without samples counts as 0, which is
//! also how a counter that nothing has touched yet may be exposed.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

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
        let wanted = format!("{label}=\"{value}\"");
        let of_name = self.samples.iter().filter(|(key, _value)| base_name(key) == name);
        of_name.filter(|(key, _value)| key.contains(&wanted)).map(|(_key, value)| value).sum()
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
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\naccept: {accept}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = match head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        true => unchunked(body),
        false => body.to_owned(),
    };
    Ok(Reply { status: status.ok_or(io::ErrorKind::InvalidData)?, head: head.to_owned(), body })
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        body.push_str(after.get(..size).unwrap());
        rest = after.get(size + 2..).unwrap();
    }
    body
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

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "abcde");
    }
}
