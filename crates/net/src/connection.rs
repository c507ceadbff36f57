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

    pub(crate) async fn exchange(
        &mut self,
        request: Request,
        response_body_bytes_max: usize,
    ) -> Result<Exchange, ExchangeError> {
        // A new connection takes a request only after it has been polled once.
        if let Err(source) = self.until(|sender, context| sender.poll_ready(context)).await {
            return Err(ExchangeError::NotSent { request: Box::new(request), source });
        }
        let mut answer = pin!(self.sender.try_send_request(request));
        let head = self.until(|_sender, context| answer.as_mut().poll(context)).await;
        let (head, body) = match head {
            Ok(response) => response.into_parts(),
            Err(mut error) => {
                let request = error.take_message();
                let source = error.into_error();
                return Err(match request {
                    Some(request) => ExchangeError::NotSent { request: Box::new(request), source },
                    None => ExchangeError::Lost { source },
                });
            }
        };
        // The status is the answer; what keeps its body from arriving costs only the connection.
        let collect = timeout(BODY_TIMEOUT, self.collect(body, response_body_bytes_max));
        let (body, whole) = match collect.await {
            Ok(Ok(collected)) => collected,
            Ok(Err(_)) | Err(_) => (Bytes::new(), false),
        };
        let reusable = whole && self.driver.is_some();
        let response = Response { status: head.status, headers: head.headers, body };
        Ok(Exchange { response, reusable })
    }

    /// Reads the body up to the limit. True if that was all of it.
    async fn collect(&mut self, mut body: Incoming, max: usize) -> hyper::Result<(Bytes, bool)> {
        let mut collected = BytesMut::new();
        loop {
            let frame = self.until(|_sender, context| Pin::new(&mut body).poll_frame(context));
            let Some(frame) = frame.await else { return Ok((collected.freeze(), true)) };
            if let Ok(data) = frame.map(Frame::into_data)? {
                let room = max - collected.len();
                collected.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    return Ok((collected.freeze(), false));
                }
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
