//! One scrape after the other on one connection, as a single Prometheus does, only without pauses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::pace::SOON;

const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: bench\r\nAccept: text/plain\r\n\r\n";

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Scraper {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Scraper {
    pub(crate) fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SOON))?;
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, reader, line: String::new(), body: Vec::new() })
    }

    /// The body of one scrape; its time is from the request to the last byte.
    pub(crate) fn scrape(&mut self) -> (Duration, &str) {
        let start = Instant::now();
        self.stream.write_all(REQUEST).unwrap();
        let mut length = None;
        loop {
            let line = self.read_line();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.parse().ok();
            }
        }
        self.body.clear();
        match length {
            Some(length) => self.read(length),
            None => self.read_chunks(),
        }
        (start.elapsed(), std::str::from_utf8(&self.body).unwrap())
    }

    fn read_chunks(&mut self) {
        loop {
            let size = u64::from_str_radix(self.read_line(), 16).unwrap();
            self.read(size);
            self.read_line();
            if size == 0 {
                return;
            }
        }
    }

    fn read(&mut self, bytes: u64) {
        let read = (&mut self.reader).take(bytes).read_to_end(&mut self.body).unwrap();
        assert_eq!(read as u64, bytes, "the connection was closed");
    }

    /// Without its end.
    fn read_line(&mut self) -> &str {
        self.line.clear();
        assert_ne!(self.reader.read_line(&mut self.line).unwrap(), 0, "closed");
        self.line.trim_end()
    }
}
