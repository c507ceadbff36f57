//! From what was typed to what it means.
//!
//! In: [`Args`]. Out: a [`Config`] in which every value is valid by itself and with the others, or
//! all that is wrong, each with its setting and value. Nothing outside is touched.

mod pod;
mod processing;
mod quarantine;
mod room;
mod sink;
mod stream;
mod unused;

use std::path::PathBuf;
use std::time::Duration;

use event::multiline::Joiner;
use sidecar_runtime::{Rejections, Section, setting};
use tail::{AfterShip, From, Globs, LongLines};

pub(crate) use self::quarantine::QuarantineConfig;
pub(crate) use self::sink::{Encoding, FileConfig, HttpConfig, SinkConfig};
#[cfg(test)]
pub(crate) use self::stream::StreamConfig;
pub(crate) use self::stream::{ForwardConfig, SyslogConfig};
use crate::cli::Args;
use crate::ending::Ending;
use crate::metadata::MetadataConfig;
use crate::process::name_of_process;
use crate::processor::Processor;
use crate::record::{Format, POD, RESERVED, Recorder, TextRecorder};
use crate::rotation::RotationConfig;
use crate::sink::{BulkRecorder, ForwardRecorder, LokiRecorder, OtlpRecorder, SyslogRecorder};

/// The smallest limit for a line; below, nothing useful is left of one.
const LINE_BYTES_MIN: u64 = 64;
/// The largest: a batch holds at least one line.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// The sinks and what each does, the settings in effect.
#[derive(Debug)]
pub struct Configs {
    /// With their names; a sink without one is the only one.
    pub(crate) sinks: Vec<(Option<String>, Config)>,
    pub(crate) ending: Ending,
}

/// The settings of one sink, laid over those that hold for all.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) globs: Globs,
    pub(crate) from: From,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) sink: SinkConfig,
    pub(crate) recorder: Recorder,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) record_id: bool,
    pub(crate) joiner: Option<Joiner>,
    pub(crate) processor: Processor,
    pub(crate) metadata: MetadataConfig,
    pub(crate) line_bytes_max: usize,
    pub(crate) long_lines: LongLines,
    pub(crate) partial_timeout: Option<Duration>,
    pub(crate) quarantine: Option<QuarantineConfig>,
    pub(crate) batch_wait: Duration,
    pub(crate) linger: Duration,
    pub(crate) once: bool,
    pub(crate) exit_when_idle: Option<Duration>,
    pub(crate) on_full: OnFull,
    pub(crate) reclaim: bool,
    pub(crate) after_ship: AfterShip,
    pub(crate) dir_bytes_max: Option<u64>,
    pub(crate) rotation: Option<RotationConfig>,
}

/// What happens when the sink takes nothing and the buffer is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFull {
    /// Reading stops; the files are the buffer.
    Block,
    /// The batch that waits is given up and counted.
    DropOldest,
}

/// One sink by the flags, or those of the list `sinks` in the settings file.
pub(crate) fn configure_sections(
    args: Args,
    sections: Vec<Section<Args>>,
    rejections: &mut Rejections,
) -> Option<Configs> {
    let ending = ending(&args, rejections);
    if sections.is_empty() {
        let own = quarantine::own_files([&args]);
        unused::reject(&args, rejections);
        let config = configure(args, &own, rejections).filter(|_| rejections.is_empty())?;
        return Some(Configs { sinks: vec![(None, config)], ending: ending? });
    }
    let to_stdout = sections.iter().filter(|section| section.args.sink == "stdout").count();
    if to_stdout > 1 {
        rejections.reject("sinks", "stdout", "more than one writes to standard output");
    }
    room::of_several(&args, &sections, rejections);
    let own = quarantine::own_files(sections.iter().map(|section| &section.args));
    let mut sinks = Vec::new();
    for section in sections {
        for (setting, value) in of_the_whole(&section.args, &args) {
            let scope = format!("{}.{setting}", section.scope);
            rejections.reject(&scope, &value, "is a setting of the whole");
        }
        let config =
            rejections.within(&section.scope, |inner| configure(section.args, &own, inner));
        sinks.extend(config.map(|config| (Some(section.name), config)));
    }
    let outputs: Vec<String> =
        sinks.iter().flat_map(|(_name, config)| outputs(&config.sink)).collect();
    for (_name, config) in &mut sinks {
        for pattern in &outputs {
            rejections.parse("sink-url", pattern, |text| config.globs.exclude(text));
        }
    }
    let ending = ending.filter(|_| rejections.is_empty())?;
    Some(Configs { sinks, ending })
}

