//! Jenkins' lookup3 as `hashlittle` computes it on a little-endian machine, initial value 13.
//!
//! The original reads twelve bytes at a time in three ways that depend on the key's alignment; on a
//! little-endian machine all three give what reading little-endian words gives, missing bytes being
//! zero. Only the last one to twelve bytes pass through the final mixing.

use crate::hash::little_endian;

const INITIAL: u32 = 13;
/// Bytes of one round.
const BLOCK: usize = 12;

/// The hash called jenkins.
pub(crate) fn hash(key: &[u8]) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "a key has at most 512 MiB")]
    let start = 0xdead_beef_u32.wrapping_add(key.len() as u32).wrapping_add(INITIAL);
    let mut state = [start; 3];
    let mut rest = key;
    while let Some((block, tail)) =
        rest.split_at_checked(BLOCK).filter(|(_, tail)| !tail.is_empty())
    {
        add(&mut state, block);
        mix(&mut state);
        rest = tail;
    }
    if !rest.is_empty() {
        add(&mut state, rest);
        finish(&mut state);
    }
    state[2]
}

fn add(state: &mut [u32; 3], block: &[u8]) {
    for (word, bytes) in state.iter_mut().zip(block.chunks(4)) {
        *word = word.wrapping_add(little_endian(bytes));
    }
}

/// Six steps; in each, one word loses another, is stirred by it, and takes the third in.
fn mix(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    for rotations in [[4, 6, 8], [16, 19, 4]] {
        a = a.wrapping_sub(c) ^ c.rotate_left(rotations[0]);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(rotations[1]);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(rotations[2]);
        b = b.wrapping_add(a);
    }
    *state = [a, b, c];
}

fn finish(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    *state = [a, b, c];
}
