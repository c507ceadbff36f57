//! A network of its own, as the containers of a pod share one.
//!
//! A holder process keeps a network namespace with nothing but loopback alive, and the body of a
//! test runs on a thread inside it: what it binds, connects to and starts is in there. So a test
//! can use port 80 and the default ports, and knows every socket that exists. Needs root.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::binary::installed;
use crate::pace::{SOON, wait_until};
use crate::process::{Guard, command};

/// Runs a test inside a new network. A failure of the body is a failure of the test.
pub fn in_pod(folder: &Path, body: impl FnOnce() + Send) {
    let holder = hold(folder);
    let namespace = format!("/proc/{}/ns/net", holder.pid());
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            let namespace = File::open(&namespace).unwrap();
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).unwrap();
            body();
        });
        if let Err(cause) = inside.join() {
            std::panic::resume_unwind(cause);
        }
    });
}

fn hold(folder: &Path) -> Guard {
    let up = folder.join("network-up");
    let ip = installed("ip", "iproute2");
    let mut unshare = command(installed("unshare", "util-linux"));
    unshare.args([
        "--net",
        "sh",
        "-c",
        "\"$0\" link set lo up && : >\"$1\" && exec sleep infinity",
    ]);
    unshare.arg(ip).arg(&up);
    let holder = Guard::spawn(unshare, folder, "network");
    wait_until("the network", SOON, || fs::exists(&up).unwrap());
    holder
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn ports_are_free_inside() {
        let folder = tempfile::tempdir().unwrap();
        let outside = TcpListener::bind("127.0.0.1:0").unwrap();
        in_pod(folder.path(), || {
            drop(TcpListener::bind(outside.local_addr().unwrap()).unwrap());
        });
    }
}
