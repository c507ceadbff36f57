use std::fs;

use clap::FromArgMatches;

use super::*;

/// What the flags give, as typed after the program's name; no variable of the test's own counts.
fn args(words: &[&str]) -> Args {
    let command = <Args as clap::Args>::augment_args(clap::Command::new("redis-ambassador"));
    let words = std::iter::once("redis-ambassador").chain(words.iter().copied());
    Args::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap()
}

fn configured(words: &[&str], default_file: &Path) -> Result<Config, Vec<String>> {
    let mut rejections = Rejections::default();
    match configure_with(&args(words), default_file, &mut rejections) {
        Some(config) if rejections.is_empty() => Ok(config),
        _ => Err(rejections.iter().map(ToString::to_string).collect()),
    }
}

fn without_file(words: &[&str]) -> Result<Config, Vec<String>> {
    configured(words, Path::new("/nonexistent/nutcracker.conf"))
}

#[test]
fn defaults_are_those_of_the_reference_image() {
    let config = without_file(&[]).unwrap();
    let [pool] = config.pools.as_slice() else { panic!("{config:?}") };
    let servers: Vec<_> = pool.servers.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(servers, ["127.0.0.1:6378", "127.0.0.1:6379"]);
    assert_eq!(pool.listens, [PoolListen::Tcp { host: String::new(), port: 6380 }]);
    assert_eq!((pool.name.as_str(), pool.hash), ("pool", Hash::Fnv1a64));
    assert_eq!((pool.distribution, pool.hash_tag), (Distribution::Ketama, None));
    assert_eq!(pool.timeout, Some(Duration::from_secs(2)));
    assert_eq!(pool.server_retry_timeout, Duration::from_secs(5));
    assert_eq!((pool.server_failure_limit, pool.client_connections), (1, None));
    assert!(pool.auto_eject && pool.preconnect && pool.auth.is_none());
    assert_eq!((config.threads, config.cross_shard), (1, CrossShard::Refuse));
    assert_eq!((config.client_buffer, config.memory_max), (1 << 20, 16 << 20));
    assert_eq!(config.client_stall_timeout, Duration::from_secs(10));
    assert_eq!(config.stats_listen, Some(StatsListen::Everywhere(22222)));
    assert_eq!(config.drain_reserve, Duration::from_secs(5));
    assert_eq!(config.linger, Duration::from_millis(200));
    assert_eq!((config.pid_file, config.conf_file), (None, None));
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn every_flag_of_the_pool() {
    let config = without_file(&[
        "--redis-servers=a:1,b:2:3",
        "--listen=127.0.0.1:7000,/run/a.sock 0600",
        "--hash=md5",
        "--hash-tag={}",
        "--distribution=modula",
        "--timeout=1m",
        "--auto-eject-hosts=false",
        "--server-failure-limit=3",
        "--server-retry-timeout=700",
        "--server-connections=40",
        "--preconnect=off",
        "--client-connections=50",
        "--redis-db=2",
        "--redis-auth=secret",
    ]);
    let config = config.unwrap();
    assert!(!format!("{config:?}").contains("secret"));
    let pool = &config.pools[0];
    assert_eq!((pool.listens.len(), pool.servers.len()), (2, 2));
    assert_eq!((pool.hash, pool.distribution), (Hash::Md5, Distribution::Modula));
    assert_eq!((pool.hash_tag, pool.timeout), (Some(*b"{}"), Some(Duration::from_mins(1))));
    assert_eq!(pool.server_retry_timeout, Duration::from_millis(700));
    assert_eq!((pool.server_failure_limit, pool.client_connections), (3, Some(50)));
    assert_eq!((pool.auto_eject, pool.preconnect, pool.db), (false, false, 2));
    assert_eq!(pool.auth.as_ref().map(Secret::expose), Some("secret"));
    for text in ["0", "-1", "0s"] {
        let timeout = format!("--timeout={text}");
        assert_eq!(without_file(&[&timeout]).unwrap().pools[0].timeout, None, "{text}");
    }
}

#[test]
fn everything_wrong_is_reported_together() {
    let rejected = without_file(&[
        "--redis-servers=a",
        "--redis-servers-compat=other",
        "--listen-port=0",
        "--hash=x",
        "--hash-tag={",
        "--distribution=y",
        "--timeout=soon",
        "--auto-eject-hosts=perhaps",
        "--server-failure-limit=-1",
        "--server-retry-timeout=-5",
        "--server-connections=0",
        "--preconnect=2",
        "--client-connections=many",
        "--redis-db=x",
        "--threads=0",
        "--client-buffer=1",
        "--memory-max=1X",
        "--client-stall-timeout=5",
        "--cross-shard=all",
        "--stats-listen=x",
        "--drain-reserve=5",
        "--linger=x",
        "--daemonize=x",
        "--mbuf-size=0",
        "--stats-interval=x",
        "--redis-auth-file=/nonexistent",
    ]);
    let rejected = rejected.unwrap_err();
    assert_eq!(rejected.len(), 26, "{rejected:#?}");
}

#[test]
fn memory_of_all_covers_one_client() {
    let rejected = without_file(&["--client-buffer=2MiB", "--memory-max=1MiB"]).unwrap_err();
    assert!(rejected[0].starts_with("memory-max \"1MiB\": is less than"), "{rejected:?}");
}

#[test]
fn options_without_effect_are_named() {
    let warnings = |words: &[&str]| without_file(words).unwrap().warnings;
    let said = warnings(&["--output=/var/log/a.log", "--daemonize", "--mbuf-size=512"]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("--output \"/var/log/a.log\" has no effect"), "{said:?}");
    assert_eq!(warnings(&["--output=/dev/stderr"]), Vec::<String>::new());
    assert_eq!(warnings(&["--redis-servers=a:1 b:1"]).len(), 1);
    let servers = ["--redis-servers=a:1:1 b:1:1", "--redis-servers-compat=malexer"];
    let config = without_file(&servers).unwrap();
    assert_eq!((config.pools[0].servers.len(), config.warnings.len()), (1, 0));
}

#[test]
fn a_conf_file_wins_over_the_variables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nutcracker.conf");
    let path = file.to_str().unwrap();
    let flag = format!("--conf-file={path}");
    // Where the reference image would make it, it may be missing, even if it is asked for.
    let config = configured(&[&flag], &file).unwrap();
    assert_eq!((config.pools[0].name.as_str(), config.conf_file), ("pool", None));
    let rejected = without_file(&[&flag]).unwrap_err();
    assert!(rejected[0].starts_with(&format!("conf-file {path:?}: No such file")), "{rejected:?}");

    let text = "p:\n  listen: 127.0.0.1:1\n  redis: true\n  servers:\n  - a:1:1\n";
    fs::write(&file, text).unwrap();
    for (words, default_file) in [(vec![flag.as_str()], Path::new("/x")), (vec![], &file)] {
        let config = configured(&words, default_file).unwrap();
        assert_eq!((config.pools[0].name.as_str(), config.warnings.len()), ("p", 0));
        assert_eq!(config.conf_file, Some(file.clone()));
    }
    let config = configured(&["--redis-servers=b:1"], &file).unwrap();
    assert_eq!(config.warnings, [format!("{path} wins over REDIS_SERVERS \"b:1\"")]);
    assert_eq!(config.pools[0].servers[0].name, "a:1");
}

