//! A span of which only a part is delivered: a restart begins with the rest.

#![expect(clippy::unwrap_used, reason = "clippy does not see that all of this is a test")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use tail::{Flow, Globs, Settings, Span, StateDir, Tailer};

fn open(logs: &Path, state_dir: &StateDir) -> Tailer {
    let mut globs = Globs::default();
    globs.include(logs.join("*.log").to_str().unwrap()).unwrap();
    Tailer::open_polling(Settings::new(globs), Some(state_dir)).0
}

/// The lines of one turn, and their span.
fn read(tailer: &mut Tailer) -> (Vec<String>, Option<Span>) {
    let (id, _source) = tailer.next_ready().unwrap();
    let mut lines = Vec::new();
    let span = tailer.read(id, Instant::now(), |line| {
        lines.push(String::from_utf8_lossy(line.text()).into_owned());
        Flow::Continue
    });
    (lines, span)
}

#[test]
fn only_the_acknowledged_part_is_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("a.log"), "one\ntwo\nthree\n").unwrap();
    for (offset, again) in [(4, vec!["two", "three"]), (8, vec!["three"])] {
        let state = dir.path().join(offset.to_string());
        let state_dir = StateDir::open(&state).unwrap();
        let mut tailer = open(&logs, &state_dir);
        let span = read(&mut tailer).1.unwrap();
        let (first, rest) = tailer.split(&span, offset).unwrap();
        assert_eq!((first.bytes, first.lines), (offset, 3));
        assert_eq!((rest.bytes, rest.lines), (14 - offset, 0));
        tailer.acknowledge(&first);
        state_dir.save(&tailer.snapshot().unwrap()).unwrap();
        tailer.acknowledge(&rest);
        assert_eq!(tailer.backlog().bytes, 0);
        drop((tailer, state_dir));

        let state_dir = StateDir::open(&state).unwrap();
        let mut tailer = open(&logs, &state_dir);
        assert_eq!(read(&mut tailer).0, again);
    }
}

#[test]
fn a_span_stays_whole_if_the_offset_or_the_file_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    fs::write(&path, "one\ntwo\nthree\n").unwrap();
    let state_dir = StateDir::open(&dir.path().join("state")).unwrap();
    let mut tailer = open(dir.path(), &state_dir);
    let span = read(&mut tailer).1.unwrap();
    for offset in [0, 14, 15] {
        assert!(tailer.split(&span, offset).is_none(), "{offset}");
    }
    fs::write(&path, "ONE\nTWO\nTHREE\nand more\n").unwrap();
    assert!(tailer.split(&span, 4).is_none());
}
