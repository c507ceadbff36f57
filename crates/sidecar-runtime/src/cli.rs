//! From arguments, environment and settings file to one request, or to everything wrong with them.
//!
//! In go the arguments as typed; out comes what to do with which configuration, or all rejections
//! together. A flag beats its variable, the variable beats the file, the file beats the default:
//! clap knows that order, and the file's values are installed as clap's defaults before the real
//! parse. A first, forgiving parse finds the file. Clap checks no values, because it would stop at
//! the first bad one; it only tells what is not a flag at all. Every flag has a variable, derived
//! from its long name where the image gives none.

mod sections;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::explain::{self, FileValues};
use crate::listen::{Listen, PASSED, listen};
use crate::rejections::Rejections;
use crate::setting;
use crate::settings_file::{self, FileDefault};
use crate::sidecar::{Answer, Section, Sidecar, Subcommand, Tool};
use crate::telemetry::{LogArgs, LogSettings};

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Addresses of the admin port.
const LISTENS_MAX: usize = 16;
/// The words behind an image's own subcommand, in clap.
const WORDS: &str = "words";

/// The flags that every image has, as typed.
#[derive(Debug, Args)]
struct RuntimeArgs {
    /// Addresses of the admin port: /metrics, /healthz, /readyz, POST /quitquitquit; repeatable
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', required = false)]
    admin_listen: Vec<String>,
    /// Time from SIGTERM to the end, below terminationGracePeriodSeconds
    #[arg(long, value_name = "DURATION", default_value = "25s")]
    shutdown_grace: String,
    #[command(flatten)]
    log: LogArgs,
    /// YAML file with settings by their long names; flags and variables win over it
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
}

