//! The report of `workloads`, for people and for programs.
//!
//! In go the findings of a scan, out come text and the exit status. What was seen for certain
//! decides the status; a possible loss, or owners that may not be read, make it unknown.

use std::collections::BTreeMap;

use kube_api::Failure;
use serde_json::{Value, json};

use super::drift::{Drift, Step};
use super::trouble::{Stuck, Trouble};
use crate::comparison::Fate;
use crate::status::Status;
use crate::table::{Output, Table, plain};

/// Of the JSON. Raised when a field changes its meaning or goes.
const SCHEMA: &str = "native-sidecar-probe/workloads/v1";

/// Owners of one kind that could not be read.
#[derive(Debug)]
pub(crate) struct NotFollowed {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    /// `None` if not even its name could be found out.
    pub(crate) resource: Option<String>,
    pub(crate) owners: usize,
    pub(crate) failure: Failure,
}

/// What a scan found.
#[derive(Debug)]
pub(crate) struct Report {
    /// `None` for all.
    pub(crate) namespace: Option<String>,
    pub(crate) pods: usize,
    pub(crate) drifts: BTreeMap<Step, Drift>,
    pub(crate) stuck: Vec<Stuck>,
    pub(crate) not_followed: Vec<NotFollowed>,
    /// The pods themselves could not be listed.
    pub(crate) failure: Option<Failure>,
}

impl Report {
    pub(crate) fn failed(namespace: Option<String>, failure: Failure) -> Report {
        Report {
            namespace,
            pods: 0,
            drifts: BTreeMap::new(),
            stuck: Vec::new(),
            not_followed: Vec::new(),
            failure: Some(failure),
        }
    }

    pub(crate) fn status(&self) -> Status {
        if let Some(failure) = &self.failure {
            return match failure.is_unreachable() {
                true => Status::Unreachable,
                false => Status::Unknown,
            };
        }
        if self.drifts.values().any(|drift| drift.is_certain) {
            return Status::Stripped;
        }
        let is_certain = |stuck: &Stuck| !matches!(stuck.trouble, Trouble::Endless { .. });
        if self.stuck.iter().any(is_certain) {
            return Status::Unsupported;
        }
        let is_open =
            !self.drifts.is_empty() || !self.stuck.is_empty() || !self.not_followed.is_empty();
        if is_open { Status::Unknown } else { Status::Supported }
    }

    fn verdict(&self) -> &'static str {
        match self.status() {
            Status::Stripped => "STRIPPED",
            Status::Unsupported => "UNSUPPORTED",
            Status::Supported => "KEPT",
            Status::Unreachable => "UNREACHABLE",
            _ => "UNKNOWN",
        }
    }

    pub(crate) fn text(&self, output: Output) -> String {
        output.text(|| self.table(), || self.json())
    }

    fn table(&self) -> String {
        let mut text = String::new();
        let headings =
            ["NAMESPACE", "STILL HAS IT", "LOST BY", "CONTAINER", "HOW", "PODS", "EXAMPLE"];
        let mut table = Table::new(&headings);
        for (step, drift) in &self.drifts {
            table.row([
                &step.namespace,
                &step.owner,
                &step.lost_by,
                &step.container,
                &how(drift),
                &drift.pods.to_string(),
                &drift.example,
            ]);
        }
        if !table.is_empty() {
            text.push_str(&format!("{table}\n"));
        }
        let mut table = Table::new(&["NAMESPACE", "POD", "NODE", "TROUBLE"]);
        for stuck in &self.stuck {
            let trouble = trouble_text(&stuck.trouble);
            table.row([&stuck.namespace, &stuck.pod, &stuck.node, &trouble]);
        }
        if !table.is_empty() {
            text.push_str(&format!("{table}\n"));
        }
        let place = match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in all namespaces".to_owned(),
        };
        text.push_str(&format!("verdict  {}\n", self.verdict()));
        text.push_str(&format!("looked   at {} pods {place}\n", self.pods));
        for remark in self.remarks() {
            text.push_str(&format!("note     {}\n", plain(&remark)));
        }
        for rule in self.missing_rules() {
            text.push_str(&format!("needs    {rule}\n"));
        }
        text
    }

    fn remarks(&self) -> Vec<String> {
        let failure = self
            .failure
            .iter()
            .map(|failure| format!("the pods are unknown: {}", net::with_causes(failure)));
        let kinds = self.not_followed.iter().map(|kind| {
            let why = net::with_causes(&kind.failure);
            format!("{} owners of kind {} could not be compared: {why}", kind.owners, kind.kind)
        });
        failure.chain(kinds).collect()
    }

    fn missing_rules(&self) -> Vec<Value> {
        let rule = |group: &str, resource: &str| {
            let verbs = ["list"];
            json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})
        };
        let pods = self.failure.as_ref().filter(|failure| failure.is_forbidden());
        let kinds = self.not_followed.iter().filter(|kind| kind.failure.is_forbidden());
        let kinds = kinds.filter_map(|kind| {
            let group = kind.api_version.split_once('/').map_or("", |(group, _)| group);
            Some(rule(group, kind.resource.as_deref()?))
        });
        pods.map(|_| rule("", "pods")).into_iter().chain(kinds).collect()
    }

    fn json(&self) -> Value {
        let drifts = self.drifts.iter().map(|(step, drift)| {
            json!({
                "namespace": step.namespace,
                "owner": step.owner,
                "lostBy": step.lost_by,
                "container": step.container,
                "how": how(drift),
                "certain": drift.is_certain,
                "pods": drift.pods,
                "example": drift.example,
            })
        });
        let stuck = self.stuck.iter().map(|stuck| {
            let (kind, container) = match &stuck.trouble {
                Trouble::Refused { .. } => ("refused", None),
                Trouble::Ignored { container } => ("ignored", Some(container)),
                Trouble::Endless { container, .. } => ("endless", Some(container)),
            };
            json!({
                "namespace": stuck.namespace,
                "pod": stuck.pod,
                "node": stuck.node,
                "trouble": kind,
                "container": container,
                "detail": trouble_text(&stuck.trouble),
            })
        });
        json!({
            "schema": SCHEMA,
            "verdict": self.verdict(),
            "namespace": self.namespace,
            "pods": self.pods,
            "drifts": drifts.collect::<Vec<_>>(),
            "stuck": stuck.collect::<Vec<_>>(),
            "remarks": self.remarks(),
            "missingRules": self.missing_rules(),
        })
    }
}

