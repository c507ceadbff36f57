//! An answer whose body is handed on as it comes.
//!
//! In goes a GET and a reader, out comes how the body ended; what the reader has got until then is
//! valid whatever the end. Nothing is kept here, so the size of a body is the reader's business.
//! The waits are bounded one by one and together: a peer that sends a byte now and then has no more
//! time than one that sends nothing.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::response::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method};
use tokio::time::{Instant, timeout_at};

use super::{Client, Phase, SendError};
use crate::connection::{Connection, ExchangeError, Request};

/// How long the parts of a streamed answer may take.
#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    /// For the head, connecting included.
    pub head: Instant,
    /// Between two pieces of the body.
    pub idle: Duration,
    /// For everything.
    pub whole: Instant,
}

/// How a streamed body ended.
#[derive(Debug)]
pub enum StreamEnd {
    Whole,
    /// The reader has had enough.
    Stopped,
    /// Nothing came for too long, or all of it took too long.
    Stalled,
    /// The connection failed within the body, or the body is not well-formed.
    Lost {
        source: hyper::Error,
    },
}

impl Client {
    /// Sends one GET for `target` and passes each piece of the body to `on_data`, with the head.
    ///
    /// A lost connection is replaced once as for [`Client::get`], but only before the head.
    ///
    /// # Errors
    /// No head of an answer; any status is an answer.
    pub async fn stream(
        &mut self,
        target: &PathAndQuery,
        headers: &HeaderMap,
        limits: StreamLimits,
        on_data: &mut dyn FnMut(&Parts, &[u8]) -> ControlFlow<()>,
    ) -> Result<(Parts, StreamEnd), SendError> {
        let request = |client: &Self| client.request(Method::GET, target, headers, Bytes::new());
        let kept = match self.kept.take() {
            None => None,
            Some(connection) => match begin(connection, request(self), limits.head).await {
                Err(SendError::Interrupted { source }) if !source.is_parse() => None,
                begun => Some(begun?),
            },
        };
        let begun = match kept {
            Some(begun) => begun,
            None => {
                let connection = self.open(limits.head).await?;
                begin(connection, request(self), limits.head).await?
            }
        };
        let (mut connection, parts, mut body) = begun;
        let mut on_data = |data: &[u8]| on_data(&parts, data);
        let end = pass_on(&mut connection, &mut body, limits, &mut on_data).await;
        let reusable = matches!(end, StreamEnd::Whole) && connection.is_alive();
        self.kept = reusable.then_some(connection);
        Ok((parts, end))
    }
}

async fn begin(
    mut connection: Connection,
    request: Request,
    deadline: Instant,
) -> Result<(Connection, Parts, Incoming), SendError> {
    match timeout_at(deadline, connection.head(request)).await {
        Ok(Ok((parts, body))) => Ok((connection, parts, body)),
        Ok(Err(ExchangeError::NotSent { source, .. } | ExchangeError::Lost { source })) => {
            Err(SendError::Interrupted { source })
        }
        Err(_elapsed) => Err(SendError::Timeout { phase: Phase::Response }),
    }
}

async fn pass_on(
    connection: &mut Connection,
    body: &mut Incoming,
    limits: StreamLimits,
    on_data: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> StreamEnd {
    loop {
        let now = Instant::now();
        if now >= limits.whole {
            return StreamEnd::Stalled;
        }
        let deadline = limits.whole.min(now + limits.idle);
        match timeout_at(deadline, connection.data(body)).await {
            Ok(None) => return StreamEnd::Whole,
            Ok(Some(Err(source))) => return StreamEnd::Lost { source },
            Ok(Some(Ok(data))) => {
                if on_data(&data).is_break() {
                    return StreamEnd::Stopped;
                }
            }
            Err(_elapsed) => return StreamEnd::Stalled,
        }
    }
}