/// The runtime's own settings in effect.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeSettings {
    /// The flag that named the addresses.
    pub(crate) listen_setting: &'static str,
    pub(crate) listens: Vec<Listen>,
    pub(crate) shutdown_grace: Duration,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request<C> {
    Run(RuntimeSettings, C),
    Check(C),
    Healthcheck { listens: Vec<Listen>, path: &'static str },
    Say(Answer),
}

/// The outcome of reading all settings.
#[derive(Debug)]
pub(crate) enum Parsed<C> {
    /// Help or the version, for stdout.
    Print(String),
    Settled {
        log: LogSettings,
        /// Variables with the image's prefix that belong to no flag.
        unknown_variables: Vec<String>,
        /// What `explain` says, on stdout and before anything else.
        explained: Option<Vec<u8>>,
        request: Result<Request<C>, Rejections>,
    },
}

/// The whole command line of an image. Tests walk its flags: each but help and version has a
/// variable.
#[must_use]
pub fn command<S: Sidecar>() -> Command {
    let ready = Arg::new("ready").long("ready").action(ArgAction::SetTrue);
    let ready = ready.help("Asks /readyz instead of /healthz");
    let check = Command::new("check").about("Validates the settings: exit status 0 or 64");
    let healthcheck = Command::new("healthcheck")
        .about("Asks the running process whether it is healthy: exit status 0 or 1")
        .arg(ready);
    let command = RuntimeArgs::augment_args(S::Args::augment_args(Command::new(S::NAME)));
    let prefix = variable_prefix(S::NAME);
    command
        .about(S::ABOUT)
        .version(VERSION)
        .disable_help_subcommand(true)
        .subcommands([check, explain::subcommand(), healthcheck])
        .subcommands(S::subcommands().iter().map(own_subcommand))
        .subcommands(S::tools().iter().map(misplaced_tool))
        .mut_arg("admin_listen", |arg| arg.default_value(default_listen::<S>()))
        .mut_args(|arg| {
            with_variable(arg, &prefix, S::PEER_VARIABLES, |name| std::env::var_os(name))
        })
        .mut_args(|arg| arg.global(true).hide_env_values(true))
}

fn own_subcommand<C>(own: &Subcommand<C>) -> Command {
    let command = match own.about {
        Some(about) => Command::new(own.name).about(about),
        None => Command::new(own.name).hide(true),
    };
    let words = own.words.map(|name| {
        let words = Arg::new(WORDS).value_name(name).required(true).num_args(1..);
        words.value_parser(OsStringValueParser::new())
    });
    command.args(words)
}

/// What stands for a tool in the help, and is asked if its name is not the first word.
fn misplaced_tool(tool: &Tool) -> Command {
    let words = Arg::new(WORDS).num_args(0..).hide(true).allow_hyphen_values(true);
    Command::new(tool.name).about(tool.about).arg(words)
}

/// Reads everything. `arguments` begin with the program's name.
pub(crate) fn parse<S: Sidecar>(arguments: Vec<OsString>) -> Parsed<S::Config> {
    let arguments = &S::peer_arguments(arguments);
    let mut rejections = Rejections::default();
    let command = command::<S>();
    let unknown_variables = unknown_variables(&command, &variable_prefix(S::NAME));
    let mut command = without_bad_flags(command, &mut rejections);
    let forgiving = match command.clone().ignore_errors(true).try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(message) => return Parsed::Print(message.render().to_string()),
    };
    let mut file = FileValues::default();
    if let Some(path) = text_of(innermost(&forgiving), "config") {
        let read = settings_file::read(&path, &command, S::SECTIONS, &mut rejections);
        for default in read.defaults {
            file.ids.insert(default.id.clone());
            command = with_default(command, default, innermost(&forgiving));
        }
        (file.path, file.sections) = (path, S::SECTIONS.map(|list| (list, read.sections)));
    }
    let matches = match command.clone().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            reject_usage(&error, &mut rejections);
            let forgiving = command.clone().ignore_errors(true).try_get_matches_from(arguments);
            let matches = forgiving.unwrap_or_default();
            let log = LogSettings::of(&matches, &mut Rejections::default());
            let explained = explain::explain(&command, &matches, &file, S::SECRETS, &rejections);
            let request = Err(rejections);
            return Parsed::Settled { log, unknown_variables, explained, request };
        }
    };
    let log = LogSettings::of(&matches, &mut rejections);
    let sections = file.sections.as_ref().map_or(&[][..], |(_list, sections)| sections);
    let sections = sections::read::<S>(sections, &command, arguments, &matches, &mut rejections);
    let request = request::<S>(&matches, sections, &mut rejections);
    let explained = explain::explain(&command, &matches, &file, S::SECRETS, &rejections);
    let request = match request {
        Some(request) if rejections.is_empty() => Ok(request),
        _ => Err(rejections),
    };
    Parsed::Settled { log, unknown_variables, explained, request }
}

fn request<S: Sidecar>(
    matches: &ArgMatches,
    sections: Vec<Section<S::Args>>,
    rejections: &mut Rejections,
) -> Option<Request<S::Config>> {
    let runtime = runtime_settings::<S>(matches, rejections);
    if let Some(("healthcheck", healthcheck)) = matches.subcommand() {
        let path = if healthcheck.get_flag("ready") { "/readyz" } else { "/healthz" };
        return runtime.map(|runtime| Request::Healthcheck { listens: runtime.listens, path });
    }
    let named = matches.subcommand_name();
    if let Some(tool) = S::tools().iter().find(|tool| named == Some(tool.name)) {
        rejections.reject(tool.name, "", "has to be the first word, with its flags behind it");
        return None;
    }
    let args = match S::Args::from_arg_matches(innermost(matches)) {
        Ok(args) => args,
        Err(error) => {
            reject_usage(&error, rejections);
            return None;
        }
    };
    let config = S::configure_sections(args, sections, rejections);
    debug_assert!(config.is_some() || !rejections.is_empty(), "None without a rejection");
    let Some((name, inner)) = matches.subcommand() else {
        return runtime.zip(config).map(|(runtime, config)| Request::Run(runtime, config));
    };
    let config = config?;
    let own = S::subcommands().into_iter().find(|own| own.name == name);
    Some(match own {
        Some(own) => Request::Say((own.answer)(&config, &words_of(inner))),
        None => Request::Check(config),
    })
}

