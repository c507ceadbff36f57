//! The names of metrics in a PromQL expression.
//!
//! Prometheus says nothing about a name that nobody exposes: the answer is empty, which is what a
//! healthy alert looks like too. So names are taken out of the text here. It knows as much of the
//! grammar as our expressions use; a word that it takes for a metric by mistake fails the test
//! that calls it.

use std::collections::BTreeSet;

/// Words that are followed by a list of labels.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that are neither a metric nor followed by a parenthesis.
const WORDS: [&str; 10] =
    ["and", "or", "unless", "bool", "offset", "sum", "max", "min", "avg", "count"];

/// Each name once.
pub fn metric_names(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let word_end = rest.find(|it: char| !is_in_word(it)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end.max(first.len_utf8()));
        rest = match first {
            '{' => behind(after, '}'),
            '[' => behind(after, ']'),
            '"' => behind(after, '"'),
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let next = after.trim_start();
                if GROUPING.contains(&word) && next.starts_with('(') {
                    behind(next, ')')
                } else {
                    let is_call = next.starts_with('(');
                    if !is_call && !GROUPING.contains(&word) && !WORDS.contains(&word) {
                        names.insert(word.to_owned());
                    }
                    after
                }
            }
            // A number such as 1e9 is a word too.
            _ => after,
        };
    }
    names
}

fn is_in_word(it: char) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, '_' | ':')
}

fn behind(text: &str, end: char) -> &str {
    text.split_once(end).expect("an expression that Prometheus can read").1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_everything_else() {
        let check = |expression: &str, expected: &[&str]| {
            let names = metric_names(expression);
            assert!(names.iter().eq(expected), "{expression}: {names:?}");
        };
        check("up == 0 and on (job, instance) last_over_time(a_info[1h])", &["a_info", "up"]);
        check(r#"sum by (reason) (rate(x_total{job=~"$job",a="b"}[1m])) > 1e9"#, &["x_total"]);
        check("max(a{b=\"c\"}) / 1048576", &["a"]);
        check("sum(a) / on (job) group_left b", &["a", "b"]);
        check("time() - min(asked{})", &["asked"]);
        check("(sum(rate(a[5m])) or vector(0)) / sum(b)", &["a", "b"]);
    }
}
