use super::*;
use crate::config::{PoolListen, ServerAddress};

const LEAST: &str = "p:\n  listen: 127.0.0.1:6380\n  redis: true\n  servers:\n  - a:1:1\n";

fn read_text(text: &str) -> (Option<Vec<PoolConfig>>, Vec<String>) {
    let mut rejections = Rejections::default();
    let pools = read(text, "f.yml", &mut rejections);
    let reasons = rejections.iter().map(|item| {
        assert_eq!((item.setting.as_str(), item.value.as_str()), ("conf-file", "f.yml"));
        item.reason.clone()
    });
    (pools, reasons.collect())
}

/// The least pool with these lines more.
#[track_caller]
fn pool_with(lines: &str) -> PoolConfig {
    let (pools, reasons) = read_text(&format!("{LEAST}{lines}"));
    assert_eq!(reasons, Vec::<String>::new(), "{lines}");
    pools.unwrap().remove(0)
}

/// `expected` has a line for each complaint.
#[track_caller]
fn check_rejected(text: &str, expected: &str) {
    let (pools, reasons) = read_text(text);
    assert_eq!(pools, None, "{text}");
    assert_eq!(reasons.join("\n"), expected, "{text}");
}

#[test]
fn defaults() {
    let expected = PoolConfig {
        name: "p".to_owned(),
        listens: vec![PoolListen::Tcp { host: "127.0.0.1".to_owned(), port: 6380 }],
        hash: Hash::Fnv1a64,
        hash_tag: None,
        distribution: Distribution::Ketama,
        timeout: None,
        backlog: 512,
        auth: None,
        db: 0,
        tcp_keepalive: false,
        reuse_port: false,
        preconnect: false,
        auto_eject: false,
        server_retry_timeout: Duration::from_secs(30),
        server_failure_limit: 2,
        client_connections: None,
        servers: vec![ServerConfig {
            name: "a:1".to_owned(),
            address: ServerAddress::Name { host: "a".to_owned(), port: 1 },
            weight: 1,
        }],
    };
    assert_eq!(pool_with(""), expected);
    assert_eq!(
        pool_with("  timeout: 0\n  client_connections: 0\n  server_connections: 9\n"),
        expected
    );
}

#[test]
fn every_key() {
    let text = "\
alpha:
  listen: /run/a.sock 0660
  hash: murmur
  hash_tag: \"{}\"
  distribution: modula
  timeout: 400
  backlog: 1024
  client_connections: 100
  redis: true
  tcpkeepalive: true
  reuseport: true
  redis_auth: 12345
  redis_db: 3
  preconnect: true
  auto_eject_hosts: true
  server_connections: 4
  server_retry_timeout: 2000
  server_failure_limit: 1
  servers:
   - 127.0.0.1:6379:1 one # the first
   - '[::1]:6379:2'

beta:
  listen: 0.0.0.0:22122
  redis: true
  servers: [\"a:11211:1\"]
";
    let (pools, reasons) = read_text(text);
    assert_eq!(reasons, Vec::<String>::new());
    let pools = pools.unwrap();
    let names: Vec<_> = pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["alpha", "beta"]);
    let alpha = &pools[0];
    let listen = PoolListen::Unix { path: "/run/a.sock".into(), mode: Some(0o660) };
    assert_eq!(alpha.listens, [listen]);
    assert_eq!((alpha.hash, alpha.distribution), (Hash::Murmur, Distribution::Modula));
    assert_eq!((alpha.hash_tag, alpha.db, alpha.backlog), (Some(*b"{}"), 3, 1024));
    assert_eq!(alpha.timeout, Some(Duration::from_millis(400)));
    assert_eq!(alpha.server_retry_timeout, Duration::from_secs(2));
    assert_eq!((alpha.server_failure_limit, alpha.client_connections), (1, Some(100)));
    assert!(alpha.tcp_keepalive && alpha.reuse_port && alpha.preconnect && alpha.auto_eject);
    assert_eq!(alpha.auth.as_ref().map(Secret::expose), Some("12345"));
    assert!(!format!("{alpha:?}").contains("12345"));
    let servers: Vec<_> = alpha.servers.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(servers, ["one", "[::1]:6379"]);
    assert_eq!(pools[1].servers[0].name, "a");
}

