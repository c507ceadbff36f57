//! Reading into a complete reply without a tree: its elements, or its number.
//!
//! What a proxy merges is flat: the values of several MGETs, the counts of several DELs. So an
//! element is handed out as the bytes it has, whatever is in it, to be copied into another reply.
//! Attributes in front of the reply are passed over. A frame that is not complete, or no
//! aggregate, gives `None` rather than an error: the caller has one answer to both.

use crate::{ReplyScan, number};

/// Attributes in front of one reply at most.
const ATTRIBUTES_MAX: usize = 8;

/// The elements of an aggregate, each as its whole bytes, in order.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
    left: usize,
}

/// The elements of a complete array, set, push or map (whose keys and values come in turns).
/// `None` for any other reply, the null array among them.
#[must_use]
pub fn elements(frame: &[u8]) -> Option<Elements<'_>> {
    let mut frame = frame;
    for _ in 0..ATTRIBUTES_MAX {
        let (count, start) = number::line(frame, 1)?;
        let elements = Elements { rest: frame.get(start..)?, left: count };
        match frame.first()? {
            b'*' | b'~' | b'>' => return Some(elements),
            b'%' => return Some(Elements { left: count * 2, ..elements }),
            b'|' => {
                let mut attribute = Elements { left: count * 2, ..elements };
                while attribute.left > 0 {
                    attribute.next()?;
                }
                frame = attribute.rest;
            }
            _ => return None,
        }
    }
    None
}

impl Elements<'_> {
    /// How many elements the header announced and that have not been handed out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.left
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    /// `None` too where the frame ends too early.
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        match ReplyScan::new().advance(self.rest) {
            Ok((length, true)) => {
                let (element, rest) = self.rest.split_at(length);
                self.rest = rest;
                Some(element)
            }
            _ => {
                self.left = 0;
                None
            }
        }
    }
}

/// The number of a complete `:n`.
#[must_use]
pub fn integer(frame: &[u8]) -> Option<i64> {
    match frame {
        [b':', digits @ .., b'\r', b'\n'] => number::parse(digits),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{elements, integer};

    fn check(frame: &str, expected: Option<&[&str]>) {
        let found: Option<Vec<&str>> = elements(frame.as_bytes()).map(|elements| {
            let announced = elements.len();
            let found: Vec<_> = elements.map(|bytes| str::from_utf8(bytes).unwrap()).collect();
            assert_eq!(found.len(), announced);
            found
        });
        assert_eq!(found.as_deref(), expected, "{frame:?}");
    }

    #[test]
    fn elements_of_every_aggregate() {
        check("*0\r\n", Some(&[]));
        check("*2\r\n$1\r\na\r\n$-1\r\n", Some(&["$1\r\na\r\n", "$-1\r\n"]));
        check("*2\r\n*1\r\n:1\r\n_\r\n", Some(&["*1\r\n:1\r\n", "_\r\n"]));
        check("~1\r\n+a\r\n", Some(&["+a\r\n"]));
        check(">1\r\n+a\r\n", Some(&["+a\r\n"]));
        check("%1\r\n+a\r\n%0\r\n", Some(&["+a\r\n", "%0\r\n"]));
        check(
            "|1\r\n+a\r\n+b\r\n*1\r\n|1\r\n+c\r\n+d\r\n:1\r\n",
            Some(&["|1\r\n+c\r\n+d\r\n:1\r\n"]),
        );
        for other in ["*-1\r\n", "$1\r\na\r\n", "+OK\r\n", "_\r\n", "", "*", "|1\r\n+a\r\n"] {
            check(other, None);
        }
    }

    #[test]
    fn integers() {
        assert_eq!(integer(b":12\r\n"), Some(12));
        assert_eq!(integer(b":-3\r\n"), Some(-3));
        assert_eq!(integer(b":\r\n"), None);
        assert_eq!(integer(b"+12\r\n"), None);
        assert_eq!(integer(b":12"), None);
    }
}
