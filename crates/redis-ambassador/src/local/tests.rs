//! Every answer, against what Redis 7.0.15 says to the same words, as recorded from one.

use std::sync::Arc;

use super::*;
use crate::config::Secret;
use crate::metrics::tests::{metrics, pool};

const HELLO_2: &str = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n\
    $5\r\nproto\r\n:2\r\n$2\r\nid\r\n:9\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\n\
    master\r\n$7\r\nmodules\r\n*0\r\n";
const HELLO_3: &str = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\n\
    proto\r\n:3\r\n$2\r\nid\r\n:9\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\n\
    master\r\n$7\r\nmodules\r\n*0\r\n";
const WRONG_PASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const NO_AUTH: &str = "-NOAUTH Authentication required.\r\n";
const BAD_NAME: &str =
    "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
const HELLO_NO_AUTH: &str = "-NOAUTH HELLO must be called with the client already authenticated, \
    otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and \
    select the RESP protocol version at the same time\r\n";
const SYNTAX: &str = "-ERR syntax error\r\n";

/// One client of a pool, and what it was last told about its connection.
struct Talk {
    pool: PoolConfig,
    metrics: Arc<Metrics>,
    session: Session,
    after: After,
}

fn connection(address: &str) -> Connection {
    Connection {
        address: address.to_owned(),
        local_address: "127.0.0.1:6380".to_owned(),
        fd: 8,
        age: Duration::from_millis(2_900),
        idle: Duration::from_secs(1),
        ..Connection::default()
    }
}

impl Talk {
    fn new(password: Option<&str>) -> Talk {
        let pool = PoolConfig { auth: password.map(Secret::new), ..pool("alpha") };
        let session = Session::new(9, pool.auth.is_none());
        Talk { pool, metrics: metrics(1).0, session, after: After::Stay }
    }

    fn say(&mut self, words: &[&[u8]]) -> String {
        let command = redis_commands::lookup(words[0]).unwrap();
        let (redis_commands::Treatment::Always(local) | redis_commands::Treatment::Local(local)) =
            command.treatment
        else {
            panic!("{} is not ours", command.name)
        };
        let mut out = Vec::new();
        let facts = Facts {
            pool: &self.pool,
            pool_index: 0,
            version: "7.0.15",
            tcp_port: 6380,
            uptime: Duration::from_secs(100_000),
            unix_time: &|| Duration::new(1_795_359_334, 670_287_999),
            metrics: &self.metrics,
            own: &|| connection("127.0.0.1:1"),
            others: &|show| {
                for (id, pin) in [(10, None), (7, Some(Pin::PubSub))] {
                    let connection = Connection { pin, ..connection("127.0.0.1:2") };
                    show(&Session::new(id, true), connection);
                }
            },
        };
        let arg = |index: usize| words[index];
        let call = Call { command, argc: words.len(), arg: &arg };
        self.after = answer(local, call, &mut self.session, &facts, &mut out);
        let taken = if self.session.takes_no_reply() { Vec::new() } else { out };
        self.session.request_taken();
        String::from_utf8(taken).unwrap()
    }

    fn check(&mut self, table: &[(&str, &str)]) {
        for (words, expected) in table {
            let split: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            assert_eq!(self.say(&split), *expected, "{words}");
        }
    }
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 128, "{}", size_of::<Session>());
}

