//! Text that is never shown.
//!
//! Tokens, passwords and keys are held as [`Secret`] from the place where they are read to the one
//! where they are sent; a structure that holds one can derive `Debug`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

/// A client certificate and its key, both PEM text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) chain: Secret,
    pub(crate) key: Secret,
}

impl Secret {
    pub(crate) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self(text.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// None for an empty token and for one that no header can hold.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        let token = self.0.trim_ascii();
        (!token.is_empty()).then(|| sensitive([b"Bearer ", token].concat())).flatten()
    }
}

/// None for what no header can hold.
pub(crate) fn basic(user: &str, password: &Secret) -> Option<HeaderValue> {
    let pair = [user.as_bytes(), b":", password.bytes()].concat();
    sensitive(format!("Basic {}", STANDARD.encode(pair)).into_bytes())
}

fn sensitive(value: Vec<u8>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_made_and_never_shown() {
        let bearer = Secret::new(" abc\n").bearer().unwrap();
        assert_eq!(bearer, "Bearer abc");
        let basic = basic("user", &Secret::new("pass")).unwrap();
        assert_eq!(basic, "Basic dXNlcjpwYXNz");
        let shown = format!("{bearer:?} {basic:?} {:?}", Secret::new("abc"));
        assert!(!shown.contains("abc") && !shown.contains("dXNl"), "{shown}");
        for text in ["", " \n", "a\nb"] {
            assert_eq!(Secret::new(text).bearer(), None, "{text:?}");
        }
    }
}
