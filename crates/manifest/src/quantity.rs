//! Amounts of CPU and memory as Kubernetes writes them.
//!
//! In goes `100m`, `1Gi`, `1.5` or `1e3`, out comes an exact number that can be added and compared
//! and that prints as Kubernetes prints it: in the notation of the first operand, with the largest
//! unit that needs no fraction. Counted in billionths, the smallest unit there is; what is finer
//! is rounded up, as Kubernetes does. Floats would not add exactly.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Add;
use std::str::FromStr;

/// An amount of something.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quantity {
    billionths: i128,
    notation: Notation,
}

/// How an amount is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Notation {
    /// `m`, `k`, `M`
    #[default]
    Decimal,
    /// `Ki`, `Mi`
    Binary,
    /// `e3`, `e6`
    Exponent,
}

/// A text that is no amount, or one too large to add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an amount such as 100m, 1.5 or 64Mi")]
pub struct QuantityError;

const ONE: i128 = 1_000_000_000;
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// From 10⁻⁹ in steps of a thousand.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

impl Quantity {
    /// Whether it is 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.billionths == 0
    }
}

impl Add for Quantity {
    type Output = Quantity;

    fn add(self, other: Quantity) -> Quantity {
        let notation = if self.is_zero() { other.notation } else { self.notation };
        Quantity { billionths: self.billionths.saturating_add(other.billionths), notation }
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.billionths.cmp(&other.billionths)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    /// By amount: `1000m` is `1`.
    fn eq(&self, other: &Self) -> bool {
        self.billionths == other.billionths
    }
}

impl Eq for Quantity {}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let is_digit = |digit: char| digit.is_ascii_digit();
        let end = rest.find(|digit| !is_digit(digit) && digit != '.').unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let number = format!("{whole}{fraction}");
        if number.is_empty() || !number.chars().all(is_digit) {
            return Err(QuantityError);
        }
        let number: i128 = number.parse().or(Err(QuantityError))?;
        let (factor, divisor, notation) = unit(suffix).ok_or(QuantityError)?;
        let scale = u32::try_from(fraction.len()).or(Err(QuantityError))?;
        let divisor = 10_i128.checked_pow(scale).and_then(|scale| scale.checked_mul(divisor));
        let amount = number.checked_mul(factor).zip(divisor);
        let (amount, divisor) = amount.ok_or(QuantityError)?;
        let billionths = amount / divisor + i128::from(amount % divisor != 0);
        let billionths = if negative { -billionths } else { billionths };
        Ok(Self { billionths, notation })
    }
}

/// What a suffix multiplies billionths by and divides them by.
fn unit(suffix: &str) -> Option<(i128, i128, Notation)> {
    if let Some(step) = BINARY.iter().position(|unit| *unit == suffix) {
        return Some((1024_i128.pow(u32::try_from(step).ok()? + 1) * ONE, 1, Notation::Binary));
    }
    if let Some(step) = DECIMAL.iter().position(|unit| *unit == suffix) {
        return Some((1000_i128.pow(u32::try_from(step).ok()?), 1, Notation::Decimal));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    match exponent < 0 {
        true => Some((ONE, power, Notation::Exponent)),
        false => Some((ONE.checked_mul(power)?, 1, Notation::Exponent)),
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let amount = self.billionths;
        if self.notation == Notation::Binary && amount % ONE == 0 && amount.abs() >= 1024 * ONE {
            let (number, steps) = divide(amount / ONE, 1024, BINARY.len());
            return match steps.checked_sub(1) {
                Some(step) => write!(f, "{number}{}", BINARY[step]),
                None => write!(f, "{number}"),
            };
        }
        let (number, steps) = divide(amount, 1000, DECIMAL.len() - 1);
        match (self.notation, DECIMAL[steps]) {
            (Notation::Exponent, "") | (_, "") => write!(f, "{number}"),
            (Notation::Exponent, unit) => {
                let exponent = DECIMAL.iter().position(|known| *known == unit).unwrap_or(3);
                write!(f, "{number}e{}", i64::try_from(exponent).unwrap_or(3) * 3 - 9)
            }
            (_, unit) => write!(f, "{number}{unit}"),
        }
    }
}

/// `number` without the factors of `base` in it, at most `steps_max` of them, and how many.
fn divide(mut number: i128, base: i128, steps_max: usize) -> (i128, usize) {
    let mut steps = 0;
    while number % base == 0 && steps < steps_max {
        number /= base;
        steps += 1;
    }
    (number, steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn printed_as_kubernetes_prints() {
        for (text, expected) in [
            ("100m", "100m"),
            ("0.1", "100m"),
            ("1.5", "1500m"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("1Gi", "1Gi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("100Ki", "100Ki"),
            ("512", "512"),
            ("0.5Ki", "512"),
            ("1e3", "1e3"),
            ("1E4", "10e3"),
            ("1e-3", "1e-3"),
            ("5", "5"),
            ("5e0", "5"),
            ("1E", "1E"),
            ("0Mi", "0"),
            ("-5m", "-5m"),
            ("+.5", "500m"),
            ("1.", "1"),
            ("0.1n", "1n"),
        ] {
            assert_eq!(quantity(text).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn no_amounts() {
        for text in ["", "m", ".", "1 Gi", "1gi", "1K", "1.2.3", "1e", "--1", "1e99", "0x1", "1Gi "]
        {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError), "{text}");
        }
        assert!("9".repeat(50).parse::<Quantity>().is_err());
    }

    #[test]
    fn sums_and_order() {
        assert_eq!((quantity("0") + quantity("64Mi") + quantity("64Mi")).to_string(), "128Mi");
        assert_eq!((quantity("100m") + quantity("1.5")).to_string(), "1600m");
        assert_eq!((quantity("1Gi") + quantity("1M")).to_string(), "1074741824");
        assert_eq!(quantity("1000m"), quantity("1"));
        assert!(quantity("1Gi") > quantity("1G"));
        assert!(quantity("-1") < Quantity::default());
    }
}
