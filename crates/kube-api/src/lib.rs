//! The Kubernetes API as raw JSON.
//!
//! access (where the server is and who we are: flags, kubeconfig, service account) → api (one kept
//! connection: get, list, post, stream). Objects go in and come out as [`serde_json::Value`], in
//! their order and with their numbers as written: a typed object drops the fields it does not know,
//! and a tool that looks for dropped fields must not drop any. Nothing is watched, cached or sent
//! again against a failing server.

mod access;
mod api;
mod credential;
mod exec;
mod failure;
#[cfg(test)]
mod fake_server;
mod post_json;
mod secret;
mod trust;

pub use access::{Access, AccessError, AccessOptions};
pub use api::{Api, Limits, Pages, Posted, StreamEnd, segment};
pub use failure::Failure;
pub use post_json::post_json;
pub use trust::Trust;
