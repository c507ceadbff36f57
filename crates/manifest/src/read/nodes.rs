//! The parsed document before its aliases are followed, and following them.
//!
//! In go nodes that name each other by number, out come a value and its lines. A node is complete
//! before another can name it, so there are no circles. Whoever expands a node has compared its
//! size with the limits; here nothing is counted any more.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::document::Place;

/// The nodes of one document.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) list: Vec<(Node, Size)>,
}

/// Where a node stands, and which one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    pub(super) node: usize,
    pub(super) line: usize,
}

#[derive(Debug)]
pub(super) enum Node {
    Scalar(Value),
    Sequence(Vec<Reference>),
    Mapping(Vec<Entry>),
}

#[derive(Debug)]
pub(super) enum Entry {
    Pair {
        key: String,
        line: usize,
        value: usize,
    },
    /// `<<`: the entries of one mapping, or of several of which the first wins.
    Merge {
        sources: Vec<usize>,
    },
}

/// How large a node is with its aliases followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
    pub(super) depth: usize,
}

impl Size {
    /// Of a value that is there already. The JSON reader has bounded its depth.
    pub(super) fn of(value: &Value) -> Size {
        let mut size = Size { nodes: 1, bytes: 0, depth: 0 };
        match value {
            Value::String(text) => size.bytes = text.len(),
            Value::Array(items) => items.iter().for_each(|item| size.add(Size::of(item))),
            Value::Object(map) => {
                for (key, value) in map {
                    size.add(Size::of(value));
                    size.bytes = size.bytes.saturating_add(key.len());
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        size
    }

    pub(super) fn add(&mut self, inner: Size) {
        self.nodes = self.nodes.saturating_add(inner.nodes);
        self.bytes = self.bytes.saturating_add(inner.bytes);
        self.depth = self.depth.max(inner.depth + 1);
    }
}

impl Nodes {
    /// The value of a node whose size has been checked.
    pub(super) fn expand(&self, reference: Reference) -> (Value, Place) {
        let line = reference.line;
        match &self.list[reference.node].0 {
            Node::Scalar(value) => (value.clone(), Place::of_scalar(line)),
            Node::Sequence(items) => {
                let (values, places) = items.iter().map(|item| self.expand(*item)).unzip();
                (Value::Array(values), Place::of_list(line, places))
            }
            Node::Mapping(entries) => {
                let mut found = Pairs::default();
                self.pairs(entries, &mut found);
                let mut map = Map::with_capacity(found.list.len());
                let mut places = Vec::with_capacity(found.list.len());
                for (key, value) in found.list {
                    let (value, place) = self.expand(value);
                    map.insert(key.to_owned(), value);
                    places.push((key.into(), place));
                }
                (Value::Object(map), Place::of_mapping(line, places))
            }
        }
    }

    /// The entries of a mapping with those that are merged into it. A later one overrides.
    fn pairs<'n>(&'n self, entries: &'n [Entry], found: &mut Pairs<'n>) {
        for entry in entries {
            match entry {
                Entry::Pair { key, line, value } => {
                    found.set(key, Reference { node: *value, line: *line });
                }
                Entry::Merge { sources } => {
                    for source in sources {
                        if let Node::Mapping(inner) = &self.list[*source].0 {
                            self.pairs(inner, found);
                        }
                    }
                }
            }
        }
    }
}

/// Keys in the order of their first appearance, with their last values.
#[derive(Default)]
struct Pairs<'n> {
    list: Vec<(&'n str, Reference)>,
    index: HashMap<&'n str, usize>,
}

impl<'n> Pairs<'n> {
    fn set(&mut self, key: &'n str, value: Reference) {
        match self.index.get(key) {
            Some(index) => self.list[*index].1 = value,
            None => {
                self.index.insert(key, self.list.len());
                self.list.push((key, value));
            }
        }
    }
}
