//! Files that were empty under a name that rotation gives, and hold something now. They may be
//! copies, so nothing is read of them at first; here they are none, and every line must come.

#![expect(clippy::unwrap_used, reason = "clippy does not see that all of this is a test")]

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tail::{Flow, Globs, Settings, StateDir, Tailer};

struct World {
    dir: tempfile::TempDir,
    pattern: &'static str,
    now: Instant,
}

impl World {
    fn new(pattern: &'static str) -> World {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        World { dir, pattern, now: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = File::options().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn state_dir(&self) -> StateDir {
        StateDir::open(&self.dir.path().join("state")).unwrap()
    }

    fn open(&self, state_dir: &StateDir) -> Tailer {
        let mut globs = Globs::default();
        globs.include(self.path(self.pattern).to_str().unwrap()).unwrap();
        Tailer::open_polling(Settings::new(globs), Some(state_dir)).0
    }

    /// As if it had been saved so late that every file was old by then.
    fn put_off_the_checkpoint(&self) {
        let path = self.dir.path().join("state/positions");
        let text = fs::read_to_string(&path).unwrap();
        let (before, after) = text.split_once("\"saved\":").unwrap();
        let (millis, rest) = after.split_once(',').unwrap();
        let later = millis.parse::<u64>().unwrap() + 60_000;
        fs::write(&path, format!("{before}\"saved\":{later},{rest}")).unwrap();
    }

    /// Looks at everything and reads what there is, in the order of the lines' text.
    fn read(&mut self, tailer: &mut Tailer) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..3 {
            self.now += Duration::from_secs(2);
            tailer.rescan_now(self.now);
            while let Some((id, _)) = tailer.next_ready() {
                let span = tailer.read(id, self.now, |line| {
                    lines.push(String::from_utf8_lossy(line.text()).into_owned());
                    Flow::Continue
                });
                span.iter().for_each(|it| tailer.acknowledge(it));
            }
        }
        lines.sort();
        lines
    }
}

#[test]
fn a_file_beside_a_line_that_never_ends_is_read() {
    let mut world = World::new("*.log");
    world.append("web.log", "no end");
    world.append("web-1.log", "");
    let mut tailer = world.open(&world.state_dir());
    assert!(world.read(&mut tailer).is_empty());
    world.append("web-1.log", "one\n");
    assert_eq!(world.read(&mut tailer), ["one"]);
}

#[test]
fn a_file_that_its_undated_name_links_to_is_no_copy_of_itself() {
    let mut world = World::new("*");
    let path = world.path("web-2026.log");
    world.append("web-2026.log", "");
    std::os::unix::fs::symlink("web-2026.log", world.path("web.log")).unwrap();
    let mut tailer = world.open(&world.state_dir());
    for text in ["one", "two", "three"] {
        world.append("web-2026.log", &format!("{text} is longer\n"));
        assert_eq!(world.read(&mut tailer), [format!("{text} is longer")]);
        fs::write(&path, format!("{text}\n")).unwrap();
        assert_eq!(world.read(&mut tailer), [text]);
        fs::write(&path, "").unwrap();
        assert!(world.read(&mut tailer).is_empty());
    }
}

/// Only the checkpoint leads to a file that was renamed and has a name that no pattern matches.
#[test]
fn a_renamed_file_that_is_not_decided_on_is_found_after_a_restart() {
    let mut world = World::new("*.log");
    world.append("web.log", "");
    let state_dir = world.state_dir();
    let mut tailer = world.open(&state_dir);
    assert!(world.read(&mut tailer).is_empty());
    fs::rename(world.path("web.log"), world.path("web.log.1")).unwrap();
    world.append("web.log", "");
    assert!(world.read(&mut tailer).is_empty());

    world.append("web.log", "the same\nand more\n");
    world.append("web.log.1", "the same\n");
    world.now += Duration::from_secs(2);
    tailer.rescan_now(world.now);
    state_dir.save(&tailer.snapshot().unwrap()).unwrap();
    drop((tailer, state_dir));
    world.put_off_the_checkpoint();
    let mut tailer = world.open(&world.state_dir());
    assert_eq!(world.read(&mut tailer), ["and more", "the same", "the same"]);
}
