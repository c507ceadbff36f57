//! Files that had one name one after the other, whose lines come in that order.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;

use tail::Flow;

use crate::world::World;

const LINE_BYTES: usize = 100;

fn numbered(word: &str, number: usize) -> String {
    format!("{word}{number:0>width$}\n", width = LINE_BYTES - 1 - word.len())
}

/// Several turns of reading.
fn many(word: &str) -> String {
    (0..20_000).map(|number| numbered(word, number)).collect()
}

fn rotate(world: &World, name: &str) {
    world.wait_tick();
    fs::rename(world.path(name), world.path(&format!("{name}.1"))).unwrap();
    world.append(name, "new\n");
}

/// In which turn `text` was read.
fn turn_of(turns: &[(String, Vec<String>)], text: &str) -> usize {
    turns.iter().position(|(_, lines)| lines.iter().any(|line| line == text)).unwrap()
}

#[test]
fn a_rotated_backlog_comes_first_and_leaves_other_logs_their_turns() {
    let mut world = World::new("*.log");
    world.append("a.log", &many("a"));
    world.append("b.log", &many("b"));
    let mut tailer = world.open(&world.state_dir());
    rotate(&world, "a.log");
    let turns = world.turns(&mut tailer);
    let last = |word: &str| turn_of(&turns, numbered(word, 19_999).trim_end());
    assert!(last("a") < turn_of(&turns, "new"));
    let of_b = turns[..last("a")].iter().filter(|(name, _)| name == "b.log").count();
    assert!(of_b * 3 >= last("a"), "{of_b} turns of {}", last("a"));
}

/// What came too late to be carried over is not held up by what its successor has.
#[test]
fn a_late_line_waits_for_nothing() {
    let mut world = World::new("*.log");
    world.append("a.log", "old\n");
    let mut tailer = world.open(&world.state_dir());
    let (id, _) = tailer.next_ready().unwrap();
    assert_eq!(world.turns(&mut tailer).len(), 2);
    rotate(&world, "a.log");
    world.append("a.log", &many("a"));
    tailer.rescan_now(world.now);
    assert!(tailer.is_ready(id), "the next file may go on from it");
    for _ in 0..3 {
        let (id, _) = tailer.next_ready().unwrap();
        tailer.read(id, world.now, |_line| Flow::Continue);
    }
    assert!(tailer.has_ready() && !tailer.is_ready(id));
}

#[test]
fn a_copy_comes_before_what_is_written_behind_a_hole() {
    let mut world = World::new("*.log");
    let mut file = File::create(world.path("a.log")).unwrap();
    file.write_all(many("a").as_bytes()).unwrap();
    let mut tailer = world.open(&world.state_dir());
    let (id, _) = tailer.next_ready().unwrap();
    let span = tailer.read(id, world.now, |_line| Flow::Continue);
    tailer.acknowledge(&span.unwrap());
    world.wait_tick();
    fs::copy(world.path("a.log"), world.path("a.log.1")).unwrap();
    File::options().write(true).open(world.path("a.log")).unwrap().set_len(0).unwrap();
    file.write_all_at(b"new\n", 20_000 * LINE_BYTES as u64).unwrap();
    let turns = world.turns(&mut tailer);
    assert!(turn_of(&turns, numbered("a", 19_999).trim_end()) < turn_of(&turns, "new"));
}

/// Whether or not rotated names match.
#[test]
fn after_a_restart_a_renamed_file_comes_first() {
    for pattern in ["*.log", "*.log*"] {
        let mut world = World::new(pattern);
        world.append("a.log", &many("a"));
        let state_dir = world.state_dir();
        let mut tailer = world.open(&state_dir);
        state_dir.save(&tailer.snapshot().unwrap()).unwrap();
        drop((tailer, state_dir));
        rotate(&world, "a.log");
        tailer = world.open(&world.state_dir());
        let turns = world.turns(&mut tailer);
        let last = turn_of(&turns, numbered("a", 19_999).trim_end());
        assert!(last < turn_of(&turns, "new"), "{pattern}");
    }
}
