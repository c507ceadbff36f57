//! Card numbers: 13 to 19 digits in one piece, or grouped as on the cards.
//!
//! In 13 bytes that belong to one number the thirteenth belongs to it too, so only every thirteenth
//! byte of a text without long numbers is looked at. What has the right length is a card number if
//! it begins as the networks number their cards and its last digit is that of Luhn's sum. Times in
//! milli-, micro- and nanoseconds begin with a 1, which no network uses.

use std::ops::{Range, RangeInclusive};

use super::scan;

const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
/// Every number has a byte at each multiple of this.
const STRIDE: usize = DIGITS_MIN;
/// How the numbers on cards are grouped.
const GROUPS: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 5]];

pub(super) fn find(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut floor = from;
    let mut at = floor + STRIDE - 1;
    while at < text.len() {
        // A run that is long enough reaches to one side or the other.
        let (before, behind) = (at.saturating_sub(STRIDE / 2), at + STRIDE / 2);
        let is_long = is_of_run(text, before) || is_of_run(text, behind);
        if !is_long || !is_of_run(text, at) {
            at += STRIDE;
            continue;
        }
        let mut start = at;
        while start > floor && is_of_run(text, start - 1) {
            start -= 1;
        }
        scan::note(at - start);
        match find_in_run(text, scan::behind_escape(text, start)) {
            Ok(card) => return Some(card),
            Err(end) => floor = end,
        }
        at = floor + STRIDE;
    }
    None
}

/// A digit, or what separates two.
fn is_of_run(text: &[u8], at: usize) -> bool {
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let separates = text.get(at).is_some_and(|byte| is_separator(*byte)) && at > 0;
    is_digit(at) || separates && is_digit(at - 1) && is_digit(at + 1)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-')
}

/// The first card number among the groups of digits from `start` on, or where they end.
fn find_in_run(text: &[u8], start: usize) -> Result<Range<usize>, usize> {
    let is_fraction = start >= 2 && text[start - 1] == b'.' && text[start - 2].is_ascii_digit();
    let mut is_part = is_fraction || scan::goes_on_before(text, start);
    let mut start = start;
    loop {
        let end = scan::end_of(text, start, |byte| byte.is_ascii_digit());
        if !is_part && let Some(end) = card_at(text, start, end) {
            return Ok(start..end);
        }
        is_part = false;
        if !is_of_run(text, end) {
            return Err(end.max(start + 1));
        }
        start = end + 1;
    }
}

/// Where the card number ends that begins with this group of digits.
fn card_at(text: &[u8], start: usize, group_end: usize) -> Option<usize> {
    let is_grouped = text.get(group_end).is_some_and(|byte| is_separator(*byte));
    let alone = [group_end - start];
    let forms: &[&[usize]] = match alone[0] {
        4 if is_grouped => &GROUPS,
        DIGITS_MIN..=DIGITS_MAX => &[&alone],
        _ => return None,
    };
    let mut ends = forms.iter().filter_map(|groups| {
        let end = start + groups.iter().sum::<usize>() + groups.len() - 1;
        let number = text.get(start..end)?;
        scan::note(number.len());
        (has_groups(number, groups) && is_card(number)).then_some(end)
    });
    ends.find(|end| !scan::goes_on_at(text, *end) && !is_fraction(text, *end))
}

/// Digits in groups of these sizes, with one kind of separator.
fn has_groups(number: &[u8], groups: &[usize]) -> bool {
    let separator = number.iter().copied().find(|byte| is_separator(*byte));
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let mut found = number.split(|byte| Some(*byte) == separator);
    groups.iter().all(|size| {
        found.next().is_some_and(|group| group.len() == *size && group.iter().all(is_digit))
    })
}

/// A dot and a digit behind it.
fn is_fraction(text: &[u8], at: usize) -> bool {
    text.get(at) == Some(&b'.') && text.get(at + 1).is_some_and(u8::is_ascii_digit)
}

fn is_card(number: &[u8]) -> bool {
    let digits: Vec<u8> =
        number.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0').collect();
    lengths(&digits).is_some_and(|lengths| lengths.contains(&digits.len())) && has_luhn(&digits)
}

/// How many digits the cards have that begin so.
fn lengths(digits: &[u8]) -> Option<RangeInclusive<usize>> {
    let first = digits.get(..4)?.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(*digit));
    Some(match first {
        4000..=4999 => 13..=19,                             // Visa
        5100..=5599 | 2221..=2720 => 16..=16,               // Mastercard
        3400..=3499 | 3700..=3799 => 15..=15,               // American Express
        3000..=3059 | 3600..=3699 | 3800..=3999 => 14..=19, // Diners Club
        3528..=3589 => 16..=19,                             // JCB
        5000..=5099 | 5600..=5899 | 6000..=6999 => 13..=19, // Maestro, Discover, UnionPay
        _ => return None,
    })
}

/// Every second digit from the right counts twice; the sum of all digits ends in 0.
fn has_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([false, true].into_iter().cycle())
        .map(|(digit, is_second)| {
            let value = u32::from(*digit) << u32::from(is_second);
            value / 10 + value % 10
        })
        .sum();
    sum.is_multiple_of(10)
}
