//! Takes what is secret or personal out of lines and values.
//!
//! In: bytes. Out: the same bytes, borrowed, or a copy with a mark in each place, and how many of
//! which kind. Each kind is searched by itself, in a pass that jumps from one byte without which
//! there is no match (`@`, `://`, a dot) to the next, so that a line without any costs little, and
//! all in time linear in the line: a byte is looked at a fixed number of times whatever is around
//! it. A regular expression for each was not taken: it can neither check digits nor jump.
//!
//! What cannot be told from something harmless is taken out: a version with four parts is an
//! address. What a form alone does not show (a name, a password in a sentence) stays; there are
//! patterns of one's own for that, which come first and see the text as it was. The marks are plain
//! words, so a JSON line stays one, unless a card number stands in it as a bare number. Receivers
//! decode escapes of JSON, so what these hide is taken out as well, at any place of any text.

mod bearer;
mod card;
mod custom;
mod email;
mod escape;
mod ip;
mod scan;
mod url;

use std::borrow::Cow;
use std::ops::Range;
use std::str::FromStr;

pub use self::custom::{Custom, CustomError};

/// Strings within strings that are looked into: a line of a program that logs JSON, in the log of a
/// container engine, and one more.
const NESTED_MAX: usize = 3;

/// A kind of text that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// `scheme://user:password@host`: the part before the `@`, and of http and https also a lone
    /// token there.
    UrlCredentials,
    /// What follows `Bearer`, or `Authorization: Basic` or `Token`, and JSON web tokens anywhere.
    Bearer,
    /// `name@example.org`, also with `%40`.
    Email,
    /// An address of IPv6 as a whole.
    Ipv6,
    /// Its last 80 bits become zero; the network of the customer, /48, stays.
    Ipv6Net,
    /// An address of IPv4 as a whole. One that ends in `.0.0.0` is no host, and stays.
    Ipv4,
    /// Its last number becomes zero.
    Ipv4Net,
    /// 13 to 19 digits, in one piece or grouped as on a card, that begin as the networks number
    /// their cards and end as Luhn's sum has it.
    Card,
}

impl Preset {
    /// Every preset, in the order of the passes.
    pub const ALL: [Preset; 8] = [
        Preset::UrlCredentials,
        Preset::Bearer,
        Preset::Email,
        Preset::Ipv6,
        Preset::Ipv6Net,
        Preset::Ipv4,
        Preset::Ipv4Net,
        Preset::Card,
    ];

    /// Its name in settings and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Preset::UrlCredentials => "url-credentials",
            Preset::Bearer => "bearer",
            Preset::Email => "email",
            Preset::Ipv6 => "ipv6",
            Preset::Ipv6Net => "ipv6-net",
            Preset::Ipv4 => "ipv4",
            Preset::Ipv4Net => "ipv4-net",
            Preset::Card => "card",
        }
    }
}

/// The text names no preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected one of url-credentials, bearer, email, ipv6, ipv6-net, ipv4, ipv4-net, card, or all"
)]
pub struct PresetError;

impl FromStr for Preset {
    type Err = PresetError;

    fn from_str(text: &str) -> Result<Preset, PresetError> {
        Preset::ALL.into_iter().find(|preset| preset.name() == text).ok_or(PresetError)
    }
}

/// Reads one or more presets: a name, or `all` for those that leave nothing of what they find.
///
/// # Errors
/// [`PresetError`] for any other word.
pub fn presets(text: &str) -> Result<Vec<Preset>, PresetError> {
    let leaves_nothing = |it: &Preset| !matches!(it, Preset::Ipv4Net | Preset::Ipv6Net);
    match text {
        "all" => Ok(Preset::ALL.into_iter().filter(leaves_nothing).collect()),
        name => Ok(vec![name.parse()?]),
    }
}

/// How many places were replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    presets: [u64; Preset::ALL.len()],
    /// By patterns of one's own.
    pub custom: u64,
}

impl Tally {
    #[must_use]
    pub fn of(&self, preset: Preset) -> u64 {
        self.presets[preset as usize]
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Tally::default()
    }

    fn add(&mut self, other: &Tally) {
        for (sum, more) in self.presets.iter_mut().zip(other.presets) {
            *sum += more;
        }
        self.custom += other.custom;
    }
}

/// Replaces what it was told to look for.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// In the order of [`Preset::ALL`], each once.
    presets: Vec<Preset>,
    custom: Vec<Custom>,
}

