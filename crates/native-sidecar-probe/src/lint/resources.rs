//! What a pod requests with its sidecars, and the QoS class that comes of it.
//!
//! In goes a pod's specification, out come its effective requests: while init container i runs it
//! holds its own request and those of the sidecars before it; later the sidecars and the main
//! containers hold theirs together; the largest of these counts, and the overhead is added. The
//! documentation compares init containers alone, which is less where one comes after a sidecar.
//! A limit without a request is a request of the same size, as the API server fills it in.

use std::collections::BTreeMap;

use manifest::{Container, List, Quantity, containers};
use serde_json::{Value, json};

use super::finding::Severity;
use super::pod::{Findings, Pod, called, is_universal};
use super::rules;

/// Those that the QoS class is made of.
const QOS_RESOURCES: [&str; 2] = ["cpu", "memory"];

/// Resources of one container that are counted. Nodes have a handful.
const RESOURCES_MAX: usize = 64;

type Amounts = BTreeMap<String, Quantity>;

/// The pod's class for eviction and OOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QosClass {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl QosClass {
    pub(crate) fn word(self) -> &'static str {
        match self {
            QosClass::Guaranteed => "Guaranteed",
            QosClass::Burstable => "Burstable",
            QosClass::BestEffort => "BestEffort",
        }
    }
}

/// What a pod asks of its node.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub(crate) qos: QosClass,
    /// As scheduler and kubelet count.
    pub(crate) requests: Amounts,
    /// As the documentation has it.
    pub(crate) documented: Amounts,
}

impl Demand {
    pub(crate) fn of(spec: &Value) -> Demand {
        let containers: Vec<Container<'_>> = containers(spec)
            .into_iter()
            .filter(|container| container.list != List::Ephemeral)
            .collect();
        let (mut running, mut largest, mut documented) =
            (Amounts::new(), Amounts::new(), Amounts::new());
        for container in containers.iter().filter(|container| container.list == List::Init) {
            let own = requests(container.value);
            let together = sum(&running, &own);
            if container.is_native_sidecar() {
                running = together;
            } else {
                largest = max(&largest, &together);
                documented = max(&documented, &own);
            }
        }
        for container in containers.iter().filter(|container| container.list == List::Regular) {
            running = sum(&running, &requests(container.value));
        }
        let (mut requests, mut documented) = (max(&running, &largest), max(&running, &documented));
        // What is set for the pod as a whole counts instead.
        for (name, amount) in self::requests(spec) {
            requests.insert(name.clone(), amount);
            documented.insert(name, amount);
        }
        let overhead = amounts(&spec["overhead"]);
        let requests = sum(&requests, &overhead);
        Demand { qos: qos(spec, &containers), requests, documented: sum(&documented, &overhead) }
    }

    pub(crate) fn json(&self) -> Value {
        let texts = |amounts: &Amounts| -> Value {
            amounts.iter().map(|(name, amount)| (name.clone(), json!(amount.to_string()))).collect()
        };
        json!({
            "qosClass": self.qos.word(),
            "requests": texts(&self.requests),
            "requestsAsDocumented": texts(&self.documented),
        })
    }
}

pub(crate) fn check(pod: &Pod<'_>, findings: &mut Findings) {
    if pod.sidecars().next().is_none() {
        return;
    }
    let demand = Demand::of(pod.spec());
    let message = format!("QoS class {}, requests {}", demand.qos.word(), list(&demand.requests));
    let pointer = pod.in_spec("");
    findings.add(pod, &rules::RESOURCES, Severity::Note, pointer, message);
    if demand.requests != demand.documented {
        let message = format!(
            "requests {}, and {} as documented",
            list(&demand.requests),
            list(&demand.documented)
        );
        let pointer = pod.in_spec("/initContainers");
        findings.add(pod, &rules::DOCUMENTED, Severity::Note, pointer, message);
    }
    lowered(pod, demand.qos, findings);
}

/// Main containers that are Guaranteed by themselves, in a pod that is not.
fn lowered(pod: &Pod<'_>, qos: QosClass, findings: &mut Findings) {
    let mut mains = pod.mains().filter(|main| !is_universal(main)).peekable();
    if qos == QosClass::Guaranteed
        || pod.spec()["resources"].is_object()
        || mains.peek().is_none()
        || !mains.all(|main| is_guaranteed(main.value))
    {
        return;
    }
    let others = pod.containers.iter().filter(|container| container.list != List::Ephemeral);
    let guilty = others.filter(|container| !is_guaranteed(container.value));
    let names: Vec<String> = guilty.clone().map(called).collect();
    let Some(first) = guilty.into_iter().next() else { return };
    let message = format!(
        "the main containers are Guaranteed; without equal requests and limits, {} makes the \
         pod {}",
        names.join(" and "),
        qos.word()
    );
    findings.add(pod, &rules::QOS, Severity::Warning, pod.in_container(first, ""), message);
}

