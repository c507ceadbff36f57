//! Applies a JSON Patch (RFC 6902), one operation at a time.
//!
//! In go a document and one operation, out comes the changed document or why not. Applying them one
//! by one is the reason to have this at all: only so the operation that took the field is known,
//! and a library applies all or nothing. Values are moved as they are, with their order and the
//! digits of their numbers. Where the API server's library is not the standard's, this follows the
//! library, because that is what happens to the pod: a negative index counts from the end of a
//! list, zeros before an index are read over, and a test for null passes where an object has no
//! such member. Like it this accepts no index behind the end and no removal of what is not there.

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
        "test" => {
            let expected = operation.get("value").unwrap_or(&Value::Null);
            let passes = match find(document, path) {
                Ok(found) => found == expected,
                Err(_) if expected.is_null() => is_absent_member(document, path),
                Err(error) => return Err(error),
            };
            passes.then_some(()).ok_or_else(|| PatchError::TestFailed(path.to_owned()))
        }
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

/// A place in a list with `places` of them, if there is such a place.
fn index(segment: &str, places: usize) -> Option<usize> {
    let index: isize = segment.parse().ok()?;
    let index = match index < 0 {
        true => places.checked_sub(index.unsigned_abs())?,
        false => index.unsigned_abs(),
    };
    Some(index).filter(|index| *index < places)
}

/// Whether the last segment alone names nothing, in an object that is there.
fn is_absent_member(document: &Value, pointer: &str) -> bool {
    let holder = pointer.rsplit_once('/').map(|(holder, _)| find(document, holder));
    matches!(holder, Some(Ok(Value::Object(_))))
}

fn find<'a>(document: &'a Value, pointer: &str) -> Result<&'a Value, PatchError> {
    let mut place = document;
    for segment in segments(pointer)? {
        let next = match place {
            Value::Object(map) => map.get(&segment),
            Value::Array(list) => index(&segment, list.len()).and_then(|index| list.get(index)),
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
            Value::Array(list) => index(&segment, list.len()).and_then(|index| list.get_mut(index)),
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
            let places = list.len() + 1;
            let place = if last == "-" { Some(list.len()) } else { index(&last, places) };
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
        Value::Array(list) => index(&last, list.len()).map(|place| list.remove(place)),
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
        Value::Array(list) => index(&last, list.len()).and_then(|index| list.get_mut(index)),
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
            (r#"[1]"#, json!({"op": "add", "path": "/x", "value": 2}), "refused"),
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
    }

    #[test]
    fn what_the_api_servers_library_adds_to_the_standard() {
        let absent = json!({"op": "test", "path": "/a/b", "value": null});
        let cases = [
            (r#"[1]"#, json!({"op": "add", "path": "/01", "value": 2}), "[1,2]"),
            (r#"[1]"#, json!({"op": "add", "path": "/-1", "value": 2}), "[1,2]"),
            (r#"[1]"#, json!({"op": "add", "path": "/-2", "value": 2}), "[2,1]"),
            (r#"[1]"#, json!({"op": "add", "path": "/-3", "value": 2}), "refused"),
            (r#"[1,2]"#, json!({"op": "remove", "path": "/-1"}), "[1]"),
            (r#"[1,2]"#, json!({"op": "remove", "path": "/-3"}), "refused"),
            (r#"[1,2]"#, json!({"op": "replace", "path": "/-2", "value": 3}), "[3,2]"),
            (r#"[{"a":1}]"#, json!({"op": "remove", "path": "/-1/a"}), "[{}]"),
            (r#"{"a":{}}"#, absent.clone(), r#"{"a":{}}"#),
            (r#"{"a":{"b":null}}"#, absent.clone(), r#"{"a":{"b":null}}"#),
            (r#"{"a":{"b":1}}"#, absent.clone(), "refused"),
            (r#"{"a":[]}"#, json!({"op": "test", "path": "/a/0", "value": null}), "refused"),
            ("{}", absent, "refused"),
        ];
        for (document, operation, expected) in cases {
            check(document, operation, expected);
        }
    }

    #[test]
    fn pointers_have_a_limit() {
        let deep = json!({"op": "add", "path": "/a".repeat(200), "value": 1});
        check("{}", deep, "refused");
    }
}
