//! Applies a JSON Patch (RFC 6902), one operation at a time.
//!
//! In go a document and one operation, out comes the changed document or why not. Applying them one
//! by one is the reason to have this at all: only so the operation that took the field is known,
//! and a library applies all or nothing. Values are moved as they are, with their order and the
//! digits of their numbers. Like the API server it accepts no index behind the end of a list and
//! no removal of what is not there; negative indices, which its library takes, are refused, because
//! no generator of patches writes them.

use serde_json::Value;

/// Most segments of one pointer.
const SEGMENTS_MAX: usize = 128;

/// Why an operation does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    #[error("the operation is no JSON Patch operation")]
    Malformed,
    #[error("nothing is at {0}")]
    Missing(String),
    #[error("the value at {0} is not the one that the test expects")]
    TestFailed(String),
}

/// Applies one operation. After an error the document is as it was.
///
/// # Errors
/// The operation is malformed, or does not fit the document.
pub(crate) fn apply(document: &mut Value, operation: &Value) -> Result<(), PatchError> {
    let text = |key: &str| operation[key].as_str().ok_or(PatchError::Malformed);
    let value = || operation.get("value").cloned().ok_or(PatchError::Malformed);
    let path = text("path")?;
    match text("op")? {
        "add" => add(document, path, value()?),
        "remove" => remove(document, path).map(drop),
        "replace" => replace(document, path, value()?),
        "move" => {
            let from = text("from")?;
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return Err(PatchError::Malformed); // into itself
            }
            let mut changed = document.clone();
            let moved = remove(&mut changed, from)?;
            add(&mut changed, path, moved)?;
            *document = changed;
            Ok(())
        }
        "copy" => {
            let from = text("from")?;
            let copied = find(document, from)?.clone();
            add(document, path, copied)
        }
        "test" => match find(document, path)? == operation.get("value").unwrap_or(&Value::Null) {
            true => Ok(()),
            false => Err(PatchError::TestFailed(path.to_owned())),
        },
        _ => Err(PatchError::Malformed),
    }
}

/// The segments of a pointer, unescaped.
pub(crate) fn segments(pointer: &str) -> Result<Vec<String>, PatchError> {
    let mut parts = pointer.split('/');
    if parts.next() != Some("") {
        return Err(PatchError::Malformed);
    }
    let segments: Vec<_> = parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    match segments.len() <= SEGMENTS_MAX {
        true => Ok(segments),
        false => Err(PatchError::Malformed),
    }
}

fn missing(pointer: &str) -> PatchError {
    PatchError::Missing(pointer.to_owned())
}

/// An index as RFC 6901 writes it: no sign, no leading zero.
fn index(segment: &str) -> Option<usize> {
    let is_plain = segment == "0" || !segment.starts_with(['0', '+']);
    segment.parse().ok().filter(|_| is_plain)
}

fn find<'a>(document: &'a Value, pointer: &str) -> Result<&'a Value, PatchError> {
    let mut place = document;
    for segment in segments(pointer)? {
        let next = match place {
            Value::Object(map) => map.get(&segment),
            Value::Array(list) => index(&segment).and_then(|index| list.get(index)),
            _ => None,
        };
        place = next.ok_or_else(|| missing(pointer))?;
    }
    Ok(place)
}

/// What holds the value that a pointer names, and the last segment. `None` for the whole document.
fn holder<'a>(
    document: &'a mut Value,
    pointer: &str,
) -> Result<Option<(&'a mut Value, String)>, PatchError> {
    let mut segments = segments(pointer)?;
    let Some(last) = segments.pop() else { return Ok(None) };
    let mut place = document;
    for segment in segments {
        let next = match place {
            Value::Object(map) => map.get_mut(&segment),
            Value::Array(list) => index(&segment).and_then(|index| list.get_mut(index)),
            _ => None,
        };
        place = next.ok_or_else(|| missing(pointer))?;
    }
    Ok(Some((place, last)))
}

fn add(document: &mut Value, pointer: &str, value: Value) -> Result<(), PatchError> {
    let Some((holder, last)) = holder(document, pointer)? else {
        *document = value;
        return Ok(());
    };
    match holder {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(list) => {
            let place = if last == "-" { Some(list.len()) } else { index(&last) };
            let place = place.filter(|place| *place <= list.len());
            list.insert(place.ok_or_else(|| missing(pointer))?, value);
        }
        _ => return Err(missing(pointer)),
    }
    Ok(())
}

fn remove(document: &mut Value, pointer: &str) -> Result<Value, PatchError> {
    let Some((holder, last)) = holder(document, pointer)? else {
        return Ok(std::mem::take(document));
    };
    let removed = match holder {
        Value::Object(map) => map.shift_remove(&last),
        Value::Array(list) => {
            index(&last).filter(|place| *place < list.len()).map(|place| list.remove(place))
        }
        _ => None,
    };
    removed.ok_or_else(|| missing(pointer))
}

