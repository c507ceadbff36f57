//! A fake Kubernetes cluster on real sockets: API servers, kubelets and admission of any release.
//!
//! A test says which release runs where, what admission does, who may do what and which path is
//! broken, and gives the address or a kubeconfig to the binary under test. API servers answer over
//! HTTPS, where a token or a client certificate is asked for, and over plain HTTP as `kubectl
//! proxy` does; kubelets over HTTPS at a port of their own. What is said are recorded outputs of
//! 1.27, 1.32 and 1.36. Nothing can be created: a request that would change anything fails the
//! test, at the latest when the cluster is dropped.

mod answer;
mod dry_run;
mod hook;
mod login;
mod objects;
mod release;
mod route;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

pub use self::answer::Fault;
pub use self::dry_run::Admission;
pub use self::hook::{Conduct, FakeWebhook};
pub use self::login::{ServiceAccount, exec_user};
use self::objects::Objects;
pub use self::objects::{DEFINITIONS, MUTATING_WEBHOOKS};
pub use self::release::{Gate, Release};
use self::wire::{Server, tls};
use crate::certificates::{Authority, Pair};
use crate::loopback::{beside, own_address};
use crate::workplace::Workplace;

/// The user behind the token that every cluster knows.
pub const USER: &str = "system:serviceaccount:default:default";
/// Given to the binary by [`FakeCluster::kubeconfig`].
pub const TOKEN: &str = "token-of-the-test";
/// The name by which a pod knows the API server.
const SERVICE_NAME: &str = "kubernetes.default.svc";

/// A running cluster. Methods change it while it runs.
#[derive(Debug)]
pub struct FakeCluster {
    shared: Arc<Shared>,
    folder: PathBuf,
    authority: Authority,
    kubelets: Authority,
    secure: SocketAddr,
    proxy: SocketAddr,
    servers: Mutex<Vec<Server>>,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, …
    pub method: String,
    /// With the query. Of a kubelet: `kubelet://NAME/PATH`; of a further API server:
    /// `replica://NUMBER/PATH`.
    pub target: String,
    /// None: nobody.
    pub user: Option<String>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The API servers; the first one answers for the cluster.
    releases: Vec<Release>,
    /// By name.
    nodes: BTreeMap<String, Release>,
    objects: Objects,
    /// From token to user.
    tokens: BTreeMap<String, String>,
    /// From a certificate as DER to user.
    certificates: BTreeMap<Vec<u8>, String>,
    /// Method and path.
    denied: Vec<(String, String)>,
    faults: BTreeMap<String, Fault>,
    admission: Admission,
    seen: Vec<Seen>,
    /// Requests that no test may cause.
    wrong: Vec<String>,
}

impl FakeCluster {
    /// One API server of this version with the gate as it is by default, and no node.
    pub fn start(place: &Workplace, version: &str) -> Self {
        Self::start_gated(place, version, Gate::Default)
    }

    pub fn start_gated(place: &Workplace, version: &str, gate: Gate) -> Self {
        let folder = place.path().to_owned();
        let authority = Authority::new(&folder, "cluster-ca");
        let kubelets = Authority::new(&folder, "kubelet-ca");
        let state = State {
            releases: vec![Release::new(version, gate)],
            nodes: BTreeMap::new(),
            objects: Objects::default(),
            tokens: BTreeMap::from([(TOKEN.to_owned(), USER.to_owned())]),
            certificates: BTreeMap::new(),
            denied: Vec::new(),
            faults: BTreeMap::new(),
            admission: Admission::Keep,
            seen: Vec::new(),
            wrong: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let (secure, proxy) = (own_address(), own_address());
        let servers = Mutex::new(Vec::new());
        let cluster = Self { shared, folder, authority, kubelets, secure, proxy, servers };
        cluster.serve_api(0, secure);
        let shared = Arc::clone(&cluster.shared);
        cluster.keep(Server::start(proxy, None, move |call| shared.proxied(call)));
        for name in ["default", "kube-system"] {
            let object = json!({ "kind": "Namespace", "apiVersion": "v1",
                "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } } });
            cluster.object("/api/v1/namespaces", object);
        }
        cluster.announce();
        cluster
    }

    /// One more API server behind the same name. There can be three.
    pub fn replica(&self, version: &str, gate: Gate) -> &Self {
        let number = self.shared.lock().releases.len();
        self.shared.lock().releases.push(Release::new(version, gate));
        self.serve_api(number, self.replica_address(number));
        self.announce();
        self
    }

    /// One more API server that is announced and does not answer.
    pub fn unreachable_replica(&self, version: &str) -> &Self {
        self.shared.lock().releases.push(Release::new(version, Gate::Default));
        self.announce();
        self
    }

    /// A node whose kubelet listens on a port of its own and says which.
    pub fn node(&self, name: &str, version: &str, gate: Gate) -> &Self {
        let address = own_address();
        let host = address.ip().to_string();
        let pair = self.kubelets.sign_for(&format!("kubelet-{name}"), &[name, &host]);
        let (shared, own_name) = (Arc::clone(&self.shared), name.to_owned());
        let config = tls(&pair, Some(&self.authority));
        let react = move |call: &wire::Call<'_>| shared.kubelet(&own_name, call);
        self.keep(Server::start(address, Some(config), react));
        self.shared.lock().nodes.insert(name.to_owned(), Release::new(version, gate));
        self.object("/api/v1/nodes", node_object(name, version, address));
        self
    }

    /// A node that only the API server knows of: its kubelet cannot be reached.
    pub fn unreachable_node(&self, name: &str, version: &str) -> &Self {
        self.object("/api/v1/nodes", node_object(name, version, own_address()));
        self
    }

    /// An object of a collection such as `/apis/apps/v1/replicasets`.
    pub fn object(&self, collection: &str, object: Value) -> &Self {
        self.shared.lock().objects.add(collection, object);
        self
    }

    /// What happens to pods that are created, from now on.
    pub fn admission(&self, admission: Admission) -> &Self {
        self.shared.lock().admission = admission;
        self
    }

    /// 403 for this method at this path and below it, with the text of a real server.
    pub fn deny(&self, method: &str, path: &str) -> &Self {
        self.shared.lock().denied.push((method.to_owned(), path.to_owned()));
        self
    }

    /// What is wrong with answers at this path, from now on. Of a kubelet: `kubelet://NAME/PATH`.
    pub fn fault(&self, path: &str, fault: Fault) -> &Self {
        self.shared.lock().faults.insert(path.to_owned(), fault);
        self
    }

    /// So many continue tokens are refused as too old.
    pub fn expire_pages(&self, times: usize) -> &Self {
        self.shared.lock().objects.expired_pages = times;
        self
    }

    /// The first API server runs with `--emulated-version`.
    pub fn emulate(&self, minor: u32) -> &Self {
        self.shared.lock().releases[0].emulated = Some(minor);
        self
    }

    /// Only this token is known from now on.
    pub fn rotate_token(&self, token: &str) -> &Self {
        let tokens = BTreeMap::from([(token.to_owned(), USER.to_owned())]);
        self.shared.lock().tokens = tokens;
        self
    }

    /// A certificate that makes its holder this user.
    pub fn client_certificate(&self, user: &str) -> Pair {
        let pair = self.authority.sign(user);
        let certificate = CertificateDer::from_pem_file(&pair.certificate).unwrap();
        self.shared.lock().certificates.insert(certificate.to_vec(), user.to_owned());
        pair
    }

    /// Without credentials, as `kubectl proxy`.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy)
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.secure)
    }

    pub fn address(&self) -> SocketAddr {
        self.secure
    }

    /// The authority of the API servers.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.file()
    }

