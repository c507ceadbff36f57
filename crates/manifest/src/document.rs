//! One document of a manifest: its value, and the line of every part of it.
//!
//! In goes what the reader built, out come the value, the objects in it and line numbers by JSON
//! pointer. The lines form a tree of the same shape as the value, so that a document of many
//! lines does not need a text for every pointer in it. Mappings are sorted there: the value keeps
//! its keys in the order of the file and cannot tell a key's place without counting.

use serde_json::Value;

/// One document of a manifest. It is never empty.
#[derive(Debug, Clone)]
pub struct Document {
    /// All of it, in the order of the file.
    pub value: Value,
    pub(crate) place: Place,
}

/// Where a value stands, and what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    line: usize,
    children: Children,
}

#[derive(Debug, Clone)]
enum Children {
    None,
    /// Of a list, in its order.
    Items(Vec<Place>),
    /// Of a mapping, by their keys, which are sorted.
    Entries(Vec<(Box<str>, Place)>),
}

impl Place {
    /// Of a value without parts, or one whose parts have no lines of their own.
    pub(crate) fn of_scalar(line: usize) -> Self {
        Self { line, children: Children::None }
    }

    /// Of a list, with the places of its items.
    pub(crate) fn of_list(line: usize, items: Vec<Place>) -> Self {
        Self { line, children: Children::Items(items) }
    }

    /// Of a mapping, with the places of its entries, each key once, in any order.
    pub(crate) fn of_mapping(line: usize, mut entries: Vec<(Box<str>, Place)>) -> Self {
        entries.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        Self { line, children: Children::Entries(entries) }
    }

    /// One step of a pointer.
    fn child(&self, token: &str) -> Option<&Place> {
        match &self.children {
            Children::None => None,
            Children::Items(items) => items.get(token.parse::<usize>().ok()?),
            Children::Entries(entries) => {
                let found = entries.binary_search_by(|entry| (*entry.0).cmp(token)).ok()?;
                Some(&entries[found].1)
            }
        }
    }
}

/// A Kubernetes object inside a document.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    /// From the document to the object.
    pub pointer: String,
    /// All of it.
    pub value: &'a Value,
}

/// Lists in lists are not a thing that is made by hand or by tools.
const LISTS_MAX: usize = 4;

impl Document {
    /// The line, counted from 1, of what `pointer` names: for an entry of a mapping that of its
    /// key. What is not in the document has the line of the nearest part around it.
    #[must_use]
    pub fn line(&self, pointer: &str) -> usize {
        let mut place = &self.place;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let Some(inner) = place.child(&token) else { break };
            place = inner;
        }
        place.line
    }

    /// The document itself, or the items of a `List` (also `PodList` and the like).
    #[must_use]
    pub fn objects(&self) -> Vec<Object<'_>> {
        let mut objects = Vec::new();
        collect(&self.value, String::new(), LISTS_MAX, &mut objects);
        objects
    }
}

fn collect<'a>(value: &'a Value, pointer: String, depth: usize, objects: &mut Vec<Object<'a>>) {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match value["items"].as_array().filter(|_| is_list && depth > 0) {
        Some(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{pointer}/items/{index}"), depth - 1, objects);
            }
        }
        None => objects.push(Object { pointer, value }),
    }
}

/// `pointer` and one more step, escaped as JSON pointers are.
#[must_use]
pub fn pointer_to(pointer: &str, step: &str) -> String {
    format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1"))
}
