//! Label selectors, over labels that may not be known.
//!
//! In go a raw selector and labels, out comes yes, no or perhaps: who may not read namespaces
//! cannot say which of their selectors match, and must not be told that none does. An absent or
//! empty selector selects everything, as the API server has it for webhooks.

use serde_json::{Map, Value};

/// Whether something matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    /// It depends on something that is not known here.
    Perhaps,
}

impl Match {
    pub(crate) fn and(self, other: Match) -> Match {
        match (self, other) {
            (Match::No, _) | (_, Match::No) => Match::No,
            (Match::Yes, Match::Yes) => Match::Yes,
            _ => Match::Perhaps,
        }
    }

    pub(crate) fn not(self) -> Match {
        match self {
            Match::Yes => Match::No,
            Match::No => Match::Yes,
            Match::Perhaps => Match::Perhaps,
        }
    }
}

impl From<bool> for Match {
    fn from(matches: bool) -> Match {
        if matches { Match::Yes } else { Match::No }
    }
}

/// Labels, and whether these are all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Labels {
    pub(crate) known: Map<String, Value>,
    pub(crate) complete: bool,
}

/// What is known of one label.
enum Label<'a> {
    Value(&'a str),
    Absent,
    Unknown,
}

impl Labels {
    /// All labels of an object's metadata.
    pub(crate) fn of(metadata: &Value) -> Labels {
        let known = metadata["labels"].as_object().cloned().unwrap_or_default();
        Labels { known, complete: true }
    }

    fn get(&self, key: &str) -> Label<'_> {
        match self.known.get(key).map(Value::as_str) {
            Some(Some(value)) => Label::Value(value),
            Some(None) => Label::Unknown,
            None if self.complete => Label::Absent,
            None => Label::Unknown,
        }
    }
}

/// Whether a selector selects these labels.
pub(crate) fn selects(selector: &Value, labels: &Labels) -> Match {
    let pairs = selector["matchLabels"].as_object().into_iter().flatten();
    let equal = pairs.map(|(key, value)| match labels.get(key) {
        Label::Value(label) => Match::from(value == label),
        Label::Absent => Match::No,
        Label::Unknown => Match::Perhaps,
    });
    let requirements = selector["matchExpressions"].as_array().into_iter().flatten();
    let fulfilled = requirements.map(|requirement| fulfils(requirement, labels));
    equal.chain(fulfilled).fold(Match::Yes, Match::and)
}

fn fulfils(requirement: &Value, labels: &Labels) -> Match {
    let label = labels.get(requirement["key"].as_str().unwrap_or(""));
    let values = requirement["values"].as_array().map_or(&[][..], Vec::as_slice);
    let is_in = match label {
        Label::Value(label) => Match::from(values.iter().any(|value| value == label)),
        Label::Absent => Match::No,
        Label::Unknown => Match::Perhaps,
    };
    let exists = match label {
        Label::Value(_) => Match::Yes,
        Label::Absent => Match::No,
        Label::Unknown => Match::Perhaps,
    };
    match requirement["operator"].as_str() {
        Some("In") => is_in,
        Some("NotIn") => is_in.not(),
        Some("Exists") => exists,
        Some("DoesNotExist") => exists.not(),
        _ => Match::Perhaps,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_over_known_and_unknown_labels() {
        let known = json!({"app": "web", "tier": "a"}).as_object().unwrap().clone();
        let all = Labels { known: known.clone(), complete: true };
        let some = Labels { known, complete: false };
        let expression = |key: &str, operator: &str, values: Value| {
            let requirement = json!({"key": key, "operator": operator, "values": values});
            json!({"matchExpressions": [requirement]})
        };
        use Match::{No, Perhaps, Yes};
        for (selector, on_all, on_some) in [
            (json!(null), Yes, Yes),
            (json!({}), Yes, Yes),
            (json!({"matchLabels": {"app": "web"}}), Yes, Yes),
            (json!({"matchLabels": {"app": "db"}}), No, No),
            (json!({"matchLabels": {"app": "web", "x": "y"}}), No, Perhaps),
            (json!({"matchLabels": {"app": "db", "x": "y"}}), No, No),
            (expression("app", "In", json!(["db", "web"])), Yes, Yes),
            (expression("app", "In", json!([])), No, No),
            (expression("x", "In", json!(["y"])), No, Perhaps),
            (expression("app", "NotIn", json!(["web"])), No, No),
            (expression("x", "NotIn", json!(["y"])), Yes, Perhaps),
            (expression("app", "Exists", json!(null)), Yes, Yes),
            (expression("x", "Exists", json!(null)), No, Perhaps),
            (expression("app", "DoesNotExist", json!(null)), No, No),
            (expression("x", "DoesNotExist", json!(null)), Yes, Perhaps),
            (expression("app", "Near", json!(null)), Perhaps, Perhaps),
        ] {
            assert_eq!(selects(&selector, &all), on_all, "{selector}");
            assert_eq!(selects(&selector, &some), on_some, "{selector}");
        }
    }
}
