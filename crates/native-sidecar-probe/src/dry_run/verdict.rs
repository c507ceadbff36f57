//! Who dropped the field: the decision from two dry runs of the same pod.
//!
//! In go what became of the pod, what became of the PodTemplate and the API server's version; out
//! come a verdict for each native sidecar, one for the pod, and remarks. A PodTemplate passes the
//! same field rules as a pod, but not the webhooks and policies that watch pods: so what both lose
//! the API server drops, and what only the pod loses admission strips.

use manifest::Version;

use super::refusal::Refusal;
use crate::comparison::Fate;
use crate::status::Status;

/// The API server keeps the field from this minor version on, whatever its settings.
const LOCKED_SINCE: u32 = 33;
/// The first minor version that knows the field.
const KNOWN_SINCE: u32 = 28;

/// The answer to one dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It would be stored, so.
    Accepted {
        fates: Vec<(String, Fate)>,
        /// The API server showed that it does not know the field.
        unknown_field: bool,
        /// The message that refused the sidecars' probes, if they were left out to get this far.
        probes_refused: Option<String>,
    },
    Refused {
        refusal: Refusal,
        message: String,
    },
    /// No answer came.
    Lost {
        message: String,
    },
}

/// What is said of a sidecar, and of the pod. The order is that of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Kept,
    Unreachable,
    /// The answer tells neither way; the message does.
    Unknown,
    /// The pod is wrong for another reason than its sidecars.
    Invalid,
    Forbidden,
    DryRunUnsupported,
    RejectedByPolicy,
    Moved,
    /// Lost, by the API server or by admission.
    Lost,
    StrippedByAdmission,
    DroppedByApiserver,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Kept => "KEPT",
            Verdict::Unreachable => "UNREACHABLE",
            Verdict::Unknown => "UNKNOWN",
            Verdict::Invalid => "INVALID",
            Verdict::Forbidden => "FORBIDDEN",
            Verdict::DryRunUnsupported => "DRYRUN_UNSUPPORTED",
            Verdict::RejectedByPolicy => "REJECTED_BY_POLICY",
            Verdict::Moved => "MOVED",
            Verdict::Lost => "LOST",
            Verdict::StrippedByAdmission => "STRIPPED_BY_ADMISSION",
            Verdict::DroppedByApiserver => "DROPPED_BY_APISERVER",
        }
    }

    pub(crate) fn status(self) -> Status {
        match self {
            Verdict::Kept => Status::Supported,
            Verdict::Unreachable => Status::Unreachable,
            Verdict::Unknown
            | Verdict::Invalid
            | Verdict::Forbidden
            | Verdict::DryRunUnsupported => Status::Unknown,
            Verdict::RejectedByPolicy => Status::Policy,
            Verdict::Moved
            | Verdict::Lost
            | Verdict::StrippedByAdmission
            | Verdict::DroppedByApiserver => Status::Stripped,
        }
    }
}

/// The verdict on one native sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) container: String,
    pub(crate) verdict: Verdict,
    /// Where the field, or the container, is now.
    pub(crate) moved_to: Option<String>,
    /// What happened, where the verdict alone does not say it.
    pub(crate) detail: String,
}

/// Decides for every sidecar. The pod's verdict is the gravest.
pub(crate) fn decide(
    sidecars: &[String],
    pod: &Answer,
    template: &Answer,
    version: Option<&Version>,
) -> (Verdict, Vec<Finding>) {
    let findings: Vec<_> = sidecars
        .iter()
        .map(|name| {
            let (verdict, detail) = of_sidecar(name, pod, template, version);
            let moved_to = match fate(pod, name) {
                Some(Fate::FieldMoved { to }) => Some(to),
                Some(Fate::ContainerMoved) => Some("spec.containers".to_owned()),
                _ => None,
            };
            Finding { container: name.clone(), verdict, moved_to, detail }
        })
        .collect();
    let gravest = findings.iter().map(|finding| finding.verdict).max();
    (gravest.unwrap_or(Verdict::Kept), findings)
}

/// Whether an answer kept the field of one sidecar. `None`: it does not tell.
fn keeps(answer: &Answer, name: &str) -> Option<bool> {
    match answer {
        Answer::Accepted { .. } if contradicts_itself(answer) => None,
        Answer::Accepted { .. } => fate(answer, name).map(|fate| fate == Fate::Kept),
        Answer::Refused { refusal: Refusal::UnknownField | Refusal::NotNative { .. }, .. } => {
            Some(false)
        }
        Answer::Refused { .. } | Answer::Lost { .. } => None,
    }
}

/// Probes are refused as if a sidecar had lost the field, and without them all sidecars keep it.
fn contradicts_itself(answer: &Answer) -> bool {
    matches!(answer, Answer::Accepted { fates, probes_refused: Some(_), .. }
        if fates.iter().all(|(_, fate)| *fate == Fate::Kept))
}

