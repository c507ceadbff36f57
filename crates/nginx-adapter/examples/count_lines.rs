//! What a line of an access log costs: prints nanoseconds of CPU for splitting and counting it.
//!
//! In: nothing. Out: one line for each log_format measured, for 1,000,000 lines that lie in memory,
//! so that reading files does not count. `cargo run --release -p nginx-adapter --example
//! count_lines`. CPU time rather than time, because a busy machine changes it little.

#![expect(dead_code, reason = "what shows the counts is not part of the measurement")]
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a terminal")]

#[path = "../src/logs"]
mod logs {
    pub(crate) mod config;
    mod hashing;
    mod label;
    mod paths;
    mod plan;
    pub(crate) mod tally;
}

use clap::Parser;
use sidecar_runtime::Rejections;

use logs::config::{LogArgs, configure};
use logs::tally::Tally;

const LINES: u32 = 1_000_000;
/// The best counts: what shares the machine can only make a round worse.
const ROUNDS: u64 = 5;
/// Different lines; together as large as what is read in one turn.
const DIFFERENT: usize = 1_000;
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
     $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_time";

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    args: LogArgs,
}

fn main() {
    let upstream = format!("{COMBINED} $upstream_response_time \"$host\"");
    let rules = "^/(api)/[0-9]+$=/$1/:id";
    for (name, flags) in [
        ("combined and request_time", vec![COMBINED]),
        ("the same with upstream times and host", vec![&upstream, "--access-log-host"]),
        ("the same with a path rule", vec![&upstream, "--access-log-path-rule", rules]),
        ("json", vec!["json"]),
    ] {
        let typed = ["count_lines", "--access-log=/a", "--access-log-format"].iter().copied();
        let args = Flags::parse_from(typed.chain(flags)).args;
        let config = configure(args, &mut Rejections::default()).unwrap().unwrap();
        let mut tally = Tally::new(config.counting);
        let lines: Vec<String> = (0..DIFFERENT).map(|index| line(name, index)).collect();
        let mut each = u64::MAX;
        for _ in 0..ROUNDS {
            let before = cpu_nanoseconds();
            for line in lines.iter().cycle().take(usize::try_from(LINES).unwrap()) {
                tally.count_access(line.as_bytes());
            }
            each = each.min((cpu_nanoseconds() - before) / u64::from(LINES));
        }
        let requests: u64 = tally.series().map(|series| series.requests).sum();
        assert_eq!((requests, tally.unparsed), (ROUNDS * u64::from(LINES), 0));
        let (bytes, series) = (lines[0].len(), tally.series_count());
        println!("{each} ns a line: {name}, {bytes} bytes a line, {series} series");
    }
}

fn line(name: &str, index: usize) -> String {
    let method = ["GET", "GET", "GET", "POST"][index % 4];
    let status = [200, 200, 200, 304, 404, 502][index % 6];
    let (path, time) = (format!("/api/{index}"), format!("0.{:03}", index * 7 % 1000));
    if name == "json" {
        return format!(
            "{{\"msec\":\"1795341600.{:03}\",\"time\":\"2026-11-22T10:00:00+00:00\",\
             \"host\":\"shop.example\",\
             \"method\":\"{method}\",\"uri\":\"{path}\",\"status\":\"{status}\",\
             \"request_time\":\"{time}\",\"upstream_response_time\":\"{time}\",\
             \"upstream_connect_time\":\"0.000\",\"upstream_header_time\":\"{time}\",\
             \"upstream_cache_status\":\"\",\"request_length\":\"420\",\
             \"bytes_sent\":\"{index}\",\"body_bytes_sent\":\"{index}\"}}",
            index % 1000
        );
    }
    let combined = format!(
        "10.0.{}.7 - - [22/Nov/2026:10:00:00 +0000] \"{method} {path} HTTP/1.1\" {status} {index} \
         \"https://shop.example/list\" \"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 \
         Firefox/128.0\" {time}",
        index % 256
    );
    match name {
        "combined and request_time" => combined,
        _ => format!("{combined} 0.001, {time} \"shop.example\""),
    }
}

/// Of this process so far.
fn cpu_nanoseconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}
