//! Answers as they come: metrics, which are too large to be kept, and JSON, which is kept.
//!
//! In goes a reader, out comes how far it got. The answer may come zipped; what the reader has got
//! is valid whatever the end, because a line that was read tells as much without those after it.
//! JSON goes the same way, since a page of a large list may take longer than one request may: what
//! keeps coming is not cut off, and a fifth of it comes zipped.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use flate2::read;
use flate2::write::MultiGzDecoder;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use hyper::http::response::Parts;
use hyper::http::uri::PathAndQuery;
use net::StreamLimits;
use tokio::time::Instant;

use super::{Api, JSON};
use crate::credential::Credential;
use crate::failure::Failure;

/// Of an answer that is a refusal.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// How many times the time limit of a request all of a stream may take.
const STREAM_TIMEOUTS_MAX: u32 = 6;

/// How a stream ended. What the reader has got until then is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    Whole,
    /// The reader has had enough.
    Stopped,
    /// The connection failed, or the zipped text is broken.
    Lost(String),
    /// Nothing came for the time limit of a request, or all of it took six of them.
    Stalled,
    /// It is larger than the limit.
    TooLong,
}

/// What is asked for.
struct Wish {
    accept: HeaderValue,
    /// Of the body, unzipped.
    bytes_max: u64,
}

type Reader<'a> = dyn FnMut(&[u8]) -> ControlFlow<()> + 'a;

