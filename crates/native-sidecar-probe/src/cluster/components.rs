//! From the API's objects to components and the places where their metrics are.
//!
//! In go raw JSON values, out come [`Component`]s as they present themselves. Nothing is refused
//! here: what is missing stays empty, and the rules make UNKNOWN of it. Node objects are large, and
//! only these few fields of one are kept.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use manifest::Version;
use serde_json::Value;

use super::assessment::{Evidence, Source};
use super::rules::{Component, Part};

/// A cluster has three or five. More are not asked one by one.
const API_SERVERS_MAX: usize = 16;

/// A node and where its kubelet listens.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) component: Component,
    pub(super) address: Option<IpAddr>,
    /// As the node says; 10250 as a rule.
    pub(super) port: Option<u16>,
}

/// An API server by its answer to `/version`.
pub(super) fn api_server(name: &str, answer: &Value) -> Component {
    let git_version = text(answer, "/gitVersion");
    let line = joined(answer, "/major", "/minor");
    let own = git_version.parse::<Version>().ok();
    let doubt = match (&own, line.parse::<Version>()) {
        (Some(own), Ok(line)) if (own.major, own.minor) != (line.major, line.minor) => {
            let says = "/version contradicts itself";
            let detail =
                format!("gitVersion {git_version}, major and minor {}.{}", line.major, line.minor);
            Some(Evidence::new(Source::Version, says).with_detail(detail))
        }
        _ => None,
    };
    let version = if own.is_some() || line.is_empty() { git_version.to_owned() } else { line };
    let emulated = Some(joined(answer, "/emulationMajor", "/emulationMinor"));
    let differs =
        |emulated: &String| match (emulated.parse::<Version>(), version.parse::<Version>()) {
            (Ok(emulated), Ok(own)) => (emulated.major, emulated.minor) != (own.major, own.minor),
            _ => true,
        };
    Component {
        part: Part::ApiServer,
        name: name.to_owned(),
        emulated: emulated.filter(|it| !it.is_empty()).filter(differs),
        version,
        doubt,
        notes: Vec::new(),
    }
}

/// A node object; `None` without a name.
pub(super) fn node(object: &Value) -> Option<Node> {
    let name = object.pointer("/metadata/name")?.as_str()?.to_owned();
    let version = text(object, "/status/nodeInfo/kubeletVersion").to_owned();
    let mut notes = Vec::new();
    let ready = items(object, "/status/conditions")
        .find(|condition| text(condition, "/type") == "Ready")
        .is_some_and(|condition| text(condition, "/status") == "True");
    if !ready {
        notes.push(Evidence::new(Source::Node, "not Ready: its version is what it last reported"));
    }
    let address = items(object, "/status/addresses")
        .filter(|address| text(address, "/type") == "InternalIP")
        .find_map(|address| text(address, "/address").parse().ok());
    let port = object.pointer("/status/daemonEndpoints/kubeletEndpoint/Port");
    let port = port.and_then(Value::as_u64).and_then(|port| port.try_into().ok());
    let doubt = stand_in(object, &version);
    let component = Component { part: Part::Kubelet, name, version, emulated: None, doubt, notes };
    Some(Node { component, address, port: port.filter(|port| *port != 0) })
}

/// The addresses of all API servers, from the EndpointSlices of the service `kubernetes`.
pub(super) fn api_server_addresses(slices: &[Value]) -> BTreeSet<SocketAddr> {
    let mut addresses = BTreeSet::new();
    for slice in slices {
        let port = items(slice, "/ports").find(|port| text(port, "/name") == "https");
        let port = port.and_then(|port| port.get("port")?.as_u64()?.try_into().ok());
        let Some(port) = port else { continue };
        for endpoint in items(slice, "/endpoints") {
            let ready = endpoint.pointer("/conditions/ready").and_then(Value::as_bool);
            let hosts =
                items(endpoint, "/addresses").filter_map(|host| host.as_str()?.parse().ok());
            let hosts = hosts.filter(|_| ready != Some(false));
            addresses.extend(hosts.map(|host: IpAddr| SocketAddr::new(host, port)));
        }
    }
    addresses.into_iter().take(API_SERVERS_MAX).collect()
}

