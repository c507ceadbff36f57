//! The reports of `webhooks`, for people and for programs.
//!
//! In go the inventory, the steps of a replay or the summary of an audit log, out come text and the
//! exit status. Whatever is uncertain says so: a webhook that only may match, a patch that an
//! unreachable webhook would have made.

use std::fmt::Write;

use kube_api::Failure;
use serde_json::{Value, json};

use super::Inventory;
use super::audit::{Summary, describe};
use super::blame::Loss;
use super::hook::Hook;
use super::replay::{Outcome, Step};
use super::selector::{Labels, Match};
use crate::comparison::Fate;
use crate::status::Status;
use crate::table::{Output, Table, plain};

/// Of the JSON. Raised when a field changes its meaning or goes.
const SCHEMA: &str = "native-sidecar-probe/webhooks/v1";
const AUDIT_SCHEMA: &str = "native-sidecar-probe/webhooks-audit/v1";

/// What the pod meets, and what came of the replay.
#[derive(Debug)]
pub(crate) struct Report {
    title: String,
    inventory: Inventory,
    /// Whether each webhook matches.
    matches: Vec<Match>,
    steps: Option<Vec<Step>>,
    failure: Option<Status>,
}

impl Report {
    pub(super) fn new(
        title: String,
        mut inventory: Inventory,
        labels: &Labels,
        steps: Option<Vec<Step>>,
    ) -> Report {
        let matches: Vec<_> = inventory.hooks.iter().map(|hook| hook.matches(labels)).collect();
        let blocks = |(hook, matches): (&Hook, &Match)| {
            (*matches != Match::No && hook.blocks_dry_run()).then(|| hook.name.clone())
        };
        let blocking: Vec<_> = inventory.hooks.iter().zip(&matches).filter_map(blocks).collect();
        if !blocking.is_empty() {
            let names = blocking.join(", ");
            inventory.remarks.push(format!("dry runs of this pod are refused because of {names}"));
        }
        if inventory.policies.iter().any(|policy| policy.mentions_sidecars) {
            let remark = "a policy speaks of init containers: \
                          its CEL is not evaluated here, a dry run tells";
            inventory.remarks.push(remark.to_owned());
        }
        Report { title, inventory, matches, steps, failure: None }
    }

    /// The webhooks themselves cannot be listed.
    pub(super) fn failed(title: String, failure: &Failure, rule: Value) -> Report {
        let status = match failure.is_unreachable() {
            true => Status::Unreachable,
            false => Status::Unknown,
        };
        let inventory = Inventory {
            remarks: vec![format!("webhooks are unknown: {}", net::with_causes(failure))],
            missing_rules: Vec::from_iter(failure.is_forbidden().then_some(rule)),
            ..Inventory::default()
        };
        let matches = Vec::new();
        Report { title, inventory, matches, steps: None, failure: Some(status) }
    }

    pub(crate) fn status(&self) -> Status {
        if let Some(status) = self.failure {
            return status;
        }
        let steps = self.steps.as_deref().unwrap_or_default();
        let any = |test: fn(&Outcome) -> bool| steps.iter().any(|step| test(&step.outcome));
        let denies = |step: &Step| matches!(step.outcome, Outcome::Denied { .. });
        let is_stripped = steps.iter().flat_map(|step| &step.losses).any(|loss| !loss.is_mended);
        if self.inventory.is_dropped_by_apiserver {
            return Status::Stripped;
        }
        // A pod that is denied for sure never runs without the field, whoever took it before.
        if steps.iter().any(|step| step.is_certain && denies(step)) {
            return Status::Policy;
        }
        if is_stripped {
            return Status::Stripped;
        }
        if steps.iter().any(denies) {
            return Status::Policy;
        }
        match any(|outcome| matches!(outcome, Outcome::Failed { .. } | Outcome::Skipped { .. })) {
            true => Status::Unknown,
            false => Status::Supported,
        }
    }

