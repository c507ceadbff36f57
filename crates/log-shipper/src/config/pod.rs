//! What is known of the pod, from what was typed to where it comes from.
//!
//! In: the flags, which take the variables that pods usually get from the downward API as well.
//! Out: a [`MetadataConfig`]. A variable that is set and empty says nothing. Metadata by path is of
//! other pods than the shipper's own, so files of that one beside it are refused.

use std::path::PathBuf;

use sidecar_runtime::Rejections;

use crate::cli::Args;
use crate::metadata::{MetadataConfig, Pod, Selection};

pub(super) fn metadata(args: &Args, rejections: &mut Rejections) -> Option<MetadataConfig> {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let pod = Pod {
        name: text(&args.pod_name),
        namespace: text(&args.pod_namespace),
        uid: text(&args.pod_uid),
        node: text(&args.node_name),
        service_account: text(&args.service_account),
        container: text(&args.container_name),
        ..Pod::default()
    };
    let labels = selection("pod-labels", &args.pod_labels, rejections);
    let annotations = selection("pod-annotations", &args.pod_annotations, rejections);
    let by_path = args.kubernetes_paths;
    let mut file = |setting: &'static str, path: &Option<String>| match path {
        Some(path) if by_path => {
            rejections.reject(setting, path, "kubernetes-paths is set: pods are told by paths");
            None
        }
        path => Some(path.as_ref().filter(|path| !path.is_empty()).map(PathBuf::from)),
    };
    let labels_file = file("pod-labels-file", &args.pod_labels_file);
    let annotations_file = file("pod-annotations-file", &args.pod_annotations_file);
    Some(MetadataConfig {
        pod,
        labels: labels_file?.zip(Some(labels?)),
        annotations: annotations_file?.zip(Some(annotations?)),
        by_path,
    })
}

/// Each bad pattern is named.
fn selection(
    setting: &'static str,
    patterns: &[String],
    rejections: &mut Rejections,
) -> Option<Selection> {
    let mut accepted = true;
    for pattern in patterns {
        let one = std::slice::from_ref(pattern);
        accepted &= rejections.parse(setting, pattern, |_| Selection::new(one)).is_some();
    }
    accepted.then(|| Selection::new(patterns).ok())?
}
