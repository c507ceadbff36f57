//! Lists, page by page.
//!
//! In goes the path of a collection, out come its items. The server keeps the list of the first
//! page for some minutes; if it has forgotten it (410), the list begins anew once, for half of an
//! old list and half of a new one would be wrong.

use std::fmt::Write;

use serde_json::Value;

use super::Api;
use crate::failure::Failure;

/// Items of a page. Real nodes and pods have some 30 KiB each, so that a page has a few megabytes.
const PAGE_ITEMS: usize = 100;
/// The same of definitions, whose schemas have up to a megabyte each.
const PAGE_DEFINITIONS: usize = 20;
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/";
/// A list of five million objects ends sooner by its size.
const PAGES_MAX: usize = 50_000;
const GONE: u16 = 410;

/// How far a list has been read. For lists that are too large to be kept as a whole.
#[derive(Debug, Clone)]
pub struct Pages {
    path: String,
    next: Next,
    read: usize,
}

#[derive(Debug, Clone)]
enum Next {
    First,
    /// The server's word for where it stopped.
    Token(String),
    None,
}

impl Pages {
    /// From the beginning. `path` may have a query.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned(), next: Next::First, read: 0 }
    }

    /// None if there is no other page.
    fn target(&self) -> Option<String> {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        let is_large = self.path.starts_with(DEFINITIONS);
        let limit = if is_large { PAGE_DEFINITIONS } else { PAGE_ITEMS };
        let mut target = format!("{}{mark}limit={limit}", self.path);
        match &self.next {
            Next::None => return None,
            Next::First => {}
            Next::Token(token) => {
                target.push_str("&continue=");
                target.push_str(&segment(token));
            }
        }
        Some(target)
    }
}

impl Api {
    /// All items of a list.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] if all pages together are larger than one answer may be; others see
    /// [`Failure`].
    pub async fn list(&mut self, path: &str) -> Result<Vec<Value>, Failure> {
        match self.list_once(path).await {
            Err(failure) if failure.code() == Some(GONE) => self.list_once(path).await,
            whole => whole,
        }
    }

    /// The items of the next page, None after the last. A failure with status 410 means that the
    /// list has to begin anew.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn next_page(&mut self, pages: &mut Pages) -> Result<Option<Vec<Value>>, Failure> {
        Ok(self.sized_page(pages).await?.map(|(items, _bytes)| items))
    }

    async fn list_once(&mut self, path: &str) -> Result<Vec<Value>, Failure> {
        let mut pages = Pages::new(path);
        let mut items = Vec::new();
        let mut room = self.limits.body_bytes_max;
        while let Some((page, bytes)) = self.sized_page(&mut pages).await? {
            let bytes_max = self.limits.body_bytes_max;
            let too_large = || Failure::TooLarge { path: path.to_owned(), bytes_max };
            room = room.checked_sub(bytes).ok_or_else(too_large)?;
            items.extend(page);
        }
        Ok(items)
    }

    /// With the size of the page.
    async fn sized_page(
        &mut self,
        pages: &mut Pages,
    ) -> Result<Option<(Vec<Value>, usize)>, Failure> {
        let Some(target) = pages.target() else { return Ok(None) };
        if pages.read == PAGES_MAX {
            return Err(Failure::TooManyPages { path: pages.path.clone(), pages_max: PAGES_MAX });
        }
        let body = self.fetch(&target).await?;
        let mut page = crate::failure::parsed(&pages.path, &body)?;
        pages.read += 1;
        let token = page.pointer("/metadata/continue").and_then(Value::as_str);
        pages.next = match token.filter(|token| !token.is_empty()) {
            Some(token) => Next::Token(token.to_owned()),
            None => Next::None,
        };
        match page.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(Some((items, body.len()))),
            // An empty list of Go.
            Some(Value::Null) => Ok(Some((Vec::new(), body.len()))),
            _ => Err(Failure::NoList { path: pages.path.clone() }),
        }
    }
}

/// A name as one segment of a path, or as a value in a query: what has a meaning there is encoded.
#[must_use]
pub fn segment(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
