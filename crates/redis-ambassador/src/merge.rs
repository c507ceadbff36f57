//! The parts of one reply that come from several servers, and how they become one.
//!
//! In go the replies to the pieces of a split command, in any order; out come the bytes that one
//! server would have sent. A split command that is larger than a client's limit goes out in several
//! batches, each with a merge of its own: the array header leaves with the first, sums and errors
//! are carried along and leave with the last.

use redis_commands::Split;

use crate::client::{ClientRef, SlotNumber, SplitResult};

/// The reply when a piece was answered with something that does not fit the command.
const ODD_REPLY: &[u8] = b"-ERR Invalid argument\r\n";

/// The reply when the values of one batch are more than is held for all clients.
const OVERFLOWN: &[u8] = b"-ERR values are larger than --memory-max allows\r\n";

/// One batch of a split command.
#[derive(Debug)]
pub(crate) struct Merge {
    pub(crate) split: Split,
    /// A reply for each piece, in whole; empty until it is there.
    parts: Vec<Vec<u8>>,
    /// Parts that are not there yet.
    missing: usize,
    /// Taken of all parts, in bytes.
    pub(crate) bytes: usize,
    /// There was more of it than memory allows; what is there is forgotten.
    pub(crate) is_overflown: bool,
    /// Of values: which part has the next one.
    order: Vec<u16>,
    pub(crate) place: Place,
    pub(crate) owner: Owner,
}

/// Which batch of its command this is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) is_first: bool,
    pub(crate) is_last: bool,
    /// Of values: how many the whole command asks for.
    pub(crate) total: usize,
}

/// Whose it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) client: ClientRef,
    pub(crate) slot: SlotNumber,
}

impl Merge {
    pub(crate) fn new(split: Split, parts: usize, place: Place, owner: Owner) -> Merge {
        Merge {
            split,
            parts: vec![Vec::new(); parts],
            missing: parts,
            bytes: 0,
            is_overflown: false,
            order: Vec::new(),
            place,
            owner,
        }
    }

    /// Says which part answers for the next key.
    pub(crate) fn expect(&mut self, part: u16) {
        if self.split == Split::Values {
            self.order.push(part);
        }
    }

    /// Takes the reply to a piece; tells whether all are there now.
    pub(crate) fn add(&mut self, part: usize, reply: Vec<u8>) -> bool {
        // What is left of an overflown one is cut.
        self.parts[part] = if self.is_overflown { Vec::new() } else { reply };
        self.missing -= 1;
        self.missing == 0
    }

    /// Forgets all parts; an error takes their place.
    pub(crate) fn overflow(&mut self) {
        self.is_overflown = true;
        self.bytes = 0;
        self.parts.iter_mut().for_each(|part| *part = Vec::new());
    }

    /// Writes what leaves now.
    pub(crate) fn write(self, result: &mut Option<Box<SplitResult>>, mut out: impl FnMut(&[u8])) {
        match self.split {
            Split::Values => self.write_values(out),
            Split::Pairs | Split::Count => {
                let whole = self.place.is_first && self.place.is_last;
                let mut sums =
                    if whole { Box::default() } else { result.take().unwrap_or_default() };
                self.add_up(&mut sums);
                if !self.place.is_last {
                    *result = Some(sums);
                } else if let Some(error) = &sums.error {
                    out(error);
                } else if self.split == Split::Pairs {
                    out(b"+OK\r\n");
                } else {
                    let mut reply = Vec::with_capacity(24);
                    resp::write::integer(&mut reply, sums.sum);
                    out(&reply);
                }
            }
        }
    }

    fn add_up(&self, sums: &mut SplitResult) {
        for part in &self.parts {
            let fits = match self.split {
                Split::Pairs => part == b"+OK\r\n",
                _ => resp::integer(part).map(|count| sums.sum += count).is_some(),
            };
            if !fits && sums.error.is_none() {
                let is_error = part.first() == Some(&b'-');
                sums.error = Some(if is_error { part.clone() } else { ODD_REPLY.to_vec() });
            }
        }
    }

    /// An error takes the place of the whole reply, or, when its beginning has left already, of
    /// the values that it is about.
    fn write_values(&self, mut out: impl FnMut(&[u8])) {
        let mut parts: Vec<_> = self.parts.iter().map(|part| resp::elements(part)).collect();
        let error_of = |part: usize| match self.parts[part].first() {
            Some(b'-') => self.parts[part].as_slice(),
            _ if self.is_overflown => OVERFLOWN,
            _ => ODD_REPLY,
        };
        if self.place.is_first {
            if self.place.is_last
                && let Some(odd) = parts.iter().position(Option::is_none)
            {
                return out(error_of(odd));
            }
            let mut header = Vec::with_capacity(24);
            resp::write::array_header(&mut header, self.place.total);
            out(&header);
        }
        for part in self.order.iter().map(|part| usize::from(*part)) {
            match parts[part].as_mut().and_then(Iterator::next) {
                Some(value) => out(value),
                None => out(error_of(part)),
            }
        }
    }
}