#[test]
fn hello_agrees_on_a_protocol() {
    let mut talk = Talk::new(None);
    talk.check(&[
        ("HELLO", HELLO_2),
        ("HELLO 2", HELLO_2),
        ("hello 3", HELLO_3),
        ("HELLO", HELLO_3),
        ("CLIENT GETNAME", "_\r\n"),
        ("HELLO 4", "-NOPROTO unsupported protocol version\r\n"),
        ("HELLO -1", "-NOPROTO unsupported protocol version\r\n"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"),
        ("HELLO AUTH default x", "-ERR Protocol version is not an integer or out of range\r\n"),
        (
            "HELLO 9223372036854775808",
            "-ERR Protocol version is not an integer or out of range\r\n",
        ),
        ("HELLO 3 foo", "-ERR Syntax error in HELLO option 'foo'\r\n"),
        ("HELLO 3 AUTH a", "-ERR Syntax error in HELLO option 'AUTH'\r\n"),
        ("HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'\r\n"),
        ("HELLO 2 SETNAME n AUTH default any", HELLO_2),
        ("CLIENT GETNAME", "$1\r\nn\r\n"),
        ("HELLO 3 SETNAME m AUTH other any", WRONG_PASS),
        ("CLIENT GETNAME", "$1\r\nn\r\n"),
    ]);
    assert_eq!(talk.say(&[b"HELLO", b"3", b"SETNAME", b"a b"]), BAD_NAME);
    assert_eq!(talk.session.protocol, Protocol::Resp2, "a refused HELLO changes nothing");
    talk.check(&[("HELLO 3", HELLO_3), ("RESET", "+RESET\r\n"), ("CLIENT GETNAME", "$-1\r\n")]);
}

#[test]
fn a_password_is_asked_for() {
    let mut talk = Talk::new(Some("sesame"));
    talk.check(&[
        ("PING", NO_AUTH),
        ("CLIENT SETNAME x", NO_AUTH),
        ("HELLO", HELLO_NO_AUTH),
        ("HELLO 9", "-NOPROTO unsupported protocol version\r\n"),
        ("AUTH sesam", "-ERR invalid password\r\n"),
        ("AUTH sesamesesame", "-ERR invalid password\r\n"),
        ("AUTH default wrong", WRONG_PASS),
        ("AUTH other sesame", WRONG_PASS),
        ("AUTH a b c", SYNTAX),
        ("AUTH", "-ERR wrong number of arguments for 'auth' command\r\n"),
        ("HELLO 3 AUTH default wrong", WRONG_PASS),
        ("PING", NO_AUTH),
        ("HELLO 3 SETNAME n AUTH default sesame", HELLO_3),
        ("AUTH wrong", "-ERR invalid password\r\n"),
        ("PING", "+PONG\r\n"),
        ("RESET", "+RESET\r\n"),
        ("PING", NO_AUTH),
        ("AUTH sesame", "+OK\r\n"),
        ("HELLO", HELLO_2),
        ("RESET", "+RESET\r\n"),
        ("AUTH default sesame", "+OK\r\n"),
        ("PING", "+PONG\r\n"),
    ]);
    Talk::new(None).check(&[
        ("AUTH x", "-ERR Client sent AUTH, but no password is set\r\n"),
        ("AUTH default x", "+OK\r\n"),
        ("AUTH foo x", WRONG_PASS),
    ]);
}

#[test]
fn small_answers() {
    let mut talk = Talk::new(None);
    talk.check(&[
        ("PING", "+PONG\r\n"),
        ("PING a", "$1\r\na\r\n"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"),
        ("ECHO", "-ERR wrong number of arguments for 'echo' command\r\n"),
        ("ECHO a", "$1\r\na\r\n"),
        ("ECHO a b", "-ERR wrong number of arguments for 'echo' command\r\n"),
        ("LOLWUT", "$18\r\nRedis ver. 7.0.15\n\r\n"),
        ("LOLWUT VERSION 5", "$18\r\nRedis ver. 7.0.15\n\r\n"),
        ("TIME", "*2\r\n$10\r\n1795359334\r\n$6\r\n670287\r\n"),
        ("TIME x", "-ERR wrong number of arguments for 'time' command\r\n"),
        ("READONLY", "-ERR This instance has cluster support disabled\r\n"),
        ("READWRITE", "-ERR This instance has cluster support disabled\r\n"),
        ("READONLY x", "-ERR wrong number of arguments for 'readonly' command\r\n"),
        ("CLUSTER", "-ERR wrong number of arguments for 'cluster' command\r\n"),
        ("CLUSTER NODES", "-ERR This instance has cluster support disabled\r\n"),
        ("CLUSTER FOO", "-ERR unknown subcommand 'FOO'. Try CLUSTER HELP.\r\n"),
    ]);
    assert_eq!(talk.after, After::Stay);
    talk.check(&[("RESET", "+RESET\r\n")]);
    assert_eq!(talk.after, After::Reset);
    talk.check(&[("HELLO 3", HELLO_3), ("LOLWUT", "=22\r\ntxt:Redis ver. 7.0.15\n\r\n")]);
    talk.check(&[("QUIT", "+OK\r\n")]);
    assert_eq!(talk.after, After::Close);
    let mut locked = Talk::new(Some("sesame"));
    locked.check(&[("QUIT", "+OK\r\n")]);
}

#[test]
fn a_client_tells_about_itself() {
    let mut talk = Talk::new(None);
    talk.check(&[
        ("CLIENT", "-ERR wrong number of arguments for 'client' command\r\n"),
        ("CLIENT FOO", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n"),
        (
            "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none",
            "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
        ),
        ("CLIENT TRACKING ON", "-ERR unknown subcommand 'TRACKING'. Try CLIENT HELP.\r\n"),
        ("CLIENT KILL 1.2.3.4:5", "-ERR unknown subcommand 'KILL'. Try CLIENT HELP.\r\n"),
        ("CLIENT ID", ":9\r\n"),
        ("CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command\r\n"),
        ("CLIENT GETNAME", "$-1\r\n"),
        ("CLIENT SETNAME ok!~", "+OK\r\n"),
        ("CLIENT GETNAME", "$4\r\nok!~\r\n"),
        ("CLIENT SETNAME ", "+OK\r\n"),
        ("CLIENT GETNAME", "$-1\r\n"),
        ("CLIENT NO-EVICT on", "+OK\r\n"),
        ("CLIENT NO-EVICT OFF", "+OK\r\n"),
        ("CLIENT NO-EVICT x", SYNTAX),
        ("CLIENT NO-TOUCH ON", "+OK\r\n"),
        ("CLIENT SETINFO lib-name redis-py", "+OK\r\n"),
        ("CLIENT SETINFO LIB-VER 8.1.0", "+OK\r\n"),
        ("CLIENT SETINFO lib-x 1", "-ERR Unrecognized option 'lib-x'\r\n"),
    ]);
    for name in [&b"a b"[..], b"x\ny", b"\xff", &[b'n'; 2000]] {
        assert_eq!(talk.say(&[b"CLIENT", b"SETNAME", name]), BAD_NAME);
    }
    assert_eq!(
        talk.say(&[b"CLIENT", b"SETINFO", b"LIB-NAME", b"a b"]),
        "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"
    );
    let info = talk.say(&[b"CLIENT", b"INFO"]);
    let expected = "id=9 addr=127.0.0.1:1 laddr=127.0.0.1:6380 fd=8 name= age=2 idle=1 flags=T \
        db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 \
        obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=client|info user=default redir=-1 resp=2 \
        lib-name=redis-py lib-ver=8.1.0\n";
    assert_eq!(info, format!("${}\r\n{expected}\r\n", expected.len()));
}

#[test]
fn clients_are_listed() {
    let mut talk = Talk::new(None);
    for (words, ids) in [
        ("CLIENT LIST", &[7, 9, 10][..]),
        ("CLIENT LIST TYPE normal", &[9, 10]),
        ("CLIENT LIST type PUBSUB", &[7]),
        ("CLIENT LIST TYPE replica", &[]),
        ("CLIENT LIST ID 10 99 7", &[7, 10]),
    ] {
        let split: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let answer = talk.say(&split);
        let listed = answer.lines().filter_map(|line| line.strip_prefix("id=")?.split_once(' '));
        let listed: Vec<i32> = listed.map(|(id, _)| id.parse().unwrap()).collect();
        assert_eq!(listed, ids, "{words}");
    }
    assert!(talk.say(&[b"CLIENT", b"LIST"]).contains("flags=P"));
    talk.check(&[
        ("CLIENT LIST TYPE x", "-ERR Unknown client type 'x'\r\n"),
        ("CLIENT LIST ID", SYNTAX),
        ("CLIENT LIST ID 1 x", "-ERR Invalid client ID\r\n"),
        ("CLIENT LIST FOO", SYNTAX),
        ("CLIENT LIST FOO bar", SYNTAX),
        ("CLIENT LIST TYPE pubsub x", SYNTAX),
    ]);
}

#[test]
fn replies_are_left_out_if_the_client_says_so() {
    Talk::new(None).check(&[
        ("CLIENT REPLY x", SYNTAX),
        ("CLIENT REPLY", "-ERR wrong number of arguments for 'client|reply' command\r\n"),
        ("CLIENT REPLY SKIP", ""),
        ("PING", ""),
        ("PING", "+PONG\r\n"),
        ("CLIENT REPLY OFF", ""),
        ("PING", ""),
        ("CLIENT REPLY SKIP", ""),
        ("PING", ""),
        ("CLIENT REPLY x", ""),
        ("CLIENT REPLY ON", "+OK\r\n"),
        ("CLIENT REPLY SKIP", ""),
        ("CLIENT REPLY ON", "+OK\r\n"),
        ("PING", "+PONG\r\n"),
        ("CLIENT REPLY OFF", ""),
        ("RESET", "+RESET\r\n"),
    ]);
}

#[test]
fn info_has_sections() {
    let mut talk = Talk::new(None);
    talk.check(&[
        ("INFO replication", "$48\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n"),
        (
            "INFO cluster keyspace",
            "$44\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n\r\n",
        ),
        ("INFO CLUSTER cluster", "$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n"),
        ("INFO nope", "$0\r\n\r\n"),
    ]);
    let info = talk.say(&[b"INFO"]);
    for line in ["redis_version:7.0.15", "redis_mode:standalone", "loading:0", "role:master"] {
        assert!(info.lines().any(|shown| shown == line), "{line} not in:\n{info}");
    }
    assert_eq!(talk.say(&[b"INFO", b"everything"]), info);
    talk.check(&[("HELLO 3", HELLO_3), ("INFO nope", "=4\r\ntxt:\r\n")]);
}

#[test]
fn config_can_be_looked_at() {
    let mut talk = Talk::new(None);
    talk.check(&[
        ("CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
        ("CONFIG GET nope", "*0\r\n"),
        ("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command\r\n"),
        ("CONFIG FOO", "-ERR unknown subcommand 'FOO'. Try CONFIG HELP.\r\n"),
        ("CONFIG SET x", "-ERR wrong number of arguments for 'config|set' command\r\n"),
        ("CONFIG SET x y", "-ERR 'config|set' is not supported with several servers\r\n"),
        ("HELLO 3", HELLO_3),
        (
            "CONFIG GET SAVE appendonly tim*",
            "%3\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$4\r\nSAVE\r\n$0\r\n\r\n$7\r\ntimeout\r\n\
             $1\r\n0\r\n",
        ),
    ]);
}

#[test]
fn the_table_of_commands_is_shown() {
    let mut talk = Talk::new(None);
    let count = redis_commands::all().len();
    talk.check(&[
        ("COMMAND COUNT", &format!(":{count}\r\n")),
        ("COMMAND COUNT x", "-ERR wrong number of arguments for 'command|count' command\r\n"),
        ("COMMAND FOO", "-ERR unknown subcommand 'FOO'. Try COMMAND HELP.\r\n"),
        (
            "COMMAND INFO get nope",
            "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n*0\r\n*0\r\n\
             *0\r\n*0\r\n$-1\r\n",
        ),
        (
            "COMMAND INFO config|get eval",
            "*2\r\n*10\r\n$10\r\nconfig|get\r\n:-3\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n\
             *0\r\n*10\r\n$4\r\neval\r\n:-3\r\n*1\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n*0\r\n\
             *0\r\n*0\r\n*0\r\n",
        ),
        ("COMMAND LIST FILTERBY PATTERN xread*", "*2\r\n$5\r\nxread\r\n$10\r\nxreadgroup\r\n"),
        ("COMMAND LIST FILTERBY MODULE json", "*0\r\n"),
        ("COMMAND LIST FILTERBY FOO a", SYNTAX),
        ("COMMAND LIST x", SYNTAX),
        ("COMMAND DOCS nope", "*0\r\n"),
        ("COMMAND GETKEYS", "-ERR wrong number of arguments for 'command|getkeys' command\r\n"),
        ("COMMAND GETKEYS get a", "*1\r\n$1\r\na\r\n"),
        ("COMMAND GETKEYS foo a", "-ERR Invalid command specified\r\n"),
        ("COMMAND GETKEYS mset a b c d", "*2\r\n$1\r\na\r\n$1\r\nc\r\n"),
        ("COMMAND GETKEYS eval x 5 a", "*0\r\n"),
        ("COMMAND GETKEYS eval x 0", "*0\r\n"),
        ("COMMAND GETKEYS get a b", "-ERR Invalid number of arguments specified for command\r\n"),
        ("COMMAND GETKEYS zunion 5 a", "-ERR Invalid arguments specified for command\r\n"),
        ("COMMAND GETKEYS config get x", "-ERR The command has no key arguments\r\n"),
        ("HELLO 3", HELLO_3),
        (
            "COMMAND INFO get nope",
            "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n~1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n~0\r\n~0\r\n\
             ~0\r\n~0\r\n_\r\n",
        ),
    ]);
    for words in [&[&b"COMMAND"[..]][..], &[b"COMMAND", b"INFO"]] {
        let table = talk.say(words).into_bytes();
        assert_eq!(resp::elements(&table).unwrap().len(), count);
    }
}

/// Every frame that we make is one that a client can read, whatever is asked.
#[test]
fn answers_are_frames() {
    let words = ["HELP", "LIST", "INFO", "DOCS", "COUNT", "ID", "GET", "foo"];
    for protocol in ["2", "3"] {
        let mut talk = Talk::new(None);
        talk.say(&[b"HELLO", protocol.as_bytes()]);
        for command in redis_commands::all() {
            let name = command.name.as_bytes();
            if !matches!(
                command.treatment,
                redis_commands::Treatment::Always(_) | redis_commands::Treatment::Local(_)
            ) || ["hello", "reset"].contains(&command.name)
            {
                continue;
            }
            for word in words {
                let answer = talk.say(&[name, word.as_bytes()]).into_bytes();
                let mut scan = resp::ReplyScan::new();
                assert_eq!(
                    scan.advance(&answer),
                    Ok((answer.len(), true)),
                    "{} {word}",
                    command.name
                );
            }
        }
    }
}
