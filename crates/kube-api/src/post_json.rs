//! One POST of JSON to any server, without credentials.
//!
//! In goes an AdmissionReview for a webhook, out comes whatever it answers. The address to connect
//! to and the name in the certificate may differ from those in the URL, as when a Service's webhook
//! is reached through a forwarded port.

use std::net::SocketAddr;

use bytes::Bytes;
use net::{BodyEnd, Client, ClientLimits, Route, SendError};
use serde_json::Value;
use tokio::time::Instant;

use crate::access::{AccessError, Server};
use crate::api::{Limits, json_headers};
use crate::failure::Failure;
use crate::trust::{Roots, Trust};

/// Posts `body` and gives the status and the JSON of the answer, whatever the status is; null in
/// place of what is no JSON, unless the status is 2xx.
///
/// Without `ca_pem` the public authorities are trusted.
///
/// # Errors
/// A URL or an authority that cannot be used, no answer, a large one, and one of status 2xx that
/// is no JSON.
pub async fn post_json(
    url: &str,
    connect_to: Option<SocketAddr>,
    server_name: Option<&str>,
    ca_pem: Option<&[u8]>,
    body: &Value,
    limits: &Limits,
) -> Result<(u16, Value), Failure> {
    let server = Server::parse(url).map_err(|error| AccessError::Option {
        option: "the URL",
        value: url.to_owned(),
        reason: error.to_string(),
    })?;
    let trust = ca_pem.map_or(Trust::System, |text| Trust::CaPem(text.to_vec()));
    let tls = match server.is_tls() {
        true => Some(trust.read(&Roots::Public)?.tls(None)?),
        false => None,
    };
    let route = Route { address: connect_to, server_name: server_name.map(str::to_owned) };
    let client_limits = ClientLimits {
        connect_timeout: limits.request_timeout,
        response_timeout: limits.request_timeout,
        response_body_bytes_max: limits.body_bytes_max,
    };
    let place = server.text().to_owned();
    let mut client = Client::routed(server.endpoint().clone(), tls.as_ref(), &route, client_limits)
        .map_err(|source| AccessError::Tls { place: place.clone(), source })?;
    let target = server.endpoint().target().clone();
    let deadline = Instant::now() + limits.request_timeout;
    let body = Bytes::from(body.to_string());
    let unanswered = |source| Failure::unanswered(&place, source, limits.request_timeout);
    let answer = client.post_until(&target, &json_headers(), body, deadline).await;
    let (response, end) = answer.map_err(unanswered)?;
    match end {
        BodyEnd::Whole => {}
        BodyEnd::CutOff => {
            let bytes_max = limits.body_bytes_max;
            return Err(Failure::TooLarge { path: url.to_owned(), bytes_max });
        }
        BodyEnd::Lost { source } => return Err(unanswered(SendError::Interrupted { source })),
    }
    let code = response.status.as_u16();
    match serde_json::from_slice(&response.body) {
        Ok(value) => Ok((code, value)),
        Err(_no_json) if !response.status.is_success() => Ok((code, Value::Null)),
        Err(source) => Err(Failure::NotJson { path: url.to_owned(), source }),
    }
}
