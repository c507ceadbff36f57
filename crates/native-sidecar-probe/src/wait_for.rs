//! `wait-for`: waits until servers answer, names exist or files are there.
//!
//! condition (what was typed) → attempt (one look, with IO) → board (what is met, what is missing
//! and why). Every condition is tried on its own, again and again with growing, jittered pauses;
//! one that was met is not tried again. Arguments are and, the parts of one argument between commas
//! are or: that needs no brackets and no word that a shell takes for its own. Built for init
//! containers that had a shell loop around nslookup: it works before the name exists, ends at
//! SIGTERM even as PID 1, and tells what it waits for.

mod attempt;
mod board;
mod condition;

use std::cell::RefCell;
use std::ffi::OsString;
use std::future::pending;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::os::unix::process::CommandExt;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use sidecar_runtime::{Backoff, Rejections, setting};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use self::attempt::{Attempt, Manners};
use self::board::Board;
use self::condition::Condition;
use crate::cli;
use crate::ending::Ending;
use crate::status::Status;

/// Each has a task and at most one connection.
const CONDITIONS_MAX: usize = 64;
/// The pause after a first failed attempt; later ones double it up to `--interval`.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Below this, an interval would be a busy loop.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// From one line about what is missing to the next.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// tcp://HOST:PORT, http(s)://HOST:PORT/PATH, dns://NAME, file:///PATH or unix:///PATH; all
    /// must be met, and of several in one argument, with commas between them, any one
    #[arg(value_name = "CONDITION", required = true)]
    conditions: Vec<String>,
    /// One met condition is enough
    #[arg(long)]
    any: bool,
    /// Time after which it gives up with exit status 75; 0s never does
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
    /// Longest pause between two attempts
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    interval: String,
    /// Time limit of one attempt
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    attempt_timeout: String,
    /// Statuses that meet an http condition, such as 200,401 or 200-399
    #[arg(long, value_name = "STATUSES", value_delimiter = ',', default_value = "200-399")]
    http_status: Vec<String>,
    /// PEM file of the authorities that certificates of https conditions have to be from
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// Accepts any certificate of https conditions
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Becomes this command when the conditions are met
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug)]
struct Settings {
    /// All groups must be met, each by any one of its conditions.
    groups: Vec<Vec<Condition>>,
    /// None: for ever.
    timeout: Option<Duration>,
    interval: Duration,
    manners: Manners,
    command: Vec<OsString>,
}

/// How the waiting ended.
#[derive(Debug)]
enum End {
    Met,
    TimeOver,
    Signal,
}

pub(crate) fn run(args: Args, rejections: &mut Rejections, _out: &mut dyn Write) -> Status {
    let settings = Settings::new(args, rejections);
    match cli::ask(rejections, LocalSet::new().run_until(wait(&settings))) {
        Ok(Ok(End::Met)) => become_command(&settings.command),
        Ok(Ok(End::TimeOver | End::Signal)) => Status::Unfinished,
        Ok(Err(error)) => {
            tracing::error!(%error, "Cannot wait");
            Status::CannotStart
        }
        Err(status) => status,
    }
}

impl Settings {
    /// Not to be used if anything was rejected.
    fn new(args: Args, rejections: &mut Rejections) -> Settings {
        let mut groups = Vec::new();
        for argument in &args.conditions {
            let group = condition::alternatives(argument);
            let group =
                group.filter_map(|text| rejections.parse("condition", text, Condition::parse));
            groups.push(group.collect());
        }
        if args.any {
            groups = vec![groups.into_iter().flatten().collect()];
        }
        let count: usize = groups.iter().map(Vec::len).sum();
        if count > CONDITIONS_MAX {
            let reason = format!("expected at most {CONDITIONS_MAX} conditions");
            rejections.reject("condition", &count.to_string(), reason);
        }
        let timeout = rejections.parse("timeout", &args.timeout, setting::duration);
        let interval = rejections.parse("interval", &args.interval, interval);
        let attempt =
            rejections.parse("attempt-timeout", &args.attempt_timeout, setting::positive_duration);
        let statuses: Vec<_> = args
            .http_status
            .iter()
            .filter_map(|text| rejections.parse("http-status", text, statuses))
            .collect();
        let ca_file = args.ca_file.map(PathBuf::from);
        let verify = !args.insecure_skip_tls_verify;
        let manners = Manners::new(attempt.unwrap_or_default(), statuses, ca_file.clone(), verify);
        if let Err(error) = manners.check() {
            let file = ca_file.unwrap_or_default();
            rejections.reject("ca-file", &file.to_string_lossy(), net::with_causes(&error));
        }
        Settings {
            groups,
            timeout: timeout.filter(|timeout| !timeout.is_zero()),
            interval: interval.unwrap_or_default(),
            manners,
            command: args.command,
        }
    }
}