    /// Of a replay; a list alone has none.
    fn verdict(&self) -> Option<&'static str> {
        match (&self.steps, self.status()) {
            (_, Status::Unreachable) => Some("UNREACHABLE"),
            (_, Status::Stripped) if self.inventory.is_dropped_by_apiserver => {
                Some("DROPPED_BY_APISERVER")
            }
            (Some(_), Status::Stripped) => Some("STRIPPED_BY_ADMISSION"),
            (Some(_), Status::Policy) => Some("REJECTED_BY_POLICY"),
            (Some(_), Status::Supported) => Some("KEPT"),
            (_, Status::Unknown) => Some("UNKNOWN"),
            _ => None,
        }
    }

    pub(crate) fn text(&self, output: Output) -> String {
        output.text(|| self.table(), || self.json())
    }

    /// The webhooks that match, with their place in the call order of all.
    fn hooks(&self) -> impl Iterator<Item = (usize, &Hook, Match)> {
        let hooks = self.inventory.hooks.iter().zip(&self.matches).enumerate();
        hooks
            .map(|(index, (hook, matches))| (index, hook, *matches))
            .filter(|(_, _, matches)| *matches != Match::No)
    }

    fn table(&self) -> String {
        let headings = [
            "WEBHOOK",
            "CONFIGURATION",
            "CALLED",
            "FAILURE",
            "SIDE EFFECTS",
            "REINVOKED",
            "TIMEOUT",
        ];
        let mut table = Table::new(&headings);
        for policy in &self.inventory.policies {
            table.row([
                format!("policy {}", policy.policy),
                policy.binding.clone(),
                called(policy.matches, policy.is_conditional).to_owned(),
                policy.failure_policy.clone(),
                "None".to_owned(),
                policy.reinvocation.clone(),
                "-".to_owned(),
            ]);
        }
        for (_, hook, matches) in self.hooks() {
            table.row([
                hook.name.clone(),
                hook.configuration.clone(),
                called(matches, !hook.conditions().is_empty()).to_owned(),
                hook.failure_policy().to_owned(),
                hook.side_effects().to_owned(),
                hook.reinvocation().to_owned(),
                format!("{}s", hook.timeout_seconds()),
            ]);
        }
        let mut text = match (self.failure, table.is_empty()) {
            (Some(_), _) => String::new(),
            (None, true) => {
                format!("no mutating webhook or policy meets this pod\n{}", self.step_table())
            }
            (None, false) => format!("{table}{}", self.step_table()),
        };
        let mut line = |label: &str, value: &str| {
            writeln!(text, "{label:<8} {}", plain(value)).expect("a string takes all");
        };
        if let Some(verdict) = self.verdict() {
            line("verdict", verdict);
        }
        line("pod", &self.title);
        for remark in &self.inventory.remarks {
            line("note", remark);
        }
        for rule in &self.inventory.missing_rules {
            line("needs", &rule.to_string());
        }
        text
    }

    fn step_table(&self) -> String {
        let Some(steps) = &self.steps else { return "\n".to_owned() };
        let mut table = Table::new(&["ROUND", "WEBHOOK", "ANSWER", "LOST", "BY"]);
        for step in steps {
            let name = self.hook_name(step);
            let loss = step.losses.first();
            let by = loss.map(|loss| describe(&loss.operation)).unwrap_or_default();
            let lost: Vec<_> = step
                .losses
                .iter()
                .map(|loss| format!("{} ({})", loss.container, loss_text(loss)))
                .collect();
            table.row([
                step.round.to_string(),
                name.to_owned(),
                answer(&step.outcome),
                lost.join(", "),
                by,
            ]);
        }
        format!("\n{table}\n")
    }

    fn hook_name(&self, step: &Step) -> &str {
        self.inventory.hooks.get(step.hook).map_or("", |hook| hook.name.as_str())
    }

    fn json(&self) -> Value {
        let hooks = self.hooks().map(|(index, hook, matches)| {
            json!({
                "order": index,
                "webhook": hook.name,
                "configuration": hook.configuration,
                "called": called(matches, !hook.conditions().is_empty()),
                "matchConditions": hook.conditions(),
                "failurePolicy": hook.failure_policy(),
                "sideEffects": hook.side_effects(),
                "blocksDryRun": hook.blocks_dry_run(),
                "reinvocationPolicy": hook.reinvocation(),
                "timeoutSeconds": hook.timeout_seconds(),
            })
        });
        let policies = self.inventory.policies.iter().map(|policy| {
            json!({
                "policy": policy.policy,
                "binding": policy.binding,
                "called": called(policy.matches, policy.is_conditional),
                "failurePolicy": policy.failure_policy,
                "reinvocationPolicy": policy.reinvocation,
                "mentionsSidecars": policy.mentions_sidecars,
            })
        });
        let steps = self
            .steps
            .as_ref()
            .map(|steps| steps.iter().map(|step| self.step_json(step)).collect::<Vec<_>>());
        json!({
            "schema": SCHEMA,
            "verdict": self.verdict(),
            "subject": self.title,
            "policies": policies.collect::<Vec<_>>(),
            "webhooks": hooks.collect::<Vec<_>>(),
            "replay": steps,
            "remarks": self.inventory.remarks,
            "missingRules": self.inventory.missing_rules,
        })
    }

    fn step_json(&self, step: &Step) -> Value {
        let losses = step.losses.iter().map(|loss| {
            let moved_to = match &loss.fate {
                Fate::FieldMoved { to } => Some(to.as_str()),
                Fate::ContainerMoved => Some("spec.containers"),
                Fate::Kept | Fate::Lost | Fate::Gone => None,
            };
            json!({
                "container": loss.container,
                "fate": fate_text(&loss.fate),
                "movedTo": moved_to,
                "mended": loss.is_mended,
                "operationIndex": loss.index,
                "operation": loss.operation,
            })
        });
        json!({
            "round": step.round,
            "webhook": self.hook_name(step),
            "certain": step.is_certain,
            "answer": answer(&step.outcome),
            "losses": losses.collect::<Vec<_>>(),
        })
    }
}

