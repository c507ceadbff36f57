//! Requests typed by hand: a line of words instead of an array.
//!
//! The rules are those of Redis' own splitting: words apart by blanks; "double quotes" know \n \r
//! \t \b \a and \xNN, 'single quotes' know \' alone; a closing quote must be followed by a blank or
//! the end. A word is copied, since quotes and escapes change it; the line is at most
//! `INLINE_MAX` long, and with it the copies.

use crate::ProtocolError;

/// The words of a line, its line end included or not.
pub fn split_inline(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        at += line[at..].iter().take_while(|byte| is_blank(**byte)).count();
        if at == line.len() {
            return Ok(words);
        }
        let mut word = Vec::new();
        at = take_word(line, at, &mut word)?;
        words.push(word);
    }
}

/// Appends the word at `at` and returns where it ended.
fn take_word(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Result<usize, ProtocolError> {
    while let Some(byte) = line.get(at) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return Ok(at),
            b'"' | b'\'' => return take_quoted(line, at, word),
            byte => word.push(*byte),
        }
        at += 1;
    }
    Ok(at)
}

/// Appends what the quote at `at` encloses; the word ends with it.
fn take_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Result<usize, ProtocolError> {
    let quote = line[at];
    at += 1;
    loop {
        match (quote, line.get(at..).unwrap_or_default()) {
            (_, []) => return Err(ProtocolError::UnbalancedQuotes),
            (_, [byte, rest @ ..]) if *byte == quote => {
                return match rest.first() {
                    Some(next) if !is_blank(*next) => Err(ProtocolError::UnbalancedQuotes),
                    _ => Ok(at + 1),
                };
            }
            (b'"', [b'\\', b'x', high, low, ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(*high) << 4 | hex(*low));
                at += 4;
            }
            (b'"', [b'\\', escaped, ..]) => {
                word.push(unescaped(*escaped));
                at += 2;
            }
            (b'\'', [b'\\', b'\'', ..]) => {
                word.push(b'\'');
                at += 2;
            }
            (_, [byte, ..]) => {
                word.push(*byte);
                at += 1;
            }
        }
    }
}

/// As C's `isspace`.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => b'\x08',
        b'a' => b'\x07',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::split_inline;
    use crate::ProtocolError;

    fn check(line: &[u8], words: &[&[u8]]) {
        assert_eq!(split_inline(line).unwrap(), words, "{:?}", line.escape_ascii().to_string());
    }

    #[test]
    fn words_and_quotes() {
        check(b"", &[]);
        check(b" \t\x0b\x0c \r\n", &[]);
        check(b"PING\r\n", &[b"PING"]);
        check(b"PING\n", &[b"PING"]);
        check(b"  set  k  v ", &[b"set", b"k", b"v"]);
        check(br#"set "a b" 'c d'"#, &[b"set", b"a b", b"c d"]);
        check(br#"x "\x41\n\r\t\b\a\q\"""#, &[b"x", b"A\n\r\t\x08\x07q\""]);
        check(br#"x "\xZZ""#, &[b"x", b"xZZ"]);
        check(br"x 'it\'s \n'", &[b"x", br"it's \n"]);
        check(br#"x """#, &[b"x", b""]);
        check(br#"foo"bar" baz"#, &[b"foobar", b"baz"]);
        check(b"a\x0bb", &[b"a\x0bb"]);
        check(b"a\0b", &[b"a\0b"]);
    }

    #[test]
    fn unbalanced_quotes() {
        for line in [&b"\"abc"[..], b"'abc", b"\"a\"b", b"'a'b", b"\"abc\\", b"a \""] {
            assert_eq!(split_inline(line), Err(ProtocolError::UnbalancedQuotes));
        }
    }
}
