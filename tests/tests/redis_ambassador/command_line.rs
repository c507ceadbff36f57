//! nutcracker's command line and file: taken as they are, and every mistake is named with its line.

use std::fs;
use std::os::unix::fs::symlink;

use e2e::ambassador::{Kind, Plan, Pool, Settings, server_line, spread_name};
use e2e::binary::built;
use e2e::pace::SOON;
use e2e::redis::RedisServer;
use e2e::resp_client::simple;
use e2e::workplace::Workplace;

/// Ours with the words of nutcracker, under its own name or under nutcracker's.
fn named(place: &Workplace, name: &str) -> Settings {
    let settings = Settings::ambassador(place);
    if settings.kind == Kind::Peer {
        return settings;
    }
    let link = place.path().join(name);
    symlink(built("redis-ambassador"), &link).unwrap();
    settings.program(link)
}

#[test]
fn the_words_of_nutcracker() {
    for name in ["nutcracker", "redis-ambassador"] {
        let place = Workplace::new();
        let server = RedisServer::start(&place, "one");
        let pool = Pool::new(std::slice::from_ref(&server));
        let pid_file = place.path().join("pid");
        let log = place.path().join("log");
        let (pid, log) = (pid_file.to_str().unwrap(), log.to_str().unwrap());
        let settings = named(&place, name).pool(pool);
        let words = ["-v", "6", "-i", "1000", "-m", "16384", "-p", pid, "-o", log];
        let mut running = settings.clone().args(&words).start();
        assert_eq!(running.call("SET a x"), simple("OK"));
        let written = fs::read_to_string(&pid_file).unwrap();
        assert_eq!(written.trim(), running.process().pid().to_string());
        assert!(running.stats().contains("\"pool\""));
        drop(running);
        let (code, _, stderr) = settings.clone().arg("-t").run_to_end(SOON);
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains("syntax is ok"), "{stderr}");
        for word in ["-V", "--version", "-h", "--help", "-D", "--describe-stats"] {
            let (code, _, stderr) = settings.clone().arg(word).run_to_end(SOON);
            assert_eq!(code, 0, "{word}: {stderr}");
        }
        for word in ["-x", "--nonsense"] {
            let (code, _, stderr) = settings.clone().arg(word).run_to_end(SOON);
            assert_eq!(code, 64, "{word}: {stderr}");
        }
        for words in [["--stats-port", "x"], ["-s", "0x"], ["-i", "soon"], ["-m", "0"]] {
            let (code, _, stderr) = settings.clone().arg("-t").args(&words).run_to_end(SOON);
            assert_eq!(code, 64, "{words:?}: {stderr}");
        }
    }
}

/// The long words, with a value as a word of its own or behind a sign.
#[test]
fn the_long_words_of_nutcracker() {
    let place = Workplace::new();
    let server = RedisServer::start(&place, "one");
    let pool = Pool::new(std::slice::from_ref(&server));
    let file = place.path().join("nutcracker.yml");
    fs::write(&file, pool.yaml()).unwrap();
    let file = file.to_str().unwrap();
    for words in [
        vec!["--test-conf", "--conf-file", file],
        vec!["--test-conf", "--verbose=11", "--stats-interval=1", &format!("--conf-file={file}")],
        vec!["-t", "-c", file, "-d", "-a", "127.0.0.1", "-s", "22223"],
        vec!["-tc", file],
        vec!["-t", &format!("-c{file}"), "-v11"],
    ] {
        let settings = Settings::ambassador(&place).args(&words);
        let (code, _, stderr) = settings.run_to_end(SOON);
        assert_eq!(code, 0, "{words:?}: {stderr}");
    }
}

/// Pools that are wrong: their settings, their servers, the line of the mistake, and a word that
/// the complaint must hold. `L` is a good address, `R` is `redis: true`.
const WRONG: &[(&str, &str, usize, &str)] = &[
    ("L|R|nonsense: 1", "a:1:1", 4, "nonsense"),
    ("L|R|hash: sha1", "a:1:1", 4, "sha1"),
    ("L|R|hash: MD5", "a:1:1", 4, "MD5"),
    ("L|R|R", "a:1:1", 4, "redis"),
    ("L|redis: yes", "a:1:1", 3, "yes"),
    ("L|R|timeout: 4s", "a:1:1", 4, "4s"),
    ("L|R|hash_tag: \"{\"", "a:1:1", 4, "{"),
    ("L|R|distribution: fair", "a:1:1", 4, "fair"),
    ("L|R|server_connections: 0", "a:1:1", 4, "0"),
    ("L|R|server_failure_limit: -1", "a:1:1", 4, "-1"),
    ("listen: 127.0.0.1:99999|R", "a:1:1", 2, "99999"),
    ("listen: 127.0.0.1|R", "a:1:1", 2, "127.0.0.1"),
    ("L|R", "a:1:0", 5, "a:1:0"),
    ("L|R", "a:1", 5, "a:1"),
    ("L|R", "a:x:1", 5, "a:x:1"),
    ("L|R", "a:1:1|a:1:2", 6, "a:1"),
    ("L|R", "a:1:1 x|b:1:1 x", 6, "x"),
    ("L|R|servers:", "", 4, "servers"),
    ("L|R|servers: a:1:1", "", 4, "servers"),
    ("R", "a:1:1", 1, "listen"),
    ("L|R", "", 1, "servers"),
    ("L|redis: false", "a:1:1", 3, "redis"),
    ("L", "a:1:1", 1, "redis"),
];

