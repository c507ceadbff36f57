use proptest::prelude::*;

use super::*;

const SPLIT_8: Limits = Limits { line_bytes_max: 8, long_lines: LongLines::Split };
const DROP_8: Limits = Limits { line_bytes_max: 8, long_lines: LongLines::Drop };

fn lines(bytes: &[u8], encoding: Encoding, limits: Limits) -> (Vec<(u64, Part, String)>, Framed) {
    let mut lines = Vec::new();
    let framed = frame(bytes, 100, encoding, limits, &mut |line| {
        let text = String::from_utf8_lossy(line.text()).into_owned();
        lines.push((line.offset, line.part, text));
        Flow::Continue
    });
    (lines, framed)
}

fn check(bytes: &[u8], limits: Limits, expected: &[(u64, Part, &str)], taken: usize) {
    let (lines, framed) = lines(bytes, Encoding::Bytes, limits);
    let expected: Vec<_> =
        expected.iter().map(|(at, part, text)| (*at, *part, (*text).to_owned())).collect();
    assert_eq!((lines, framed.taken), (expected, taken), "{:?}", String::from_utf8_lossy(bytes));
}

#[test]
fn lines_end_at_lf_and_the_rest_waits() {
    use Part::{Split, Whole};
    check(b"", SPLIT_8, &[], 0);
    check(b"part", SPLIT_8, &[], 0);
    check(b"a\nb\r\n\ncd", SPLIT_8, &[(100, Whole, "a"), (102, Whole, "b"), (105, Whole, "")], 6);
    check(b"nul\0\x01\n", SPLIT_8, &[(100, Whole, "nul\0\x01")], 6);
    check(b"12345678\n", SPLIT_8, &[(100, Whole, "12345678")], 9);
    let pieces = [(100, Split, "12345678"), (108, Whole, "9"), (110, Whole, "x")];
    check(b"123456789\nx\n", SPLIT_8, &pieces, 12);
    check(b"123456789", SPLIT_8, &[(100, Split, "12345678")], 8);
    check(b"12345678", SPLIT_8, &[], 0);
    let pieces = [(100, Split, "1234567"), (107, Whole, "é89")];
    check("1234567é89\n".as_bytes(), SPLIT_8, &pieces, 12);
    check(b"123456789\nx\n", DROP_8, &[(110, Whole, "x")], 12);
    check(b"123456789", DROP_8, &[], 0);
}

#[test]
fn dropped_lines_are_counted() {
    let (_, framed) = lines(b"123456789\nx\n", Encoding::Bytes, DROP_8);
    assert_eq!((framed.long, framed.lines), (1, 1));
}

#[test]
fn the_receiver_can_stop_behind_any_line() {
    let mut seen = 0;
    let framed = frame(b"a\nb\nc\n", 0, Encoding::Bytes, SPLIT_8, &mut |_| {
        seen += 1;
        if seen == 2 { Flow::Stop } else { Flow::Continue }
    });
    assert_eq!((framed.taken, framed.lines, framed.stopped), (4, 2, true));
}

#[test]
fn utf_16_is_cut_at_its_own_line_end_and_handed_on_as_utf_8() {
    // U+0A41 holds the byte 0A in either order; it is no line end.
    let text = "a\u{0a41}b\ncé\r\n";
    for (encoding, bytes) in [
        (Encoding::Utf16Le, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        (Encoding::Utf16Be, text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>()),
    ] {
        let limits = Limits { line_bytes_max: 64, long_lines: LongLines::Split };
        let (lines, framed) = lines(&bytes, encoding, limits);
        let expected = [(100, "a\u{0a41}b"), (108, "cé")];
        let expected = expected.map(|(at, text)| (at, Part::Whole, text.to_owned()));
        assert_eq!(lines, expected);
        assert_eq!(framed.taken, bytes.len());
    }
    assert_eq!(Encoding::detect(b"\xff\xfea\0"), (Encoding::Utf16Le, 2));
    assert_eq!(Encoding::detect(b"\xfe\xff\0a"), (Encoding::Utf16Be, 2));
    assert_eq!(Encoding::detect(b"\xef\xbb\xbfa"), (Encoding::Bytes, 0));
    assert_eq!(Encoding::detect(b"a"), (Encoding::Bytes, 0));
}

proptest! {
    /// However the bytes arrive in portions, the same bytes come out, cut at the same places.
    #[test]
    fn portions_change_nothing(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
        cuts in proptest::collection::vec(0_usize..200, 0..6),
        limit in 4_usize..40,
    ) {
        let limits = Limits { line_bytes_max: limit, long_lines: LongLines::Split };
        let (whole, _) = lines(&bytes, Encoding::Bytes, limits);
        let mut ends: Vec<usize> = cuts.into_iter().map(|it| it.min(bytes.len())).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let (mut at, mut portions) = (0, Vec::new());
        for end in ends {
            let (portion, offset) = (&bytes[at..end], 100 + at as u64);
            let framed = frame(portion, offset, Encoding::Bytes, limits, &mut |line| {
                let text = String::from_utf8_lossy(line.text()).into_owned();
                portions.push((line.offset, line.part, text));
                Flow::Continue
            });
            at += framed.taken;
        }
        prop_assert_eq!(whole, portions);
    }
}
