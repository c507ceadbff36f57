//! The value of a field.
//!
//! In: what a parser found. Out: the same as JSON, or as text for receivers that know nothing else.
//! What is valid JSON in the line already, whole or in part, stays as it is: it is neither decoded
//! nor encoded again. Numbers with a fraction stay text too, so that none is rounded on its way.

use std::borrow::Cow;

use crate::json;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    /// A JSON number that is not whole or does not fit into 64 bits, such as `0.003`.
    Number(&'a str),
    Bool(bool),
    Null,
    /// Valid JSON that has to be passed through: an object, a list, or a string with escapes.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// Appends the value as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Text(text) => json_escape_simd::escape_into(text.as_ref(), out),
            Value::Integer(number) => {
                out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            }
            Value::Number(raw) => out.extend_from_slice(raw.as_bytes()),
            Value::Json(raw) => {
                // A line end can only stand between tokens, and would end a record there.
                let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
                let mut parts = raw.as_bytes().split(is_end);
                out.extend_from_slice(parts.next().unwrap_or_default());
                for part in parts {
                    out.push(b' ');
                    out.extend_from_slice(part);
                }
            }
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Null => out.extend_from_slice(b"null"),
        }
    }

    /// The value as text: strings without quotes and escapes, everything else as JSON has it.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Value::Text(text) => Cow::Borrowed(text),
            Value::Integer(number) => Cow::Owned(itoa::Buffer::new().format(*number).to_owned()),
            Value::Number(raw) => Cow::Borrowed(raw),
            Value::Json(raw) => json::decode_string(raw).unwrap_or_else(|| match raw {
                raw if raw.contains(['\n', '\r']) => Cow::Owned(raw.replace(['\n', '\r'], " ")),
                raw => Cow::Borrowed(raw),
            }),
            Value::Bool(true) => Cow::Borrowed("true"),
            Value::Bool(false) => Cow::Borrowed("false"),
            Value::Null => Cow::Borrowed("null"),
        }
    }

    /// The text of a string, whether it had escapes or not; none for what is no string.
    #[must_use]
    pub fn as_string(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Json(raw) => json::decode_string(raw),
            _ => None,
        }
    }

    /// A number, rounded if it must be; none for what is no number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "a fraction cannot do better")]
            Value::Integer(number) => Some(*number as f64),
            Value::Number(raw) => raw.parse().ok(),
            _ => None,
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(Cow::Borrowed(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_json_and_as_text() {
        for (value, json, text) in [
            (Value::from("a\"b\n"), r#""a\"b\n""#, "a\"b\n"),
            (Value::Integer(i64::MIN), "-9223372036854775808", "-9223372036854775808"),
            (Value::Number("0.003"), "0.003", "0.003"),
            (Value::Bool(true), "true", "true"),
            (Value::Bool(false), "false", "false"),
            (Value::Null, "null", "null"),
            (Value::Json(r#""a\u00e4\n""#), r#""a\u00e4\n""#, "aä\n"),
            (Value::Json(r#"{"a":[1]}"#), r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (Value::Json("{\n \"a\":\r\n1}"), "{  \"a\":  1}", "{  \"a\":  1}"),
        ] {
            let mut out = b">".to_vec();
            value.write_json(&mut out);
            assert_eq!(out, [b">", json.as_bytes()].concat());
            assert_eq!(value.text(), text);
        }
        assert_eq!(Value::Number("1.5").as_f64(), Some(1.5));
        assert_eq!(Value::Integer(2).as_f64(), Some(2.0));
        assert_eq!(Value::from("1").as_f64(), None);
        assert_eq!(Value::Json("[]").as_string(), None);
        assert_eq!(Value::Json(r#""\t""#).as_string().as_deref(), Some("\t"));
    }
}
