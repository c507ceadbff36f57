//! Traffic that goes on in the background and rises and falls, so that curves have a shape.
//!
//! An [`Actor`] is a thread that acts twenty times a second until it is dropped. What it acts on
//! may be dead for a while: then it goes on trying. Its owner drops it before what it talks to.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::ambassador::spread_name;
use crate::client::{Address, Request};
use crate::pace::paced;
use crate::random::Random;
use crate::resp_client::RespClient;
use crate::writer::Numbered;

const TICK: Duration = Duration::from_millis(50);
const TICKS_PER_SECOND: usize = 20;
/// A wave of traffic, in ticks.
const WAVE_TICKS: usize = 50 * TICKS_PER_SECOND;
/// Above the stage's `--max-line-bytes`.
const LONG_LINE_BYTES: usize = 5_000;
const KEYS: u64 = 5_000;
/// A few milliseconds in a redis-server.
const SLOW_SCRIPT: &str = "for i=1,200000 do end return redis.call('get',KEYS[1])";

/// A thread at work; dropping it waits for the end of its turn.
#[derive(Debug)]
pub(super) struct Actor {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Actor {
    /// Acts with the number of the turn.
    pub(super) fn start(mut act: impl FnMut(usize) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut turn = 0;
            while !stopped.load(Ordering::Relaxed) {
                paced(1, TICK, |_once| act(turn));
                turn += 1;
            }
        });
        Self { stop, thread: Some(thread) }
    }

    /// Once a second, the first time at once.
    pub(super) fn each_second(mut act: impl FnMut() + Send + 'static) -> Self {
        Self::start(move |turn| {
            if turn % TICKS_PER_SECOND == 0 {
                act();
            }
        })
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        // The thread has said why; a second panic while one is under way would end the process.
        assert!(ended || std::thread::panicking(), "an actor has panicked");
    }
}

/// Between half and one and a half of `mean`, over and over.
fn wave(turn: usize, mean: usize) -> usize {
    let place = turn % WAVE_TICKS;
    let rising = place.min(WAVE_TICKS - place);
    mean / 2 + 2 * mean * rising / WAVE_TICKS
}

/// Lines, at times one that is too long, and a rotation every 20 s.
pub(super) fn lines(file: PathBuf) -> Actor {
    let mut writer = Numbered::open(file, "app");
    let long = "x".repeat(LONG_LINE_BYTES);
    Actor::start(move |turn| {
        writer.lines(wave(turn, 40));
        if turn % (8 * TICKS_PER_SECOND) == 0 {
            writer.line_with(&long);
        }
        if turn % (20 * TICKS_PER_SECOND) == 0 {
            writer.rotate(2);
        }
    })
}

/// Requests for all kinds of pages.
pub(super) fn pages(nginx: SocketAddr, seed: u64) -> Actor {
    let mut random = Random::new(seed);
    let address = Address::Tcp(nginx);
    let mut idle = Vec::new();
    Actor::start(move |turn| {
        for _request in 0..wave(turn, 4) {
            let path = match random.below(200) {
                0 => "/broken",
                1..=4 => "/missing",
                5..=9 => "/slow",
                10..=120 => "/app",
                _ => "/",
            };
            // nginx may be down.
            Request::get(path).send(&address).ok();
        }
        // Connections that say nothing, as browsers keep them.
        if turn % (3 * TICKS_PER_SECOND) == 0 {
            idle.truncate(random.below(6).try_into().unwrap());
            idle.extend(TcpStream::connect(nginx));
        }
    })
}

/// Commands of all classes.
pub(super) fn commands(redis: Address, seed: u64) -> Actor {
    let mut random = Random::new(seed);
    let mut client = RespClient::connect(&redis);
    Actor::start(move |turn| {
        for _command in 0..wave(turn, 12) {
            let [one, two] = [(); 2].map(|()| {
                // Most requests are for few keys, as in life.
                let key = random.below(KEYS).min(random.below(KEYS));
                spread_name(usize::try_from(key).unwrap())
            });
            match random.below(10_000) {
                0..=3 => drop(client.call("SCAN 0")),
                4..=5 => drop(client.call(&format!("RENAME {one} {two}"))),
                6..=40 => drop(client.command(&["EVAL", SLOW_SCRIPT, "1", &one])),
                41..=3_000 => drop(client.call(&format!("SET {one} {turn}"))),
                3_001..=4_000 => drop(client.call(&format!("MGET {one} {two}"))),
                4_001..=4_200 => drop(client.call("PING")),
                _ => drop(client.call(&format!("GET {one}"))),
            }
        }
    })
}
