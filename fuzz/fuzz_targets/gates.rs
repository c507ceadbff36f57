//! A metrics body, cut at random places. The first byte of the input says where to cut.
//!
//! Read at once and read in pieces, it must say the same about the gate; a body that was cut never
//! proves that the gate is missing. The probe is no library, so its reader is taken in by its path.

#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;

use self::cluster::gate::{Gate, GateReader};

#[path = "../../crates/native-sidecar-probe/src/cluster"]
#[expect(dead_code, reason = "other parts of the probe need the rest")]
mod cluster {
    pub(crate) mod assessment;
    pub(crate) mod gate;
}

fuzz_target!(|input: &[u8]| {
    let Some((size, body)) = input.split_first() else { return };
    let at_once = read(body, body.len().max(1), true);
    assert_eq!(at_once, read(body, usize::from(*size) + 1, true));
    black_box(at_once.evidence());
    let cut = read(body, usize::from(*size) + 1, false);
    match cut {
        Gate::Shown { .. } => assert_eq!(cut, at_once),
        Gate::Unclear(_) => {}
        Gate::Absent | Gate::Silent => unreachable!("{cut:?} of a part"),
    }
});

fn read(body: &[u8], size: usize, is_whole: bool) -> Gate {
    let mut reader = GateReader::default();
    let stopped = body.chunks(size).any(|piece| reader.push(piece).is_break());
    reader.finish(is_whole && !stopped)
}
