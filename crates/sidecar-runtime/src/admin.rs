//! The admin port: who may connect, for how long, and who answers.
//!
//! In go connections, out come answers of the runtime's own [`routes`] or of the image's
//! [`Front`]. A bounded number of connections; while all are in use, a new one takes the place of
//! those that ask for nothing at the moment, handshakes included, so that idle or stalled peers
//! cost a slot but never the port. A connection that has not ended a request for a while is closed.
//! It serves until the process ends, so that probes see the drain; the end waits for answers that
//! are under way. Request bodies are not read. hyper's own timer for heads was not taken: it counts
//! the pause between two scrapes too.

mod routes;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{self, Instant};

use self::routes::Reply;
use crate::backoff::Backoff;
use crate::footprint;
use crate::front::{AdminPort, Front};
use crate::lifecycle::Lifecycle;
use crate::listen::{Listen, Listener, Peer, Stream};
use crate::metrics::MetricRegistry;
use crate::rewound::Rewound;
use crate::sidecar::StartError;

/// Some probes, some scrapers, and a flood of them; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 256;
/// While all connections are in use, some idle ones are asked to end so often.
const ROOM_RETRY: Duration = Duration::from_millis(20);
/// So many at a time.
const ROOM_AT_ONCE: usize = 8;
/// Before that a new connection need not give way: its first request is on the way.
const FRESH: Duration = Duration::from_secs(1);
/// From so many connections at once on, their memory is given back when they have gone.
const CROWD: usize = 16;
/// Between two looks whether a crowd has gone.
const CROWD_PERIOD: Duration = Duration::from_secs(1);
/// A connection that ended no request in one such period is closed at the end of the next. Above
/// the interval of usual scrapers, so that they keep theirs.
const IDLE_PERIOD: Duration = Duration::from_secs(90);
/// From the connection to the end of the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Waits after an accept that failed, which mostly means that descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
const ACCEPT_RETRY_MAX: Duration = Duration::from_secs(1);
/// No route needs a long head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The first byte of a TLS connection.
const TLS_HANDSHAKE: u8 = 0x16;

/// A bound admin port.
#[derive(Debug)]
pub(crate) struct Admin {
    listeners: Vec<Listener>,
    state: Arc<AdminState>,
}

#[derive(Debug)]
struct AdminState {
    port: AdminPort,
    lifecycle: Lifecycle,
    registry: MetricRegistry,
    slots: Arc<Semaphore>,
    /// Whether somebody waits for the end of a crowd.
    crowded: AtomicBool,
    /// Asks connections that answer nothing at the moment to make room.
    make_room: Notify,
    /// How many requests that came before the closing are being answered.
    answering: watch::Sender<usize>,
    /// Whether the end only waits for answers.
    closing: AtomicBool,
}

impl Admin {
    /// Binds all addresses. `setting` is the flag that named them.
    ///
    /// # Errors
    /// An address is taken or not ours.
    pub(crate) async fn bind(
        setting: &str,
        listens: &[Listen],
        lifecycle: Lifecycle,
        registry: MetricRegistry,
    ) -> Result<Admin, StartError> {
        let mut listeners = Vec::new();
        for listen in listens {
            let bound = listen.bind().await;
            let bound = bound.map_err(|error| StartError::new(setting, listen.to_string(), error));
            listeners.extend(bound?);
        }
        let addresses: Vec<SocketAddr> = listeners.iter().filter_map(Listener::address).collect();
        let port = AdminPort { addresses: addresses.into(), ..AdminPort::default() };
        let state = Arc::new(AdminState {
            port,
            lifecycle,
            registry,
            slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            crowded: AtomicBool::new(false),
            make_room: Notify::new(),
            answering: watch::Sender::new(0),
            closing: AtomicBool::new(false),
        });
        Ok(Admin { listeners, state })
    }

    /// The port as the image sees it.
    pub(crate) fn port(&self) -> AdminPort {
        self.state.port.clone()
    }

    /// A wait for the moment when every request that came before it is answered.
    pub(crate) fn quiet(&self) -> impl Future<Output = ()> + use<> {
        let state = Arc::clone(&self.state);
        async move {
            state.closing.store(true, Ordering::Relaxed);
            // Those that come from now on do not count, or a flood could hold the end.
            let mut answering = state.answering.subscribe();
            answering.wait_for(|count| *count == 0).await.expect("the state holds the sender");
        }
    }

