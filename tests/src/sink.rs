//! An HTTP sink on a loopback port that records what it accepts and fails on command.
//!
//! The answer can be changed while it runs, which is how an outage begins and ends. Delivered
//! means: the sender may believe that its batch is safe. So batches answered with 200 count, and
//! those whose answer is lost on purpose; all others only show up as attempts. One thread per
//! connection reads requests with its own small parser into a buffer that is used again, so that
//! in counting mode the sink is not what a benchmark measures.

mod answer;
mod forward;
pub mod http;
mod protocol;
mod record;
mod serving;
mod waiting;

use std::collections::{HashSet, VecDeque};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;

pub use self::answer::Answer;
pub use self::forward::Door;
pub use self::protocol::{POISON, Protocol};
pub use self::record::Record;

use self::http::Request;
use self::protocol::{Verdict, judge};
use self::serving::listen;
use crate::ledger::{self, Account};
use crate::pace::pause;
use crate::writer::Numbered;

/// What is kept of accepted requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// Every line, parsed.
    Records,
    /// Numbers of requests, lines and bytes only.
    Counts,
}

/// One request that was read to its end.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub at: Instant,
    /// None if it was not answered.
    pub status: Option<u16>,
    pub lines: usize,
    /// As received, so after compression.
    pub body_bytes: usize,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub target: String,
}

/// Sums over accepted requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub requests: u64,
    pub lines: u64,
    /// After decompression.
    pub bytes: u64,
}

/// A running sink. Its threads end with it.
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    recording: Recording,
    protocol: Protocol,
    door: Door,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    answer: Answer,
    /// Used up before `answer` counts.
    first_answers: VecDeque<Answer>,
    /// None while connections are refused.
    listener: Option<Arc<TcpListener>>,
    connections: Vec<TcpStream>,
    records: Vec<Record>,
    /// By which a record is known that comes again.
    known: HashSet<String>,
    attempts: Vec<Attempt>,
    counts: Counts,
    /// Bodies that are no NDJSON: always a bug of the sender.
    malformed: Option<String>,
    ended: bool,
}

impl Sink {
    /// Listens and records every line.
    pub fn start() -> Self {
        Self::start_with(Recording::Records)
    }

    /// Listens, speaks this protocol and records every line.
    pub fn speaking(protocol: Protocol) -> Self {
        Self::start_as(protocol, Recording::Records, Door::default())
    }

    /// The same for Fluent forward, behind a door.
    pub fn behind(door: Door) -> Self {
        Self::start_as(Protocol::Forward, Recording::Records, door)
    }

    /// Speaks this protocol over TLS.
    pub fn secured(protocol: Protocol, tls: Arc<ServerConfig>) -> Self {
        let door = Door { tls: Some(tls), ..Door::default() };
        Self::start_as(protocol, Recording::Records, door)
    }

    pub fn start_with(recording: Recording) -> Self {
        Self::start_as(Protocol::Ndjson, recording, Door::default())
    }

