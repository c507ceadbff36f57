//! Random histories of writers, rotations, truncations, kills and a failing sink, run against the
//! real tailer on real files and against a model that only remembers what was written.
//!
//! What must hold: every line is delivered unless its bytes were destroyed while nobody could have
//! read them; the lines of one file come in order; a line comes twice only after a kill. The number
//! of histories is 300, or what `OUTRIDER_HISTORIES` says.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy does not see that all of this is a test"
)]

mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use self::world::World;

/// What happens to the logs, the reader or the sink.
#[derive(Debug, Clone)]
enum Action {
    Write {
        stream: usize,
        lines: usize,
        long: bool,
    },
    Half {
        stream: usize,
    },
    Rename {
        stream: usize,
    },
    /// The writer still has the old file for a few lines.
    RenameAndWriteOn {
        stream: usize,
        lines: usize,
    },
    CopyTruncate {
        stream: usize,
        /// The copy is made over the last one of this kind.
        over: bool,
    },
    Truncate {
        stream: usize,
    },
    Delete {
        stream: usize,
    },
    Discover,
    Read {
        turns: usize,
    },
    /// The sink takes so many batches.
    Deliver {
        batches: usize,
    },
    Save,
    Wait {
        seconds: u64,
    },
    Kill {
        answer_lost: bool,
    },
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let stream = 0_usize..2;
    let action = prop_oneof![
        6 => (stream.clone(), 1_usize..30, proptest::bool::weighted(0.1))
            .prop_map(|(stream, lines, long)| Action::Write { stream, lines, long }),
        2 => stream.clone().prop_map(|stream| Action::Half { stream }),
        2 => stream.clone().prop_map(|stream| Action::Rename { stream }),
        1 => (stream.clone(), 1_usize..9)
            .prop_map(|(stream, lines)| Action::RenameAndWriteOn { stream, lines }),
        2 => (stream.clone(), any::<bool>())
            .prop_map(|(stream, over)| Action::CopyTruncate { stream, over }),
        1 => stream.clone().prop_map(|stream| Action::Truncate { stream }),
        1 => stream.prop_map(|stream| Action::Delete { stream }),
        4 => Just(Action::Discover),
        5 => (1_usize..6).prop_map(|turns| Action::Read { turns }),
        5 => (1_usize..4).prop_map(|batches| Action::Deliver { batches }),
        2 => Just(Action::Save),
        2 => (0_u64..90).prop_map(|seconds| Action::Wait { seconds }),
        2 => any::<bool>().prop_map(|answer_lost| Action::Kill { answer_lost }),
    ];
    proptest::collection::vec(action, 1..60)
}

fn run(pattern: &str, punches: bool, actions: &[Action]) {
    let mut world = World::new(pattern, punches);
    for action in actions {
        world.step(action);
    }
    world.finish();
    world.check();
}

fn histories() -> u32 {
    std::env::var("OUTRIDER_HISTORIES").ok().and_then(|it| it.parse().ok()).unwrap_or(300)
}

fn check_pattern(pattern: &'static str) {
    check_histories(pattern, false, |_| true);
}

/// With the actions that `is_wanted`.
fn check_histories(pattern: &'static str, punches: bool, is_wanted: fn(&Action) -> bool) {
    check_all(is_wanted, |actions| run(pattern, punches, actions));
}

