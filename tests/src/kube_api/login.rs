//! How the binary under test gets in: kubeconfig files and the folder of a service account.
//!
//! Everything is written into the folder of the test. An exec plugin is a shell script there that
//! prints a credential and counts in a file how often it ran.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::{FakeCluster, TOKEN};

/// The files that a pod finds in its service account's folder, and what it is told by variables.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    /// Holds `token`, `ca.crt` and `namespace`.
    pub folder: PathBuf,
    /// KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
    pub variables: [(&'static str, String); 2],
}

impl ServiceAccount {
    /// As the kubelet does when a token is half over.
    pub fn write_token(&self, token: &str) {
        fs::write(self.folder.join("token"), token).unwrap();
    }
}

impl FakeCluster {
    /// With the token that is known from the start.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of("token", &format!("    token: {TOKEN}\n"))
    }

    /// With a client certificate of this user.
    pub fn kubeconfig_with_certificate(&self, user: &str) -> PathBuf {
        let pair = self.client_certificate(user);
        let user = format!(
            "    client-certificate: {}\n    client-key: {}\n",
            pair.certificate.display(),
            pair.key.display()
        );
        self.kubeconfig_of("certificate", &user)
    }

    /// With a plugin that prints this token, and the file where it leaves a line for each run.
    pub fn kubeconfig_with_plugin(&self, token: &str) -> (PathBuf, PathBuf) {
        let (script, runs) = (self.folder().join("plugin.sh"), self.folder().join("plugin-runs"));
        let credential = json!({
            "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
            "status": { "token": token },
        });
        let text = format!("echo run >>'{}'\ncat <<'END'\n{credential}\nEND\n", runs.display());
        fs::write(&script, text).unwrap();
        let user = exec_user(&format!("\"{}\"", script.display()));
        (self.kubeconfig_of("plugin", &user), runs)
    }

    /// `user` is the YAML of the user, indented by four.
    pub fn kubeconfig_of(&self, name: &str, user: &str) -> PathBuf {
        let file = self.folder().join(format!("kubeconfig-{name}"));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\npreferences: {{}}\nclusters:\n- \
             name: fake\n  cluster:\n    server: {}\n    certificate-authority: {}\ncontexts:\n- \
             name: test\n  context:\n    cluster: fake\n    user: me\n    namespace: default\n\
             users:\n- name: me\n  user:\n{user}",
            self.url(),
            self.ca_file().display()
        );
        fs::write(&file, text).unwrap();
        file
    }

    /// What a pod of the cluster has, with the token that is known from the start.
    pub fn service_account(&self) -> ServiceAccount {
        let folder = self.folder().join("serviceaccount");
        fs::create_dir_all(&folder).unwrap();
        fs::copy(self.ca_file(), folder.join("ca.crt")).unwrap();
        fs::write(folder.join("namespace"), "default").unwrap();
        let (host, port) = (self.address().ip().to_string(), self.address().port().to_string());
        let variables = [("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", port)];
        let account = ServiceAccount { folder, variables };
        account.write_token(TOKEN);
        account
    }
}

/// A user whose credential comes from `sh` with these arguments, the inside of a YAML list.
pub fn exec_user(arguments: &str) -> String {
    format!(
        "    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: sh
      args: [{arguments}]
      interactiveMode: Never
"
    )
}
