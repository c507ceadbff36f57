//! YAML or JSON text to documents, as kubectl reads them.
//!
//! The parser's events become nodes in a list, where an alias is the number of the node that it
//! names. Each node knows how large and how deep it is with all its aliases followed, so a text
//! that would grow beyond the limits is refused before anything is copied. Only then are the nodes
//! turned into values. A double key is an error: kubectl takes the last one without a word, which
//! is never what its author meant. Merge keys work as with kubectl: in the order of the file, so
//! that a merge after a key overrides it. A reader that builds values from the events at once
//! would have no moment at which to count.

mod nodes;

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};
use serde_json::Value;

use crate::document::{Document, Place};
use crate::scalar;

use self::nodes::{Entry, Node, Nodes, Reference, Size};

/// How much of a text is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the text, and of all keys and values in it with the aliases followed.
    pub bytes_max: usize,
    /// Mappings and lists in one another, with the aliases followed. At most 200.
    pub depth_max: usize,
    /// Values in all documents, with the aliases followed.
    pub nodes_max: usize,
    /// Documents that are not empty.
    pub documents_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 4 << 20, depth_max: 64, nodes_max: 200_000, documents_max: 10_000 }
    }
}

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Neither YAML nor JSON, or something in it that JSON cannot say.
    #[error("line {line}: {message}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A key that stands twice in one mapping.
    #[error("line {line}: the key {key:?} is there twice")]
    Duplicate {
        /// Of the second one, counted from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// Over one of the [`Limits`].
    #[error("line {line}: more than {limit} {what}")]
    TooLarge {
        /// Where the limit was reached, counted from 1.
        line: usize,
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
}

impl ManifestError {
    /// The line that is to blame, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        match self {
            ManifestError::Syntax { line, .. }
            | ManifestError::Duplicate { line, .. }
            | ManifestError::TooLarge { line, .. } => *line,
        }
    }
}

/// Reads all documents of a text. Empty ones are left out.
///
/// # Errors
/// The text is not YAML or JSON, has a key twice, or is over one of the limits.
pub fn read(text: &str, limits: &Limits) -> Result<Vec<Document>, ManifestError> {
    if text.len() > limits.bytes_max {
        return Err(too_large(1, "bytes", limits.bytes_max));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let outcome = Reader::new(text, limits).documents();
    match &outcome {
        // JSON has escapes and spaces that YAML has not, and needs nothing between two documents.
        Err(ManifestError::Syntax { .. }) if text.trim_start().starts_with('{') => {
            json(text, limits).unwrap_or(outcome)
        }
        _ => outcome,
    }
}

/// Documents in JSON, without their lines. `None` if it is not JSON either.
fn json(text: &str, limits: &Limits) -> Option<Result<Vec<Document>, ManifestError>> {
    let mut reader = Reader::new("", limits);
    let mut documents = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter() {
        let value: Value = value.ok()?;
        let size = Size::of(&value);
        if let Err(error) = reader.check(size, 1) {
            return Some(Err(error));
        }
        if documents.len() == limits.documents_max {
            return Some(Err(too_large(1, "documents", limits.documents_max)));
        }
        reader.before.add(size);
        documents.push(Document { value, place: Place::of_scalar(1) });
    }
    Some(Ok(documents))
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    limits: &'a Limits,
    /// Of the document that is being read.
    nodes: Nodes,
    /// Nodes by the parser's number of their anchor. A node is here once it is complete.
    anchors: HashMap<usize, usize>,
    /// Of the documents before this one.
    before: Size,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, limits: &'a Limits) -> Self {
        Self {
            events: Parser::new_from_str(text),
            limits,
            nodes: Nodes::default(),
            anchors: HashMap::new(),
            before: Size::default(),
        }
    }

    fn documents(&mut self) -> Result<Vec<Document>, ManifestError> {
        let mut documents = Vec::new();
        while let Some((event, line)) = self.next()? {
            if matches!(
                event,
                Event::StreamStart
                    | Event::StreamEnd
                    | Event::DocumentStart(..)
                    | Event::DocumentEnd
            ) {
                continue;
            }
            let root = self.node(event, line, 0)?;
            if !matches!(self.nodes.list[root.node].0, Node::Scalar(Value::Null)) {
                if documents.len() == self.limits.documents_max {
                    return Err(too_large(line, "documents", self.limits.documents_max));
                }
                self.before.add(self.nodes.list[root.node].1);
                let (value, place) = self.nodes.expand(root);
                documents.push(Document { value, place });
            }
            self.nodes.list.clear();
            self.anchors.clear();
        }
        Ok(documents)
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, usize)>, ManifestError> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
            Some(Err(error)) => Err(refused(&error)),
        }
    }

    /// The node that begins with `event`, read to its end.
    fn node(
        &mut self,
        event: Event<'a>,
        line: usize,
        depth: usize,
    ) -> Result<Reference, ManifestError> {
        if depth > self.limits.depth_max {
            return Err(too_large(line, "levels", self.limits.depth_max));
        }
        let (anchor, node, size) = match event {
            Event::Alias(id) => {
                let known = self.anchors.get(&id).copied();
                let node = known.ok_or_else(|| syntax(line, "an alias inside what it names"))?;
                return Ok(Reference { node, line });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let size = Size { nodes: 1, bytes: text.len(), depth: 0 };
                let value = scalar(text.into_owned(), style, tag.as_deref(), line)?;
                (anchor, Node::Scalar(value), size)
            }
            Event::SequenceStart(_, anchor, _) => {
                let (items, size) = self.items(depth + 1)?;
                (anchor, Node::Sequence(items), size)
            }
            Event::MappingStart(_, anchor, _) => {
                let (entries, size) = self.entries(depth + 1)?;
                (anchor, Node::Mapping(entries), size)
            }
            _ => return Err(syntax(line, "an event out of place")),
        };
        self.check(size, line)?;
        self.nodes.list.push((node, size));
        let node = self.nodes.list.len() - 1;
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        Ok(Reference { node, line })
    }

    /// Refuses a node that is over a limit, before anything of it is copied.
    fn check(&self, size: Size, line: usize) -> Result<(), ManifestError> {
        let limits = self.limits;
        let mut all = self.before;
        all.add(size);
        if all.nodes > limits.nodes_max || self.nodes.list.len() >= limits.nodes_max {
            return Err(too_large(line, "values, aliases followed", limits.nodes_max));
        }
        if all.bytes > limits.bytes_max {
            return Err(too_large(line, "bytes, aliases followed", limits.bytes_max));
        }
        if size.depth > limits.depth_max {
            return Err(too_large(line, "levels, aliases followed", limits.depth_max));
        }
        Ok(())
    }

    fn items(&mut self, depth: usize) -> Result<(Vec<Reference>, Size), ManifestError> {
        let (mut items, mut size) = (Vec::new(), Size { nodes: 1, ..Size::default() });
        while let Some((event, line)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let item = self.node(event, line, depth)?;
            size.add(self.nodes.list[item.node].1);
            self.check(size, line)?;
            items.push(item);
        }
        Ok((items, size))
    }

    fn entries(&mut self, depth: usize) -> Result<(Vec<Entry>, Size), ManifestError> {
        let (mut entries, mut size) = (Vec::new(), Size { nodes: 1, ..Size::default() });
        let mut keys = HashSet::new();
        while let Some((event, line)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = match is_merge(&event) {
                true => None,
                false => Some(self.key(event, line, depth)?),
            };
            let Some((event, value_line)) = self.next()? else { break };
            let value = self.node(event, value_line, depth)?.node;
            size.add(self.nodes.list[value].1);
            let Some(key) = key else {
                entries.push(Entry::Merge { sources: self.sources(value, line)? });
                self.check(size, line)?;
                continue;
            };
            size.bytes = size.bytes.saturating_add(key.len());
            self.check(size, line)?;
            if !keys.insert(key.clone()) {
                return Err(ManifestError::Duplicate { line, key });
            }
            entries.push(Entry::Pair { key, line, value });
        }
        Ok((entries, size))
    }

    fn key(
        &mut self,
        event: Event<'a>,
        line: usize,
        depth: usize,
    ) -> Result<String, ManifestError> {
        let key = self.node(event, line, depth)?.node;
        let text = match &self.nodes.list[key].0 {
            Node::Scalar(value) => scalar::key(value.clone()),
            Node::Sequence(_) | Node::Mapping(_) => None,
        };
        text.ok_or_else(|| syntax(line, "a key that is no text"))
    }

    /// The mappings that a merge key names, the one that wins last.
    fn sources(&self, value: usize, line: usize) -> Result<Vec<usize>, ManifestError> {
        let sources: Vec<usize> = match &self.nodes.list[value].0 {
            Node::Sequence(items) => items.iter().rev().map(|item| item.node).collect(),
            Node::Mapping(_) | Node::Scalar(_) => vec![value],
        };
        match sources.iter().all(|source| matches!(self.nodes.list[*source].0, Node::Mapping(_))) {
            true => Ok(sources),
            false => Err(syntax(line, "`<<` takes a mapping or a list of mappings")),
        }
    }
}

