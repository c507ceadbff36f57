//! What all sinks over HTTP have in common: one POST an attempt.
//!
//! In: a body and its type. Out: the answer of a server that took it, or an [`Answer`] that says
//! why it did not. A status of 2xx is the acknowledgement, 413 asks for fewer records at a time.
//! Everything else is tried again, 401 and 404 too: they mean a receiver that is set up wrongly,
//! and what is not acknowledged is not given up. What 400 means is the protocol's affair.
//!
//! The body of an attempt is made, and compressed, once, however often it is sent.

use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use hyper::header;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use net::{Client, ClientLimits, Response, SendError};
use sidecar_runtime::StartError;

use super::{Answer, Refusal};
use crate::batch::Records;
use crate::compress::Compressor;
use crate::config::HttpConfig;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of an answer's body; more of it closes the connection. Elasticsearch answers each record of a
/// batch in 30 bytes, and in a few hundred those that it refuses.
pub(super) const RESPONSE_BYTES_MAX: usize = 2 << 20;
/// Of an answer's body in a log line.
const DETAIL_BYTES_MAX: usize = 200;
/// A server can ask for a pause of up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// A file with a secret that is larger is not one.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// The sender of one sink.
#[derive(Debug)]
pub(super) struct Poster {
    config: HttpConfig,
    content_type: HeaderValue,
    client: Client,
    compressor: Compressor,
    /// What was made of these records for the last attempt.
    packed: Option<(Records, Bytes)>,
}

impl Poster {
    pub(super) fn open(
        config: HttpConfig,
        content_type: &'static str,
    ) -> Result<Poster, StartError> {
        let reject = |setting: &str, path: &Path, error: String| {
            StartError::new(setting, path.display().to_string(), error)
        };
        for (setting, path) in [
            ("basic-auth-file", &config.basic_auth_file),
            ("bearer-token-file", &config.bearer_token_file),
        ] {
            if let Some(path) = path {
                secret(path).map_err(|error| reject(setting, path, error))?;
            }
        }
        let client = client(&config)?;
        let compressor = Compressor::new(config.codec)
            .map_err(|error| StartError::new("compression", "", error))?;
        let content_type = HeaderValue::from_static(content_type);
        Ok(Poster { config, content_type, client, compressor, packed: None })
    }

