//! The verdict on one API server or kubelet, from its version and its metrics.
//!
//! In go what a component says of itself and what was asked for; out comes an [`Assessment`] whose
//! evidence is every step of the way. Version and metric are read against each other, and where
//! they contradict each other the verdict is UNKNOWN: one of them is about another process, behind
//! a load balancer or in the middle of an upgrade. The metric alone was not used as the rule,
//! because a series that is missing means too old or too new.

use manifest::Version;

use super::advisories;
use super::assessment::{Advice, Assessment, Evidence, Source, Verdict};
use super::gate::Gate;

/// What kind of component it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    ApiServer,
    Kubelet,
}

/// A component as it presents itself.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) part: Part,
    pub(crate) name: String,
    /// As written, empty if there is none.
    pub(crate) version: String,
    /// The version whose features it keeps to, if that is another.
    pub(crate) emulated: Option<String>,
    /// Why it is not what it says: a virtual kubelet, versions that contradict each other.
    pub(crate) doubt: Option<Evidence>,
    /// What else there is to know.
    pub(crate) notes: Vec<Evidence>,
}

/// What the metrics say.
#[derive(Debug, Clone)]
pub(crate) enum Metric {
    /// The version was enough.
    NotAsked,
    Read(Gate),
    /// They could not be read, and why.
    Missing(Evidence, Option<Advice>),
}

/// The ages of the feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Era {
    /// There is no gate: to 1.27.
    Before,
    /// Off by default: 1.28.
    Alpha,
    /// On by default: 1.29 to 1.32.
    Beta,
    /// On, and cannot be turned off: 1.33 to 1.36.
    Locked,
    /// On, without a gate: from 1.37.
    Removed,
}

/// Whether the version leaves the question open.
pub(crate) fn needs_metric(component: &Component, minimum: Option<&Version>) -> bool {
    let Ok(version) = component.version.parse::<Version>() else { return false };
    let open = matches!(era(component, &version), Some(Era::Alpha | Era::Beta));
    let old = minimum.is_some_and(|minimum| is_older(component, &version, minimum) == Some(true));
    open && !old && component.doubt.is_none()
}

/// The verdict.
pub(crate) fn judge(
    component: &Component,
    metric: &Metric,
    minimum: Option<&Version>,
) -> Assessment {
    let mut assessment = Assessment {
        name: component.name.clone(),
        version: component.version.clone(),
        verdict: Verdict::Unknown,
        evidence: component.notes.clone(),
        advice: Vec::new(),
    };
    if let Some(doubt) = &component.doubt {
        assessment.evidence.push(doubt.clone());
        return assessment;
    }
    let version = component.version.parse::<Version>().ok();
    let Some((version, era)) = version.and_then(|it| era(component, &it).map(|era| (it, era)))
    else {
        let says = "this is not a version of Kubernetes that can be compared";
        let text = component.emulated.as_deref().unwrap_or(&component.version);
        assessment.evidence.push(Evidence::new(Source::Version, says).with_detail(text));
        return assessment;
    };
    let says = era_says(era, component.emulated.as_deref());
    assessment.evidence.push(Evidence::new(Source::Version, says).with_detail(&component.version));
    assessment.verdict = read_together(era, &version, metric, &mut assessment);
    explain(component.part, era, metric, &mut assessment);
    if component.part == Part::Kubelet {
        assessment.advice.extend(advisories::of(&version));
    }
    if let Some(minimum) = minimum {
        hold_against(minimum, component, &version, &mut assessment);
    }
    assessment
}

fn era(component: &Component, version: &Version) -> Option<Era> {
    let own = era_of(version)?;
    match &component.emulated {
        // Without a gate there is nothing to emulate.
        Some(emulated) if own != Era::Removed => era_of(&emulated.parse().ok()?),
        _ => Some(own),
    }
}

fn era_of(version: &Version) -> Option<Era> {
    match (version.major, version.minor) {
        (0, _) | (1, ..=27) => Some(Era::Before),
        (1, 28) => Some(Era::Alpha),
        (1, 29..=32) => Some(Era::Beta),
        // The gate was locked on the way to 1.33.0.
        (1, 33) if version.pre.is_some() => Some(Era::Beta),
        (1, 33..=36) => Some(Era::Locked),
        (1, _) => Some(Era::Removed),
        _ => None,
    }
}

fn era_says(era: Era, emulated: Option<&str>) -> String {
    let what = match era {
        Era::Before => "the feature begins with 1.28",
        Era::Alpha => "an alpha feature in 1.28, off unless the gate SidecarContainers is set",
        Era::Beta => "a beta feature before 1.33, on unless the gate SidecarContainers is off",
        Era::Locked => "on since 1.33, and cannot be turned off",
        Era::Removed => "always on, and without a gate since 1.37",
    };
    match emulated {
        Some(emulated) if era != Era::Removed => format!("{what}; it emulates {emulated}"),
        _ => what.to_owned(),
    }
}

