//! One sidecar on nodes with and without native sidecars.
//!
//! A pod carries the sidecar twice, and three containers decide which copy runs: `native` (an init
//! container with `restartPolicy: Always`), `arbiter` (a plain init container right after it) and
//! `regular` (an ordinary container). In go a directory that they share and a command; out comes
//! exactly one running command per pod, whatever the node supports and whoever is killed when.
//!
//! The proof of native support is co-liveness: where it is missing, an init container is never
//! alive together with a later container. Life shows in locks that the kernel releases at any
//! death. Files, restart counts and timers prove nothing: init containers run again after a reboot
//! and find the files of their earlier life.
//!
//! The pure machines in `role` decide, `driver` looks and obeys. There is no async runtime here: a
//! copy that sits idle for months costs a page or two.

mod child;
mod copy;
mod draft;
mod driver;
mod generation;
mod locks;
mod netns_cookie;
mod record;
mod role;
mod room;
mod shutdown;
mod signals;
mod status;

pub use self::{
    copy::{COPY_NAME, copy_program},
    driver::{Command, Settings, run_arbiter, run_native, run_regular},
    generation::Generation,
    role::{ArbiterSettings, IdlePolicy, NativeSettings, RegularSettings},
    room::{Room, RoomError},
    shutdown::{Wrapped, run_wrapped},
    status::{RoomStatus, status},
};
