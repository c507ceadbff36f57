//! Which webhooks and policies a new pod meets, and in which order.
//!
//! In go raw configurations, the namespace and the pod's labels, out come the ones that match, as
//! the API server calls them: policies first, then the configurations by name and the webhooks of
//! each in their own order. CEL is not evaluated: what has match conditions is shown as
//! conditional, because a condition that is guessed wrong would hide the culprit.

use serde_json::Value;

use super::selector::{self, Labels, Match};

/// The API server's default, and the most that it allows is 30.
const TIMEOUT_SECONDS_DEFAULT: u64 = 10;

/// One mutating webhook.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) configuration: String,
    pub(crate) name: String,
    /// As it stands in the configuration.
    pub(crate) value: Value,
    /// By its rules and the namespace; the pod's labels come in addition.
    namespace_match: Match,
}

/// A mutating admission policy, by one of its bindings.
#[derive(Debug, Clone)]
pub(crate) struct PolicyBinding {
    pub(crate) policy: String,
    pub(crate) binding: String,
    pub(crate) matches: Match,
    pub(crate) is_conditional: bool,
    pub(crate) failure_policy: String,
    pub(crate) reinvocation: String,
    /// One of its mutations speaks of init containers or restart policies.
    pub(crate) mentions_sidecars: bool,
}

/// Where the pod is created.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) namespace_labels: Labels,
}

impl Hook {
    pub(crate) fn matches(&self, pod_labels: &Labels) -> Match {
        let by_object = selector::selects(&self.value["objectSelector"], pod_labels);
        self.namespace_match.and(by_object)
    }

    /// The names of its match conditions.
    pub(crate) fn conditions(&self) -> Vec<String> {
        conditions(&self.value["matchConditions"])
    }

    pub(crate) fn failure_policy(&self) -> &str {
        self.value["failurePolicy"].as_str().unwrap_or("Fail")
    }

    pub(crate) fn side_effects(&self) -> &str {
        self.value["sideEffects"].as_str().unwrap_or("Unknown")
    }

    /// A dry run of a pod that meets it is refused.
    pub(crate) fn blocks_dry_run(&self) -> bool {
        !matches!(self.side_effects(), "None" | "NoneOnDryRun")
    }

    pub(crate) fn reinvocation(&self) -> &str {
        self.value["reinvocationPolicy"].as_str().unwrap_or("Never")
    }

    pub(crate) fn timeout_seconds(&self) -> u64 {
        self.value["timeoutSeconds"].as_u64().unwrap_or(TIMEOUT_SECONDS_DEFAULT)
    }
}

/// The webhooks of all configurations that may see a new pod in this place, in call order.
pub(crate) fn in_call_order(configurations: &[Value], place: &Place) -> Vec<Hook> {
    let name = |configuration: &Value| text(&configuration["metadata"]["name"]);
    let mut sorted: Vec<&Value> = configurations.iter().collect();
    sorted.sort_by_key(|configuration| name(configuration));
    let hooks = sorted.into_iter().flat_map(|configuration| {
        list(&configuration["webhooks"]).iter().map(move |webhook| {
            let by_rules = Match::from(list(&webhook["rules"]).iter().any(is_about_new_pods));
            let by_namespace =
                selector::selects(&webhook["namespaceSelector"], &place.namespace_labels);
            Hook {
                configuration: name(configuration),
                name: text(&webhook["name"]),
                value: webhook.clone(),
                namespace_match: by_rules.and(by_namespace),
            }
        })
    });
    hooks.filter(|hook| hook.namespace_match != Match::No).collect()
}

