//! Bytes on their way out of one connection, in blocks that all connections of a thread share.
//!
//! In go slices, copied once; out come `IoSlice`s for one vectored write. An empty outbox holds no
//! memory, so ten thousand idle clients cost nothing here, and one that grows never copies what it
//! has. A single growing buffer per connection was not taken: it stays as large as it once was.

use std::collections::VecDeque;
use std::io::IoSlice;

/// One block. A pipeline of small replies fits one, a value of 64 KiB four.
const BLOCK_BYTES: usize = 16 * 1024;
/// Free blocks that a thread keeps while they are used; more go back to the allocator.
const FREE_BLOCKS_MAX: usize = 256;
/// Free blocks that it keeps in any case.
const IDLE_BLOCKS_MAX: usize = 16;
/// Blocks in one vectored write.
pub(crate) const SLICES_MAX: usize = 16;

/// The free blocks of a thread.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    free: Vec<Vec<u8>>,
    /// The least of them since the last look.
    least: usize,
}

impl Blocks {
    /// An empty buffer with room for a block.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let block = self.free.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES));
        self.least = self.least.min(self.free.len());
        block
    }

    /// Whether more are kept than idle ones may be.
    pub(crate) fn are_many(&self) -> bool {
        self.free.len() > IDLE_BLOCKS_MAX
    }

    /// Gives back those that were not needed since the last time.
    pub(crate) fn tidy(&mut self) {
        let unused = self.least.min(self.free.len().saturating_sub(IDLE_BLOCKS_MAX));
        self.free.truncate(self.free.len() - unused);
        self.free.shrink_to(self.free.len());
        self.least = self.free.len();
    }

    /// Takes it back, unless it has grown or enough are there.
    pub(crate) fn give(&mut self, mut block: Vec<u8>) {
        if self.free.len() < FREE_BLOCKS_MAX && block.capacity() == BLOCK_BYTES {
            block.clear();
            self.free.push(block);
        }
    }

    /// Gives all free blocks back to the allocator.
    pub(crate) fn release(&mut self) {
        self.free = Vec::new();
    }
}

/// What is to be written to one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The block that is written next; without memory if there is none.
    head: Vec<u8>,
    /// The blocks behind it.
    more: VecDeque<Vec<u8>>,
    /// Bytes of `head` that are written.
    written: usize,
    /// Bytes to write.
    len: usize,
}

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory in use, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.head.capacity() + self.more.len() * BLOCK_BYTES
    }

    /// Copies `bytes` behind what is there.
    pub(crate) fn push(&mut self, bytes: &[u8], blocks: &mut Blocks) {
        self.len += bytes.len();
        let mut rest = bytes;
        while !rest.is_empty() {
            let last = self.more.back_mut().unwrap_or(&mut self.head);
            let room = if last.capacity() == 0 { 0 } else { BLOCK_BYTES - last.len() };
            if room == 0 {
                let block = blocks.take();
                if self.head.capacity() == 0 {
                    self.head = block;
                } else {
                    self.more.push_back(block);
                }
                continue;
            }
            let (now, later) = rest.split_at(rest.len().min(room));
            last.extend_from_slice(now);
            rest = later;
        }
    }

    /// Takes the blocks of `other`, of which nothing is written, behind what is there.
    pub(crate) fn append(&mut self, other: Outbox) {
        debug_assert_eq!(other.written, 0, "it was only gathered");
        if self.is_empty() {
            *self = other;
        } else if !other.is_empty() {
            self.len += other.len;
            self.more.push_back(other.head);
            self.more.extend(other.more);
        }
    }

    /// The first unwritten bytes, and how many slices they fill.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        slices[0] = IoSlice::new(&self.head[self.written..]);
        let mut count = 1;
        for (slice, block) in slices[1..].iter_mut().zip(&self.more) {
            *slice = IoSlice::new(block);
            count += 1;
        }
        count
    }

    /// Forgets the first `count` bytes: they are written.
    pub(crate) fn consume(&mut self, count: usize, blocks: &mut Blocks) {
        self.len -= count;
        let mut left = count;
        while left >= self.head.len() - self.written && self.head.capacity() > 0 {
            left -= self.head.len() - self.written;
            self.written = 0;
            let next = self.more.pop_front().unwrap_or_default();
            blocks.give(std::mem::replace(&mut self.head, next));
        }
        self.written += left;
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, blocks: &mut Blocks) {
        self.consume(self.len, blocks);
        self.more = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = outbox.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn bytes_come_out_in_their_order_whatever_the_pieces() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut outbox, mut blocks) = (Outbox::default(), Blocks::default());
        let mut expected: VecDeque<u8> = VecDeque::new();
        for _ in 0..2000 {
            let piece: Vec<u8> = (0..random.usize(..3 * 1024)).map(|_| random.u8(..)).collect();
            if random.bool() {
                outbox.push(&piece, &mut blocks);
            } else {
                let mut apart = Outbox::default();
                apart.push(&piece, &mut blocks);
                outbox.append(apart);
            }
            expected.extend(&piece);
            let shown = contents(&outbox);
            assert!(expected.iter().zip(&shown).all(|(a, b)| a == b));
            let count = random.usize(..=shown.len());
            outbox.consume(count, &mut blocks);
            expected.drain(..count);
            assert_eq!(outbox.len(), expected.len());
        }
        outbox.clear(&mut blocks);
        assert_eq!((outbox.len(), outbox.held()), (0, 0));
        assert!(blocks.free.len() <= FREE_BLOCKS_MAX);
    }

    #[test]
    fn a_written_outbox_holds_no_memory() {
        let (mut outbox, mut blocks) = (Outbox::default(), Blocks::default());
        outbox.push(&[0; BLOCK_BYTES], &mut blocks);
        outbox.consume(BLOCK_BYTES, &mut blocks);
        assert_eq!(outbox.held(), 0);
        assert_eq!(blocks.free.len(), 1);
    }
}
