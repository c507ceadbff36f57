//! One life of a pod's sandbox: what was seen in it counts in it only.
//!
//! Made of the kernel's boot id, the pod's UID and the cookie of the network namespace. After a
//! reboot or in a new sandbox init containers run again, and what an earlier life left in the
//! directory must not be believed. With hostNetwork the cookie is the node's, and the record may be
//! older than the sandbox; it is only advice.

use std::fs;
use std::io;

use crate::netns_cookie::netns_cookie;

/// In the place of a UID.
const UNTOLD: &str = "-";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The same for all containers of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Boot id and cookie.
    sandbox: String,
    /// Not every container has to be told.
    pod_uid: Option<String>,
}

impl Generation {
    /// Of this process. `pod_uid` is what the downward API says, if anything.
    ///
    /// # Errors
    /// The boot id cannot be read: /proc is not mounted.
    pub fn current(pod_uid: Option<&str>) -> io::Result<Generation> {
        let boot = fs::read_to_string(BOOT_ID)?;
        let cookie = netns_cookie().map_or("-".to_owned(), |cookie| cookie.to_string());
        let sandbox = format!("{}/{cookie}", boot.trim());
        Ok(Generation { sandbox, pod_uid: pod_uid.map(str::to_owned) })
    }

    /// One line.
    pub(crate) fn to_line(&self) -> String {
        format!("{} {}", self.sandbox, self.pod_uid.as_deref().unwrap_or(UNTOLD))
    }

    /// Whether a line was written in this generation, as far as is known.
    pub(crate) fn wrote(&self, line: &str) -> bool {
        let Some((sandbox, uid)) = line.split_once(' ') else { return false };
        let other = self.pod_uid.as_deref().is_some_and(|own| uid != own && uid != UNTOLD);
        sandbox == self.sandbox && !other
    }
}
