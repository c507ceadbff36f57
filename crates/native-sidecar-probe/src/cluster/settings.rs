//! How to ask and how to answer, as typed and as checked.
//!
//! In go the flags, out come [`Settings`] or rejections, all of them at once.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use kube_api::{Api, Trust};
use manifest::Version;
use sidecar_runtime::{Rejections, setting};

use super::assessment::ClusterVerdict;
use super::report::Form;
use crate::status::Status;

#[derive(Debug, clap::Args)]
pub(crate) struct AskingArgs {
    /// Where the gate of a kubelet is read if its version does not decide: kubelet (its own port,
    /// needs nodes/metrics), proxy (through the API server, needs nodes/proxy, which amounts to
    /// running commands in every pod), version (nowhere)
    #[arg(long, value_name = "WAY", default_value = "kubelet")]
    via: String,
    /// PEM file of the authorities that the kubelets' certificates have to be from; without it
    /// those of the API server
    #[arg(long, value_name = "FILE")]
    pub(super) kubelet_ca: Option<String>,
    /// Accepts any certificate of the kubelets, which then see the credential
    #[arg(long)]
    kubelet_insecure: bool,
    /// Port of the kubelets; without it the one that each node reports
    #[arg(long, value_name = "PORT")]
    kubelet_port: Option<String>,
    /// Least version, such as 1.29.3: what is older is UNSUPPORTED whatever its gate
    #[arg(long, value_name = "VERSION")]
    min_version: Option<String>,
    /// Verdicts with an exit status other than 0: unsupported, mixed, unknown; or none
    #[arg(
        long,
        value_name = "VERDICTS",
        value_delimiter = ',',
        default_value = "unsupported,mixed,unknown"
    )]
    fail_on: Vec<String>,
    /// The form of the report: table, wide, json or prom
    #[arg(long, short = 'o', value_name = "FORM", default_value = "table")]
    output: String,
    /// Leaves out of the report what changes from run to run, for comparisons
    #[arg(long)]
    stable: bool,
}

/// Where a kubelet's gate is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    Kubelet,
    Proxy,
    Version,
}

/// The settings in effect.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) via: Via,
    pub(super) trust: Trust,
    pub(super) kubelet_port: Option<u16>,
    pub(super) minimum: Option<Version>,
    pub(super) form: Form,
    pub(super) stable: bool,
    fail_on: Vec<ClusterVerdict>,
}

impl Settings {
    pub(super) fn new(args: &AskingArgs, rejections: &mut Rejections) -> Option<Settings> {
        let ways = [("kubelet", Via::Kubelet), ("proxy", Via::Proxy), ("version", Via::Version)];
        let via = rejections.parse("via", &args.via, setting::one_of(&ways));
        let forms = [
            ("table", Form::Table),
            ("wide", Form::Wide),
            ("json", Form::Json),
            ("prom", Form::Prometheus),
        ];
        let form = rejections.parse("output", &args.output, setting::one_of(&forms));
        let port = args.kubelet_port.as_deref();
        let kubelet_port = port.map(|text| rejections.parse("kubelet-port", text, port_number));
        let minimum = args.min_version.as_deref();
        let minimum = minimum.map(|text| rejections.parse("min-version", text, str::parse));
        let fail_on = fail_on(&args.fail_on, rejections);
        let trust = trust(args, rejections);
        Some(Settings {
            via: via?,
            trust: trust?,
            kubelet_port: all(kubelet_port)?,
            minimum: all(minimum)?,
            form: form?,
            stable: args.stable,
            fail_on: fail_on?,
        })
    }

    /// Tells at the start what would fail at every kubelet. `file` is that of the authorities.
    pub(super) fn check_trust(
        &self,
        api: &Api,
        file: &str,
        rejections: &mut Rejections,
    ) -> Option<()> {
        let kubelet = api.kubelet(IpAddr::V4(Ipv4Addr::LOCALHOST), 1, self.trust.clone());
        let reject = |error| rejections.reject("kubelet-ca", file, net::with_causes(&error));
        kubelet.map_err(reject).ok().map(drop)
    }

    /// 0 if the verdict is none of those to fail on.
    pub(super) fn status(&self, verdict: ClusterVerdict) -> Status {
        match verdict {
            _ if !self.fail_on.contains(&verdict) => Status::Supported,
            ClusterVerdict::Supported => Status::Supported,
            ClusterVerdict::Unsupported => Status::Unsupported,
            ClusterVerdict::Mixed => Status::Mixed,
            ClusterVerdict::Unknown => Status::Unknown,
        }
    }
}

/// A node's name becomes a part of a path.
pub(super) fn node_name(text: &str) -> Result<String, &'static str> {
    let is_name =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_');
    match text.len() {
        1..=253 if text.bytes().all(is_name) && !text.starts_with('.') => Ok(text.to_owned()),
        _ => Err("expected the name of a node: letters, digits, dashes and dots, at most 253"),
    }
}

