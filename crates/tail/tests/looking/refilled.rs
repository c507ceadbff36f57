//! Files that were empty under a name that rotation gives, and hold something now. They may be
//! copies, so nothing is read of them at first; here they are none, and every line must come.

use std::fs;
use std::time::Duration;

use crate::world::World;

/// As if it had been saved so late that every file was old by then.
fn put_off_the_checkpoint(world: &World) {
    let path = world.state_path().join("positions");
    let text = fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once("\"saved\":").unwrap();
    let (millis, rest) = after.split_once(',').unwrap();
    let later = millis.parse::<u64>().unwrap() + 60_000;
    fs::write(&path, format!("{before}\"saved\":{later},{rest}")).unwrap();
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
    put_off_the_checkpoint(&world);
    let mut tailer = world.open(&world.state_dir());
    assert_eq!(world.read(&mut tailer), ["and more", "the same", "the same"]);
}