/// The policies that a new pod meets, one entry for each binding.
pub(crate) fn policies(
    policies: &[Value],
    bindings: &[Value],
    place: &Place,
    pod_labels: &Labels,
) -> Vec<PolicyBinding> {
    let mut found = Vec::new();
    for policy in policies {
        let (name, spec) = (text(&policy["metadata"]["name"]), &policy["spec"]);
        let by_policy = constrains(&spec["matchConstraints"], true, place, pod_labels);
        let bindings = bindings.iter().filter(|binding| binding["spec"]["policyName"] == *name);
        for binding in bindings {
            let by_binding =
                constrains(&binding["spec"]["matchResources"], false, place, pod_labels);
            let mutations = spec["mutations"].to_string();
            let words = ["initContainers", "restartPolicy"];
            found.push(PolicyBinding {
                policy: name.clone(),
                binding: text(&binding["metadata"]["name"]),
                matches: by_policy.and(by_binding),
                is_conditional: !conditions(&spec["matchConditions"]).is_empty(),
                failure_policy: spec["failurePolicy"].as_str().unwrap_or("Fail").to_owned(),
                reinvocation: spec["reinvocationPolicy"].as_str().unwrap_or("Never").to_owned(),
                mentions_sidecars: words.iter().any(|word| mutations.contains(word)),
            });
        }
    }
    found.retain(|policy| policy.matches != Match::No);
    found.sort_by(|a, b| (&a.policy, &a.binding).cmp(&(&b.policy, &b.binding)));
    found
}

/// Whether the constraints of a policy, or of a binding, let a new pod through. Only a binding may
/// be without rules.
fn constrains(resources: &Value, needs_rules: bool, place: &Place, pod_labels: &Labels) -> Match {
    let matching = |rules: &Value| {
        let rules = list(rules).iter().filter(|rule| is_about_new_pods(rule));
        rules.fold(Match::No, |found, rule| match list(&rule["resourceNames"]) {
            [] => Match::Yes,
            // The pod's name is not known before it is created.
            _ if found == Match::No => Match::Perhaps,
            _ => found,
        })
    };
    let by_rules = match list(&resources["resourceRules"]) {
        [] if !needs_rules => Match::Yes,
        _ => matching(&resources["resourceRules"]),
    };
    by_rules
        .and(matching(&resources["excludeResourceRules"]).not())
        .and(selector::selects(&resources["namespaceSelector"], &place.namespace_labels))
        .and(selector::selects(&resources["objectSelector"], pod_labels))
}

/// Whether a rule is about the creation of pods.
fn is_about_new_pods(rule: &Value) -> bool {
    let has = |key: &str, words: &[&str]| {
        list(&rule[key]).iter().any(|item| words.iter().any(|word| item == word))
    };
    has("operations", &["*", "CREATE"])
        && has("apiGroups", &["*", ""])
        && has("apiVersions", &["*", "v1"])
        && has("resources", &["*", "*/*", "pods", "pods/*"])
        && matches!(rule["scope"].as_str(), None | Some("*" | "Namespaced"))
}

