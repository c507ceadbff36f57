//! An HTTP sink on a loopback port that records what it accepts and fails on command.
//!
//! The answer can be changed while it runs, which is how an outage begins and ends. Delivered
//! means: the sender may believe that its batch is safe. So batches answered with 200 count, and
//! those whose answer is lost on purpose; all others only show up as attempts. One thread per
//! connection reads requests with its own small parser into a buffer that is used again, so that
//! in counting mode the sink is not what a benchmark measures.

pub mod http;
mod protocol;
mod record;
mod serving;

use std::collections::{HashSet, VecDeque};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::protocol::{POISON, Protocol};
pub use self::record::Record;

use self::http::Request;
use self::protocol::{Verdict, judge};
use self::serving::listen;
use crate::ledger::{self, Account};
use crate::writer::Numbered;

/// What the sink does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Ok,
    /// This status, with `Retry-After` in seconds if given.
    Status(u16, Option<u32>),
    /// 413 for a request body (as received) above this many bytes, 200 for the others.
    TooLargeOver(usize),
    /// Takes all but the records that hold [`POISON`], which it will never take.
    Poison,
    /// Of each request every so-many-th record is not taken now, where the protocol can say so.
    Busy(usize),
    /// Keeps the request until the answer changes, then does what the new one says.
    Hold,
    /// Never answers, whatever comes later.
    Hang,
    /// Accepts and records the request, then closes without answering.
    DropAfterRead,
    /// Nobody listens, and the open connections are cut.
    Refuse,
}

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
        Self::start_as(protocol, Recording::Records)
    }

    pub fn start_with(recording: Recording) -> Self {
        Self::start_as(Protocol::Ndjson, recording)
    }

    fn start_as(protocol: Protocol, recording: Recording) -> Self {
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
        let shared = Arc::new(Shared { recording, protocol, state, changed });
        let address = listen(&shared, SocketAddr::from(([127, 0, 0, 1], 0)));
        Self { shared, address }
    }

    /// Where to post to.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.protocol.path())
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

    /// Waits for this many records, duplicates included.
    pub fn wait_records(&self, count: usize, deadline: Duration) {
        self.wait(&format!("{count} records"), deadline, |records| records.len() >= count);
    }

    /// Waits until this many different messages have arrived.
    pub fn wait_distinct(&self, count: usize, deadline: Duration) {
        let mut distinct = std::collections::HashSet::new();
        let mut looked_at = 0;
        self.wait(&format!("{count} different records"), deadline, |records| {
            distinct.extend(records[looked_at..].iter().map(|record| record.message.clone()));
            looked_at = records.len();
            distinct.len() >= count
        });
    }

    /// Waits until the condition holds for the records so far.
    pub fn wait(
        &self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut(&[Record]) -> bool,
    ) {
        self.wait_state(what, deadline, |state| condition(&state.checked().records));
    }

    /// Waits for this many requests, whatever was answered.
    pub fn wait_attempts(&self, count: usize, deadline: Duration) {
        let what = format!("{count} attempts");
        self.wait_state(&what, deadline, |state| state.attempts.len() >= count);
    }

    /// Waits until this many lines were accepted. The one to use in counting mode.
    pub fn wait_lines(&self, count: u64, deadline: Duration) {
        let what = format!("{count} lines");
        self.wait_state(&what, deadline, |state| state.counts.lines >= count);
    }

    fn wait_state(
        &self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut(&State) -> bool,
    ) {
        let end = Instant::now() + deadline;
        let mut state = self.shared.lock();
        while !condition(&state) {
            let left = end.saturating_duration_since(Instant::now());
            let (records, attempts) = (state.counts.lines, state.attempts.len());
            assert!(
                !left.is_zero(),
                "waited {deadline:?} in vain for {what}: {records} records, {attempts} attempts"
            );
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
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
        while state.answer == Answer::Hold && !state.ended {
            state = self.changed.wait(state).unwrap();
        }
        if state.ended { Answer::Hang } else { state.answer }
    }

    /// Notes the request and its records, and says what to write back.
    fn take(&self, request: &Request, body: &[u8], answer: Answer) -> Option<Vec<u8>> {
        let (failure, retry_after) = match answer {
            Answer::Status(status, retry_after) => (Some(status), retry_after),
            Answer::TooLargeOver(max) if request.body_bytes > max => (Some(413), None),
            _ => (None, None),
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
        status.map(|status| http::answer(status, retry_after, &answer_body))
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