fn words_of(matches: &ArgMatches) -> Vec<OsString> {
    let words = matches.try_get_many::<OsString>(WORDS).ok().flatten();
    words.into_iter().flatten().cloned().collect()
}

fn runtime_settings<S: Sidecar>(
    matches: &ArgMatches,
    rejections: &mut Rejections,
) -> Option<RuntimeSettings> {
    let args = match RuntimeArgs::from_arg_matches(innermost(matches)) {
        Ok(args) => args,
        Err(error) => {
            reject_usage(&error, rejections);
            return None;
        }
    };
    let is_passed = S::PASSED_FLAG.is_some_and(|flag| {
        text_of(innermost(matches), flag).is_some_and(|text| setting::flag(&text) == Ok(true))
    });
    let own = S::LISTEN_FLAG.map(|flag| (flag, texts_of(matches, flag)));
    let own = match S::PASSED_FLAG.filter(|_| is_passed) {
        Some(flag) => Some((flag, vec![PASSED.to_owned()])),
        None => own.filter(|(_, texts)| !texts.is_empty()),
    };
    let default = [default_listen::<S>()];
    let admin = (own.is_none() || args.admin_listen != default)
        .then_some(("admin-listen", args.admin_listen));
    let listen_setting = own.as_ref().or(admin.as_ref()).map_or("admin-listen", |(flag, _)| *flag);
    let mut listens = Vec::new();
    for (flag, texts) in own.into_iter().chain(admin) {
        let texts = texts.iter().flat_map(|text| text.split('\n')).map(str::trim);
        listens.extend(texts.filter_map(|text| rejections.parse(flag, text, listen)));
    }
    if listens.len() > LISTENS_MAX {
        let reason = format!("more than {LISTENS_MAX} addresses");
        rejections.reject(listen_setting, &listens.len().to_string(), reason);
    }
    let grace = rejections.parse("shutdown-grace", &args.shutdown_grace, setting::duration);
    Some(RuntimeSettings { listen_setting, listens, shutdown_grace: grace? })
}

/// The matches that see all flags, wherever they were given: global ones travel to the subcommand.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| inner)
}

fn texts_of(matches: &ArgMatches, id: &str) -> Vec<String> {
    let texts = innermost(matches).try_get_many::<String>(id).ok().flatten();
    texts.into_iter().flatten().cloned().collect()
}

fn default_listen<S: Sidecar>() -> String {
    format!(":{}", S::ADMIN_PORT)
}

fn text_of(matches: &ArgMatches, id: &str) -> Option<String> {
    matches.try_get_one::<String>(id).ok().flatten().cloned()
}

pub(crate) fn variable_prefix(name: &str) -> String {
    format!("{}_", name.to_ascii_uppercase().replace('-', "_"))
}