#[test]
fn bad_values_name_line_and_key() {
    let digits = "expected a number from 0 to 2147483647";
    for (line, reason) in [
        (
            "hash: FNV",
            "hash \"FNV\": expected one of one_at_a_time, md5, crc16, crc32, crc32a, \
                       fnv1_64, fnv1a_64, fnv1_32, fnv1a_32, hsieh, murmur, jenkins",
        ),
        ("distribution: x", "distribution \"x\": expected one of ketama, modula, random"),
        ("hash_tag: '{'", "hash_tag \"{\": expected two characters such as {}"),
        ("timeout: 1s", &format!("timeout \"1s\": {digits}")),
        ("timeout: -1", &format!("timeout \"-1\": {digits}")),
        ("timeout:", "timeout: expected a value, not nothing"),
        ("backlog: +5", &format!("backlog \"+5\": {digits}")),
        ("redis_db: 3000000000", &format!("redis_db \"3000000000\": {digits}")),
        ("server_connections: 0", "server_connections \"0\": expected a number from 1"),
        ("preconnect: yes", "preconnect \"yes\": expected true or false"),
        ("redis_auth: ''", "redis_auth: is empty"),
        ("redis_auth: [secret]", "redis_auth: expected a value, not a list"),
        ("wieght: 1", "wieght: no such key"),
        ("redis: true", "redis: given twice"),
    ] {
        check_rejected(&format!("{LEAST}  {line}\n"), &format!("line 6: p: {reason}"));
    }
}

#[test]
fn servers_that_are_refused() {
    check_rejected(
        &format!("{LEAST}  - a:1\n  - b:1:0\n  - c:1:2 a:1\n  - [x]\n  - a:1:3\n"),
        "line 6: p: servers \"a:1\": expected HOST:PORT:WEIGHT [NAME] or /SOCKET:WEIGHT [NAME]\n\
         line 7: p: servers \"b:1:0\": \"0\" is no weight from 1 to 2147483647\n\
         line 8: p: servers \"c:1:2 a:1\": there is a server named \"a:1\" already\n\
         line 9: p: servers: expected a server, not a list\n\
         line 10: p: servers \"a:1:3\": there is a server named \"a:1\" already",
    );
    let head = "p:\n  listen: 127.0.0.1:1\n  redis: true\n";
    check_rejected(&format!("{head}  servers: []\n"), "line 4: p: servers: the list is empty");
    check_rejected(
        &format!("{head}  servers: a:1:1\n"),
        "line 4: p: servers: expected a list, not a value",
    );
}

#[test]
fn pools_that_are_refused() {
    check_rejected("", "line 1: expected a mapping of pools, not nothing");
    check_rejected("- a\n", "line 1: expected a mapping of pools, not a list");
    check_rejected("p:\n", "line 1: p: expected a mapping of settings, not nothing");
    let no_redis = "redis: memcached pools are not supported yet; a pool of Redis servers needs \
                    redis: true, because the default is false";
    check_rejected(
        "p: {hash: md5}\n",
        &format!("line 1: p: listen: missing\nline 1: p: servers: missing\nline 1: p: {no_redis}"),
    );
    check_rejected(&LEAST.replace("true", "false"), &format!("line 3: p: {no_redis}"));
    check_rejected(&LEAST.replace("true", "1"), "line 3: p: redis \"1\": expected true or false");
    let second = LEAST.replace("p:", "q:");
    check_rejected(
        &format!("{LEAST}{second}"),
        "line 7: q: listen \"127.0.0.1:6380\": pool p does already",
    );
    let second = LEAST.replace("6380", "6381");
    check_rejected(&format!("{LEAST}{second}"), "line 6: p: there is a pool of this name already");
    check_rejected(
        "p: &x\n  listen: 127.0.0.1:1\n  redis: true\n  servers: [\"a:1:1\"]\nq: *x\n",
        "line 5: q: expected a mapping of settings, not an alias",
    );
}

#[test]
fn everything_wrong_in_all_pools_is_reported_together() {
    let text = "\
p:
  listen: 6380
  redis: true
  timeout: soon
  servers:
  - a:1:1
q:
  listen: 127.0.0.1:99999
  redis: yes
  colour: red
  servers:
";
    check_rejected(
        text,
        "line 2: p: listen \"6380\": expected HOST:PORT, :PORT, /SOCKET or \"/SOCKET MODE\"\n\
         line 4: p: timeout \"soon\": expected a number from 0 to 2147483647\n\
         line 10: q: colour: no such key\n\
         line 9: q: redis \"yes\": expected true or false\n\
         line 8: q: listen \"127.0.0.1:99999\": \"99999\" is no port from 1 to 65535\n\
         line 11: q: servers: expected a list, not nothing",
    );
}

#[test]
fn what_is_no_yaml_is_refused() {
    let (pools, reasons) = read_text("p:\n  listen: [\n");
    assert_eq!(pools, None);
    assert!(reasons[0].starts_with("is not YAML: "), "{reasons:?}");
}
