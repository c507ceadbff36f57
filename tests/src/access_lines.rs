//! Lines as an nginx with times in its log format writes them, and what a reader must make of them.
//!
//! The format holds most of what the adapter makes a metric of. Times are whole milliseconds, so
//! that the sums that are kept here in integers are exact, and comparing them with what was exposed
//! is not a matter of rounding but of reading every line once.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::random::Random;

/// For `log_format` and `--access-log-format`.
pub const FORMAT: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
                          $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_time \
                          $upstream_response_time $host $request_length $upstream_cache_status";

const METHODS: [&str; 4] = ["GET", "GET", "POST", "HEAD"];
const STATUSES: [u16; 8] = [200, 200, 200, 200, 304, 301, 404, 500];
const HOSTS: [&str; 2] = ["shop.example", "api.example"];
const PATHS: [&str; 4] = ["/", "/static/app.9f3c2a.js", "/api/v1/items?page=", "/search?q=shoes"];
const AGENTS: [&str; 2] =
    ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "kube-probe/1.32"];
const CACHE: [&str; 3] = ["HIT", "MISS", "-"];

/// An independent count of the lines made so far.
#[derive(Debug, Clone, Default)]
pub struct Account {
    pub lines: u64,
    /// By method and status.
    pub requests: BTreeMap<(&'static str, u16), u64>,
    pub request_ms: u64,
    /// Lines whose upstream time is not `-`, and the sum of those times.
    pub upstream_lines: u64,
    pub upstream_ms: u64,
    pub body_bytes: u64,
    pub request_bytes: u64,
    /// Request times of at most 10, 100 and 1000 ms.
    pub request_ms_at_most: [u64; 3],
}

/// Makes lines; the same seed makes the same lines.
#[derive(Debug)]
pub struct AccessLines {
    random: Random,
    account: Account,
}

impl AccessLines {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), account: Account::default() }
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Appends one line with its end.
    pub fn append(&mut self, text: &mut String) {
        let random = &mut self.random;
        let (method, status) = (*random.one_of(&METHODS), *random.one_of(&STATUSES));
        let (path, page) = (*random.one_of(&PATHS), random.below(100));
        // Mostly quick, now and then slow, as requests are.
        let most_ms = *random.one_of(&[9, 90, 900, 9000]);
        let request_ms = random.below(most_ms);
        let (body_bytes, request_bytes) = (random.below(60_000), 80 + random.below(900));
        let upstream = self.upstream();
        let random = &mut self.random;
        let (second, host, cache) =
            (random.below(60), *random.one_of(&HOSTS), *random.one_of(&CACHE));
        let agent = random.one_of(&AGENTS);
        writeln!(
            text,
            "192.0.2.{page} - - [22/Nov/2026:08:00:{second:02} +0000] \
             \"{method} {path}{page} HTTP/1.1\" {status} {body_bytes} \"-\" \"{agent}\" {} \
             {upstream} {host} {request_bytes} {cache}",
            seconds(request_ms)
        )
        .unwrap();
        let account = &mut self.account;
        account.lines += 1;
        *account.requests.entry((method, status)).or_default() += 1;
        account.request_ms += request_ms;
        account.body_bytes += body_bytes;
        account.request_bytes += request_bytes;
        for (count, at_most) in account.request_ms_at_most.iter_mut().zip([10, 100, 1000]) {
            *count += u64::from(request_ms <= at_most);
        }
    }

    /// Nothing, one time, or two tries and an internal redirect.
    fn upstream(&mut self) -> String {
        let times: Vec<u64> = match self.random.below(8) {
            0 => return "-".to_owned(),
            1 => (0..3).map(|_try| self.random.below(50)).collect(),
            _ => vec![self.random.below(300)],
        };
        self.account.upstream_lines += 1;
        self.account.upstream_ms += times.iter().sum::<u64>();
        match times[..] {
            [one, two, three] => {
                format!("{}, {} : {}", seconds(one), seconds(two), seconds(three))
            }
            _ => seconds(times[0]),
        }
    }
}

/// As nginx writes times.
fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_they_are_made() {
        let mut lines = AccessLines::new(7);
        let mut text = String::new();
        for _line in 0..100 {
            lines.append(&mut text);
        }
        let account = lines.account();
        assert_eq!((account.lines, text.lines().count()), (100, 100));
        assert_eq!(account.requests.values().sum::<u64>(), 100);
        let count = |part: &str| text.lines().filter(|line| line.contains(part)).count() as u64;
        let gets = account.requests.iter().filter(|((method, _), _)| *method == "GET");
        assert_eq!(gets.map(|(_, count)| count).sum::<u64>(), count("\"GET "));
    }
}
