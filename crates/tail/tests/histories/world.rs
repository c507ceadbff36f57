//! The logs, the reader, and what was written and delivered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tail::{Flow, Globs, Part, Punching, Settings, Span, StateDir, Tailer};

use super::Action;

/// Small enough that files of a history get holes.
const PUNCHED_BYTES_MAX: u64 = 32 << 10;

/// One file from its creation or truncation on.
#[derive(Debug, Default)]
struct Generation {
    lines: Vec<String>,
    /// The tailer had a chance to see it while it had content.
    seen: bool,
    /// No name leads to it: a kill loses what is not delivered.
    deleted: bool,
}

struct Stream {
    path: PathBuf,
    writer: Option<File>,
    half: Option<String>,
    current: usize,
    rotations: usize,
    /// Whose copy lies under the one name that is used again.
    copied_over: Option<usize>,
}

pub(super) struct World {
    dir: tempfile::TempDir,
    streams: Vec<Stream>,
    generations: Vec<Generation>,
    excused: BTreeSet<String>,
    sequence: usize,
    now: Instant,
    globs: Globs,
    /// The acknowledged parts of files become holes.
    punches: bool,
    tailer: Option<Tailer>,
    state_dir: Option<StateDir>,
    saved: bool,
    in_flight: VecDeque<(Vec<(String, Part)>, Span)>,
    pub(super) delivered: Vec<(String, Part)>,
    kills: usize,
}

impl World {
    pub(super) fn new(pattern: &str, punches: bool) -> World {
        let base = if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" };
        let dir = tempfile::tempdir_in(base).unwrap();
        let logs = dir.path().join("logs");
        fs::create_dir(&logs).unwrap();
        let mut globs = Globs::default();
        globs.include(&format!("{}/{pattern}", logs.display())).unwrap();
        let mut world = World {
            streams: Vec::new(),
            generations: Vec::new(),
            excused: BTreeSet::new(),
            sequence: 0,
            now: Instant::now(),
            globs,
            punches,
            tailer: None,
            state_dir: None,
            saved: false,
            in_flight: VecDeque::new(),
            delivered: Vec::new(),
            kills: 0,
            dir,
        };
        for name in ["app.log", "web.log"] {
            world.generations.push(Generation::default());
            let current = world.generations.len() - 1;
            let path = logs.join(name);
            world.streams.push(Stream {
                path,
                writer: None,
                half: None,
                current,
                rotations: 0,
                copied_over: None,
            });
        }
        world.start();
        world
    }

    fn start(&mut self) {
        let state_dir = StateDir::open(&self.dir.path().join("state")).unwrap();
        let mut settings = Settings::new(self.globs.clone());
        settings.line_bytes_max = 600;
        if self.punches {
            settings.punching = Some(Punching { bytes_max: PUNCHED_BYTES_MAX, groups: vec![0] });
        }
        let (tailer, warning) = Tailer::open_polling(settings, Some(&state_dir));
        assert!(warning.is_none(), "{warning:?}");
        (self.tailer, self.state_dir) = (Some(tailer), Some(state_dir));
        self.note_seen();
    }

    fn tailer(&mut self) -> &mut Tailer {
        self.tailer.as_mut().expect("it runs between kills")
    }

    fn note_seen(&mut self) {
        for stream in &self.streams {
            let generation = &mut self.generations[stream.current];
            generation.seen |= !generation.lines.is_empty();
        }
    }

    fn text(&mut self, stream: usize, long: bool) -> String {
        self.sequence += 1;
        let sequence = self.sequence;
        if self.punches {
            // Files large enough for holes; the bytes before any position are like no others.
            return format!("{stream}-{sequence:06} {}", format!("{sequence:06}").repeat(80));
        }
        let padding = if long { 500 } else { 10 };
        format!("{stream}-{sequence:06} {}", "x".repeat(padding))
    }

    fn put(&mut self, stream: usize, bytes: &[u8]) {
        let it = &mut self.streams[stream];
        let open = || OpenOptions::new().create(true).append(true).open(&it.path).unwrap();
        it.writer.get_or_insert_with(open).write_all(bytes).unwrap();
    }

