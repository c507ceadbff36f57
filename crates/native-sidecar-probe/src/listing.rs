//! A list of the cluster, of which only a part of each item is kept.
//!
//! In go a path and what to take from an item, out come the parts. Pods and schemas of a large
//! cluster would need gigabytes as a whole, so each page is dropped once its parts are taken. If
//! the API server forgets the list on the way (410) it begins anew, once.

use kube_api::{Api, Failure, Pages};
use serde_json::Value;

const GONE: Option<u16> = Some(410);

/// Reads the whole list.
///
/// # Errors
/// As the API server refuses, or does not answer.
pub(crate) async fn collect<T>(
    api: &mut Api,
    path: &str,
    take: impl Fn(Value) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    match once(api, path, &take).await {
        Err(failure) if failure.code() == GONE => once(api, path, &take).await,
        whole => whole,
    }
}

async fn once<T>(
    api: &mut Api,
    path: &str,
    take: &impl Fn(Value) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let mut pages = Pages::new(path);
    let mut parts = Vec::new();
    while let Some(items) = api.next_page(&mut pages).await? {
        parts.extend(items.into_iter().filter_map(take));
    }
    Ok(parts)
}
