//! Files in a folder of their own, and a tailer that looks at them when it is told to.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use tail::{Flow, Globs, Settings, StateDir, Tailer};

/// Logs in a folder, and a clock.
pub(crate) struct World {
    dir: tempfile::TempDir,
    pattern: &'static str,
    pub(crate) now: Instant,
}

impl World {
    pub(crate) fn new(pattern: &'static str) -> World {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        World { dir, pattern, now: Instant::now() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(name)
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file = File::options().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn state_path(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn state_dir(&self) -> StateDir {
        StateDir::open(&self.state_path()).unwrap()
    }

    pub(crate) fn open(&self, state_dir: &StateDir) -> Tailer {
        let mut globs = Globs::default();
        globs.include(self.path(self.pattern).to_str().unwrap()).unwrap();
        Tailer::open_polling(Settings::new(globs), Some(state_dir)).0
    }

    /// Looks at everything and reads what there is, in the order of the lines' text.
    pub(crate) fn read(&mut self, tailer: &mut Tailer) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..3 {
            lines.extend(self.turns(tailer).into_iter().flat_map(|(_file, lines)| lines));
        }
        self.wait_tick();
        lines.sort();
        lines
    }

    /// Looks at everything and reads what there is: of each turn the log's name, and the lines.
    pub(crate) fn turns(&mut self, tailer: &mut Tailer) -> Vec<(String, Vec<String>)> {
        self.now += Duration::from_secs(2);
        tailer.rescan_now(self.now);
        let mut turns = Vec::new();
        while let Some((id, source)) = tailer.next_ready() {
            let mut lines = Vec::new();
            let span = tailer.read(id, self.now, |line| {
                lines.push(String::from_utf8_lossy(line.text()).into_owned());
                Flow::Continue
            });
            span.iter().for_each(|it| tailer.acknowledge(it));
            let name = source.path.file_name().unwrap().to_string_lossy().into_owned();
            turns.push((name, lines));
        }
        turns
    }

    /// Birth times are of the clock's last tick. What is made behind this is younger than now.
    pub(crate) fn wait_tick(&self) {
        let (now, probe) = (SystemTime::now(), self.dir.path().join("tick"));
        while File::create(&probe).unwrap().metadata().unwrap().modified().unwrap() <= now {
            std::thread::yield_now();
        }
    }
}
