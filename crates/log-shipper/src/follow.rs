//! `log-shipper tail`: files on standard output as they grow, for people and `kubectl logs`.
//!
//! In: paths and patterns. Out: whole lines, with the file before each where there are several, and
//! in colour on a terminal. Files are followed by crate `tail`, so rotation and truncation lose
//! nothing; a reader that is slow holds up reading, and one that leaves ends it. Nothing is kept,
//! nothing listens.
//!
//! SIGINT ends at once. SIGTERM comes when the app has ended: what is there is shown first, a last
//! line without an end included; a second one ends at once.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidecar_runtime::{Rejections, setting};
use tail::{Flow, From, Globs, Line, PatternError, Settings, Source, Tailer};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::sleep_until;
use tracing::{error, warn};

use crate::batch::Batch;
use crate::config::{SinkConfig, glob_of};
use crate::sink::{Answer, Sink};

/// A line without an end is shown once its file has not grown for so long: a prompt, a progress.
const PARTIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Between an event and the look at what grew, so that a look takes in many lines.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(3);
/// Files whose prefix is remembered; above, colours begin anew.
const PREFIXES_MAX: usize = 4_096;
/// Colours of prefixes, as SGR codes that are readable on dark and light.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];
/// Exit statuses.
const ENDED: u8 = 0;
const REJECTED: u8 = 64;
const OUTPUT_LOST: u8 = 69;

/// The flags of `tail`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or patterns with *, ** and ?, which may match later
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,

    /// Lines of each file to begin with; +1 for the whole file
    #[arg(
        long,
        short = 'n',
        value_name = "LINES",
        default_value = "10",
        allow_hyphen_values = true
    )]
    lines: String,

    /// The file before each line: always, never, or auto, with several files
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    prefix: String,

    /// Taken and without effect, for those who type tail -f or tail -F
    #[arg(long, short = 'f', visible_short_alias = 'F', hide = true)]
    follow: bool,
}

/// Follows until the end. Gives the exit status.
pub(crate) fn run(args: &Args, rejections: &mut Rejections) -> u8 {
    let from = rejections.parse("lines", &args.lines, lines);
    let several = args.files.len() > 1 || args.files.iter().any(|file| is_pattern(file));
    let choices = [("always", true), ("never", false), ("auto", several)];
    let prefixed = rejections.parse("prefix", &args.prefix, setting::one_of(&choices));
    let here = std::env::current_dir().unwrap_or_default();
    let globs = globs(&args.files, &here, rejections);
    let (Some(from), Some(prefixed), Some(globs)) = (from, prefixed, globs) else {
        return REJECTED;
    };
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = io::stdout().is_terminal() && !no_colour;
    let prefixes = prefixed.then(|| Prefixes { here, colours, known: HashMap::new() });
    let settings =
        Settings { from, partial_timeout: Some(PARTIAL_TIMEOUT), ..Settings::new(globs) };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "Cannot start");
            return OUTPUT_LOST;
        }
    };
    let missing = args.files.iter().filter(|it| !is_pattern(it) && !Path::new(it).exists());
    let status = runtime.block_on(follow(settings, prefixes, missing));
    // A write to somebody who does not read must not hold the end.
    runtime.shutdown_background();
    status.unwrap_or_else(|error| {
        error!(%error, "Cannot go on");
        OUTPUT_LOST
    })
}

fn lines(text: &str) -> Result<From, &'static str> {
    match text {
        "+0" | "+1" => Ok(From::Beginning),
        text => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let count = digits.parse().ok().filter(|_| !digits.starts_with('+'));
            count.map(From::LastLines).ok_or("expected a number of lines, or +1")
        }
    }
}

fn globs(files: &[String], here: &Path, rejections: &mut Rejections) -> Option<Globs> {
    let mut globs = Globs::default();
    let mut accepted = true;
    for file in files {
        let path = absolute(&here.join(file));
        if path.is_dir() {
            rejections.reject("FILE", file, "is a directory; name its files, as in DIR/*");
            accepted = false;
            continue;
        }
        // The folder that a pattern is relative to is meant as it stands.
        let pattern = match is_pattern(file) {
            true => absolute(&Path::new(&glob_of(here)).join(file)).display().to_string(),
            false => glob_of(&path),
        };
        let parsed: Result<(), PatternError> = globs.include(&pattern);
        accepted &= rejections.parse("FILE", file, |_| parsed).is_some();
    }
    accepted.then_some(globs)
}

/// A name that is there is no pattern, whatever stands in it.
fn is_pattern(file: &str) -> bool {
    file.contains(['*', '?', '[']) && !Path::new(file).exists()
}

/// Without `.`, and without `..` as far as there are such folders: what is found is told by its
/// path.
fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_empty| path.to_owned());
    let goes_up = path.components().any(|part| part == Component::ParentDir);
    match (goes_up, path.parent().map(Path::canonicalize), path.file_name()) {
        (true, Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path,
    }
}

