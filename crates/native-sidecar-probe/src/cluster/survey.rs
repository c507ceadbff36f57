//! The asking: what the API server, its replicas and the nodes are asked, in which order.
//!
//! In goes a client, out come [`Findings`]. `/version` and the list of nodes come first, because
//! everybody may have them and they decide most clusters; metrics come last and only where they
//! can change a verdict. Nothing is decided here: answers go to the rules as they are. A failure is
//! a finding, except that the API server does not answer at all. A credential goes only to whom the
//! authority of the cluster vouches for: without one, addresses that the cluster tells are not
//! asked unless told to.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use kube_api::{Api, Failure, StreamEnd, Trust, segment};
use manifest::Version;
use tokio::task::JoinSet;

use super::assessment::{Advice, Assessment, Evidence, Source};
use super::components::{self, Node};
use super::gate::{Gate, GateReader};
use super::kubelets;
use super::refusal::{self, Target};
use super::rights::Right;
use super::rules::{Component, Metric, judge, needs_metric};
use super::settings::{Settings, Via};
use super::skew;
use crate::listing;

/// Both text formats can be read; the older one is understood everywhere.
const ACCEPT: &str = "text/plain;version=0.0.4";
/// The addresses of the API servers.
const ADDRESSES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices\
                         ?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";

/// For the version of an API server at its own address: those in the cluster's network answer in
/// milliseconds, and from outside none does.
const REPLICA_TIMEOUT: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) api_servers: Vec<Assessment>,
    pub(super) nodes: Vec<Assessment>,
    /// About the whole.
    pub(super) evidence: Vec<Evidence>,
    pub(super) advice: Vec<Advice>,
}

/// Everything. Has to run on a [`tokio::task::LocalSet`].
///
/// # Errors
/// The API server does not answer, or there is no credential to show it.
pub(super) async fn cluster(
    mut api: Api,
    selector: Option<&str>,
    settings: &Rc<Settings>,
) -> Result<Findings, Failure> {
    let name = api.server().to_owned();
    let first = version_of(&mut api, &name).await?;
    let mut findings = Findings::default();
    let nodes = match list_nodes(&mut api, selector).await {
        Ok(nodes) => nodes,
        Err(failure) => {
            findings.note_nodes(&failure);
            Vec::new()
        }
    };
    if nodes.is_empty() && findings.evidence.is_empty() {
        let which = selector.map_or("there are no nodes", |_| "no node matches the selector");
        findings.evidence.push(Evidence::new(Source::Node, which));
    }
    ask_api_servers(&mut api, first, settings, &mut findings).await;
    findings.nodes = kubelets::ask_all(&api, nodes, settings).await;
    findings.sort();
    let versions = findings.api_servers.iter().filter_map(|part| part.version.parse().ok());
    let versions: Vec<Version> = versions.collect();
    skew::note(&versions, &mut findings.nodes);
    Ok(findings)
}

/// One node, asked for its metrics even if its version is enough.
///
/// # Errors
/// The API server does not answer, or there is no credential to show it.
pub(super) async fn node(
    mut api: Api,
    name: &str,
    settings: &Rc<Settings>,
) -> Result<Findings, Failure> {
    let server = api.server().to_owned();
    let api_server = version_of(&mut api, &server).await?;
    let mut findings = Findings::default();
    match api.get(&format!("/api/v1/nodes/{}", segment(name))).await {
        Ok(object) => {
            if let Some(node) = components::node(&object) {
                findings.nodes.push(kubelets::ask(&api, node, settings).await);
            }
        }
        Err(failure) if failure.is_not_found() => {
            let says = "there is no such node";
            findings.evidence.push(Evidence::new(Source::Node, says).with_detail(name));
        }
        Err(failure) => findings.note_nodes(&failure),
    }
    let versions: Vec<Version> = api_server.version.parse().into_iter().collect();
    skew::note(&versions, &mut findings.nodes);
    Ok(findings)
}

/// Reads the gate from a metrics page.
pub(super) async fn read_gate(api: &mut Api, path: &str, target: Target) -> Metric {
    let mut reader = GateReader::default();
    let mut on_bytes = |bytes: &[u8]| -> ControlFlow<()> { reader.push(bytes) };
    match api.stream(path, ACCEPT, &mut on_bytes).await {
        Ok(end) => at_end(reader, end),
        Err(failure) => refusal::missing(target, &failure),
    }
}

fn at_end(reader: GateReader, end: StreamEnd) -> Metric {
    let why = match end {
        StreamEnd::Whole => return Metric::Read(reader.finish(true)),
        StreamEnd::Stopped => return Metric::Read(reader.finish(false)),
        StreamEnd::Lost(why) => why,
        StreamEnd::Stalled => "the peer stalled".to_owned(),
        StreamEnd::TooLong => "it is too long".to_owned(),
    };
    match reader.finish(false) {
        gate @ Gate::Unclear(_) => Metric::Missing(gate.evidence().with_detail(why), None),
        gate => Metric::Read(gate),
    }
}

/// An API server's answer to `/version`; a refusal is a doubt about it.
async fn version_of(api: &mut Api, name: &str) -> Result<Component, Failure> {
    match api.get("/version").await {
        Ok(answer) => Ok(components::api_server(name, &answer)),
        Err(failure @ Failure::Credential(_)) => Err(failure),
        Err(failure) if failure.is_unreachable() => Err(failure),
        Err(failure) => Ok(doubted(name, "its version cannot be read", &failure)),
    }
}

