//! Holes behind the position, on real files with a writer that appends: nothing is lost or doubled
//! while the writer lives, a file holds no more of the disk than it may, and a hole is neither a
//! truncation nor the beginning of something.

#![expect(clippy::unwrap_used, reason = "clippy does not see that all of this is a test")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tail::{Flow, From, Globs, Punching, Settings, StateDir, Tailer};

const BYTES_MAX: u64 = 256 << 10;
/// Of a line.
const LINE_BYTES: u64 = 95;
/// What is unread between two looks, and the block at the start.
const MARGIN: u64 = 128 << 10;

struct World {
    dir: tempfile::TempDir,
    writer: File,
    written: usize,
    read: Vec<String>,
    now: Instant,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let writer = append(dir.path().join("access.log"));
        World { dir, writer, written: 0, read: Vec::new(), now: Instant::now() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("access.log")
    }

    fn settings(&self, pattern: &str) -> Settings {
        let mut globs = Globs::default();
        globs.include(&format!("{}/{pattern}", self.dir.path().display())).unwrap();
        let punching = Some(Punching { bytes_max: BYTES_MAX, groups: vec![0] });
        Settings { punching, ..Settings::new(globs) }
    }

    fn write(&mut self, lines: usize) {
        for _ in 0..lines {
            self.written += 1;
            writeln!(self.writer, "line {:08} {}", self.written, "x".repeat(80)).unwrap();
        }
    }

    /// Reads everything that is there; returns what punching freed.
    fn read(&mut self, tailer: &mut Tailer) -> u64 {
        self.now += Duration::from_secs(1);
        tailer.rescan_now(self.now);
        let mut freed = 0;
        while let Some((id, _)) = tailer.next_ready() {
            let read = &mut self.read;
            let span = tailer.read(id, self.now, |line| {
                read.push(String::from_utf8_lossy(line.text()).into_owned());
                Flow::Continue
            });
            span.iter().for_each(|span| tailer.acknowledge(span));
            let punched = tailer.punch();
            assert_eq!(punched.refused, 0);
            freed += punched.hole_bytes;
        }
        freed
    }

    /// Every line from `first` on was read once and in order.
    fn check(&self, first: usize) {
        let number = |line: &String| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
        for (line, expected) in self.read.iter().zip(first..) {
            assert_eq!(number(line), expected);
        }
        assert_eq!(self.read.len(), self.written + 1 - first);
    }
}

