//! What is said about an API server, a node or the whole: a verdict, what led to it, what to do.
//!
//! These are the words that every report and every rule shares. Evidence holds what was seen and
//! never a time or a size, so that two runs on the same cluster say the same. The verdict of a
//! cluster is made of its parts' here, because that rule is part of what the words mean.

use std::fmt;

/// Whether native sidecars work in one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Supported,
    Unsupported,
    /// Not enough evidence, or evidence that contradicts itself.
    Unknown,
}

/// Whether they work in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClusterVerdict {
    Supported,
    Unsupported,
    /// In some parts yes, in some no.
    Mixed,
    Unknown,
}

/// Where a piece of evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// `/version`, or the version that a kubelet reports.
    Version,
    /// The series of the gate, or the attempt to read it.
    Metric,
    /// The node object.
    Node,
    /// What the user asks for.
    Minimum,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) source: Source,
    /// One sentence without a full stop.
    pub(crate) says: String,
    /// As the other side wrote it.
    pub(crate) detail: Option<String>,
}

/// One thing to do or to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// The same in all versions of the probe.
    pub(crate) id: &'static str,
    pub(crate) says: String,
    /// YAML to apply.
    pub(crate) manifest: Option<String>,
}

/// What is known of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assessment {
    /// A node's name, or the address of an API server.
    pub(crate) name: String,
    /// As the component wrote it; empty if it did not.
    pub(crate) version: String,
    pub(crate) verdict: Verdict,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) advice: Vec<Advice>,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        ClusterVerdict::from(self).word()
    }
}

impl From<Verdict> for ClusterVerdict {
    fn from(verdict: Verdict) -> ClusterVerdict {
        match verdict {
            Verdict::Supported => ClusterVerdict::Supported,
            Verdict::Unsupported => ClusterVerdict::Unsupported,
            Verdict::Unknown => ClusterVerdict::Unknown,
        }
    }
}

impl ClusterVerdict {
    /// All of them, in the order of reports.
    pub(crate) const ALL: [ClusterVerdict; 4] = [
        ClusterVerdict::Supported,
        ClusterVerdict::Mixed,
        ClusterVerdict::Unsupported,
        ClusterVerdict::Unknown,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            ClusterVerdict::Supported => "SUPPORTED",
            ClusterVerdict::Unsupported => "UNSUPPORTED",
            ClusterVerdict::Mixed => "MIXED",
            ClusterVerdict::Unknown => "UNKNOWN",
        }
    }

    /// The API servers' own verdict if it is not SUPPORTED, else the nodes'.
    pub(crate) fn of(api_servers: &[Assessment], nodes: &[Assessment]) -> ClusterVerdict {
        match ClusterVerdict::together(api_servers) {
            ClusterVerdict::Supported => ClusterVerdict::together(nodes),
            other => other,
        }
    }

    /// All alike: theirs; both kinds: mixed; none, or some unknown: unknown.
    fn together(parts: &[Assessment]) -> ClusterVerdict {
        let has = |verdict| parts.iter().any(|part| part.verdict == verdict);
        match (has(Verdict::Supported), has(Verdict::Unsupported), has(Verdict::Unknown)) {
            (true, true, _) => ClusterVerdict::Mixed,
            (true, false, false) => ClusterVerdict::Supported,
            (false, true, false) => ClusterVerdict::Unsupported,
            _ => ClusterVerdict::Unknown,
        }
    }
}

impl Source {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Source::Version => "version",
            Source::Metric => "metric",
            Source::Node => "node",
            Source::Minimum => "minimum",
        }
    }
}

impl Evidence {
    pub(crate) fn new(source: Source, says: impl Into<String>) -> Evidence {
        Evidence { source, says: says.into(), detail: None }
    }

    pub(crate) fn with_detail(self, detail: impl Into<String>) -> Evidence {
        Evidence { detail: Some(detail.into()), ..self }
    }
}

impl Advice {
    pub(crate) fn new(id: &'static str, says: impl Into<String>) -> Advice {
        Advice { id, says: says.into(), manifest: None }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source.word(), self.says)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Supported as S, Unknown as K, Unsupported as U};

    fn parts(verdicts: &[Verdict]) -> Vec<Assessment> {
        let part = |(number, verdict): (usize, &Verdict)| Assessment {
            name: format!("n{number}"),
            version: String::new(),
            verdict: *verdict,
            evidence: Vec::new(),
            advice: Vec::new(),
        };
        verdicts.iter().enumerate().map(part).collect()
    }

    #[test]
    fn verdict_of_a_cluster() {
        for (api_servers, nodes, expected) in [
            (&[S][..], &[S, S][..], "SUPPORTED"),
            (&[S], &[U, U], "UNSUPPORTED"),
            (&[S], &[S, U], "MIXED"),
            (&[S], &[K, S, U], "MIXED"),
            (&[S], &[S, K], "UNKNOWN"),
            (&[S], &[U, K], "UNKNOWN"),
            (&[S], &[K], "UNKNOWN"),
            (&[S], &[], "UNKNOWN"),
            (&[U], &[S], "UNSUPPORTED"),
            (&[U], &[], "UNSUPPORTED"),
            (&[K], &[U], "UNKNOWN"),
            (&[S, S, S], &[S], "SUPPORTED"),
            (&[S, U], &[S], "MIXED"),
            (&[S, K], &[S], "UNKNOWN"),
            (&[], &[S], "UNKNOWN"),
        ] {
            let verdict = ClusterVerdict::of(&parts(api_servers), &parts(nodes));
            assert_eq!(verdict.word(), expected, "{api_servers:?} {nodes:?}");
        }
    }
}
