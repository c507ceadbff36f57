use super::*;
use crate::trust::Roots;

/// A kubeconfig with one context; what differs are the fields of its cluster and user.
fn config(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
         clusters: [{{name: c, cluster: {{server: \"https://h:1\", {cluster}}}}}]\n\
         contexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n\
         users: [{{name: u, user: {{{user}}}}}]\n"
    )
}

/// Writes the files and reads them as one, with the folder's path taken out of errors.
fn find_all(texts: &[&str], context: Option<&str>) -> Result<Found, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    for (name, text) in [("token", "from-file"), ("cert.pem", "CERT"), ("key.pem", "KEY")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut files = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let file = folder.path().join(format!("{number}.yaml"));
        std::fs::write(&file, text).unwrap();
        files.push(file);
    }
    let folder = format!("{}/", folder.path().display());
    find(&files, context).map_err(|error| error.to_string().replace(&folder, ""))
}

fn user(fields: &str) -> Result<Identity, String> {
    find_all(&[&config("", fields)], None).map(|found| found.identity)
}

fn plugin_of(fields: &str) -> Result<Plugin, String> {
    match user(&format!("exec: {{{fields}}}"))?.proof {
        Proof::Plugin(plugin) => Ok(*plugin),
        other => panic!("{other:?}"),
    }
}

fn header(fields: &str) -> String {
    match user(fields).unwrap().proof {
        Proof::Fixed(header) | Proof::TokenFile { last: header, .. } => {
            header.to_str().unwrap().to_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn tokens_and_passwords() {
    assert_eq!(header("token: abc"), "Bearer abc");
    assert_eq!(header("tokenFile: token"), "Bearer from-file");
    assert_eq!(header("tokenFile: token, token: abc"), "Bearer from-file");
    assert_eq!(header("tokenFile: missing, token: abc"), "Bearer abc");
    assert_eq!(header("username: user, password: pass"), "Basic dXNlcjpwYXNz");
    assert!(matches!(user("token: ''").unwrap().proof, Proof::None));
}

#[test]
fn client_certificates() {
    let shown = |fields: &str| {
        let Certificate { chain, key } = user(fields).unwrap().certificate.unwrap();
        [chain, key].map(|part| String::from_utf8(part.bytes().to_vec()).unwrap())
    };
    assert_eq!(shown("client-certificate: cert.pem, client-key: ./key.pem"), ["CERT", "KEY"]);
    let data = "client-certificate-data: Q0VS\\nVDI=";
    let data = format!("{}, client-key: key.pem", data.replace("\\n", ""));
    assert_eq!(shown(&data), ["CERT2", "KEY"]);
}

#[test]
fn who_is_impersonated() {
    let fields = "as: jane, as-uid: '7', as-groups: [g1, 'g 2'], as-user-extra: {'a/b': [x]}";
    let headers = user(fields).unwrap().impersonation;
    let all = |name: &str| -> Vec<&str> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    };
    assert_eq!(all("impersonate-user"), ["jane"]);
    assert_eq!(all("impersonate-uid"), ["7"]);
    assert_eq!(all("impersonate-group"), ["g1", "g 2"]);
    assert_eq!(all("impersonate-extra-a%2fb"), ["x"]);
}

#[test]
fn whom_a_cluster_trusts() {
    let roots = |cluster: &str| {
        let found = find_all(&[&config(cluster, "")], None).unwrap();
        found.trust
    };
    assert!(matches!(roots(""), Trust::System));
    assert!(matches!(roots("insecure-skip-tls-verify: true"), Trust::Insecure));
    let Trust::CaFile(file) = roots("certificate-authority: pki/ca.crt") else { panic!() };
    assert!(file.is_absolute() && file.ends_with("pki/ca.crt"));
    let both = roots("certificate-authority: ca.crt, certificate-authority-data: Q0E=");
    assert!(matches!(&both, Trust::CaPem(text) if text == b"CA"));
    assert!(matches!(both.read(&Roots::Public), Ok(Roots::Pem { .. })));
}

#[test]
fn the_first_of_several_files_wins() {
    let one = "current-context: ''\nusers: [{name: u, user: {token: one}}]\n\
               contexts: [{name: b, context: {cluster: c, user: u, namespace: ns-b}}]";
    let two = config("tls-server-name: two", "token: two");
    let found = find_all(&["", one, &two], None).unwrap();
    assert!(matches!(&found.identity.proof, Proof::Fixed(token) if token == "Bearer one"));
    assert_eq!((found.namespace, found.server_name.as_deref()), (None, Some("two")));
    let found = find_all(&[one, &two], Some("b")).unwrap();
    assert_eq!(found.namespace.as_deref(), Some("ns-b"));
}

#[test]
fn how_a_plugin_is_run() {
    let plugin = plugin_of(
        "apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [eks, get-token], \
         env: [{name: A, value: b}, {name: C, value: null}], installHint: get it",
    )
    .unwrap();
    assert_eq!(plugin.command, Path::new("aws"));
    assert_eq!(plugin.args, ["eks", "get-token"]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(plugin.env, [pair("A", "b"), pair("C", "")]);
    assert_eq!(plugin.install_hint.as_deref(), Some("get it"));
    let plugin = plugin_of(
        "apiVersion: client.authentication.k8s.io/v1, command: ./bin/login, interactiveMode: Never",
    );
    let command = plugin.unwrap().command;
    assert!(command.is_absolute() && command.ends_with("bin/login"), "{command:?}");
}

#[test]
fn only_what_is_chosen_is_looked_at() {
    let other = "users: [{name: other, user: {token: 5}}, 7]\nclusters: [{name: x, cluster: 3}]";
    find_all(&[&config("", "token: t"), other], None).unwrap();
}

#[test]
fn a_mistake_is_named_with_file_and_key() {
    for (cluster, user, expected) in [
        ("server: 5", "", "'0.yaml' is no kubeconfig: "),
        ("proxy-url: 'http://p'", "", "'0.yaml': clusters[c].cluster.proxy-url: is not supported"),
        ("tls-server-name: [x]", "", "'0.yaml': clusters[c].cluster.tls-server-name: is not text"),
        ("certificate-authority-data: '*'", "", "certificate-authority-data: is not base64"),
        ("insecure-skip-tls-verify: 'no'", "", "insecure-skip-tls-verify: is neither true nor"),
        ("insecure-skip-tls-verify: true, certificate-authority: x", "", "has no meaning with"),
        ("", "token: 12345", "'0.yaml': users[u].user.token: is not text"),
        ("", "tokenFile: missing", "cannot read the token from 'missing'"),
        ("", "token: a, username: b", "users[u].user.username: only one of"),
        ("", "client-certificate: cert.pem", "users[u].user.client-key: is missing"),
        ("", "client-certificate-data: '%'", "client-certificate-data: is not base64"),
        ("", "auth-provider: {name: gcp}", "users[u].user.auth-provider: is not supported"),
        ("", "as-groups: [g]", "users[u].user.as: is not set"),
        ("", "exec: {command: x}", "users[u].user.exec.apiVersion: is not set"),
        ("", "exec: []", "users[u].user.exec: is not a mapping"),
    ] {
        let error = find_all(&[&config(cluster, user)], None).unwrap_err();
        assert!(error.contains(expected), "{cluster}{user}: {error}");
    }
}

#[test]
fn a_plugin_that_cannot_be_run_is_named() {
    for (fields, expected) in [
        ("command: x, apiVersion: client.authentication.k8s.io/v1alpha1", "v1alpha1' is not supp"),
        ("command: x, apiVersion: client.authentication.k8s.io/v1", "interactiveMode: is not set"),
        (
            "command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always",
            "exec.interactiveMode: 'Always' is not supported",
        ),
        (
            "command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Maybe",
            "'Maybe' is none of",
        ),
    ] {
        let error = plugin_of(fields).unwrap_err();
        assert!(error.contains(expected), "{fields}: {error}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let whole = config("", "");
    for (text, context, expected) in [
        ("", None, "'0.yaml': current-context: is not set"),
        ("- a", None, "'0.yaml' is no kubeconfig: it is not a mapping"),
        ("a: [", None, "'0.yaml' is no kubeconfig: line "),
        (&*whole, Some("z"), "'0.yaml': contexts[z]: is missing"),
        (&*whole.replace("name: u", "name: v"), None, "'0.yaml': users[u]: is missing"),
        (&*whole.replace("cluster: c,", ""), None, "contexts[a].context.cluster: is not set"),
        (&*whole.replace("https://h:1", "h:1"), None, "clusters[c].cluster.server: 'h:1' "),
    ] {
        let error = find_all(&[text], context).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
