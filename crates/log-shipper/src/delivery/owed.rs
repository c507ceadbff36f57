//! What is owed of the batches that are held, and what could prove the sink.
//!
//! In: batches, and how often the sink has taken records. Out: the next part to send, and whether
//! it may be given up if it is refused. A part is halved until a record stands alone; that one goes
//! behind all others, which may prove that the sink takes records at all.

use super::{Batch, Records};

/// A batch until it is settled.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) batch: Batch,
    /// For its buffers.
    pub(super) whole: Records,
    /// Of its lines, given up.
    pub(super) rejected: u64,
}

/// Records of one batch that go together.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) records: Records,
    /// The number of the batch.
    pub(super) batch: usize,
    /// How often the sink had taken records when it first refused these, or more with them.
    refused_at: Option<u64>,
    /// The same, when it refused this record alone.
    alone_at: Option<u64>,
}

/// All that is owed.
#[derive(Debug, Default)]
pub(super) struct Owed {
    pub(super) held: Vec<Held>,
    /// The next one is the last. At most one for each halving of a batch, and each record that was
    /// refused alone.
    parts: Vec<Part>,
}

impl Owed {
    pub(super) fn hold(&mut self, mut batch: Batch) {
        let whole = batch.take_records();
        let (records, number) = (whole.clone(), self.held.len());
        self.held.push(Held { batch, whole, rejected: 0 });
        self.parts.push(Part::of(records, number));
    }

    pub(super) fn next(&mut self) -> Option<Part> {
        loop {
            let part = self.parts.pop()?;
            if !part.records.is_empty() {
                return Some(part);
            }
        }
    }

    /// The same records go next, or what is left of them.
    pub(super) fn again(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// Both halves go next, one after the other.
    pub(super) fn split(&mut self, part: Part, [first, second]: [Records; 2]) {
        self.parts.push(Part { records: second, ..part.clone() });
        self.parts.push(Part { records: first, ..part });
    }

    /// A record that was refused alone goes last. Says whether nothing else is left.
    pub(super) fn aside(&mut self, mut part: Part, accepted: u64) -> bool {
        part.alone_at = part.alone_at.or(Some(accepted));
        self.parts.insert(0, part);
        self.parts.iter().all(|part| part.alone_at.is_some())
    }
}

impl Part {
    /// Records that nothing is known of.
    pub(super) fn of(records: Records, batch: usize) -> Part {
        Part { records, batch, refused_at: None, alone_at: None }
    }

    /// Takes note that the sink refuses these records for good, or one of them.
    pub(super) fn refused(&mut self, accepted: u64) {
        self.refused_at = self.refused_at.or(Some(accepted));
    }

    /// The sink has taken nothing since it refused these.
    pub(super) fn is_silent_since(&self, accepted: u64) -> bool {
        self.refused_at == Some(accepted)
    }

    /// The sink has taken a record after it refused this one alone; or, if nothing more may come,
    /// after it refused this one among others.
    pub(super) fn is_proven(&self, accepted: u64, is_last: bool) -> bool {
        let is_before = |at: Option<u64>| at.is_some_and(|at| at < accepted);
        is_before(self.alone_at) || (is_last && is_before(self.refused_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: usize) -> Batch {
        let mut batch = Batch::default();
        batch.begin(b"");
        for number in 0..records {
            batch.add(|out| out.extend_from_slice(number.to_string().as_bytes()));
        }
        batch
    }

    fn shown(part: &Part) -> (usize, Vec<u8>) {
        (part.batch, part.records.bytes().to_vec())
    }

    #[test]
    fn a_record_that_is_refused_alone_goes_behind_all_others() {
        let mut owed = Owed::default();
        owed.hold(batch(4));
        let mut whole = owed.next().unwrap();
        whole.refused(7);
        let halves = whole.records.halve().unwrap();
        owed.split(whole, halves);
        let first = owed.next().unwrap();
        assert!(first.is_silent_since(7) && !first.is_silent_since(8), "of its batch");
        let halves = first.records.halve().unwrap();
        owed.split(first, halves);
        let alone = owed.next().unwrap();
        assert_eq!(shown(&alone), (0, b"0".to_vec()));
        assert!(!owed.aside(alone, 7));
        assert_eq!(shown(&owed.next().unwrap()), (0, b"1".to_vec()));
        assert_eq!(shown(&owed.next().unwrap()), (0, b"23".to_vec()));
        let alone = owed.next().unwrap();
        assert_eq!(shown(&alone), (0, b"0".to_vec()));
        assert!(owed.aside(alone, 9), "nothing else is left");
        owed.hold(batch(1));
        assert_eq!(shown(&owed.next().unwrap()), (1, b"0".to_vec()));
        let alone = owed.next().unwrap();
        assert!(!alone.is_proven(7, true) && alone.is_proven(8, false), "since it was alone");
    }

    #[test]
    fn what_was_taken_before_a_refusal_proves_nothing() {
        let mut owed = Owed::default();
        owed.hold(batch(1));
        let mut part = owed.next().unwrap();
        assert!(!part.is_proven(5, true));
        part.refused(5);
        part.refused(6);
        assert!(!part.is_proven(5, true), "it was taken before");
        assert!(part.is_proven(6, true) && !part.is_proven(6, false), "with nothing more to come");
        assert!(owed.aside(part, 6));
        let mut part = owed.next().unwrap();
        part.refused(7);
        assert!(!part.is_proven(6, false) && part.is_proven(7, false));
    }
}