    fn start_as(protocol: Protocol, recording: Recording, door: Door) -> Self {
        let state = State {
            answer: Answer::Ok,
            first_answers: VecDeque::new(),
            listener: None,
            connections: Vec::new(),
            records: Vec::new(),
            known: HashSet::new(),
            attempts: Vec::new(),
            counts: Counts::default(),
            malformed: None,
            ended: false,
        };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared { recording, protocol, door, state, changed });
        let address = listen(&shared, SocketAddr::from(([127, 0, 0, 1], 0)));
        Self { shared, address }
    }

    /// Where to post to.
    pub fn url(&self) -> String {
        let (protocol, port) = (self.shared.protocol, self.address.port());
        match (protocol, &self.shared.door.tls) {
            (Protocol::Forward, Some(_)) => format!("tls://localhost:{port}"),
            (Protocol::Forward, None) => format!("tcp://{}", self.address),
            (_, Some(_)) => format!("https://localhost:{port}{}", protocol.path()),
            (_, None) => format!("http://{}{}", self.address, protocol.path()),
        }
    }

    /// What it speaks.
    pub fn protocol(&self) -> Protocol {
        self.shared.protocol
    }

    /// The standing answer, from the next request on.
    pub fn set(&self, answer: Answer) {
        let mut state = self.shared.lock();
        state.answer = answer;
        if answer == Answer::Refuse {
            state.refuse();
        }
        let reopen = answer != Answer::Refuse && state.listener.is_none();
        drop(state);
        if reopen {
            listen(&self.shared, self.address);
        }
        self.shared.changed.notify_all();
    }

    /// Answers for the next requests, one each, before the standing answer counts.
    pub fn set_first(&self, answers: &[Answer]) {
        self.shared.lock().first_answers.extend(answers);
    }

    /// Closes the connections that are open now.
    pub fn cut_connections(&self) {
        self.shared.lock().cut_connections();
    }

    /// What became of everything that these writers wrote.
    pub fn account(&self, writers: &[&Numbered]) -> Account {
        let messages = self.messages();
        let written = writers.iter().flat_map(|writer| writer.written());
        ledger::account(written, messages.iter().map(String::as_str))
    }

    /// All records accepted so far, in the order of arrival.
    pub fn records(&self) -> Vec<Record> {
        self.shared.lock().checked().records.clone()
    }

    /// The messages of all records.
    pub fn messages(&self) -> Vec<String> {
        let state = self.shared.lock();
        state.checked().records.iter().map(|record| record.message.clone()).collect()
    }

    pub fn attempts(&self) -> Vec<Attempt> {
        self.shared.lock().attempts.clone()
    }

    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.refuse();
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while waiting poisons the lock; the sink must still end.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer for a request just read. Waits while it is `Hold`; `Hang` after the end.
    fn next_answer(&self) -> Answer {
        let mut state = self.lock();
        if let Some(answer) = state.first_answers.pop_front() {
            return answer;
        }
        if let Answer::Slow(millis) = state.answer {
            drop(state);
            pause(Duration::from_millis(millis));
            return Answer::Slow(millis);
        }
        while state.answer == Answer::Hold && !state.ended {
            state = self.changed.wait(state).unwrap();
        }
        if state.ended { Answer::Hang } else { state.answer }
    }

    fn malformed(&self, error: String) {
        self.lock().malformed = Some(error);
    }

    /// Notes the request and its records, and says what to answer: status and body.
    fn take(&self, request: &Request, body: &[u8], answer: Answer) -> Option<(u16, Vec<u8>)> {
        let failure = match answer {
            Answer::Status(status, _) => Some(status),
            Answer::TooLargeOver(max) if request.body_bytes > max => Some(413),
            _ => None,
        };
        let is_taken =
            failure.is_none() && !matches!(answer, Answer::Hold | Answer::Hang | Answer::Refuse);
        let items = match (is_taken, self.recording) {
            (true, Recording::Records) => self.protocol.parse(request, body),
            (true, Recording::Counts) | (false, _) => Ok(Vec::new()),
        };
        let mut state = self.lock();
        let items = items.unwrap_or_else(|error| {
            state.malformed = Some(error);
            Vec::new()
        });
        let busy = match answer {
            Answer::Busy(every) => Some(every),
            _ => None,
        };
        let poison = answer == Answer::Poison;
        let verdicts = judge(&items, poison, busy, &mut state.known);
        // Without a protocol for it, a request with a bad record is refused as a whole.
        let is_whole = self.protocol != Protocol::Ndjson || !verdicts.contains(&Verdict::Poison);
        let lines = match (self.protocol, self.recording) {
            (Protocol::Ndjson, _) | (_, Recording::Counts) => {
                memchr::memchr_iter(b'\n', body).count()
            }
            _ => items.len(),
        };
        let taken =
            items.into_iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Taken);
        if is_taken && is_whole {
            state.records.extend(taken.map(|(item, _)| item.record));
            state.counts.requests += 1;
            state.counts.lines += lines as u64;
            state.counts.bytes += body.len() as u64;
        }
        let (status, answer_body) = match failure {
            Some(status) => (Some(status), Vec::new()),
            None if !is_taken || answer == Answer::DropAfterRead => (None, Vec::new()),
            None => {
                let (status, body) = self.protocol.answer(&verdicts);
                (Some(status), body)
            }
        };
        state.attempts.push(Attempt {
            at: Instant::now(),
            status,
            lines,
            body_bytes: request.body_bytes,
            headers: request.headers.clone(),
            target: request.target.clone(),
        });
        drop(state);
        self.changed.notify_all();
        status.map(|status| (status, answer_body))
    }
}

impl State {
    fn refuse(&mut self) {
        if let Some(listener) = self.listener.take() {
            // Wakes the thread in accept(); the port is free when that thread has dropped it.
            rustix::net::shutdown(&*listener, rustix::net::Shutdown::Both).unwrap();
        }
        self.cut_connections();
    }

    fn cut_connections(&mut self) {
        for connection in self.connections.drain(..) {
            // The peer may have closed it before: then it is cut already.
            drop(connection.shutdown(Shutdown::Both));
        }
    }

    fn checked(&self) -> &Self {
        if let Some(malformed) = &self.malformed {
            panic!("the sink got a body that is not as documented: {malformed}");
        }
        self
    }
}

#[cfg(test)]
mod tests;
