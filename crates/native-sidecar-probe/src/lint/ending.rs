//! How a pod ends: hooks that end a sidecar before its turn, and the time that all have together.
//!
//! In goes a pod, out come findings. All preStop hooks start at once; then the main containers get
//! their signal, and when they have ended the sidecars get theirs one by one, the last of the list
//! first, within what is left of the one grace period, and 2 seconds at least. Only waiting that
//! is written down can be added up: sleeps in hooks, and the sidecars' own limits for a drain.

use std::time::Duration;

use manifest::Container;
use sidecar_runtime::setting;

use super::finding::Severity;
use super::pod::{Findings, Pod, called, flag, image_name, variable, words};
use super::rules;

/// What the API server puts where nothing is written.
const GRACE_SECONDS_DEFAULT: u64 = 30;
/// What a sidecar gets when the grace period is over before its turn.
const FLOOR_SECONDS: u64 = 2;
/// Images with `--shutdown-grace`, and what it is where it is not set.
const OURS: [&str; 3] = ["log-shipper", "nginx-adapter", "redis-ambassador"];
const OUR_GRACE_SECONDS: u64 = 25;
/// Commands of hooks that end the container's main process, as words that follow one another.
const ENDING: [&str; 12] = [
    "kill 1",
    "kill -15 1",
    "kill -9 1",
    "kill -TERM 1",
    "kill -s TERM 1",
    "kill -SIGTERM 1",
    "killall",
    "pkill",
    "nginx -s quit",
    "nginx -s stop",
    "quitquitquit",
    "redis-cli shutdown",
];
/// Paths that hooks ask for to the same end.
const ENDING_PATHS: [&str; 4] = ["/quitquitquit", "/shutdown", "/exit", "/quit"];

pub(crate) fn check(pod: &Pod<'_>, findings: &mut Findings) {
    for sidecar in pod.sidecars() {
        pre_stop(pod, sidecar, findings);
    }
    if pod.sidecars().next().is_some() {
        grace(pod, findings);
    }
}

fn pre_stop(pod: &Pod<'_>, sidecar: &Container<'_>, findings: &mut Findings) {
    let hook = &sidecar.value["lifecycle"]["preStop"];
    let command = hook_words(sidecar).join(" ");
    let words: Vec<&str> = shell_words(&command).collect();
    let runs = |ending: &str| {
        let ending: Vec<&str> = ending.split(' ').collect();
        words.windows(ending.len()).any(|part| part == ending)
    };
    let path = hook["httpGet"]["path"].as_str().unwrap_or("");
    let does = match ENDING.iter().find(|ending| runs(ending)) {
        Some(ending) => format!("runs {ending:?}"),
        None if ENDING_PATHS.iter().any(|ending| path.starts_with(ending)) => {
            format!("asks for {path}")
        }
        None => return,
    };
    let message = format!(
        "{}: preStop {does}: it ends while the main containers still run, \
         and the kubelet starts it again",
        called(sidecar)
    );
    let pointer = pod.in_container(sidecar, "/lifecycle/preStop");
    findings.add(pod, &rules::PRE_STOP, Severity::Warning, pointer, message);
}

fn grace(pod: &Pod<'_>, findings: &mut Findings) {
    let pointer = pod.in_spec("/terminationGracePeriodSeconds");
    let written = pod.spec()["terminationGracePeriodSeconds"].as_u64();
    let total = written.unwrap_or(GRACE_SECONDS_DEFAULT);
    if total == 0 {
        let message = "terminationGracePeriodSeconds 0: sidecars are killed together with the \
                       main containers"
            .to_owned();
        return findings.add(pod, &rules::NO_GRACE, Severity::Warning, pointer, message);
    }
    let plan = Plan::of(pod);
    if plan.end <= total {
        return;
    }
    let severity = match plan.end_of_longest > total {
        true => Severity::Warning,
        false => Severity::Note,
    };
    let default = if written.is_none() { " by default" } else { "" };
    let message = format!(
        "terminationGracePeriodSeconds is {total}{default}, and {} take {} s one after another; \
         who comes too late gets {FLOOR_SECONDS} s",
        plan.steps.join(", "),
        plan.end
    );
    findings.add(pod, &rules::GRACE, severity, pointer, message);
}

