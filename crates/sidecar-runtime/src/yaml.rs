//! A YAML document as a tree of texts with line numbers.
//!
//! In goes the text of a settings file, out comes one [`Node`], whose scalars are left as typed:
//! `1.10` stays `1.10` and `no` stays `no`, so that a value is judged by the same reader whether it
//! comes from a flag, a variable or a file. Depth and size are bounded, and there is at most one
//! document; aliases are kept as such and never followed, so a small file cannot become a large
//! tree. A typed structure read by serde would guess at types and could not name the line of a bad
//! value.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};

/// No settings file nests deeper.
const DEPTH_MAX: usize = 16;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    /// What stands there.
    pub value: Value,
}

/// The shapes of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A text, a number or a yes-or-no, as typed.
    Scalar(String),
    /// Items in their order.
    Sequence(Vec<Node>),
    /// Keys and values in the file's order, doubled keys included.
    Mapping(Vec<(Node, Node)>),
    /// A reference to another part of the document.
    Alias,
}

/// Why a text is no document that can be used.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// Not YAML at all.
    #[error("is not YAML: {0}")]
    Syntax(#[from] ScanError),
    /// More than one document, or text after the end.
    #[error("expected one document")]
    Documents,
    /// Nested more than 16 deep.
    #[error("line {line}: nested too deep")]
    Depth {
        /// Counted from 1.
        line: usize,
    },
}

impl Node {
    /// Reads a whole text. An empty one is [`Value::Null`].
    ///
    /// # Errors
    /// The text is not YAML, has several documents or is nested too deep.
    pub fn parse(text: &str) -> Result<Node, YamlError> {
        let mut reader = Reader { events: Parser::new_from_str(text) };
        let mut root = None;
        while let Some((event, line)) = reader.next()? {
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::StreamEnd => {}
                Event::DocumentStart(..) if root.is_none() => {}
                Event::DocumentStart(..) => return Err(YamlError::Documents),
                event if root.is_none() => root = Some(reader.node(event, line, 0)?),
                _ => return Err(YamlError::Documents),
            }
        }
        Ok(root.unwrap_or(Node { line: 1, value: Value::Null }))
    }

    /// The text of a scalar.
    #[must_use]
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// What this is, for messages.
    #[must_use]
    pub fn shape(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Alias => "an alias",
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, usize)>, YamlError> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// The node that begins with `event`, read to its end.
    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, YamlError> {
        if depth > DEPTH_MAX {
            return Err(YamlError::Depth { line });
        }
        let value = match event {
            Event::Scalar(text, style, ..) if is_null(&text, style) => Value::Null,
            Event::Scalar(text, ..) => Value::Scalar(text.into_owned()),
            Event::SequenceStart(..) => Value::Sequence(self.items(depth + 1)?),
            Event::MappingStart(..) => {
                let mut items = self.items(depth + 1)?.into_iter();
                let mut entries = Vec::with_capacity(items.len() / 2);
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    entries.push((key, value));
                }
                Value::Mapping(entries)
            }
            _ => Value::Alias,
        };
        Ok(Node { line, value })
    }

    /// The nodes up to the end of a sequence or mapping; a mapping's keys and values alternate.
    fn items(&mut self, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        while let Some((event, line)) = self.next()? {
            if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
                break;
            }
            items.push(self.node(event, line, depth)?);
        }
        Ok(items)
    }
}

fn is_null(text: &str, style: ScalarStyle) -> bool {
    style == ScalarStyle::Plain && matches!(text, "" | "~" | "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(line: usize, text: &str) -> Node {
        Node { line, value: Value::Scalar(text.to_owned()) }
    }

    #[test]
    fn texts_stay_as_typed_and_know_their_line() {
        let node = Node::parse("a: 1.10\nb:\n  - no\n  - {c: ~}\n").unwrap();
        let inner = Node {
            line: 4,
            value: Value::Mapping(vec![(scalar(4, "c"), Node { line: 4, value: Value::Null })]),
        };
        let list = Node { line: 3, value: Value::Sequence(vec![scalar(3, "no"), inner]) };
        let entries = vec![(scalar(1, "a"), scalar(1, "1.10")), (scalar(2, "b"), list)];
        assert_eq!(node, Node { line: 1, value: Value::Mapping(entries) });
        assert_eq!(Node::parse("# nothing\n").unwrap().value, Value::Null);
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        assert!(matches!(Node::parse("a: b: c").unwrap_err(), YamlError::Syntax(_)));
        assert!(matches!(Node::parse("---\na\n---\nb\n").unwrap_err(), YamlError::Documents));
        let deep = "[".repeat(20) + &"]".repeat(20);
        assert!(matches!(Node::parse(&deep).unwrap_err(), YamlError::Depth { line: 1 }));
    }

    #[test]
    fn an_alias_is_not_followed() {
        let node = Node::parse("a: &x [1]\nb: *x\n").unwrap();
        let Value::Mapping(entries) = node.value else { panic!("{node:?}") };
        assert_eq!(entries[1].1.value, Value::Alias);
    }
}
