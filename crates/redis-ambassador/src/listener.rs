//! The sockets that clients connect to: from an address as configured to one listener per thread.
//!
//! With several threads, or if the pool says so, each thread binds a TCP address for itself
//! (SO_REUSEPORT) and the kernel deals out connections; a unix socket is bound once and shared. A
//! socket file left over by a process that was killed is replaced, one that somebody serves is not,
//! and ours is removed at the end.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// A bound listener, not yet part of a runtime.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// The file of a unix socket; removed when dropped, if it is still ours.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

/// Binds one TCP address, `count` times. No address means every one, of both families.
///
/// # Errors
/// The address is taken or not ours.
pub(crate) fn bind_tcp(
    address: Option<IpAddr>,
    port: u16,
    backlog: u32,
    reuse_port: bool,
    count: usize,
) -> io::Result<Vec<Bound>> {
    let everywhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let bind = |ip: IpAddr| {
        (0..count).map(|_| bind_one(SocketAddr::new(ip, port), backlog, reuse_port)).collect()
    };
    match bind(address.unwrap_or(everywhere)) {
        Err(error) if address.is_none() && is_family_missing(&error) => {
            bind(Ipv4Addr::UNSPECIFIED.into())
        }
        bound => bound,
    }
}

fn bind_one(address: SocketAddr, backlog: u32, reuse_port: bool) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(Bound::Tcp(socket.into()))
}

fn is_family_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Binds a unix socket, to be shared by `count` threads.
///
/// # Errors
/// The path cannot be bound, or somebody serves it.
pub(crate) fn bind_unix(
    path: &Path,
    mode: Option<u32>,
    backlog: u32,
    count: usize,
) -> io::Result<(Vec<Bound>, SocketFile)> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    // Any other error, such as a full queue, comes from somebody who lives.
    let is_refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(is_refused) {
        fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile { path: path.to_owned(), inode: fs::symlink_metadata(path)?.ino() };
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    let listener: std::os::unix::net::UnixListener = socket.into();
    let bound = (0..count).map(|_| Ok(Bound::Unix(listener.try_clone()?)));
    Ok((bound.collect::<io::Result<_>>()?, file))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |file: fs::Metadata| file.ino() == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "Socket could not be removed");
        }
    }
}