fn pool_text(name: &str, settings: &str, servers: &str) -> String {
    let mut text = format!("{name}:\n");
    for setting in settings.split('|') {
        let setting = match setting {
            "L" => "listen: 127.0.0.1:1",
            "R" => "redis: true",
            other => other,
        };
        text += &format!("  {setting}\n");
    }
    if !servers.is_empty() {
        text += "  servers:\n";
        servers.split('|').for_each(|server| text += &format!("   - {server}\n"));
    }
    text
}

/// What `-t` says of a file with this text, unless it is what it should say.
fn unexpected(place: &Workplace, text: &str, line: usize, word: &str) -> Option<String> {
    let file = place.path().join("wrong.yml");
    fs::write(&file, text).unwrap();
    let settings = Settings::ambassador(place).args(&["-t", "-c", file.to_str().unwrap()]);
    let (code, _, stderr) = settings.run_to_end(SOON);
    let mut forms = [format!("line {line}"), format!(":{line}:")].into_iter();
    let said = forms.any(|form| stderr.contains(&form)) && stderr.contains(word);
    (code != 64 || !said).then(|| format!("line {line}, {word}: {code} {stderr}\n{text}"))
}

#[test]
fn mistakes_in_the_file() {
    let place = Workplace::new();
    let good = pool_text("p", "L|R", "a:1:1");
    let of_row = |(settings, servers, line, word): &(&str, &str, usize, &str)| {
        unexpected(&place, &pool_text("p", settings, servers), *line, word)
    };
    let mut places: Vec<String> = WRONG.iter().filter_map(of_row).collect();
    places.extend(unexpected(&place, &(good.clone() + &good), 6, "p"));
    let same_address = good.clone() + &pool_text("q", "L|R", "a:1:1");
    places.extend(unexpected(&place, &same_address, 7, "127.0.0.1:1"));
    assert!(places.is_empty(), "{}:\n{}", places.len(), places.join("\n"));
    fs::write(place.path().join("good.yml"), good).unwrap();
    let file = place.path().join("good.yml");
    let settings = Settings::ambassador(&place).args(&["-t", "-c", file.to_str().unwrap()]);
    assert_eq!(settings.run_to_end(SOON).0, 0);
}

/// Everything that nutcracker knows, in one file.
#[test]
fn a_file_with_everything() {
    let place = Workplace::new();
    let plan = Plan::new(&place, 2)
        .set("hash", "fnv1a_64")
        .set("hash_tag", "\"{}\"")
        .set("distribution", "ketama")
        .set("timeout", "400")
        .set("backlog", "1024")
        .set("client_connections", "0")
        .set("redis_db", "3")
        .set("tcpkeepalive", "true")
        .set("preconnect", "true")
        .set("auto_eject_hosts", "true")
        .set("server_connections", "2")
        .set("server_retry_timeout", "2000")
        .set("server_failure_limit", "1");
    let shards = plan.start();
    let mut client = shards.client();
    assert_eq!(client.call("SET a x"), simple("OK"));
    // Database 3 of whichever server it went to.
    let held = shards.servers.iter().filter(|server| {
        let mut client = server.client();
        client.call("SELECT 3");
        client.call("DBSIZE").integer() == 1
    });
    assert_eq!((held.count(), shards.key_counts().iter().sum::<i64>()), (1, 0));
}

/// Where a key lies, told without any server.
#[test]
fn locate() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 3).start();
    let keys = shards.keys();
    let pool = Pool::over(
        shards.servers.iter().map(|it| server_line(it.address(), 1, it.name())).collect(),
    );
    for (server, keys) in keys.iter().enumerate() {
        let settings = Settings::ambassador(&place).pool(pool.clone());
        let settings = settings.arg("locate").args(&[&keys[0], &keys[1]]);
        let (code, stdout, stderr) = settings.run_to_end(SOON);
        assert_eq!(code, 0, "{stderr}");
        let lines: Vec<&str> = stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{stdout}");
        for (line, key) in lines.iter().zip(keys) {
            assert!(line.contains(key) && line.contains(&format!("shard-{server}")), "{line}");
        }
    }
    let nobody = Settings::ambassador(&place).pool(pool).arg("locate");
    assert_eq!(nobody.run_to_end(SOON).0, 64, "{}", spread_name(0));
}
