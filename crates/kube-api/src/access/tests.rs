use std::collections::BTreeMap;

use super::*;

const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: here
clusters:
- name: kind
  cluster: {server: "https://kind:6443"}
contexts:
- name: here
  context: {cluster: kind, user: me, namespace: shop}
users:
- name: me
  user: {token: sesame}
"#;

/// Variables, and a folder whose path stands for `DIR` in their values.
struct World {
    folder: tempfile::TempDir,
    variables: BTreeMap<&'static str, &'static str>,
}

impl World {
    fn new(variables: &[(&'static str, &'static str)]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("config", KUBECONFIG),
            ("home/.kube/config", KUBECONFIG),
            ("account/token", "abc"),
            ("account/ca.crt", CA),
            ("account/namespace", "ops\n"),
            ("token", "typed"),
        ];
        for (name, text) in files {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        World { folder, variables: variables.iter().copied().collect() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn find(&self, options: AccessOptions) -> Result<Access, AccessError> {
        let service_account = Some(self.path("account"));
        Access::find(&AccessOptions { service_account, ..options }, |name| {
            let folder = self.folder.path().to_str().unwrap();
            Some(self.variables.get(name)?.replace("DIR", folder))
        })
    }
}

/// Any text that is PEM: what it certifies is looked at when a client is made.
const CA: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const IN_POD: [(&str, &str); 2] =
    [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];

fn server(options: &AccessOptions, variables: &[(&'static str, &'static str)]) -> String {
    match World::new(variables).find(options.clone()) {
        Ok(access) => access.server().to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn places_are_looked_at_in_order() {
    let home = ("HOME", "DIR/home");
    let named = ("KUBECONFIG", "DIR/config");
    let none = AccessOptions::default();
    let typed = AccessOptions { server: Some("http://localhost:8001".into()), ..none.clone() };
    let all = [IN_POD[0], IN_POD[1], home, named];
    assert_eq!(server(&typed, &all), "http://localhost:8001");
    assert_eq!(server(&none, &all), "https://kind:6443");
    assert_eq!(server(&none, &[IN_POD[0], IN_POD[1], home]), "https://kind:6443");
    let empty = ("HOME", "DIR/empty");
    assert_eq!(server(&none, &[IN_POD[0], IN_POD[1], empty]), "https://10.0.0.1:443");
    assert_eq!(server(&none, &IN_POD), "https://10.0.0.1:443");
    assert_eq!(server(&none, &[home]), "https://kind:6443");
    assert_eq!(server(&none, &[home, ("KUBECONFIG", "")]), "https://kind:6443");
    assert!(server(&none, &[empty]).starts_with("no API server is known"));
    let context = AccessOptions { context: Some("here".into()), ..none };
    assert_eq!(server(&context, &[IN_POD[0], IN_POD[1], home]), "https://kind:6443");
}

#[test]
fn a_service_account_has_all_of_it() {
    let access = World::new(&IN_POD).find(AccessOptions::default()).unwrap();
    assert!(access.is_in_cluster());
    assert_eq!(access.namespace(), Some("ops"));
    assert!(matches!(access.roots, Roots::Pem { .. }));
    assert!(matches!(access.identity.proof, Proof::TokenFile { .. }));
    let six = [("KUBERNETES_SERVICE_HOST", "fd00::1"), IN_POD[1]];
    assert_eq!(server(&AccessOptions::default(), &six), "https://[fd00::1]:443");
}

#[test]
fn a_pod_without_a_token_has_no_access() {
    let world = World::new(&IN_POD);
    std::fs::remove_file(world.path("account/token")).unwrap();
    assert!(matches!(world.find(AccessOptions::default()), Err(AccessError::Nowhere)));
}

#[test]
fn flags_change_what_was_found() {
    let world = World::new(&[("KUBECONFIG", "DIR/config")]);
    let options = AccessOptions {
        context: Some("here".into()),
        server: Some("https://127.0.0.1:1".into()),
        token_file: Some(world.path("token")),
        insecure_skip_tls_verify: true,
        tls_server_name: Some("kind".into()),
        ..AccessOptions::default()
    };
    let access = world.find(options).unwrap();
    assert_eq!(access.server(), "https://127.0.0.1:1");
    assert_eq!(access.namespace(), Some("shop"));
    assert_eq!(access.server_name.as_deref(), Some("kind"));
    assert!(matches!(access.roots, Roots::Any));
    assert!(matches!(access.identity.proof, Proof::TokenFile { .. }));
}

#[test]
fn a_typed_server_gets_no_credential_of_a_kubeconfig() {
    let world = World::new(&[("KUBECONFIG", "DIR/config")]);
    let server = Some("https://elsewhere".to_owned());
    let access = world.find(AccessOptions { server, ..AccessOptions::default() }).unwrap();
    assert!(matches!(access.identity.proof, Proof::None));
}

#[test]
fn plain_http_gets_no_credential() {
    let world = World::new(&[("KUBECONFIG", "DIR/config")]);
    let plain = AccessOptions {
        server: Some("http://localhost:1".into()),
        context: Some("here".into()),
        ..AccessOptions::default()
    };
    let access = world.find(plain.clone()).unwrap();
    assert!(matches!(access.identity.proof, Proof::None));
    let token_file = Some(world.path("token"));
    let error = world.find(AccessOptions { token_file, ..plain }).unwrap_err().to_string();
    assert!(error.starts_with("--token-file '") && error.contains("plain http"), "{error}");
}

#[test]
fn a_bad_flag_is_named() {
    let world = World::new(&[]);
    let error = |options| world.find(options).unwrap_err().to_string();
    let base = AccessOptions { server: Some("https://h".into()), ..AccessOptions::default() };
    let there = |name: &str| Some(world.path(name));
    let ca_file = AccessOptions { certificate_authority: there("none"), ..base.clone() };
    assert!(error(ca_file.clone()).contains("/none'"));
    let both = AccessOptions { insecure_skip_tls_verify: true, ..ca_file };
    assert!(error(both).starts_with("--certificate-authority '"));
    let half = AccessOptions { client_key: there("token"), ..base.clone() };
    assert!(error(half).ends_with("needs --client-certificate"));
    let bad = AccessOptions { server: Some("ftp://h".into()), ..base.clone() };
    assert!(error(bad).starts_with("--server 'ftp://h': "));
    let secret = AccessOptions { server: Some("https://me:sesame@h".into()), ..base };
    assert!(!error(secret).contains("sesame"));
}

#[test]
fn nothing_shows_a_secret() {
    let world = World::new(&[("KUBECONFIG", "DIR/config")]);
    let access = world.find(AccessOptions::default()).unwrap();
    assert!(matches!(access.identity.proof, Proof::Fixed(_)));
    assert!(!format!("{access:?}").contains("sesame"));
}