/// The seconds of a pod's end that are written down.
#[derive(Debug, Default)]
struct Plan {
    steps: Vec<String>,
    /// When the first sidecar of the list has ended.
    end: u64,
    /// When the slowest sidecar would have ended if it were the only one.
    end_of_longest: u64,
}

impl Plan {
    fn of(pod: &Pod<'_>) -> Plan {
        let mut plan = Plan::default();
        let mains = pod.mains().map(|main| (hook_sleep(main), main));
        if let Some((seconds, main)) = mains.max_by_key(|(seconds, _)| *seconds) {
            plan.hook(seconds, main);
        }
        let after_mains = plan.end;
        plan.end_of_longest = after_mains;
        // The last of the list ends first.
        let sidecars: Vec<&Container<'_>> = pod.sidecars().collect();
        for sidecar in sidecars.into_iter().rev() {
            let (hook, grace) = (hook_sleep(sidecar), own_grace(sidecar));
            plan.hook(hook, sidecar);
            if grace > 0 {
                plan.steps.push(format!("{} up to {grace} s", called(sidecar)));
                plan.end = plan.end.saturating_add(grace);
            }
            let alone = after_mains.max(hook).saturating_add(grace);
            plan.end_of_longest = plan.end_of_longest.max(alone);
        }
        plan
    }

    /// A preStop hook, which began together with all others.
    fn hook(&mut self, seconds: u64, container: &Container<'_>) {
        if seconds > self.end {
            self.steps.push(format!("preStop of {} until {seconds} s", called(container)));
            self.end = seconds;
        }
    }
}

/// The words of a shell's commands; a path is a word for each of its parts.
fn shell_words(command: &str) -> impl Iterator<Item = &str> {
    let between = |letter: char| letter.is_whitespace() || ";&|()<>`'\"/?{}".contains(letter);
    command.split(between).filter(|word| !word.is_empty())
}

fn hook_words<'a>(container: &Container<'a>) -> Vec<&'a str> {
    let command = container.value["lifecycle"]["preStop"]["exec"]["command"].as_array();
    command.into_iter().flatten().filter_map(|word| word.as_str()).collect()
}

/// Seconds that a preStop hook sleeps.
fn hook_sleep(container: &Container<'_>) -> u64 {
    let hook = &container.value["lifecycle"]["preStop"];
    let command = hook_words(container).join(" ");
    let in_command = command.split("sleep ").nth(1).and_then(|rest| {
        let word = rest.split([' ', ';', '&', '|']).next()?;
        match word.parse::<u64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => setting::duration(word).ok().map(|duration| duration.as_secs()),
        }
    });
    hook["sleep"]["seconds"].as_u64().or(in_command).unwrap_or(0)
}

/// Seconds that a sidecar may take after its signal, where its settings tell.
fn own_grace(sidecar: &Container<'_>) -> u64 {
    let words = words(sidecar);
    let image = image_name(sidecar);
    let duration = |text: &str| setting::duration(text).ok().map(|grace: Duration| grace.as_secs());
    if OURS.contains(&image) {
        let prefix = image.replace('-', "_").to_uppercase();
        let set = flag(&words, "shutdown-grace")
            .or_else(|| variable(sidecar, &format!("{prefix}_SHUTDOWN_GRACE")));
        return set.and_then(duration).unwrap_or(OUR_GRACE_SECONDS);
    }
    // cloud-sql-proxy, envoy's drain, istio's.
    let drain = flag(&words, "max-sigterm-delay").and_then(duration);
    let envoy = flag(&words, "drain-time-s").and_then(|text| text.parse().ok());
    let istio = variable(sidecar, "TERMINATION_DRAIN_DURATION_SECONDS");
    drain.or(envoy).or_else(|| istio?.parse().ok()).unwrap_or(0)
}
