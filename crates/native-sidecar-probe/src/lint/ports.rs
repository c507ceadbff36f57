//! Ports that containers serve and use, as far as a manifest tells.
//!
//! In goes a container, out come the ports that it listens on and those on the loopback address
//! that its command line or its environment names. It is a guess from texts, made once for each
//! container; a container that finds its servers by other means is not seen here.

use std::collections::HashMap;

use manifest::{Container, List};
use serde_json::Value;

use super::pod::{Pod, words};

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// What may stand between a loopback address and its port.
const BEFORE_PORT: [&str; 5] = [":", " ", " -p ", " --port ", " --port="];
/// Of one container.
#[derive(Debug)]
pub(crate) struct Ports {
    served: Vec<u16>,
    pub(crate) used_in_command: Vec<u16>,
    pub(crate) used_in_environment: Vec<u16>,
}

impl Ports {
    pub(crate) fn of(container: &Container<'_>) -> Ports {
        let text = words(container).join(" ");
        Ports {
            served: served(container, &text),
            used_in_command: loopback_ports(&text),
            used_in_environment: in_environment(container),
        }
    }

    /// The first of the ports that is served here.
    pub(crate) fn first_of(&self, used: &[u16]) -> Option<u16> {
        used.iter().copied().find(|port| self.served.contains(port))
    }
}

/// The first container after a sidecar that uses one of its ports.
pub(crate) fn first_user<'p, 'a>(
    pod: &'p Pod<'a>,
    sidecar: &Container<'a>,
    ports: &Ports,
) -> Option<(&'p Container<'a>, u16)> {
    let later =
        pod.containers.iter().zip(&pod.ports).filter(|(container, _)| match container.list {
            List::Init => container.index > sidecar.index,
            List::Regular => true,
            List::Ephemeral => false,
        });
    later.into_iter().find_map(|(container, used)| {
        let port = ports.first_of(&used.used_in_command);
        Some((container, port.or_else(|| ports.first_of(&used.used_in_environment))?))
    })
}

/// Ports that a container listens on, as far as the manifest tells: those it declares, those its
/// probes ask, and those of listening flags.
fn served(container: &Container<'_>, text: &str) -> Vec<u16> {
    let declared = container.value["ports"].as_array().into_iter().flatten();
    let mut ports: Vec<u16> = declared.filter_map(|port| number(&port["containerPort"])).collect();
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        for kind in ["httpGet", "tcpSocket", "grpc"] {
            ports.extend(number(&container.value[probe][kind]["port"]));
        }
    }
    for flag in ["--port=", "--port ", "--listen=", "--listen "] {
        ports.extend(text.split(flag).skip(1).filter_map(|rest| {
            let word = rest.split([' ', ',']).next()?;
            word.rsplit(':').next()?.parse::<u16>().ok()
        }));
    }
    ports
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok())
}

/// Loopback ports in the environment.
fn in_environment(container: &Container<'_>) -> Vec<u16> {
    let entries = container.value["env"].as_array().into_iter().flatten();
    let variables: HashMap<&str, &str> = entries
        .filter_map(|entry| Some((entry["name"].as_str()?, entry["value"].as_str()?)))
        .collect();
    let mut ports = Vec::new();
    for (name, value) in &variables {
        ports.extend(loopback_ports(value));
        // DB_HOST=localhost and DB_PORT=5432 belong together.
        if let Some(stem) = name.strip_suffix("HOST")
            && LOOPBACK.contains(value)
        {
            let port = variables.get(format!("{stem}PORT").as_str());
            ports.extend(port.and_then(|port| port.parse::<u16>().ok()));
        }
    }
    // The order of the variables means nothing; the report is to be the same each time.
    ports.sort_unstable();
    ports
}

/// The ports of all loopback addresses in a text.
fn loopback_ports(text: &str) -> Vec<u16> {
    let rests = LOOPBACK.iter().flat_map(|host| text.split(host).skip(1));
    let port = |rest: &str| {
        let rest = BEFORE_PORT.iter().find_map(|between| {
            rest.strip_prefix(between).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse::<u16>().ok()
    };
    rests.filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_ports_in_texts() {
        for (text, expected) in [
            ("redis://localhost:6379/0", vec![6379]),
            ("nc -z 127.0.0.1 5432 && echo", vec![5432]),
            ("psql -h localhost -p 5432", vec![5432]),
            ("[::1]:80,localhost:81", vec![81, 80]),
            ("localhost", vec![]),
            ("localhost:", vec![]),
            ("localhost:99999", vec![]),
            ("db:5432", vec![]),
        ] {
            assert_eq!(loopback_ports(text), expected, "{text}");
        }
    }
}