fn replace(document: &mut Value, pointer: &str, value: Value) -> Result<(), PatchError> {
    let Some((holder, last)) = holder(document, pointer)? else {
        *document = value;
        return Ok(());
    };
    let place = match holder {
        Value::Object(map) => map.get_mut(&last),
        Value::Array(list) => index(&last).and_then(|index| list.get_mut(index)),
        _ => None,
    };
    *place.ok_or_else(|| missing(pointer))? = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `expected` is null where the operation must not apply.
    fn check(document: &str, operation: Value, expected: &str) {
        let mut document: Value = serde_json::from_str(document).unwrap();
        let before = document.clone();
        match apply(&mut document, &operation) {
            Ok(()) => assert_eq!(document.to_string(), expected, "{operation}"),
            Err(_) => {
                assert_eq!(expected, "refused", "{operation}");
                assert_eq!(document, before, "{operation}");
            }
        }
    }

    #[test]
    fn the_examples_of_the_standard_and_its_edges() {
        let cases = [
            (r#"{"a":1}"#, json!({"op": "add", "path": "/b", "value": 2}), r#"{"a":1,"b":2}"#),
            (r#"{"a":1}"#, json!({"op": "add", "path": "/a", "value": 2}), r#"{"a":2}"#),
            (r#"[1,3]"#, json!({"op": "add", "path": "/1", "value": 2}), "[1,2,3]"),
            (r#"[1]"#, json!({"op": "add", "path": "/-", "value": 2}), "[1,2]"),
            (r#"[1]"#, json!({"op": "add", "path": "/1", "value": 2}), "[1,2]"),
            (r#"[1]"#, json!({"op": "add", "path": "/2", "value": 2}), "refused"),
            (r#"[1]"#, json!({"op": "add", "path": "/01", "value": 2}), "refused"),
            (r#"[1]"#, json!({"op": "add", "path": "/-1", "value": 2}), "refused"),
            (r#"{}"#, json!({"op": "add", "path": "/a/b", "value": 2}), "refused"),
            (r#"{}"#, json!({"op": "add", "path": "/a"}), "refused"),
            (r#"{}"#, json!({"op": "add", "path": "/a", "value": null}), r#"{"a":null}"#),
            (r#"{}"#, json!({"op": "add", "path": "", "value": [1]}), "[1]"),
            (r#"{}"#, json!({"op": "add", "path": "a", "value": 1}), "refused"),
            (r#"{"a":1,"b":2}"#, json!({"op": "remove", "path": "/a"}), r#"{"b":2}"#),
            (r#"[1,2]"#, json!({"op": "remove", "path": "/0"}), "[2]"),
            (r#"[1,2]"#, json!({"op": "remove", "path": "/2"}), "refused"),
            (r#"[1,2]"#, json!({"op": "remove", "path": "/-"}), "refused"),
            (r#"{"a":1}"#, json!({"op": "remove", "path": "/b"}), "refused"),
            (r#"{"a":1}"#, json!({"op": "replace", "path": "/a", "value": 2}), r#"{"a":2}"#),
            (r#"{"a":1}"#, json!({"op": "replace", "path": "/b", "value": 2}), "refused"),
            (r#"{"a":1}"#, json!({"op": "move", "from": "/a", "path": "/b"}), r#"{"b":1}"#),
            (r#"{"a":{}}"#, json!({"op": "move", "from": "/a", "path": "/a/b"}), "refused"),
            (r#"{"a":1}"#, json!({"op": "move", "from": "/a", "path": "/x/y"}), "refused"),
            (r#"[1,2,3]"#, json!({"op": "move", "from": "/2", "path": "/0"}), "[3,1,2]"),
            (r#"{"a":1}"#, json!({"op": "copy", "from": "/a", "path": "/b"}), r#"{"a":1,"b":1}"#),
            (r#"{"a":1}"#, json!({"op": "test", "path": "/a", "value": 1}), r#"{"a":1}"#),
            (r#"{"a":1}"#, json!({"op": "test", "path": "/a", "value": 2}), "refused"),
            (r#"{"a":1}"#, json!({"op": "test", "path": "/b", "value": 1}), "refused"),
            (
                r#"{"a/b":{"c~d":1}}"#,
                json!({"op": "remove", "path": "/a~1b/c~0d"}),
                r#"{"a/b":{}}"#,
            ),
            (r#"{"~1":1}"#, json!({"op": "remove", "path": "/~01"}), "{}"),
            (r#"{"a":1}"#, json!({"op": "increment", "path": "/a"}), "refused"),
            (r#"{"a":1}"#, json!("remove"), "refused"),
            (r#"{"n":1.50,"a":1}"#, json!({"op": "remove", "path": "/a"}), r#"{"n":1.50}"#),
        ];
        for (document, operation, expected) in cases {
            check(document, operation, expected);
        }
        let deep = json!({"op": "add", "path": "/a".repeat(200), "value": 1});
        check("{}", deep, "refused");
    }
}
