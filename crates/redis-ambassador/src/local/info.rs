//! INFO and CONFIG GET: what there is to know about an instance.
//!
//! A client asks for two things: whether it may begin (`loading:0`, `role:master`), and what it may
//! expect. Numbers are the ambassador's own; what is the servers' (memory, keys) is left out.

use redis_commands::Command;
use resp::{Protocol, write};

use super::glob::fits;
use super::{Call, Facts, help, refuse};

/// Sections in their order. A field whose value is not known is not there.
fn sections(facts: &Facts<'_>) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let metrics = facts.metrics;
    let seconds = facts.uptime.as_secs();
    let accepted = |pool| metrics.pool_sum(pool, |pool| pool.clients_accepted.get());
    let mut clients = vec![("connected_clients", metrics.clients(facts.pool_index).to_string())];
    clients.extend(facts.pool.client_connections.map(|max| ("maxclients", max.to_string())));
    vec![
        (
            "Server",
            vec![
                ("redis_version", facts.version.to_owned()),
                ("redis_mode", "standalone".to_owned()),
                ("arch_bits", usize::BITS.to_string()),
                ("process_id", std::process::id().to_string()),
                ("tcp_port", facts.tcp_port.to_string()),
                ("server_time_usec", (facts.unix_time)().as_micros().to_string()),
                ("uptime_in_seconds", seconds.to_string()),
                ("uptime_in_days", (seconds / 86_400).to_string()),
            ],
        ),
        ("Clients", clients),
        ("Persistence", vec![("loading", "0".to_owned())]),
        (
            "Stats",
            vec![
                ("total_connections_received", accepted(facts.pool_index).to_string()),
                ("total_commands_processed", metrics.answered(facts.pool_index).to_string()),
            ],
        ),
        ("Replication", vec![("role", "master".to_owned()), ("connected_slaves", "0".to_owned())]),
        ("Cluster", vec![("cluster_enabled", "0".to_owned())]),
        ("Keyspace", Vec::new()),
        (
            "Ambassador",
            vec![
                ("redis_ambassador_version", env!("CARGO_PKG_VERSION").to_owned()),
                ("pool", facts.pool.name.clone()),
                ("servers", facts.pool.servers.len().to_string()),
            ],
        ),
    ]
}

pub(super) fn info(call: Call<'_>, protocol: Protocol, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let wants = |section: &str| {
        call.argc == 1
            || (1..call.argc).any(|index| {
                let all = ["all", "everything", "default", section];
                all.iter().any(|name| call.is(index, name))
            })
    };
    let mut text = String::new();
    for (section, fields) in sections(facts) {
        if !wants(section) {
            continue;
        }
        text.push_str(if text.is_empty() { "# " } else { "\r\n# " });
        text.push_str(section);
        text.push_str("\r\n");
        for (name, value) in fields {
            text.push_str(&format!("{name}:{value}\r\n"));
        }
    }
    write::text(out, protocol, text.as_bytes());
}

pub(super) fn config(
    command: &'static Command,
    call: Call<'_>,
    protocol: Protocol,
    facts: &Facts<'_>,
    out: &mut Vec<u8>,
) {
    match command.name {
        "config|get" => get(call, protocol, facts, out),
        "config|help" => help(
            "CONFIG",
            &["GET <pattern>", "    Return parameters matching the glob-like <pattern>."],
            out,
        ),
        _ => refuse(command, out),
    }
}

/// What clients look for at their start, as far as it is true here.
fn parameters(facts: &Facts<'_>) -> [(&'static str, String); 12] {
    let pool = facts.pool;
    let clients_max = pool.client_connections.unwrap_or(usize::MAX).min(u32::MAX as usize);
    let keepalive = if pool.tcp_keepalive { "300" } else { "0" };
    let text = str::to_owned;
    [
        ("appendonly", text("no")),
        ("cluster-enabled", text("no")),
        ("databases", text("1")),
        ("maxclients", clients_max.to_string()),
        ("maxmemory", text("0")),
        ("port", facts.tcp_port.to_string()),
        ("proto-max-bulk-len", text("536870912")),
        ("replica-read-only", text("yes")),
        ("save", text("")),
        ("slave-read-only", text("yes")),
        ("tcp-keepalive", text(keepalive)),
        ("timeout", text("0")),
    ]
}

/// A name that was asked for without a pattern is given back as it was typed.
fn get(call: Call<'_>, protocol: Protocol, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let is_pattern = |word: &[u8]| word.iter().any(|byte| b"*?[".contains(byte));
    let asked = || (2..call.argc).map(|index| call.arg(index));
    let found: Vec<(&[u8], String)> = parameters(facts)
        .into_iter()
        .filter_map(|(name, value)| {
            let word = asked().find(|word| fits(word, name.as_bytes()))?;
            Some((if is_pattern(word) { name.as_bytes() } else { word }, value))
        })
        .collect();
    write::map_header(out, protocol, found.len());
    for (name, value) in found {
        write::bulk(out, name);
        write::bulk(out, value.as_bytes());
    }
}
