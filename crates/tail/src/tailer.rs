//! Follows many files at once, in fair turns.
//!
//! In: globs, directory events, acknowledgements. Out: lines, with the [`Span`] to acknowledge, and
//! snapshots of the acknowledged positions. The caller owns the loop:
//!
//! ```text
//! woken or deadline ─▶ discover ─▶ next_ready ─▶ read ─▶ (deliver) ─▶ acknowledge ─▶ snapshot
//!                                      ▲───────────┘ while there are files with something to read
//! ```
//!
//! Each turn reads at most [`READ_BYTES`] of one file, then the next file has its turn. Nothing is
//! kept of a line that has no end yet: it is read again from the file when there is more of it.
//! `discover` must be called even while nothing can be delivered, so that a file is open before it
//! is rotated away.

mod beginning;
mod intake;
mod punch;
mod reading;
mod reclaim;
mod standing;
mod stats;
mod succession;
mod truncation;
mod waiting;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::checkpoint::{Entry, LoadWarning, Snapshot, StateDir};
use crate::cursor::{Cursor, Span, State, Writers};
use crate::discover::Globs;
use crate::framer::LongLines;
use crate::roster::{FileId, Roster, Source};
use crate::watch::Watch;

pub(crate) use self::punch::Hole;
pub use self::punch::Punching;
pub use self::reclaim::{Acknowledged, AfterShip, Reclaimed, Room};
pub use self::standing::{Sizes, Standing};
pub use self::stats::{Backlog, Stats};

/// Bytes read in one turn.
pub(crate) const READ_BYTES: usize = 256 << 10;
/// Positions kept of files that were not found again.
const STRAYS_MAX: usize = 10_000;
/// For how long they are kept.
const STRAY_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Where a file is begun that is there when the tailer is opened and has no saved position. Files
/// that appear later are read from their beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Beginning,
    End,
    /// So many lines before the end, as far as they lie in its last 64 MiB.
    LastLines(u64),
}

/// What to follow, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    pub globs: Globs,
    pub from: From,
    /// Bytes of a line, its end not counted; at least 4.
    pub line_bytes_max: usize,
    pub long_lines: LongLines,
    /// A line without an end is handed on once the file has not grown for so long.
    pub partial_timeout: Option<Duration>,
    /// Between two looks at everything while directory events arrive.
    pub rescan: Duration,
    /// The same while they do not, and between two looks at a file that was rotated away.
    pub poll: Duration,
    /// For how long a renamed file is held open after its last growth.
    pub renamed_quiet: Duration,
    /// The same for a deleted one, whose space is not free before.
    pub deleted_quiet: Duration,
    /// When the last line of a rotated file is taken as ended.
    pub last_line_quiet: Duration,
    /// Descriptors held at a time; more files than that take turns.
    pub open_files_max: usize,
    /// Files that give the disk back while they are written. Their writers must append.
    pub punching: Option<Punching>,
}

impl Settings {
    /// Descriptors that a tailer holds unless told otherwise.
    pub const OPEN_FILES_MAX: usize = 4_096;

    /// Follows `globs` from the beginning with the limits that suit a sidecar.
    #[must_use]
    pub fn new(globs: Globs) -> Settings {
        Settings {
            globs,
            from: From::Beginning,
            line_bytes_max: 1 << 20,
            long_lines: LongLines::Split,
            partial_timeout: None,
            rescan: Duration::from_secs(10),
            poll: Duration::from_secs(1),
            renamed_quiet: Duration::from_secs(30),
            deleted_quiet: Duration::from_secs(60),
            last_line_quiet: Duration::from_secs(5),
            open_files_max: Settings::OPEN_FILES_MAX,
            punching: None,
        }
    }
}