    /// The authority of the kubelets.
    pub fn kubelet_ca_file(&self) -> PathBuf {
        self.kubelets.file()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Whether a request came whose target begins so.
    pub fn was_asked(&self, target: &str) -> bool {
        self.seen().iter().any(|seen| seen.target.starts_with(target))
    }

    fn serve_api(&self, number: usize, address: SocketAddr) {
        let hosts = [SERVICE_NAME, "kubernetes", "localhost", &address.ip().to_string()];
        let pair = self.authority.sign_for(&format!("api-server-{number}"), &hosts);
        let config = tls(&pair, Some(&self.authority));
        let shared = Arc::clone(&self.shared);
        let react = move |call: &wire::Call<'_>| shared.api(number, call);
        self.keep(Server::start(address, Some(config), react));
    }

    fn replica_address(&self, number: usize) -> SocketAddr {
        match number {
            0 => self.secure,
            other => beside(self.secure, u8::try_from(other).unwrap()),
        }
    }

    /// The EndpointSlice of the service `kubernetes`, and the leases of the API servers.
    fn announce(&self) {
        let count = self.shared.lock().releases.len();
        let address = |number| self.replica_address(number).ip().to_string();
        let endpoints: Vec<Value> = (0..count)
            .map(
                |number| json!({ "addresses": [address(number)], "conditions": { "ready": true } }),
            )
            .collect();
        let slice = json!({
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
            "metadata": { "name": "kubernetes", "namespace": "default",
                "labels": { "kubernetes.io/service-name": "kubernetes" } },
            "addressType": "IPv4", "endpoints": endpoints,
            "ports": [{ "name": "https", "port": self.secure.port(), "protocol": "TCP" }],
        });
        let lease = |number| {
            json!({
                "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
                "metadata": { "name": format!("apiserver-{number}"), "namespace": "kube-system",
                    "labels": { "apiserver.kubernetes.io/identity": "kube-apiserver" } },
            })
        };
        let mut state = self.shared.lock();
        state.objects.replace("/apis/discovery.k8s.io/v1/endpointslices", vec![slice]);
        let leases = (0..count).map(lease).collect();
        state.objects.replace("/apis/coordination.k8s.io/v1/leases", leases);
    }

    fn keep(&self, server: Server) {
        self.servers.lock().unwrap().push(server);
    }
}

impl Drop for FakeCluster {
    fn drop(&mut self) {
        let wrong = std::mem::take(&mut self.shared.lock().wrong);
        let panicking = std::thread::panicking();
        assert!(panicking || wrong.is_empty(), "the cluster would have been changed: {wrong:#?}");
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn node_object(name: &str, version: &str, kubelet: SocketAddr) -> Value {
    json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": { "name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
        "spec": {},
        "status": {
            "addresses": [
                { "type": "Hostname", "address": name },
                { "type": "InternalIP", "address": kubelet.ip().to_string() },
            ],
            "conditions": [{ "type": "Ready", "status": "True" }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": kubelet.port() } },
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": version,
                "containerRuntimeVersion": "containerd://2.1.9+unknown",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
            },
        },
    })
}

#[cfg(test)]
mod tests;