#[test]
fn a_password_from_a_file_is_for_pools_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let (file, secret) = (folder.path().join("n.yml"), folder.path().join("secret"));
    let pool = |name: &str, port: u16, more: &str| {
        format!("{name}:\n  listen: :{port}\n  redis: true\n{more}  servers: [\"a:1:1\"]\n")
    };
    fs::write(&file, pool("p", 1, "") + &pool("q", 2, "  redis_auth: own\n")).unwrap();
    fs::write(&secret, "from file\n").unwrap();
    let flag = format!("--redis-auth-file={}", secret.display());
    let config = configured(&[&flag], &file).unwrap();
    let found = config.pools.iter().map(|pool| pool.auth.as_ref().map(Secret::expose));
    assert_eq!(found.collect::<Vec<_>>(), [Some("from file"), Some("own")]);
    without_file(&[&flag, "--redis-auth=other"]).unwrap_err();
    fs::write(&secret, "\n").unwrap();
    let rejected = without_file(&[&flag]).unwrap_err();
    assert!(rejected[0].ends_with("is empty"), "{rejected:?}");
}

#[test]
fn the_ring_is_over_the_servers_as_configured() {
    let config = without_file(&["--redis-servers=bb:1 bb,a:1 a,c:1 ccc"]).unwrap();
    let names: Vec<_> =
        config.pools[0].ring().nodes().iter().map(|node| node.name.clone()).collect();
    assert_eq!(names, ["bb", "a", "ccc"]);
}
