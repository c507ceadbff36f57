//! Where lines arrive: HTTP, TCP, syslog, forward or a pipe. Counts them and, when they carry
//! stamps, times them.
//!
//! The ports stay open for the whole run; each measurement gets an [`Intake`] of its own, and a
//! connection belongs to the intake that was current when it was made. So what a killed agent left
//! in a socket is not counted for the next one. Threads of this process do the work: their CPU is
//! not the agents'.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use e2e::sink::http::{READ_BUFFER_BYTES, answer, read_request};
use memchr::{memchr_iter, memmem, memrchr};
use rmpv::Value;
use rmpv::decode::read_value;
use rmpv::encode::write_value;

/// A stamped line begins with this; 20 digits of nanoseconds and 10 of its number follow.
const STAMP: &str = "stamp=";
const NANOS_DIGITS: usize = 20;
const NUMBER_DIGITS: usize = 10;

/// The listeners.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) http: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) syslog: SocketAddr,
    pub(crate) forward: SocketAddr,
    current: Arc<Mutex<Arc<Intake>>>,
}

impl Ports {
    pub(crate) fn open() -> Self {
        let current = Arc::new(Mutex::new(Arc::new(Intake::default())));
        let http = listen(&current, receive_http);
        let tcp = listen(&current, receive_stream);
        let syslog = listen(&current, receive_syslog);
        let forward = listen(&current, receive_forward);
        Self { http, tcp, syslog, forward, current }
    }

    /// A new intake for everything that connects from now on.
    pub(crate) fn begin(&self) -> Arc<Intake> {
        let intake = Arc::new(Intake::default());
        *self.current.lock().unwrap() = Arc::clone(&intake);
        intake
    }
}

/// What has arrived in one measurement.
#[derive(Debug)]
pub(crate) struct Intake {
    base: Instant,
    first_arrival: OnceLock<Instant>,
    lines: AtomicU64,
    /// Every request is answered with 503.
    is_away: AtomicBool,
    refused: AtomicU64,
    stamped: Mutex<Stamped>,
}

/// Figures of lines with stamps.
#[derive(Debug, Default)]
pub(crate) struct Stamped {
    /// From write to arrival, in nanoseconds, first arrivals only.
    pub(crate) latencies: Vec<u64>,
    /// By number: whether the line has arrived.
    pub(crate) seen: Vec<bool>,
    pub(crate) doubled: u64,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            base: Instant::now(),
            first_arrival: OnceLock::new(),
            lines: AtomicU64::new(0),
            is_away: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            stamped: Mutex::default(),
        }
    }
}

impl Intake {
    /// Lines so far, duplicates included.
    pub(crate) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Acquire)
    }

    /// Whether requests are refused from now on.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Release);
    }

    /// Requests that were refused so far.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Acquire)
    }

    pub(crate) fn first_arrival(&self) -> Option<Instant> {
        self.first_arrival.get().copied()
    }

    pub(crate) fn stamped(&self) -> MutexGuard<'_, Stamped> {
        self.stamped.lock().unwrap()
    }

    /// The next line of a writer, with the time of now.
    pub(crate) fn stamp(&self, number: u64, padding: &str) -> String {
        let nanos = self.base.elapsed().as_nanos();
        format!("{STAMP}{nanos:020}{number:010} {padding}\n")
    }

    /// Reads a pipe in a thread of its own until it ends.
    pub(crate) fn receive_pipe(self: &Arc<Self>, pipe: std::io::PipeReader) {
        let intake = Arc::clone(self);
        std::thread::spawn(move || receive_stream(&intake, pipe));
    }

    /// Takes whole lines.
    fn take(&self, lines: &[u8]) {
        let now = u64::try_from(self.base.elapsed().as_nanos()).unwrap();
        let count = memchr_iter(b'\n', lines).count() as u64;
        // Either all lines of a measurement have stamps or none has.
        let first = &lines[..lines.len().min(READ_BUFFER_BYTES)];
        if memmem::find(first, STAMP.as_bytes()).is_some() {
            let mut stamped = self.stamped();
            for start in memmem::find_iter(lines, STAMP.as_bytes()) {
                stamped.take(&lines[start + STAMP.len()..], now);
            }
        }
        self.count(count);
    }

    fn count(&self, lines: u64) {
        self.first_arrival.get_or_init(Instant::now);
        self.lines.fetch_add(lines, Ordering::Release);
    }
}

