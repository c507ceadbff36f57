//! `REDIS_SERVERS`: a list of servers, in every form that it is written in.
//!
//! In goes the text, out come the servers and what should be said about it. Commas, blanks, lines
//! and lone backslashes separate: a backslash at the end of a line in an unquoted YAML value is no
//! continuation, and folding leaves it behind. The reference image splits at commas only and gives
//! what is between two of them to nutcracker as one line, so that a second server behind a blank
//! becomes the first one's name, and holds no keys. Whoever has data that was placed like that asks
//! for the same with a compatibility setting; everybody else with such a list gets a warning.

use sidecar_runtime::Rejections;

use super::ServerConfig;
use super::server_line::{server, server_line, weight_number};

/// The flag that all rejections name.
const SETTING: &str = "redis-servers";
/// What the compatibility setting says.
pub(super) const MALEXER: &str = "malexer";

/// Reads the list. With `as_malexer` blanks do not separate servers.
pub(super) fn server_list(
    text: &str,
    as_malexer: bool,
    warnings: &mut Vec<String>,
    rejections: &mut Rejections,
) -> Vec<ServerConfig> {
    let mut servers = Vec::new();
    for item in text.split(',') {
        let words: Vec<&str> = item.split_whitespace().collect();
        if as_malexer && words.len() > 1 {
            let line = words.join(" ");
            match server_line(&line) {
                Ok(server) => servers.push(server),
                Err(reason) => rejections.reject(
                    SETTING,
                    &line,
                    format!("{reason}; without {MALEXER} these would be several servers"),
                ),
            }
            continue;
        }
        let before = servers.len();
        read_words(&words, &mut servers, rejections);
        if servers.len() > before + 1 && warnings.is_empty() {
            warnings.push(warning(&words.join(" "), servers.len() - before));
        }
    }
    reject_doubles(&servers, rejections);
    servers
}

/// The servers between two commas. A word without a colon or slash names the server before it.
fn read_words(words: &[&str], servers: &mut Vec<ServerConfig>, rejections: &mut Rejections) {
    let mut words = words.iter().filter(|word| **word != "\\").peekable();
    while let Some(word) = words.next() {
        let word = word.trim_matches('\\');
        let name = words.next_if(|next| !next.contains([':', '/'])).copied();
        match one_server(word, name) {
            Ok(server) => servers.push(server),
            Err(reason) => rejections.reject(SETTING, word, reason),
        }
    }
}

/// `host:port`, `host:port:weight`, `/socket` or `/socket:weight`. An IPv6 address without brackets
/// needs its weight, as there would be no telling its parts from the port's otherwise.
fn one_server(text: &str, name: Option<&str>) -> Result<ServerConfig, String> {
    let host_colons = text.rsplit_once(']').map_or(text, |(_, rest)| rest).matches(':').count();
    let has_weight = if text.starts_with('/') { host_colons == 1 } else { host_colons > 1 };
    match text.rsplit_once(':') {
        Some((address, weight)) if has_weight => server(address, weight_number(weight)?, name),
        Some(_) => server(text, 1, name),
        None if text.starts_with('/') => server(text, 1, name),
        None => Err("expected HOST:PORT or HOST:PORT:WEIGHT".to_owned()),
    }
}

/// What the reference image makes of it is what `server_line` does.
fn warning(line: &str, count: usize) -> String {
    let there = match server_line(line) {
        Ok(server) => format!(
            "makes it ONE server at {} named {:?}, which holds all keys. If yours were placed by \
             it, set REDIS_SERVERS_COMPAT={MALEXER}; else write commas",
            server.address, server.name
        ),
        Err(reason) => format!("cannot use it: {reason}. Write commas for both"),
    };
    format!(
        "REDIS_SERVERS {line:?} is {count} servers here; the image malexer/twemproxy splits at \
         commas only and {there}"
    )
}

fn reject_doubles(servers: &[ServerConfig], rejections: &mut Rejections) {
    for (index, server) in servers.iter().enumerate() {
        if servers[..index].iter().any(|other| other.name == server.name) {
            rejections.reject(SETTING, &server.name, "a server of this name is there already");
        }
    }
    if servers.is_empty() && rejections.is_empty() {
        rejections.reject(SETTING, "", "no server");
    }
}

#[cfg(test)]
mod tests {
    use sidecar_runtime::yaml::{Node, Value};

    use super::*;

    #[track_caller]
    fn check(text: &str, as_malexer: bool, expected: &str, rejected: &[&str], warned: bool) {
        let (mut warnings, mut rejections) = (Vec::new(), Rejections::default());
        let servers = server_list(text, as_malexer, &mut warnings, &mut rejections);
        let shown =
            |server: &ServerConfig| format!("{} {} {}", server.address, server.weight, server.name);
        let found: Vec<_> = servers.iter().map(shown).collect();
        assert_eq!(found.join(", "), expected, "{text:?}");
        let values: Vec<_> = rejections.iter().map(|item| item.value.as_str()).collect();
        assert_eq!(values, rejected, "{text:?}");
        assert_eq!(!warnings.is_empty(), warned, "{text:?}: {warnings:?}");
    }

