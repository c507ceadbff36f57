//! Texts from a log as label values.
//!
//! In: raw bytes that a client may have chosen. Out: UTF-8 of bounded length. Two values that are
//! shown alike must be counted as one, or Prometheus refuses the whole page; so a value is made fit
//! before it is looked up, not when it is shown. A value that is fit already is borrowed.

use std::borrow::Cow;

/// Bytes of a label's value.
pub(crate) const LABEL_BYTES_MAX: usize = 128;
/// Stands for all values that are not told apart.
pub(crate) const OTHER: &str = "other";
/// An empty value would be no label at all to Prometheus.
const EMPTY: &str = "-";

/// The host of a request as a label: in lower case, never empty.
pub(crate) fn host(raw: &[u8]) -> Cow<'_, [u8]> {
    let is_fit = |byte: &u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    if raw.is_empty() {
        return Cow::Borrowed(EMPTY.as_bytes());
    }
    if raw.len() <= LABEL_BYTES_MAX && raw.iter().fold(true, |all, byte| all & is_fit(byte)) {
        return Cow::Borrowed(raw);
    }
    let start = &raw[..raw.len().min(2 * LABEL_BYTES_MAX)];
    let text = String::from_utf8_lossy(start).to_lowercase();
    Cow::Owned(bounded(&text, LABEL_BYTES_MAX).as_bytes().to_vec())
}

/// The beginning of a text, cut between two characters.
pub(crate) fn bounded(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_made_fit_for_a_label() {
        let text = |raw: &[u8]| String::from_utf8(host(raw).into_owned()).unwrap();
        assert!(matches!(host(b"a.example:8080"), Cow::Borrowed(_)));
        assert_eq!(text(b"A.Example"), "a.example");
        assert_eq!(text(b""), "-");
        assert_eq!(text(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(text("é".repeat(100).as_bytes()), "é".repeat(64));
        assert_eq!(text("x".repeat(500).as_bytes()).len(), LABEL_BYTES_MAX);
        assert_eq!(text("€".repeat(500).as_bytes()).len(), 126);
    }
}
