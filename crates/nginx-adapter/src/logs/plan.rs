//! What each variable of the format is good for.
//!
//! In: a format and which labels are wanted. Out: the positions of the variables that give labels,
//! times and bytes, found once so that a line needs no names. A family exists only if its variable
//! is in the format: zeros that nobody measured would look like an answer.

use nginx_log::{RequestLine, Values, without_query};

use super::config::Counting;

/// Variables that give the label `host`, the best first.
pub(crate) const HOST_VARIABLES: [&str; 3] = ["host", "http_host", "server_name"];
/// Variables that give the label `path`, the best first: what the client asked for comes before
/// what a rewrite made of it.
pub(crate) const PATH_VARIABLES: [&str; 3] = ["request_uri", "request", "uri"];

/// Methods that are told apart; `other` is everything else.
pub(crate) const METHODS: [&str; 17] = [
    "other",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "CONNECT",
    "TRACE",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
];

/// What `$upstream_cache_status` can be; `other` is for what later versions may add.
pub(crate) const CACHE_STATUSES: [&str; 8] =
    ["other", "HIT", "MISS", "EXPIRED", "BYPASS", "STALE", "UPDATING", "REVALIDATED"];

/// A status that is not three digits.
pub(crate) const STATUS_OTHER: u16 = u16::MAX;

/// A time of which there is a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) variable: &'static str,
    pub(crate) family: &'static str,
    pub(crate) help: &'static str,
}

const TIMINGS: [Timing; 4] = [
    Timing {
        variable: "request_time",
        family: "nginx_http_response_duration_seconds",
        help: "Time from the first byte of a request to the last of its response.",
    },
    Timing {
        variable: "upstream_response_time",
        family: "nginx_http_response_upstream_duration_seconds",
        help: "Time that upstream servers took to answer, all attempts together.",
    },
    Timing {
        variable: "upstream_connect_time",
        family: "nginx_http_response_upstream_connect_seconds",
        help: "Time to connect to upstream servers, all attempts together.",
    },
    Timing {
        variable: "upstream_header_time",
        family: "nginx_http_response_upstream_header_seconds",
        help: "Time to the response headers of upstream servers, all attempts together.",
    },
];

/// Where to find what in a split line.
#[derive(Debug)]
pub(crate) struct Plan {
    request: Option<usize>,
    method: Option<usize>,
    pub(crate) status: Option<usize>,
    pub(crate) host: Option<usize>,
    path: Option<Path>,
    pub(crate) response_bytes: Option<usize>,
    pub(crate) request_bytes: Option<usize>,
    pub(crate) cache: Option<usize>,
    /// Each with the position of its variable.
    pub(crate) timings: Vec<(Timing, usize)>,
}

/// Where the path comes from.
#[derive(Debug, Clone, Copy)]
enum Path {
    Target(usize),
    /// A part of `$request`.
    Request,
}

/// What `$request`, or the variables that hold its parts, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked<'l> {
    /// An index into [`METHODS`].
    pub(crate) method: u8,
    /// `None` if there is none, or none is wanted.
    pub(crate) path: Option<&'l [u8]>,
}

impl Plan {
    pub(crate) fn new(counting: &Counting) -> Plan {
        let format = &counting.format;
        let first = |names: &[&str]| names.iter().find_map(|name| format.position(name));
        let target = first(&["request_uri"]).map(Path::Target);
        let request = format.position("request");
        let path = target.or(request.map(|_| Path::Request));
        let path = path.or_else(|| first(&["uri"]).map(Path::Target));
        let timings = TIMINGS.into_iter();
        Plan {
            request,
            method: format.position("request_method"),
            status: format.position("status"),
            host: first(&HOST_VARIABLES).filter(|_| counting.has_host),
            path: path.filter(|_| !counting.path_rules.is_empty()),
            response_bytes: first(&["body_bytes_sent", "bytes_sent"]),
            request_bytes: format.position("request_length"),
            cache: format.position("upstream_cache_status"),
            timings: timings
                .filter_map(|timing| Some((timing, format.position(timing.variable)?)))
                .collect(),
        }
    }

    pub(crate) fn has_method(&self) -> bool {
        self.method.is_some() || self.request.is_some()
    }

    pub(crate) fn has_path(&self) -> bool {
        self.path.is_some()
    }

