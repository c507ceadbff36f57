//! The rows of the contract that a command-line tool keeps: settings, exit status, stdout and
//! stderr, and a page that says what the tool says.
//!
//! The commands are found by asking for help, so a new one is under the contract at once. The
//! tables of flags stand between two marks in the page and are made from the help;
//! `UPDATE_PAGES=1 cargo test -p e2e --test contract` writes them.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use e2e::binary::{built, installed};
use e2e::process::command;

use crate::settings::{assert_rejected, flags_in};

const NAME: &str = "native-sidecar-probe";
const PREFIX: &str = "NATIVE_SIDECAR_PROBE_";
const BEGIN: &str = "<!-- flags -->\n";
const END: &str = "<!-- /flags -->\n";

/// What the page says of other programs.
const OTHER_FLAGS: [&str; 1] = ["user"];

const SERVER: &str = "--server=http://127.0.0.1:1";

/// The words of a command, and values that it must refuse, all of them at once.
type Refusals = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const BAD_VALUES: [Refusals; 9] = [
    (
        &["cluster", SERVER],
        &[("output", "prose"), ("request-timeout", "soon"), ("log-level", "loud")],
    ),
    (&["dry-run", SERVER], &[("output", "prose"), ("request-timeout", "soon")]),
    (&["webhooks", SERVER], &[("output", "prose"), ("request-timeout", "soon")]),
    (&["workloads", SERVER], &[("output", "prose"), ("stuck-after", "soon")]),
    (&["crds", SERVER], &[("output", "prose"), ("request-timeout", "0s")]),
    (&["lint", "-"], &[("output", "prose"), ("fail-on", "never")]),
    (&["wait-for", "tcp://127.0.0.1:1"], &[("timeout", "soon")]),
    (
        &["shutdown", "--post=http://127.0.0.1:1"],
        &[("post-timeout", "0s"), ("post-deadline", "36501d")],
    ),
    (
        &["universal", "regular", "--dir=/nowhere", "--name=a"],
        &[("settle", "soon"), ("grace", "1"), ("pod-restart-policy", "maybe")],
    ),
];

fn run(arguments: &[&str], variables: &[(String, &str)]) -> Output {
    let mut command = command(built(NAME));
    command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).output().unwrap()
}

fn help_of(path: &[String]) -> String {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let output = run(&arguments, &[]);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every command, as the words that call it, with its help.
fn commands() -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let help = help_of(&path);
        let listed = help.split_once("\nCommands:\n").map(|(_before, rest)| rest);
        let listed = listed.unwrap_or_default().lines().take_while(|line| !line.is_empty());
        // A command's name stands two blanks in; what is further in goes on with its description.
        let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        for name in names.filter_map(|line| line.split_whitespace().next()) {
            open.push(path.iter().cloned().chain([name.to_owned()]).collect());
        }
        found.push((path, help));
    }
    assert!(found.len() >= 15, "{found:?}");
    found.sort();
    found
}

#[test]
fn every_flag_of_every_command_has_its_variable() {
    for (path, help) in commands() {
        for (flag, shown) in flags_in(&help) {
            let expected = format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(shown.variable, Some(expected), "{path:?} --{flag}");
        }
    }
}

#[test]
fn bad_values_are_named_together_wherever_they_come_from() {
    for (words, bad) in BAD_VALUES {
        let flags: Vec<String> =
            bad.iter().map(|(name, value)| format!("--{name}={value}")).collect();
        let wraps = words.contains(&"universal") || words.contains(&"shutdown");
        let tail = wraps.then_some(["--", "true"]);
        let flags = flags.iter().map(String::as_str);
        let by_flags: Vec<&str> =
            words.iter().copied().chain(flags).chain(tail.into_iter().flatten()).collect();
        assert_rejected(&run(&by_flags, &[]), bad);
        let variable = |name: &str| format!("{PREFIX}{}", name.replace('-', "_").to_uppercase());
        let variables: Vec<(String, &str)> =
            bad.iter().map(|(name, value)| (variable(name), *value)).collect();
        let plain: Vec<&str> = words.iter().copied().chain(tail.into_iter().flatten()).collect();
        assert_rejected(&run(&plain, &variables), bad);
    }
}

