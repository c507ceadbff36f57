//! The only place of this program that creates anything, and it never does.
//!
//! In go what to try and the namespace, out comes the API server's answer. The query is part of
//! the path that this module builds, `dryRun=All` is in every one of them, and the namespace is of
//! a type that cannot hold a character that ends a path, so no input can take it away. A test
//! holds that no other source file posts to an API server.
//! Field validation is Warn: Strict would turn a field that 1.27 does not know into an error that
//! hides what happens to other clients, Ignore would hide that it is unknown.

use kube_api::{Api, Failure, Posted};
use serde_json::Value;

const QUERY: &str = "?dryRun=All&fieldValidation=Warn";

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collection {
    Pods,
    PodTemplates,
}

impl Collection {
    /// The resource, as a RBAC rule names it.
    pub(crate) fn resource(self) -> &'static str {
        match self {
            Collection::Pods => "pods",
            Collection::PodTemplates => "podtemplates",
        }
    }
}

/// The name of a namespace: a DNS label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespace(String);

impl Namespace {
    /// Longest name of a namespace.
    const CHARS_MAX: usize = 63;

    pub(crate) fn parse(text: &str) -> Result<Namespace, &'static str> {
        let is_label =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match !text.is_empty() && text.len() <= Self::CHARS_MAX && text.bytes().all(is_label) {
            true => Ok(Namespace(text.to_owned())),
            false => Err("expected the name of a namespace: a-z, 0-9 and -, 63 at most"),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Asks what would be stored. Nothing is.
///
/// # Errors
/// As the API server refuses, or does not answer.
pub(crate) async fn try_create(
    api: &mut Api,
    collection: Collection,
    namespace: &Namespace,
    body: &Value,
) -> Result<Posted, Failure> {
    api.post(&path(collection, namespace), body).await
}

fn path(collection: Collection, namespace: &Namespace) -> String {
    format!("/api/v1/namespaces/{}/{}{QUERY}", namespace.0, collection.resource())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn every_request_is_a_dry_run() {
        let namespace = Namespace::parse("team-7").unwrap();
        let pods = "/api/v1/namespaces/team-7/pods?dryRun=All&fieldValidation=Warn";
        assert_eq!(path(Collection::Pods, &namespace), pods);
        let templates = "/api/v1/namespaces/team-7/podtemplates?dryRun=All&fieldValidation=Warn";
        assert_eq!(path(Collection::PodTemplates, &namespace), templates);
        for text in ["", "a?b", "a/b", "a%3F", "a#", "a b", "A", "a\n", &"a".repeat(64)] {
            assert!(Namespace::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_else_posts_to_an_api_server() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![source];
        let mut posting: Vec<PathBuf> = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if fs::read_to_string(&path).unwrap().contains(concat!(".po", "st(")) {
                    posting.push(path);
                }
            }
        }
        assert_eq!(posting.len(), 1, "{posting:?}");
        assert!(posting.iter().all(|path| path.ends_with("dry_run/request.rs")));
    }
}