async fn follow(
    settings: Settings,
    prefixes: Option<Prefixes>,
    missing: impl Iterator<Item = &String>,
) -> io::Result<u8> {
    let signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let wake = Arc::new(Notify::new());
    let woken = Arc::clone(&wake);
    let (tailer, _no_positions) = Tailer::open(settings, None, move || woken.notify_one());
    // From now on they are shown from their beginning.
    missing.for_each(|file| warn!(file, "Waiting for a file"));
    let sink = Sink::open(SinkConfig::Stdout).map_err(io::Error::other)?;
    let draining = Notify::new();
    let follower = Follower { tailer, sink, prefixes, batch: Batch::default() };
    tokio::select! {
        biased;
        () = signals.end(&draining) => Ok(ENDED),
        status = follower.run(&wake, &draining) => Ok(status),
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Returns at the signal that ends at once; the one before begins the drain.
    async fn end(mut self, draining: &Notify) {
        tokio::select! {
            _ = self.interrupt.recv() => return,
            _ = self.terminate.recv() => draining.notify_one(),
        }
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

struct Follower {
    tailer: Tailer,
    sink: Sink,
    prefixes: Option<Prefixes>,
    batch: Batch,
}

/// Nobody reads any more, or what they would read is lost.
struct Over(u8);

impl Follower {
    async fn run(mut self, wake: &Notify, draining: &Notify) -> u8 {
        match self.follow(wake, draining).await {
            Ok(()) => ENDED,
            Err(Over(status)) => status,
        }
    }

    async fn follow(&mut self, wake: &Notify, draining: &Notify) -> Result<(), Over> {
        loop {
            self.show().await?;
            let deadline = tokio::time::Instant::from_std(self.tailer.next_deadline());
            tokio::select! {
                biased;
                () = draining.notified() => return self.show_rest().await,
                () = wake.notified() => tokio::time::sleep(FOLLOW_INTERVAL).await,
                () = sleep_until(deadline) => {}
            }
            self.tailer.discover(Instant::now());
        }
    }

    /// Shows everything that can be read now.
    async fn show(&mut self) -> Result<(), Over> {
        while let Some((id, source)) = self.tailer.next_ready() {
            let prefix = self.prefixes.as_mut().map(|it| it.of(&source)).unwrap_or_default();
            self.batch.begin(&[]);
            let batch = &mut self.batch;
            let span = self.tailer.read(id, Instant::now(), |line| {
                batch.add(|out| write(prefix, line, out));
                if batch.is_full() { Flow::Stop } else { Flow::Continue }
            });
            if let Some(span) = span {
                self.batch.push(span);
            }
            if self.batch.is_full() {
                self.hand_over().await?;
                self.tailer.discover(Instant::now());
            }
        }
        self.hand_over().await
    }

    /// The same, and last lines without an end.
    async fn show_rest(&mut self) -> Result<(), Over> {
        self.tailer.rescan_now(Instant::now());
        self.show().await?;
        for id in self.tailer.held_partials() {
            self.batch.begin(&[]);
            let (batch, prefixes) = (&mut self.batch, &mut self.prefixes);
            self.tailer.read_held(id, Instant::now(), |source, line| {
                let prefix = prefixes.as_mut().map(|it| it.of(source)).unwrap_or_default();
                batch.add(|out| write(prefix, line, out));
                Flow::Stop
            });
        }
        self.hand_over().await
    }

    /// Writes the batch, as long as that takes.
    async fn hand_over(&mut self) -> Result<(), Over> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let records = self.batch.take_records();
        let answer = self.sink.send(&records).await;
        match answer {
            Answer::Accepted => {}
            Answer::Gone(_) => return Err(Over(ENDED)),
            other => {
                error!(?other, "Output is lost");
                return Err(Over(OUTPUT_LOST));
            }
        }
        self.batch.give_back(records);
        for span in &self.batch.spans {
            self.tailer.acknowledge(span);
        }
        self.batch.clear();
        Ok(())
    }
}

fn write(prefix: &[u8], line: &Line<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(line.bytes);
    out.push(b'\n');
}

/// What stands before the lines of a file.
struct Prefixes {
    /// Paths below are shown without it.
    here: PathBuf,
    colours: bool,
    known: HashMap<PathBuf, Vec<u8>>,
}

impl Prefixes {
    fn of(&mut self, source: &Source) -> &[u8] {
        if self.known.len() >= PREFIXES_MAX && !self.known.contains_key(&source.path) {
            self.known.clear();
        }
        let colour = self.colours.then(|| COLOURS[self.known.len() % COLOURS.len()]);
        let here = &self.here;
        self.known.entry(source.path.clone()).or_insert_with(|| {
            let path = source.path.strip_prefix(here).unwrap_or(&source.path);
            // A name must not move the cursor of a terminal.
            let path = path.to_string_lossy().replace(char::is_control, "?");
            let prefix = match colour {
                Some(colour) => format!("\u{1b}[{colour}m{path}:\u{1b}[0m "),
                None => format!("{path}: "),
            };
            prefix.into_bytes()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_tail_does() {
        for (text, expected) in [
            ("10", Ok(From::LastLines(10))),
            ("0", Ok(From::LastLines(0))),
            ("-3", Ok(From::LastLines(3))),
            ("+1", Ok(From::Beginning)),
        ] {
            assert_eq!(lines(text), expected, "{text}");
        }
        for text in ["", "ten", "+5", "--1", "1k"] {
            assert!(lines(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_short_and_its_colour_stays() {
        let here = PathBuf::from("/logs");
        let mut prefixes = Prefixes { here, colours: true, known: HashMap::new() };
        let mut of = |path: &str| {
            let source = Source { path: PathBuf::from(path), group: 0, file_id: 0 };
            String::from_utf8(prefixes.of(&source).to_vec()).unwrap()
        };
        assert_eq!(of("/logs/a.log"), "\u{1b}[36ma.log:\u{1b}[0m ");
        assert_eq!(of("/var/\u{1b}b.log"), "\u{1b}[33m/var/?b.log:\u{1b}[0m ");
        assert_eq!(of("/logs/a.log"), "\u{1b}[36ma.log:\u{1b}[0m ");
    }
}