    fn end_half(&mut self, stream: usize) {
        if let Some(text) = self.streams[stream].half.take() {
            let rest = text.split_at(text.len() / 2).1.to_owned() + "\n";
            self.put(stream, rest.as_bytes());
            let current = self.streams[stream].current;
            self.generations[current].lines.push(text);
        }
    }

    fn write(&mut self, stream: usize, lines: usize, long: bool) {
        self.end_half(stream);
        for _ in 0..lines {
            let text = self.text(stream, long);
            self.put(stream, format!("{text}\n").as_bytes());
            let current = self.streams[stream].current;
            self.generations[current].lines.push(text);
        }
    }

    fn half(&mut self, stream: usize) {
        self.end_half(stream);
        let text = self.text(stream, false);
        self.put(stream, text.split_at(text.len() / 2).0.as_bytes());
        self.streams[stream].half = Some(text);
    }

    fn next_generation(&mut self, stream: usize) {
        self.generations.push(Generation::default());
        self.streams[stream].current = self.generations.len() - 1;
    }

    fn rotated_path(&mut self, stream: usize) -> PathBuf {
        let it = &mut self.streams[stream];
        it.rotations += 1;
        PathBuf::from(format!("{}.{}", it.path.display(), it.rotations))
    }

    fn rename(&mut self, stream: usize, lines_after: usize) {
        self.end_half(stream);
        if !self.streams[stream].path.exists() {
            return;
        }
        let to = self.rotated_path(stream);
        fs::rename(&self.streams[stream].path, to).unwrap();
        let current = self.streams[stream].current;
        if !self.generations[current].seen {
            self.excuse(current);
        }
        self.write(stream, lines_after, false);
        if !self.generations[current].seen {
            self.excuse(current);
        }
        self.streams[stream].writer = None;
        self.next_generation(stream);
    }

    /// What is not delivered of this generation may be lost.
    fn excuse(&mut self, generation: usize) {
        let delivered: BTreeSet<&String> = self.delivered.iter().map(|(text, _)| text).collect();
        let lines = self.generations[generation].lines.iter();
        self.excused.extend(lines.filter(|it| !delivered.contains(it)).cloned());
    }

    fn copy_truncate(&mut self, stream: usize, over: bool) {
        self.end_half(stream);
        if !self.streams[stream].path.exists() {
            return;
        }
        let to = if over {
            let current = self.streams[stream].current;
            if let Some(destroyed) = self.streams[stream].copied_over.replace(current) {
                self.excuse(destroyed);
            }
            PathBuf::from(format!("{}.old", self.streams[stream].path.display()))
        } else {
            self.rotated_path(stream)
        };
        fs::copy(&self.streams[stream].path, to).unwrap();
        self.truncate_file(stream);
        let current = self.streams[stream].current;
        if !self.generations[current].seen {
            self.excuse(current);
        }
        self.next_generation(stream);
    }

    fn truncate_file(&mut self, stream: usize) {
        let file = OpenOptions::new().write(true).open(&self.streams[stream].path).unwrap();
        file.set_len(0).unwrap();
    }

    fn truncate(&mut self, stream: usize) {
        self.end_half(stream);
        if self.streams[stream].path.exists() {
            self.truncate_file(stream);
            self.excuse(self.streams[stream].current);
            self.next_generation(stream);
        }
    }

    fn delete(&mut self, stream: usize) {
        self.end_half(stream);
        if self.streams[stream].path.exists() {
            fs::remove_file(&self.streams[stream].path).unwrap();
            let current = self.streams[stream].current;
            self.generations[current].deleted = true;
            if !self.generations[current].seen {
                self.excuse(current);
            }
            self.streams[stream].writer = None;
            self.next_generation(stream);
        }
    }

    fn discover(&mut self) {
        let now = self.now;
        self.tailer().rescan_now(now);
        self.note_seen();
    }

