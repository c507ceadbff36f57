//! One sample line of the text formats: a name, labels in any order, a value.
//!
//! In goes a line without its end, out come its labels and its value, or nothing if it breaks the
//! grammar. Spaces, escapes, a last comma, timestamps and exemplars are accepted as both formats
//! write them. Borrowed labels would save copies on lines that are read a few hundred times a
//! body, and would need a second type for those with escapes.

use std::str;

/// A sample.
#[derive(Debug, PartialEq)]
pub(super) struct Sample {
    labels: Vec<(String, String)>,
    pub(super) value: f64,
}

/// Whether the line is a sample of this family; what follows the name is not looked at.
pub(super) fn is_of(line: &[u8], family: &[u8]) -> bool {
    let rest = line.strip_prefix(family);
    rest.and_then(<[u8]>::first).is_some_and(|next| matches!(next, b'{' | b' ' | b'\t'))
}

impl Sample {
    pub(super) fn parse(line: &[u8]) -> Option<Sample> {
        let line = str::from_utf8(line).ok()?;
        let name_end = line.find(['{', ' ', '\t'])?;
        let (_, rest) = line.split_at(name_end);
        let rest = rest.trim_start();
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        let mut words = rest.split_ascii_whitespace();
        let value = words.next()?.parse().ok()?;
        // A timestamp, an exemplar, or nothing.
        let behind = words.next();
        let sound = behind.is_none_or(|word| word == "#" || word.parse::<f64>().is_ok());
        sound.then_some(Sample { labels, value })
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The labels behind the opening brace, and what follows the closing one. A name that comes twice
/// breaks the grammar.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, behind) = rest.split_once('=')?;
        let name = name.trim_end();
        let (value, behind) = quoted(behind.trim_start().strip_prefix('"')?)?;
        if name.is_empty() || labels.iter().any(|(known, _)| known == name) {
            return None;
        }
        labels.push((name.to_owned(), value));
        rest = behind.trim_start();
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(index + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_formats() {
        for (line, value, labels) in [
            (r#"f{name="A",stage="BETA"} 1"#, 1.0, &[("name", "A"), ("stage", "BETA")][..]),
            (r#"f{stage="",name="A",} 0"#, 0.0, &[("stage", ""), ("name", "A")]),
            (
                r#"f  {  name = "A" , z="a,b}c=\"\\\n\x" }  1e+00 17"#,
                1.0,
                &[("name", "A"), ("z", "a,b}c=\"\\\n\\x")],
            ),
            (r##"f{name="é"} 1.0 # {id="7"} 0.5"##, 1.0, &[("name", "é")]),
            ("f 12", 12.0, &[]),
            ("f{} +Inf 1795327708.5", f64::INFINITY, &[]),
        ] {
            let sample = Sample::parse(line.as_bytes()).unwrap();
            let labels =
                labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            assert_eq!(sample, Sample { labels: labels.collect(), value }, "{line}");
        }
    }

    #[test]
    fn lines_that_break_the_grammar() {
        for line in [
            "f",
            "f ",
            "f one",
            "f 1 soon",
            r#"f{name="A" 1"#,
            r#"f{name="A"#,
            r#"f{name="A\"#,
            r#"f{name=A} 1"#,
            r#"f{="A"} 1"#,
            r#"f{name="A" stage="B"} 1"#,
            r#"f{name="A",name="B"} 1"#,
            r#"f{name="A"}"#,
        ] {
            assert_eq!(Sample::parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(Sample::parse(b"f{name=\"\xff\"} 1"), None);
    }

    #[test]
    fn names_are_whole() {
        assert!(is_of(b"f{a=\"b\"} 1", b"f"));
        assert!(is_of(b"f 1", b"f"));
        assert!(!is_of(b"f_total 1", b"f"));
        assert!(!is_of(b"f", b"f"));
    }
}