/// Why this node has no kubelet of its own.
fn stand_in(object: &Value, version: &str) -> Option<Evidence> {
    let label = object.pointer("/metadata/labels/type").and_then(Value::as_str);
    let taint = items(object, "/spec/taints")
        .map(|taint| text(taint, "/key"))
        .find(|key| key.starts_with("virtual-kubelet.io/"));
    let sign = match (label, taint) {
        (Some(label @ ("virtual-kubelet" | "kwok")), _) => format!("label type={label}"),
        (_, Some(taint)) => format!("taint {taint}"),
        _ if version.contains("-vk-") => format!("version {version}"),
        _ => return None,
    };
    let says = "a virtual kubelet: its version does not tell what runs the pods";
    Some(Evidence::new(Source::Node, says).with_detail(sign))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `1.29+` of two texts; empty if one is missing.
fn joined(value: &Value, major: &str, minor: &str) -> String {
    match (text(value, major), text(value, minor)) {
        ("", _) | (_, "") => String::new(),
        (major, minor) => format!("{major}.{minor}"),
    }
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_to_version() {
        for (answer, version, emulated, doubted) in [
            // As recorded from 1.36.3, and from 1.27.16, which does not emulate.
            (
                json!({"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
                       "gitVersion": "v1.36.3"}),
                "v1.36.3",
                None,
                false,
            ),
            (
                json!({"major": "1", "minor": "27", "gitVersion": "v1.27.16"}),
                "v1.27.16",
                None,
                false,
            ),
            (
                json!({"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "32",
                       "gitVersion": "v1.36.3"}),
                "v1.36.3",
                Some("1.32"),
                false,
            ),
            (
                json!({"major": "1", "minor": "29+", "gitVersion": "v1.29.3-gke.1093000"}),
                "v1.29.3-gke.1093000",
                None,
                false,
            ),
            (json!({"major": "1", "minor": "29+", "gitVersion": "unknown"}), "1.29+", None, false),
            (json!({"major": "1", "minor": "29", "gitVersion": "v1.36.3"}), "v1.36.3", None, true),
            (json!({"gitVersion": "v1.30.0"}), "v1.30.0", None, false),
            (
                json!({"gitVersion": "v1.36.0", "emulationMajor": "x", "emulationMinor": "y"}),
                "v1.36.0",
                Some("x.y"),
                false,
            ),
            (json!({}), "", None, false),
            (json!("hello"), "", None, false),
        ] {
            let component = api_server("s", &answer);
            assert_eq!(component.version, version, "{answer}");
            assert_eq!(component.emulated.as_deref(), emulated, "{answer}");
            assert_eq!(component.doubt.is_some(), doubted, "{answer}");
        }
    }

    #[test]
    fn a_node_as_recorded() {
        let object = json!({
            "metadata": {"name": "node1"},
            "status": {
                "addresses": [{"type": "Hostname", "address": "node1"},
                              {"type": "InternalIP", "address": "10.0.0.7"},
                              {"type": "InternalIP", "address": "fd00::7"}],
                "conditions": [{"type": "Ready", "status": "True"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
                "nodeInfo": {"kubeletVersion": "v1.36.3"},
            },
        });
        let node = node(&object).unwrap();
        assert_eq!(node.address, Some("10.0.0.7".parse().unwrap()));
        assert_eq!(node.port, Some(10250));
        let component = node.component;
        assert_eq!((component.name.as_str(), component.version.as_str()), ("node1", "v1.36.3"));
        assert!(component.doubt.is_none() && component.notes.is_empty());
    }

    #[test]
    fn nodes_that_lack_something() {
        assert!(node(&json!({"metadata": {}})).is_none());
        let bare = node(&json!({"metadata": {"name": "n"}})).unwrap();
        assert_eq!((bare.address, bare.port), (None, None));
        assert_eq!(bare.component.version, "");
        assert_eq!(bare.component.notes.len(), 1, "not ready");
        let zero = json!({"metadata": {"name": "n"}, "status": {
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "addresses": [{"type": "InternalIP", "address": "here"}]}});
        let zero = node(&zero).unwrap();
        assert_eq!((zero.address, zero.port), (None, None));
    }

    #[test]
    fn virtual_kubelets() {
        for (object, sign) in [
            (
                json!({"metadata": {"labels": {"type": "virtual-kubelet"}}}),
                "label type=virtual-kubelet",
            ),
            (
                json!({"spec": {"taints": [{"key": "virtual-kubelet.io/provider"}]}}),
                "taint virtual-kubelet.io/provider",
            ),
            (
                json!({"status": {"nodeInfo": {"kubeletVersion": "v1.25.0-vk-azure-aci-1.6"}}}),
                "version v1.25.0-vk-azure-aci-1.6",
            ),
        ] {
            let version = text(&object, "/status/nodeInfo/kubeletVersion");
            let detail = stand_in(&object, version).and_then(|evidence| evidence.detail);
            assert_eq!(detail.as_deref(), Some(sign));
        }
        assert_eq!(stand_in(&json!({"metadata": {"labels": {"type": "gpu"}}}), "v1.30.0"), None);
    }

    #[test]
    fn addresses_of_api_servers() {
        let slices = [
            json!({
                "addressType": "IPv4",
                "ports": [{"name": "https", "port": 6443}],
                "endpoints": [
                    {"addresses": ["10.0.0.2"], "conditions": {"ready": true}},
                    {"addresses": ["10.0.0.1"]},
                    {"addresses": ["10.0.0.3"], "conditions": {"ready": false}},
                ],
            }),
            json!({"ports": null, "endpoints": [{"addresses": ["10.0.0.9"]}]}),
            json!({"ports": [{"name": "https", "port": 70000}], "endpoints": []}),
        ];
        let addresses: Vec<String> =
            api_server_addresses(&slices).iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.0.1:6443", "10.0.0.2:6443"]);
    }
}