    #[test]
    fn every_separator() {
        let both = "a:1 1 a:1, b:2 5 b:2";
        check("a:1:1,b:2:5", false, both, &[], false);
        check(" a:1 ,, b:2:5,\n", false, both, &[], false);
        check("a:1,\n  b:2:5\n", false, both, &[], false);
        for text in [
            "a:1:1 b:2:5",
            "a:1\nb:2:5",
            "a:1\tb:2:5\r\n",
            "a:1:1 \\ b:2:5",
            "a:1:1 \\\nb:2:5",
            "a:1:1\\\n b:2:5 \\",
        ] {
            check(text, false, both, &[], true);
        }
    }

    #[test]
    fn every_form_of_a_server() {
        check("[::1]:6379", false, "[::1]:6379 1 [::1]:6379", &[], false);
        check("[::1]:6379:2", false, "[::1]:6379 2 [::1]:6379", &[], false);
        check("::1:6379:2", false, "[::1]:6379 2 ::1:6379", &[], false);
        check("/a.sock", false, "/a.sock 1 /a.sock:", &[], false);
        check("/a.sock:3", false, "/a.sock 3 /a.sock:", &[], false);
        check("a:1:1 one,b:1:1 two", false, "a:1 1 one, b:1 1 two", &[], false);
        check("a:1:1 one b:1:1 two", false, "a:1 1 one, b:1 1 two", &[], true);
    }

    #[test]
    fn all_bad_parts_are_named() {
        check("", false, "", &[""], false);
        check(" , ", false, "", &[""], false);
        check(
            "a,b:x,c:1:0,d:1,e:1:2:3",
            false,
            "d:1 1 d:1",
            &["a", "b:x", "c:1:0", "e:1:2:3"],
            false,
        );
        check("a:1,b:1 a,a:1:2", false, "a:1 1 a:1, b:1 1 a, a:1 2 a:1", &["a:1"], false);
        check("a:1,b:1 x,c:1 x", false, "a:1 1 a:1, b:1 1 x, c:1 1 x", &["x"], false);
    }

    #[test]
    fn as_the_reference_image_reads_it() {
        check("a:1:1 b:2:5", true, "a:1 1 b:2:5", &[], false);
        check("a:1:1\n b:2:5", true, "a:1 1 b:2:5", &[], false);
        check("a:1:1,b:2:5", true, "a:1 1 a:1, b:2 5 b:2", &[], false);
        check("a:1:1 b:2:5,c:3", true, "a:1 1 b:2:5, c:3 1 c:3", &[], false);
        let three = "a:1:1 b:1:1 c:1:1";
        check(three, true, "", &[three], false);
        let folded = r"a:1:1 \ b:1:1";
        check(folded, true, "", &[folded], false);
    }

    /// The value of the example that is copied most, in a manifest.
    #[test]
    fn an_unquoted_value_over_several_lines_of_yaml() {
        let manifest = "env:\n- name: REDIS_SERVERS\n  value: redis-st-0.redis-svc:6379:1 \\\n    \
                        redis-st-1.redis-svc:6379:1\n";
        let Value::Mapping(root) = Node::parse(manifest).unwrap().value else { panic!() };
        let Value::Sequence(variables) = &root[0].1.value else { panic!() };
        let Value::Mapping(variable) = &variables[0].value else { panic!() };
        let text = variable[1].1.scalar().unwrap();
        assert_eq!(text, r"redis-st-0.redis-svc:6379:1 \ redis-st-1.redis-svc:6379:1");
        let expected = "redis-st-0.redis-svc:6379 1 redis-st-0.redis-svc:6379, \
                        redis-st-1.redis-svc:6379 1 redis-st-1.redis-svc:6379";
        check(text, false, expected, &[], true);
    }

    #[test]
    fn the_warning_says_what_the_reference_image_makes_of_it() {
        for (text, part) in [
            (
                "a:1:1 b:2:5",
                r#"makes it ONE server at a:1 named "b:2:5", which holds all keys. If"#,
            ),
            (r"a:1:1 \ b:2:5", r#"cannot use it: "1 \\" is no weight"#),
            ("a:1:1 b:2:5 c:1:1", r#"cannot use it: "a:1:1 b" is neither a name"#),
        ] {
            let (mut warnings, mut rejections) = (Vec::new(), Rejections::default());
            server_list(text, false, &mut warnings, &mut rejections);
            assert!(warnings.len() == 1 && warnings[0].contains(part), "{warnings:?}");
        }
    }
}
