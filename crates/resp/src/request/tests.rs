use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{INLINE_MAX, Pending, RequestLimits, RequestScan, Scanned};
use crate::{Args, ProtocolError, Skim, write};

const OPEN: &RequestLimits = &RequestLimits::OPEN;

fn scan(frame: &[u8], limits: &RequestLimits) -> Result<(Scanned, Vec<Vec<u8>>), ProtocolError> {
    let mut args = Args::new();
    let scanned = RequestScan::default().scan(frame, &mut args, limits)?;
    Ok((scanned, owned(&args, frame)))
}

fn owned(args: &Args, frame: &[u8]) -> Vec<Vec<u8>> {
    (0..args.len()).map(|i| args.get(frame, i).to_vec()).collect()
}

fn check_error(frame: &[u8], text: &str) {
    let error = scan(frame, OPEN).unwrap_err();
    assert_eq!(error.to_string(), format!("Protocol error: {text}"), "{}", frame.escape_ascii());
    for cut in 1..frame.len() {
        assert_eq!(in_pieces(frame, &[cut]).1, Some(error), "cut at {cut}");
    }
}

/// What a connection sees: each request whole, then the error if there was one.
#[derive(Debug, PartialEq, Clone)]
enum Seen {
    Request(Vec<Vec<u8>>),
    Line(Vec<u8>),
}

/// Reads `stream` in pieces of the given sizes, over and over, as a connection would.
fn in_pieces(stream: &[u8], sizes: &[usize]) -> (Vec<Seen>, Option<ProtocolError>) {
    let (mut seen, mut buffer) = (Vec::new(), Vec::new());
    let (mut scan, mut args) = (RequestScan::default(), Args::new());
    let mut sizes = sizes.iter().cycle();
    let mut rest = stream;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = later;
        buffer.extend_from_slice(piece);
        loop {
            let length = match scan.scan(&buffer, &mut args, OPEN) {
                Err(error) => return (seen, Some(error)),
                Ok(Scanned::Incomplete(_)) => break,
                Ok(Scanned::Complete(length)) => {
                    check_whole(&args, &buffer);
                    seen.push(Seen::Request(owned(&args, &buffer)));
                    length
                }
                Ok(Scanned::Inline(length)) => {
                    seen.push(Seen::Line(buffer[..length].to_vec()));
                    length
                }
                Ok(Scanned::Empty(length)) => length,
            };
            assert_eq!(scan, RequestScan::default());
            buffer.drain(..length);
            // Another client's request was scanned with the same ranges in between.
            assert!(RequestScan::default().scan(b"*1\r\n$1\r\nx\r\n", &mut args, OPEN).is_ok());
        }
    }
    (seen, None)
}

fn check_whole(args: &Args, frame: &[u8]) {
    for i in 0..args.len() {
        let mut bulk = Vec::new();
        write::bulk(&mut bulk, args.get(frame, i));
        assert_eq!(&frame[args.whole(i)], bulk);
    }
}

#[test]
fn whole_requests() {
    for (frame, length, args) in [
        ("*1\r\n$4\r\nPING\r\n", 14, &["PING"][..]),
        ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n", 20, &["GET", "k"]),
        ("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\r\n\r\n", 27, &["SET", "", "\r\n"]),
    ] {
        let (scanned, found) = scan(frame.as_bytes(), OPEN).unwrap();
        assert_eq!(scanned, Scanned::Complete(length), "{frame:?}");
        assert_eq!(found, args.iter().map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>());
    }
}

#[test]
fn lines_and_nothing() {
    for (frame, scanned) in [
        ("PING\r\n", Scanned::Inline(6)),
        ("PING\nPING\n", Scanned::Inline(5)),
        ("\r\n", Scanned::Empty(2)),
        ("\n\n", Scanned::Empty(1)),
        (" \t\r\n", Scanned::Empty(4)),
        ("*0\r\n", Scanned::Empty(4)),
        ("*-1\r\n", Scanned::Empty(5)),
        ("*-10\r\n*1\r\n", Scanned::Empty(6)),
        ("$0\r\n", Scanned::Inline(4)),
    ] {
        assert_eq!(scan(frame.as_bytes(), OPEN).unwrap().0, scanned, "{frame:?}");
    }
}

#[test]
fn what_is_known_of_half_a_request() {
    for (frame, args, complete, frame_min, bulk) in [
        ("", None, 0, 0, None),
        ("*", None, 0, 1, None),
        ("*2\r", None, 0, 3, None),
        ("GET", None, 0, 3, None),
        ("*2\r\n", Some(2), 0, 4, None),
        ("*2\r\n$1", Some(2), 0, 6, None),
        ("*2\r\n$10\r\n", Some(2), 0, 21, Some(10)),
        ("*2\r\n$1\r\na\r", Some(2), 0, 11, Some(1)),
        ("*2\r\n$1\r\na\r\n", Some(2), 1, 11, None),
        ("*2\r\n$1\r\na\r\n$536870912\r\nb", Some(2), 1, 536_870_937, Some(536_870_912)),
    ] {
        let pending = Pending { args, complete, frame_min, bulk };
        let (scanned, found) = scan(frame.as_bytes(), OPEN).unwrap();
        assert_eq!(scanned, Scanned::Incomplete(pending), "{frame:?}");
        assert_eq!(found.len(), complete);
    }
}

