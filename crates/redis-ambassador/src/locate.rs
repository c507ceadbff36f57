//! `locate`: which server holds a key, as the configuration says and without asking any.
//!
//! In go the settings and keys, out comes a line for each key and pool: key, pool, name and address
//! of the server, with tabs between them. Every server counts as live, as it does when nothing has
//! failed. A pool that places at random has no answer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use placement::{Distribution, Ring};
use sidecar_runtime::{Answer, Subcommand};

use crate::config::{Config, PoolConfig};

/// Stands for name and address where any server may be taken.
const ANY: &str = "*";

/// The subcommand.
pub(crate) fn subcommand() -> Subcommand<Config> {
    let about = Some("Says for each key which server holds it: key, pool, server, address");
    Subcommand { name: "locate", about, words: Some("KEY"), answer }
}

fn answer(config: &Config, keys: &[OsString]) -> Answer {
    let rings: Vec<(&PoolConfig, Ring)> =
        config.pools.iter().map(|pool| (pool, pool.ring())).collect();
    let mut lines = Vec::new();
    for key in keys {
        for (pool, ring) in &rings {
            let (name, address) = server(pool, ring, key.as_bytes());
            lines.extend_from_slice(key.as_bytes());
            lines.extend_from_slice(format!("\t{}\t{name}\t{address}\n", pool.name).as_bytes());
        }
    }
    Answer::Data(lines)
}

fn server(pool: &PoolConfig, ring: &Ring, key: &[u8]) -> (String, String) {
    let is_random = pool.distribution == Distribution::Random && pool.servers.len() > 1;
    match ring.locate(key).filter(|_| !is_random) {
        Some(index) => {
            let server = &pool.servers[index];
            (server.name.clone(), server.address.to_string())
        }
        None => (ANY.to_owned(), ANY.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use sidecar_runtime::Rejections;

    use super::*;
    use crate::cli::Args;
    use crate::config::configure_with;

    #[track_caller]
    fn check(flags: &[&str], keys: &[&[u8]], expected: &[u8]) {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("redis-ambassador"));
        let words = std::iter::once("redis-ambassador").chain(flags.iter().copied());
        let matches = command.try_get_matches_from(words).unwrap();
        let args = <Args as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
        let no_file = Path::new("/nonexistent");
        let config = configure_with(&args, no_file, &mut Rejections::default()).unwrap();
        let keys: Vec<OsString> = keys.iter().map(|key| OsStr::from_bytes(key).into()).collect();
        assert_eq!(answer(&config, &keys), Answer::Data(expected.to_vec()));
    }

    /// What a real nutcracker did with these keys, by the recorded choices.
    #[test]
    fn a_line_for_each_key() {
        let servers = "--redis-servers=127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403,127.0.0.1:7404";
        check(
            &[servers],
            &[b"9364", b"user:1799163", b"\xff"],
            b"9364\tpool\t127.0.0.1:7402\t127.0.0.1:7402\n\
             user:1799163\tpool\t127.0.0.1:7404\t127.0.0.1:7404\n\
             \xff\tpool\t127.0.0.1:7404\t127.0.0.1:7404\n",
        );
    }

    #[test]
    fn names_are_shown_beside_addresses() {
        check(&["--redis-servers=a:1:1 one"], &[b""], b"\tpool\tone\ta:1\n");
        check(&["--redis-servers=/a.sock"], &[b"k"], b"k\tpool\t/a.sock:\t/a.sock\n");
    }

    #[test]
    fn nobody_knows_at_random() {
        let flags = ["--distribution=random", "--redis-servers=a:1,b:1"];
        check(&flags, &[b"k"], b"k\tpool\t*\t*\n");
        let one = ["--distribution=random", "--redis-servers=a:1"];
        check(&one, &[b"k"], b"k\tpool\ta:1\ta:1\n");
    }
}
