//! The optional settings file: YAML whose keys are the long names of flags.
//!
//! In go the text and the flags that exist; out come the values to use where neither flag nor
//! variable is given. A key that is no flag, a value of the wrong shape or a list where one value
//! belongs is rejected by name, and none of them hides another. The file is a flat mapping of
//! scalars and lists of them; a typed structure would be a second home for every setting. Only an
//! image that does its work several times has one list of such mappings more: its sections, each
//! with a name and with settings that are laid over the rest.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use clap::{Arg, ArgAction, Command};

use crate::rejections::Rejections;
use crate::setting;
use crate::yaml::{Node, Value, YamlError};

/// A list of inputs has some hundred lines; a file above this is not a settings file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Sections in one file.
const SECTIONS_MAX: usize = 8;
/// Of the name of a section.
const NAME_BYTES_MAX: usize = 32;

/// The values for one flag, to be used as its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileDefault {
    /// The flag's id in clap.
    pub(crate) id: String,
    pub(crate) values: Vec<String>,
    /// Whether the file has a list, whose items are not to be split any further.
    pub(crate) is_list: bool,
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FileSettings {
    pub(crate) defaults: Vec<FileDefault>,
    pub(crate) sections: Vec<FileSection>,
}

/// One item of the list of sections.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileSection {
    pub(crate) name: String,
    pub(crate) defaults: Vec<FileDefault>,
}

/// Reads the file at `path`, in which the list named `sections` is one of sections. What cannot be
/// read is rejected under the name of `--config`.
pub(crate) fn read(
    path: &str,
    command: &Command,
    sections: Option<&str>,
    rejections: &mut Rejections,
) -> FileSettings {
    let read = read_limited(path).map_err(|error| error.to_string());
    match read.and_then(|text| entries(&text).map_err(|error| error.to_string())) {
        Ok(entries) => file_settings(entries, command, sections, rejections),
        Err(error) => {
            rejections.reject("config", path, error);
            FileSettings::default()
        }
    }
}

fn file_settings(
    entries: Vec<(String, Node)>,
    command: &Command,
    list: Option<&str>,
    rejections: &mut Rejections,
) -> FileSettings {
    let (lists, flat): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| Some(key.as_str()) == list);
    let defaults = defaults(flat, command, rejections);
    let mut sections: Vec<FileSection> = Vec::new();
    for (number, (key, node)) in lists.into_iter().enumerate() {
        match node.value {
            _ if number > 0 => rejections.reject(&key, node.shape(), "given twice"),
            Value::Sequence(items) if (1..=SECTIONS_MAX).contains(&items.len()) => {
                for item in items {
                    let section = section(&key, item, &sections, command, rejections);
                    sections.extend(section);
                }
            }
            Value::Sequence(items) => {
                let reason = format_args!("expected 1 to {SECTIONS_MAX} items");
                rejections.reject(&key, &format!("{} items", items.len()), reason);
            }
            _ => rejections.reject(&key, node.shape(), "expected a list of mappings"),
        }
    }
    FileSettings { defaults, sections }
}

fn section(
    list: &str,
    item: Node,
    earlier: &[FileSection],
    command: &Command,
    rejections: &mut Rejections,
) -> Option<FileSection> {
    let (line, shape) = (item.line, item.shape());
    let Ok(entries) = mapping(item) else {
        rejections.reject(list, &format!("line {line}: {shape}"), "expected a mapping");
        return None;
    };
    let (names, entries): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| key == "name");
    let name = names.first().and_then(|(_, name)| name.scalar()).unwrap_or_default().to_owned();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let reason = match names.len() {
        0 => Some("has no name"),
        _ if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.chars().all(fits) => {
            Some("expected a name of 1 to 32 lower-case letters, digits, - and _")
        }
        _ if names.len() > 1 || earlier.iter().any(|it| it.name == name) => Some("given twice"),
        _ => None,
    };
    if let Some(reason) = reason {
        rejections.reject(list, &format!("line {line}: {name}"), reason);
        return None;
    }
    let scope = format!("{list}.{name}");
    let defaults = rejections.within(&scope, |inner| defaults(entries, command, inner));
    Some(FileSection { name, defaults })
}

