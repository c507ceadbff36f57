//! What a plain scalar means to kubectl.
//!
//! In goes a scalar without quotes, out comes null, a yes-or-no, a number or the text itself. The
//! rules are those of YAML 1.1 as the library behind kubectl has them, tried against kubectl:
//! `yes` and `on` are true, `0644` is octal and so are `0o644` and `0_644`, `1_000` is a thousand,
//! times and numbers to the base 60 stay texts. Numbers that JSON can write keep their digits, so
//! that `1.10` and numbers of any length survive; all others are written in decimal.

use serde_json::{Number, Value};

/// The meaning of a plain scalar. `None` for the infinities, which JSON cannot write.
pub(crate) fn plain(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Some(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => return None,
        _ => {}
    }
    Some(number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number))
}

/// The number that a plain scalar is, if it is one.
fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    if text.starts_with('.') && !underscores_separate_digits(text) {
        return None;
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| decimal(&digits))
}

/// After a leading point they must; elsewhere they may stand anywhere.
fn underscores_separate_digits(text: &str) -> bool {
    let mut parts = text.split('_').peekable();
    let mut is_first = true;
    while let Some(part) = parts.next() {
        let starts = is_first || part.starts_with(|first: char| first.is_ascii_digit());
        let ends = parts.peek().is_none() || part.ends_with(|last: char| last.is_ascii_digit());
        if !starts || !ends {
            return false;
        }
        is_first = false;
    }
    true
}

/// A whole number of 64 bits. A leading 0 means octal, with or without an `o`.
fn integer(digits: &str) -> Option<Number> {
    let (negative, magnitude) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    if !magnitude.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let radix = |prefixes: [&str; 2]| {
        prefixes
            .iter()
            .find_map(|prefix| magnitude.strip_prefix(prefix))
            .filter(|rest| rest.starts_with(|first: char| first.is_ascii_hexdigit()))
    };
    let value = if let Some(rest) = radix(["0x", "0X"]) {
        u64::from_str_radix(rest, 16)
    } else if let Some(rest) = radix(["0b", "0B"]) {
        u64::from_str_radix(rest, 2)
    } else if let Some(rest) = radix(["0o", "0O"]) {
        u64::from_str_radix(rest, 8)
    } else if magnitude.len() > 1 && magnitude.starts_with('0') {
        u64::from_str_radix(magnitude, 8)
    } else {
        magnitude.parse()
    };
    let value = i128::from(value.ok()?);
    match negative {
        true if digits == "-0" => digits.parse().ok(),
        true => i64::try_from(-value).ok().map(Number::from),
        false => u64::try_from(value).ok().map(Number::from),
    }
}

/// A number with a fraction, an exponent or too many digits for 64 bits.
fn decimal(digits: &str) -> Option<Number> {
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        all_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent), 1)
    });
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => all_digits(fraction, 1),
        Some((whole, fraction)) => all_digits(whole, 1) && all_digits(fraction, 0),
        None => all_digits(mantissa, 1),
    };
    if !exponent_fits || !mantissa_fits {
        return None;
    }
    let value: f64 = digits.parse().ok().filter(|value: &f64| value.is_finite())?;
    digits.parse().ok().or_else(|| whole_or_fraction(value))
}

/// Digits that JSON does not write, such as `.5`, `5.` and `089`.
fn whole_or_fraction(value: f64) -> Option<Number> {
    let text = format!("{value}");
    text.parse().ok()
}

fn all_digits(text: &str, least: usize) -> bool {
    text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text that a key becomes. `None` for what kubectl refuses: nothing, and whole numbers above
/// those of 63 bits.
pub(crate) fn key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(answer) => Some(answer.to_string()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(whole.to_string()),
            None if number.is_u64() => None,
            None => number.as_f64().map(short_float),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A float with the digits of 32 bits; large and small ones with an exponent of two digits.
#[expect(clippy::cast_possible_truncation, reason = "kubectl narrows such keys too")]
fn short_float(value: f64) -> String {
    let value = value as f32;
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(texts: &[&str], expected: &Value) {
        for text in texts {
            assert_eq!(plain(text).as_ref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn words() {
        check(&["", "~", "null", "Null", "NULL"], &Value::Null);
        check(&["y", "Y", "yes", "YES", "on", "On", "true", "TRUE"], &json!(true));
        check(&["n", "N", "no", "NO", "off", "Off", "false", "FALSE"], &json!(false));
        for text in ["yES", "tRUE", "nULL", "always", "1:30", "2020-01-01", "v1.29", "10.0.0.1"] {
            check(&[text], &json!(text));
        }
        for text in [".nan", ".inf", "-.Inf", "+.INF"] {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers() {
        check(&["420", "0644", "0o644", "0O644", "0x1A4", "0X1a4", "4_20", "+420"], &json!(420));
        check(&["0b110100100", "0_644", "0o_644", "0x_1a4", "420_"], &json!(420));
        check(&["-31", "-0x1F", "-0o37", "-037", "-_31"], &json!(-31));
        check(&["18446744073709551615", "0xFFFFFFFFFFFFFFFF"], &json!(u64::MAX));
        check(&["-9223372036854775808"], &json!(i64::MIN));
        check(&["08"], &json!(8));
        check(&["0", "00", "0_"], &json!(0));
        for text in
            ["0x", "0o", "0o8", "0b2", "0b12", "_1", "--5", "+", "-", "0xFFFFFFFFFFFFFFFFFF"]
        {
            check(&[text], &json!(text));
        }
    }

    #[test]
    fn fractions() {
        check(&[".5", "+.5", "0.5", "0.5_"], &json!(0.5));
        check(&["-.5", "-0.5", "-.5_0"], &json!(-0.5));
        check(&["07.5"], &json!(7.5));
        check(&["5."], &json!(5));
        for text in [".", "._5", ".1_", ".1__0", ".5_e1", "1e+", "0e", "1.2.3", "1e400", "0x1p4"] {
            check(&[text], &json!(text));
        }
        for text in ["1.10", "1e+3", "123456789012345678901", "0.1234567890123456789", "-0"] {
            assert_eq!(plain(text).unwrap().to_string(), text, "{text}");
        }
        assert_eq!(plain(".5e1_0").unwrap().as_f64(), Some(5e9));
    }

    #[test]
    fn keys() {
        for (text, expected) in [
            ("a", "a"),
            ("yes", "true"),
            ("0x10", "16"),
            ("1.0", "1"),
            ("1.50", "1.5"),
            ("123456.5", "123456.5"),
            ("1234567.5", "1.2345675e+06"),
            ("1e6", "1e+06"),
            ("1e-5", "1e-05"),
            ("0.0001", "0.0001"),
        ] {
            assert_eq!(key(plain(text).unwrap()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(key(plain("~").unwrap()), None);
        assert_eq!(key(plain("18446744073709551615").unwrap()), None);
    }
}
