//! Kubelets too far from their API server.
//!
//! In go assessments, out come remarks on those nodes whose version Kubernetes does not support
//! beside the API servers': newer than one of them, or more than three minor versions older. It
//! changes no verdict, because what a kubelet does with a pod depends on the kubelet alone.

use manifest::Version;

use super::assessment::{Advice, Assessment, Evidence, Source};

/// Minor versions that a kubelet may be behind.
const MINORS_BEHIND_MAX: u32 = 3;

/// Remarks on nodes, by the versions of the API servers.
pub(super) fn note(versions: &[Version], nodes: &mut [Assessment]) {
    let (Some(oldest), Some(newest)) = (versions.iter().min(), versions.iter().max()) else {
        return;
    };
    for node in nodes {
        let Ok(version) = node.version.parse::<Version>() else { continue };
        let Some((says, other)) = apart(&version, oldest, newest) else { continue };
        let evidence = Evidence::new(Source::Version, says).with_detail(other.to_string());
        node.evidence.insert(0, evidence);
        node.advice.push(Advice::new(
            "version-skew",
            "Kubernetes supports kubelets that are as old as the API server or up to three minor \
             versions older: bring the two together",
        ));
    }
}

fn apart<'a>(
    version: &Version,
    oldest: &'a Version,
    newest: &'a Version,
) -> Option<(&'static str, &'a Version)> {
    let line = |version: &Version| (version.major, version.minor);
    if line(version) > line(oldest) {
        return Some(("newer than an API server", oldest));
    }
    let far = version.major == newest.major && version.minor + MINORS_BEHIND_MAX < newest.minor;
    far.then_some(("more than three minor versions older than an API server", newest))
}

#[cfg(test)]
mod tests {
    use super::super::assessment::Verdict;
    use super::*;

    #[test]
    fn versions_apart() {
        for (api_servers, kubelet, expected) in [
            (&["1.32.13"][..], "v1.32.1", None),
            (&["1.32.13"], "v1.32.99", None),
            (&["1.32.13"], "v1.29.0", None),
            (&["1.32.13"], "v1.27.16", Some("more than three minor versions older")),
            (&["1.32.13"], "v1.33.0", Some("newer than")),
            (&["1.33.0", "1.32.0"], "v1.33.0", Some("newer than")),
            (&["1.32.13"], "fake", None),
            (&[], "v1.33.0", None),
        ] {
            let versions: Vec<Version> = api_servers.iter().map(|it| it.parse().unwrap()).collect();
            let mut nodes = [Assessment {
                name: "n1".to_owned(),
                version: kubelet.to_owned(),
                verdict: Verdict::Supported,
                evidence: Vec::new(),
                advice: Vec::new(),
            }];
            note(&versions, &mut nodes);
            let [node] = nodes;
            let says = node.evidence.first().map(|evidence| evidence.says.as_str());
            match expected {
                Some(expected) => assert!(says.unwrap().starts_with(expected), "{kubelet}"),
                None => assert_eq!(says, None, "{kubelet}"),
            }
            assert_eq!(node.advice.len(), node.evidence.len());
            assert_eq!(node.verdict, Verdict::Supported);
        }
    }
}