    pub(crate) fn asked<'l>(&self, line: &'l [u8], values: &Values) -> Asked<'l> {
        let parts = match (self.request, self.method, self.path) {
            (Some(request), None, _) | (Some(request), _, Some(Path::Request)) => {
                RequestLine::parse(values.get(line, request))
            }
            _ => None,
        };
        let method = match self.method {
            Some(method) => Some(values.get(line, method)),
            None => parts.map(|it| it.method),
        };
        let path = match self.path {
            Some(Path::Target(target)) => {
                Some(without_query(values.get(line, target))).filter(|it| it.starts_with(b"/"))
            }
            Some(Path::Request) => parts.map(|it| it.path()),
            None => None,
        };
        Asked { method: method.map_or(0, method_number), path }
    }
}

fn method_number(method: &[u8]) -> u8 {
    number_in(&METHODS, method)
}

/// The index of the cache status, `None` if the request was none for the cache.
pub(crate) fn cache_number(status: &[u8]) -> Option<u8> {
    (!matches!(status, b"" | b"-")).then(|| number_in(&CACHE_STATUSES, status))
}

/// The index of `word` behind the first, which stands for all others.
fn number_in(words: &[&str], word: &[u8]) -> u8 {
    let index = words.iter().skip(1).position(|known| known.as_bytes() == word);
    index.map_or(0, |index| u8::try_from(index + 1).unwrap_or(0))
}

/// `404` as a number; [`STATUS_OTHER`] if it is not three digits.
pub(crate) fn status_number(status: &[u8]) -> u16 {
    let digit = |byte: u8| u16::from(byte.wrapping_sub(b'0'));
    match status {
        [a, b, c] if status.iter().all(u8::is_ascii_digit) => {
            digit(*a) * 100 + digit(*b) * 10 + digit(*c)
        }
        _ => STATUS_OTHER,
    }
}

#[cfg(test)]
mod tests {
    use nginx_log::Format;

    use super::super::config::tests::configured;
    use super::*;

    fn plan(flags: &[&str]) -> (Format, Plan) {
        let counting = configured(flags).unwrap().unwrap().counting;
        let plan = Plan::new(&counting);
        (counting.format, plan)
    }

    fn asked(flags: &[&str], line: &str) -> (&'static str, Option<String>) {
        let (format, plan) = plan(&[&["--access-log=/a"], flags].concat());
        let mut values = Values::default();
        format.split(line.as_bytes(), &mut values).unwrap();
        let asked = plan.asked(line.as_bytes(), &values);
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        (METHODS[usize::from(asked.method)], asked.path.map(text))
    }

    #[test]
    fn method_and_path_come_from_the_best_variable() {
        let rule = "--access-log-path-rule=^/=/";
        let path = |text: &str| Some(text.to_owned());
        let request = "--access-log-format='\"$request\"'";
        assert_eq!(asked(&[request], "\"GET /a?b HTTP/1.1\""), ("GET", None));
        assert_eq!(asked(&[request, rule], "\"PUT /a?b HTTP/1.1\""), ("PUT", path("/a")));
        assert_eq!(asked(&[request, rule], "\"-\""), ("other", None));
        assert_eq!(asked(&[request, rule], "\"BREW / HTTP/1.1\""), ("other", path("/")));
        let parts = "--access-log-format=$request_method $uri $request_uri";
        assert_eq!(asked(&[parts, rule], "HEAD /index /?q"), ("HEAD", path("/")));
        let rewritten = "--access-log-format=$request_method $uri";
        assert_eq!(asked(&[rewritten, rule], "HEAD /index"), ("HEAD", path("/index")));
        assert_eq!(asked(&[rewritten, rule], "- -"), ("other", None));
        assert_eq!(asked(&["--access-log-format=$status"], "200"), ("other", None));
    }

    #[test]
    fn words_outside_the_known_ones_are_other() {
        assert_eq!(cache_number(b"HIT"), Some(1));
        assert_eq!(cache_number(b"NEW"), Some(0));
        assert_eq!((cache_number(b"-"), cache_number(b"")), (None, None));
        let statuses = ["200", "000", "499", "99", "1000", "2x0", "", "-"];
        let expected = [200, 0, 499, STATUS_OTHER, STATUS_OTHER, STATUS_OTHER];
        let read = statuses.map(|it| status_number(it.as_bytes()));
        assert_eq!(read[..6], expected);
        assert_eq!(read[6..], [STATUS_OTHER; 2]);
    }
}
