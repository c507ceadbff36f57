//! The closed sets of words that a configuration may say, read and shown by one table each.

/// A word that is not in its set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {expected}")]
pub struct UnknownWord {
    expected: String,
}

/// Finds the value that `text` stands for. Case counts, as it does in nutcracker.
pub(crate) fn find<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, UnknownWord> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let expected: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        UnknownWord { expected: expected.join(", ") }
    })
}

/// The word for a value of the table.
pub(crate) fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}