impl Redactor {
    #[must_use]
    pub fn new(presets: &[Preset], custom: Vec<Custom>) -> Redactor {
        let is_wanted = |preset: &Preset| presets.contains(preset);
        Redactor { presets: Preset::ALL.into_iter().filter(is_wanted).collect(), custom }
    }

    /// The text without what is looked for; borrowed if it has nothing of that. What was valid
    /// UTF-8 stays so, but for what a pattern of one's own cuts. Where an escape of JSON hides
    /// something, other escapes of the text may become what they stand for.
    pub fn redact<'a>(&self, text: &'a [u8], tally: &mut Tally) -> Cow<'a, [u8]> {
        self.redact_nested(text, NESTED_MAX, tally)
    }

    /// The same with so many levels of strings within strings.
    fn redact_nested<'a>(&self, text: &'a [u8], nested: usize, tally: &mut Tally) -> Cow<'a, [u8]> {
        let mut text = Cow::Borrowed(text);
        self.replace_custom(&mut text, tally);
        let mut found = Tally::default();
        if let Some(plain) = escape::plain(&text) {
            let mut plain = Cow::Owned(plain);
            self.replace_custom(&mut plain, &mut found);
            self.replace_presets(&mut plain, &mut found);
            if !found.is_empty() {
                text = plain;
            }
        }
        // Marks stay as they are, so nothing is counted twice.
        self.replace_presets(&mut text, &mut found);
        tally.add(&found);
        if let Some(nested) = nested.checked_sub(1) {
            let change = |meaning: &str| match self.redact_nested(meaning.as_bytes(), nested, tally)
            {
                Cow::Borrowed(_) => None,
                Cow::Owned(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            };
            if let Some(changed) = escape::in_strings(&text, change) {
                text = Cow::Owned(changed);
            }
        }
        text
    }

    fn replace_custom(&self, text: &mut Cow<'_, [u8]>, tally: &mut Tally) {
        for custom in &self.custom {
            if let Some(changed) = custom.replace(text, &mut tally.custom) {
                *text = Cow::Owned(changed);
            }
        }
    }

    fn replace_presets(&self, text: &mut Cow<'_, [u8]>, tally: &mut Tally) {
        for preset in &self.presets {
            if let Some(changed) = preset.replace(text, &mut tally.presets[*preset as usize]) {
                *text = Cow::Owned(changed);
            }
        }
    }
}

impl Preset {
    fn replace(self, text: &[u8], count: &mut u64) -> Option<Vec<u8>> {
        let mark = |mark: &'static [u8]| move |_: &[u8], out: &mut Vec<u8>| out.extend(mark);
        match self {
            Preset::UrlCredentials => replace(text, url::find, mark(b"[credentials]"), count),
            Preset::Bearer => {
                // One word at a time: each search runs through the text once.
                let mut changed = None;
                for find in bearer::FINDS {
                    let text = changed.as_deref().unwrap_or(text);
                    changed = replace(text, find, mark(b"[token]"), count).or(changed);
                }
                changed
            }
            Preset::Email => replace(text, email::find, mark(b"[email]"), count),
            Preset::Ipv6 => replace(text, ip::find_ipv6, mark(b"[ipv6]"), count),
            Preset::Ipv6Net => replace(text, ip::find_ipv6, ip::write_ipv6_net, count),
            Preset::Ipv4 => replace(text, ip::find_ipv4, mark(b"[ipv4]"), count),
            Preset::Ipv4Net => replace(text, ip::find_ipv4, ip::write_ipv4_net, count),
            Preset::Card => replace(text, card::find, mark(b"[card]"), count),
        }
    }
}

/// Replaces all that `find` finds from an index on; none if that is nothing.
fn replace(
    text: &[u8],
    find: impl Fn(&[u8], usize) -> Option<Range<usize>>,
    write: impl Fn(&[u8], &mut Vec<u8>),
    count: &mut u64,
) -> Option<Vec<u8>> {
    let mut found = find(text, 0)?;
    let mut out = Vec::with_capacity(text.len() + 16);
    let (mut copied, before) = (0, *count);
    loop {
        out.extend_from_slice(&text[copied..found.start]);
        let start = out.len();
        write(&text[found.clone()], &mut out);
        copied = found.end;
        // A network has no host any more.
        *count += u64::from(out[start..] != text[found]);
        match find(text, copied) {
            Some(next) => found = next,
            None => break,
        }
    }
    out.extend_from_slice(&text[copied..]);
    (*count > before).then_some(out)
}

#[cfg(test)]
mod hidden;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
