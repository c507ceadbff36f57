//! One HTTP/1 connection that the caller's own task drives.
//!
//! hyper splits a connection into a sender and a driver future that somebody has to poll. Usually
//! that is a task of its own; here the driver is polled together with the request, so that a
//! connection has one owner, ends when that owner drops it, and needs no task that could be left
//! over. Between two requests nobody polls it; `is_open` looks at the socket before re-use.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::http::response::Parts;
use tokio::time::timeout;

use crate::client::Response;
use crate::connect::Io;

/// For the body of an answer, once its head is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) type Request = hyper::Request<Full<Bytes>>;

pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// None once it has ended: a finished future must not be polled again.
    driver: Option<http1::Connection<Io, Full<Bytes>>>,
}

/// How one exchange failed.
pub(crate) enum ExchangeError {
    /// hyper gave the request back: the peer cannot have seen any of it.
    NotSent { request: Box<Request>, source: hyper::Error },
    /// The peer may have read the request.
    Lost { source: hyper::Error },
}

/// The answer, and whether the connection can serve another request.
pub(crate) struct Exchange {
    pub(crate) response: Response,
    pub(crate) reusable: bool,
}

/// How the body of an answer ended.
#[derive(Debug)]
pub enum BodyEnd {
    Whole,
    /// There is more than the limit.
    CutOff,
    /// The connection failed within the body, or the body is not well-formed.
    Lost {
        source: hyper::Error,
    },
}

impl Connection {
    pub(crate) async fn open(io: Io) -> hyper::Result<Self> {
        let (sender, driver) = http1::handshake(io).await?;
        Ok(Self { sender, driver: Some(driver) })
    }

    /// False if the peer has closed the connection or hyper is not ready for another request.
    pub(crate) async fn is_open(&mut self) -> bool {
        // Let the runtime look at the sockets once: what it knows may date from the last request.
        tokio::task::yield_now().await;
        poll_fn(|context| {
            self.drive(context);
            let ready = matches!(self.sender.poll_ready(context), Poll::Ready(Ok(())));
            Poll::Ready(ready && self.driver.is_some())
        })
        .await
    }

    /// One request whose status is the answer: what keeps its body from arriving costs only the
    /// connection.
    pub(crate) async fn exchange(
        &mut self,
        request: Request,
        response_body_bytes_max: usize,
    ) -> Result<Exchange, ExchangeError> {
        let mut answer = self.head(request).await?;
        let (body, whole) = {
            let collect = self.collect(&mut answer.1, response_body_bytes_max);
            match timeout(BODY_TIMEOUT, collect).await {
                Ok((body, BodyEnd::Whole)) => (body, true),
                Ok((body, BodyEnd::CutOff)) => (body, false),
                Ok((_, BodyEnd::Lost { .. })) | Err(_) => (Bytes::new(), false),
            }
        };
        let reusable = whole && self.is_alive();
        let response = Response { status: answer.0.status, headers: answer.0.headers, body };
        Ok(Exchange { response, reusable })
    }

    /// One request whose body is the answer.
    pub(crate) async fn fetch(
        &mut self,
        request: Request,
        response_body_bytes_max: usize,
    ) -> Result<(Response, BodyEnd), ExchangeError> {
        let (head, mut body) = self.head(request).await?;
        let (body, end) = match body.size_hint().lower() > response_body_bytes_max as u64 {
            // It says so itself, and may take long to prove it.
            true => (Bytes::new(), BodyEnd::CutOff),
            false => self.collect(&mut body, response_body_bytes_max).await,
        };
        Ok((Response { status: head.status, headers: head.headers, body }, end))
    }

    /// False once the connection has ended: it can serve no other request.
    pub(crate) fn is_alive(&self) -> bool {
        self.driver.is_some()
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn head(
        &mut self,
        request: Request,
    ) -> Result<(Parts, Incoming), ExchangeError> {
        // A new connection takes a request only after it has been polled once.
        if let Err(source) = self.until(|sender, context| sender.poll_ready(context)).await {
            return Err(ExchangeError::NotSent { request: Box::new(request), source });
        }
        let mut answer = pin!(self.sender.try_send_request(request));
        let head = self.until(|_sender, context| answer.as_mut().poll(context)).await;
        head.map(hyper::Response::into_parts).map_err(|mut error| {
            let request = error.take_message();
            let source = error.into_error();
            match request {
                Some(request) => ExchangeError::NotSent { request: Box::new(request), source },
                None => ExchangeError::Lost { source },
            }
        })
    }

    /// Reads the body up to the limit.
    async fn collect(&mut self, body: &mut Incoming, max: usize) -> (Bytes, BodyEnd) {
        let mut collected = BytesMut::new();
        loop {
            let data = match self.data(body).await {
                None => return (collected.freeze(), BodyEnd::Whole),
                Some(Err(source)) => return (collected.freeze(), BodyEnd::Lost { source }),
                Some(Ok(data)) => data,
            };
            let room = max - collected.len();
            collected.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return (collected.freeze(), BodyEnd::CutOff);
            }
        }
    }

    /// The next piece of the body. None at its end. Cancel-safe.
    pub(crate) async fn data(&mut self, body: &mut Incoming) -> Option<hyper::Result<Bytes>> {
        loop {
            let frame = self.until(|_sender, context| Pin::new(&mut *body).poll_frame(context));
            match frame.await?.map(Frame::into_data) {
                Err(source) => return Some(Err(source)),
                Ok(Err(_trailers)) => {}
                Ok(Ok(data)) => return Some(Ok(data)),
            }
        }
    }

    /// Waits for `step` while keeping the connection moving.
    async fn until<T>(
        &mut self,
        mut step: impl FnMut(&mut http1::SendRequest<Full<Bytes>>, &mut Context<'_>) -> Poll<T>,
    ) -> T {
        poll_fn(|context| {
            self.drive(context);
            step(&mut self.sender, context)
        })
        .await
    }

    /// An error that ends the driver also reaches whoever waits for the answer or the body, so it
    /// is not lost by being dropped here.
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(context).is_ready()
        {
            self.driver = None;
        }
    }
}
