//! Who we are, and what to show for it right now.
//!
//! In goes an [`Identity`] as found, out comes the [`Credential`] of the moment: a header, a client
//! certificate, or both. A token file is read at each use, for tokens are replaced while in use; a
//! plugin runs when its last answer has expired, or when a server refused it. All connections of
//! one access share the cache, and its lock is held while a plugin runs, so that a hundred requests
//! start it once.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::header::{HeaderMap, HeaderValue};
use tokio::sync::Mutex;

use crate::access::AccessError;
use crate::exec::Plugin;
use crate::secret::{Certificate, Secret};

/// Who we are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    pub(crate) proof: Proof,
    /// Shown in the TLS handshake, whatever `proof` is.
    pub(crate) certificate: Option<Certificate>,
    pub(crate) impersonation: HeaderMap,
}

/// Where the credential comes from.
#[derive(Clone, Default)]
pub(crate) enum Proof {
    #[default]
    None,
    /// The whole header.
    Fixed(HeaderValue),
    /// The token that was read last stands in for a file that cannot be read.
    TokenFile {
        file: PathBuf,
        last: HeaderValue,
    },
    Plugin(Box<Plugin>),
}

/// What is shown to the server.
#[derive(Clone, Default)]
pub(crate) struct Credential {
    pub(crate) authorization: Option<HeaderValue>,
    /// Instead of the identity's own.
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// None: until a server refuses it.
    pub(crate) expires: Option<SystemTime>,
    /// Grows with each answer of a plugin, so that connections know theirs is an old one.
    pub(crate) generation: u64,
}

#[derive(Debug)]
pub(crate) struct Credentials {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    proof: Proof,
    /// Of a plugin.
    cached: Option<Credential>,
}

impl Proof {
    /// Reads the file at once, to tell a bad one at the start. `instead` serves if it cannot.
    pub(crate) fn token_file(
        file: PathBuf,
        instead: Option<HeaderValue>,
    ) -> Result<Self, AccessError> {
        let what = "the token";
        let read = std::fs::read(&file).map(|text| Secret::new(text).bearer());
        let last = match (read, instead) {
            (Ok(Some(token)), _) | (Ok(None) | Err(_), Some(token)) => token,
            (Err(source), None) => return Err(AccessError::File { what, file, source }),
            (Ok(None), None) => {
                let source = std::io::Error::other("it holds no token");
                return Err(AccessError::File { what, file, source });
            }
        };
        Ok(Self::TokenFile { file, last })
    }
}

impl Credentials {
    pub(crate) fn new(proof: Proof) -> Self {
        Self { state: Mutex::new(State { proof, cached: None }) }
    }

    /// What to show now.
    ///
    /// # Errors
    /// A plugin that gives none.
    pub(crate) async fn current(&self) -> Result<Credential, AccessError> {
        let mut state = self.state.lock().await;
        let now = SystemTime::now();
        state.current(|cached| cached.expires.is_none_or(|expires| now < expires)).await
    }

    /// What to show after `refused` was refused. None if there is nothing else.
    ///
    /// # Errors
    /// A plugin that gives none.
    pub(crate) async fn other_than(
        &self,
        refused: &Credential,
    ) -> Result<Option<Credential>, AccessError> {
        let mut state = self.state.lock().await;
        let other = state.current(|cached| cached.generation != refused.generation).await?;
        let differs =
            other.authorization != refused.authorization || other.generation != refused.generation;
        Ok(differs.then_some(other))
    }
}

impl State {
    async fn current(
        &mut self,
        is_usable: impl Fn(&Credential) -> bool,
    ) -> Result<Credential, AccessError> {
        let fixed = |header: &HeaderValue| Credential {
            authorization: Some(header.clone()),
            ..Credential::default()
        };
        match &mut self.proof {
            Proof::None => Ok(Credential::default()),
            Proof::Fixed(header) => Ok(fixed(header)),
            Proof::TokenFile { file, last } => {
                match std::fs::read(&*file).map(|text| Secret::new(text).bearer()) {
                    Ok(Some(token)) => *last = token,
                    Ok(None) => tracing::warn!(file = %file.display(), "Token file is empty"),
                    Err(error) => {
                        tracing::warn!(file = %file.display(), %error, "Token file is unreadable");
                    }
                }
                Ok(fixed(last))
            }
            Proof::Plugin(plugin) => {
                if let Some(cached) = self.cached.as_ref().filter(|cached| is_usable(cached)) {
                    return Ok(cached.clone());
                }
                let generation = self.cached.as_ref().map_or(0, |cached| cached.generation) + 1;
                let fresh = Credential { generation, ..plugin.run().await? };
                Ok(self.cached.insert(fresh).clone())
            }
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Fixed(_) => f.write_str("Fixed"),
            Self::TokenFile { file, .. } => f.debug_tuple("TokenFile").field(file).finish(),
            Self::Plugin(plugin) => f.debug_tuple("Plugin").field(&plugin.command).finish(),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        assert!(Proof::token_file(file.clone(), None).is_err());
        std::fs::write(&file, "").unwrap();
        assert!(Proof::token_file(file.clone(), None).is_err());
        std::fs::write(&file, "one\n").unwrap();
        let credentials = Credentials::new(Proof::token_file(file.clone(), None).unwrap());
        let first = credentials.current().await.unwrap();
        assert_eq!(first.authorization.as_ref().unwrap(), "Bearer one");
        assert!(credentials.other_than(&first).await.unwrap().is_none());
        std::fs::write(&file, "two").unwrap();
        let second = credentials.other_than(&first).await.unwrap().unwrap();
        assert_eq!(second.authorization.as_ref().unwrap(), "Bearer two");
        std::fs::remove_file(&file).unwrap();
        let third = credentials.current().await.unwrap();
        assert_eq!(third.authorization.as_ref().unwrap(), "Bearer two");
        assert!(!format!("{credentials:?} {third:?}").contains("two"));
    }
}