    /// Serves until dropped.
    pub(crate) async fn serve(self) -> Infallible {
        let mut backoff = Backoff::new(ACCEPT_RETRY, ACCEPT_RETRY_MAX);
        let mut turn = 0;
        loop {
            let accepted = poll_fn(|context| self.poll_accept(&mut turn, context)).await;
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "Admin port cannot accept");
                    time::sleep(backoff.next()).await;
                    continue;
                }
            };
            backoff.reset();
            let state = Arc::clone(&self.state);
            let slot = state.slot().await;
            if state.open_connections() >= CROWD && !state.crowded.swap(true, Ordering::Relaxed) {
                self.state.lifecycle.spawn_session(outlast_crowd(Arc::clone(&state)));
            }
            self.state.lifecycle.spawn_session(async move {
                serve_connection(stream, peer, &state).await;
                drop(slot);
            });
        }
    }

    /// Asks the listeners in turn, so that a busy one cannot silence another.
    fn poll_accept(
        &self,
        turn: &mut usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream, Peer)>> {
        for _listener in &self.listeners {
            *turn = (*turn + 1) % self.listeners.len();
            if let Poll::Ready(accepted) = self.listeners[*turn].poll_accept(context) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

impl AdminState {
    /// A place for a connection. As long as there is none, some that ask for nothing are closed.
    async fn slot(&self) -> OwnedSemaphorePermit {
        loop {
            let slot = Arc::clone(&self.slots).acquire_owned();
            match time::timeout(ROOM_RETRY, slot).await {
                Ok(slot) => return slot.expect("nobody closes the semaphore"),
                Err(_elapsed) => (0..ROOM_AT_ONCE).for_each(|_| self.make_room.notify_one()),
            }
        }
    }

    fn open_connections(&self) -> usize {
        CONNECTIONS_MAX - self.slots.available_permits()
    }
}

async fn outlast_crowd(state: Arc<AdminState>) {
    while state.open_connections() >= CROWD {
        time::sleep(CROWD_PERIOD).await;
    }
    state.crowded.store(false, Ordering::Relaxed);
    footprint::release_after_crowd();
}

/// What a connection is allowed to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Encrypted,
    /// Everything, as long as encryption is not the rule; then the probes.
    Plain,
}

async fn serve_connection(stream: Stream, peer: Peer, state: &Arc<AdminState>) {
    let prepared = match state.port.front.get() {
        Some(front) if front.encrypts() => tokio::select! {
            biased;
            prepared = time::timeout(HANDSHAKE_TIMEOUT, prepare(front.as_ref(), stream)) => {
                prepared.unwrap_or_else(|elapsed| Err(elapsed.into()))
            }
            () = give_way(state) => return,
        },
        _ => Ok((stream, Scope::Plain)),
    };
    let ended = match prepared {
        Ok((stream, scope)) => converse(stream, scope, peer, state).await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::debug!(?peer, %error, "Admin connection failed");
    }
}

/// A wait for the moment when a connection without a request has to make room.
async fn give_way(state: &AdminState) {
    time::sleep(FRESH).await;
    state.make_room.notified().await;
}

/// Tells TLS from plain HTTP by the first byte.
async fn prepare(front: &dyn Front, mut stream: Stream) -> io::Result<(Stream, Scope)> {
    let first = stream.read_u8().await?;
    let stream: Stream = Box::new(Rewound::new(first, stream));
    if first == TLS_HANDSHAKE {
        return Ok((front.encrypt(stream).await?, Scope::Encrypted));
    }
    Ok((stream, Scope::Plain))
}

async fn converse(
    stream: Stream,
    scope: Scope,
    peer: Peer,
    state: &Arc<AdminState>,
) -> io::Result<()> {
    let activity = Activity::default();
    let service = service_fn(|request: Request<Incoming>| {
        let answering = activity.begin(state);
        async move {
            let response = respond(request, scope, peer, state).await;
            drop(answering);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let opened = Instant::now();
    loop {
        let seen = activity.count.load(Ordering::Relaxed);
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended.map_err(io::Error::other),
            () = state.make_room.notified() => {
                if activity.is_idle() && (activity.has_begun() || opened.elapsed() > FRESH) {
                    return Ok(());
                }
            }
            () = time::sleep(IDLE_PERIOD) => {
                if activity.count.load(Ordering::Relaxed) == seen {
                    return Ok(());
                }
            }
        }
    }
}

/// What happens on one connection: even while nothing is being answered, odd while something is.
#[derive(Debug, Default)]
struct Activity {
    count: AtomicU64,
}

impl Activity {
    fn begin<'a>(&'a self, state: &'a AdminState) -> Answering<'a> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let awaited = !state.closing.load(Ordering::Relaxed);
        if awaited {
            state.answering.send_modify(|count| *count += 1);
        }
        Answering { activity: self, state, awaited }
    }

    fn has_begun(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    fn is_idle(&self) -> bool {
        self.count.load(Ordering::Relaxed).is_multiple_of(2)
    }
}

struct Answering<'a> {
    activity: &'a Activity,
    state: &'a AdminState,
    /// Whether the end waits for it.
    awaited: bool,
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.activity.count.fetch_add(1, Ordering::Relaxed);
        if self.awaited {
            self.state.answering.send_modify(|count| *count -= 1);
        }
    }
}

async fn respond(
    request: Request<Incoming>,
    scope: Scope,
    peer: Peer,
    state: &AdminState,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    drop(body);
    let path = parts.uri.path();
    let front = state.port.front.get();
    let is_too_plain = scope == Scope::Plain && front.is_some_and(|front| front.encrypts());
    match front {
        _ if is_too_plain && !(peer.is_own && routes::is_reserved(path)) => {
            let why = "this port speaks HTTPS\n";
            Reply::text(StatusCode::BAD_REQUEST, why).into_response()
        }
        Some(front) if !routes::is_reserved(path) => front.answer(&parts).await,
        _ => {
            let (method, headers) = (&parts.method, &parts.headers);
            let (lifecycle, registry) = (&state.lifecycle, &state.registry);
            routes::answer(method, path, headers, peer.is_loopback, lifecycle, registry)
                .into_response()
        }
    }
}
