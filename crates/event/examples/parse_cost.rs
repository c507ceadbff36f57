//! What parsing a line costs: nanoseconds a line, seconds a gigabyte, the best of several rounds.
//!
//! `cargo run --profile profiling -p event --example parse_cost [PARSER]`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, run by hand")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use event::{Fields, Offset, Parser};

const LINES: usize = 20_000;
const ROUNDS: usize = 15;

fn main() {
    let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36";
    let combined = |number: usize| {
        format!(
            "10.0.{}.{} - - [22/Nov/2026:10:{:02}:{:02} +0000] \"GET /api/items/{number}?page=2 \
             HTTP/1.1\" 200 {} \"-\" \"{agent}\"",
            number / 250 % 250,
            number % 250,
            number / 6000 % 60,
            number / 100 % 60,
            number * 7,
        )
    };
    let json = |number: usize| {
        format!(
            "{{\"time\":\"2026-11-22T10:{:02}:{:02}.{:03}Z\",\"level\":\"info\",\"msg\":\"request \
             done\",\"method\":\"GET\",\"path\":\"/api/items\",\"status\":200,\"took\":0.{number},\
             \"user\":{{\"id\":{number},\"roles\":[\"a\",\"b\"]}}}}",
            number / 6000 % 60,
            number / 100 % 60,
            number % 1000,
        )
    };
    let logfmt = |number: usize| {
        format!(
            "ts=2026-11-22T10:{:02}:{:02}Z level=info msg=\"request done\" method=GET \
             path=/api/items/{number} status=200 took=1.5ms remote=10.0.0.1:{number}",
            number / 6000 % 60,
            number / 100 % 60,
        )
    };
    let error = |number: usize| {
        format!(
            "2026/11/22 10:{:02}:{:02} [error] 12#12: *{number} open() \"/usr/share/nginx/html/x\" \
             failed (2: No such file or directory), client: 10.0.0.1, server: localhost, request: \
             \"GET /x HTTP/1.1\", host: \"localhost\"",
            number / 6000 % 60,
            number / 100 % 60,
        )
    };
    measure("combined", combined);
    measure("nginx:combined", combined);
    measure("nginx-error", error);
    measure("json", json);
    measure("logfmt", logfmt);
}

fn measure(setting: &str, line: impl Fn(usize) -> String) {
    if std::env::args().nth(1).is_some_and(|wanted| wanted != setting) {
        return;
    }
    let lines: Vec<String> = (0..LINES).map(line).collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    let mut parser = Parser::from_setting(setting, Offset::UTC).unwrap();
    let mut kept = Fields::default();
    let mut best = Duration::MAX;
    for _round in 0..ROUNDS {
        let started = Instant::now();
        for line in &lines {
            let mut fields = kept.recycle();
            parser.parse(black_box(line), &mut fields).unwrap();
            black_box(&fields);
            kept = fields.recycle();
        }
        best = best.min(started.elapsed());
    }
    let nanos = best.as_secs_f64() * 1e9;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let (a_line, a_byte) = (nanos / LINES as f64, nanos / bytes as f64);
    println!("{setting:16} {} bytes {a_line:6.1} ns/line {a_byte:6.3} s/GB", bytes / LINES);
}
