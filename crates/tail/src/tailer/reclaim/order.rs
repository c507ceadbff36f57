//! What gives way when there is too little room?
//!
//! In: the files with what they hold, as plain values. Out: the steps to take one after the other
//! until there is room enough: rotated files that every reader has acknowledged, the longest at
//! rest first; then the acknowledged beginnings of the others, the largest first; and only if that
//! is allowed, rotated files that are still owed. A file that is written under its name keeps every
//! byte that somebody still needs. Pure, so that the order is one test.

use std::time::Instant;

use crate::roster::FileId;

/// What one file holds, as far as room is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holding {
    pub(crate) file: FileId,
    /// Rotated away, and nobody writes to it any more.
    pub(crate) rests: bool,
    /// When it last grew.
    pub(crate) grew: Instant,
    /// Bytes that some reader has not acknowledged.
    pub(crate) owed_bytes: u64,
    /// Bytes of whole blocks behind every reader's position; 0 where no hole can be made.
    pub(crate) hole_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Delete a file of which nothing is owed.
    Delete(FileId),
    /// Make a hole behind the positions.
    Punch(FileId),
    /// Delete a file of which something is owed.
    GiveUp(FileId),
}

/// All steps that can be taken, in their order.
pub(crate) fn steps(mut holdings: Vec<Holding>, may_give_up: bool) -> Vec<Step> {
    holdings.sort_unstable_by_key(|it| (it.grew, it.file));
    let resting = || holdings.iter().filter(|it| it.rests);
    let done = resting().filter(|it| it.owed_bytes == 0).map(|it| Step::Delete(it.file));
    let owed = resting().filter(|it| it.owed_bytes > 0 && may_give_up);
    let given_up: Vec<Step> = owed.map(|it| Step::GiveUp(it.file)).collect();
    let mut steps: Vec<Step> = done.collect();
    holdings.retain(|it| it.hole_bytes > 0 && !(it.rests && it.owed_bytes == 0));
    holdings.sort_by_key(|it| std::cmp::Reverse(it.hole_bytes));
    steps.extend(holdings.iter().map(|it| Step::Punch(it.file)));
    steps.extend(given_up);
    steps
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_shipped_gives_way_before_what_is_not_and_the_oldest_first() {
        let start = Instant::now();
        // Rests, seconds since it grew, owed bytes, bytes for a hole.
        let files = [
            (true, 9_u64, 10, 0),
            (true, 1, 0, 5),
            (false, 0, 10, 100),
            (true, 5, 0, 0),
            (false, 0, 0, 300),
            (false, 0, 10, 0),
            (true, 99, 10, 200),
        ];
        let holding = |(file, (rests, age, owed_bytes, hole_bytes))| Holding {
            file: FileId::numbered(file),
            rests,
            grew: start + Duration::from_secs(100 - age),
            owed_bytes,
            hole_bytes,
        };
        let holdings: Vec<Holding> = (0..).zip(files).map(holding).collect();
        let shown = |step: Step| match step {
            Step::Delete(file) => format!("delete {}", file.number()),
            Step::Punch(file) => format!("punch {}", file.number()),
            Step::GiveUp(file) => format!("give up {}", file.number()),
        };
        for (may_give_up, expected) in [
            (false, &["delete 3", "delete 1", "punch 4", "punch 6", "punch 2"][..]),
            (
                true,
                &[
                    "delete 3",
                    "delete 1",
                    "punch 4",
                    "punch 6",
                    "punch 2",
                    "give up 6",
                    "give up 0",
                ],
            ),
        ] {
            let steps: Vec<String> =
                steps(holdings.clone(), may_give_up).into_iter().map(shown).collect();
            assert_eq!(steps, expected);
        }
    }
}
