//! A manifest as text, YAML or JSON.
//!
//! Read or refused within the limits, never a crash; every line lies in the text; and what was read
//! is the same when it is written as JSON and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::{Limits, containers, pointer_to, read, templates};
use serde_json::Value;

const LIMITS: Limits =
    Limits { bytes_max: 64 << 10, depth_max: 32, nodes_max: 10_000, documents_max: 100 };

fuzz_target!(|text: &str| {
    let last_line = text.matches(['\n', '\r']).count() + 1;
    let documents = match read(text, &LIMITS) {
        Ok(documents) => documents,
        Err(error) => return assert!((1..=last_line).contains(&error.line()), "{error}"),
    };
    for document in &documents {
        let mut pointers = vec![(String::new(), &document.value)];
        while let Some((pointer, value)) = pointers.pop() {
            assert_eq!(document.value.pointer(&pointer), Some(value));
            assert!((1..=last_line).contains(&document.line(&pointer)), "{pointer}");
            match value {
                Value::Object(entries) => pointers
                    .extend(entries.iter().map(|(key, value)| (pointer_to(&pointer, key), value))),
                Value::Array(items) => pointers.extend(
                    items.iter().enumerate().map(|(i, item)| (format!("{pointer}/{i}"), item)),
                ),
                _ => {}
            }
        }
        for object in document.objects() {
            for template in templates(object.value) {
                assert_eq!(object.value.pointer(&template.pointer), Some(template.pod));
                for container in containers(template.spec) {
                    let found = template.spec.pointer(&container.pointer_in_spec());
                    assert_eq!(found, Some(container.value));
                }
            }
        }
        if let Ok(again) = read(&document.value.to_string(), &LIMITS) {
            assert_eq!(again.len(), 1);
            assert_eq!(again[0].value, document.value);
        }
    }
});