/// Gives the flag its variable. Where that is not set, the first variable of the replaced program
/// that holds something takes its place.
pub(crate) fn with_variable(
    arg: Arg,
    prefix: &str,
    peers: &[(&str, &'static str)],
    value: impl Fn(&str) -> Option<OsString>,
) -> Arg {
    let Some(long) = arg.get_long().filter(|_| arg.get_env().is_none()) else { return arg };
    let own = format!("{prefix}{}", long.to_ascii_uppercase().replace(['-', '.'], "_"));
    let mut peers = peers.iter().filter(|(flag, _)| *flag == long).map(|(_, variable)| *variable);
    let peer = peers.find(|variable| value(variable).is_some_and(|value| !value.is_empty()));
    match peer.filter(|_| value(&own).is_none()) {
        Some(peer) => arg.env(peer),
        None => arg.env(own),
    }
}

/// Installs a value of the settings file, unless a flag or variable is there to win over it. The
/// items of a list are whole: only flags and variables are split at commas.
fn with_default(command: Command, default: FileDefault, given: &ArgMatches) -> Command {
    if matches!(
        given.value_source(&default.id),
        Some(ValueSource::CommandLine | ValueSource::EnvVariable)
    ) {
        return command;
    }
    command.mut_arg(default.id, |arg| {
        let arg = if default.is_list { arg.value_delimiter(None) } else { arg };
        arg.default_values(default.values)
    })
}

/// Rejects variables of yes-or-no flags that say neither, and hides them from clap, which would
/// stop at them. What they may say is what the settings file may say.
fn without_bad_flags(command: Command, rejections: &mut Rejections) -> Command {
    command.mut_args(|arg| {
        if !matches!(arg.get_action(), ArgAction::SetTrue) {
            return arg;
        }
        let arg = arg.value_parser(clap::builder::BoolishValueParser::new());
        let value = arg.get_env().and_then(std::env::var_os);
        let Some(value) = value.map(|value| value.to_string_lossy().into_owned()) else {
            return arg;
        };
        let long = arg.get_long().unwrap_or_default().to_owned();
        match setting::flag(&value) {
            Ok(_) => arg,
            Err(error) => {
                rejections.reject(&long, &value, error);
                arg.env(clap::builder::Resettable::Reset)
            }
        }
    })
}

/// Reports what clap did not understand, as one line.
pub(crate) fn reject_usage(error: &clap::Error, rejections: &mut Rejections) {
    let text_in = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let setting = text_in(ContextKind::InvalidArg).or(text_in(ContextKind::InvalidSubcommand));
    let value = text_in(ContextKind::InvalidValue).unwrap_or_default();
    let reason = match error.kind() {
        ErrorKind::UnknownArgument => "no such flag".to_owned(),
        ErrorKind::InvalidSubcommand => "no such subcommand".to_owned(),
        ErrorKind::MissingRequiredArgument => "missing".to_owned(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing, see the help".to_owned()
        }
        _ => {
            let message = error.render().to_string();
            let line = message.lines().next().unwrap_or_default();
            line.strip_prefix("error: ").unwrap_or(line).to_owned()
        }
    };
    rejections.reject(setting.as_deref().unwrap_or("command line"), &value, reason);
}

/// Variables that look like ours and mean nothing, which is mostly a typing error.
pub(crate) fn unknown_variables(command: &Command, prefix: &str) -> Vec<String> {
    let known: BTreeSet<&str> =
        command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
    let mut unknown: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(prefix) && !known.contains(name.as_str()))
        .filter(|name| !is_service_variable(name))
        .collect();
    unknown.sort();
    unknown
}

/// Kubernetes sets such variables for every Service of the namespace, whatever its name.
fn is_service_variable(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_variable(set: &[(&str, &str)], expected: &str) {
        let arg = Arg::new("a").long("nginx.scrape-uri");
        let peers = [("nginx.scrape-uri", "SCRAPE_URI"), ("nginx.timeout", "TIMEOUT")];
        let value = |name: &str| Some(set.iter().find(|(set, _)| *set == name)?.1.into());
        let arg = with_variable(arg, &variable_prefix("nginx-adapter"), &peers, value);
        assert_eq!(arg.get_env().unwrap(), expected);
    }

    #[test]
    fn names_of_variables() {
        let own = "NGINX_ADAPTER_NGINX_SCRAPE_URI";
        check_variable(&[], own);
        check_variable(&[("SCRAPE_URI", "")], own);
        check_variable(&[("TIMEOUT", "1s")], own);
        check_variable(&[("SCRAPE_URI", "x")], "SCRAPE_URI");
        check_variable(&[("SCRAPE_URI", "x"), (own, "y")], own);
    }

    #[test]
    fn variables_that_kubernetes_makes() {
        for (name, expected) in [
            ("LOG_SHIPPER_SERVICE_HOST", true),
            ("LOG_SHIPPER_METRICS_SERVICE_PORT_HTTP", true),
            ("LOG_SHIPPER_PORT", true),
            ("LOG_SHIPPER_PORT_9180_TCP_ADDR", true),
            ("LOG_SHIPPER_SINK", false),
            ("LOG_SHIPPER_REPORT", false),
        ] {
            assert_eq!(is_service_variable(name), expected, "{name}");
        }
    }
}