fn check_all(is_wanted: fn(&Action) -> bool, run: impl Fn(&[Action])) {
    let config = Config { cases: histories(), failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&actions(), |mut actions| {
        actions.retain(is_wanted);
        run(&actions);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Rotated files have names that no pattern matches.
#[test]
fn nothing_is_lost_when_only_live_names_match() {
    check_pattern("*.log");
}

/// Rotated files and copies match as well: nothing comes twice for that.
#[test]
fn nothing_is_lost_or_doubled_when_every_name_matches() {
    check_pattern("*");
}

/// What a log held before it was renamed comes before what it holds since, whoever has its turn.
#[test]
fn lines_of_one_log_come_in_order_over_its_rotations() {
    let is_wanted = |it: &Action| {
        !matches!(it, Action::Kill { .. } | Action::Truncate { .. } | Action::CopyTruncate { .. })
    };
    check_all(is_wanted, run_in_order);
}

/// Files that the reader knows under a name that they have lost, or not at all, when it comes upon
/// those before or behind them.
#[test]
fn lines_come_in_order_when_files_came_and_went_between_two_turns() {
    let write = |lines| Action::Write { stream: 0, lines, long: false };
    let rename = || Action::Rename { stream: 0 };
    let rename_and = |lines| Action::RenameAndWriteOn { stream: 0, lines };
    let (look, read) = (|| Action::Discover, |turns| Action::Read { turns });
    let delete = || Action::Delete { stream: 0 };
    let beginning = [write(1), look(), rename(), write(8), look()];
    run_in_order(
        &[&beginning[..], &[rename_and(1), read(2), write(1), rename(), read(4)]].concat(),
    );
    run_in_order(&[&beginning[..], &[rename_and(4), write(1), rename(), read(4)]].concat());
    run_in_order(&[&beginning[..], &[delete(), write(1), rename_and(1), read(4)]].concat());
}

fn run_in_order(actions: &[Action]) {
    let mut world = World::new("*.log", false);
    for action in actions {
        world.step(action);
    }
    world.finish();
    world.check();
    for stream in ["0-", "1-"] {
        let lines = world.delivered.iter().map(|(text, _)| text.as_str());
        let lines: Vec<&str> = lines.filter(|it| it.starts_with(stream)).collect();
        assert!(lines.is_sorted(), "out of order: {lines:?}");
    }
}

/// The same with holes behind the position, without kills and with one copy under a name.
#[test]
fn holes_lose_and_double_nothing() {
    check_histories("*", true, |it| {
        !matches!(it, Action::Kill { .. } | Action::CopyTruncate { over: true, .. })
    });
}

/// A kill finds holes over saved positions. What was copied from a file with a hole holds NUL bytes
/// where the hole is, so copies are left out.
#[test]
fn holes_lose_nothing_when_the_reader_is_killed() {
    check_histories("*.log", true, |it| !matches!(it, Action::CopyTruncate { .. }));
}

/// The first copy is of an empty log, the next is made over it when all of the log was read.
#[test]
fn a_copy_over_that_of_an_empty_log_is_not_read_again() {
    let stream = 0;
    let write = Action::Write { stream, lines: 3, long: false };
    let copy = Action::CopyTruncate { stream, over: true };
    let (discover, wait) = (Action::Discover, Action::Wait { seconds: 40 });
    let (turn, read) = (Action::Read { turns: 1 }, Action::Read { turns: 9 });
    let found_at_once = [&write, &discover, &copy, &copy, &write, &discover];
    let found_before = [&write, &copy, &copy, &discover, &wait, &wait, &write, &discover];
    let known = [&write, &read, &discover, &copy, &discover, &copy, &discover, &write, &wait];
    // It is noticed by a look, by a turn of the original or of the copy itself.
    let ends: [&[&Action]; 4] = [
        &[&read, &copy],
        &[&read, &wait, &copy, &write, &read],
        &[&turn, &copy, &read],
        &[&turn, &turn, &copy, &write, &read],
    ];
    for beginning in [&found_at_once[..], &found_before[..], &known[..]] {
        for end in ends {
            let actions: Vec<Action> = beginning.iter().chain(end).copied().cloned().collect();
            for pattern in ["*", "*.log"] {
                run(pattern, false, &actions);
            }
        }
    }
}

/// What lies before the position ends as the old lines did, and only the start of the file tells.
#[test]
fn a_truncation_under_lines_that_end_alike_is_noticed_in_a_turn() {
    let stream = 0;
    let write = |lines| Action::Write { stream, lines, long: true };
    for lines in [1, 5] {
        let copy = Action::CopyTruncate { stream, over: false };
        let read = Action::Read { turns: 1 };
        let actions = [write(lines), Action::Discover, read.clone(), copy, write(lines + 1), read];
        run("*.log", false, &actions);
    }
}

/// The hole reaches over the saved position and into a line; the second kill comes before the rest
/// of that line is read.
#[test]
fn a_line_cut_by_a_hole_is_passed_over_after_two_kills() {
    let write = |lines| Action::Write { stream: 0, lines, long: false };
    let read = |turns| Action::Read { turns };
    let kill = Action::Kill { answer_lost: false };
    let beginning =
        [write(42), Action::Discover, read(5), write(9), Action::Deliver { batches: 2 }];
    let saved = [read(3), Action::Save, Action::Deliver { batches: 6 }, write(1)];
    let end = [kill.clone(), Action::Save, kill];
    run("*.log", true, &[&beginning[..], &saved, &end].concat());
}

/// What is saved is of a content that was truncated since; the new one was read, delivered and
/// given a hole, of which nothing is saved.
#[test]
fn a_hole_in_a_content_that_nothing_saved_knows() {
    let write = |stream, lines| Action::Write { stream, lines, long: false };
    let read = |turns| Action::Read { turns };
    let saved = [write(0, 1), Action::Wait { seconds: 0 }, Action::Save, write(1, 9)];
    let anew = [Action::Truncate { stream: 0 }, write(0, 8), read(1), read(1), write(0, 12)];
    let punched = [read(2), write(0, 9), write(0, 22), Action::Discover];
    let end = [Action::Deliver { batches: 3 }, Action::Kill { answer_lost: false }];
    run("*.log", true, &[&saved[..], &anew, &punched, &end].concat());
}

/// The truncation comes between the reading of lines and their acknowledgement.
#[test]
fn no_hole_is_made_in_what_was_written_after_a_truncation() {
    let write = |lines| Action::Write { stream: 0, lines, long: false };
    let (read, deliver) = (Action::Read { turns: 9 }, Action::Deliver { batches: 9 });
    let truncate = Action::Truncate { stream: 0 };
    let copy = Action::CopyTruncate { stream: 0, over: false };
    for gone in [truncate, copy] {
        let beginning = [write(60), Action::Discover, read.clone(), gone, write(20)];
        run("*.log", true, &[&beginning[..], &[deliver.clone(), Action::Discover]].concat());
    }
}

/// Nothing is saved of the file but that it was empty.
#[test]
fn a_hole_in_a_file_that_was_saved_empty_is_passed_over() {
    let write = |lines| Action::Write { stream: 0, lines, long: false };
    let (read, deliver) = (Action::Read { turns: 9 }, Action::Deliver { batches: 9 });
    let (wait, kill) = (Action::Wait { seconds: 0 }, Action::Kill { answer_lost: false });
    let beginning = [write(1), Action::Truncate { stream: 0 }, wait, Action::Save, write(51)];
    run("*.log", true, &[&beginning[..], &[read, deliver, kill]].concat());
}

/// The same in a file that was renamed since, and could be a copy of what has its name now.
#[test]
fn a_hole_in_a_renamed_content_that_nothing_saved_knows() {
    let write = |stream, lines| Action::Write { stream, lines, long: false };
    let (read, deliver) = (|turns| Action::Read { turns }, |batches| Action::Deliver { batches });
    let saved = [write(1, 1), Action::Wait { seconds: 0 }, Action::Truncate { stream: 1 }];
    let renamed = [Action::Save, write(0, 26), write(1, 18), Action::Rename { stream: 1 }];
    let punched = [write(1, 9), Action::Discover, read(4), deliver(3), read(1), deliver(1)];
    let end = [Action::Kill { answer_lost: false }];
    run("*.log", true, &[&saved[..], &renamed, &punched, &end].concat());
}