/// Until the conditions are met, the time is over, or a signal comes.
async fn wait(settings: &Settings) -> io::Result<End> {
    let mut ending = Ending::new()?;
    let start = Instant::now();
    let deadline = settings.timeout.and_then(|timeout| start.checked_add(timeout));
    let names = settings.groups.iter().map(|group| group.iter().map(Condition::to_string));
    let board = Rc::new(RefCell::new(Board::new(names.map(Iterator::collect))));
    let mut attempts = JoinSet::new();
    for (index, condition) in settings.groups.iter().flatten().enumerate() {
        let attempt = Attempt::new(condition.clone(), settings.manners.clone());
        let (board, interval) = (Rc::clone(&board), settings.interval);
        attempts.spawn_local(async move { until_met(index, attempt, &board, interval).await });
    }
    let mut progress = interval_at(start + PROGRESS_EVERY, PROGRESS_EVERY);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(met) = attempts.join_next() => {
                if let Err(error) = met {
                    resume_unwind(error.into_panic());
                }
                if board.borrow().is_met() {
                    tracing::info!(after = ?start.elapsed(), "All that was waited for is there");
                    return Ok(End::Met);
                }
            }
            _ = progress.tick() => {
                tracing::info!(missing = board.borrow().missing(), "Still waiting");
            }
            () = until(deadline) => {
                tracing::error!(missing = board.borrow().missing(), "Waited in vain");
                return Ok(End::TimeOver);
            }
            () = ending.wait() => {
                tracing::warn!(missing = board.borrow().missing(), "Ended by a signal");
                return Ok(End::Signal);
            }
        }
    }
}

/// The first failure is told at once, the others with the progress.
async fn until_met(index: usize, attempt: Attempt, board: &RefCell<Board>, interval: Duration) {
    let mut backoff = Backoff::new(FIRST_PAUSE.min(interval), interval);
    loop {
        let looked = timeout(attempt.timeout(), attempt.look());
        let why = match looked.await {
            Ok(Ok(())) => break,
            Ok(Err(why)) => why,
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        if board.borrow_mut().failed(index, &why) {
            tracing::info!(condition = %attempt.condition(), why, "Waiting");
        }
        tokio::time::sleep(backoff.next()).await;
    }
    tracing::info!(condition = %attempt.condition(), "Met");
    board.borrow_mut().met(index);
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

fn become_command(command: &[OsString]) -> Status {
    let Some((program, arguments)) = command.split_first() else { return Status::Supported };
    let error = Command::new(program).args(arguments).exec();
    tracing::error!(program = %program.display(), %error, "Cannot start the command");
    Status::CannotStart
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = setting::duration(text).map_err(|error| error.to_string())?;
    match interval >= INTERVAL_MIN {
        true => Ok(interval),
        false => Err(format!("expected {} ms or more", INTERVAL_MIN.as_millis())),
    }
}

/// `200` or `200-399`.
fn statuses(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let read = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
    match (read(first), read(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err("expected a status such as 200, or a range such as 200-399"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_statuses() {
        assert_eq!(statuses("204"), Ok(204..=204));
        assert_eq!(statuses("200-399"), Ok(200..=399));
        for text in ["", "2xx", "399-200", "99", "600", "-200", "200-"] {
            assert!(statuses(text).is_err(), "{text}");
        }
    }
}
