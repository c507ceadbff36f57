//! The errors that are ours, in words that name what is wrong and what would help.

/// As Redis says it to a client that has to give a password first.
pub(crate) const NO_AUTH: &[u8] = b"-NOAUTH Authentication required.\r\n";
/// The protocol of a connection cannot change in the middle of that.
pub(crate) const HELLO_NOT_NOW: &str = "ERR Can't execute 'hello' in MULTI or while subscribed";
/// Bytes of a key that an error quotes.
const QUOTED_MAX: usize = 64;

/// A command that works on one server only.
pub(crate) fn needs_one_server(command: &str) -> String {
    format!("ERR '{command}' is not supported with several servers")
}

/// A command that never goes over a shared connection, whatever the number of servers.
pub(crate) fn unsupported(command: &str) -> String {
    format!("ERR '{command}' is not supported by redis-ambassador")
}

/// A command without a key has no server.
pub(crate) fn no_key(command: &str) -> String {
    format!("ERR '{command}' without a key is not supported with several servers")
}

/// Two keys of one command lie on different servers.
pub(crate) fn cross_shard(first: &[u8], other: &[u8]) -> String {
    let (first, other) = (quoted(first), quoted(other));
    format!("CROSSSLOT Keys in request don't hash to the same server: '{first}' and '{other}'")
}

/// A request that would have to be held whole.
pub(crate) fn too_large(bytes: usize) -> String {
    format!("ERR request of at least {bytes} bytes is larger than --client-buffer allows")
}

fn quoted(key: &[u8]) -> String {
    key.get(..QUOTED_MAX).unwrap_or(key).escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_quoted_and_cut() {
        let text = cross_shard(b"a\r\n", &[b'x'; 100]);
        let expected = format!("'a\\r\\n' and '{}'", "x".repeat(QUOTED_MAX));
        assert!(text.ends_with(&expected), "{text}");
    }
}