fn is_merge(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, _, None) => text == "<<",
        Event::Scalar(_, _, _, Some(tag)) => suffix(tag) == Some("merge"),
        _ => false,
    }
}

/// What a scalar means, given its quotes and its tag.
fn scalar(
    text: String,
    style: ScalarStyle,
    tag: Option<&Tag>,
    line: usize,
) -> Result<Value, ManifestError> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => scalar::plain(&text).ok_or_else(|| not_in_json(&text, line)),
            _ => Ok(Value::String(text)),
        };
    };
    let wanted = match suffix(tag) {
        Some("binary") => return Err(syntax(line, "the tag !!binary is not for manifests")),
        Some(wanted @ ("bool" | "int" | "float" | "null")) => wanted,
        _ => return Ok(Value::String(text)),
    };
    let value = scalar::plain(&text).ok_or_else(|| not_in_json(&text, line))?;
    let fits = match (&value, wanted) {
        (Value::Bool(_), "bool") | (Value::Null, "null") | (Value::Number(_), "float") => true,
        (Value::Number(number), "int") => number.is_i64() || number.is_u64(),
        _ => false,
    };
    match fits {
        true => Ok(value),
        false => Err(syntax(line, format!("{text:?} is no {wanted}"))),
    }
}

fn not_in_json(text: &str, line: usize) -> ManifestError {
    syntax(line, format!("{text} is no number that JSON can say"))
}

/// The name of one of YAML's own tags: `str` of `!!str`.
fn suffix(tag: &Tag) -> Option<&str> {
    (tag.handle() == "tag:yaml.org,2002:").then(|| tag.suffix())
}

fn syntax(line: usize, message: impl ToString) -> ManifestError {
    ManifestError::Syntax { line, message: message.to_string() }
}

fn refused(error: &ScanError) -> ManifestError {
    syntax(error.marker().line().max(1), error.info())
}

fn too_large(line: usize, what: &'static str, limit: usize) -> ManifestError {
    ManifestError::TooLarge { line, what, limit }
}

#[cfg(test)]
mod tests;
