//! What is known of the pod whose lines these are, without asking an API server.
//!
//! In: settings (by the variables of the downward API), files of the downward API, or the path of a
//! container's log on a node. Out: a [`Pod`], whenever it is another one than in the turn before;
//! `vocabulary` says it in the words of each sink.
//!
//! The kubelet rewrites its files while the pod runs, so they are looked at again, by `stat`, while
//! lines flow. A file that cannot be used changes nothing: what it said last stays, and that it is
//! bad is said and counted once. An API server would know more (owners, labels of the node); it
//! would also cost rights and a connection for each sidecar.

mod downward;
mod path;
mod vocabulary;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tracing::{info, warn};

pub(crate) use self::downward::Selection;
use self::downward::{DownwardFile, Pairs};

/// Between two looks at the files of the downward API.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A pod and one of its containers; whatever is not known is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) node: Option<String>,
    pub(crate) service_account: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) container_id: Option<String>,
    /// As selected, by key.
    pub(crate) labels: Pairs,
    pub(crate) annotations: Pairs,
}

/// Where metadata comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct MetadataConfig {
    /// What the settings say.
    pub(crate) pod: Pod,
    pub(crate) labels: Option<(PathBuf, Selection)>,
    pub(crate) annotations: Option<(PathBuf, Selection)>,
    /// Pods are told by the paths of their files.
    pub(crate) by_path: bool,
}

/// Follows what is known of the pod.
#[derive(Debug)]
pub(crate) struct Metadata {
    pod: Pod,
    is_told: bool,
    labels: Option<DownwardFile>,
    annotations: Option<DownwardFile>,
    look_at: Instant,
    /// With `by_path`, the path that `pod` was read from.
    path: Option<PathBuf>,
    errors: Counter,
}

impl Metadata {
    /// `errors` counts the times that a file became unusable.
    pub(crate) fn new(config: MetadataConfig, errors: Counter, now: Instant) -> Metadata {
        let MetadataConfig { pod, labels, annotations, by_path } = config;
        let file = |file: Option<(PathBuf, Selection)>| {
            file.map(|(path, selection)| DownwardFile::new(path, selection))
        };
        Metadata {
            is_told: pod == Pod::default(),
            pod,
            labels: file(labels),
            annotations: file(annotations),
            look_at: now,
            path: by_path.then(PathBuf::new),
            errors,
        }
    }

    /// Begins a turn of lines of the file at `path`. Gives the pod if it is another one than in the
    /// turn before.
    pub(crate) fn turn(&mut self, path: &Path, now: Instant) -> Option<&Pod> {
        if self.path.is_some() {
            self.follow(path);
        } else if now >= self.look_at {
            self.look_at = now + LOOK_INTERVAL;
            self.look();
        }
        let is_told = std::mem::replace(&mut self.is_told, true);
        (!is_told).then_some(&self.pod)
    }

    fn follow(&mut self, path: &Path) {
        if self.path.as_deref() == Some(path) {
            return;
        }
        self.path = Some(path.to_owned());
        let node = self.pod.node.take();
        self.pod = Pod { node, ..path::pod(path).unwrap_or_default() };
        self.is_told = false;
    }

    fn look(&mut self) {
        let files = [
            (&mut self.labels, &mut self.pod.labels),
            (&mut self.annotations, &mut self.pod.annotations),
        ];
        for (file, pairs) in files {
            let Some(file) = file else { continue };
            let path = file.path.display().to_string();
            match file.look() {
                None => {}
                Some(Ok(read)) => {
                    info!(path, count = read.selected.len(), "Metadata of the pod read");
                    if read.over_limit > 0 {
                        let left_out = read.over_limit;
                        warn!(path, left_out, "Metadata over the limits is left out");
                    }
                    *pairs = read.selected;
                    self.is_told = false;
                }
                Some(Err(error)) => {
                    warn!(path, %error, "Metadata of the pod cannot be read; the last one stays");
                    self.errors.inc();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(config: MetadataConfig) -> (Metadata, Instant) {
        let now = Instant::now();
        (Metadata::new(config, Counter::default(), now), now)
    }

    fn named(name: &str) -> Pod {
        Pod { name: Some(name.to_owned()), ..Pod::default() }
    }

    #[test]
    fn a_pod_is_told_once() {
        let (mut nothing, now) = metadata(MetadataConfig::default());
        assert_eq!(nothing.turn(Path::new("/a"), now), None);
        let (mut own, now) =
            metadata(MetadataConfig { pod: named("web-0"), ..MetadataConfig::default() });
        assert_eq!(own.turn(Path::new("/a"), now), Some(&named("web-0")));
        assert_eq!(own.turn(Path::new("/b"), now), None);
    }

    #[test]
    fn with_paths_each_file_has_its_pod_and_all_the_node() {
        let node = Some("node-1".to_owned());
        let pod = Pod { node: node.clone(), ..named("the-shipper") };
        let config = MetadataConfig { pod, by_path: true, ..MetadataConfig::default() };
        let (mut metadata, now) = metadata(config);
        let path = Path::new("/var/log/pods/shop_web-0_u1/nginx/0.log");
        let web = metadata.turn(path, now).unwrap().clone();
        assert_eq!((web.name.as_deref(), &web.node), (Some("web-0"), &node));
        assert_eq!(metadata.turn(path, now), None);
        let other = metadata.turn(Path::new("/var/log/syslog"), now);
        assert_eq!(other, Some(&Pod { node, ..Pod::default() }));
        assert_eq!(metadata.turn(path, now), Some(&web));
    }

    #[test]
    fn a_bad_file_keeps_what_was_known_and_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels");
        std::fs::write(&path, "app=\"web\"").unwrap();
        let selection = Selection::new(&["*".to_owned()]).unwrap();
        let labels = Some((path.clone(), selection));
        let (mut metadata, mut now) = metadata(MetadataConfig { labels, ..Default::default() });
        let mut turn = |metadata: &mut Metadata| {
            now += LOOK_INTERVAL;
            metadata.turn(Path::new("/a"), now).map(|pod| pod.labels.clone())
        };
        let app = |value: &str| Some(vec![("app".to_owned(), value.to_owned())]);
        assert_eq!(turn(&mut metadata), app("web"));
        std::fs::write(&path, "app=web").unwrap();
        assert_eq!((turn(&mut metadata), turn(&mut metadata)), (None, None));
        assert_eq!((metadata.errors.get(), metadata.pod.labels.len()), (1, 1));
        std::fs::remove_file(&path).unwrap();
        assert_eq!((turn(&mut metadata), turn(&mut metadata)), (None, None));
        assert_eq!(metadata.errors.get(), 2);
        std::fs::write(&path, "app=\"shop\"").unwrap();
        assert_eq!(turn(&mut metadata), app("shop"));
    }
}