fn qos(spec: &Value, containers: &[Container<'_>]) -> QosClass {
    let all: Vec<&Value> = match spec["resources"].is_object() {
        true => vec![spec],
        false => containers.iter().map(|container| container.value).collect(),
    };
    if !all.is_empty() && all.iter().all(|holder| is_guaranteed(holder)) {
        return QosClass::Guaranteed;
    }
    let asks = |holder: &&Value| {
        let (requests, limits) = (requests(holder), amounts(&holder["resources"]["limits"]));
        let found = |name: &&str| {
            let amounts = [requests.get(*name), limits.get(*name)];
            amounts.into_iter().flatten().any(|amount| !amount.is_zero())
        };
        QOS_RESOURCES.iter().any(found)
    };
    match all.iter().any(asks) {
        true => QosClass::Burstable,
        false => QosClass::BestEffort,
    }
}

/// Limits for cpu and memory, and requests of the same size.
fn is_guaranteed(holder: &Value) -> bool {
    let (requests, limits) = (requests(holder), amounts(&holder["resources"]["limits"]));
    QOS_RESOURCES.iter().all(|name| {
        let limit = limits.get(*name).filter(|limit| !limit.is_zero());
        limit.is_some() && requests.get(*name) == limit
    })
}

/// The requests of a container or pod, limits standing in for those that are missing.
fn requests(holder: &Value) -> Amounts {
    let mut requests = amounts(&holder["resources"]["limits"]);
    requests.extend(amounts(&holder["resources"]["requests"]));
    requests
}

/// Amounts by resource. What is no amount counts for nothing.
fn amounts(value: &Value) -> Amounts {
    let entries = value.as_object().into_iter().flatten().take(RESOURCES_MAX);
    let parsed = entries.filter_map(|(name, amount)| {
        let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
        Some((name.clone(), text.parse().ok()?))
    });
    parsed.collect()
}

fn sum(left: &Amounts, right: &Amounts) -> Amounts {
    let mut sum = left.clone();
    for (name, amount) in right {
        let entry = sum.entry(name.clone()).or_default();
        *entry = *entry + *amount;
    }
    sum
}

fn max(left: &Amounts, right: &Amounts) -> Amounts {
    let mut max = left.clone();
    for (name, amount) in right {
        let entry = max.entry(name.clone()).or_default();
        if *amount > *entry {
            *entry = *amount;
        }
    }
    max
}

fn list(amounts: &Amounts) -> String {
    match amounts.is_empty() {
        true => "nothing".to_owned(),
        false => {
            let items = amounts.iter().map(|(name, amount)| format!("{name} {amount}"));
            items.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(cpu: &str, sidecar: bool) -> Value {
        let mut container = json!({"resources": {"requests": {"cpu": cpu}}});
        if sidecar {
            container["restartPolicy"] = json!("Always");
        }
        container
    }

    fn check(init: &[(&str, bool)], mains: &[&str], requests: &str, documented: &str) {
        let init: Vec<Value> = init.iter().map(|(cpu, is)| container(cpu, *is)).collect();
        let mains: Vec<Value> = mains.iter().map(|cpu| container(cpu, false)).collect();
        let spec = json!({"initContainers": init, "containers": mains, "overhead": {"cpu": "1m"}});
        let demand = Demand::of(&spec);
        assert_eq!(list(&demand.requests), format!("cpu {requests}"), "{spec}");
        assert_eq!(list(&demand.documented), format!("cpu {documented}"), "{spec}");
    }

    #[test]
    fn an_init_container_counts_with_the_sidecars_before_it() {
        check(&[], &["100m", "200m"], "301m", "301m");
        check(&[("500m", false)], &["100m"], "501m", "501m");
        check(&[("50m", true)], &["100m"], "151m", "151m");
        check(&[("500m", false), ("50m", true)], &["100m"], "501m", "501m");
        check(&[("50m", true), ("500m", false)], &["100m"], "551m", "501m");
        check(&[("50m", true), ("400m", false), ("1", true)], &["100m"], "1151m", "1151m");
    }

    #[test]
    fn classes() {
        let full = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        let equal = json!({
            "limits": {"cpu": "1000m", "memory": "1Gi"},
            "requests": {"cpu": 1, "memory": "1024Mi"},
        });
        let part = json!({"requests": {"memory": "1Mi"}});
        for (init, main, expected) in [
            (&full, &equal, QosClass::Guaranteed),
            (&json!({}), &full, QosClass::Burstable),
            (&part, &json!({}), QosClass::Burstable),
            (&json!({}), &json!({"requests": {"example.org/x": 1}}), QosClass::BestEffort),
            (&json!({}), &json!({"requests": {"cpu": 0}}), QosClass::BestEffort),
        ] {
            let spec = json!({
                "initContainers": [{"resources": init, "restartPolicy": "Always"}],
                "containers": [{"resources": main}],
            });
            assert_eq!(Demand::of(&spec).qos, expected, "{spec}");
        }
    }

    #[test]
    fn resources_of_the_whole_pod_count_instead() {
        let spec = json!({
            "containers": [{"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}],
            "resources": {"limits": {"cpu": "2"}},
        });
        assert_eq!(list(&Demand::of(&spec).requests), "cpu 2, memory 1Gi");
    }
}
