//! The one pool that flags and variables describe, as the reference image does it.

use std::time::Duration;

use sidecar_runtime::{Rejections, setting};

use super::listen::{pool_listen, port_number};
use super::server_list::{MALEXER, server_list};
use super::{PoolConfig, PoolListen, given};
use crate::cli::Args;

/// What the reference image calls its pool.
const NAME: &str = "pool";
const DEFAULT_SERVERS: &str = "127.0.0.1:6378:1,127.0.0.1:6379:1";
/// Connections that wait to be accepted.
pub(super) const BACKLOG: u32 = 512;
/// Addresses of one pool.
const LISTENS_MAX: usize = 16;

/// Reads it.
pub(super) fn pool(
    args: &Args,
    warnings: &mut Vec<String>,
    rejections: &mut Rejections,
) -> Option<PoolConfig> {
    let as_malexer = match given(args.redis_servers_compat.as_deref()) {
        None => false,
        Some(MALEXER) => true,
        Some(text) => {
            rejections.reject("redis-servers-compat", text, format!("expected {MALEXER}"));
            false
        }
    };
    let servers = given(args.redis_servers.as_deref()).unwrap_or(DEFAULT_SERVERS);
    let servers = server_list(servers, as_malexer, warnings, rejections);
    let listens = listens(args, rejections);
    let hash = rejections.parse("hash", &args.hash, str::parse);
    let distribution = rejections.parse("distribution", &args.distribution, str::parse);
    let hash_tag = args.hash_tag.as_deref().filter(|text| !text.is_empty());
    let hash_tag = hash_tag.and_then(|text| rejections.parse("hash-tag", text, two_bytes));
    let timeout = rejections.parse("timeout", &args.timeout, time_limit);
    let retry = rejections.parse("server-retry-timeout", &args.server_retry_timeout, milliseconds);
    let failures = rejections.parse("server-failure-limit", &args.server_failure_limit, number);
    rejections.parse("server-connections", &args.server_connections, at_least_one);
    let clients = rejections.parse("client-connections", &args.client_connections, number);
    let db = rejections.parse("redis-db", &args.redis_db, number);
    let auto_eject = rejections.parse("auto-eject-hosts", &args.auto_eject_hosts, setting::flag);
    let preconnect = rejections.parse("preconnect", &args.preconnect, setting::flag);
    Some(PoolConfig {
        name: NAME.to_owned(),
        listens,
        hash: hash?,
        hash_tag,
        distribution: distribution?,
        timeout: timeout?,
        backlog: BACKLOG,
        auth: None,
        db: db?,
        tcp_keepalive: false,
        reuse_port: false,
        preconnect: preconnect?,
        auto_eject: auto_eject?,
        server_retry_timeout: retry?,
        server_failure_limit: failure_limit(failures?),
        client_connections: client_limit(clients?),
        servers,
    })
}

fn listens(args: &Args, rejections: &mut Rejections) -> Vec<PoolListen> {
    let texts: Vec<&str> = args.listen.iter().filter_map(|text| given(Some(text))).collect();
    if texts.is_empty() {
        let port =
            rejections.parse("listen-port", &args.listen_port, |text| port_number(text.trim()));
        return port
            .map(|port| PoolListen::Tcp { host: String::new(), port })
            .into_iter()
            .collect();
    }
    if texts.len() > LISTENS_MAX {
        let reason = format!("more than {LISTENS_MAX} addresses");
        rejections.reject("listen", &texts.len().to_string(), reason);
    }
    let mut listens = Vec::new();
    for text in texts {
        match pool_listen(text) {
            Ok(listen) if listens.contains(&listen) => rejections.reject("listen", text, "twice"),
            Ok(listen) => listens.push(listen),
            Err(reason) => rejections.reject("listen", text, reason),
        }
    }
    listens
}

/// A bare number of milliseconds, as nutcracker has it, or a duration with its unit.
fn milliseconds(text: &str) -> Result<Duration, &'static str> {
    let text = text.trim();
    let bare = text.parse().map(Duration::from_millis).ok();
    bare.or_else(|| setting::duration(text).ok())
        .ok_or("expected milliseconds, or a duration such as 5s")
}

/// No limit for 0, and for the -1 that nutcracker documents as its default.
fn time_limit(text: &str) -> Result<Option<Duration>, &'static str> {
    if text.trim() == "-1" {
        return Ok(None);
    }
    milliseconds(text).map(|limit| Some(limit).filter(|limit| !limit.is_zero()))
}

/// Digits only.
pub(super) fn number(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let number = text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|_| !text.starts_with(['+', '-']));
    number.ok_or_else(|| format!("expected a number from 0 to {}", i32::MAX))
}

pub(super) fn at_least_one(text: &str) -> Result<u32, String> {
    number(text)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "expected a number from 1".to_owned())
}

pub(super) fn two_bytes(text: &str) -> Result<[u8; 2], &'static str> {
    text.as_bytes().try_into().or(Err("expected two characters such as {}"))
}

/// The first failure counts, whether the limit is 0 or 1.
pub(super) fn failure_limit(number: u32) -> u32 {
    number.max(1)
}

/// 0 is no limit.
pub(super) fn client_limit(number: u32) -> Option<usize> {
    usize::try_from(number).ok().filter(|limit| *limit > 0)
}