fn read_limited(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn defaults(
    entries: Vec<(String, Node)>,
    command: &Command,
    rejections: &mut Rejections,
) -> Vec<FileDefault> {
    let mut defaults = Vec::new();
    let mut seen = BTreeSet::new();
    for (key, value) in entries {
        let value = file_value(value);
        let flag = command.get_arguments().find(|arg| arg.get_long() == Some(key.as_str()));
        // The file cannot name another file.
        match flag.filter(|_| key != "config") {
            None => rejections.reject(&key, &value.to_string(), "no such setting"),
            Some(_) if seen.contains(&key) => {
                rejections.reject(&key, &value.to_string(), "given twice");
            }
            Some(flag) => defaults.extend(default_of(flag, &key, value, rejections)),
        }
        seen.insert(key);
    }
    defaults
}

fn default_of(
    flag: &Arg,
    key: &str,
    value: FileValue,
    rejections: &mut Rejections,
) -> Option<FileDefault> {
    let id = flag.get_id().to_string();
    let is_list = matches!(flag.get_action(), ArgAction::Append);
    match value {
        FileValue::Scalar(value) if matches!(flag.get_action(), ArgAction::SetTrue) => {
            match setting::flag(&value) {
                Ok(on) => Some(FileDefault { id, values: vec![on.to_string()], is_list: false }),
                Err(error) => {
                    rejections.reject(key, &value, error);
                    None
                }
            }
        }
        FileValue::Scalar(value) => Some(FileDefault { id, values: vec![value], is_list: false }),
        FileValue::List(values) if is_list => Some(FileDefault { id, values, is_list: true }),
        FileValue::List(_) => {
            rejections.reject(key, &value.to_string(), "takes one value, not a list");
            None
        }
        FileValue::Unfit(shape) => {
            let wanted = if is_list { "a value or a list of values" } else { "a value" };
            rejections.reject(key, shape, format_args!("expected {wanted}"));
            None
        }
    }
}

#[derive(Debug)]
enum FileValue {
    Scalar(String),
    List(Vec<String>),
    /// Neither; says what it is instead.
    Unfit(&'static str),
}

impl fmt::Display for FileValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileValue::Scalar(value) => formatter.write_str(value),
            FileValue::List(values) => write!(formatter, "[{}]", values.join(", ")),
            FileValue::Unfit(shape) => formatter.write_str(shape),
        }
    }
}

/// Why a text is no settings file at all.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error(transparent)]
    Yaml(#[from] YamlError),
    #[error("expected one mapping of settings")]
    Shape,
}

/// The entries in the file's order, doubled keys included.
fn entries(text: &str) -> Result<Vec<(String, Node)>, FileError> {
    mapping(Node::parse(text)?)
}

fn mapping(node: Node) -> Result<Vec<(String, Node)>, FileError> {
    let entries = match node.value {
        Value::Null => Vec::new(),
        Value::Mapping(entries) => entries,
        _ => return Err(FileError::Shape),
    };
    let entry = |(key, value): (Node, Node)| match key.value {
        Value::Scalar(key) => Ok((key, value)),
        _ => Err(FileError::Shape),
    };
    entries.into_iter().map(entry).collect()
}

