//! Known bugs of kubelets that pods with native sidecars meet, by version.
//!
//! In goes a version, out come the bugs that it has, each with the issue or change that tells of it
//! and the first release without it. A bug is listed for the releases in which its fix is known to
//! be missing. Vendors sometimes carry a fix earlier than its release, so these are advice and
//! change no verdict.

use manifest::Version;

use super::assessment::Advice;

/// A bug on one minor version.
struct Bug {
    /// Of github.com/kubernetes/kubernetes.
    issue: u32,
    id: &'static str,
    what: &'static str,
    /// Each minor version that has it, and the first patch without it there; `None` if there is
    /// none.
    minors: &'static [(u32, Option<u32>)],
    /// The first minor version without it.
    fixed_minor: u32,
}

const BUGS: [Bug; 8] = [
    Bug {
        issue: 120_247,
        id: "kubernetes-120247",
        what: "after a reboot of the node main containers start before the init containers have \
               ended, with or without native sidecars",
        minors: &[(28, Some(2))],
        fixed_minor: 29,
    },
    Bug {
        issue: 122_902,
        id: "kubernetes-122902",
        what: "in pods that do not restart their containers always, as those of Jobs, the status \
               of a native sidecar stays terminated after its first restart",
        minors: &[(28, Some(8)), (29, Some(3))],
        fixed_minor: 30,
    },
    Bug {
        issue: 125_880,
        id: "kubernetes-125880",
        what: "a pod that ends before all its native sidecars have started sends them no SIGTERM \
               and uses up its grace period",
        minors: &[(29, Some(8)), (30, Some(4))],
        fixed_minor: 31,
    },
    Bug {
        issue: 126_543,
        id: "kubernetes-126543",
        what: "an init container stays in the state Created after a short failure of the \
               container runtime",
        minors: &[(29, Some(9)), (30, Some(5)), (31, Some(1))],
        fixed_minor: 32,
    },
    Bug {
        issue: 127_793,
        id: "kubernetes-127793",
        what: "after a reboot of the node a pod with native sidecars keeps the phase Running, and \
               main containers can start before the init containers have ended",
        minors: &[(29, None), (30, None), (31, None), (32, None)],
        fixed_minor: 33,
    },
    Bug {
        issue: 133_072,
        id: "kubernetes-133072",
        what: "in pods with restartPolicy Never main containers stay in Initializing if the \
               startupProbe of a native sidecar fails first and succeeds after a restart",
        minors: &[(29, None), (30, None), (31, None), (32, None), (33, Some(6)), (34, Some(2))],
        fixed_minor: 35,
    },
    Bug {
        issue: 136_910,
        id: "kubernetes-136910",
        what: "after a restart of the kubelet crashed main containers are not restarted beside a \
               native sidecar with a startupProbe",
        minors: &[(35, Some(4))],
        fixed_minor: 36,
    },
    Bug {
        issue: 137_710,
        id: "kubernetes-137710",
        what: "after a reboot of the node init containers can be skipped while the container \
               runtime still lists main containers of before",
        minors: &[
            (29, None),
            (30, None),
            (31, None),
            (32, None),
            (33, None),
            (34, None),
            (35, None),
            (36, None),
        ],
        fixed_minor: 37,
    },
];

/// Whether an advice is one of these. They are many, and reports put them last.
pub(super) fn is_bug(advice: &Advice) -> bool {
    BUGS.iter().any(|bug| bug.id == advice.id)
}

/// The bugs of a kubelet of this version.
pub(super) fn of(version: &Version) -> impl Iterator<Item = Advice> {
    BUGS.iter().filter_map(move |bug| bug.advice(version))
}

impl Bug {
    fn advice(&self, version: &Version) -> Option<Advice> {
        let (minor, patch) = self.minors.iter().find(|(minor, _)| *minor == version.minor)?;
        // A version without its patch may have the bug.
        let fixed_here = patch.zip(version.patch).is_some_and(|(fixed, own)| own >= fixed);
        if version.major != 1 || fixed_here {
            return None;
        }
        let fix = match patch {
            Some(patch) => format!("1.{minor}.{patch}"),
            None => format!("1.{}.0", self.fixed_minor),
        };
        let Bug { issue, what, .. } = self;
        let says = format!("known bug, fixed in {fix}: {what} (kubernetes/kubernetes#{issue})");
        Some(Advice::new(self.id, says))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: &str, expected: &[u32]) {
        let bugs: Vec<String> = of(&version.parse().unwrap()).map(|it| it.id.to_owned()).collect();
        let expected: Vec<String> = expected.iter().map(|it| format!("kubernetes-{it}")).collect();
        assert_eq!(bugs, expected, "{version}");
    }

    #[test]
    fn bugs_by_version() {
        check("v1.27.16", &[]);
        check("v1.28.1", &[120_247, 122_902]);
        check("v1.28.9+k3s1", &[]);
        check("v1.29.2", &[122_902, 125_880, 126_543, 127_793, 133_072, 137_710]);
        check("v1.29.3-gke.1093000", &[125_880, 126_543, 127_793, 133_072, 137_710]);
        check("v1.29.8", &[126_543, 127_793, 133_072, 137_710]);
        check("v1.30.4", &[126_543, 127_793, 133_072, 137_710]);
        check("v1.31.1", &[127_793, 133_072, 137_710]);
        check("v1.32.13", &[127_793, 133_072, 137_710]);
        check("v1.33.5", &[133_072, 137_710]);
        check("v1.34.2", &[137_710]);
        check("v1.35.3", &[136_910, 137_710]);
        check("v1.36.3", &[137_710]);
        check("v1.37.0", &[]);
    }

    #[test]
    fn an_advisory_names_the_fix_and_the_issue() {
        let says: Vec<String> = of(&"1.29.2".parse().unwrap()).map(|it| it.says).collect();
        let first = says.first().unwrap();
        assert!(first.starts_with("known bug, fixed in 1.29.3: "), "{first}");
        assert!(first.ends_with(" (kubernetes/kubernetes#122902)"), "{first}");
        assert!(says.get(3).unwrap().contains("fixed in 1.33.0: "), "{says:?}");
    }

    #[test]
    fn a_version_without_a_patch_has_all_bugs_of_its_line() {
        check("1.31+", &[126_543, 127_793, 133_072, 137_710]);
    }
}