fn doubted(name: &str, says: &str, failure: &Failure) -> Component {
    let doubt = Evidence::new(Source::Version, says).with_detail(net::with_causes(failure));
    Component { doubt: Some(doubt), ..components::api_server(name, &serde_json::Value::Null) }
}

/// Each API server at its own address if there are several, else the one that answered.
async fn ask_api_servers(
    api: &mut Api,
    first: Component,
    settings: &Rc<Settings>,
    findings: &mut Findings,
) {
    let open = needs_metric(&first, settings.minimum.as_ref());
    // Behind `kubectl proxy` an address has nothing to do with the server.
    let slices = match api.server().starts_with("https:") {
        true => api.list(ADDRESSES).await,
        false => Ok(Vec::new()),
    };
    let addresses = match slices {
        Ok(slices) => components::api_server_addresses(&slices),
        Err(failure) => {
            if open && failure.is_forbidden() {
                findings.advice.push(Right::ApiServerAddresses.advice());
            }
            Default::default()
        }
    };
    let may_ask = api.is_verified() || matches!(settings.trust, Trust::Insecure);
    let mut replicas = JoinSet::new();
    for address in addresses.iter().filter(|_| addresses.len() > 1 && may_ask) {
        let (api, address, settings) = (api.fork(), *address, Rc::clone(settings));
        replicas.spawn_local(async move { ask_replica(&api, address, &settings).await });
    }
    let (answered, silent): (Vec<_>, Vec<_>) =
        replicas.join_all().await.into_iter().partition(|(_, answered)| *answered);
    let part = |(assessment, _)| assessment;
    findings.api_servers = answered.into_iter().map(part).collect();
    let silent: Vec<Assessment> = silent.into_iter().map(part).collect();
    if addresses.len() > 1 && !may_ask {
        findings.advice.push(refusal::unverified_replicas());
    }
    if !silent.is_empty() {
        findings.advice.push(refusal::silent_replicas(findings.api_servers.is_empty()));
    }
    let is_decided = first.doubt.is_none() && !open;
    match (findings.api_servers.is_empty(), is_decided) {
        (true, _) => findings.api_servers.push(ask_api_server(api, first, settings).await),
        (false, true) => findings.leave_out(&silent),
        (false, false) => findings.api_servers.extend(silent),
    }
}

/// One of several API servers, and whether it answered.
async fn ask_replica(api: &Api, address: SocketAddr, settings: &Settings) -> (Assessment, bool) {
    let name = address.to_string();
    let mut replica = api.at(address);
    let patience = api.request_timeout();
    replica.set_request_timeout(patience.min(REPLICA_TIMEOUT));
    let mut answer = version_of(&mut replica, &name).await;
    // A certificate for its own address and not for the name of all is as good.
    if answer.as_ref().is_err_and(refusal::is_of_certificate)
        && let Ok(other) = api.kubelet(address.ip(), address.port(), Trust::Cluster)
    {
        replica = other;
        replica.set_request_timeout(patience.min(REPLICA_TIMEOUT));
        answer = version_of(&mut replica, &name).await;
    }
    match answer {
        Ok(component) => {
            replica.set_request_timeout(patience);
            (ask_api_server(&mut replica, component, settings).await, true)
        }
        Err(failure) => {
            let component = doubted(&name, "it does not answer at its address", &failure);
            (judge(&component, &Metric::NotAsked, None), false)
        }
    }
}

async fn ask_api_server(api: &mut Api, component: Component, settings: &Settings) -> Assessment {
    let minimum = settings.minimum.as_ref();
    let metric = match (needs_metric(&component, minimum), settings.via) {
        (false, _) => Metric::NotAsked,
        (true, Via::Version) => kubelets::by_version(),
        (true, Via::Kubelet | Via::Proxy) => read_gate(api, "/metrics", Target::ApiServer).await,
    };
    judge(&component, &metric, minimum)
}

/// A node object is a hundred times what is kept of it.
async fn list_nodes(api: &mut Api, selector: Option<&str>) -> Result<Vec<Node>, Failure> {
    let path = match selector {
        Some(selector) => format!("/api/v1/nodes?labelSelector={}", segment(selector)),
        None => "/api/v1/nodes".to_owned(),
    };
    listing::collect(api, &path, |object| components::node(&object)).await
}

impl Findings {
    fn note_nodes(&mut self, failure: &Failure) {
        let causes = net::with_causes(failure);
        let says = match failure.code() {
            Some(403) => {
                self.advice.push(Right::Nodes.advice());
                "reading nodes is forbidden"
            }
            _ => "nodes cannot be read",
        };
        self.evidence.push(Evidence::new(Source::Node, says).with_detail(causes));
    }

    /// Silent API servers where versions decide: the others and the name of all have answered.
    fn leave_out(&mut self, silent: &[Assessment]) {
        let mut names: Vec<&str> = silent.iter().map(|part| part.name.as_str()).collect();
        names.sort_unstable();
        let says = "an API server does not answer at its own address and is left out";
        let evidence = |name: &&str| Evidence::new(Source::Version, says).with_detail(*name);
        self.evidence.extend(names.iter().map(evidence));
    }

    fn sort(&mut self) {
        self.api_servers.sort_by(|one, other| one.name.cmp(&other.name));
        self.nodes.sort_by(|one, other| one.name.cmp(&other.name));
    }
}