/// Version and metric together.
fn read_together(
    era: Era,
    version: &Version,
    metric: &Metric,
    assessment: &mut Assessment,
) -> Verdict {
    let by_version = match era {
        Era::Before => Verdict::Unsupported,
        Era::Alpha | Era::Beta => Verdict::Unknown,
        Era::Locked | Era::Removed => Verdict::Supported,
    };
    let gate = match metric {
        Metric::NotAsked => return by_version,
        Metric::Missing(evidence, advice) => {
            assessment.evidence.push(evidence.clone());
            assessment.advice.extend(advice.clone());
            return by_version;
        }
        Metric::Read(gate) => gate,
    };
    assessment.evidence.push(gate.evidence());
    let by_metric = match (gate, era) {
        (Gate::Shown { enabled: true, .. }, _) => Verdict::Supported,
        (Gate::Shown { enabled: false, .. }, _) => Verdict::Unsupported,
        (Gate::Silent | Gate::Unclear(_), _) => return by_version,
        (Gate::Absent, Era::Before | Era::Removed) => return by_version,
        (Gate::Absent, Era::Alpha) if version.pre.is_some() => return Verdict::Unsupported,
        (Gate::Absent, _) => {
            contradiction("versions 1.28 to 1.36 show this gate", assessment);
            return Verdict::Unknown;
        }
    };
    if by_version == Verdict::Unknown || by_version == by_metric {
        return by_metric;
    }
    let expected = match era {
        Era::Before => "versions before 1.28 do not have this gate",
        _ => "versions from 1.33 on cannot have this gate off",
    };
    contradiction(expected, assessment);
    Verdict::Unknown
}

fn contradiction(expected: &str, assessment: &mut Assessment) {
    let says = format!("version and metric contradict each other: {expected}");
    assessment.evidence.push(Evidence::new(Source::Metric, says));
    assessment.advice.push(Advice::new(
        "ask-again",
        "version and metric seem to come from two processes, as in the middle of an upgrade or \
         behind a load balancer: ask again",
    ));
}

/// What the verdict means for a pod.
fn explain(part: Part, era: Era, metric: &Metric, assessment: &mut Assessment) {
    let alpha_stage = matches!(metric, Metric::Read(Gate::Shown { stage, .. }) if stage == "ALPHA");
    let advice = match (part, assessment.verdict, era) {
        (Part::Kubelet, Verdict::Supported, _) if era == Era::Alpha || alpha_stage => {
            let says =
                "as an alpha feature, sidecars do not end in order after the main containers";
            assessment.evidence.push(Evidence::new(Source::Version, says));
            return;
        }
        (Part::Kubelet, Verdict::Unsupported, Era::Before) => Advice::new(
            "runs-as-init-container",
            "this kubelet runs a native sidecar as an ordinary init container, and the pod hangs \
             in Init: keep such pods away, or run the sidecar with `universal`",
        ),
        (Part::Kubelet, Verdict::Unsupported, _) => Advice::new(
            "refuses-pods",
            "this kubelet refuses pods that have a native sidecar \
             (InitContainerRestartPolicyForbidden), and no protocol inside the pod helps: turn \
             the gate SidecarContainers on, upgrade, or keep such pods away",
        ),
        (Part::Kubelet, Verdict::Unknown, Era::Alpha) => Advice::new(
            "refuses-pods",
            "unless the gate SidecarContainers is on, this kubelet refuses pods that have a native \
             sidecar (InitContainerRestartPolicyForbidden), and no protocol inside the pod helps",
        ),
        (Part::ApiServer, Verdict::Unsupported, _) => Advice::new(
            "drops-the-field",
            "this API server drops restartPolicy from init containers, without an error unless \
             the client validates: sidecars become ordinary init containers",
        ),
        _ => return,
    };
    assessment.advice.push(advice);
}

/// Anything older than the minimum is at best UNSUPPORTED for the purpose.
fn hold_against(
    minimum: &Version,
    component: &Component,
    version: &Version,
    assessment: &mut Assessment,
) {
    let says = match is_older(component, version, minimum) {
        Some(false) => return,
        Some(true) => {
            assessment.verdict = Verdict::Unsupported;
            "older than the least version asked for"
        }
        None => {
            if assessment.verdict == Verdict::Supported {
                assessment.verdict = Verdict::Unknown;
            }
            "its patch version is not known, the least version asked for has one"
        }
    };
    assessment.evidence.push(Evidence::new(Source::Minimum, says));
}

/// `None` if the version is too short to tell.
fn is_older(component: &Component, version: &Version, minimum: &Version) -> Option<bool> {
    let emulated = component.emulated.as_deref().and_then(|text| text.parse::<Version>().ok());
    let line = |version: &Version| (version.major, version.minor);
    if emulated.is_some_and(|emulated| line(&emulated) < line(minimum)) {
        return Some(true);
    }
    match (version.patch, minimum.patch) {
        (None, Some(1..)) if line(version) == line(minimum) => None,
        _ => Some(with_patch(version) < with_patch(minimum)),
    }
}

fn with_patch(version: &Version) -> Version {
    Version { patch: Some(version.patch.unwrap_or(0)), ..version.clone() }
}

#[cfg(test)]
mod tests;
