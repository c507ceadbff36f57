//! What a field is called.
//!
//! In: the name of a variable of nginx, or a key that stands in the line. Out: the names in the
//! vocabularies of the receivers: the plain one, the Elastic Common Schema, and the semantic
//! conventions of OpenTelemetry. A variable that neither of the latter has a name for is
//! `nginx.VARIABLE` in both, so that it collides with nothing. A key of the line keeps its spelling
//! in all of them.
//!
//! Names with dots are not taken apart: Elasticsearch reads `{"http.request.method": …}` and
//! `{"http": {"request": {"method": …}}}` as the same field, and the first needs no grouping of
//! fields that come in the order of the line.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

/// The names of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// As nginx calls the variable.
    pub plain: &'static str,
    /// In the Elastic Common Schema.
    pub ecs: &'static str,
    /// In OpenTelemetry's semantic conventions.
    pub otel: &'static str,
    /// The plain name as a key of a JSON object behind another: `,"status":`.
    pub plain_json: &'static str,
    /// The same in the Elastic Common Schema.
    pub ecs_json: &'static str,
}

/// The key of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Key<'a> {
    /// A name that every vocabulary has its own word for.
    Known(&'static Name),
    /// As it stands in the line.
    Other(Cow<'a, str>),
}

impl Key<'_> {
    #[must_use]
    pub fn plain(&self) -> &str {
        match self {
            Key::Known(name) => name.plain,
            Key::Other(key) => key,
        }
    }

    #[must_use]
    pub fn ecs(&self) -> &str {
        match self {
            Key::Known(name) => name.ecs,
            Key::Other(key) => key,
        }
    }

    #[must_use]
    pub fn otel(&self) -> &str {
        match self {
            Key::Known(name) => name.otel,
            Key::Other(key) => key,
        }
    }

    /// One of the names is this.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        match self {
            Key::Known(name) => [name.plain, name.ecs, name.otel].contains(&word),
            Key::Other(key) => key == word,
        }
    }
}

impl From<&'static Name> for Key<'_> {
    fn from(name: &'static Name) -> Self {
        Key::Known(name)
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(key: &'a str) -> Self {
        Key::Other(Cow::Borrowed(key))
    }
}

impl<'a> From<Cow<'a, str>> for Key<'a> {
    fn from(key: Cow<'a, str>) -> Self {
        Key::Other(key)
    }
}

/// The fields that are known, each with its three names.
macro_rules! names {
    ($($id:ident = $plain:literal $ecs:literal $otel:literal)*) => {
        $(pub static $id: Name = Name {
            plain: $plain,
            ecs: $ecs,
            otel: $otel,
            plain_json: concat!(",\"", $plain, "\":"),
            ecs_json: concat!(",\"", $ecs, "\":"),
        };)*
        static KNOWN: &[&Name] = &[$(&$id),*];
    };
}

names! {
    REMOTE_ADDR = "remote_addr" "source.address" "client.address"
    REMOTE_PORT = "remote_port" "source.port" "client.port"
    REMOTE_USER = "remote_user" "user.name" "user.name"
    REMOTE_IDENT = "remote_ident" "apache.remote_ident" "apache.remote_ident"
    METHOD = "request_method" "http.request.method" "http.request.method"
    PATH = "path" "url.path" "url.path"
    QUERY = "query" "url.query" "url.query"
    TARGET = "request_uri" "url.original" "url.original"
    VERSION = "http_version" "http.version" "network.protocol.version"
    REQUEST = "request" "nginx.request" "nginx.request"
    REQUEST_ID = "request_id" "http.request.id" "nginx.request_id"
    REQUEST_LENGTH = "request_length" "http.request.bytes" "http.request.size"
    STATUS = "status" "http.response.status_code" "http.response.status_code"
    BODY_BYTES_SENT = "body_bytes_sent" "http.response.body.bytes" "http.response.body.size"
    BYTES_SENT = "bytes_sent" "http.response.bytes" "http.response.size"
    REFERER = "http_referer" "http.request.referrer" "http.request.header.referer"
    USER_AGENT = "http_user_agent" "user_agent.original" "user_agent.original"
    FORWARDED_FOR =
        "http_x_forwarded_for" "nginx.http_x_forwarded_for" "http.request.header.x-forwarded-for"
    HTTP_HOST = "http_host" "nginx.http_host" "http.request.header.host"
    HOST = "host" "url.domain" "server.address"
    SCHEME = "scheme" "url.scheme" "url.scheme"
    SERVER_PORT = "server_port" "server.port" "server.port"
    PID = "pid" "process.pid" "process.pid"
    TID = "tid" "process.thread.id" "thread.id"
    STREAM = "iostream" "stream" "log.iostream"
    CONNECTION = "connection" "nginx.connection" "nginx.connection"
    SERVER = "server" "nginx.server" "nginx.server"
    SUBREQUEST = "subrequest" "nginx.subrequest" "nginx.subrequest"
    UPSTREAM = "upstream" "nginx.upstream" "nginx.upstream"
}

/// Names of settings that were not known before. Each is kept for the life of the process, because
/// events borrow it; settings are few and say the same when they are read again.
static LEARNT: Mutex<Vec<&'static Name>> = Mutex::new(Vec::new());

impl Name {
    /// The name of a variable of nginx.
    #[must_use]
    pub fn of_variable(variable: &str) -> &'static Name {
        Name::learn(variable, || format!("nginx.{variable}"))
    }

    /// The name of a group in a pattern: that of a known field, or the same in all vocabularies.
    #[must_use]
    pub fn of_group(group: &str) -> &'static Name {
        Name::learn(group, || group.to_owned())
    }

    fn learn(plain: &str, others: impl FnOnce() -> String) -> &'static Name {
        if let Some(name) = KNOWN.iter().find(|name| name.plain == plain) {
            return name;
        }
        let others = others();
        let mut learnt = LEARNT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = learnt.iter().find(|name| name.plain == plain && name.ecs == others) {
            return name;
        }
        let [plain_json, ecs_json] = [plain, &others].map(as_json_key);
        let plain = String::leak(plain.to_owned());
        let others = String::leak(others);
        let name = Name { plain, ecs: others, otel: others, plain_json, ecs_json };
        let name: &'static Name = Box::leak(Box::new(name));
        learnt.push(name);
        name
    }
}

fn as_json_key(name: &str) -> &'static str {
    let mut key = b",".to_vec();
    json_escape_simd::escape_into(name, &mut key);
    key.push(b':');
    String::leak(String::from_utf8(key).expect("it was text before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_settings_are_kept_once() {
        let first = Name::of_variable("upstream_addr");
        assert_eq!(first.ecs, "nginx.upstream_addr");
        assert!(std::ptr::eq(first, Name::of_variable("upstream_addr")));
        assert_eq!(Name::of_group("upstream_addr").ecs, "upstream_addr");
        assert!(std::ptr::eq(Name::of_group("status"), &STATUS));
    }

    #[test]
    fn no_name_is_given_twice() {
        for vocabulary in
            [|name: &Name| name.plain, |name: &Name| name.ecs, |name: &Name| name.otel]
        {
            let mut words: Vec<&str> = KNOWN.iter().map(|name| vocabulary(name)).collect();
            words.sort_unstable();
            let count = words.len();
            words.dedup();
            assert_eq!(words.len(), count);
        }
    }

    #[test]
    fn a_key_of_the_line_is_spelt_as_there() {
        let key = Key::from("Own.Key");
        assert_eq!((key.plain(), key.ecs(), key.otel()), ("Own.Key", "Own.Key", "Own.Key"));
        assert!(key.is("Own.Key") && !key.is("own.key"));
    }
}