fn called(matches: Match, is_conditional: bool) -> &'static str {
    match (matches, is_conditional) {
        (Match::Yes, false) => "yes",
        (Match::Yes, true) => "conditional",
        (Match::Perhaps, _) => "perhaps",
        (Match::No, _) => "no",
    }
}

fn answer(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Patched { operations } => format!("patched, operations: {operations}"),
        Outcome::Denied { message } => format!("denied: {message}"),
        Outcome::Failed { message } => format!("failed: {message}"),
        Outcome::Skipped { reason } => format!("not asked: {reason}"),
    }
}

fn loss_text(loss: &Loss) -> String {
    let fate = fate_text(&loss.fate);
    if loss.is_mended { format!("{fate}, and put back later") } else { fate }
}

fn fate_text(fate: &Fate) -> String {
    match fate {
        Fate::Kept => "kept".to_owned(),
        Fate::Lost => "restartPolicy is gone".to_owned(),
        Fate::FieldMoved { to } => format!("restartPolicy moved to {to}"),
        Fate::ContainerMoved => "moved to spec.containers".to_owned(),
        Fate::Gone => "the container is gone".to_owned(),
    }
}

/// The report on an audit log.
pub(super) fn audit(summary: &Summary, output: Output) -> String {
    output.text(|| audit_table(summary), || audit_json(summary))
}

fn audit_table(summary: &Summary) -> String {
    let headings = ["WEBHOOK", "CONFIGURATION", "CONTAINER", "OPERATION", "PODS", "EXAMPLE"];
    let mut table = Table::new(&headings);
    for (culprit, (pods, example)) in &summary.culprits {
        table.row([
            &culprit.webhook,
            &culprit.configuration,
            &culprit.container,
            &culprit.operation,
            &pods.to_string(),
            example,
        ]);
    }
    let mut text = match summary.status() {
        Status::Stripped => table.to_string(),
        Status::Supported => "no webhook took the field from a pod in this log\n".to_owned(),
        _ => "this log does not tell whether a webhook took the field\n".to_owned(),
    };
    text.push_str(&format!("\npods     {} created and changed by webhooks\n", summary.pods));
    for (webhook, pods) in &summary.unclear {
        let webhook = plain(webhook);
        text.push_str(&format!("note     {webhook} changed {pods} pods, its patch is not here\n"));
    }
    if !summary.unclear.is_empty() {
        text.push_str("note     patches are logged at the audit level Request and above\n");
    }
    if summary.unreadable_lines > 0 {
        text.push_str(&format!("note     {} lines are no events\n", summary.unreadable_lines));
    }
    text
}