    /// Sends the body that `make` makes of the records.
    ///
    /// # Errors
    /// The records were not taken, or only some.
    pub(super) async fn post(
        &mut self,
        records: &Records,
        make: impl FnOnce(&Records) -> Bytes,
    ) -> Result<Response, Answer> {
        let headers = self.headers().map_err(|detail| refused(Refusal::Unauthorized, detail))?;
        let body = match self.packed.take() {
            Some((of, packed)) if of.is(records) => packed,
            _ => self
                .compressor
                .compress(make(records))
                .map_err(|error| refused(Refusal::Io, error.to_string()))?,
        };
        let answer = match self.client.post(&headers, body.clone()).await {
            Ok(response) => judge(response, SystemTime::now()),
            Err(error) => Err(self.on_error(&error)),
        };
        if matches!(answer, Err(Answer::Refused { .. })) {
            self.packed = Some((records.clone(), body));
        }
        answer
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = self.config.headers.clone();
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        if let Some(encoding) = self.config.codec.encoding() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let authorization = if let Some(path) = &self.config.basic_auth_file {
            Some(format!("Basic {}", BASE64_STANDARD.encode(secret(path)?)))
        } else if let Some(path) = &self.config.bearer_token_file {
            Some(format!("Bearer {}", secret(path)?))
        } else {
            None
        };
        if let Some(text) = authorization {
            let mut value =
                HeaderValue::from_str(&text).or(Err("the secret is no header value"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    fn on_error(&mut self, error: &SendError) -> Answer {
        let why = reason_of(error);
        if why == Refusal::Tls
            && let Ok(client) = client(&self.config)
        {
            // Certificates are replaced while we run.
            self.client = client;
        }
        refused(why, net::with_causes(error))
    }
}

pub(super) fn reason_of(error: &SendError) -> Refusal {
    match error {
        SendError::Resolve { .. } => Refusal::Resolve,
        SendError::Connect { .. } => Refusal::Connect,
        SendError::Tls { .. } => Refusal::Tls,
        SendError::Timeout { .. } => Refusal::Timeout,
        SendError::Interrupted { .. } => Refusal::Interrupted,
    }
}

/// Not now, and nobody says when.
pub(super) fn refused(why: Refusal, detail: String) -> Answer {
    Answer::Refused { why, detail, after: None }
}

/// A body for a log line.
pub(super) fn detail(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(DETAIL_BYTES_MAX)]).trim().to_owned()
}

fn client(config: &HttpConfig) -> Result<Client, StartError> {
    let limits = ClientLimits {
        connect_timeout: CONNECT_TIMEOUT.min(config.timeout),
        response_timeout: config.timeout,
        response_body_bytes_max: RESPONSE_BYTES_MAX,
    };
    Client::new(config.endpoint.clone(), &config.tls, limits).map_err(|error| {
        StartError::new("sink-url", config.endpoint.to_string(), net::with_causes(&error))
    })
}

/// What an answer means for the records.
fn judge(response: Response, now: SystemTime) -> Result<Response, Answer> {
    let status = response.status;
    if status.is_success() {
        return Ok(response);
    }
    let detail = format!("{status}: {}", detail(&response.body));
    let after = response.headers.get(header::RETRY_AFTER).and_then(|it| retry_after(it, now));
    let why = match status.as_u16() {
        400 => return Err(Answer::Poison(detail)),
        413 => return Err(Answer::TooLarge),
        429 => Refusal::Throttled,
        503 if after.is_some() => Refusal::Throttled,
        401 | 403 | 407 => Refusal::Unauthorized,
        500.. => Refusal::ServerError,
        _ => Refusal::ClientError,
    };
    Err(Answer::Refused { why, detail, after })
}

/// `Retry-After` in either form, within the limit.
fn retry_after(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let pause = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

/// The first line of a file, without what surrounds it.
pub(super) fn secret(path: &Path) -> Result<String, String> {
    let read = || {
        if std::fs::metadata(path)?.len() > SECRET_BYTES_MAX {
            return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge));
        }
        std::fs::read_to_string(path)
    };
    let text = read().map_err(|error| format!("{}: {error}", path.display()))?;
    match text.trim() {
        "" => Err(format!("{}: the file is empty", path.display())),
        secret => Ok(secret.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    fn response(status: u16, retry_after: Option<&str>) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Response { status, headers, body: Bytes::from_static(b"no\n") }
    }

    #[test]
    fn every_status_has_its_meaning() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |it| Some(Duration::from_secs(it));
        for (status, retry_after, why, after) in [
            (301, None, Refusal::ClientError, None),
            (401, None, Refusal::Unauthorized, None),
            (404, None, Refusal::ClientError, None),
            (429, Some("7"), Refusal::Throttled, seconds(7)),
            (429, Some("86400"), Refusal::Throttled, seconds(300)),
            (429, Some("soon"), Refusal::Throttled, None),
            (503, None, Refusal::ServerError, None),
            (503, Some("Sun, 06 Nov 1994 08:49:41 GMT"), Refusal::Throttled, seconds(4)),
            (503, Some("Sun, 06 Nov 1994 08:00:00 GMT"), Refusal::Throttled, seconds(0)),
        ] {
            let detail = format!("{}: no", StatusCode::from_u16(status).unwrap());
            let expected = Answer::Refused { why, detail, after };
            assert_eq!(judge(response(status, retry_after), now).unwrap_err(), expected);
        }
        assert_eq!(judge(response(413, None), now).unwrap_err(), Answer::TooLarge);
        let poison = Answer::Poison("400 Bad Request: no".to_owned());
        assert_eq!(judge(response(400, None), now).unwrap_err(), poison);
        for taken in [200, 204] {
            assert_eq!(judge(response(taken, None), now).unwrap().status, taken);
        }
    }
}
