//! The bytes of a server, cut at random places. The first byte of the input says where to cut.
//!
//! Read at once and read in pieces, they must give the same replies and the same error; and each
//! reply must be the sum of its parts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::{Protocol, ProtocolError, ReplyScan, elements, frame, integer};

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else { return };
    let at_once = read(stream, stream.len().max(1));
    assert_eq!(at_once, read(stream, usize::from(*size) + 1));
    let mut at = 0;
    for length in at_once.0 {
        check(&stream[at..at + length]);
        at += length;
    }
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        if let Ok(tree) = frame::decode(stream, protocol) {
            let mut out = Vec::new();
            frame::encode(&tree, protocol, &mut out);
            assert_eq!(ReplyScan::new().advance(&out), Ok((out.len(), true)));
        }
    }
});

fn read(stream: &[u8], size: usize) -> (Vec<usize>, Option<ProtocolError>) {
    let (mut lengths, mut length, mut scan) = (Vec::new(), 0, ReplyScan::new());
    for mut piece in stream.chunks(size) {
        while !piece.is_empty() {
            match scan.advance(piece) {
                Err(error) => return (lengths, Some(error)),
                Ok((consumed, complete)) => {
                    assert!(consumed == piece.len() || complete);
                    length += consumed;
                    piece = &piece[consumed..];
                    if complete {
                        assert!(scan.is_fresh());
                        lengths.push(std::mem::take(&mut length));
                    }
                }
            }
        }
    }
    (lengths, None)
}

fn check(reply: &[u8]) {
    std::hint::black_box(integer(reply));
    let Some(parts) = elements(reply) else { return };
    let announced = parts.len();
    let (mut found, mut bytes) = (0, 0);
    for part in parts {
        found += 1;
        bytes += part.len();
    }
    assert_eq!(announced, found);
    assert!(bytes < reply.len());
}