    fn read(&mut self, turns: usize) {
        let now = self.now;
        for _ in 0..turns {
            let tailer = self.tailer();
            let Some((id, _source)) = tailer.next_ready() else { return };
            let mut lines = Vec::new();
            let span = tailer.read(id, now, |line| {
                lines.push((String::from_utf8_lossy(line.text()).into_owned(), line.part));
                if lines.len() == 7 { Flow::Stop } else { Flow::Continue }
            });
            match span {
                Some(span) => self.in_flight.push_back((lines, span)),
                None => assert!(lines.is_empty(), "lines without a span"),
            }
        }
    }

    fn deliver(&mut self, batches: usize) {
        for _ in 0..batches {
            let Some((lines, span)) = self.in_flight.pop_front() else { return };
            self.delivered.extend(lines);
            self.tailer().acknowledge(&span);
            self.tailer().punch();
            if self.punches {
                let now = self.now;
                self.tailer().shrink_to(PUNCHED_BYTES_MAX, false, now);
            }
        }
    }

    fn save(&mut self) {
        if let Some(snapshot) = self.tailer().snapshot() {
            self.state_dir.as_ref().expect("it is open").save(&snapshot).unwrap();
            self.saved = true;
        }
    }

    fn kill(&mut self, answer_lost: bool) {
        self.kills += 1;
        if answer_lost && let Some((lines, _)) = self.in_flight.pop_front() {
            self.delivered.extend(lines);
        }
        self.in_flight.clear();
        (self.tailer, self.state_dir) = (None, None);
        for index in 0..self.generations.len() {
            let is_current = self.streams.iter().any(|it| it.current == index);
            let generation = &mut self.generations[index];
            // Without a checkpoint nothing leads to a file that has another name now.
            if generation.deleted || (!self.saved && !is_current) {
                self.excuse(index);
            }
        }
        self.start();
    }

    pub(super) fn finish(&mut self) {
        for stream in 0..self.streams.len() {
            self.end_half(stream);
        }
        for _ in 0..6 {
            self.discover();
            self.now += Duration::from_secs(3);
            self.read(100_000);
            self.deliver(usize::MAX);
        }
    }

    pub(super) fn check(&self) {
        let delivered: BTreeMap<&str, usize> =
            self.delivered.iter().fold(BTreeMap::new(), |mut counts, (text, _)| {
                *counts.entry(text.as_str()).or_default() += 1;
                counts
            });
        for generation in &self.generations {
            for line in &generation.lines {
                let count = delivered.get(line.as_str()).copied().unwrap_or(0);
                assert!(count > 0 || self.excused.contains(line), "lost: {line}");
                assert!(count < 2 || self.kills > 0, "doubled without a kill: {line}");
            }
            let mut order: Vec<usize> = Vec::new();
            for line in &generation.lines {
                order.extend(self.delivered.iter().position(|(text, _)| text == line));
            }
            assert!(order.is_sorted(), "out of order: {order:?}");
        }
        for (text, part) in &self.delivered {
            let known = self.generations.iter().any(|it| it.lines.contains(text));
            assert!(known, "never written: {text:?} {part:?}");
        }
    }

    pub(super) fn step(&mut self, action: &Action) {
        match *action {
            Action::Write { stream, lines, long } => self.write(stream, lines, long),
            Action::Half { stream } => self.half(stream),
            Action::Rename { stream } => self.rename(stream, 0),
            Action::RenameAndWriteOn { stream, lines } => self.rename(stream, lines),
            Action::CopyTruncate { stream, over } => self.copy_truncate(stream, over),
            Action::Truncate { stream } => self.truncate(stream),
            Action::Delete { stream } => self.delete(stream),
            Action::Discover => self.discover(),
            Action::Read { turns } => self.read(turns),
            Action::Deliver { batches } => self.deliver(batches),
            Action::Save => self.save(),
            Action::Wait { seconds } => {
                self.now += Duration::from_secs(seconds);
                self.discover();
            }
            Action::Kill { answer_lost } => self.kill(answer_lost),
        }
    }
}
