//! Who may pass: user names and bcrypt hashes against the header of a request.
//!
//! In go the `Authorization` header and the users, out comes yes or no. Comparing a password costs
//! tens of milliseconds of CPU by design, so it happens on a thread for blocking work, one at a
//! time, and verdicts are remembered by a digest of user, hash and password under a salt of this
//! process; the passwords themselves are not kept. An unknown name costs as much as a wrong
//! password, so that names cannot be found out by the clock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Verdicts that are remembered; scrapers have a handful of passwords.
const VERDICTS_MAX: usize = 128;
/// Comparisons that wait for their turn; more are refused at once.
const WAITING_MAX: usize = 16;
/// Cost 10 of a random word: what an unknown user's password is compared with.
const NOBODY: &str = "$2b$10$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

/// The memory of verdicts and the queue of comparisons.
#[derive(Debug)]
pub(super) struct Doorman {
    salt: [u8; 16],
    verdicts: Mutex<HashMap<[u8; 32], bool>>,
    waiting: Semaphore,
    turn: Semaphore,
}

impl Doorman {
    pub(super) fn new() -> Doorman {
        let mut salt = [0; 16];
        fastrand::fill(&mut salt);
        let (waiting, turn) = (Semaphore::new(WAITING_MAX), Semaphore::new(1));
        Doorman { salt, verdicts: Mutex::default(), waiting, turn }
    }

    /// Whether the header names one of the users with the right password.
    pub(super) async fn admits(&self, header: Option<&[u8]>, users: &[(String, String)]) -> bool {
        let Some((user, password)) = header.and_then(credentials) else { return false };
        let known = users.iter().find(|(name, _)| name.as_bytes() == user);
        let hash = known.map_or(NOBODY, |(_, hash)| hash).to_owned();
        let key = self.key(&user, &hash, &password);
        if let Some(verdict) = self.remembered(&key) {
            return verdict;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            tracing::warn!("Too many passwords to compare: one is refused");
            return false;
        };
        let _turn = self.turn.acquire().await.expect("nobody closes the semaphore");
        if let Some(verdict) = self.remembered(&key) {
            return verdict;
        }
        let compared = spawn_blocking(move || bcrypt::verify(&password, &hash)).await;
        let verdict = known.is_some() && matches!(compared, Ok(Ok(true)));
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= VERDICTS_MAX {
            verdicts.clear();
        }
        verdicts.insert(key, verdict);
        verdict
    }

    fn remembered(&self, key: &[u8; 32]) -> Option<bool> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn key(&self, user: &[u8], hash: &str, password: &[u8]) -> [u8; 32] {
        let mut text = self.salt.to_vec();
        for part in [user, hash.as_bytes(), password] {
            text.extend_from_slice(&part.len().to_le_bytes());
            text.extend_from_slice(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, &text).as_ref());
        key
    }
}

/// User and password of a header for basic authentication.
fn credentials(header: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text = BASE64_STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (user, password) = text.split_at(colon);
    Some((user.to_vec(), password.get(1..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<u8> {
        format!("Basic {}", BASE64_STANDARD.encode(text)).into_bytes()
    }

    #[tokio::test]
    async fn only_the_right_password_passes() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        let users = [("ann".to_owned(), hash)];
        let doorman = Doorman::new();
        for (text, expected) in [
            ("ann:secret", true),
            ("ann:secret", true),
            ("ann:wrong", false),
            ("ann:wrong", false),
            ("bob:secret", false),
            ("ann", false),
            ("ann:secret:", false),
        ] {
            assert_eq!(doorman.admits(Some(&header(text)), &users).await, expected, "{text}");
        }
        assert!(!doorman.admits(None, &users).await);
        assert!(!doorman.admits(Some(b"Bearer x"), &users).await);
        assert!(
            doorman.admits(Some(&[b"bAsIc ", &header("ann:secret")[6..]].concat()), &users).await
        );
    }

    #[tokio::test]
    async fn a_changed_hash_forgets_old_verdicts_and_memory_is_bounded() {
        let users = |password| [("ann".to_owned(), bcrypt::hash(password, 4).unwrap())];
        let doorman = Doorman::new();
        assert!(doorman.admits(Some(&header("ann:one")), &users("one")).await);
        assert!(!doorman.admits(Some(&header("ann:one")), &users("two")).await);
        let users = users("two");
        for number in 0..200 {
            assert!(!doorman.admits(Some(&header(&format!("ann:{number}"))), &users).await);
        }
        assert!(doorman.verdicts.lock().unwrap().len() <= VERDICTS_MAX);
    }
}