fn append(path: PathBuf) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn on_disk(path: &std::path::Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

fn opened(settings: Settings, state_dir: Option<&StateDir>) -> Tailer {
    let (tailer, warning) = Tailer::open_polling(settings, state_dir);
    assert!(warning.is_none());
    tailer
}

#[test]
fn a_file_stays_within_its_bound_and_every_line_is_read_once_through_rotations() {
    let mut world = World::new();
    let mut tailer = opened(world.settings("access.log*"), None);
    let mut freed = 0;
    for rotation in 1..4 {
        for _ in 0..40 {
            world.write(1000);
            freed += world.read(&mut tailer);
            assert!(on_disk(&world.path()) < BYTES_MAX + MARGIN, "{}", on_disk(&world.path()));
        }
        let rotated = world.dir.path().join(format!("access.log.{rotation}"));
        fs::rename(world.path(), &rotated).unwrap();
        // The writer goes on in the old file until it is told to open a new one.
        world.write(3000);
        world.read(&mut tailer);
        world.write(3000);
        world.writer = append(world.path());
        world.write(10);
        world.read(&mut tailer);
        assert!(on_disk(&rotated) < BYTES_MAX + 2 * 300_000);
    }
    // Of two files with something to read, either can come first.
    world.read.sort();
    world.check(1);
    let bytes: u64 = world.written as u64 * LINE_BYTES;
    assert!(freed > bytes / 2 && freed <= bytes, "{freed} of {bytes}");
    assert_eq!((tailer.stats().truncations, tailer.stats().unknown_losses), (0, 0));
    assert_eq!((tailer.stats().rotations, tailer.stats().lost_bytes), (3, 0));
}

#[test]
fn a_restart_goes_on_at_the_saved_position() {
    let mut world = World::new();
    let state = world.dir.path().join("state");
    for _ in 0..3 {
        let state_dir = StateDir::open(&state).unwrap();
        let mut tailer = opened(world.settings("access.log"), Some(&state_dir));
        for _ in 0..5 {
            world.write(2000);
            world.read(&mut tailer);
        }
        state_dir.save(&tailer.snapshot().unwrap()).unwrap();
        assert_eq!(tailer.stats().truncations, 0);
    }
    world.check(1);
}

#[test]
fn a_restart_whose_saved_position_is_under_the_hole_goes_on_behind_it() {
    let mut world = World::new();
    let state = world.dir.path().join("state");
    let state_dir = StateDir::open(&state).unwrap();
    let mut tailer = opened(world.settings("access.log"), Some(&state_dir));
    world.write(5000);
    world.read(&mut tailer);
    state_dir.save(&tailer.snapshot().unwrap()).unwrap();
    world.write(20_000);
    world.read(&mut tailer);
    drop((tailer, state_dir));
    world.write(100);
    world.read.clear();
    let state_dir = StateDir::open(&state).unwrap();
    let mut tailer = opened(world.settings("access.log"), Some(&state_dir));
    world.read(&mut tailer);
    let repeated = world.read.len() - 100;
    assert!(repeated as u64 * LINE_BYTES < BYTES_MAX, "{repeated} lines came again");
    world.check(world.written + 1 - world.read.len());
    assert_eq!(tailer.stats().truncations, 0);
}

#[test]
fn a_start_without_positions_skips_the_hole_or_begins_at_the_end() {
    let mut world = World::new();
    let mut tailer = opened(world.settings("access.log"), None);
    for _ in 0..20 {
        world.write(1000);
        world.read(&mut tailer);
    }
    drop(tailer);
    world.read.clear();
    let mut tailer = opened(world.settings("access.log"), None);
    world.read(&mut tailer);
    assert!(!world.read.is_empty() && world.read.len() as u64 * LINE_BYTES < BYTES_MAX);
    world.check(world.written + 1 - world.read.len());
    drop(tailer);
    world.read.clear();
    let settings = Settings { from: From::End, ..world.settings("access.log") };
    let mut tailer = opened(settings, None);
    world.write(10);
    world.read(&mut tailer);
    world.check(world.written - 9);
}

#[test]
fn a_copy_of_a_file_with_a_hole_is_still_known_as_a_copy() {
    let mut world = World::new();
    let mut tailer = opened(world.settings("access.log*"), None);
    for round in 0..3 {
        for _ in 0..10 {
            world.write(1000);
            world.read(&mut tailer);
        }
        world.write(100);
        fs::copy(world.path(), world.dir.path().join(format!("access.log.{round}"))).unwrap();
        OpenOptions::new().write(true).open(world.path()).unwrap().set_len(0).unwrap();
        world.write(10);
        for _ in 0..4 {
            world.read(&mut tailer);
        }
    }
    // Of a round, the copy's rest and the first lines of the next generation may change places.
    world.read.sort();
    world.check(1);
    assert_eq!((tailer.stats().copies_continued, tailer.stats().lost_bytes), (3, 0));
}

/// Room that a program has reserved behind what it has written is no hole of ours.
#[test]
fn a_log_with_reserved_room_is_read_from_its_beginning() {
    let mut world = World::new();
    world.write(2_000);
    let end = world.writer.metadata().unwrap().len();
    for size in [1 << 20, end.next_multiple_of(4096) + 4096] {
        world.writer.set_len(size).unwrap();
        world.writer.sync_all().unwrap();
        let mut tailer = opened(world.settings("access.log"), None);
        world.now += Duration::from_secs(1);
        tailer.rescan_now(world.now);
        let (id, _) = tailer.next_ready().unwrap();
        let mut lines = 0;
        tailer.read(id, world.now, |_| {
            lines += 1;
            Flow::Continue
        });
        assert!(lines >= 600, "{lines}");
    }
}

/// The bytes under another name are the same bytes.
#[test]
fn a_file_with_another_name_gets_no_hole() {
    let mut world = World::new();
    fs::hard_link(world.path(), world.dir.path().join("backup")).unwrap();
    let mut tailer = opened(world.settings("access.log"), None);
    world.write(20_000);
    world.now += Duration::from_secs(1);
    tailer.rescan_now(world.now);
    let mut refused = 0;
    while let Some((id, _)) = tailer.next_ready() {
        let span = tailer.read(id, world.now, |_| Flow::Continue);
        span.iter().for_each(|span| tailer.acknowledge(span));
        refused += tailer.punch().refused;
    }
    assert_eq!(refused, 1);
    assert!(on_disk(&world.path()) >= 20_000 * LINE_BYTES);
}

/// Two readers of one file, one of them late: nothing goes that it has not read.
#[test]
fn a_hole_ends_where_the_slowest_reader_is() {
    let mut world = World::new();
    let mut fast = opened(world.settings("access.log"), None);
    let mut slow = opened(world.settings("access.log"), None);
    fast.hold_for(slow.acknowledged());
    world.write(20_000);
    assert_eq!(world.read(&mut fast), 0, "the slow one does not even know the file");
    slow.rescan_now(world.now);
    let mut lines = 0;
    let (id, _) = slow.next_ready().unwrap();
    let span = slow.read(id, world.now, |_| {
        lines += 1;
        if lines == 8000 { Flow::Stop } else { Flow::Continue }
    });
    slow.acknowledge(&span.unwrap());
    fast.hold_for(slow.acknowledged().and(&fast.acknowledged()));
    let freed = fast.punch().hole_bytes;
    assert!(freed > 0 && freed <= lines * LINE_BYTES, "{freed} for {lines} lines");
    fast.shrink_to(0, true, world.now);
    let left = on_disk(&world.path());
    assert!(left >= (20_000 - lines) * LINE_BYTES, "{left}");
    while let Some((id, _)) = slow.next_ready() {
        slow.read(id, world.now, |_| {
            lines += 1;
            Flow::Continue
        });
    }
    assert_eq!(lines, 20_000);
}

#[test]
fn without_the_right_to_write_the_file_is_left_and_counted_once() {
    let mut world = World::new();
    world.write(20_000);
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o444)).unwrap();
    let may_write_anyway = OpenOptions::new().write(true).open(world.path()).is_ok();
    let mut tailer = opened(world.settings("access.log"), None);
    let first = tailer.punch();
    assert_eq!((first.hole_bytes, first.refused), (0, u64::from(!may_write_anyway)));
    assert_eq!(tailer.punch().refused, 0);
}