/// Settings that a sink has otherwise than the whole and may not have for itself, with its values.
fn of_the_whole(own: &Args, whole: &Args) -> impl Iterator<Item = (&'static str, String)> {
    let values = |args: &Args| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        [
            ("state-dir", text(&args.state_dir)),
            ("after-ship", text(&args.after_ship)),
            ("reclaim", args.reclaim.to_string()),
            ("max-dir-bytes", text(&args.max_dir_bytes)),
            ("rotate-at", text(&args.rotate_at)),
            ("once", args.once.to_string()),
            ("exit-when-idle", text(&args.exit_when_idle)),
            ("exit-when-file", text(&args.exit_when_file)),
            ("exit-when-process", text(&args.exit_when_process)),
        ]
    };
    let pairs = values(own).into_iter().zip(values(whole));
    pairs.filter_map(|(own, whole)| (own != whole).then_some(own))
}

/// `own` are patterns of files that this process writes.
fn configure(args: Args, own: &[String], rejections: &mut Rejections) -> Option<Config> {
    let labels = labels(&args.label, rejections);
    let sink = sink::sink(&args, labels.as_deref(), rejections);
    let recorder = recorder(&args, sink.as_ref(), labels.as_deref(), rejections);
    let metadata = pod::metadata(&args, rejections);
    let processor = processing::processor(&args, rejections);
    let globs = globs(&args, sink.as_ref(), own, rejections);
    let from = rejections.parse(
        "from",
        &args.from,
        setting::one_of(&[("beginning", From::Beginning), ("end", From::End)]),
    );
    let line_bytes_max = rejections.parse("max-line-bytes", &args.max_line_bytes, line_bytes);
    let rules = processor.iter().flat_map(|processor| &processor.rules);
    let has_containers = rules.into_iter().any(|rule| rule.parser.is_of_containers());
    let line_bytes = line_bytes_max.unwrap_or_default();
    let joiner = processing::joiner(&args, line_bytes, has_containers, rejections);
    let long_lines = rejections.parse(
        "long-lines",
        &args.long_lines,
        setting::one_of(&[("split", LongLines::Split), ("drop", LongLines::Drop)]),
    );
    let partial_timeout = optional(args.partial_timeout.as_deref(), |text| {
        rejections.parse("partial-timeout", text, setting::duration)
    });
    let quarantine = quarantine::quarantine(&args, sink.as_ref(), rejections);
    let batch_wait = rejections.parse("batch-wait", &args.batch_wait, setting::duration);
    // What is written here costs no request.
    let is_local =
        matches!(sink, Some(SinkConfig::Stdout | SinkConfig::File(_) | SinkConfig::Blackhole));
    let linger = rejections.parse("linger", &args.linger, setting::duration);
    let exit_when_idle = optional(args.exit_when_idle.as_deref(), |text| {
        rejections.parse("exit-when-idle", text, setting::positive_duration)
    });
    let on_full = rejections.parse(
        "on-full",
        &args.on_full,
        setting::one_of(&[("block", OnFull::Block), ("drop-oldest", OnFull::DropOldest)]),
    );
    let room = room::room(&args, from, rejections);
    let rotation = room::rotation(&args, rejections);
    Some(Config {
        globs: globs?,
        from: from?,
        after_ship: room?.0,
        dir_bytes_max: room?.1,
        state_dir: args.state_dir.map(PathBuf::from),
        sink: sink?,
        recorder: recorder?,
        labels: labels?,
        record_id: args.record_id,
        joiner: joiner?,
        processor: processor?,
        metadata: metadata?,
        line_bytes_max: line_bytes_max?,
        long_lines: long_lines?,
        partial_timeout: partial_timeout?,
        quarantine: quarantine?,
        batch_wait: if is_local { Duration::ZERO } else { batch_wait? },
        // What is there now is all that counts: nobody is waited for.
        linger: if args.once { Duration::ZERO } else { linger? },
        once: args.once,
        exit_when_idle: exit_when_idle?,
        on_full: on_full?,
        reclaim: args.reclaim,
        rotation: rotation?,
    })
}

fn ending(args: &Args, rejections: &mut Rejections) -> Option<Ending> {
    let file = optional(args.exit_when_file.as_deref(), |text| {
        rejections.parse("exit-when-file", text, |text| match text {
            "" => Err("the path is empty"),
            _ => Ok(PathBuf::from(text)),
        })
    });
    let process = optional(args.exit_when_process.as_deref(), |text| {
        rejections.parse("exit-when-process", text, name_of_process)
    });
    Some(Ending { file: file?, process: process? })
}

/// An absent setting is fine, a bad one is not.
fn optional<T>(text: Option<&str>, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => parse(text).map(Some),
    }
}