#[test]
fn what_is_no_command_or_flag_is_rejected() {
    assert_rejected(&run(&["dance"], &[]), &[("dance", "")]);
    assert_rejected(&run(&["cluster", "--no-such-flag=1"], &[]), &[("--no-such-flag", "")]);
    assert_eq!(run(&[], &[]).status.code(), Some(64));
}

#[test]
fn the_log_is_text_on_a_terminal() {
    let line = format!("{} universal copy /no/such/folder", built(NAME).display());
    let mut script = command(installed("script", "bsdutils"));
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let output = script.stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.contains("Cannot copy") && !text.starts_with('{'), "{text}");
}

#[test]
fn help_and_version_go_to_stdout() {
    let version = run(&["--version"], &[]);
    let text = String::from_utf8(version.stdout).unwrap();
    assert!(text.starts_with(&format!("{NAME} 0.")), "{text}");
    assert_eq!((version.status.code(), version.stderr.as_slice()), (Some(0), &b""[..]));
    let mut lost = command(built(NAME));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(lost.arg("--version").stdout(full).status().unwrap().code(), Some(69));
}

#[test]
fn the_page_shows_every_flag_and_names_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = page.join("images").join(NAME).join("README.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let commands = commands();
    let tables = flag_tables(&commands);
    if tables != shown && std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&page, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
    } else {
        assert_eq!(tables, shown, "see UPDATE_PAGES in this file");
    }
    let known: Vec<String> =
        commands.iter().flat_map(|(_path, help)| flags_in(help).into_keys()).collect();
    for word in text.split(|c: char| !(c.is_ascii_lowercase() || c == '-')) {
        let Some(flag) = word.strip_prefix("--").filter(|flag| flag.len() > 1) else { continue };
        let is_known = known.iter().any(|name| name == flag) || OTHER_FLAGS.contains(&flag);
        assert!(is_known || flag.starts_with('-'), "the page names --{flag}, which is no flag");
    }
}

/// One table for each command that has flags of its own. Those of all commands, and of all that ask
/// an API server, have tables of their own.
fn flag_tables(commands: &[(Vec<String>, String)]) -> String {
    let all = &commands[0].1;
    let asking: Vec<&String> = commands
        .iter()
        .map(|(_path, help)| help)
        .filter(|help| help.contains("--kubeconfig"))
        .collect();
    let is_common = |flag: &str| flags_in(all).contains_key(flag);
    let is_asking = |flag: &str| asking.iter().all(|help| flags_in(help).contains_key(flag));
    let mut text = table("all commands", all, is_common);
    let title = "all commands that ask an API server";
    text += &table(title, asking[0], |flag| is_asking(flag) && !is_common(flag));
    for (path, help) in &commands[1..] {
        let asks = asking.contains(&help);
        let is_own = |flag: &str| !(is_common(flag) || asks && is_asking(flag));
        text += &table(&path.join(" "), help, is_own);
    }
    text
}

/// Of those flags in the help that are wanted; nothing if there are none.
fn table(title: &str, help: &str, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut rows = String::new();
    for (flag, shown) in flags_in(help).iter().filter(|(flag, _shown)| is_wanted(flag)) {
        let default = shown.default.as_deref().map(|it| format!("`{it}`")).unwrap_or_default();
        rows += &format!("| `--{flag}` | {default} | {} |\n", meaning_in(help, flag));
    }
    match rows.is_empty() {
        true => rows,
        false => format!("### {title}\n\n| flag | default | meaning |\n|---|---|---|\n{rows}\n"),
    }
}

/// What the help says of a flag, without the variable and the default.
fn meaning_in(help: &str, flag: &str) -> String {
    let is_flag = |line: &str| line.trim_start().starts_with('-');
    let is_it = |line: &str| {
        let after = line.split_once(&format!("--{flag}")).map(|(_before, after)| after);
        is_flag(line)
            && after
                .is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
    };
    let mut lines = help.lines().skip_while(|line| !is_it(line));
    let first = lines.next().unwrap_or_default();
    // The description begins behind two blanks, or on the next line.
    let first = first.trim_start().split_once("  ").map_or("", |(_flag, text)| text.trim());
    let more = lines.take_while(|line| !line.is_empty() && !is_flag(line)).map(str::trim);
    let whole = [first].into_iter().chain(more).collect::<Vec<_>>().join(" ");
    let whole = whole.split("[env: ").next().unwrap_or_default();
    whole.split("[default: ").next().unwrap_or_default().trim().replace('|', "\\|")
}
