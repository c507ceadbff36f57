//! One life of a pod's sandbox: what was seen in it counts in it only.
//!
//! Made of the kernel's boot id, the pod's UID and the cookie of the network namespace. After a
//! reboot or in a new sandbox init containers run again, and what an earlier life left in the
//! directory must not be believed. With hostNetwork the cookie is the node's, and the record may be
//! older than the sandbox; it is only advice.

use std::fs;
use std::io;

use crate::netns_cookie::netns_cookie;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A text without blanks, the same for all containers of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation(String);

impl Generation {
    /// Of this process. `pod_uid` is what the downward API says, if anything.
    ///
    /// # Errors
    /// The boot id cannot be read: /proc is not mounted.
    pub fn current(pod_uid: Option<&str>) -> io::Result<Generation> {
        let boot = fs::read_to_string(BOOT_ID)?;
        let cookie = netns_cookie().map_or("-".to_owned(), |cookie| cookie.to_string());
        Ok(Generation(format!("{}/{}/{cookie}", boot.trim(), pod_uid.unwrap_or("-"))))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
