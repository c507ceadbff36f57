//! The report of a dry run, for people and for programs.
//!
//! In goes the trial with both answers, out comes text. Verdicts and remarks are worked out once
//! and printed in both forms, so the table never says what the JSON does not.

use std::fmt::Write;

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::request::{Collection, Namespace};
use super::verdict::{self, Answer, Finding, Verdict};
use crate::subject::Subject;
use crate::table::{Output, Table, plain};

/// Of the JSON. Raised when a field changes its meaning or goes.
const SCHEMA: &str = "native-sidecar-probe/dry-run/v1";

/// One question and its answers.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) subject: Subject,
    pub(crate) namespace: Namespace,
    pub(crate) version: Option<String>,
    pub(crate) pod: Answer,
    pub(crate) template: Answer,
    /// Whether the same pod without its sidecars is let in, where a policy rejects it with them.
    pub(crate) control_is_let_in: Option<bool>,
}

impl Trial {
    pub(crate) fn new(
        subject: Subject,
        namespace: Namespace,
        version: Option<String>,
        pod: Answer,
        template: Answer,
    ) -> Trial {
        Trial { subject, namespace, version, pod, template, control_is_let_in: None }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.decide().0
    }

    pub(crate) fn report(&self, output: Output) -> String {
        output.text(|| self.table(), || self.json())
    }

    fn decide(&self) -> (Verdict, Vec<Finding>) {
        let version = self.version.as_deref().and_then(super::release);
        verdict::decide(&self.subject.sidecars, &self.pod, &self.template, version.as_ref())
    }

    fn answers(&self) -> [(Collection, &Answer); 2] {
        [(Collection::Pods, &self.pod), (Collection::PodTemplates, &self.template)]
    }

    fn table(&self) -> String {
        let (verdict, findings) = self.decide();
        let mut table = Table::new(&["CONTAINER", "VERDICT", "DETAIL"]);
        for finding in &findings {
            table.row([&finding.container, finding.verdict.word(), &finding.detail]);
        }
        let mut text = format!("{table}\n");
        let version = self.version.as_deref().unwrap_or("unknown");
        let mut line = |label: &str, value: &str| {
            writeln!(text, "{label:<12} {}", plain(value)).expect("a string takes all");
        };
        line("verdict", verdict.word());
        line("pod", &format!("{} in namespace {}", self.subject.title, self.namespace.as_str()));
        line("API server", version);
        for (collection, answer) in self.answers() {
            line(collection.resource(), &outcome(answer));
        }
        for remark in self.remarks() {
            line("note", &remark);
        }
        for rule in self.missing_rules() {
            line("needs", &rule.to_string());
        }
        text
    }

    fn json(&self) -> Value {
        let (verdict, findings) = self.decide();
        let containers = findings.iter().map(|finding| {
            json!({
                "name": finding.container,
                "verdict": finding.verdict.word(),
                "movedTo": finding.moved_to,
                "detail": finding.detail,
            })
        });
        let answers = self.answers().map(|(collection, answer)| describe(collection, answer));
        json!({
            "schema": SCHEMA,
            "verdict": verdict.word(),
            "subject": self.subject.title,
            "namespace": self.namespace.as_str(),
            "apiserver": {"version": self.version},
            "containers": containers.collect::<Vec<_>>(),
            "answers": answers,
            "remarks": self.remarks(),
            "missingRules": self.missing_rules(),
        })
    }

