//! Copies that are made before a log is emptied, and found only after that. What was read of the
//! original must not come again.

use std::fs;

use crate::world::World;

fn lines(word: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{word} number {number:04}")).collect()
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Emptied, and written to as the log that it is.
fn begin_again(world: &World, name: &str, lines: &[String]) {
    fs::write(world.path(name), text(lines)).unwrap();
}

/// Who copied saw a part of the last line, or fewer lines than were read of the original since.
#[test]
fn a_copy_that_ends_before_what_was_read_is_not_read_again() {
    let (old, new) = (lines("old", 100), lines("new", 150));
    for lacking in [0, 7, 500] {
        let mut world = World::new("*.log");
        world.append("web.log", &text(&old));
        let mut tailer = world.open(&world.state_dir());
        assert_eq!(world.read(&mut tailer), old);
        let whole = fs::read(world.path("web.log")).unwrap();
        fs::write(world.path("web.log.1"), &whole[..whole.len() - lacking]).unwrap();
        begin_again(&world, "web.log", &new);
        assert_eq!(world.read(&mut tailer), new, "lacking {lacking} bytes");
    }
}

/// No copy: it has the name of one, and was made since the last look as well.
#[test]
fn a_shorter_file_of_another_content_is_read() {
    let (old, new, other) = (lines("old", 100), lines("new", 150), lines("other", 90));
    let mut world = World::new("*.log");
    world.append("web.log", &text(&old));
    let mut tailer = world.open(&world.state_dir());
    assert_eq!(world.read(&mut tailer), old);
    world.append("web.log.1", &text(&other));
    begin_again(&world, "web.log", &new);
    assert_eq!(world.read(&mut tailer), [new, other].concat());
}
