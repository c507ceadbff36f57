//! Access logs of nginx in any `log_format`.
//!
//! In: a format, once; then lines. Out: fields under the names that the variables' meanings have in
//! each vocabulary. What a variable is gets decided when the format is read. A format that says the
//! same twice, such as `$request` and `$status` beside `$request_method`, gives it once, because
//! receivers refuse a record that names a field twice.

use memchr::memchr;
use nginx_log::{Escape, Format, Values};

use super::request::{
    Escapes, Kind, push_number, push_protocol, push_request, push_target, push_text,
};
use crate::name::Name;
use crate::time::TimeReader;
use crate::{Fields, Unparsed};

/// A format and what its variables are.
#[derive(Debug, Clone)]
pub(super) struct Nginx {
    format: Format,
    escape: Escape,
    roles: Vec<Role>,
    values: Values,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    TimeLocal,
    TimeIso,
    Unix,
    Request,
    Target,
    Protocol,
    Number(&'static Name, Kind),
    Text(&'static Name),
    /// Said by another variable already.
    Nothing,
}

impl Nginx {
    pub(super) fn new(format: Format) -> Nginx {
        let variables: Vec<&str> = format.variables().collect();
        let is_first = |at: usize| !variables[..at].contains(&variables[at]);
        let has = |variable| variables.contains(&variable);
        let roles = (0..variables.len()).map(|at| match variables[at] {
            _ if !is_first(at) => Role::Nothing,
            "time_local" | "time_iso8601" if has("msec") => Role::Nothing,
            "time_local" if has("time_iso8601") => Role::Nothing,
            "request_method" | "request_uri" | "server_protocol" if has("request") => Role::Nothing,
            // Variables of the user's own, under names that parts of a request have here.
            "path" | "query" | "http_version" if has("request") || has("request_uri") => {
                Role::Nothing
            }
            variable => Role::of(variable),
        });
        let roles = roles.collect();
        Nginx { escape: format.escape(), format, roles, values: Values::default() }
    }

    pub(super) fn parse<'a>(
        &mut self,
        line: &'a str,
        times: &mut TimeReader,
        fields: &mut Fields<'a>,
    ) -> Result<(), Unparsed> {
        let split = self.format.split(line.as_bytes(), &mut self.values);
        split.map_err(|_place| Unparsed::Form("not a line of the log_format"))?;
        let escapes: Escapes = memchr(b'\\', line.as_bytes()).map(|_at| self.escape);
        for (position, role) in self.roles.iter().enumerate() {
            // The literals of a format are text, so no value begins or ends inside of a character.
            let raw = line.get(self.values.range(position)).unwrap_or_default();
            role.push(raw, escapes, times, fields)?;
        }
        Ok(())
    }
}

impl Role {
    fn of(variable: &str) -> Role {
        match variable {
            "time_local" => Role::TimeLocal,
            "time_iso8601" => Role::TimeIso,
            "msec" => Role::Unix,
            "request" => Role::Request,
            "request_uri" => Role::Target,
            "server_protocol" => Role::Protocol,
            _ => match Kind::of(variable) {
                Kind::Text => Role::Text(Name::of_variable(variable)),
                kind => Role::Number(Name::of_variable(variable), kind),
            },
        }
    }

    fn push<'a>(
        self,
        raw: &'a str,
        escapes: Escapes,
        times: &mut TimeReader,
        fields: &mut Fields<'a>,
    ) -> Result<(), Unparsed> {
        match self {
            Role::TimeLocal | Role::TimeIso | Role::Unix => {
                let time = match self {
                    Role::TimeLocal => {
                        raw.as_bytes().try_into().ok().and_then(|it| times.time_local(it))
                    }
                    Role::TimeIso => times.civil(raw),
                    _ => TimeReader::unix(raw),
                };
                fields.time = Some(time.ok_or(Unparsed::Form("no time"))?);
            }
            Role::Request => push_request(raw, escapes, fields),
            Role::Target => push_target(raw, escapes, fields),
            Role::Protocol => push_protocol(raw, fields),
            Role::Number(name, kind) => push_number(name, kind, raw, fields),
            Role::Text(name) => push_text(name, raw, escapes, fields),
            Role::Nothing => {}
        }
        Ok(())
    }
}