    /// What the verdict leaves to say.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        match &self.pod {
            Answer::Refused { refusal: Refusal::NoDryRun { webhook }, .. } => {
                remarks.push(format!(
                    "webhook {webhook} has side effects, so no pod that it watches can be tried; \
                     another namespace or other labels may avoid it"
                ));
                remarks.push(self.of_template_alone().to_owned());
            }
            Answer::Refused { refusal: Refusal::Forbidden, .. } => {
                remarks.push(self.of_template_alone().to_owned());
            }
            Answer::Refused { refusal: Refusal::Policy { by, name }, .. } => {
                remarks.push(format!("rejected by {} {name}", by.word()));
                remarks.push(self.of_template_alone().to_owned());
            }
            Answer::Accepted { probes_refused: Some(message), .. } => {
                remarks.push(format!("with its sidecars' probes the pod is refused: {message}"));
            }
            Answer::Accepted { .. } | Answer::Refused { .. } | Answer::Lost { .. } => (),
        }
        remarks.extend(self.control_is_let_in.map(|let_in| {
            match let_in {
                true => "the same pod without its native sidecars is let in",
                false => "the same pod without its native sidecars is rejected too",
            }
            .to_owned()
        }));
        let verdict = self.verdict();
        if let Answer::Refused { refusal, .. } = &self.template
            && verdict == Verdict::Lost
        {
            let why = match refusal {
                Refusal::Forbidden => "is not allowed",
                Refusal::NotFound => "is not served here",
                _ => "is refused",
            };
            remarks.push(format!("a dry run of a PodTemplate {why}, so who lost it is not known"));
        }
        if verdict == Verdict::Kept {
            remarks.push(
                "the API server stores it; whether the nodes run it, `cluster` tells".to_owned(),
            );
        }
        remarks
    }

    /// What the PodTemplate tells where the pod's answer tells nothing.
    fn of_template_alone(&self) -> &'static str {
        let is_lost = match &self.template {
            Answer::Accepted { fates, .. } => {
                fates.iter().any(|(_, fate)| *fate != crate::comparison::Fate::Kept)
            }
            Answer::Refused {
                refusal: Refusal::UnknownField | Refusal::NotNative { .. }, ..
            } => true,
            Answer::Refused { .. } | Answer::Lost { .. } => {
                return "the PodTemplate tells nothing either";
            }
        };
        match (is_lost, self.verdict()) {
            (false, _) => "a PodTemplate keeps the field: the API server does not drop it",
            (true, Verdict::StrippedByAdmission) => {
                "a PodTemplate loses the field, which this version of the API server always keeps: \
                 a webhook or policy takes it"
            }
            (true, _) => "a PodTemplate loses the field: the API server drops it",
        }
    }

    /// The rights that a complete answer needs and that are missing.
    fn missing_rules(&self) -> Vec<Value> {
        let is_forbidden = matches!(self.pod, Answer::Refused { refusal: Refusal::Forbidden, .. });
        if self.version.is_none() && is_forbidden {
            // Nothing else was asked.
            return vec![json!({"nonResourceURLs": ["/version"], "verbs": ["get"]})];
        }
        let forbidden = self.answers().into_iter().filter(|(_, answer)| {
            matches!(answer, Answer::Refused { refusal: Refusal::Forbidden, .. })
        });
        let rule = |collection: Collection| {
            json!({
                "apiGroups": [""],
                "resources": [collection.resource()],
                "verbs": ["create"],
                "namespace": self.namespace.as_str(),
            })
        };
        forbidden.map(|(collection, _)| rule(collection)).collect()
    }
}

fn outcome(answer: &Answer) -> String {
    match answer {
        Answer::Accepted { probes_refused: Some(_), .. } => {
            "would be stored, if its sidecars had no probes".to_owned()
        }
        Answer::Accepted { .. } => "would be stored".to_owned(),
        Answer::Refused { message, .. } => format!("refused: {message}"),
        Answer::Lost { message } => format!("unknown: {message}"),
    }
}

