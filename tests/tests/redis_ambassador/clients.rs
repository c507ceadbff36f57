//! Real clients at their default settings: each connects, pipelines, gets errors right, and is back
//! after what it is connected to was killed. The same script passes in front of a redis-server.
//!
//! In front of nutcracker only phpredis and redis-rb can connect.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use e2e::ambassador::{Ambassador, Kind, Plan, Pool, Settings, Shards};
use e2e::binary::{client_folder, installed};
use e2e::pace::{SOON, wait_until};
use e2e::process::{Guard, Signal, command, output_file};
use e2e::redis::RedisServer;
use e2e::workplace::Workplace;
use redis::TypedCommands;

/// A client that runs a script, in front of something that listens.
struct Script {
    guard: Guard,
    stdout: PathBuf,
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

fn python(folder: &str, name: &str) -> Command {
    let mut python = command(installed("python3", "python3"));
    python.env("PYTHONPATH", client_folder(folder)).arg(script(name));
    // Nothing of the sources' folder is written to.
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

fn node(name: &str) -> Command {
    let mut node = command(installed("node", "nodejs"));
    node.env("CLIENTS", client_folder("node")).arg(script(name));
    node
}

impl Script {
    /// Starts it and waits until all of its checks have passed.
    fn ready(mut command: Command, place: &Workplace, address: SocketAddr, servers: usize) -> Self {
        let stdout = place.path().join("client.stdout");
        command.args([address.ip().to_string(), address.port().to_string(), servers.to_string()]);
        command.stdout(output_file(&stdout)).stdin(Stdio::piped());
        let mut script = Self { guard: Guard::spawn(command, place.path(), "client"), stdout };
        script.wait_line("ready", 1);
        script
    }

    /// Tells it to make requests until one is good.
    fn expect_back(&mut self, time: usize) {
        self.guard.write_line("again");
        self.wait_line("back", time);
    }

    fn wait_line(&mut self, line: &str, times: usize) {
        wait_until(line, SOON, || {
            let text = std::fs::read_to_string(&self.stdout).unwrap();
            let said = text.lines().filter(|it| *it == line).count() == times;
            assert!(said || self.guard.is_running(), "it ended: {}", self.guard.stderr_text());
            said
        });
    }

    fn end(mut self) {
        self.guard.close_stdin();
        assert_eq!(self.guard.wait_code(SOON), 0, "{}", self.guard.stderr_text());
    }
}

/// Kills what clients are connected to and starts it again at the same address.
fn restart(shards: &mut Shards, settings: &Settings) {
    if shards.ambassador.kind() == Kind::Direct {
        shards.servers[0].restart();
        return;
    }
    shards.ambassador.process().signal(Signal::KILL);
    shards.ambassador.process().wait_exit(SOON);
    shards.ambassador = settings.start();
}

fn start(place: &Workplace, servers: usize) -> (Shards, Settings) {
    let plan = Plan::new(place, servers);
    let (settings, pool) = (plan.settings.clone(), plan.pool.clone());
    (plan.start(), settings.pool(pool))
}

fn check(make: impl Fn() -> Command) {
    for servers in [1, 2] {
        let place = Workplace::new();
        let (mut shards, settings) = start(&place, servers);
        let address = shards.ambassador.port();
        let mut script = Script::ready(make(), &place, address, servers);
        restart(&mut shards, &settings);
        script.expect_back(1);
        shards.servers.iter_mut().for_each(RedisServer::restart);
        script.expect_back(2);
        script.end();
    }
}

#[test]
fn redis_py_5() {
    check(|| python("redis-py-5", "redis_py.py"));
}

#[test]
fn redis_py_8() {
    check(|| python("redis-py-8", "redis_py.py"));
}

#[test]
fn valkey_glide() {
    check(|| python("glide", "glide.py"));
}

#[test]
fn node_redis() {
    check(|| node("node_redis.mjs"));
}

#[test]
fn ioredis() {
    check(|| node("ioredis.mjs"));
}

#[test]
fn phpredis() {
    check(|| {
        let mut php = command(installed("php", "php-cli"));
        php.args(["-d", "zend.assertions=1"]).arg(script("phpredis.php"));
        php
    });
}

#[test]
fn redis_rb() {
    check(|| {
        let mut ruby = command(installed("ruby", "ruby"));
        ruby.arg(script("redis_rb.rb"));
        ruby
    });
}

/// redis-rs, in this process.
#[test]
fn redis_rs() {
    for servers in [1, 2] {
        for protocol in ["", "?protocol=resp3"] {
            let place = Workplace::new();
            let (mut shards, settings) = start(&place, servers);
            let port = shards.ambassador.port();
            let client = redis::Client::open(format!("redis://{port}/{protocol}")).unwrap();
            let mut connection = client.get_connection().unwrap();
            rust_basics(&mut connection, servers);
            restart(&mut shards, &settings);
            // A connection of redis-rs that broke is replaced by its user.
            wait_until("a connection", SOON, || {
                client.get_connection().is_ok_and(|mut it| it.set("back", "x").is_ok())
            });
        }
    }
}

fn rust_basics(connection: &mut redis::Connection, servers: usize) {
    connection.set("rs:a", "\u{0}é").unwrap();
    assert_eq!(connection.get("rs:a").unwrap().unwrap(), "\u{0}é");
    assert_eq!(connection.get("rs:absent").unwrap(), None);
    let mut pipeline = redis::pipe();
    for number in 0..200 {
        pipeline.set(format!("rs:{number}"), number).ignore().get(format!("rs:{number}"));
    }
    let numbers: Vec<i64> = pipeline.query(connection).unwrap();
    assert_eq!(numbers, (0..200).collect::<Vec<i64>>());
    connection.del("rs:list").unwrap();
    connection.rpush("rs:list", "x").unwrap();
    let error = connection.incr("rs:list", 1).unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    let unknown: redis::RedisResult<()> = redis::cmd("NONSENSE").query(connection);
    assert!(unknown.unwrap_err().to_string().contains("unknown command"));
    assert_eq!(connection.llen("rs:list").unwrap(), 1);
    if servers == 1 {
        let mut transaction = redis::pipe();
        transaction.atomic().set("rs:b", 5).ignore().incr("rs:b", 1);
        let (six,): (i64,) = transaction.query(connection).unwrap();
        assert_eq!(six, 6);
    }
}

fn tool(program: &str, ambassador: &Ambassador, arguments: &[&str]) -> String {
    let port = ambassador.port();
    let mut tool = command(installed(program, "redis-tools"));
    tool.args(["-h", &port.ip().to_string(), "-p", &port.port().to_string()]).args(arguments);
    let output = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// redis-cli is hiredis with a prompt.
#[test]
fn redis_cli() {
    for servers in [1, 2] {
        let place = Workplace::new();
        let (shards, _settings) = start(&place, servers);
        let cli = |arguments: &[&str]| tool("redis-cli", &shards.ambassador, arguments);
        for protocol in ["-2", "-3"] {
            assert_eq!(cli(&[protocol, "SET", "a", "x"]), "OK\n");
            assert_eq!(cli(&[protocol, "GET", "a"]), "x\n");
            assert_eq!(cli(&[protocol, "MSET", "a", "1", "b", "2"]), "OK\n");
            assert_eq!(cli(&[protocol, "MGET", "a", "b"]), "1\n2\n");
            assert!(cli(&[protocol, "NONSENSE"]).contains("unknown command"));
            assert_eq!(cli(&[protocol, "PING"]), "PONG\n");
        }
        assert!(cli(&["-n", "0", "INFO"]).contains("redis_version"));
    }
}

/// `redis-cli --pipe`: a mass import ends with ECHO and waits for its answer.
#[test]
fn a_mass_import() {
    let place = Workplace::new();
    let (shards, _settings) = start(&place, 2);
    let file = place.path().join("import");
    let lines: Vec<u8> = (0..50_000)
        .flat_map(|key| e2e::resp_client::words(&format!("SET import:{key} {key}")))
        .collect();
    std::fs::write(&file, lines).unwrap();
    let port = shards.ambassador.port();
    let mut cli = command(installed("redis-cli", "redis-tools"));
    cli.args(["-h", &port.ip().to_string(), "-p", &port.port().to_string(), "--pipe"]);
    let output =
        cli.stdin(std::fs::File::open(&file).unwrap()).stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("errors: 0, replies: 50000"), "{text}");
    assert_eq!(shards.key_counts().iter().sum::<i64>(), 50_000);
}

#[test]
fn redis_benchmark() {
    for servers in [1, 2] {
        let place = Workplace::new();
        let (shards, _settings) = start(&place, servers);
        let tests = "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,\
                     zadd,zpopmin,lrange_100,mset";
        for more in [&["-P", "1", "-c", "10"][..], &["-P", "16", "-c", "50", "-r", "1000"]] {
            let arguments = [&["-n", "500", "--csv", "-t", tests][..], more].concat();
            let text = tool("redis-benchmark", &shards.ambassador, &arguments);
            assert!(!text.to_lowercase().contains("err"), "{text}");
            assert_eq!(text.lines().filter(|line| line.starts_with('"')).count(), 18, "{text}");
        }
    }
}

/// A pool of nutcracker.yml is all that a test here needs.
#[test]
fn names_of_clients_are_listed() {
    let place = Workplace::new();
    let server = RedisServer::start(&place, "one");
    let pool = Pool::new(std::slice::from_ref(&server));
    let ambassador = Settings::ambassador(&place).pool(pool).start();
    let client = redis::Client::open(format!("redis://{}", ambassador.port())).unwrap();
    let mut connection = client.get_connection().unwrap();
    connection.client_setname("rust").unwrap();
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut connection).unwrap();
    assert!(list.contains(" name=rust "), "{list}");
}
