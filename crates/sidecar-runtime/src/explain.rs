//! `explain`: the settings in effect, and where each came from.
//!
//! In: what clap made of command line, environment and settings file. Out: a table for people, or
//! JSON. It shows rejected settings as well, because then it is asked most. A value that may be
//! secret is never shown: that of a flag which the image says holds one, and in every address the
//! user, the password and the query. Which flag hides a key is the image's to say; guessing by
//! names would be wrong one day.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};

use crate::rejections::Rejections;
use crate::settings_file::{FileDefault, FileSection};

/// The subcommand, and its flag.
pub(crate) const NAME: &str = "explain";
const JSON: &str = "json";
/// Stands for what is not shown.
const HIDDEN: &str = "(hidden)";

/// The settings file, and the ids of the flags that it has values for. What a section sets, nothing
/// else can set for it.
#[derive(Debug, Default)]
pub(crate) struct FileValues {
    pub(crate) path: String,
    pub(crate) ids: BTreeSet<String>,
    /// The name of their list, and they.
    pub(crate) sections: Option<(&'static str, Vec<FileSection>)>,
}

/// One setting.
#[derive(Debug)]
struct Row {
    setting: String,
    values: Vec<String>,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Flag,
    Variable(String),
    File(String),
    Default,
}

pub(crate) fn subcommand() -> Command {
    let json = Arg::new(JSON).long(JSON).action(ArgAction::SetTrue);
    Command::new(NAME)
        .about("Says which settings are in effect and where each came from, bad ones included")
        .arg(json.help("JSON instead of a table"))
}

/// The answer, if this is the question.
pub(crate) fn explain(
    command: &Command,
    matches: &ArgMatches,
    file: &FileValues,
    secrets: &[&str],
    rejections: &Rejections,
) -> Option<Vec<u8>> {
    let (_name, matches) = matches.subcommand().filter(|(name, _)| *name == NAME)?;
    let mut rows: Vec<Row> =
        command.get_arguments().filter_map(|arg| row(arg, matches, file, secrets)).collect();
    rows.sort_by(|one, other| one.setting.cmp(&other.setting));
    if let Some((list, sections)) = &file.sections {
        let rows_of = |section| section_rows(list, section, command, &file.path, secrets);
        rows.extend(sections.iter().flat_map(rows_of));
    }
    let answer = if matches.get_flag(JSON) { as_json(&rows, rejections) } else { as_table(&rows) };
    Some(answer.into_bytes())
}

/// A hidden flag has a row only if it is given.
fn row(arg: &Arg, matches: &ArgMatches, file: &FileValues, secrets: &[&str]) -> Option<Row> {
    let (id, setting) = (arg.get_id().as_str(), arg.get_long()?);
    let origin = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Origin::Flag,
        Some(ValueSource::EnvVariable) => {
            Origin::Variable(arg.get_env().unwrap_or_default().to_string_lossy().into_owned())
        }
        _ if file.ids.contains(id) => Origin::File(format!("{}: {setting}", file.path)),
        _ => Origin::Default,
    };
    if arg.is_hide_set() && matches!(origin, Origin::Default) {
        return None;
    }
    let values = match arg.get_action() {
        ArgAction::SetTrue => vec![matches.get_flag(id).to_string()],
        _ => {
            let raw = matches.try_get_raw(id).ok().flatten().into_iter().flatten();
            raw.map(|value| shown(&value.to_string_lossy(), secrets.contains(&setting))).collect()
        }
    };
    Some(Row { setting: setting.to_owned(), values, origin })
}

/// What a section sets for itself, in the order of the file.
fn section_rows(
    list: &str,
    section: &FileSection,
    command: &Command,
    path: &str,
    secrets: &[&str],
) -> Vec<Row> {
    let row = |default: &FileDefault| {
        let own = command.get_arguments().find(|arg| arg.get_id() == default.id.as_str())?;
        let long = own.get_long()?;
        let setting = format!("{list}.{}.{long}", section.name);
        let is_secret = secrets.contains(&long);
        let values = default.values.iter().map(|value| shown(value, is_secret)).collect();
        Some(Row { origin: Origin::File(format!("{path}: {setting}")), setting, values })
    };
    section.defaults.iter().filter_map(row).collect()
}

/// A value without what may be secret in it.
fn shown(value: &str, is_secret: bool) -> String {
    if is_secret && !value.is_empty() {
        return HIDDEN.to_owned();
    }
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _query)) => (rest, format!("?{HIDDEN}")),
        None => (rest, String::new()),
    };
    let host = match rest.rsplit_once('@') {
        Some((_user, host)) => format!("{HIDDEN}@{host}"),
        None => rest.to_owned(),
    };
    format!("{scheme}://{host}{query}")
}

fn as_table(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| {
        let values = if row.values.is_empty() { "-".to_owned() } else { row.values.join(", ") };
        let from = match &row.origin {
            Origin::Flag => "flag".to_owned(),
            Origin::Variable(name) => format!("variable {name}"),
            Origin::File(place) => format!("file {place}"),
            Origin::Default => "default".to_owned(),
        };
        // A line of the table stays one line, whatever stands in a value.
        [row.setting.clone(), values, from].map(|cell| cell.replace(char::is_control, " "))
    });
    let heads = ["SETTING", "VALUE", "FROM"].map(str::to_owned);
    let lines: Vec<[String; 3]> = [heads].into_iter().chain(lines).collect();
    let width = |column: usize| {
        lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    lines.iter().fold(String::new(), |mut table, [setting, value, from]| {
        writeln!(table, "{setting:first$}  {value:second$}  {from}").expect("a string takes all");
        table
    })
}

fn as_json(rows: &[Row], rejections: &Rejections) -> String {
    let settings = rows.iter().map(|row| {
        let (from, place) = match &row.origin {
            Origin::Flag => ("flag", None),
            Origin::Variable(name) => ("variable", Some(name)),
            Origin::File(place) => ("file", Some(place)),
            Origin::Default => ("default", None),
        };
        json!({"setting": row.setting, "values": row.values, "from": from, "place": place})
    });
    let rejected = rejections
        .iter()
        .map(|it| json!({"setting": it.setting, "value": it.value, "reason": it.reason}));
    let settings: Value = settings.collect();
    let rejected: Value = rejected.collect();
    format!("{}\n", json!({"settings": settings, "rejections": rejected}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_secret() {
        for (value, is_secret, expected) in [
            ("plain", false, "plain"),
            ("plain", true, "(hidden)"),
            ("", true, ""),
            ("http://host/a", false, "http://host/a"),
            ("https://me:pass@host:1/a?key=1", false, "https://(hidden)@host:1/a?(hidden)"),
            ("http://a@b@host/", false, "http://(hidden)@host/"),
            ("a://b?c@d", false, "a://b?(hidden)"),
            ("/logs/?.log", false, "/logs/?.log"),
        ] {
            assert_eq!(shown(value, is_secret), expected);
        }
    }
}
