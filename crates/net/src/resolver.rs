//! From a name to addresses, and how long they hold.
//!
//! In goes the name of a host, out come its addresses or an error that tells a name that does not
//! exist from name servers that do not answer. IP literals and `localhost` never ask anybody, and a
//! name in the hosts file never depends on name servers, as with libc; every other is asked with
//! the search domains, `ndots` and name servers of resolv.conf. Nothing is kept between two
//! lookups: a caller asks again because it has a reason to doubt what it knows, and a cache below
//! it would hide the change. getaddrinfo is no choice in a static binary, and tells no TTL.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverOpts};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::Name;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

/// More addresses than this are left out of an answer.
pub const ADDRESSES_MAX: usize = 16;
/// What `localhost` means, in this order.
const LOCALHOST: [IpAddr; 2] = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];
const HOSTS_FILE: &str = "/etc/hosts";
/// What lies behind this in the hosts file is not read.
const HOSTS_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The hosts file tells no time. Engines rewrite it when a container moves to another network.
const HOSTS_FILE_TTL: Duration = Duration::from_secs(30);

/// Asks for names. Made without reading anything; resolv.conf is read at the first name.
pub struct Resolver {
    hosts_file: PathBuf,
    client: OnceLock<TokioResolver>,
}

/// The addresses of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// From 1 to [`ADDRESSES_MAX`]; in the order of the answer, IPv4 before IPv6, except for
    /// `localhost`.
    pub addresses: Vec<IpAddr>,
    /// How long they hold; `None` for ever.
    pub ttl: Option<Duration>,
}

/// Why there are no addresses.
#[derive(Debug, Error)]
pub enum NameError {
    /// A name server said so.
    #[error("no such name")]
    Unknown {
        #[source]
        source: Box<NetError>,
    },
    /// Name servers do not answer, or answer with an error, or resolv.conf cannot be used.
    #[error("no usable answer from the name servers")]
    Unanswered {
        #[source]
        source: Box<NetError>,
    },
    #[error("no answer from the name servers in time")]
    Timeout,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolver {
    #[must_use]
    pub fn new() -> Self {
        Self { hosts_file: HOSTS_FILE.into(), client: OnceLock::new() }
    }

    /// Looks the name up anew. Cancel-safe.
    ///
    /// # Errors
    /// There is no such name, or no answer until `deadline`.
    pub async fn lookup(&self, host: &str, deadline: Instant) -> Result<Answer, NameError> {
        if let Some(addresses) = constant(host) {
            return Ok(Answer { addresses, ttl: None });
        }
        let addresses = self.in_hosts_file(host);
        if !addresses.is_empty() {
            return Ok(Answer { addresses, ttl: Some(HOSTS_FILE_TTL) });
        }
        // Strict names have no underscores, those of containers often do.
        let name = Name::from_str_relaxed(host).map_err(NetError::from)?;
        let lookup = self.client()?.lookup_ip(name);
        let answer = timeout_at(deadline, lookup)
            .await
            .map_err(|_elapsed| NameError::Timeout)?
            .map_err(NameError::from)?;
        let addresses: Vec<IpAddr> = answer.iter().take(ADDRESSES_MAX).collect();
        if addresses.is_empty() {
            return Err(NetError::from("an answer without addresses").into());
        }
        // Of each link of a chain of aliases, too.
        let ttl_seconds = answer.as_lookup().answers().iter().map(|record| record.ttl).min();
        let ttl = Duration::from_secs(ttl_seconds.unwrap_or(0).into());
        Ok(Answer { addresses, ttl: Some(ttl) })
    }

    fn client(&self) -> Result<&TokioResolver, NameError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut builder = TokioResolver::builder_tokio()?;
        settle(builder.options_mut());
        let client = builder.build()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Read at each lookup. A file that cannot be read has no names.
    fn in_hosts_file(&self, host: &str) -> Vec<IpAddr> {
        let mut text = Vec::new();
        let read = File::open(&self.hosts_file)
            .and_then(|file| file.take(HOSTS_FILE_BYTES_MAX).read_to_end(&mut text));
        match read {
            Ok(_length) => addresses_in(&String::from_utf8_lossy(&text), host),
            Err(_unreadable) => Vec::new(),
        }
    }
}

/// What does not come from resolv.conf.
fn settle(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
}

/// The addresses of a host that no one has to be asked about.
fn constant(host: &str) -> Option<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(LOCALHOST.to_vec());
    }
    host.parse().ok().map(|address| vec![address])
}

/// In lines of the form `ADDRESS NAME…`, with comments behind `#`.
fn addresses_in(hosts: &str, host: &str) -> Vec<IpAddr> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address_of = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|name| name.eq_ignore_ascii_case(host)).then_some(address)
    };
    let mut addresses: Vec<IpAddr> =
        hosts.lines().filter_map(address_of).take(ADDRESSES_MAX).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses
}

impl From<NetError> for NameError {
    fn from(source: NetError) -> Self {
        let unknown = matches!(source, NetError::Dns(DnsError::NoRecordsFound(_)));
        let source = Box::new(source);
        if unknown { Self::Unknown { source } } else { Self::Unanswered { source } }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("used", &self.client.get().is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
