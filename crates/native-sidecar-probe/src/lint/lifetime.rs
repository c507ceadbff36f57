//! Containers that do not end where they should.
//!
//! In goes a pod, out come findings for init containers that run for ever and for regular
//! containers that keep a Job from ending. That a container never ends shows in its command, or
//! in an image that is known to be a sidecar; what nobody can tell is left alone.

use manifest::Container;

use super::finding::Severity;
use super::pod::{Findings, Pod, called, image_name, is_universal, words};
use super::rules;
use super::universal::arguments;

/// Last parts of image names that run until they are told to end.
const IMAGES: [&str; 28] = [
    "aws-for-fluent-bit",
    "cloud-sql-proxy",
    "cloudsql-proxy",
    "consul-dataplane",
    "daprd",
    "envoy",
    "filebeat",
    "fluent-bit",
    "fluentd",
    "gce-proxy",
    "grafana-agent",
    "kuma-dp",
    "linkerd-proxy",
    "log-shipper",
    "memcached-exporter",
    "nginx-adapter",
    "nginx-prometheus-exporter",
    "nutcracker",
    "oauth2-proxy",
    "opentelemetry-collector",
    "opentelemetry-collector-contrib",
    "otelcol",
    "promtail",
    "proxyv2",
    "redis-ambassador",
    "redis_exporter",
    "telegraf",
    "vector",
];
/// Container names that injectors give.
const NAMES: [&str; 9] = [
    "istio-proxy",
    "linkerd-proxy",
    "kuma-sidecar",
    "daprd",
    "cloud-sql-proxy",
    "cloudsql-proxy",
    "consul-dataplane",
    "otc-container",
    "gke-gcsfuse-sidecar",
];
/// Programs of those images that are not called as the image; dashes stand for underscores too.
const PROGRAMS: [&str; 8] = [
    "agent",
    "docker-entrypoint.sh",
    "entrypoint.sh",
    "linkerd2-proxy",
    "linkerd2-proxy-identity",
    "otelcol-contrib",
    "otelcol-k8s",
    "pilot-agent",
];
/// Programs that only start another.
const STARTERS: [&str; 2] = ["dumb-init", "tini"];
/// Arguments with which those images do one thing and end.
const ONE_SHOT: [&str; 10] = [
    "validate",
    "--mode validate",
    "check",
    "healthcheck",
    "version",
    "--version",
    "help",
    "wait",
    "istio-iptables",
    "copy",
];
/// Commands that never end.
const ENDLESS: [&str; 5] = ["sleep infinity", "sleep inf", "while true", "while :", "while [ 1 ]"];
/// Words with which an endless loop ends after all.
const WAYS_OUT: [&str; 5] = ["break", "exec", "exit", "kill", "return"];

pub(crate) fn check(pod: &Pod<'_>, findings: &mut Findings) {
    for init in pod.plain_inits().filter(|init| !is_universal(init)) {
        let (severity, reason) = match (endless(init), known(init)) {
            (Some(command), _) => (Severity::Error, format!("runs {command:?}")),
            (None, Some(what)) => (Severity::Warning, format!("is {what}, a sidecar")),
            (None, None) => continue,
        };
        let message = format!("{} {reason}: it does not end by itself", called(init));
        findings.add(pod, &rules::NEVER_ENDS, severity, pod.in_container(init, ""), message);
    }
    if pod.is_job() && !pod.mains().any(wraps_main) {
        in_job(pod, findings);
    }
}

fn in_job(pod: &Pod<'_>, findings: &mut Findings) {
    let is_alone = pod.mains().count() == 1;
    for container in pod.mains() {
        let reason = match (endless(container), known(container)) {
            _ if is_universal(container) => {
                "has work on nodes without native sidecars, and there it".to_owned()
            }
            (Some(command), _) => format!("runs {command:?}: it"),
            (None, Some(what)) if !is_alone => format!("is {what}, a sidecar: it"),
            (None, _) => continue,
        };
        let message = format!("{} {reason} keeps the Job from ending", called(container));
        let pointer = pod.in_container(container, "");
        findings.add(pod, &rules::JOB, Severity::Warning, pointer, message);
    }
}

/// Whether a container asks the sidecars to end when its command has ended.
fn wraps_main(container: &Container<'_>) -> bool {
    arguments(container).is_some_and(|arguments| arguments.first() == Some(&"shutdown"))
}

/// The part of the command that never ends.
fn endless(container: &Container<'_>) -> Option<&'static str> {
    let text = words(container).join(" ");
    if text.contains("timeout") {
        return None;
    }
    if follows_file(&text) {
        return Some("tail -f");
    }
    let ends = WAYS_OUT.iter().any(|word| text.contains(word));
    let command = ENDLESS.iter().find(|command| text.contains(**command))?;
    (!ends || command.starts_with("sleep")).then_some(*command)
}

/// Whether a command line waits for a `tail` that waits for more.
fn follows_file(text: &str) -> bool {
    // Redirections, which end no command.
    let text = text.replace(">&", " ").replace("&>", " ");
    let is_letter = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let calls = text.match_indices("tail ").map(|(at, _)| text.split_at(at));
    let mut calls = calls.filter(|(before, _)| !before.ends_with(is_letter));
    calls.any(|(_, call)| {
        let end = call.find(['\n', '|', ';', '&', ')']).unwrap_or(call.len());
        let (call, after) = call.split_at(end);
        // The reader of a pipe may end, and nobody waits for a job in the background.
        let is_waited_for =
            !after.starts_with(['|', '&']) || after.starts_with("||") || after.starts_with("&&");
        let has = |is_option: fn(&str) -> bool| call.split_whitespace().any(is_option);
        is_waited_for && has(is_follow) && !has(|word| word.starts_with("--pid"))
    })
}

fn is_follow(word: &str) -> bool {
    let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
    word.starts_with("--follow") || letters.is_some_and(|letters| letters.contains(['f', 'F']))
}

/// What well-known sidecar a container is.
fn known<'a>(container: &Container<'a>) -> Option<&'a str> {
    let words = words(container);
    let text = words.join(" ");
    let does_one_thing = ONE_SHOT.iter().any(|word| match word.contains(' ') {
        true => text.contains(word),
        false => words.contains(word),
    });
    let image = image_name(container);
    let is_linkerd = container.value["image"].as_str().unwrap_or("").contains("linkerd/proxy:");
    if does_one_thing || !runs_own_program(container) {
        None
    } else if IMAGES.contains(&image) {
        Some(image)
    } else if is_linkerd || NAMES.contains(&container.name) {
        Some(container.name)
    } else {
        None
    }
}

/// Whether a container leaves its image's program in place, as far as the command tells.
fn runs_own_program(container: &Container<'_>) -> bool {
    let command = container.value["command"].as_array().into_iter().flatten();
    let names = command.filter_map(|word| word.as_str()?.rsplit('/').next());
    let mut programs = names.filter(|name| !name.starts_with('-') && !STARTERS.contains(name));
    programs.next().is_none_or(|program| {
        let is_program = |name: &str| name.replace('_', "-") == program.replace('_', "-");
        IMAGES.iter().chain(&PROGRAMS).any(|name| is_program(name))
    })
}
