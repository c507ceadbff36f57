//! Finds the pod templates in the schemas of custom resources, and whether they keep the field.
//!
//! In goes a raw CustomResourceDefinition, out comes one place for each list of init containers
//! beside a list of containers. The API server prunes from a custom resource what its schema does
//! not have: silently, and before any webhook or controller sees it. References do not occur in
//! these schemas. The walk is a loop with a stack of its own and two limits, for a schema is input.

use serde_json::Value;

/// Deepest place that is looked at. The deepest real ones have about 25 levels.
const DEPTH_MAX: usize = 100;
/// Parts of one schema that are looked at. The largest real ones have about 50,000.
const NODES_MAX: usize = 1_000_000;
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// A pod template in a version of a custom resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) version: String,
    /// Clients can write this version, or objects are stored in it.
    pub(crate) is_in_use: bool,
    /// Of the list, such as `.spec.template.spec.initContainers`.
    pub(crate) path: String,
    /// restartPolicy is lost here.
    pub(crate) prunes: bool,
}

/// The places in one definition.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) list: Vec<Place>,
    /// A limit ended the search.
    pub(crate) is_cut: bool,
}

/// Walks all versions of a CustomResourceDefinition.
pub(crate) fn places(definition: &Value) -> Places {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
    // Of v1beta1: one schema for all versions, and pruning only where it is asked for.
    let shared = &spec["validation"]["openAPIV3Schema"];
    let is_v1beta1 = definition["apiVersion"] == "apiextensions.k8s.io/v1beta1";
    let keeps_all = match &spec["preserveUnknownFields"] {
        Value::Bool(keeps) => *keeps,
        _ => is_v1beta1,
    };
    let alone = serde_json::json!([{"name": spec["version"], "served": true, "storage": true}]);
    let versions = spec["versions"].as_array().or_else(|| alone.as_array());
    let mut places = Places::default();
    for version in versions.into_iter().flatten() {
        let own = &version["schema"]["openAPIV3Schema"];
        let (found, is_cut) = walk(if own.is_object() { own } else { shared });
        places.is_cut |= is_cut;
        places.list.extend(found.into_iter().map(|(path, prunes)| Place {
            group: group.clone(),
            kind: kind.clone(),
            version: text(&version["name"]),
            is_in_use: version["served"] != false || version["storage"] == true,
            path,
            prunes: prunes && !keeps_all,
        }));
    }
    places
}

/// Every list of init containers with its path and whether it prunes; and whether a limit ended
/// the search.
fn walk(schema: &Value) -> (Vec<(String, bool)>, bool) {
    let mut found = Vec::new();
    let mut open = vec![(schema, String::new(), 0)];
    let mut nodes = 0;
    let mut is_cut = false;
    while let Some((node, path, depth)) = open.pop() {
        nodes += 1;
        if depth > DEPTH_MAX || nodes > NODES_MAX {
            is_cut = true;
            continue;
        }
        let properties = &node["properties"];
        let init = &properties["initContainers"];
        if properties["containers"]["items"].is_object() && init.is_object() {
            found.push((format!("{path}.initContainers"), prunes(init)));
        }
        for (name, inner) in properties.as_object().into_iter().flatten() {
            open.push((inner, format!("{path}.{name}"), depth + 1));
        }
        for (key, step) in [("items", "[]"), ("additionalProperties", "[*]")] {
            if node[key].is_object() {
                open.push((&node[key], format!("{path}{step}"), depth + 1));
            }
        }
    }
    found.sort();
    (found, is_cut)
}

/// Whether a container in this list loses a restartPolicy.
fn prunes(list: &Value) -> bool {
    let item = &list["items"];
    if !item.is_object() {
        return list[PRESERVE] != true;
    }
    let is_map = matches!(&item["additionalProperties"], Value::Object(_) | Value::Bool(true));
    item[PRESERVE] != true && !is_map && item["properties"]["restartPolicy"].is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(item: Value) -> Value {
        let array = |item: &Value| json!({"type": "array", "items": item});
        let pod = json!({"type": "object", "properties": {
            "containers": array(&json!({"type": "object"})),
            "initContainers": array(&item),
        }});
        let template = json!({"properties": {"metadata": {}, "spec": pod}});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "spec": {
                "group": "example.com",
                "names": {"kind": "Sparkler"},
                "versions": [{
                    "name": "v1",
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": {"properties": {"spec": {"properties": {
                        "workers": array(&json!({"properties": {"template": template}})),
                    }}}}},
                }],
            },
        })
    }

    #[test]
    fn schemas_that_keep_and_that_prune() {
        let old = json!({"properties": {"name": {}, "image": {}}});
        for (item, expected) in [
            (old.clone(), true),
            (json!({"properties": {"name": {}, "restartPolicy": {"type": "string"}}}), false),
            (json!({"type": "object", PRESERVE: true}), false),
            (json!({"properties": {"name": {}}, PRESERVE: true}), false),
            (json!({"type": "object", "additionalProperties": true}), false),
            (json!({"type": "object"}), true),
        ] {
            let found = places(&definition(item.clone()));
            assert!(!found.is_cut);
            let [place] = found.list.as_slice() else { panic!("{:?}", found.list) };
            assert_eq!(place.path, ".spec.workers[].template.spec.initContainers");
            assert_eq!((place.group.as_str(), place.kind.as_str()), ("example.com", "Sparkler"));
            assert_eq!(place.prunes, expected, "{item}");
            assert!(place.is_in_use);
        }
        // What stands above does not keep what a list below it names.
        let mut outer = definition(old.clone());
        outer["spec"]["versions"][0]["schema"]["openAPIV3Schema"][PRESERVE] = json!(true);
        assert!(places(&outer).list[0].prunes);
        let mut keeps_all = definition(old.clone());
        keeps_all["spec"]["preserveUnknownFields"] = json!(true);
        assert!(!places(&keeps_all).list[0].prunes);
        let mut retired = definition(old);
        retired["spec"]["versions"][0]["served"] = json!(false);
        retired["spec"]["versions"][0]["storage"] = json!(false);
        assert!(!places(&retired).list[0].is_in_use);
    }

    #[test]
    fn v1beta1_prunes_only_if_told_to() {
        let mut old = definition(json!({"properties": {"name": {}}}));
        old["apiVersion"] = json!("apiextensions.k8s.io/v1beta1");
        let schema = old["spec"]["versions"][0]["schema"].take();
        old["spec"]["validation"] = schema;
        old["spec"]["versions"] = json!(null);
        old["spec"]["version"] = json!("v1alpha1");
        assert!(!places(&old).list[0].prunes);
        old["spec"]["preserveUnknownFields"] = json!(false);
        assert!(places(&old).list[0].prunes);
        assert_eq!(places(&old).list[0].version, "v1alpha1");
    }

    #[test]
    fn a_schema_without_end_is_cut() {
        let mut schema = json!({});
        for _ in 0..150 {
            schema = json!({"items": schema});
        }
        assert!(walk(&schema).1);
        assert!(places(&json!({"kind": "CustomResourceDefinition"})).list.is_empty());
    }
}
