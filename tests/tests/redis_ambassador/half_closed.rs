//! A client that has sent all it wants and says so: every answer still comes, then the end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use e2e::ambassador::Shards;
use e2e::pace::SOON;
use e2e::resp_client::words;
use e2e::workplace::Workplace;

/// Sends, closes that half, and reads to the end.
fn answers(shards: &Shards, requests: &[u8]) -> String {
    let mut stream = TcpStream::connect(shards.ambassador.port()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(requests).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    answers.escape_ascii().to_string()
}

fn pipeline(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| words(line)).collect()
}

#[test]
fn what_had_to_wait_is_answered() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 1);
    let mut many = pipeline(&["SET a x"]);
    (0..3000).for_each(|_get| many.extend(words("GET a")));
    assert_eq!(answers(&shards, &many), format!("+OK\\r\\n{}", "$1\\r\\nx\\r\\n".repeat(3000)));
    // Each of these waits until all before it is answered.
    let lines = ["GET a", "MULTI", "GET a", "EXEC", "SELECT 2", "SET b y", "SELECT 0", "GET a"];
    let expected = "$1|x|+OK|+QUEUED|*1|$1|x|+OK|+OK|+OK|$1|x|";
    assert_eq!(answers(&shards, &pipeline(&lines)), expected.replace('|', "\\r\\n"));
}

#[test]
fn a_blocked_one_is_let_go() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 1);
    assert_eq!(answers(&shards, &pipeline(&["BLPOP absent 0", "GET a"])), "");
    let mut other = shards.client();
    assert_eq!(other.call("RPUSH absent x").integer(), 1);
    assert_eq!(other.call("LLEN absent").integer(), 1);
}