fn how(drift: &Drift) -> String {
    let how = match &drift.fate {
        Fate::Kept => "kept".to_owned(),
        Fate::Lost => "restartPolicy is gone".to_owned(),
        Fate::FieldMoved { to } => format!("restartPolicy moved to {to}"),
        Fate::ContainerMoved => "moved to spec.containers".to_owned(),
        Fate::Gone => "the container is gone".to_owned(),
    };
    match drift.is_certain {
        true => how,
        false => format!("{how}, unless the owner was changed since"),
    }
}

fn trouble_text(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Refused { message } => format!("the kubelet refuses it: {message}"),
        Trouble::Ignored { container } => {
            format!("the kubelet is too old and waits for sidecar {container} to end")
        }
        Trouble::Endless { container, owner_has_it: true } => {
            format!("it waits for {container} to end, which is a sidecar that lost the field")
        }
        Trouble::Endless { container, owner_has_it: false } => {
            format!("init container {container} runs and runs: a sidecar without restartPolicy?")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            namespace: Some("shop".to_owned()),
            pods: 7,
            drifts: BTreeMap::new(),
            stuck: Vec::new(),
            not_followed: Vec::new(),
            failure: None,
        }
    }

    fn forbidden() -> Failure {
        Failure::Refused {
            code: 403,
            reason: "Forbidden".to_owned(),
            message: "no".to_owned(),
            status: Value::Null,
        }
    }

    fn drift(is_certain: bool) -> (Step, Drift) {
        let text = |text: &str| text.to_owned();
        let step = Step {
            namespace: text("shop"),
            owner: text("ReplicaSet/web-1"),
            lost_by: text("Pod"),
            container: text("mesh"),
        };
        (step, Drift { fate: Fate::Lost, is_certain, pods: 3, example: text("web-1-a") })
    }

    #[test]
    fn what_is_certain_decides() {
        let mut found = report();
        assert_eq!(found.status(), Status::Supported);
        found.not_followed.push(NotFollowed {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            resource: Some("replicasets".to_owned()),
            owners: 2,
            failure: forbidden(),
        });
        assert_eq!(found.status(), Status::Unknown);
        let text = found.text(Output::Table);
        let rule = r#"{"apiGroups":["apps"],"resources":["replicasets"],"verbs":["list"]}"#;
        assert!(text.contains(rule), "{text}");
        found.drifts.extend([drift(false)]);
        assert_eq!(found.status(), Status::Unknown);
        let stuck = Stuck {
            namespace: "shop".to_owned(),
            pod: "web".to_owned(),
            node: "node1".to_owned(),
            trouble: Trouble::Ignored { container: "mesh".to_owned() },
        };
        found.stuck.push(stuck);
        assert_eq!(found.status(), Status::Unsupported);
        found.drifts.extend([drift(true)]);
        assert_eq!(found.status(), Status::Stripped);
        assert_eq!(found.json()["stuck"][0]["trouble"], "ignored");
        let failed = Report::failed(None, forbidden());
        assert_eq!(failed.status(), Status::Unknown);
        assert_eq!(failed.json()["missingRules"][0]["resources"][0], "pods");
    }

    #[test]
    fn a_table_of_a_lost_sidecar() {
        let mut found = report();
        found.drifts.extend([drift(true)]);
        let expected = "\
NAMESPACE   STILL HAS IT       LOST BY   CONTAINER   HOW                     PODS   EXAMPLE
shop        ReplicaSet/web-1   Pod       mesh        restartPolicy is gone   3      web-1-a

verdict  STRIPPED
looked   at 7 pods in namespace shop
";
        assert_eq!(found.text(Output::Table), expected);
    }
}
