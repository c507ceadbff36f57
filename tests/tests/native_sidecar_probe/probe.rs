//! One run of native-sidecar-probe and what came of it.
//!
//! The environment holds nothing of the developer's own: no kubeconfig, no home, no settings.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::binary::built;
use e2e::kube_api::{FakeCluster, ServiceAccount};
use e2e::pace::SOON;
use e2e::process::{Guard, command, output_file};
use e2e::workplace::Workplace;
use serde_json::Value;

/// A command line.
#[derive(Debug)]
pub(crate) struct Probe {
    folder: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// A file with this text.
pub(crate) fn write(place: &Workplace, name: &str, text: &str) -> PathBuf {
    let file = place.path().join(name);
    fs::write(&file, text).unwrap();
    file
}

impl Probe {
    pub(crate) fn new(place: &Workplace, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { folder: place.path().to_owned(), arguments, variables: Vec::new() }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<Path>) -> Self {
        self.arguments.push(argument.as_ref().to_str().unwrap().to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As the administrator behind `kubectl proxy`.
    pub(crate) fn proxied(self, cluster: &FakeCluster) -> Self {
        self.arg("--server").arg(cluster.proxy_url())
    }

    /// With the token that the cluster knows.
    pub(crate) fn with_token(self, cluster: &FakeCluster) -> Self {
        self.arg("--kubeconfig").arg(cluster.kubeconfig())
    }

    /// As a pod of the cluster.
    pub(crate) fn in_cluster(self, account: &ServiceAccount) -> Self {
        let [host, port] = &account.variables;
        let probe = self.env(host.0, &host.1).env(port.0, &port.1);
        probe.arg("--service-account-dir").arg(&account.folder)
    }

    /// Kubelets are verified.
    pub(crate) fn kubelets(self, cluster: &FakeCluster) -> Self {
        self.arg("--kubelet-ca").arg(cluster.kubelet_ca_file())
    }

    pub(crate) fn start(&self) -> Guard {
        let mut command = command(built("native-sidecar-probe"));
        for name in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
            command.env_remove(name);
        }
        command.env("HOME", &self.folder).args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdout(output_file(&self.stdout()));
        // One file for each run, though several may go to the same folder.
        fs::remove_file(self.folder.join("probe.stderr")).ok();
        Guard::spawn(command, &self.folder, "probe")
    }

    pub(crate) fn stdout(&self) -> PathBuf {
        self.folder.join("probe.stdout")
    }

    pub(crate) fn run(&self) -> Ended {
        let start = Instant::now();
        let mut guard = self.start();
        let code = guard.wait_code(SOON);
        let took = start.elapsed();
        let stdout = fs::read_to_string(self.stdout()).unwrap();
        Ended { code, stdout, stderr: guard.stderr_text(), took }
    }
}

impl Ended {
    /// stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.stdout);
        assert!(parsed.is_ok(), "{self:#?}");
        parsed.unwrap()
    }

    /// Fails the test if the run ended otherwise.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// The verdict of the JSON, empty if it has none.
    #[track_caller]
    pub(crate) fn verdict(&self) -> String {
        self.json()["verdict"].as_str().unwrap_or_default().to_owned()
    }
}