fn line_bytes(text: &str) -> Result<usize, String> {
    let bytes = setting::bytes(text).map_err(|error| error.to_string())?;
    if !(LINE_BYTES_MIN..=LINE_BYTES_MAX).contains(&bytes) {
        return Err(format!("expected {LINE_BYTES_MIN} to {LINE_BYTES_MAX} bytes"));
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

fn globs(
    args: &Args,
    sink: Option<&SinkConfig>,
    own: &[String],
    rejections: &mut Rejections,
) -> Option<Globs> {
    let mut globs = Globs::default();
    let mut accepted = true;
    for pattern in &args.include {
        let parsed = rejections.parse("include", pattern, |text| globs.include(text));
        accepted &= parsed.is_some();
    }
    for pattern in &args.exclude {
        let parsed = rejections.parse("exclude", pattern, |text| globs.exclude(text));
        accepted &= parsed.is_some();
    }
    for pattern in sink.into_iter().flat_map(outputs) {
        let parsed = rejections.parse("sink-url", &pattern, |text| globs.exclude(text));
        accepted &= parsed.is_some();
    }
    for pattern in own {
        let parsed = rejections.parse("quarantine-dir", pattern, |text| globs.exclude(text));
        accepted &= parsed.is_some();
    }
    accepted.then_some(globs)
}

/// What this process writes; it is not followed.
fn outputs(sink: &SinkConfig) -> impl Iterator<Item = String> {
    let path = match sink {
        SinkConfig::File(file) => Some(glob_of(&file.path)),
        _ => None,
    };
    path.into_iter().flat_map(|path| [format!("{path}.*"), path])
}

/// The pattern that matches only this path.
pub(crate) fn glob_of(path: &std::path::Path) -> String {
    let text = path.to_string_lossy();
    text.chars().fold(String::new(), |mut pattern, character| {
        match character {
            '*' | '?' | '[' => pattern.extend(['[', character, ']']),
            _ => pattern.push(character),
        }
        pattern
    })
}

fn labels(typed: &[String], rejections: &mut Rejections) -> Option<Vec<(String, String)>> {
    let mut labels: Vec<(String, String)> = Vec::new();
    let mut accepted = true;
    for text in typed {
        match rejections.parse("label", text, label) {
            Some((key, _)) if labels.iter().any(|(known, _)| *known == key) => {
                rejections.reject("label", text, "another label has this key");
                accepted = false;
            }
            Some(label) => labels.push(label),
            None => accepted = false,
        }
    }
    accepted.then_some(labels)
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    if RESERVED.contains(&key) && key != POD {
        return Err(format!("a record has a field {key} of its own"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// What writes the records that the sink takes.
fn recorder(
    args: &Args,
    sink: Option<&SinkConfig>,
    labels: Option<&[(String, String)]>,
    rejections: &mut Rejections,
) -> Option<Recorder> {
    let choices = [("raw", Format::Raw), ("prefixed", Format::Prefixed), ("json", Format::Json)];
    let typed = match &args.format {
        Some(text) => Some(rejections.parse("format", text, setting::one_of(&choices))?),
        None => None,
    };
    let own_form = |rejections: &mut Rejections, allowed: Option<Format>| {
        let is_wrong = typed.is_some() && typed != allowed;
        if is_wrong {
            let text = args.format.as_deref().unwrap_or_default();
            rejections.reject("format", text, "this sink has a form of its own");
        }
        (!is_wrong).then_some(())
    };
    let text = |format| Some(Recorder::Text(TextRecorder::new(format, args.record_id, labels?)));
    match sink? {
        SinkConfig::Stdout | SinkConfig::File(_) => text(typed.unwrap_or(Format::Raw)),
        SinkConfig::Blackhole => text(typed.unwrap_or(Format::Nothing)),
        SinkConfig::Http(_) => {
            own_form(rejections, Some(Format::Json))?;
            text(Format::Json)
        }
        SinkConfig::Loki(_, encoding) => {
            own_form(rejections, None)?;
            Some(Recorder::Loki(LokiRecorder::new(*encoding, labels?)))
        }
        SinkConfig::Bulk(_) => {
            own_form(rejections, None)?;
            Some(Recorder::Bulk(BulkRecorder::new(labels?)))
        }
        SinkConfig::Otlp(_, encoding) => {
            own_form(rejections, None)?;
            Some(Recorder::Otlp(OtlpRecorder::new(*encoding, args.record_id, labels?)))
        }
        SinkConfig::Forward(_) => {
            own_form(rejections, None)?;
            let recorder = ForwardRecorder::new(&args.forward_tag, args.record_id, labels?);
            Some(Recorder::Forward(recorder))
        }
        SinkConfig::Syslog(config) => {
            own_form(rejections, None)?;
            Some(Recorder::Syslog(SyslogRecorder::new(config, args.record_id, labels?)))
        }
    }
}