/// The texts were compared with those of a redis-server 7.0.15.
#[test]
fn errors_are_those_of_redis() {
    check_error(b"*a\r\n", "invalid multibulk length");
    check_error(b"*\r\n", "invalid multibulk length");
    check_error(b"*03\r\n", "invalid multibulk length");
    check_error(b"*+3\r\n", "invalid multibulk length");
    check_error(b"*3000000000\r\n", "invalid multibulk length");
    check_error(b"*99999999999999999999999\r\n", "invalid multibulk length");
    check_error(b"*1\r\nfoo\r\n", "expected '$', got 'f'");
    check_error(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'");
    check_error(b"*1\r\n*1\r\n$1\r\na\r\n", "expected '$', got '*'");
    check_error(b"*1\r\n\r\n", "expected '$', got ' '");
    check_error(b"*1\r\n$-1\r\n", "invalid bulk length");
    check_error(b"*1\r\n$\r\n", "invalid bulk length");
    check_error(b"*1\r\n$blabla\r\n", "invalid bulk length");
    check_error(b"*1\r\n$01\r\n", "invalid bulk length");
    check_error(b"*1\r\n$2000000000\r\n", "invalid bulk length");
    check_error(b"*1\r\n$9223372036854775808\r\n", "invalid bulk length");
}

/// Redis passes over these; a server that does not would take the next request for data.
#[test]
fn line_ends_are_wanted() {
    check_error(b"*1\rx$1\r\na\r\n", "invalid multibulk length");
    check_error(b"*1\r\n$1\rxa\r\n", "invalid bulk length");
    check_error(b"*1\r\n$1\r\nabc", "invalid bulk length");
}

#[test]
fn long_lines() {
    let long = [b'1'; INLINE_MAX + 1];
    for (start, text) in [
        ("", "too big inline request"),
        ("*", "too big mbulk count string"),
        ("*1\r\n$", "too big bulk count string"),
        ("*1\r\n", "too big bulk count string"),
    ] {
        let mut frame = [start.as_bytes(), &long].concat();
        let error = scan(&frame, OPEN).unwrap_err();
        assert_eq!(error.to_string(), format!("Protocol error: {text}"));
        assert_eq!(in_pieces(&frame, &[1000, 77]).1, Some(error));
        frame.truncate(frame.len() - long.len() + INLINE_MAX - 1);
        assert!(matches!(scan(&frame, OPEN), Ok((Scanned::Incomplete(_), _))));
    }
    let mut longest = vec![b'a'; INLINE_MAX];
    longest.push(b'\n');
    assert_eq!(scan(&longest, OPEN).unwrap().0, Scanned::Inline(INLINE_MAX + 1));
}

#[test]
fn limits_of_a_stranger() {
    let stranger = &RequestLimits::UNAUTHENTICATED;
    for (frame, error) in [
        ("*11\r\n", Some(ProtocolError::UnauthenticatedMultibulkLength)),
        ("*10\r\n", None),
        ("*3000000000\r\n", Some(ProtocolError::InvalidMultibulkLength)),
        ("*1\r\n$16385\r\n", Some(ProtocolError::UnauthenticatedBulkLength)),
        ("*1\r\n$16384\r\n", None),
        ("*1\r\n$536870913\r\n", Some(ProtocolError::InvalidBulkLength)),
        ("*1\r\n$-5\r\n", Some(ProtocolError::InvalidBulkLength)),
    ] {
        assert_eq!(scan(frame.as_bytes(), stranger).err(), error, "{frame:?}");
    }
    assert!(scan(b"*1048576\r\n$536870912\r\n", OPEN).is_ok());
    assert_eq!(scan(b"*1048577\r\n", OPEN).err(), Some(ProtocolError::InvalidMultibulkLength));
}

#[test]
fn the_rest_of_a_request() {
    let (mut args, frame) = (Args::new(), b"$1\r\na\r\n$2\r\nbc\r\n*1\r\n");
    for cut in 0..16 {
        let mut scan = RequestScan::arguments(2);
        let half = scan.scan(&frame[..cut], &mut args, OPEN).unwrap();
        assert!(matches!(half, Scanned::Incomplete(Pending { args: Some(2), .. })), "{cut}");
        let whole = scan.scan(frame, &mut args, OPEN).unwrap();
        assert_eq!((whole, args.len()), (Scanned::Complete(15), 2));
        assert_eq!((args.get(frame, 1), args.whole(1)), (&b"bc"[..], 7..15));
        if cut == 14 {
            break;
        }
    }
    let none = RequestScan::arguments(0).scan(b"", &mut args, OPEN);
    assert_eq!(none, Ok(Scanned::Complete(0)));
}

/// A scan that resumes looks at nothing in front of its position: those bytes are spoilt here. So
/// what it looks at is at most the new bytes, and what was left of one argument.
#[test]
fn a_long_request_in_small_reads_takes_linear_time() {
    const PAIRS: usize = 100_000;
    const READ: usize = 16 * 1024;
    let mut frame = Vec::new();
    write::array_header(&mut frame, 2 * PAIRS + 1);
    write::bulk(&mut frame, b"MSET");
    for i in 0..PAIRS {
        write::bulk(&mut frame, format!("key:{i}").as_bytes());
        write::bulk(&mut frame, b"xxxxxxxxxxxxxxxx");
    }
    let (mut scan, mut args, mut looked_at) = (RequestScan::default(), Args::new(), 0);
    let mut spoilt = frame.clone();
    for end in (READ..frame.len()).step_by(READ) {
        looked_at += end - scan.position();
        let scanned = scan.scan(&spoilt[..end], &mut args, OPEN).unwrap();
        assert!(matches!(scanned, Scanned::Incomplete(_)));
        spoilt[..scan.position()].fill(b'!');
    }
    looked_at += frame.len() - scan.position();
    assert!(looked_at < frame.len() + frame.len() / 100, "{looked_at} of {}", frame.len());
    // The last piece walks once more, for the ranges.
    assert_eq!(scan.scan(&frame, &mut args, OPEN), Ok(Scanned::Complete(frame.len())));
    assert_eq!(args.len(), 2 * PAIRS + 1);
    assert_eq!(args.get(&frame, 2 * PAIRS - 1), b"key:99999");
    args.clear();
    assert_eq!(args, Args::new());
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let request = vec(vec(any::<u8>(), 0..40), 1..6).prop_map(|args| {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let mut frame = Vec::new();
        write::request(&mut frame, &args);
        frame
    });
    let other = prop_oneof![
        Just(b"PING\r\n".to_vec()),
        Just(b"set \"a b\" c\n".to_vec()),
        Just(b"*0\r\n".to_vec()),
        Just(b"*-1\r\n".to_vec()),
        Just(b" \r\n".to_vec()),
    ];
    let broken = prop_oneof![
        vec(prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1')], 1..12),
        vec(any::<u8>(), 1..12),
    ];
    vec(prop_oneof![8 => request, 2 => other, 1 => broken], 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(stream in stream(), sizes in vec(1_usize..60, 1..8)) {
        prop_assert_eq!(in_pieces(&stream, &sizes), in_pieces(&stream, &[stream.len().max(1)]));
    }

    #[test]
    fn a_skim_ends_where_the_scan_does(
        args in vec(vec(any::<u8>(), 0..40), 1..6),
        cut in 0_usize..200,
        size in 1_usize..50,
        behind in vec(any::<u8>(), 0..9),
    ) {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let mut stream = Vec::new();
        write::request(&mut stream, &args);
        let length = stream.len();
        stream.extend_from_slice(&behind);
        let cut = cut.min(length - 1);
        let (mut scan, mut ranges) = (RequestScan::default(), Args::new());
        let half = scan.scan(&stream[..cut], &mut ranges, OPEN).unwrap();
        let taken_over = Skim::take_over(&scan, &stream[..cut], OPEN).unwrap();
        let Some(mut skim) = taken_over else {
            let unread = matches!(half, Scanned::Incomplete(Pending { args: None, .. }));
            prop_assert!(unread);
            return Ok(());
        };
        let mut at = cut;
        for piece in stream[cut..].chunks(size) {
            let (passed, over) = skim.advance(piece).unwrap();
            at += passed;
            prop_assert_eq!(over, at == length);
            if over {
                return Ok(());
            }
            prop_assert_eq!(passed, piece.len());
        }
        prop_assert!(false, "the end was not found");
    }

    #[test]
    fn a_skim_takes_what_the_scan_takes(
        bytes in vec(proptest::sample::select(&b"$\r\n10-"[..]), 0..30),
    ) {
        let skimmed = Skim::arguments(3, OPEN).advance(&bytes);
        let scanned = RequestScan::arguments(3).scan(&bytes, &mut Args::new(), OPEN);
        match (skimmed, scanned) {
            (Ok((length, true)), Ok(Scanned::Complete(end))) => prop_assert_eq!(length, end),
            (Ok((_, false)), Ok(Scanned::Incomplete(_))) => {}
            // A skim tells as soon as a byte is wrong, the scan at the end of the line.
            (Err(_), Ok(Scanned::Incomplete(_)) | Err(_)) => {}
            (skimmed, scanned) => prop_assert!(false, "{skimmed:?} and {scanned:?}"),
        }
    }
}
