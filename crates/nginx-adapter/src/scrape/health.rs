//! When an outcome is news.
//!
//! In goes the outcome of each fetch, out comes whether to write a line about it. A target that
//! comes up is news once, and each way to be down once until it is up again: a target that begins
//! with a refused connection and goes on with a wrong page tells both, and one that changes between
//! the two for hours does not fill the log. Counting each scrape is the metrics' job.

use super::failure::Failure;

/// What was last said about a target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Health {
    #[default]
    Unknown,
    Up,
    /// One bit for each failure that was told.
    Down {
        told: u32,
    },
}

impl Health {
    /// Takes an outcome; true if it is worth a line.
    pub(super) fn is_news(&mut self, outcome: Result<(), Failure>) -> bool {
        let next = match (outcome, &*self) {
            (Ok(()), _) => Health::Up,
            (Err(failure), Health::Down { told }) => {
                Health::Down { told: told | 1 << failure.index() }
            }
            (Err(failure), Health::Unknown | Health::Up) => {
                Health::Down { told: 1 << failure.index() }
            }
        };
        let news = next != *self;
        *self = next;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_news_and_more_of_the_same_is_not() {
        let mut health = Health::default();
        let (connect, parse) = (Err(Failure::Connect), Err(Failure::Parse));
        for (outcome, news) in [
            (connect, true),
            (connect, false),
            (parse, true),
            (connect, false),
            (parse, false),
            (Ok(()), true),
            (Ok(()), false),
            (parse, true),
            (Ok(()), true),
        ] {
            assert_eq!(health.is_news(outcome), news, "{outcome:?} {health:?}");
        }
    }
}