impl Stamped {
    fn take(&mut self, text: &[u8], now: u64) {
        let digits = |from: usize, count: usize| {
            let digits = str::from_utf8(&text[from..from + count]).unwrap();
            digits.parse::<u64>().unwrap()
        };
        let (written, number) = (digits(0, NANOS_DIGITS), digits(NANOS_DIGITS, NUMBER_DIGITS));
        let index = usize::try_from(number).unwrap();
        if self.seen.len() <= index {
            self.seen.resize(index + 1, false);
        }
        if std::mem::replace(&mut self.seen[index], true) {
            self.doubled += 1;
        } else {
            self.latencies.push(now.saturating_sub(written));
        }
    }
}

fn listen(current: &Arc<Mutex<Arc<Intake>>>, receive: fn(&Intake, TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let current = Arc::clone(current);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let intake = Arc::clone(&current.lock().unwrap());
            let stream = stream.unwrap();
            std::thread::spawn(move || receive(&intake, stream));
        }
    });
    address
}

/// Requests until the connection ends; every one is accepted unless the intake is away.
fn receive_http(intake: &Intake, stream: TcpStream) {
    // What a bulk API says of documents that it took; others do not look at it.
    let accepted = answer(200, None, br#"{"errors":false}"#);
    let away = answer(503, None, b"");
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, stream);
    let (mut body, mut decoded) = (Vec::new(), Vec::new());
    while let Ok(Some(request)) = read_request(&mut reader, &mut body) {
        let answer = if intake.is_away.load(Ordering::Acquire) {
            intake.refused.fetch_add(1, Ordering::Release);
            &away
        } else {
            intake.take(request.decode(&body, &mut decoded).unwrap());
            &accepted
        };
        if writer.write_all(answer).is_err() {
            return;
        }
    }
}

/// Lines until the end; a line may come in pieces.
fn receive_stream(intake: &Intake, mut stream: impl Read) {
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let mut filled = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]) {
        filled += read;
        if let Some(last) = memrchr(b'\n', &buffer[..filled]) {
            intake.take(&buffer[..=last]);
            buffer.copy_within(last + 1..filled, 0);
            filled -= last + 1;
        }
        assert!(filled < buffer.len(), "a line above {READ_BUFFER_BYTES} bytes");
    }
}

/// Messages by octet counting until the end.
fn receive_syslog(intake: &Intake, stream: TcpStream) {
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, stream);
    let mut text = Vec::new();
    loop {
        text.clear();
        // A killed agent leaves half a message.
        let Ok(2..) = reader.read_until(b' ', &mut text) else { return };
        let length: usize = str::from_utf8(&text).unwrap().trim_end().parse().unwrap();
        text.resize(length, 0);
        if reader.read_exact(&mut text).is_err() {
            return;
        }
        intake.count(1);
    }
}

/// Messages with a size and a chunk, which is acknowledged.
fn receive_forward(intake: &Intake, stream: TcpStream) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, stream);
    while let Ok(message) = read_value(&mut reader) {
        let option = |name: &str| {
            let options = message[2].as_map().unwrap();
            options.iter().find(|(key, _)| key.as_str() == Some(name)).unwrap().1.clone()
        };
        intake.count(option("size").as_u64().unwrap());
        let mut ack = Vec::new();
        write_value(&mut ack, &Value::Map(vec![("ack".into(), option("chunk"))])).unwrap();
        if writer.write_all(&ack).is_err() {
            return;
        }
    }
}
