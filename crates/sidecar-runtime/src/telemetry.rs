//! Log lines on stderr: text on a terminal, JSON elsewhere.
//!
//! In go the level and the form, out comes the process-wide subscriber; afterwards every line on
//! stderr is an event of `tracing`, a panic's message included. Only a highest level filters: the
//! filter language of `tracing-subscriber` would bring a regex engine into every image.

use std::io::{self, IsTerminal};
use std::panic;

use clap::{ArgMatches, Args};
use tracing::Level;

use crate::rejections::Rejections;
use crate::setting;

/// The flags of the log, as typed.
#[derive(Debug, Args)]
#[group(skip)] // an image may have a group of this name
pub(crate) struct LogArgs {
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// text, json, or auto: text on a terminal, JSON elsewhere
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    log_format: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text if stderr is a terminal, else JSON.
    Auto,
    Text,
    Json,
}

/// What `--log-level` and `--log-format` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSettings {
    pub(crate) level: Level,
    pub(crate) format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings { level: Level::INFO, format: LogFormat::Auto }
    }
}

impl LogSettings {
    /// As given on any level of the command line; a bad value leaves the default.
    pub(crate) fn of(matches: &ArgMatches, rejections: &mut Rejections) -> LogSettings {
        let levels = [
            ("error", Level::ERROR),
            ("warn", Level::WARN),
            ("info", Level::INFO),
            ("debug", Level::DEBUG),
            ("trace", Level::TRACE),
        ];
        let formats =
            [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
        // Global flags travel to the innermost command.
        let mut innermost = matches;
        while let Some((_name, inner)) = innermost.subcommand() {
            innermost = inner;
        }
        let text = |id| innermost.try_get_one::<String>(id).ok().flatten();
        let level = text("log_level")
            .and_then(|text| rejections.parse("log-level", text, setting::one_of(&levels)));
        let format = text("log_format")
            .and_then(|text| rejections.parse("log-format", text, setting::one_of(&formats)));
        let default = LogSettings::default();
        LogSettings {
            level: level.unwrap_or(default.level),
            format: format.unwrap_or(default.format),
        }
    }
}

/// Sends events to stderr from now on. A second call in one process changes nothing.
pub(crate) fn install(settings: LogSettings) {
    let terminal = io::stderr().is_terminal();
    let json = match settings.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        // A line that cannot be written is lost: complaining to the same stderr would panic.
        .log_internal_errors(false)
        .with_max_level(settings.level)
        .with_ansi(terminal);
    let installed = if json {
        let subscriber = subscriber.json().flatten_event(true);
        subscriber.with_current_span(false).with_span_list(false).try_init()
    } else {
        subscriber.try_init()
    };
    if installed.is_ok() {
        panic::set_hook(Box::new(report_panic));
    }
}

fn report_panic(info: &panic::PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(message_of_panic = message, location, "Panicked");
    // Nothing unwinds to where the status is chosen.
    #[cfg(panic = "abort")]
    #[expect(clippy::exit, reason = "the alternative is a core dump")]
    std::process::exit(crate::exit::Exit::Broken.status().into());
}
