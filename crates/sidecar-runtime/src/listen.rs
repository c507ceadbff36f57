//! Where the admin port listens: addresses as typed, and the sockets bound to them.
//!
//! In goes a text, out comes a [`Listen`], and from it a [`Listener`]. `:9180` means every address
//! of both families, as it does for Go programs, and every IPv4 address where the machine has no
//! IPv6. A unix socket left over by a process that was killed is replaced, one that somebody still
//! serves is not; ours is open to every user, because the folder it lies in already says who may
//! come, and it is removed at the end.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};

use listenfd::ListenFd;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::setting::SettingError;

/// For a peer to take what was sent.
const STALL_MILLIS_MAX: u32 = 10_000;
/// Sockets that may be passed by systemd.
const PASSED_MAX: usize = 8;

/// What stands for the sockets that systemd passes.
pub(crate) const PASSED: &str = "systemd:";

/// An address to listen on, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// One address.
    Tcp(SocketAddr),
    /// `:PORT`: every address, IPv6 and IPv4.
    Everywhere(u16),
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `systemd:`: the sockets that systemd passed.
    Passed,
}

/// Reads `ADDRESS:PORT`, `:PORT`, `localhost:PORT`, `unix:PATH` or `systemd:`.
///
/// # Errors
/// [`SettingError::Listen`] for anything else; names other than localhost are not resolved.
pub(crate) fn listen(text: &str) -> Result<Listen, SettingError> {
    if text == PASSED {
        return Ok(Listen::Passed);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() {
            Err(SettingError::Listen)
        } else {
            Ok(Listen::Unix(path.into()))
        };
    }
    if let Some(port) = text.strip_prefix(':') {
        return port.parse().map(Listen::Everywhere).or(Err(SettingError::Listen));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        let address = |port| Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        return port.parse().map(address).or(Err(SettingError::Listen));
    }
    text.parse().map(Listen::Tcp).or(Err(SettingError::Listen))
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "{address}"),
            Listen::Everywhere(port) => write!(f, ":{port}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
            Listen::Passed => f.write_str(PASSED),
        }
    }
}

impl Listen {
    /// Binds it. Only passed sockets can be several.
    ///
    /// # Errors
    /// The address is taken, not ours, or nothing was passed.
    pub(crate) async fn bind(&self) -> io::Result<Vec<Listener>> {
        let listener = match self {
            Listen::Tcp(address) => Listener::Tcp(TcpListener::bind(address).await?),
            Listen::Everywhere(port) => Listener::Tcp(bind_everywhere(*port).await?),
            Listen::Unix(path) => {
                let listener = bind_unix(path).await?;
                Listener::Unix(listener, Some((path.clone(), fs::symlink_metadata(path)?.ino())))
            }
            Listen::Passed => return passed(),
        };
        Ok(vec![listener])
    }
}

async fn bind_everywhere(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error)
            if matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
                || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket =
        |path: &Path| fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    // Any other error, such as a full queue, comes from somebody who lives.
    let is_refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    if is_socket(path) && UnixStream::connect(path).await.is_err_and(is_refused) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Takes over what the environment variables of systemd name.
fn passed() -> io::Result<Vec<Listener>> {
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len().min(PASSED_MAX) {
        if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
            listener.set_nonblocking(true)?;
            listeners.push(Listener::Tcp(TcpListener::from_std(listener)?));
        } else if let Ok(Some(listener)) = passed.take_unix_listener(index) {
            listener.set_nonblocking(true)?;
            listeners.push(Listener::Unix(UnixListener::from_std(listener)?, None));
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::other("systemd passed no listening socket"));
    }
    Ok(listeners)
}

/// A bound socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// With the path to remove at the end, if it is ours, and its inode.
    Unix(UnixListener, Option<(PathBuf, u64)>),
}

impl Listener {
    /// The bound address, with the port that the kernel chose for port 0; none for a unix socket.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    /// The next connection and where it comes from.
    pub(crate) fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream, Peer)>> {
        Poll::Ready(Ok(match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(context))?;
                // An answer is written at once; one that waits for an ACK helps nobody. One that
                // the peer does not take is given up.
                stream.set_nodelay(true)?;
                sockopt::set_tcp_user_timeout(&stream, STALL_MILLIS_MAX)?;
                let peer = peer.ip().to_canonical();
                let own = stream.local_addr()?.ip().to_canonical();
                let is_loopback = peer.is_loopback();
                (Box::new(stream), Peer { is_loopback, is_own: is_loopback || peer == own })
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = ready!(listener.poll_accept(context))?;
                (Box::new(stream), Peer { is_loopback: true, is_own: true })
            }
        }))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, Some((path, inode))) = self
            && fs::symlink_metadata(&*path).is_ok_and(|now| now.ino() == *inode)
            && let Err(error) = fs::remove_file(&*path)
        {
            tracing::debug!(path = %path.display(), %error, "Socket could not be removed");
        }
    }
}

/// Where a connection comes from. A unix socket counts as loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) is_loopback: bool,
    /// From loopback, or from the address that it was made to.
    pub(crate) is_own: bool,
}

/// An accepted connection, encrypted or not.
pub type Stream = Box<dyn Duplex>;

/// What a connection can do.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn addresses_as_typed() {
        for (text, shown) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            (":9180", ":9180"),
            ("localhost:0", "127.0.0.1:0"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("systemd:", "systemd:"),
        ] {
            assert_eq!(listen(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "80", ":", ":http", "host:80", "unix:", "::1:80:", "127.0.0.1:99999"] {
            assert_eq!(listen(text), Err(SettingError::Listen), "{text}");
        }
    }

    #[tokio::test]
    async fn both_families_reach_a_port_without_address() {
        let listeners = Listen::Everywhere(0).bind().await.unwrap();
        let port = listeners[0].address().unwrap().port();
        for ip in [std::net::IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            TcpStream::connect((ip, port)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_socket_left_over_is_replaced_and_a_served_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listen = Listen::Unix(path.clone());
        let listeners = listen.bind().await.unwrap();
        assert_eq!(listen.bind().await.unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(listeners);
        assert!(!path.exists());
        let listeners = listen.bind().await.unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(listeners);
        assert!(path.exists(), "the name is another's");
        drop(other);
    }
}
