//! Who may pass: user names and bcrypt hashes against the header of a request.
//!
//! In go the `Authorization` header and the users, out comes yes or no. Comparing a password costs
//! tens of milliseconds of CPU by design, so it happens on a thread for blocking work, one at a
//! time, also if nobody waits for the verdict any more. Passwords that fit are remembered by a
//! digest of user, hash and password under a salt of this process; wrong ones are not, so that
//! nobody can push the right ones out. An unknown name is compared with the dearest hash, so
//! that names cannot be found out by the clock where all cost the same.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Passwords that are remembered: one of each user, and some of hashes that were changed.
const REMEMBERED_MAX: usize = 128;
/// Comparisons that wait for their turn; more are refused at once.
const WAITING_MAX: usize = 16;

/// The memory of passwords that fit, and the queue of comparisons.
#[derive(Debug)]
pub(super) struct Doorman {
    salt: [u8; 16],
    remembered: Arc<Mutex<HashSet<[u8; 32]>>>,
    waiting: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

impl Doorman {
    pub(super) fn new() -> Doorman {
        let mut salt = [0; 16];
        fastrand::fill(&mut salt);
        Doorman {
            salt,
            remembered: Arc::default(),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Whether the header names one of the users with the right password.
    pub(super) async fn admits(&self, header: Option<&[u8]>, users: &[(String, String)]) -> bool {
        let Some((user, password)) = header.and_then(credentials) else { return false };
        let known = users.iter().find(|(name, _)| name.as_bytes() == user);
        let dearest = || users.iter().max_by_key(|(_, hash)| cost(hash));
        let Some((_, hash)) = known.or_else(dearest).cloned() else { return false };
        let key = self.key(&user, &hash, &password);
        if known.is_some() && self.remembers(&key) {
            return true;
        }
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            tracing::debug!("Too many passwords to compare: one is refused");
            return false;
        };
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.expect("nobody closes the semaphore");
        if known.is_some() && self.remembers(&key) {
            return true;
        }
        let (is_known, remembered) = (known.is_some(), Arc::clone(&self.remembered));
        let compared = spawn_blocking(move || {
            let fits = bcrypt::verify(&password, &hash).is_ok_and(|fits| fits) && is_known;
            // Whoever asked may be gone, and will ask again.
            if fits {
                remember(&remembered, key);
            }
            drop((waiting, turn));
            fits
        });
        compared.await.unwrap_or(false)
    }

    fn remembers(&self, key: &[u8; 32]) -> bool {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
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

fn remember(remembered: &Mutex<HashSet<[u8; 32]>>, key: [u8; 32]) {
    let mut remembered = remembered.lock().unwrap_or_else(PoisonError::into_inner);
    if remembered.len() >= REMEMBERED_MAX {
        remembered.clear();
    }
    remembered.insert(key);
}

fn cost(hash: &str) -> u32 {
    hash.parse::<bcrypt::HashParts>().map_or(0, |parts| parts.get_cost())
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
    async fn a_changed_hash_forgets_and_wrong_passwords_push_nobody_out() {
        let users = |password| [("ann".to_owned(), bcrypt::hash(password, 4).unwrap())];
        let doorman = Doorman::new();
        let users_of_one = users("one");
        assert!(doorman.admits(Some(&header("ann:one")), &users_of_one).await);
        // The name is another's now, but the hash and so the digest are the same.
        let other = [("bob".to_owned(), users_of_one[0].1.clone())];
        assert!(!doorman.admits(Some(&header("ann:one")), &other).await);
        let users = users("two");
        assert!(!doorman.admits(Some(&header("ann:one")), &users).await);
        assert!(doorman.admits(Some(&header("ann:two")), &users).await);
        for number in 0..200 {
            assert!(!doorman.admits(Some(&header(&format!("ann:{number}"))), &users).await);
        }
        assert_eq!(doorman.remembered.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn comparisons_that_nobody_waits_for_still_take_their_turn() {
        let users = [("ann".to_owned(), bcrypt::hash("secret", 8).unwrap())];
        let doorman = Doorman::new();
        for number in 0..100 {
            let text = header(&format!("ann:{number}"));
            let asked = doorman.admits(Some(&text), &users);
            let abandoned = tokio::time::timeout(std::time::Duration::ZERO, asked).await;
            assert!(abandoned.is_err() || abandoned == Ok(false));
        }
        assert!(doorman.turn.available_permits() == 0, "one runs");
        // Nobody waits for the right one either, and it is remembered.
        let right = header("ann:secret");
        while doorman.remembered.lock().unwrap().is_empty() {
            let asked = doorman.admits(Some(&right), &users);
            drop(tokio::time::timeout(std::time::Duration::from_millis(1), asked).await);
        }
        assert!(doorman.admits(Some(&right), &users).await);
    }
}
