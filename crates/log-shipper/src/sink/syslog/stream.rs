//! One connection to a syslog receiver, written to and watched.
//!
//! In: bytes and a deadline. Out: that the receiver's kernel has confirmed the last of them, or why
//! nobody knows. A receiver has nothing to say; what it says is read and dropped, so that its end
//! is seen, and TLS can do its part.

use std::time::Duration;

use net::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::queue::unconfirmed;
use crate::sink::http::refused;
use crate::sink::{Answer, Refusal};

/// Between two looks at the send queue: the first, and the longest.
const LOOK_MIN: Duration = Duration::from_micros(500);
const LOOK_MAX: Duration = Duration::from_millis(20);
/// Reads at one look; a receiver that says more than that is closed.
const READS_MAX: usize = 16;
const READ_BYTES: usize = 1024;

pub(super) struct Outgoing {
    stream: Box<dyn Stream>,
}

impl Outgoing {
    pub(super) fn new(stream: Box<dyn Stream>) -> Outgoing {
        Outgoing { stream }
    }

    /// False if the receiver has closed the connection.
    pub(super) async fn is_open(&mut self) -> bool {
        // Let the runtime look at the sockets once: what it knows may date from the last batch.
        tokio::task::yield_now().await;
        for _read in 0..READS_MAX {
            let mut said = [0; READ_BYTES];
            match timeout(Duration::ZERO, self.stream.read(&mut said)).await {
                Err(_nothing) => return true,
                Ok(Ok(0) | Err(_)) => return false,
                Ok(Ok(_)) => {}
            }
        }
        false
    }

    pub(super) async fn deliver(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Answer> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout_at(deadline, write).await {
            Ok(written) => written.map_err(|error| lost(&error.to_string()))?,
            Err(_elapsed) => return Err(late()),
        }
        let mut pause = LOOK_MIN;
        loop {
            let left =
                unconfirmed(self.stream.socket()).map_err(|error| lost(&error.to_string()))?;
            // In this order: what a receiver confirmed before it closed, it may not have read.
            if !self.is_open().await {
                return Err(lost("the receiver closed the connection"));
            }
            if left == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(late());
            }
            sleep(pause).await;
            pause = (2 * pause).min(LOOK_MAX);
        }
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

fn lost(detail: &str) -> Answer {
    refused(Refusal::Interrupted, detail.to_owned())
}

fn late() -> Answer {
    refused(Refusal::Timeout, "not confirmed in time".to_owned())
}