fn describe(collection: Collection, answer: &Answer) -> Value {
    let mut object = json!({"resource": collection.resource()});
    match answer {
        Answer::Accepted { unknown_field, probes_refused, .. } => {
            object["outcome"] = json!("accepted");
            object["unknownField"] = json!(unknown_field);
            object["probesRefused"] = json!(probes_refused);
        }
        Answer::Refused { refusal, message } => {
            object["outcome"] = json!("refused");
            object["message"] = json!(message);
            match refusal {
                Refusal::NoDryRun { webhook } => object["webhook"] = json!(webhook),
                Refusal::Policy { by, name } => {
                    object["rejectedBy"] = json!({"kind": by.word(), "name": name});
                }
                _ => (),
            }
        }
        Answer::Lost { message } => {
            object["outcome"] = json!("no answer");
            object["message"] = json!(message);
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Fate;
    use crate::dry_run::refusal::Policy;
    use crate::subject::{Additions, CANARY_IMAGE, CANARY_SIDECAR};

    fn trial(pod: Answer, template: Answer) -> Trial {
        let subject = Subject::canary(CANARY_IMAGE, &Additions::default());
        let namespace = Namespace::parse("team").unwrap();
        Trial::new(subject, namespace, Some("v1.32.13".to_owned()), pod, template)
    }

    fn accepted(fate: Fate) -> Answer {
        let fates = vec![(CANARY_SIDECAR.to_owned(), fate)];
        Answer::Accepted { fates, unknown_field: false, probes_refused: None }
    }

    fn refused(refusal: Refusal) -> Answer {
        Answer::Refused { refusal, message: "the\u{1b}message".to_owned() }
    }

    #[test]
    fn a_pod_that_admission_strips() {
        let trial = trial(accepted(Fate::Lost), accepted(Fate::Kept));
        let expected = "\
CONTAINER              VERDICT                 DETAIL
native-sidecar-probe   STRIPPED_BY_ADMISSION   a PodTemplate keeps it

verdict      STRIPPED_BY_ADMISSION
pod          canary in namespace team
API server   v1.32.13
pods         would be stored
podtemplates would be stored
";
        assert_eq!(trial.report(Output::Table), expected);
        let json = trial.json();
        assert_eq!(json["schema"], SCHEMA);
        assert_eq!(json["containers"][0]["verdict"], "STRIPPED_BY_ADMISSION");
    }

    #[test]
    fn a_webhook_without_dry_run_is_named_and_the_rest_concluded() {
        let webhook = "w.example".to_owned();
        let trial = trial(refused(Refusal::NoDryRun { webhook }), accepted(Fate::Kept));
        let text = trial.report(Output::Table);
        assert!(text.contains("webhook w.example has side effects"), "{text}");
        assert!(text.contains("a PodTemplate keeps the field"), "{text}");
        assert!(!text.contains('\u{1b}'));
        let json = trial.json();
        assert_eq!(json["verdict"], "DRYRUN_UNSUPPORTED");
        assert_eq!(json["answers"][0]["webhook"], "w.example");
    }

    #[test]
    fn what_a_new_api_server_cannot_drop_is_taken_by_others() {
        let webhook = "w.example".to_owned();
        let mut trial = trial(refused(Refusal::NoDryRun { webhook }), accepted(Fate::Lost));
        assert_eq!(trial.json()["verdict"], "DROPPED_BY_APISERVER");
        assert!(trial.remarks()[1].contains("the API server drops it"));
        trial.version = Some("v1.36.3".to_owned());
        assert_eq!(trial.json()["verdict"], "STRIPPED_BY_ADMISSION");
        assert!(trial.remarks()[1].contains("a webhook or policy takes it"));
    }

    #[test]
    fn missing_rights_are_rules_to_copy() {
        let mut trial = trial(refused(Refusal::Forbidden), refused(Refusal::Forbidden));
        let rules = trial.missing_rules();
        let resources = ["podtemplates"];
        let expected = json!({
            "apiGroups": [""], "resources": resources, "verbs": ["create"], "namespace": "team",
        });
        assert_eq!(rules[1], expected);
        assert_eq!(trial.verdict(), Verdict::Forbidden);
        assert!(trial.report(Output::Table).contains(r#""resources":["pods"]"#));
        trial.version = None;
        let rules = trial.missing_rules();
        assert_eq!(rules, [json!({"nonResourceURLs": ["/version"], "verbs": ["get"]})]);
    }

    #[test]
    fn a_policy_is_told_with_its_control() {
        let by = Refusal::Policy { by: Policy::PodSecurity, name: "restricted:latest".to_owned() };
        let mut trial = trial(refused(by), accepted(Fate::Kept));
        trial.control_is_let_in = Some(false);
        let json = trial.json();
        assert_eq!(json["verdict"], "REJECTED_BY_POLICY");
        assert_eq!(json["answers"][0]["rejectedBy"]["name"], "restricted:latest");
        let remarks = json["remarks"].to_string();
        assert!(remarks.contains("rejected too"), "{remarks}");
    }
}