fn fate(answer: &Answer, name: &str) -> Option<Fate> {
    let Answer::Accepted { fates, .. } = answer else { return None };
    fates.iter().find(|(sidecar, _)| sidecar == name).map(|(_, fate)| fate.clone())
}

/// Whether the API server itself does not know the field, by its own words.
fn says_unknown(answer: &Answer) -> bool {
    match answer {
        Answer::Accepted { unknown_field, .. } => *unknown_field,
        Answer::Refused { refusal, .. } => {
            matches!(refusal, Refusal::UnknownField | Refusal::NotNative { knows_sidecars: false })
        }
        Answer::Lost { .. } => false,
    }
}

fn of_sidecar(
    name: &str,
    pod: &Answer,
    template: &Answer,
    version: Option<&Version>,
) -> (Verdict, String) {
    match keeps(pod, name) {
        Some(true) if keeps(template, name) == Some(false) => {
            let detail = "the pod keeps it, a PodTemplate does not: something puts it back";
            (Verdict::Kept, detail.to_owned())
        }
        Some(true) => (Verdict::Kept, String::new()),
        Some(false) => match fate(pod, name) {
            Some(Fate::FieldMoved { to }) => {
                (Verdict::Moved, format!("restartPolicy: Always is on container {to} instead"))
            }
            Some(Fate::ContainerMoved) => {
                let detail = "the container is in spec.containers instead";
                (Verdict::Moved, detail.to_owned())
            }
            Some(Fate::Gone) => {
                let (verdict, _) = who(name, pod, template, version);
                (verdict, "the whole container is gone".to_owned())
            }
            _ => who(name, pod, template, version),
        },
        None if keeps(template, name) == Some(false) => {
            let (verdict, _) = who(name, pod, template, version);
            (verdict, "seen on the PodTemplate alone".to_owned())
        }
        None => of_refusal(pod),
    }
}

/// Who of the two lost a field that the pod does not have any more.
fn who(
    name: &str,
    pod: &Answer,
    template: &Answer,
    version: Option<&Version>,
) -> (Verdict, String) {
    if says_unknown(pod) || says_unknown(template) {
        let detail = "the API server does not know the field: it is 1.27 or older";
        return (Verdict::DroppedByApiserver, detail.to_owned());
    }
    // An old server keeps nothing, whatever the PodTemplate's answer was.
    if version.is_some_and(|version| !version.is_at_least(KNOWN_SINCE)) {
        let detail = "this version of the API server does not know the field";
        return (Verdict::DroppedByApiserver, detail.to_owned());
    }
    let locked = version.is_some_and(|version| version.is_at_least(LOCKED_SINCE));
    match keeps(template, name) {
        Some(true) => (Verdict::StrippedByAdmission, "a PodTemplate keeps it".to_owned()),
        Some(false) if locked => {
            let detail = "a PodTemplate loses it too, but this version always keeps the field: \
                          a webhook or policy changes both";
            (Verdict::StrippedByAdmission, detail.to_owned())
        }
        Some(false) => {
            let detail = "a PodTemplate loses it too: the gate SidecarContainers is off";
            (Verdict::DroppedByApiserver, detail.to_owned())
        }
        None if locked => {
            let detail = "this version of the API server always keeps the field";
            (Verdict::StrippedByAdmission, detail.to_owned())
        }
        None => {
            let detail = "by the API server or by admission";
            (Verdict::Lost, detail.to_owned())
        }
    }
}

