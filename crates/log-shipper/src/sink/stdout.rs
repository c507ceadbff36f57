//! The container's own standard output.
//!
//! Whoever reads it may be slow: the write blocks a thread of its own, and with it this sink, but
//! no signal and no probe. After an error the next attempt goes on where the write stopped, so that
//! no line is torn.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};
use sidecar_runtime::StartError;

use super::{Answer, Refusal, blocking};
use crate::batch::Records;

#[derive(Debug)]
pub(crate) struct StdoutSink {
    /// Standard output without the buffer of the library.
    file: Arc<File>,
    /// Bytes of the records at hand that earlier attempts wrote.
    written: usize,
}

impl StdoutSink {
    pub(super) fn open() -> Result<StdoutSink, StartError> {
        let fd = io::stdout().as_fd().try_clone_to_owned();
        let fd = fd.map_err(|error| StartError::new("sink", "stdout", error))?;
        Ok(StdoutSink { file: Arc::new(File::from(fd)), written: 0 })
    }

    pub(super) async fn send(&mut self, records: &Records) -> Answer {
        let file = Arc::clone(&self.file);
        let rest = records.bytes().slice(self.written..);
        let (written, result) = blocking(move || write(&file, &rest)).await;
        match result {
            Ok(()) => {
                self.written = 0;
                Answer::Accepted
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                Answer::Gone("nobody reads standard output any more".to_owned())
            }
            Err(error) => {
                self.written += written;
                Answer::Refused { why: Refusal::Io, detail: error.to_string(), after: None }
            }
        }
    }
}

/// Writes everything, or says how much until the error.
fn write(mut file: &File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        #[expect(clippy::disallowed_methods, reason = "the count of a short write is used")]
        match file.write(&bytes[written..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Somebody else who shares the pipe made it non-blocking.
                let mut ready = [PollFd::new(&file, PollFlags::OUT)];
                match rustix::event::poll(&mut ready, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return (written, Err(error.into())),
                }
            }
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