impl Api {
    /// Passes the body at `path` to `on_bytes`, unzipped, in pieces of any size.
    ///
    /// # Errors
    /// No answer, or one with another status than 2xx; then the reader has got nothing.
    pub async fn stream(
        &mut self,
        path: &str,
        accept: &str,
        on_bytes: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<StreamEnd, Failure> {
        let accept = HeaderValue::from_str(accept)
            .map_err(|_invalid| Failure::Path { path: accept.to_owned() })?;
        let bytes_max = self.limits.stream_bytes_max;
        self.stream_up_to(path, &Wish { accept, bytes_max }, on_bytes).await
    }

    /// The whole body at `path`, unzipped.
    pub(super) async fn fetch(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        let bytes_max = self.limits.body_bytes_max;
        let wish = Wish { accept: JSON, bytes_max: bytes_max as u64 };
        let (mut body, began) = (Vec::new(), Instant::now());
        let mut keep = |bytes: &[u8]| {
            body.extend_from_slice(bytes);
            ControlFlow::Continue(())
        };
        let end = self.stream_up_to(path, &wish, &mut keep).await?;
        let server = || self.server.text().to_owned();
        match end {
            StreamEnd::Whole => Ok(body),
            StreamEnd::Stopped | StreamEnd::TooLong => {
                Err(Failure::TooLarge { path: path.to_owned(), bytes_max })
            }
            StreamEnd::Lost(reason) => Err(Failure::BrokeOff { server: server(), reason }),
            StreamEnd::Stalled => {
                let idle = self.limits.request_timeout;
                let whole = idle * STREAM_TIMEOUTS_MAX;
                let limit = if began.elapsed() < whole { idle } else { whole };
                Err(Failure::TimedOut { server: server(), limit })
            }
        }
    }

    async fn stream_up_to(
        &mut self,
        path: &str,
        wish: &Wish,
        on_bytes: &mut Reader<'_>,
    ) -> Result<StreamEnd, Failure> {
        let target = self.target(path)?;
        let credential = self.credentials.current().await.map_err(Failure::Credential)?;
        let answer = self.stream_with(&credential, &target, wish, on_bytes).await;
        match answer {
            Err(Failure::Refused { code: 401, .. }) => {}
            answer => return answer,
        }
        let other = self.credentials.other_than(&credential).await.map_err(Failure::Credential)?;
        match other {
            None => answer,
            Some(other) => self.stream_with(&other, &target, wish, on_bytes).await,
        }
    }

    async fn stream_with(
        &mut self,
        credential: &Credential,
        target: &PathAndQuery,
        wish: &Wish,
        on_bytes: &mut Reader<'_>,
    ) -> Result<StreamEnd, Failure> {
        let mut headers = self.headers(wish.accept.clone(), credential);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let (now, timeout) = (Instant::now(), self.limits.request_timeout);
        let limits = StreamLimits {
            head: now + timeout,
            idle: timeout,
            whole: now + timeout * STREAM_TIMEOUTS_MAX,
        };
        let mut body = Body::Unseen(Counted { on_bytes, room: wish.bytes_max, end: None });
        let mut on_data = |parts: &Parts, data: &[u8]| body.take(parts, data);
        let client = self.client(credential)?;
        let answer = client.stream(target, &headers, limits, &mut on_data).await;
        let (parts, end) = answer.map_err(|source| self.unanswered(source))?;
        if !parts.status.is_success() {
            return Err(Failure::refused(parts.status.as_u16(), &body.refusal(&parts)));
        }
        Ok(match end {
            net::StreamEnd::Whole => body.finish(),
            net::StreamEnd::Stopped => body.stopped(),
            net::StreamEnd::Stalled => StreamEnd::Stalled,
            net::StreamEnd::Lost { source } => StreamEnd::Lost(net::with_causes(&source)),
        })
    }
}

/// What becomes of the bytes, known once the head is there.
enum Body<'a> {
    Unseen(Counted<'a>),
    Refusal(Vec<u8>),
    Plain(Counted<'a>),
    Zipped(Box<MultiGzDecoder<Counted<'a>>>),
    Broken(String),
}

/// Passes on up to a limit, as a writer that fails when it is over.
struct Counted<'a> {
    on_bytes: &'a mut Reader<'a>,
    room: u64,
    /// Why it takes no more.
    end: Option<StreamEnd>,
}

impl<'a> Body<'a> {
    fn take(&mut self, parts: &Parts, data: &[u8]) -> ControlFlow<()> {
        if let Self::Unseen(_) = self {
            let unseen = std::mem::replace(self, Self::Refusal(Vec::new()));
            *self = unseen.seen(parts);
        }
        match self {
            Self::Unseen(_) => unreachable!("it has just been seen"),
            Self::Refusal(text) => {
                let room = REFUSAL_BYTES_MAX - text.len();
                text.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            Self::Plain(counted) => flow(counted.write_all(data)),
            Self::Zipped(decoder) => match decoder.write_all(data) {
                Err(error) if decoder.get_ref().end.is_none() => {
                    *self = Self::Broken(error.to_string());
                    ControlFlow::Break(())
                }
                written => flow(written),
            },
            Self::Broken(_) => ControlFlow::Break(()),
        }
    }

    fn seen(self, parts: &Parts) -> Self {
        let Self::Unseen(counted) = self else { return self };
        let encoding = parts.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        match encoding {
            _ if !parts.status.is_success() => Self::Refusal(Vec::new()),
            None | Some(b"identity" | b"") => Self::Plain(counted),
            Some(_) if is_zipped(parts) => Self::Zipped(Box::new(MultiGzDecoder::new(counted))),
            Some(other) => {
                let other = String::from_utf8_lossy(other);
                Self::Broken(format!("the content encoding '{other}' was not asked for"))
            }
        }
    }

    /// What can be read of it.
    fn refusal(self, parts: &Parts) -> Vec<u8> {
        let Self::Refusal(text) = self else { return Vec::new() };
        if !is_zipped(parts) {
            return text;
        }
        let mut unzipped = Vec::new();
        let reader = read::MultiGzDecoder::new(text.as_slice());
        match reader.take(REFUSAL_BYTES_MAX as u64).read_to_end(&mut unzipped) {
            // What came before an error is text all the same.
            Ok(_) | Err(_) => unzipped,
        }
    }

    /// Nothing more comes.
    fn finish(mut self) -> StreamEnd {
        if let Self::Zipped(decoder) = &mut self
            && let Err(error) = decoder.try_finish()
            && decoder.get_ref().end.is_none()
        {
            return StreamEnd::Lost(error.to_string());
        }
        match self {
            Self::Unseen(_) | Self::Refusal(_) => StreamEnd::Whole,
            Self::Plain(counted) => counted.end.unwrap_or(StreamEnd::Whole),
            Self::Zipped(decoder) => decoder.get_ref().end.clone().unwrap_or(StreamEnd::Whole),
            Self::Broken(why) => StreamEnd::Lost(why),
        }
    }

    /// We have ended it.
    fn stopped(self) -> StreamEnd {
        match self {
            Self::Broken(why) => StreamEnd::Lost(why),
            Self::Plain(Counted { end: Some(end), .. }) => end,
            Self::Zipped(decoder) => decoder.get_ref().end.clone().unwrap_or(StreamEnd::Stopped),
            Self::Unseen(_) | Self::Refusal(_) | Self::Plain(_) => StreamEnd::Stopped,
        }
    }
}

fn is_zipped(parts: &Parts) -> bool {
    let encoding = parts.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    matches!(encoding, Some(b"gzip" | b"x-gzip"))
}

fn flow(written: io::Result<()>) -> ControlFlow<()> {
    if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

impl Write for Counted<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.end.is_none() {
            let part =
                usize::try_from(self.room).map_or(data, |room| &data[..data.len().min(room)]);
            self.room -= part.len() as u64;
            if !part.is_empty() && (self.on_bytes)(part).is_break() {
                self.end = Some(StreamEnd::Stopped);
            } else if part.len() < data.len() {
                self.end = Some(StreamEnd::TooLong);
            }
        }
        match self.end {
            None => Ok(data.len()),
            Some(_) => Err(io::Error::other("the reader takes no more")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