fn of_refusal(answer: &Answer) -> (Verdict, String) {
    match answer {
        Answer::Lost { message } => (Verdict::Unreachable, message.clone()),
        Answer::Refused { refusal, message } => {
            let verdict = match refusal {
                Refusal::Forbidden => Verdict::Forbidden,
                Refusal::NoDryRun { .. } => Verdict::DryRunUnsupported,
                Refusal::Policy { .. } => Verdict::RejectedByPolicy,
                Refusal::Invalid => Verdict::Invalid,
                Refusal::UnknownField
                | Refusal::NotNative { .. }
                | Refusal::NotFound
                | Refusal::Other => Verdict::Unknown,
            };
            (verdict, message.clone())
        }
        Answer::Accepted { probes_refused: Some(_), .. } => {
            let detail = "kept, but only without the sidecars' probes, which the server refuses";
            (Verdict::Unknown, detail.to_owned())
        }
        Answer::Accepted { .. } => (Verdict::Unknown, "the answer holds no such pod".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dry_run::refusal::Policy;

    fn accepted(fate: Fate) -> Answer {
        let fates = vec![("s".to_owned(), fate)];
        Answer::Accepted { fates, unknown_field: false, probes_refused: None }
    }

    fn warned(fate: Fate) -> Answer {
        let fates = vec![("s".to_owned(), fate)];
        Answer::Accepted { fates, unknown_field: true, probes_refused: None }
    }

    fn without_probes(fate: Fate) -> Answer {
        let fates = vec![("s".to_owned(), fate)];
        Answer::Accepted { fates, unknown_field: false, probes_refused: Some("no".to_owned()) }
    }

    fn refused(refusal: Refusal) -> Answer {
        Answer::Refused { refusal, message: "no".to_owned() }
    }

    fn check(pod: &Answer, template: &Answer, version: Option<&str>, expected: Verdict) {
        let version = version.map(|text| text.parse::<Version>().unwrap());
        let (verdict, findings) = decide(&["s".to_owned()], pod, template, version.as_ref());
        assert_eq!(verdict, expected, "{pod:?} {template:?} {version:?}");
        assert_eq!(findings[0].verdict, expected);
    }

    #[test]
    fn both_answers_and_the_version_decide() {
        let (kept, lost, gone) = (accepted(Fate::Kept), accepted(Fate::Lost), accepted(Fate::Gone));
        let moved = accepted(Fate::FieldMoved { to: "i".to_owned() });
        let forbidden = refused(Refusal::Forbidden);
        let no_dry_run = refused(Refusal::NoDryRun { webhook: "w".to_owned() });
        let policy = refused(Refusal::Policy { by: Policy::Webhook, name: "w".to_owned() });
        let silent = Answer::Lost { message: "timed out".to_owned() };
        let old = refused(Refusal::NotNative { knows_sidecars: false });
        let off = refused(Refusal::NotNative { knows_sidecars: true });
        use Verdict::*;
        for (pod, template, version, expected) in [
            (&kept, &kept, Some("v1.36.3"), Kept),
            (&kept, &forbidden, None, Kept),
            (&kept, &lost, Some("v1.32.1"), Kept),
            (&lost, &lost, Some("v1.32.13"), DroppedByApiserver),
            (&lost, &lost, Some("v1.36.3"), StrippedByAdmission),
            (&lost, &kept, Some("v1.32.13"), StrippedByAdmission),
            (&lost, &kept, None, StrippedByAdmission),
            (&gone, &kept, None, StrippedByAdmission),
            (&lost, &forbidden, Some("v1.32.13"), Lost),
            (&lost, &forbidden, None, Lost),
            (&lost, &forbidden, Some("v1.33.0"), StrippedByAdmission),
            (&lost, &forbidden, Some("v1.27.16"), DroppedByApiserver),
            (&warned(Fate::Lost), &forbidden, None, DroppedByApiserver),
            (&lost, &warned(Fate::Lost), None, DroppedByApiserver),
            (
                &refused(Refusal::UnknownField),
                &refused(Refusal::UnknownField),
                None,
                DroppedByApiserver,
            ),
            (&old, &forbidden, None, DroppedByApiserver),
            (&off, &off, Some("v1.32.13"), DroppedByApiserver),
            (&off, &kept, Some("v1.32.13"), StrippedByAdmission),
            (&moved, &kept, None, Moved),
            (&accepted(Fate::ContainerMoved), &kept, None, Moved),
            (&policy, &kept, None, RejectedByPolicy),
            (&policy, &lost, None, DroppedByApiserver),
            (&no_dry_run, &kept, None, DryRunUnsupported),
            (&no_dry_run, &lost, None, DroppedByApiserver),
            (&no_dry_run, &lost, Some("v1.32.13"), DroppedByApiserver),
            // Something changes pod templates, and an API server of this version does not.
            (&no_dry_run, &lost, Some("v1.36.3"), StrippedByAdmission),
            (&without_probes(Fate::Lost), &kept, Some("v1.36.3"), StrippedByAdmission),
            // What is refused with its probes is not kept.
            (&without_probes(Fate::Kept), &kept, Some("v1.36.3"), Unknown),
            (&without_probes(Fate::Kept), &without_probes(Fate::Kept), None, Unknown),
            (&lost, &without_probes(Fate::Kept), Some("v1.32.13"), Lost),
            (&kept, &without_probes(Fate::Kept), None, Kept),
            (&forbidden, &kept, None, Forbidden),
            (&forbidden, &lost, None, DroppedByApiserver),
            (&forbidden, &forbidden, None, Forbidden),
            (&silent, &silent, None, Unreachable),
            (&refused(Refusal::Invalid), &kept, None, Invalid),
            (&refused(Refusal::NotFound), &kept, None, Unknown),
            (&refused(Refusal::Other), &silent, None, Unknown),
        ] {
            check(pod, template, version, expected);
        }
    }

    #[test]
    fn the_gravest_sidecar_is_the_pods_verdict() {
        let fates = |first: Fate, second: Fate| Answer::Accepted {
            fates: vec![("a".to_owned(), first), ("b".to_owned(), second)],
            unknown_field: false,
            probes_refused: None,
        };
        let pod = fates(Fate::Kept, Fate::Lost);
        let template = fates(Fate::Kept, Fate::Kept);
        let (verdict, findings) = decide(&["a".to_owned(), "b".to_owned()], &pod, &template, None);
        assert_eq!(verdict, Verdict::StrippedByAdmission);
        assert_eq!(findings[0].verdict, Verdict::Kept);
        assert_eq!(verdict.status(), Status::Stripped);
    }
}
