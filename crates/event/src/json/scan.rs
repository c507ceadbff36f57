//! One JSON object, member by member.
//!
//! In: a line. Out: the members of the object that it is, each value as far as it has to be known:
//! numbers, words and strings without escapes as what they are, the rest as the valid JSON that
//! stands there. It always holds that what is passed on is valid by RFC 8259, without halves of
//! surrogate pairs and not nested more than [`DEPTH_MAX`] deep, so that no receiver refuses a batch
//! for it. A general parser was not taken: it would build or decode what is only passed on, at
//! several times the cost; the tests hold this one against it.

use std::borrow::Cow;

use super::string::unescape;
use crate::near::plain_json;
use crate::{Unparsed, Value};

/// Objects and lists within each other, the outermost counted.
pub(crate) const DEPTH_MAX: usize = 32;

const NO_OBJECT: Unparsed = Unparsed::Form("not one JSON object");
const TOO_DEEP: Unparsed = Unparsed::Limit("JSON nested too deep");

/// Calls `each` for each member of the object that `line` is.
pub(crate) fn object<'a>(
    line: &'a str,
    mut each: impl FnMut(Cow<'a, str>, Value<'a>) -> Result<(), Unparsed>,
) -> Result<(), Unparsed> {
    let mut scanner = Scanner { text: line, at: 0 };
    scanner.expect(b'{')?;
    if !scanner.accept(b'}') {
        loop {
            scanner.space();
            let key = match scanner.string()? {
                Text::Plain(key) => Cow::Borrowed(key),
                Text::Escaped(key) => unescape(key).ok_or(NO_OBJECT)?,
            };
            scanner.expect(b':')?;
            each(key, scanner.value()?)?;
            if !scanner.accept(b',') {
                break;
            }
        }
        scanner.expect(b'}')?;
    }
    scanner.space();
    if scanner.at == line.len() { Ok(()) } else { Err(NO_OBJECT) }
}

/// What stands between the quotes of a string.
enum Text<'a> {
    Plain(&'a str),
    Escaped(&'a str),
}

/// A place in a line; never behind its end and always at the beginning of a character.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes the byte if it is what comes next behind spaces.
    fn accept(&mut self, byte: u8) -> bool {
        self.space();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unparsed> {
        if self.accept(byte) { Ok(()) } else { Err(NO_OBJECT) }
    }

    fn since(&self, start: usize) -> Result<&'a str, Unparsed> {
        self.text.get(start..self.at).ok_or(NO_OBJECT)
    }

    fn value(&mut self) -> Result<Value<'a>, Unparsed> {
        self.space();
        let start = self.at;
        match self.peek().ok_or(NO_OBJECT)? {
            b'"' => match self.string()? {
                Text::Plain(text) => Ok(Value::from(text)),
                Text::Escaped(_inner) => Ok(Value::Json(self.since(start)?)),
            },
            b'{' | b'[' => {
                self.nested()?;
                Ok(Value::Json(self.since(start)?))
            }
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Unparsed> {
        let rest = &self.text.as_bytes()[self.at..];
        if !rest.starts_with(word.as_bytes()) {
            return Err(NO_OBJECT);
        }
        self.at += word.len();
        Ok(value)
    }

    /// The inner part of a string, which is valid.
    fn string(&mut self) -> Result<Text<'a>, Unparsed> {
        if self.peek() != Some(b'"') {
            return Err(NO_OBJECT);
        }
        self.at += 1;
        let start = self.at;
        let mut is_plain = true;
        loop {
            self.at += plain_json(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    let inner = self.since(start)?;
                    self.at += 1;
                    return Ok(if is_plain { Text::Plain(inner) } else { Text::Escaped(inner) });
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(NO_OBJECT),
            }
            is_plain = false;
        }
    }

    fn escape(&mut self) -> Result<(), Unparsed> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += match rest {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', ..] => match (unit(rest), rest.get(6..).and_then(unit)) {
                (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
                (Some(0xd800..0xe000) | None, _) => return Err(NO_OBJECT),
                (Some(_), _) => 6,
            },
            _ => return Err(NO_OBJECT),
        };
        Ok(())
    }

    fn number(&mut self) -> Result<Value<'a>, Unparsed> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let whole = self.digits();
        let leads_with_zero = self.text.as_bytes().get(self.at - whole) == Some(&b'0');
        if whole == 0 || (whole > 1 && leads_with_zero) {
            return Err(NO_OBJECT);
        }
        let mut is_whole = true;
        if self.peek() == Some(b'.') {
            self.at += 1;
            is_whole = false;
            if self.digits() == 0 {
                return Err(NO_OBJECT);
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            is_whole = false;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(NO_OBJECT);
            }
        }
        let text = self.since(start)?;
        Ok(match text.parse() {
            Ok(number) if is_whole && text != "-0" => Value::Integer(number),
            // What receivers cannot hold is text to them, not a reason to refuse a batch.
            _ if text.parse::<f64>().is_ok_and(f64::is_finite) => Value::Number(text),
            _ => Value::from(text),
        })
    }

    /// Takes digits and says how many there were.
    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// Takes an object or a list. What is open is one bit a level: 1 for an object.
    fn nested(&mut self) -> Result<(), Unparsed> {
        let (mut open, mut depth) = (0_u64, 1);
        loop {
            self.space();
            if let Some(bracket @ (b'{' | b'[')) = self.peek() {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(TOO_DEEP);
                }
                self.at += 1;
                open = open << 1 | u64::from(bracket == b'{');
                if !self.accept(closing(open)) {
                    self.key_if_object(open)?;
                    continue;
                }
                (open, depth) = (open >> 1, depth - 1);
            } else {
                self.value()?;
            }
            // Behind a value: whatever ends here does.
            loop {
                if depth == 1 {
                    return Ok(());
                }
                if self.accept(b',') {
                    self.key_if_object(open)?;
                    break;
                }
                self.expect(closing(open))?;
                (open, depth) = (open >> 1, depth - 1);
            }
        }
    }

    fn key_if_object(&mut self, open: u64) -> Result<(), Unparsed> {
        if open & 1 == 1 {
            self.space();
            self.string()?;
            self.expect(b':')?;
        }
        Ok(())
    }
}

/// What ends the innermost of the open objects and lists.
fn closing(open: u64) -> u8 {
    if open & 1 == 1 { b'}' } else { b']' }
}

/// The number of `\uXXXX`.
fn unit(text: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = text else { return None };
    digits.get(..4)?.iter().try_fold(0, |number, digit| {
        char::from(*digit).to_digit(16).map(|digit| number << 4 | digit)
    })
}

#[cfg(test)]
mod tests;
