use super::*;

fn errors(text: &str) -> Vec<String> {
    match WebConfig::parse(text, Path::new("/etc/web")).unwrap_err() {
        WebConfigError::Rules(errors) => errors,
        other => vec![other.to_string()],
    }
}

#[test]
fn a_full_file() {
    let text = "\
tls_server_config:
  cert_file: server.crt
  key_file: /keys/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus]
  min_version: TLS13
  prefer_server_cipher_suites: true
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
basic_auth_users:
  ann: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi
rate_limit: {interval: 1s, burst: 20}
";
    let config = WebConfig::parse(text, Path::new("/etc/web")).unwrap();
    let tls = config.tls.unwrap();
    assert_eq!(format!("{:?} {:?}", tls.cert, tls.key), "/etc/web/server.crt /keys/server.key");
    assert_eq!(
        (tls.client_auth, tls.tls13_only, tls.tls12_only),
        (ClientAuth::Require, true, false)
    );
    assert_eq!(tls.client_sans, ["prometheus"]);
    assert_eq!(config.headers, [("X-Frame-Options", "deny".to_owned())]);
    assert_eq!(config.users.len(), 1);
    assert_eq!(config.rate_limit.unwrap().burst, 20);
}

#[test]
fn a_rule_about_clients_without_a_certificate_is_no_plain_http() {
    let text =
        "tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca: x\n";
    assert!(errors(text).iter().any(|error| error.contains("needs cert")), "{text}");
}

#[test]
fn an_empty_file_rules_nothing() {
    let config = WebConfig::parse("", Path::new("")).unwrap();
    assert!(config.tls.is_none() && config.users.is_empty());
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let text = "\
tls_server_config:
  cert_file: server.crt
  min_version: SSL3
  client_auth_type: RequireAnyClientCert
  certfile: x
basic_auth_users:
  ann: plain
basic_auth: {}
";
    let errors = errors(text);
    for (line, word) in [
        ("line 3:", "SSL3"),
        ("line 4:", "RequireAnyClientCert"),
        ("line 5:", "certfile"),
        ("line 2:", "needs cert"),
        ("line 7:", "ann"),
        ("line 8:", "basic_auth"),
    ] {
        let found = errors.iter().any(|error| error.starts_with(line) && error.contains(word));
        assert!(found, "{line} {word}: {errors:#?}");
    }
    assert!(!errors.iter().any(|error| error.contains("plain")), "a password may stand there");
}
