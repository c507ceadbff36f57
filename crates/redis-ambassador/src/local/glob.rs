//! Redis' patterns: `*`, `?`, `[a-z]`, `[^…]` and `\`, any case.
//!
//! Iterative, with the last star as the only place to come back to, so that no pattern takes more
//! than the product of both lengths. Redis' own recursion takes exponential time.

/// Whether all of `text` fits the pattern.
pub(super) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Behind the last star, and how much of the text that star has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        match step(&pattern[p..], text[t]) {
            Some(length) => {
                p += length;
                t += 1;
            }
            None => {
                let Some((behind, taken)) = star else { return false };
                star = Some((behind, taken + 1));
                (p, t) = (behind, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The length of the pattern's first element, if the byte fits it.
fn step(pattern: &[u8], byte: u8) -> Option<usize> {
    let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b);
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => same(*literal, byte).then_some(2),
        [b'[', rest @ ..] => {
            let (fits, length) = class(rest, byte.to_ascii_lowercase());
            fits.then_some(length + 1)
        }
        [literal, ..] => same(*literal, byte).then_some(1),
    }
}

/// Of a class, what is behind its bracket: whether the byte is in it, and its length with the
/// closing bracket. One that is not closed goes to the end.
fn class(class: &[u8], byte: u8) -> (bool, usize) {
    let is_negated = class.first() == Some(&b'^');
    let mut at = usize::from(is_negated);
    let mut is_in = false;
    loop {
        match &class[at..] {
            [] => return (is_in != is_negated, at),
            [b']', ..] => return (is_in != is_negated, at + 1),
            [b'\\', literal, ..] => {
                is_in |= literal.to_ascii_lowercase() == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
                is_in |= (from.min(to)..=from.max(to)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                is_in |= literal.to_ascii_lowercase() == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_redis_matches() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("**", "save", true),
            ("save", "SAVE", true),
            ("s?ve", "save", true),
            ("s*e", "save", true),
            ("*a*v*", "save", true),
            ("s*x", "save", false),
            ("save", "sav", false),
            ("sav", "save", false),
            ("[r-t]ave", "save", true),
            ("[t-r]AVE", "save", true),
            ("[^s]ave", "save", false),
            ("[^a]ave", "save", true),
            ("s\\*ve", "s*ve", true),
            ("s\\*ve", "save", false),
            ("[s", "s", true),
            ("[\\]]", "]", true),
            ("?", "", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(!fits(&b"*a".repeat(1000), &[b'a'; 999]));
    }
}