/// Follows files; see the module's description.
#[derive(Debug)]
pub struct Tailer {
    settings: Settings,
    watch: Watch,
    roster: Roster,
    /// Files with something to read, in the order of their turns.
    ready: VecDeque<FileId>,
    /// Files in state Draining.
    draining: Vec<FileId>,
    /// Those of them that a file with the same name waits for.
    waited_for: Vec<FileId>,
    /// Files that may be copies.
    suspects: Vec<FileId>,
    /// Positions of files that were not found yet.
    strays: Vec<Entry>,
    /// When the checkpoint that was loaded had been saved, in milliseconds since 1970.
    loaded_at: u64,
    /// Files left alone, by inode, so that they are counted once.
    ignored: HashSet<(u64, u64)>,
    /// How often this process opened a path, less the events that told of it.
    own_opens: HashMap<PathBuf, u32>,
    /// The same for descriptors that could write and were closed.
    own_closes: HashMap<PathBuf, u32>,
    open_files: usize,
    rescan_at: Instant,
    poll_at: Instant,
    first_scan: bool,
    /// When the last scan began, since 1970.
    scanned_at: Duration,
    /// A file that appears now was made before our eyes: every open and close of it will be seen.
    events_tell_all: bool,
    last_growth: Instant,
    changed: bool,
    /// What others who read the same files have acknowledged.
    others: Option<Acknowledged>,
    reclaim_was_refused: bool,
    punch_was_refused: bool,
    stats: Stats,
    buffer: Vec<u8>,
}

impl Tailer {
    /// Starts to follow. `wake` is called, from another thread, when `discover` has something to
    /// do. With a state directory the positions saved there are taken up; a warning says that they
    /// could not be used.
    #[must_use]
    pub fn open(
        settings: Settings,
        state_dir: Option<&StateDir>,
        wake: impl Fn() + Send + 'static,
    ) -> (Tailer, Option<LoadWarning>) {
        Tailer::with_watch(settings, state_dir, Watch::new(wake))
    }

    /// The same without directory events: every `discover` that is due looks at everything.
    #[must_use]
    pub fn open_polling(
        settings: Settings,
        state_dir: Option<&StateDir>,
    ) -> (Tailer, Option<LoadWarning>) {
        Tailer::with_watch(settings, state_dir, Watch::off())
    }

    fn with_watch(
        settings: Settings,
        state_dir: Option<&StateDir>,
        watch: Watch,
    ) -> (Tailer, Option<LoadWarning>) {
        let (loaded, warning) = state_dir.map(StateDir::load).unwrap_or_default();
        let now = Instant::now();
        let mut tailer = Tailer {
            settings,
            watch,
            roster: Roster::default(),
            ready: VecDeque::new(),
            draining: Vec::new(),
            waited_for: Vec::new(),
            suspects: Vec::new(),
            strays: loaded.entries,
            loaded_at: loaded.saved,
            ignored: HashSet::new(),
            own_opens: HashMap::new(),
            own_closes: HashMap::new(),
            open_files: 0,
            rescan_at: now,
            poll_at: now,
            first_scan: true,
            scanned_at: Duration::ZERO,
            events_tell_all: false,
            last_growth: now,
            changed: false,
            others: None,
            reclaim_was_refused: false,
            punch_was_refused: false,
            stats: Stats::default(),
            buffer: Vec::new(),
        };
        tailer.discover(now);
        (tailer, warning)
    }

    /// Takes in what happened in the directories, and looks at everything when that is due.
    pub fn discover(&mut self, now: Instant) {
        let changes = self.watch.take();
        if changes.overflow {
            self.stats.event_overflows += 1;
            self.watch.forget();
            self.own_closes.clear();
            for (_, cursor) in self.roster.iter_mut() {
                cursor.writers = Writers::unknown();
            }
            self.rescan_at = now;
        }
        self.apply(changes, now);
        if now >= self.rescan_at {
            self.rescan(now);
            let interval =
                if self.watch.is_complete() { self.settings.rescan } else { self.settings.poll };
            self.rescan_at = now + interval;
        }
        if now >= self.poll_at && self.needs_polling() {
            self.poll_draining(now);
            self.settle_suspects(now);
            self.queue_due_partials(now);
            self.poll_at = now + self.settings.poll;
        }
    }

    /// Looks at every file now, whether or not events told of it.
    pub fn rescan_now(&mut self, now: Instant) {
        (self.rescan_at, self.poll_at) = (now, now);
        self.discover(now);
    }

