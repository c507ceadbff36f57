//! The Kubernetes examples: valid, safe, within their limits, and run.
//!
//! In go the files of k8s-examples as a user applies them. Every document is held against the
//! schemas of the oldest and the newest Kubernetes that is meant, every pod against the restricted
//! Pod Security Standard, and every file passes the probe's own lint. Pods in ordinary form run in
//! podman, which is a node without native sidecars, with the real images' binaries; those in native
//! form differ from them in the place of the sidecar alone, which is checked here too.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their helpers")]

mod example;
mod forms;
mod habits;
mod linted;
mod node;
mod pages;
mod running;
mod schema;
mod stand_ins;
mod standard;

#[track_caller]
fn assert_none(rule: &str, places: &[String]) {
    assert!(places.is_empty(), "{rule}:\n  {}", places.join("\n  "));
}
