//! What is met, what is missing, and why.
//!
//! Pure: attempts report here, and what people read comes from here. Conditions are numbered
//! through all groups; a group is met by any one of its conditions, and everything by all groups.

#[derive(Debug)]
pub(super) struct Board {
    groups: Vec<Vec<Line>>,
}

#[derive(Debug)]
struct Line {
    name: String,
    is_met: bool,
    /// The reason of the last attempt.
    why: Option<String>,
}

impl Board {
    pub(super) fn new(groups: impl Iterator<Item = Vec<String>>) -> Self {
        let line = |name| Line { name, is_met: false, why: None };
        let lines = |group: Vec<String>| group.into_iter().map(line).collect();
        Self { groups: groups.map(lines).collect() }
    }

    /// True for the first failure of this condition.
    pub(super) fn failed(&mut self, index: usize, why: &str) -> bool {
        let line = self.line(index);
        line.why.replace(why.to_owned()).is_none()
    }

    pub(super) fn met(&mut self, index: usize) {
        self.line(index).is_met = true;
    }

    pub(super) fn is_met(&self) -> bool {
        self.groups.iter().all(|group| is_group_met(group))
    }

    /// `tcp://a:1 (why) or tcp://b:2 (why), file:///c (why)`
    pub(super) fn missing(&self) -> String {
        let groups = self.groups.iter().filter(|group| !is_group_met(group));
        let text = |line: &Line| match &line.why {
            Some(why) => format!("{} ({why})", line.name),
            None => format!("{} (no answer yet)", line.name),
        };
        let group = |group: &Vec<Line>| group.iter().map(text).collect::<Vec<_>>().join(" or ");
        groups.map(group).collect::<Vec<_>>().join(", ")
    }

    fn line(&mut self, index: usize) -> &mut Line {
        let line = self.groups.iter_mut().flatten().nth(index);
        line.expect("an attempt has the number of its condition")
    }
}

fn is_group_met(group: &[Line]) -> bool {
    group.iter().any(|line| line.is_met)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_and_their_parts_are_or() {
        let groups = [vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]];
        let mut board = Board::new(groups.into_iter());
        assert!(board.failed(0, "refused"));
        assert!(!board.failed(0, "no such name"));
        assert_eq!(board.missing(), "a (no such name) or b (no answer yet), c (no answer yet)");
        board.met(1);
        assert!(!board.is_met());
        assert_eq!(board.missing(), "c (no answer yet)");
        board.met(2);
        assert!(board.is_met());
        assert_eq!(board.missing(), "");
    }
}