#[test]
fn a_hole_is_not_taken_for_a_writer_that_closed_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut globs = Globs::default();
    globs.include(&format!("{}/*.log", dir.path().display())).unwrap();
    let punching = Some(Punching { bytes_max: BYTES_MAX, groups: vec![0] });
    let settings = Settings { punching, ..Settings::new(globs) };
    // With directory events, and before the file is there, so that all of them are seen.
    let (mut tailer, _) = Tailer::open(settings, None, || {});
    let mut writer = append(dir.path().join("a.log"));
    let patience = Duration::from_secs(20);
    let (start, mut freed) = (Instant::now(), 0);
    while freed < 10 * BYTES_MAX {
        assert!(start.elapsed() < patience, "{freed}");
        writer.write_all(&[b"x".repeat(94), b"\n".to_vec()].concat().repeat(1000)).unwrap();
        tailer.discover(Instant::now());
        while let Some((id, _)) = tailer.next_ready() {
            let span = tailer.read(id, Instant::now(), |_| Flow::Continue);
            span.iter().for_each(|span| tailer.acknowledge(span));
            freed += tailer.punch().hole_bytes;
        }
        // Nobody waits for an hour: only a writer that is gone makes the files quiet.
        let now = Instant::now();
        assert!(!tailer.is_quiet(now, now, Duration::from_secs(3600)), "the writer is there");
    }
    drop(writer);
    let start = Instant::now();
    loop {
        let now = Instant::now();
        tailer.discover(now);
        while let Some((id, _)) = tailer.next_ready() {
            let span = tailer.read(id, now, |_| Flow::Continue);
            span.iter().for_each(|span| tailer.acknowledge(span));
        }
        if tailer.is_quiet(now, now, Duration::from_secs(3600)) {
            break;
        }
        assert!(start.elapsed() < patience, "the writer is gone");
        std::thread::yield_now();
    }
}
