//! As much of HTTP/1.1 as a sink needs: requests with a length or in chunks.
//!
//! The body goes into a buffer that the caller owns and uses again. A limit on head and body keeps
//! a broken sender from filling the memory of the test.

use std::io::{self, BufRead, Read};

pub const READ_BUFFER_BYTES: usize = 256 * 1024;
const HEAD_BYTES_MAX: u64 = 64 * 1024;
const BODY_BYTES_MAX: u64 = 256 * 1024 * 1024;

#[derive(Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    /// As received.
    pub body_bytes: usize,
}

/// None at the end of the connection. The body replaces what was in the buffer.
pub fn read_request(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut head = reader.take(HEAD_BYTES_MAX);
    let mut first = String::new();
    if head.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split(' ');
    let mut word = || words.next().map(str::to_owned).ok_or(io::ErrorKind::InvalidData);
    let (method, target) = (word()?, word()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        head.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, target, headers, body_bytes: 0 };
    body.clear();
    if request.header("transfer-encoding") == Some("chunked") {
        read_chunks(reader, body)?;
    } else {
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        read_exactly(reader, length.unwrap_or(0), body)?;
    }
    request.body_bytes = body.len();
    Ok(Some(request))
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _value)| known == name);
        found.map(|(_name, value)| value.as_str())
    }

    /// The body without its Content-Encoding; `decoded` holds it if there was one.
    pub fn decode<'a>(&self, body: &'a [u8], decoded: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        decoded.clear();
        match self.header("content-encoding") {
            None | Some("identity") => return Ok(body),
            Some("gzip") => flate2::read::MultiGzDecoder::new(body).read_to_end(decoded)?,
            Some("zstd") => zstd::stream::read::Decoder::new(body)?.read_to_end(decoded)?,
            Some(other) => {
                return Err(io::Error::other(format!("unknown content-encoding {other}")));
            }
        };
        Ok(decoded)
    }
}

/// An answer. Without a `Content-Type`: nobody asks for one.
pub fn answer(status: u16, retry_after: Option<u32>, body: &[u8]) -> Vec<u8> {
    let retry_after = match retry_after {
        Some(seconds) => format!("retry-after: {seconds}\r\n"),
        None => String::new(),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} Scripted\r\n{retry_after}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut size = String::new();
        reader.take(HEAD_BYTES_MAX).read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim_end(), 16)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        read_exactly(reader, size, body)?;
        let mut line_end = String::new();
        reader.take(HEAD_BYTES_MAX).read_line(&mut line_end)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn read_exactly(reader: &mut impl Read, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    if body.len() as u64 + length > BODY_BYTES_MAX {
        return Err(io::Error::other("body above the limit of the sink"));
    }
    match reader.take(length).read_to_end(body)? as u64 {
        read if read == length => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
