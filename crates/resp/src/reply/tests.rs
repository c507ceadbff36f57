use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use redis_protocol::{resp2, resp3};

use super::{REPLY_DEPTH_MAX, ReplyScan};
use crate::{Protocol, ProtocolError, frame, write};

/// The lengths of the replies in `stream`, read in pieces; then the error, if there was one.
fn in_pieces(stream: &[u8], sizes: &[usize]) -> (Vec<usize>, Option<ProtocolError>) {
    let (mut lengths, mut length, mut scan) = (Vec::new(), 0, ReplyScan::new());
    let mut sizes = sizes.iter().cycle();
    let mut rest = stream;
    while !rest.is_empty() {
        let (mut piece, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = later;
        while !piece.is_empty() {
            match scan.advance(piece) {
                Err(error) => return (lengths, Some(error)),
                Ok((consumed, complete)) => {
                    length += consumed;
                    piece = &piece[consumed..];
                    assert_eq!(complete, scan.is_fresh());
                    if complete {
                        lengths.push(std::mem::take(&mut length));
                    } else {
                        assert!(piece.is_empty());
                    }
                }
            }
        }
    }
    (lengths, None)
}

fn check(reply: &str) {
    let (reply, length) = (reply.as_bytes(), reply.len());
    let twice = [reply, reply].concat();
    assert_eq!(in_pieces(&twice, &[twice.len()]), (vec![length, length], None), "{reply:?}");
    assert_eq!(in_pieces(&twice, &[1]), (vec![length, length], None));
    assert_eq!(in_pieces(&reply[..length - 1], &[length]), (vec![], None));
}

fn check_error(reply: &[u8], error: ProtocolError) {
    assert_eq!(ReplyScan::new().advance(reply), Err(error), "{}", reply.escape_ascii());
    assert_eq!(in_pieces(reply, &[1]).1, Some(error));
}

#[test]
fn every_kind() {
    for reply in [
        "+OK\r\n",
        "+\r\n",
        "-ERR a text that is longer than what a loop looks for the end of\r\n",
        ":-12\r\n",
        "$0\r\n\r\n",
        "$5\r\na\r\nbc\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*2\r\n$1\r\na\r\n:1\r\n",
        "*2\r\n*1\r\n*0\r\n*2\r\n+a\r\n*-1\r\n",
        "_\r\n",
        "#t\r\n",
        ",inf\r\n",
        "(3492890328409238509324850943850943825024385\r\n",
        "!5\r\nERR x\r\n",
        "=6\r\ntxt:hi\r\n",
        "%0\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n+c\r\n_\r\n",
        "~2\r\n+a\r\n+b\r\n",
        ">3\r\n+message\r\n+c\r\n$1\r\nx\r\n",
        "|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n",
        "|0\r\n+a\r\n",
        "*1\r\n|1\r\n+ttl\r\n:3\r\n|1\r\n+x\r\n*0\r\n:1\r\n",
    ] {
        check(reply);
    }
}

#[test]
fn what_is_no_reply() {
    for reply in [
        &b"x"[..],
        b"\r\n",
        b"GET\r\n",
        b"$?\r\n",
        b"*?\r\n",
        b";1\r\na\r\n",
        b".\r\n",
        b"$\r\n",
        b"$1x\r\n",
        b"$01\r\n",
        b"$-2\r\n",
        b"$--1\r\n",
        b"$1-\r\n",
        b"%-1\r\n",
        b"$1\r\nab\r\n",
        b"$1\r\na\rx",
        b"$1\rx",
        b"+a\rb\r\n",
        b"$99999999999999999999\r\n",
        b"*4294967296\r\n",
        b"$68719476737\r\n",
    ] {
        check_error(reply, ProtocolError::BadReply);
    }
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
    let deepest = nested(REPLY_DEPTH_MAX);
    assert_eq!(ReplyScan::new().advance(&deepest), Ok((deepest.len(), true)));
    check_error(&nested(REPLY_DEPTH_MAX + 1), ProtocolError::TooDeep);
    check_error(&nested(50_000), ProtocolError::TooDeep);
    check_error(&b"|1\r\n".repeat(50_000), ProtocolError::TooDeep);
    let decoded = frame::decode(&nested(frame::FRAME_DEPTH_MAX + 1), Protocol::Resp2);
    assert_eq!(decoded, Err(ProtocolError::TooDeep));
    assert!(frame::decode(&nested(frame::FRAME_DEPTH_MAX), Protocol::Resp2).is_ok());
}

#[test]
fn frames() {
    let hello = "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*0\r\n";
    let hello = frame::decode(hello.as_bytes(), Protocol::Resp3).unwrap();
    assert_eq!(hello.value("proto"), Some(&frame::Frame::Integer(3)));
    assert_eq!(hello.value("server").and_then(frame::Frame::bytes), Some(&b"redis"[..]));
    assert_eq!(hello.value("id"), None);
    let flat = "*2\r\n+proto\r\n:2\r\n";
    let flat = frame::decode(flat.as_bytes(), Protocol::Resp2).unwrap();
    assert_eq!(flat.value("proto"), Some(&frame::Frame::Integer(2)));
    for half in ["", "*1\r\n", "+OK", "+OK\r\n+OK\r\n", "x\r\n"] {
        assert_eq!(frame::decode(half.as_bytes(), Protocol::Resp3), Err(ProtocolError::BadReply));
    }
    for reply in
        ["+OK\r\n", "-ERR x\r\n", ":1\r\n", "$1\r\na\r\n", "*1\r\n*0\r\n", "_\r\n", "#t\r\n"]
            .into_iter()
            .chain([",1.5\r\n", "(12\r\n", "=6\r\ntxt:hi\r\n", ">1\r\n+a\r\n", "~1\r\n+a\r\n"])
    {
        let mut out = Vec::new();
        let read = frame::decode(reply.as_bytes(), Protocol::Resp3).unwrap();
        frame::encode(&read, Protocol::Resp3, &mut out);
        assert_eq!(out, reply.as_bytes());
    }
    let mut out = Vec::new();
    let map = frame::Frame::Map(vec![(frame::Frame::Null, frame::Frame::Boolean(true))]);
    frame::encode(&map, Protocol::Resp2, &mut out);
    assert_eq!(out, b"*2\r\n$-1\r\n:1\r\n");
}

fn reply() -> impl Strategy<Value = Vec<u8>> {
    let line = "[-+a-zA-Z ]{0,30}";
    let leaf = prop_oneof![
        line.prop_map(|text| format!("+{text}\r\n").into_bytes()),
        line.prop_map(|text| format!("-ERR{text}\r\n").into_bytes()),
        any::<i64>().prop_map(|value| format!(":{value}\r\n").into_bytes()),
        vec(any::<u8>(), 0..40).prop_map(|bytes| {
            let mut out = Vec::new();
            write::bulk(&mut out, &bytes);
            out
        }),
        Just(b"_\r\n".to_vec()),
        Just(b"#f\r\n".to_vec()),
        Just(b",3.25\r\n".to_vec()),
        Just(b"(12345678901234567890\r\n".to_vec()),
        Just(b"=7\r\ntxt:abc\r\n".to_vec()),
        Just(b"!5\r\nERR x\r\n".to_vec()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        (prop_oneof![Just('*'), Just('~'), Just('>'), Just('%')], vec(inner, 0..6)).prop_map(
            |(kind, elements)| {
                let mut out = format!("{kind}{}\r\n", elements.len()).into_bytes();
                for (i, element) in elements.iter().enumerate() {
                    // The other decoder keeps maps and sets by hash, so not of aggregates.
                    match kind {
                        '%' => out.extend([format!("+{i}\r\n").as_bytes(), element].concat()),
                        '~' => out.extend(format!(":{i}\r\n").into_bytes()),
                        _ => out.extend(element),
                    }
                }
                out
            },
        )
    })
}

/// Bytes that are likely to mean something.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let common = proptest::sample::select(&b"+-:$*%~>|_#,(!=?.;\r\n\r\n0123"[..]);
    vec(prop_oneof![9 => common, 1 => any::<u8>()], 0..60)
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        replies in vec(prop_oneof![9 => reply(), 1 => noise()], 0..8),
        sizes in vec(1_usize..40, 1..8),
    ) {
        let stream = replies.concat();
        prop_assert_eq!(in_pieces(&stream, &sizes), in_pieces(&stream, &[stream.len().max(1)]));
    }

    #[test]
    fn ends_are_those_of_redis_protocol(reply in reply(), behind in noise()) {
        let stream = [reply.as_slice(), &behind].concat();
        let (length, complete) = ReplyScan::new().advance(&stream).unwrap();
        prop_assert_eq!((length, complete), (reply.len(), true));
        let (_, theirs) = resp3::decode::complete::decode(&stream).unwrap().unwrap();
        prop_assert_eq!(length, theirs);
        for cut in 0..reply.len() {
            prop_assert_eq!(ReplyScan::new().advance(&stream[..cut]), Ok((cut, false)));
        }
    }

    /// What both take, both end at the same place. They differ in what they take: the other one
    /// knows streams, and looks into numbers.
    #[test]
    fn noise_ends_where_redis_protocol_says(noise in noise()) {
        let ours = ReplyScan::new().advance(&noise);
        if let (Ok((length, true)), Ok(Some((_, theirs)))) = (ours, resp2::decode::decode(&noise)) {
            prop_assert_eq!(length, theirs);
        }
        prop_assert!(ours.is_err() || ours.is_ok_and(|(length, _)| length <= noise.len()));
    }
}
