//! A client that speaks RESP byte for byte: blocking, one connection, no opinion.
//!
//! Requests go out as arrays of bulk strings or as raw bytes; replies are read as a [`Reply`] tree
//! of RESP2 and RESP3, or as the bytes of one reply. It shares no code with the product, so that
//! both cannot be wrong together. Every read has a deadline.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::client::Address;
use crate::pace::SOON;

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` or `_`.
    Null,
    Array(Vec<Self>),
    /// Keys and values in turn.
    Map(Vec<Self>),
    Set(Vec<Self>),
    Push(Vec<Self>),
    /// A double, boolean, big number, verbatim string: its type and its text.
    Other(char, String),
}

/// One connection.
#[derive(Debug)]
pub struct RespClient {
    stream: Stream,
    reader: BufReader<Stream>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A string reply.
pub fn bulk(text: impl AsRef<[u8]>) -> Reply {
    Reply::Bulk(text.as_ref().to_vec())
}

pub fn simple(text: &str) -> Reply {
    Reply::Simple(text.to_owned())
}

/// The bytes of one request.
pub fn request(arguments: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        bytes.extend(format!("${}\r\n", argument.len()).into_bytes());
        bytes.extend(argument);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// The bytes of a request written as words between blanks.
pub fn words(line: &str) -> Vec<u8> {
    request(&line.split_whitespace().collect::<Vec<_>>())
}

impl Reply {
    /// The text of an error; panics with anything else.
    #[track_caller]
    pub fn error(self) -> String {
        match self {
            Self::Error(text) => text,
            other => panic!("no error but {other:?}"),
        }
    }

    #[track_caller]
    pub fn integer(self) -> i64 {
        match self {
            Self::Integer(number) => number,
            other => panic!("no integer but {other:?}"),
        }
    }

    #[track_caller]
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Bulk(bytes) => bytes,
            other => panic!("no string but {other:?}"),
        }
    }

    #[track_caller]
    pub fn text(self) -> String {
        match self {
            Self::Simple(text) | Self::Other(_, text) => text,
            other => String::from_utf8(other.bytes()).unwrap(),
        }
    }

    /// The elements of any aggregate.
    #[track_caller]
    pub fn elements(self) -> Vec<Self> {
        match self {
            Self::Array(all) | Self::Map(all) | Self::Set(all) | Self::Push(all) => all,
            other => panic!("no elements in {other:?}"),
        }
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

impl RespClient {
    /// Panics if nobody listens.
    pub fn connect(address: &Address) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("{address:?}: {error}"))
    }

    pub fn try_connect(address: &Address) -> io::Result<Self> {
        let stream = Stream::connect(address)?;
        let reader = BufReader::with_capacity(64 * 1024, stream.another()?);
        Ok(Self { stream, reader })
    }

    /// How long a read may take from now on.
    pub fn patience(&mut self, patience: Duration) {
        match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(patience)).unwrap(),
            Stream::Unix(stream) => stream.set_read_timeout(Some(patience)).unwrap(),
        }
    }

    /// Sends words between blanks and reads the reply.
    #[track_caller]
    pub fn call(&mut self, line: &str) -> Reply {
        self.send(&words(line));
        self.read()
    }

    /// The same with arguments of any bytes.
    #[track_caller]
    pub fn command(&mut self, arguments: &[impl AsRef<[u8]>]) -> Reply {
        self.send(&request(arguments));
        self.read()
    }

    /// Like [`Self::call`], for a server that may be gone.
    pub fn try_call(&mut self, line: &str) -> io::Result<Reply> {
        self.stream.write_all(&words(line))?;
        self.try_read()
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends all from another thread while this one reads that many replies: neither side's
    /// buffers need to hold the pipeline.
    pub fn pipeline(&mut self, bytes: &[u8], replies: usize) -> Vec<Reply> {
        let mut writer = self.stream.another().unwrap();
        std::thread::scope(|scope| {
            let sent = scope.spawn(move || writer.write_all(bytes));
            let replies = (0..replies).map(|_reply| self.read()).collect();
            sent.join().unwrap().unwrap();
            replies
        })
    }

    #[track_caller]
    pub fn read(&mut self) -> Reply {
        self.try_read().unwrap_or_else(|error| panic!("no reply: {error}"))
    }

    pub fn try_read(&mut self) -> io::Result<Reply> {
        Reader { source: &mut self.reader, seen: None }.reply()
    }

    /// The bytes of one reply.
    #[track_caller]
    pub fn read_raw(&mut self) -> Vec<u8> {
        let mut seen = Vec::new();
        let mut reader = Reader { source: &mut self.reader, seen: Some(&mut seen) };
        if let Err(error) = reader.reply() {
            panic!("no reply: {error} after {:?}", String::from_utf8_lossy(&seen));
        }
        seen
    }

    /// Reads and drops so many bytes.
    pub fn skip(&mut self, bytes: u64) {
        let skipped = io::copy(&mut (&mut self.reader).take(bytes), &mut io::sink()).unwrap();
        assert_eq!(skipped, bytes, "closed");
    }

    /// True if the other side has ended the connection and owes nothing; waits for it.
    pub fn is_closed(&mut self) -> bool {
        match self.reader.fill_buf() {
            Ok(rest) => rest.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// True if nothing comes for so long.
    pub fn is_silent(&mut self, duration: Duration) -> bool {
        self.patience(duration);
        let silent = self.reader.fill_buf().is_err_and(|error| {
            matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
        });
        self.patience(SOON);
        silent
    }

    /// Tells the other side that no more requests come.
    pub fn finish_sending(&mut self) {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write).unwrap(),
        }
    }
}

/// Reads replies, and keeps their bytes if asked to.
struct Reader<'a> {
    source: &'a mut BufReader<Stream>,
    seen: Option<&'a mut Vec<u8>>,
}

impl Reader<'_> {
    fn reply(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let mut letters = line.chars();
        let kind = letters.next().ok_or_else(|| invalid("an empty line"))?;
        let rest = letters.as_str().to_owned();
        Ok(match kind {
            '+' => Reply::Simple(rest),
            '-' => Reply::Error(rest),
            ':' => Reply::Integer(number(&rest)?),
            '_' => Reply::Null,
            '$' | '*' if rest == "-1" => Reply::Null,
            '$' => Reply::Bulk(self.bytes(&rest)?),
            '!' => Reply::Error(String::from_utf8_lossy(&self.bytes(&rest)?).into_owned()),
            '=' => Reply::Other(kind, String::from_utf8_lossy(&self.bytes(&rest)?).into_owned()),
            ',' | '#' | '(' => Reply::Other(kind, rest),
            '*' => Reply::Array(self.elements(number(&rest)?)?),
            '%' => Reply::Map(self.elements(2 * number(&rest)?)?),
            '~' => Reply::Set(self.elements(number(&rest)?)?),
            '>' => Reply::Push(self.elements(number(&rest)?)?),
            _ => return Err(invalid(&line)),
        })
    }

    fn elements(&mut self, count: i64) -> io::Result<Vec<Reply>> {
        (0..count).map(|_element| self.reply()).collect()
    }

    /// Without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.source.read_until(b'\n', &mut line)?;
        if let Some(seen) = &mut self.seen {
            seen.extend(&line);
        }
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None if line.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Err(invalid(&String::from_utf8_lossy(&line))),
        }
    }

    /// A string of so many bytes, and its line end.
    fn bytes(&mut self, length: &str) -> io::Result<Vec<u8>> {
        let length = usize::try_from(number(length)?).map_err(|_negative| invalid(length))?;
        let mut bytes = vec![0; length + 2];
        self.source.read_exact(&mut bytes)?;
        if let Some(seen) = &mut self.seen {
            seen.extend(&bytes);
        }
        if !bytes.ends_with(b"\r\n") {
            return Err(invalid("a string without its end"));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_error| invalid(text))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no RESP: {what:?}"))
}

impl Stream {
    fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SOON))?;
                stream.set_write_timeout(Some(SOON))?;
                Ok(Self::Tcp(stream))
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(SOON))?;
                stream.set_write_timeout(Some(SOON))?;
                Ok(Self::Unix(stream))
            }
        }
    }

    fn another(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    #[expect(clippy::disallowed_methods, reason = "this is the method; its caller is write_all")]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            Self::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