fn file_value(node: Node) -> FileValue {
    let shape = node.shape();
    match node.value {
        Value::Scalar(value) => FileValue::Scalar(value),
        Value::Sequence(items) => {
            let texts = items.iter().map(|item| item.scalar().map(str::to_owned));
            texts
                .collect::<Option<_>>()
                .map_or(FileValue::Unfit("a list of other things"), FileValue::List)
        }
        Value::Null | Value::Mapping(_) | Value::Alias => FileValue::Unfit(shape),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn command() -> Command {
        Command::new("test")
            .arg(Arg::new("sink_url").long("sink-url"))
            .arg(Arg::new("linger").long("linger"))
            .arg(Arg::new("include").long("include").action(ArgAction::Append))
            .arg(Arg::new("once").long("once").action(ArgAction::SetTrue))
            .arg(Arg::new("config").long("config"))
    }

    #[track_caller]
    fn check(text: &str, accepted: &[(&str, &[&str])], rejected: &[(&str, &str)]) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut rejections = Rejections::default();
        let read = read(file.path().to_str().unwrap(), &command(), None, &mut rejections);
        let defaults: Vec<_> =
            read.defaults.into_iter().map(|default| (default.id, default.values)).collect();
        let accepted: Vec<_> = accepted
            .iter()
            .map(|(id, values)| {
                ((*id).to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
            })
            .collect();
        assert_eq!(defaults, accepted, "{text}");
        let found: Vec<_> =
            rejections.iter().map(|item| (item.setting.as_str(), item.value.as_str())).collect();
        assert_eq!(found, rejected, "{text}");
    }

    #[test]
    fn scalars_and_lists_become_defaults() {
        check("", &[], &[]);
        check("# nothing\n", &[], &[]);
        check(
            "sink-url: http://a:80/\nlinger: 5\ninclude: [/a/*.log, '/b, c']\nonce: yes\n",
            &[
                ("sink_url", &["http://a:80/"]),
                ("linger", &["5"]),
                ("include", &["/a/*.log", "/b, c"]),
                ("once", &["true"]),
            ],
            &[],
        );
        check("include: /only.log\n", &[("include", &["/only.log"])], &[]);
        check("linger: 1.10\n", &[("linger", &["1.10"])], &[]);
        check("include:\n- no\n- 0x10\n- ''\n", &[("include", &["no", "0x10", ""])], &[]);
    }

    #[test]
    fn everything_wrong_is_rejected_at_once() {
        check(
            "sinkurl: x\nlinger: [1s, 2s]\ninclude: {a: b}\nonce: perhaps\nsink-url:\nconfig: y\n",
            &[],
            &[
                ("sinkurl", "x"),
                ("linger", "[1s, 2s]"),
                ("include", "a mapping"),
                ("once", "perhaps"),
                ("sink-url", "nothing"),
                ("config", "y"),
            ],
        );
        check("include: [[a], b]\n", &[], &[("include", "a list of other things")]);
        check("linger: 1s\nlinger: 2s\n", &[("linger", &["1s"])], &[("linger", "2s")]);
        check("x: &a 1s\nlinger: *a\n", &[], &[("x", "1s"), ("linger", "an alias")]);
    }

    #[test]
    fn unreadable_files_are_rejected_in_one_line() {
        for text in ["[a, b]", "a: b: c", "---\na: b\n---\n", "just words", "[a", "{a: b}: c"] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let mut rejections = Rejections::default();
            let path = file.path().to_str().unwrap();
            assert_eq!(read(path, &command(), None, &mut rejections), FileSettings::default());
            let rejection = rejections.iter().next().unwrap();
            assert_eq!((rejection.setting.as_str(), rejection.value.as_str()), ("config", path));
            assert!(!rejection.reason.contains('\n'), "{rejection}");
        }
        let mut rejections = Rejections::default();
        let read = read("/nonexistent.yaml", &command(), None, &mut rejections);
        assert_eq!(read, FileSettings::default());
        assert!(!rejections.is_empty());
    }

    #[track_caller]
    fn check_sections(text: &str, names: &[&str], rejected: &[(&str, &str)]) {
        let mut rejections = Rejections::default();
        let entries = entries(text).unwrap();
        let settings = file_settings(entries, &command(), Some("sinks"), &mut rejections);
        let found: Vec<_> = settings.sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(found, names, "{text}");
        let found: Vec<_> =
            rejections.iter().map(|item| (item.setting.as_str(), item.value.as_str())).collect();
        assert_eq!(found, rejected, "{text}");
    }

    #[test]
    fn sections_have_names_and_settings() {
        let text = "linger: 1s\nsinks:\n- {name: a, linger: 2s}\n- name: b_2\n";
        check_sections(text, &["a", "b_2"], &[]);
        let settings = file_settings(
            entries(text).unwrap(),
            &command(),
            Some("sinks"),
            &mut Rejections::default(),
        );
        assert_eq!(settings.defaults.len(), 1);
        assert_eq!(settings.sections[0].defaults[0].values, ["2s"]);
        for (text, rejected) in [
            ("sinks: x", ("sinks", "a value")),
            ("sinks: []", ("sinks", "0 items")),
            ("sinks: [x]", ("sinks", "line 1: a value")),
            ("sinks: [{linger: 1s}]", ("sinks", "line 1: ")),
            ("sinks: [{name: A}]", ("sinks", "line 1: A")),
        ] {
            check_sections(text, &[], &[rejected]);
        }
        check_sections("sinks: [{name: a}, {name: a}]", &["a"], &[("sinks", "line 1: a")]);
        check_sections("sinks: [{name: a, x: y}]", &["a"], &[("sinks.a.x", "y")]);
        check_sections("sinks: [{name: a}]\nsinks: x", &["a"], &[("sinks", "a value")]);
    }
}