    /// When `discover` has something to do even if nothing happens.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        if self.needs_polling() { self.rescan_at.min(self.poll_at) } else { self.rescan_at }
    }

    fn needs_polling(&self) -> bool {
        !self.draining.is_empty()
            || !self.suspects.is_empty()
            || self.settings.partial_timeout.is_some()
    }

    /// The file whose turn it is, and where its lines come from.
    pub fn next_ready(&mut self) -> Option<(FileId, Arc<Source>)> {
        self.end_waiting();
        while let Some(id) = self.ready.front().copied() {
            let Some(cursor) = self.roster.get(id).filter(|it| it.queued) else {
                self.ready.pop_front();
                continue;
            };
            let first = self.owed_before(id);
            let place = first.and_then(|first| self.ready.iter().position(|it| *it == first));
            let Some(place) = place else {
                return Some((id, Arc::clone(&cursor.source)));
            };
            // They change places, so that all others keep their turns.
            self.ready.swap(0, place);
        }
        None
    }

    /// Everything up to the end of `span` is delivered. Spans of one file must come in order.
    pub fn acknowledge(&mut self, span: &Span) {
        self.changed = true;
        match self.roster.get_mut(span.file) {
            Some(cursor) if cursor.generation == span.generation => cursor.on_acked(span.end),
            _ => {
                let heir = Some((span.file, span.generation));
                let cursor = self.roster.iter_mut().find(|(_, it)| it.inherits == heir);
                if let Some((_, cursor)) = cursor {
                    cursor.on_acked(span.end);
                }
            }
        }
    }

    /// There is something to read.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// There is something to read in this file, or in one that has had its name since.
    #[must_use]
    pub fn is_ready(&self, id: FileId) -> bool {
        self.roster.get(id).is_some_and(|cursor| cursor.queued) || self.has_ready_successor(id)
    }

    /// A snapshot would differ from the last one.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The acknowledged positions, if any changed since the last call.
    pub fn snapshot(&mut self) -> Option<Snapshot> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let seen = since_1970(SystemTime::now());
        let is_saved = |it: &Cursor| !it.deleted && it.suspect.is_none_or(|it| it.was_empty);
        let files = self.roster.iter().filter(|(_, it)| is_saved(it));
        let entries = files.map(|(_, cursor)| cursor.entry(seen.as_secs()));
        let millis = u64::try_from(seen.as_millis()).unwrap_or(u64::MAX);
        Some(Snapshot::encode(entries.chain(self.strays.iter().cloned()), millis))
    }

    /// The last snapshot was not saved.
    pub fn snapshot_failed(&mut self) {
        self.changed = true;
    }

    /// Nothing waits to be read, and either no file grew for `linger` since `since`, or every
    /// writer was seen to close its file.
    #[must_use]
    pub fn is_quiet(&self, now: Instant, since: Instant, linger: Duration) -> bool {
        let rests = self.ready.is_empty() && self.suspects.is_empty();
        rests && (now >= self.last_growth.max(since) + linger || self.writers_are_gone())
    }

    fn writers_are_gone(&self) -> bool {
        let mut live = self.roster.iter().filter(|(_, it)| it.state != State::Done).peekable();
        self.watch.is_complete()
            && live.peek().is_some()
            && live.all(|(_, it)| it.writers.are_gone())
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn queue(&mut self, id: FileId) {
        let Some(cursor) = self.roster.get_mut(id) else { return };
        if !cursor.queued && cursor.suspect.is_none() {
            cursor.queued = true;
            self.ready.push_back(id);
            self.on_refilled(id);
        }
    }

    /// Takes note of the size of a file; queues it if there is something to read.
    fn note_size(&mut self, id: FileId, size: u64, now: Instant) {
        if self.suspect_refilled(id, size, now) {
            return;
        }
        let Some(cursor) = self.roster.get_mut(id) else { return };
        if cursor.on_size(size, now, SystemTime::now()) {
            self.last_growth = now;
            if cursor.suspect.is_some() {
                self.poll_at = now;
            }
            self.queue(id);
        } else if cursor.has_unread() {
            // An error has ended its turns; this is the next try.
            self.queue(id);
        }
    }

    fn close_file(&mut self, id: FileId) {
        if let Some(cursor) = self.roster.get_mut(id)
            && cursor.file.take().is_some()
        {
            self.open_files -= 1;
        }
    }

    fn forget(&mut self, id: FileId) -> Option<Cursor> {
        self.close_file(id);
        self.changed = true;
        self.roster.remove(id)
    }
}

fn since_1970(when: SystemTime) -> Duration {
    when.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
