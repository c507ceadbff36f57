//! The line in a syslog message of nginx.
//!
//! In: a datagram such as `<190>Nov 22 06:44:12 host nginx: LINE`. The host is left out with
//! `nohostname`, and empty while nginx starts. Out: the line; nothing if it is no such message. The
//! line may hold anything, so everything is read from the front.

/// `Nov 22 06:44:12 `
const TIME_BYTES: usize = 16;
/// Digits of a priority.
const PRIORITY_DIGITS_MAX: usize = 3;

pub(super) fn line_of(message: &[u8]) -> Option<&[u8]> {
    let rest = message.strip_prefix(b"<")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > PRIORITY_DIGITS_MAX {
        return None;
    }
    let rest = rest[digits..].strip_prefix(b">")?;
    let (time, rest) = rest.split_at_checked(TIME_BYTES)?;
    if [time[3], time[6], time[15]] != [b' '; 3] || [time[9], time[12]] != [b':'; 2] {
        return None;
    }
    let (first, behind) = cut_word(rest)?;
    let line = match first.ends_with(b":") {
        true => behind,
        false => cut_word(behind).filter(|(tag, _)| tag.ends_with(b":"))?.1,
    };
    // Other senders end their messages as lines.
    Some(line.strip_suffix(b"\n").unwrap_or(line))
}

fn cut_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b' ', text)?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_line_stands_behind_the_tag() {
        for (message, expected) in [
            ("<190>Nov 22 06:44:12 host nginx: a b: c", Some("a b: c")),
            ("<190>Nov 22 06:44:12 nginx: a b: c", Some("a b: c")),
            ("<189>Nov 22 06:44:12  nginx: while it starts", Some("while it starts")),
            ("<6>Nov  2 06:44:12 my_tag: x", Some("x")),
            ("<190>Nov 22 06:44:12 nginx: ", Some("")),
            ("<190>Nov 22 06:44:12 nginx: x\n", Some("x")),
            ("<190>Nov 22 06:44:12 a b c: x", None),
            ("<190>Nov 22 06:44:12 nginx:", None),
            ("<1900>Nov 22 06:44:12 nginx: x", None),
            ("<>Nov 22 06:44:12 nginx: x", None),
            ("<190>1 2026-11-22T06:44:12Z host nginx - - - x", None),
            ("plain", None),
            ("", None),
        ] {
            assert_eq!(line_of(message.as_bytes()), expected.map(str::as_bytes), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            any in proptest::collection::vec(any::<u8>(), 0..60),
            front in "<[0-9]{0,4}>[A-Z :0-9]{0,20}[a-z: ]{0,10}",
        ) {
            let _any = (line_of(&any), line_of(front.as_bytes()));
        }
    }
}
