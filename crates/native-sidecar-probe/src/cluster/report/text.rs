//! The forms for people: one line for each component, then what to do about it.

use std::fmt::{self, Formatter};

use super::{Assessment, Form, Report, counts};
use crate::table::{Table, plain};

/// An advice for many nodes names this many.
const NAMES_MAX: usize = 5;

pub(super) fn write(report: &Report, formatter: &mut Formatter<'_>) -> fmt::Result {
    writeln!(formatter, "{}", report.verdict.word())?;
    for evidence in &report.evidence {
        writeln!(formatter, "  {}", plain(&evidence.to_string()))?;
    }
    if parts(report).next().is_some() {
        writeln!(formatter)?;
        write_parts(report, formatter)?;
    }
    write_advice(report, formatter)
}

fn write_parts(report: &Report, formatter: &mut Formatter<'_>) -> fmt::Result {
    if report.form == Form::Wide {
        write_wide(report, formatter)?;
    } else if report.stable {
        // One line changes with its component, and no other does.
        for (kind, part) in parts(report) {
            writeln!(formatter, "{}", cells(kind, part).map(|cell| plain(&cell)).join("\t"))?;
        }
    } else {
        let mut table = Table::new(&["KIND", "NAME", "VERSION", "VERDICT", "WHY"]);
        for (kind, part) in parts(report) {
            table.row(cells(kind, part));
        }
        write!(formatter, "{table}")?;
    }
    writeln!(formatter)?;
    for (what, parts) in [("API servers", &report.api_servers), ("nodes", &report.nodes)] {
        if !parts.is_empty() {
            let counts = counts(parts).filter(|(_, count)| *count > 0);
            let counts = counts.map(|(verdict, count)| format!("{count} {}", verdict.word()));
            writeln!(formatter, "{what}: {}", counts.collect::<Vec<_>>().join(", "))?;
        }
    }
    Ok(())
}

fn parts(report: &Report) -> impl Iterator<Item = (&'static str, &Assessment)> {
    let api_servers = report.api_servers.iter().map(|part| ("apiserver", part));
    api_servers.chain(report.nodes.iter().map(|part| ("node", part)))
}

fn cells(kind: &str, part: &Assessment) -> [String; 5] {
    let why = part.evidence.last().map(|evidence| evidence.says.clone());
    let version = if part.version.is_empty() { "-" } else { &part.version };
    let word = part.verdict.word();
    [
        kind.to_owned(),
        part.name.clone(),
        version.to_owned(),
        word.to_owned(),
        why.unwrap_or_default(),
    ]
}

fn write_wide(report: &Report, formatter: &mut Formatter<'_>) -> fmt::Result {
    for (kind, part) in parts(report) {
        let [kind, name, version, word, _] = cells(kind, part).map(|cell| plain(&cell));
        writeln!(formatter, "{kind} {name} {version} {word}")?;
        for evidence in &part.evidence {
            writeln!(formatter, "  {}", plain(&evidence.to_string()))?;
        }
        for advice in &part.advice {
            writeln!(formatter, "  advice: {}", plain(&advice.says))?;
        }
    }
    Ok(())
}

fn write_advice(report: &Report, formatter: &mut Formatter<'_>) -> fmt::Result {
    for (advice, names) in report.advice_by_text() {
        let shown = if report.stable { names.len() } else { NAMES_MAX };
        let mut who: Vec<String> = names.iter().take(shown).map(|name| plain(name)).collect();
        if names.len() > shown {
            who.push(format!("{} more", names.len() - shown));
        }
        let who = if who.is_empty() { String::new() } else { format!(" [{}]", who.join(", ")) };
        writeln!(formatter, "\nadvice {}{who}: {}", advice.id, plain(&advice.says))?;
        for line in advice.manifest.as_deref().unwrap_or_default().lines() {
            writeln!(formatter, "    {line}")?;
        }
    }
    Ok(())
}
