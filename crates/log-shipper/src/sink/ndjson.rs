//! NDJSON over HTTP: `application/x-ndjson`, one JSON object a line.
//!
//! There is no protocol beyond HTTP, so 400 says nothing about a single record: it means a receiver
//! that is set up wrongly, and the records wait.

use sidecar_runtime::StartError;

use super::http::{Poster, refused};
use super::{Answer, Refusal};
use crate::batch::Records;
use crate::config::HttpConfig;

#[derive(Debug)]
pub(crate) struct NdjsonSink(Poster);

impl NdjsonSink {
    pub(super) fn open(config: HttpConfig) -> Result<NdjsonSink, StartError> {
        Poster::open(config, "application/x-ndjson").map(NdjsonSink)
    }

    pub(super) async fn send(&mut self, records: &Records) -> Answer {
        match self.0.post(records, Records::bytes).await {
            Ok(_response) => Answer::Accepted,
            Err(Answer::Poison(detail)) => refused(Refusal::ClientError, detail),
            Err(answer) => answer,
        }
    }
}
