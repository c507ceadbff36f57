//! The few forms of protobuf that the sinks write and read.
//!
//! In: field numbers and values. Out: bytes in the order they are written. Fields are below 16, so
//! that a key is one byte. A message goes straight into the buffer of the batch, without a tree of
//! values in between; generated code would allocate one for each line. The tests of the sinks read
//! the result with generated code.

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED32: u8 = 5;

/// Bytes of the longest varint.
const VARINT_BYTES_MAX: usize = 10;

/// `value` in groups of seven bits, the lowest first, and how many bytes that takes.
fn varint_of(mut value: u64) -> ([u8; VARINT_BYTES_MAX], usize) {
    let (mut bytes, mut len) = ([0; VARINT_BYTES_MAX], 0);
    while value >= 0x80 {
        bytes[len] = value.to_le_bytes()[0] | 0x80;
        value >>= 7;
        len += 1;
    }
    bytes[len] = value.to_le_bytes()[0];
    (bytes, len + 1)
}

fn varint(out: &mut Vec<u8>, value: u64) {
    let (bytes, len) = varint_of(value);
    out.extend_from_slice(&bytes[..len]);
}

fn key(out: &mut Vec<u8>, field: u8, wire: u8) {
    debug_assert!((1..16).contains(&field), "one byte");
    out.push(field << 3 | wire);
}

pub(crate) fn integer(out: &mut Vec<u8>, field: u8, value: u64) {
    key(out, field, VARINT);
    varint(out, value);
}

pub(crate) fn fixed64(out: &mut Vec<u8>, field: u8, value: u64) {
    key(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    key(out, field, LENGTH);
    match u8::try_from(value.len()) {
        Ok(length @ 0..0x80) => out.push(length),
        _ => varint(out, value.len() as u64),
    }
    out.extend_from_slice(value);
}

/// Appends a message that `write` writes.
pub(crate) fn message(out: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, LENGTH);
    let at = out.len();
    // Room for the length of a short message; a longer one is moved.
    out.push(0);
    write(out);
    let from = at + 1;
    let (length, len) = varint_of((out.len() - from) as u64);
    if len > 1 {
        let end = out.len();
        out.resize(end + len - 1, 0);
        out.copy_within(from..end, at + len);
    }
    out[at..at + len].copy_from_slice(&length[..len]);
}

/// Appends what stands before a message of so many bytes.
pub(crate) fn head(out: &mut Vec<u8>, field: u8, length: usize) {
    key(out, field, LENGTH);
    varint(out, length as u64);
}

/// Appends a message that is written already, in parts: a batch is not moved, as by [`message`].
pub(crate) fn message_of(out: &mut Vec<u8>, field: u8, parts: &[&[u8]]) {
    head(out, field, parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends a message of two texts, fields 1 and 2. A record has ten of them, so the usual one, with
/// lengths of one byte each, is written at once.
pub(crate) fn pair(out: &mut Vec<u8>, field: u8, name: &str, value: &str) {
    let (name, value) = (name.as_bytes(), value.as_bytes());
    let own = u8::try_from(name.len() + value.len() + 4);
    let lengths = (own, u8::try_from(name.len()), u8::try_from(value.len()));
    let (Ok(own @ 0..0x80), Ok(of_name), Ok(of_value)) = lengths else {
        return message(out, field, |out| {
            bytes(out, 1, name);
            bytes(out, 2, value);
        });
    };
    out.reserve(usize::from(own) + 2);
    out.extend_from_slice(&[field << 3 | LENGTH, own, 1 << 3 | LENGTH, of_name]);
    out.extend_from_slice(name);
    out.extend_from_slice(&[2 << 3 | LENGTH, of_value]);
    out.extend_from_slice(value);
}

/// The same with the second text in a message of its own, there field 1.
pub(crate) fn nested_pair(out: &mut Vec<u8>, field: u8, name: &str, value: &str) {
    let (name, value) = (name.as_bytes(), value.as_bytes());
    let own = u8::try_from(name.len() + value.len() + 6);
    let lengths = (own, u8::try_from(name.len()), u8::try_from(value.len()));
    let (Ok(own @ 0..0x80), Ok(of_name), Ok(of_value)) = lengths else {
        return message(out, field, |out| {
            bytes(out, 1, name);
            message(out, 2, |out| bytes(out, 1, value));
        });
    };
    out.reserve(usize::from(own) + 2);
    out.extend_from_slice(&[field << 3 | LENGTH, own, 1 << 3 | LENGTH, of_name]);
    out.extend_from_slice(name);
    out.extend_from_slice(&[2 << 3 | LENGTH, of_value + 2, 1 << 3 | LENGTH, of_value]);
    out.extend_from_slice(value);
}

/// The value of a field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
}

/// Reads the next field of a message; `None` at its end, and where it is no protobuf.
pub(crate) fn next_field<'a>(message: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let key = read_varint(message)?;
    let value = match u8::try_from(key & 7).ok()? {
        VARINT => Value::Integer(read_varint(message)?),
        FIXED64 => Value::Bytes(take(message, 8)?),
        FIXED32 => Value::Bytes(take(message, 4)?),
        LENGTH => {
            let length = usize::try_from(read_varint(message)?).ok()?;
            Value::Bytes(take(message, length)?)
        }
        _ => return None,
    };
    Some((key >> 3, value))
}

fn read_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 300, 70_000] {
            let text = vec![b'x'; length];
            let mut out = vec![0xff];
            message(&mut out, 3, |out| {
                integer(out, 1, u64::MAX);
                bytes(out, 2, &text);
                fixed64(out, 4, 7);
            });
            let mut rest = &out[1..];
            let Some((3, Value::Bytes(mut inner))) = next_field(&mut rest) else { panic!() };
            assert!(rest.is_empty());
            assert_eq!(next_field(&mut inner), Some((1, Value::Integer(u64::MAX))));
            assert_eq!(next_field(&mut inner), Some((2, Value::Bytes(&text))));
            assert_eq!(next_field(&mut inner), Some((4, Value::Bytes(&7_u64.to_le_bytes()))));
            assert_eq!(next_field(&mut inner), None);
        }
    }

    #[test]
    fn pairs_are_messages_of_two_texts() {
        for (name, value) in [(0, 0), (5, 9), (60, 61), (60, 62), (60, 63), (60, 64), (200, 3)] {
            let (name, value) = ("n".repeat(name), "v".repeat(value));
            let [mut short, mut nested] = [Vec::new(), Vec::new()];
            pair(&mut short, 3, &name, &value);
            nested_pair(&mut nested, 3, &name, &value);
            let mut inner = Vec::new();
            bytes(&mut inner, 1, value.as_bytes());
            for (out, value) in [(short, value.as_bytes()), (nested, &inner)] {
                let mut rest = &out[..];
                let Some((3, Value::Bytes(mut inner))) = next_field(&mut rest) else { panic!() };
                assert!(rest.is_empty());
                assert_eq!(next_field(&mut inner), Some((1, Value::Bytes(name.as_bytes()))));
                assert_eq!(next_field(&mut inner), Some((2, Value::Bytes(value))));
                assert_eq!(next_field(&mut inner), None);
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_no_field() {
        let mut out = Vec::new();
        bytes(&mut out, 1, b"hello");
        for length in 0..out.len() {
            assert_eq!(next_field(&mut &out[..length]), None);
        }
        assert_eq!(next_field(&mut &[0xff; 20][..]), None);
    }
}
