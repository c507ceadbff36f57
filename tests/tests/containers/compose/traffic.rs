//! Requests from outside, numbered: pages from nginx, keys through the ambassador.
//!
//! A request that fails is made again under the same number, as a user's client would: the port is
//! closed for a moment while its container is restarted. What was answered counts. A key that comes
//! back with another value than it was set to ends the test.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use e2e::client::{Address, Request};
use e2e::pace::{SOON, paced, wait_until};
use e2e::resp_client::{Reply, RespClient, bulk, simple};

use super::stack::Stack;

/// Of each kind, at most.
pub(crate) const A_SECOND: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);
/// A client that nobody answers asks again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two incidents.
const MORE: u64 = 50;

/// Both kinds, each from a thread of its own.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) pages: Requests,
    pub(crate) keys: Requests,
}

/// Goes on until it is told to end.
#[derive(Debug)]
pub(crate) struct Requests {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    ending: AtomicBool,
    answered: AtomicU64,
}

impl Traffic {
    pub(crate) fn start(stack: &Stack) -> Self {
        let (nginx, redis) = (stack.nginx(), stack.redis());
        let mut client = None;
        Self {
            pages: Requests::start(move |number| fetch(nginx, number)),
            keys: Requests::start(move |number| set_and_get(redis, &mut client, number)),
        }
    }

    /// Waits for some more answers of both kinds.
    pub(crate) fn wait_more(&self) {
        self.pages.wait_more("pages");
        self.keys.wait_more("keys");
    }
}

impl Requests {
    /// `attempt` gets the request's number and says whether it was answered.
    fn start(mut attempt: impl FnMut(u64) -> bool + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !own.ending.load(Ordering::Relaxed) {
                paced(1, PAUSE, |_time| {
                    let number = own.answered.load(Ordering::Relaxed);
                    own.answered.fetch_add(attempt(number).into(), Ordering::Relaxed);
                });
            }
        });
        Self { shared, thread }
    }

    fn wait_more(&self, what: &str) {
        let answered = || self.shared.answered.load(Ordering::Relaxed);
        let enough = answered() + MORE;
        wait_until(&format!("more {what}"), 2 * SOON, || answered() >= enough);
    }

    /// How many were answered, numbered from 0.
    pub(crate) fn end(self) -> u64 {
        self.shared.ending.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.shared.answered.load(Ordering::Relaxed)
    }
}

fn fetch(nginx: SocketAddr, number: u64) -> bool {
    let page = Request::get(&format!("/test/{number}")).within(PATIENCE);
    page.send(&nginx.into()).is_ok_and(|answer| answer.status == 200)
}

fn set_and_get(redis: SocketAddr, client: &mut Option<RespClient>, number: u64) -> bool {
    let (set, get) = (format!("set test:{number} {number}"), format!("get test:{number}"));
    for (line, expected) in [(set, simple("OK")), (get, bulk(number.to_string()))] {
        match ask(redis, client, &line) {
            // An error says that a server could not be asked.
            Ok(Reply::Error(_)) => return false,
            Ok(reply) => assert_eq!(reply, expected, "{line}"),
            Err(_) => {
                *client = None;
                return false;
            }
        }
    }
    true
}

fn ask(redis: SocketAddr, client: &mut Option<RespClient>, line: &str) -> io::Result<Reply> {
    if client.is_none() {
        let mut fresh = RespClient::try_connect(&Address::from(redis))?;
        fresh.patience(PATIENCE);
        *client = Some(fresh);
    }
    client.as_mut().expect("it was just made").try_call(line)
}
