//! One document of a manifest: its value, and the line of every part of it.
//!
//! In goes what the reader built, out come the value, the objects in it and line numbers by JSON
//! pointer. The lines form a tree of the same shape as the value, so that a document of many
//! lines does not need a text for every pointer in it.

use serde_json::Value;

/// One document of a manifest. It is never empty.
#[derive(Debug, Clone)]
pub struct Document {
    /// All of it, in the order of the file.
    pub value: Value,
    pub(crate) place: Place,
}

/// Where a value stands, and its items or entries in the order of the value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) children: Vec<Place>,
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
        let (mut value, mut place) = (&self.value, &self.place);
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let found = match value {
                Value::Object(map) => map.iter().enumerate().find(|(_, entry)| *entry.0 == token),
                Value::Array(items) => {
                    let index = token.parse::<usize>().ok().filter(|index| *index < items.len());
                    let Some(index) = index else { break };
                    let Some(next) = place.children.get(index) else { break };
                    (value, place) = (&items[index], next);
                    continue;
                }
                _ => None,
            };
            let Some((index, (_, inner))) = found else { break };
            let Some(next) = place.children.get(index) else { break };
            (value, place) = (inner, next);
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
