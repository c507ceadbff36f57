//! The form for Prometheus, as a textfile collector or a push gateway takes it.
//!
//! The verdict of the whole is one series for each possible word, so that a change shows as two
//! flanks and no series vanishes. Of a component, `supported` is 1 only if it is: UNKNOWN is 0 and
//! has a family of its own. Nothing else labels these series but the name.

use std::fmt::{self, Formatter, Write};

use super::{Assessment, ClusterVerdict, Report, counts};

pub(super) fn write(report: &Report, out: &mut Formatter<'_>) -> fmt::Result {
    family(out, "verdict", "The verdict: 1 on the one that holds.")?;
    for verdict in ClusterVerdict::ALL {
        let value = u8::from(report.verdict == verdict);
        sample(out, "verdict", &[("verdict", verdict.word())], value)?;
    }
    if !report.api_servers.is_empty() {
        parts(out, "apiserver", &report.api_servers)?;
    }
    parts(out, "node", &report.nodes)?;
    family(out, "nodes", "Nodes by verdict.")?;
    for (verdict, count) in counts(&report.nodes) {
        sample(out, "nodes", &[("verdict", verdict.word())], count)?;
    }
    if !report.stable {
        family(out, "asked_timestamp_seconds", "When this was asked.")?;
        sample(out, "asked_timestamp_seconds", &[], report.timing.unix_seconds)?;
    }
    Ok(())
}

fn parts(out: &mut Formatter<'_>, kind: &str, parts: &[Assessment]) -> fmt::Result {
    let verdict_is = |part: &Assessment, verdict| ClusterVerdict::from(part.verdict) == verdict;
    let name = format!("{kind}_supported");
    family(out, &name, "Whether native sidecars are supported; 0 if that is not known.")?;
    for part in parts {
        let value = u8::from(verdict_is(part, ClusterVerdict::Supported));
        sample(out, &name, &[(kind, &part.name)], value)?;
    }
    let name = format!("{kind}_unknown");
    family(out, &name, "Whether the verdict is UNKNOWN.")?;
    for part in parts {
        let value = u8::from(verdict_is(part, ClusterVerdict::Unknown));
        sample(out, &name, &[(kind, &part.name)], value)?;
    }
    let name = format!("{kind}_info");
    family(out, &name, "Version and verdict.")?;
    for part in parts {
        let labels =
            [(kind, &*part.name), ("version", &*part.version), ("verdict", part.verdict.word())];
        sample(out, &name, &labels, 1)?;
    }
    Ok(())
}

fn family(out: &mut Formatter<'_>, name: &str, help: &str) -> fmt::Result {
    writeln!(out, "# HELP native_sidecar_probe_{name} {help}")?;
    writeln!(out, "# TYPE native_sidecar_probe_{name} gauge")
}

fn sample(
    out: &mut Formatter<'_>,
    name: &str,
    labels: &[(&str, &str)],
    value: impl fmt::Display,
) -> fmt::Result {
    write!(out, "native_sidecar_probe_{name}")?;
    for (index, (label, text)) in labels.iter().enumerate() {
        let before = if index == 0 { '{' } else { ',' };
        write!(out, "{before}{label}=\"")?;
        for character in text.chars() {
            match character {
                '\n' => out.write_str("\\n")?,
                '"' => out.write_str("\\\"")?,
                '\\' => out.write_str("\\\\")?,
                other => out.write_char(other)?,
            }
        }
        out.write_char('"')?;
    }
    let behind = if labels.is_empty() { "" } else { "}" };
    writeln!(out, "{behind} {value}")
}