fn conditions(value: &Value) -> Vec<String> {
    list(value).iter().map(|condition| text(&condition["name"])).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(labels: Value, complete: bool) -> Place {
        let known = labels.as_object().unwrap().clone();
        Place { namespace_labels: Labels { known, complete } }
    }

    fn rule(resources: &[&str]) -> Value {
        json!({
            "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
            "resources": resources,
        })
    }

    #[test]
    fn rules_of_real_webhooks() {
        for (resources, expected) in [
            (&["pods"][..], true),
            (&["*"], true),
            (&["*/*"], true),
            (&["pods/*"], true),
            (&["deployments", "pods"], true),
            (&["pods/binding"], false),
            (&["pods/ephemeralcontainers"], false),
            (&["*/status"], false),
            (&["deployments"], false),
            (&[], false),
        ] {
            assert_eq!(is_about_new_pods(&rule(resources)), expected, "{resources:?}");
        }
        let mut cluster = rule(&["*"]);
        cluster["scope"] = json!("Cluster");
        assert!(!is_about_new_pods(&cluster));
        let mut update = rule(&["pods"]);
        update["operations"] = json!(["UPDATE"]);
        assert!(!is_about_new_pods(&update));
        update["operations"] = json!(["*"]);
        update["apiGroups"] = json!(["*"]);
        update["apiVersions"] = json!(["*"]);
        assert!(is_about_new_pods(&update));
        update["apiGroups"] = json!(["apps"]);
        assert!(!is_about_new_pods(&update));
    }

    #[test]
    fn order_is_by_configuration_and_then_as_listed() {
        let hook = |name: &str| json!({"name": name, "rules": [rule(&["pods"])]});
        let configuration =
            |name: &str, hooks: Value| json!({"metadata": {"name": name}, "webhooks": hooks});
        let configurations = [
            configuration("b", json!([hook("z"), hook("a")])),
            configuration("a", json!([hook("m"), {"name": "other", "rules": [rule(&["jobs"])]}])),
        ];
        let hooks = in_call_order(&configurations, &place(json!({}), true));
        let names: Vec<_> = hooks.iter().map(|hook| hook.name.as_str()).collect();
        assert_eq!(names, ["m", "z", "a"]);
        assert_eq!(hooks[0].failure_policy(), "Fail");
        assert!(hooks[0].blocks_dry_run());
        assert_eq!(hooks[0].timeout_seconds(), 10);
        assert_eq!(hooks[0].reinvocation(), "Never");
    }

    #[test]
    fn selectors_of_namespace_and_pod() {
        let configuration = json!({"metadata": {"name": "mesh"}, "webhooks": [{
            "name": "inject",
            "rules": [rule(&["pods"])],
            "sideEffects": "None",
            "namespaceSelector": {"matchLabels": {"inject": "yes"}},
            "objectSelector": {"matchExpressions": [
                {"key": "inject", "operator": "NotIn", "values": ["no"]}]},
            "matchConditions": [{"name": "not-host", "expression": "true"}],
        }]});
        let configurations = [configuration];
        let meets = |place: &Place, labels: Value| {
            let labels = Labels { known: labels.as_object().unwrap().clone(), complete: true };
            let hooks = in_call_order(&configurations, place);
            hooks.first().map_or(Match::No, |hook| hook.matches(&labels))
        };
        let injected = place(json!({"inject": "yes"}), true);
        assert_eq!(meets(&injected, json!({})), Match::Yes);
        assert_eq!(meets(&injected, json!({"inject": "no"})), Match::No);
        assert_eq!(meets(&place(json!({}), true), json!({})), Match::No);
        // Who may not read the namespace cannot tell.
        assert_eq!(meets(&place(json!({}), false), json!({})), Match::Perhaps);
        assert_eq!(meets(&place(json!({}), false), json!({"inject": "no"})), Match::No);
        let hooks = in_call_order(&configurations, &injected);
        assert_eq!(hooks[0].conditions(), ["not-host"]);
        assert!(!hooks[0].blocks_dry_run());
    }

    #[test]
    fn policies_need_a_binding() {
        let policy = json!({"metadata": {"name": "p"}, "spec": {
            "matchConstraints": {"resourceRules": [rule(&["pods"])]},
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression":
                "[JSONPatch{op: \"remove\", path: \"/spec/initContainers/0/restartPolicy\"}]"}}],
        }});
        let binding = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p"}});
        let mut narrow = binding.clone();
        narrow["spec"]["matchResources"] =
            json!({"namespaceSelector": {"matchLabels": {"team": "x"}}});
        let here = place(json!({"team": "y"}), true);
        let labels = Labels { complete: true, ..Labels::default() };
        let all = [policy.clone()];
        assert!(policies(&all, &[], &here, &labels).is_empty());
        assert!(policies(&all, &[narrow], &here, &labels).is_empty());
        let found = policies(&all, std::slice::from_ref(&binding), &here, &labels);
        assert_eq!(found.len(), 1);
        assert!(found[0].mentions_sidecars);
        assert_eq!(found[0].matches, Match::Yes);
        let mut excluded = policy.clone();
        excluded["spec"]["matchConstraints"]["excludeResourceRules"] = json!([rule(&["pods"])]);
        assert!(policies(&[excluded], std::slice::from_ref(&binding), &here, &labels).is_empty());
        let mut named = policy;
        named["spec"]["matchConstraints"]["resourceRules"][0]["resourceNames"] = json!(["x"]);
        assert_eq!(policies(&[named], &[binding], &here, &labels)[0].matches, Match::Perhaps);
    }
}