fn audit_json(summary: &Summary) -> Value {
    let culprits = summary.culprits.iter().map(|(culprit, (pods, example))| {
        json!({
            "webhook": culprit.webhook,
            "configuration": culprit.configuration,
            "container": culprit.container,
            "operation": culprit.operation,
            "pods": pods,
            "example": example,
        })
    });
    json!({
        "schema": AUDIT_SCHEMA,
        "pods": summary.pods,
        "culprits": culprits.collect::<Vec<_>>(),
        "withoutPatch": summary.unclear,
        "unreadableLines": summary.unreadable_lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::hook::{self, Place};

    fn labels() -> Labels {
        Labels { complete: true, ..Labels::default() }
    }

    fn inventory() -> Inventory {
        let rule = json!({
            "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
            "resources": ["pods"],
        });
        let configuration = json!({"metadata": {"name": "eks"}, "webhooks": [{
            "name": "identity.example",
            "rules": [rule],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "matchConditions": [{"name": "x"}],
        }, {
            "name": "old.example",
            "rules": [rule],
        }, {
            "name": "elsewhere.example",
            "rules": [rule],
            "objectSelector": {"matchLabels": {"a": "b"}},
        }]});
        let place = Place { namespace_labels: labels() };
        let hooks = hook::in_call_order(&[configuration], &place);
        Inventory { hooks, ..Inventory::default() }
    }

    #[test]
    fn a_list_names_what_blocks_dry_runs() {
        let report = Report::new("canary".to_owned(), inventory(), &labels(), None);
        let expected = "\
WEBHOOK            CONFIGURATION   CALLED        FAILURE   SIDE EFFECTS   REINVOKED   TIMEOUT
identity.example   eks             conditional   Ignore    None           Never       10s
old.example        eks             yes           Fail      Unknown        Never       10s

pod      canary
note     dry runs of this pod are refused because of old.example
";
        assert_eq!(report.text(Output::Table), expected);
        assert_eq!(report.status(), Status::Supported);
        let json = report.json();
        assert_eq!(json["webhooks"][1]["blocksDryRun"], true);
        assert_eq!(json["verdict"], Value::Null);
    }

    #[test]
    fn the_status_of_a_replay() {
        let step = |outcome: Outcome, losses: Vec<Loss>| Step {
            round: 0,
            hook: 0,
            is_certain: true,
            outcome,
            losses,
        };
        let loss = Loss {
            container: "mesh".to_owned(),
            fate: Fate::Lost,
            index: 3,
            operation: json!({"op": "replace", "path": "/spec/initContainers", "value": []}),
            is_mended: false,
        };
        let report = |steps: Vec<Step>| {
            Report::new("canary".to_owned(), inventory(), &labels(), Some(steps))
        };
        let patched = || Outcome::Patched { operations: 4 };
        let mended = Loss { is_mended: true, ..loss.clone() };
        let kept = report(vec![step(patched(), vec![mended])]);
        assert_eq!((kept.status(), kept.verdict()), (Status::Supported, Some("KEPT")));
        assert!(kept.text(Output::Table).contains("and put back later"));
        let failed = || Outcome::Failed { message: "refused".to_owned() };
        let stripped = report(vec![
            step(failed(), Vec::new()),
            step(Outcome::Patched { operations: 4 }, vec![loss.clone()]),
        ]);
        assert_eq!(stripped.status(), Status::Stripped);
        let text = stripped.text(Output::Table);
        assert!(text.contains("replace /spec/initContainers"), "{text}");
        assert!(text.contains("mesh (restartPolicy is gone)"), "{text}");
        assert_eq!(stripped.json()["replay"][1]["losses"][0]["operationIndex"], 3);
        assert_eq!(report(vec![step(failed(), Vec::new())]).status(), Status::Unknown);
        assert_eq!(report(vec![step(Outcome::Unchanged, Vec::new())]).status(), Status::Supported);
        let denied = step(Outcome::Denied { message: "no".to_owned() }, Vec::new());
        assert_eq!(report(vec![denied.clone()]).status(), Status::Policy);
        let strip = step(patched(), vec![loss]);
        assert_eq!(report(vec![strip.clone(), denied.clone()]).status(), Status::Policy);
        let perhaps = Step { is_certain: false, ..denied };
        assert_eq!(report(vec![perhaps.clone()]).status(), Status::Policy);
        assert_eq!(report(vec![strip, perhaps]).status(), Status::Stripped);
    }
}