/// `None` only if there was a value and it was rejected.
fn all<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        Some(None) => None,
        other => Some(other.flatten()),
    }
}

fn port_number(text: &str) -> Result<u16, &'static str> {
    match text.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err("expected a port from 1 to 65535"),
    }
}

fn fail_on(words: &[String], rejections: &mut Rejections) -> Option<Vec<ClusterVerdict>> {
    let choices = [
        ("unsupported", Some(ClusterVerdict::Unsupported)),
        ("mixed", Some(ClusterVerdict::Mixed)),
        ("unknown", Some(ClusterVerdict::Unknown)),
        ("none", None),
    ];
    let read: Vec<_> = words
        .iter()
        .map(|word| rejections.parse("fail-on", word.trim(), setting::one_of(&choices)))
        .collect();
    let read: Vec<Option<ClusterVerdict>> = read.into_iter().collect::<Option<_>>()?;
    if read.contains(&None) && read.len() > 1 {
        rejections.reject("fail-on", &words.join(","), "none goes with nothing else");
        return None;
    }
    Some(read.into_iter().flatten().collect())
}

fn trust(args: &AskingArgs, rejections: &mut Rejections) -> Option<Trust> {
    match (&args.kubelet_ca, args.kubelet_insecure) {
        (Some(file), true) => {
            rejections.reject("kubelet-ca", file, "goes not together with --kubelet-insecure");
            None
        }
        (Some(file), false) => {
            let pem = rejections.parse("kubelet-ca", file, |file| fs::read(file));
            pem.map(Trust::CaPem)
        }
        (None, true) => Some(Trust::Insecure),
        (None, false) => Some(Trust::Cluster),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> AskingArgs {
        AskingArgs {
            via: "kubelet".to_owned(),
            kubelet_ca: None,
            kubelet_insecure: false,
            kubelet_port: None,
            min_version: None,
            fail_on: ["unsupported", "mixed", "unknown"].map(str::to_owned).to_vec(),
            output: "table".to_owned(),
            stable: false,
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn defaults() {
        let mut rejections = Rejections::default();
        let settings = Settings::new(&args(), &mut rejections).unwrap();
        assert!(rejections.is_empty());
        assert_eq!((settings.via, settings.form), (Via::Kubelet, Form::Table));
        assert!(matches!(settings.trust, Trust::Cluster));
        for (verdict, status) in [
            (ClusterVerdict::Supported, Status::Supported),
            (ClusterVerdict::Unsupported, Status::Unsupported),
            (ClusterVerdict::Mixed, Status::Mixed),
            (ClusterVerdict::Unknown, Status::Unknown),
        ] {
            assert_eq!(settings.status(verdict), status);
        }
    }

    #[test]
    fn unknown_is_0_only_if_asked_for() {
        let mut rejections = Rejections::default();
        let some = AskingArgs { fail_on: words(&["unsupported", "mixed"]), ..args() };
        let settings = Settings::new(&some, &mut rejections).unwrap();
        assert_eq!(settings.status(ClusterVerdict::Unknown), Status::Supported);
        assert_eq!(settings.status(ClusterVerdict::Mixed), Status::Mixed);
        let none = AskingArgs { fail_on: words(&["none"]), ..args() };
        let settings = Settings::new(&none, &mut rejections).unwrap();
        assert_eq!(settings.status(ClusterVerdict::Unsupported), Status::Supported);
    }

    #[test]
    fn every_bad_value_is_named() {
        let mut rejections = Rejections::default();
        let bad = AskingArgs {
            via: "ssh".to_owned(),
            kubelet_ca: Some("nowhere.pem".to_owned()),
            kubelet_port: Some("0".to_owned()),
            min_version: Some("new".to_owned()),
            fail_on: words(&["unknown", "never"]),
            output: "yaml".to_owned(),
            ..args()
        };
        assert!(Settings::new(&bad, &mut rejections).is_none());
        let mut settings: Vec<_> = rejections.iter().map(|item| item.setting.as_str()).collect();
        settings.sort_unstable();
        let expected = ["fail-on", "kubelet-ca", "kubelet-port", "min-version", "output", "via"];
        assert_eq!(settings, expected);
    }

    #[test]
    fn values_that_contradict_each_other() {
        let mut rejections = Rejections::default();
        let bad = AskingArgs {
            kubelet_ca: Some("ca.pem".to_owned()),
            kubelet_insecure: true,
            fail_on: words(&["none", "mixed"]),
            ..args()
        };
        assert!(Settings::new(&bad, &mut rejections).is_none());
        assert_eq!(rejections.iter().count(), 2);
    }

    #[test]
    fn names_of_nodes() {
        assert!(node_name("ip-10-0-0-7.eu-west-1.compute.internal").is_ok());
        for name in ["", "a/b", "a b", "..", "a?x=1", &"x".repeat(254)] {
            assert!(node_name(name).is_err(), "{name}");
        }
    }
}
