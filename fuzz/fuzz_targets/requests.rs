//! The bytes of a client, cut at random places. The first byte of the input says where to cut.
//!
//! Read at once and read in pieces, they must give the same requests and the same error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::{Args, ProtocolError, RequestLimits, RequestScan, Scanned, Skim, split_inline};

const LIMITS: [RequestLimits; 2] = [RequestLimits::OPEN, RequestLimits::UNAUTHENTICATED];

/// The requests as their arguments, lines as one; then how it ended.
type Seen = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

fuzz_target!(|input: &[u8]| {
    let Some((cuts, stream)) = input.split_first() else { return };
    let limits = &LIMITS[usize::from(cuts & 1)];
    let size = usize::from(cuts / 2) + 1;
    assert_eq!(read(stream, stream.len().max(1), limits), read(stream, size, limits));
    skim(stream, size, limits);
});

fn read(stream: &[u8], size: usize, limits: &RequestLimits) -> Seen {
    let (mut seen, mut buffer) = (Vec::new(), Vec::new());
    let (mut scan, mut args) = (RequestScan::default(), Args::new());
    for piece in stream.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            let length = match scan.scan(&buffer, &mut args, limits) {
                Err(error) => return (seen, Some(error)),
                Ok(Scanned::Incomplete(pending)) => {
                    assert!(pending.frame_min >= buffer.len());
                    assert!(pending.args.is_none_or(|args| pending.complete < args));
                    break;
                }
                Ok(Scanned::Complete(length)) => {
                    let last = args.whole(args.len() - 1);
                    assert_eq!(last.end, length);
                    seen.push((0..args.len()).map(|i| args.get(&buffer, i).to_vec()).collect());
                    length
                }
                Ok(Scanned::Inline(length)) => {
                    match split_inline(&buffer[..length]) {
                        Ok(words) => seen.push(words),
                        Err(error) => return (seen, Some(error)),
                    }
                    length
                }
                Ok(Scanned::Empty(length)) => length,
            };
            buffer.drain(..length);
        }
    }
    (seen, None)
}

/// The first request of the stream, its second part only skimmed.
fn skim(stream: &[u8], size: usize, limits: &RequestLimits) {
    let (mut scan, mut args) = (RequestScan::default(), Args::new());
    let whole = RequestScan::default().scan(stream, &mut args, limits);
    let (head, tail) = stream.split_at(size.min(stream.len()));
    let Ok(Scanned::Incomplete(_)) = scan.scan(head, &mut args, limits) else { return };
    let mut over = None;
    if let Ok(Some(mut skim)) = Skim::take_over(&scan, head, limits) {
        match skim.advance(tail) {
            Ok((length, true)) => over = Some(head.len() + length),
            Ok((length, false)) => assert_eq!(length, tail.len()),
            Err(_) => assert!(!matches!(whole, Ok(Scanned::Complete(_)))),
        }
        if let Ok(Scanned::Complete(length)) = whole {
            assert_eq!(over, Some(length));
        }
    }
}
