//! The kubelets, several at once.
//!
//! In go nodes, out come their assessments in any order. Those whose version decides are judged
//! without being asked. [`NODES_AT_ONCE`] workers share the rest, each with one connection at a
//! time, so that a thousand nodes cost neither a thousand sockets nor a thousand time limits in a
//! row.

use std::cell::RefCell;
use std::rc::Rc;

use kube_api::{Api, Trust, segment};
use tokio::task::JoinSet;

use super::assessment::{Assessment, Evidence, Source};
use super::components::Node;
use super::progress::Progress;
use super::refusal::{self, Target};
use super::rules::{Metric, judge, needs_metric};
use super::settings::{Settings, Via};
use super::survey::read_gate;

/// Nodes that are asked at the same time.
const NODES_AT_ONCE: usize = 16;
/// Of a kubelet, if the node does not say.
const PORT: u16 = 10250;

/// All of them.
pub(super) async fn ask_all(
    api: &Api,
    nodes: Vec<Node>,
    settings: &Rc<Settings>,
) -> Vec<Assessment> {
    let minimum = settings.minimum.as_ref();
    let (open, decided): (Vec<Node>, Vec<Node>) =
        nodes.into_iter().partition(|node| needs_metric(&node.component, minimum));
    let mut assessments: Vec<Assessment> =
        decided.iter().map(|node| judge(&node.component, &Metric::NotAsked, minimum)).collect();
    if settings.via == Via::Version {
        let metric = by_version();
        assessments.extend(open.iter().map(|node| judge(&node.component, &metric, minimum)));
        return assessments;
    }
    let progress = Rc::new(Progress::new(open.len()));
    let workers = open.len().min(NODES_AT_ONCE);
    let open = Rc::new(RefCell::new(open));
    let mut running = JoinSet::new();
    for _ in 0..workers {
        let (open, progress) = (Rc::clone(&open), Rc::clone(&progress));
        let (api, settings) = (api.fork(), Rc::clone(settings));
        running.spawn_local(async move {
            let (mut api, mut done) = (api, Vec::new());
            loop {
                let Some(node) = open.borrow_mut().pop() else { return done };
                let metric = read(&mut api, &node, &settings).await;
                done.push(judge(&node.component, &metric, settings.minimum.as_ref()));
                progress.step();
            }
        });
    }
    assessments.extend(running.join_all().await.into_iter().flatten());
    assessments
}

/// One node, asked whatever its version says.
pub(super) async fn ask(api: &Api, node: Node, settings: &Settings) -> Assessment {
    let metric = match (&node.component.doubt, settings.via) {
        (Some(_), _) => Metric::NotAsked,
        (None, Via::Version) => by_version(),
        (None, Via::Kubelet | Via::Proxy) => read(&mut api.fork(), &node, settings).await,
    };
    judge(&node.component, &metric, settings.minimum.as_ref())
}

/// The metrics are not to be asked.
pub(super) fn by_version() -> Metric {
    Metric::Missing(Evidence::new(Source::Metric, "not asked, as --via version wants"), None)
}

/// `api` is the API server, which the kubelet's own port does without.
async fn read(api: &mut Api, node: &Node, settings: &Settings) -> Metric {
    if settings.via == Via::Proxy {
        let path = format!("/api/v1/nodes/{}/proxy/metrics", segment(&node.component.name));
        return read_gate(api, &path, Target::Proxy).await;
    }
    if !api.is_verified() && matches!(settings.trust, Trust::Cluster) {
        return refusal::unverified_kubelet();
    }
    let missing = |says: &str| Metric::Missing(Evidence::new(Source::Metric, says), None);
    let Some(address) = node.address else {
        return missing("the node has no InternalIP to ask its kubelet at");
    };
    let port = settings.kubelet_port.or(node.port).unwrap_or(PORT);
    match api.kubelet(address, port, settings.trust.clone()) {
        Ok(mut kubelet) => read_gate(&mut kubelet, "/metrics", Target::Kubelet).await,
        Err(error) => missing(&net::with_causes(&error)),
    }
}
