//! One target's page, asked for once.
//!
//! In goes a deadline, out come the numbers of the page or a fault. Only a 200 counts. Redirects
//! are followed while they stay on the same server, as nginx's own for a missing slash do: one
//! that leads to another host, port or scheme would make the numbers those of somebody else. The
//! page is held to a size, compressed or not, before anybody looks at it.

use std::io::Read;

use flate2::read::GzDecoder;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, LOCATION, USER_AGENT,
};
use hyper::http::uri::PathAndQuery;
use hyper::{StatusCode, Uri};
use net::{BodyEnd, Client, ClientLimits, Dialing, Endpoint, Response, TlsError};
use tokio::time::Instant;

use super::ScrapeSettings;
use super::failure::{Failure, Fault};
use super::stub_status::StubStatus;
use super::uri::ScrapeUri;

/// Of a page, as sent and decoded. The real one has about a hundred.
const PAGE_BYTES_MAX: usize = 64 << 10;
const REDIRECTS_MAX: usize = 10;
const AGENT: &str = concat!("nginx-adapter/", env!("CARGO_PKG_VERSION"));

#[derive(Debug)]
pub(super) struct Fetcher {
    client: Client,
    headers: HeaderMap,
}

impl Fetcher {
    pub(super) fn new(uri: ScrapeUri, settings: &ScrapeSettings) -> Result<Fetcher, TlsError> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(authorization) = uri.authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        let limits = ClientLimits {
            connect_timeout: settings.timeout,
            response_timeout: settings.timeout,
            response_body_bytes_max: PAGE_BYTES_MAX,
        };
        let dialing = Dialing { verify: settings.verify, proxy_header: settings.proxy_protocol };
        let client = Client::dialing(uri.endpoint, &settings.tls, limits, &dialing)?;
        Ok(Fetcher { client, headers })
    }

    /// Asks for the page. Ends at `deadline` at the latest.
    pub(super) async fn fetch(&mut self, deadline: Instant) -> Result<StubStatus, Fault> {
        let mut target = self.client.endpoint().target().clone();
        for _redirect in 0..=REDIRECTS_MAX {
            let (response, end) = self.client.get(&target, &self.headers, deadline).await?;
            match redirect(&response) {
                None => return page(&response, end),
                Some(location) => target = resolve(self.client.endpoint(), &target, location)?,
            }
        }
        Err(Fault::new(Failure::Redirect, "too many redirects"))
    }
}

/// Where an answer sends us, if it does.
fn redirect(response: &Response) -> Option<&HeaderValue> {
    match response.status {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => response.headers.get(LOCATION),
        _ => None,
    }
}

/// The next target on the same server.
fn resolve(
    endpoint: &Endpoint,
    present: &PathAndQuery,
    location: &HeaderValue,
) -> Result<PathAndQuery, Fault> {
    let unusable = || Fault::new(Failure::Redirect, "the redirect leads to no usable address");
    let text = location.to_str().map_err(|_not_ascii| unusable())?;
    let text = text.split('#').next().unwrap_or(text);
    let scheme = if endpoint.is_tls() { "https" } else { "http" };
    let path = present.path();
    let absolute =
        if text.starts_with("//") { format!("{scheme}:{text}") } else { text.to_owned() };
    let local = match text.as_bytes().first() {
        Some(b'/') if absolute == text => absolute,
        Some(b'?') => format!("{path}{text}"),
        _ if absolute.contains("://") => {
            let uri: Uri = absolute.parse().map_err(|_invalid| unusable())?;
            if !endpoint.is_origin_of(&uri) {
                let (scheme, host) = (uri.scheme_str().unwrap_or(""), uri.host().unwrap_or(""));
                let detail = format!("the redirect leads to another server: {scheme}://{host}");
                return Err(Fault::new(Failure::Redirect, detail));
            }
            uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned()
        }
        _ => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _file)| folder);
            format!("{folder}/{text}")
        }
    };
    local.parse().map_err(|_invalid| unusable())
}

/// What a final answer says.
fn page(response: &Response, end: BodyEnd) -> Result<StubStatus, Fault> {
    if response.status != StatusCode::OK {
        return Err(Fault::new(Failure::Status, format!("the status is {}", response.status)));
    }
    match end {
        BodyEnd::Whole => {}
        BodyEnd::CutOff => return Err(too_large()),
        BodyEnd::Lost { source } => return Err(Fault::caused(Failure::Truncated, &source)),
    }
    let parse = |page: &[u8]| {
        StubStatus::parse(page).map_err(|error| Fault::caused(Failure::Parse, &error))
    };
    match response.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => parse(&response.body),
        Some(b"gzip" | b"x-gzip") => parse(&gunzip(&response.body)?),
        Some(_) => Err(Fault::new(Failure::Encoding, "the page is compressed, and not by gzip")),
    }
}

fn gunzip(body: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut page = Vec::new();
    let limit = u64::try_from(PAGE_BYTES_MAX).expect("64 KiB") + 1;
    GzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut page)
        .map_err(|error| Fault::caused(Failure::Encoding, &error))?;
    if page.len() > PAGE_BYTES_MAX { Err(too_large()) } else { Ok(page) }
}

fn too_large() -> Fault {
    Fault::new(Failure::TooLarge, format!("the page has more than {PAGE_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_on_the_server() {
        let endpoint: Endpoint = "http://web:8080/a/b?c".parse().unwrap();
        let present: PathAndQuery = "/a/b?c".parse().unwrap();
        for (location, expected) in [
            ("/x", Some("/x")),
            ("/x?y=z#there", Some("/x?y=z")),
            ("x", Some("/a/x")),
            ("?q", Some("/a/b?q")),
            ("http://web:8080/x", Some("/x")),
            ("http://WEB:8080", Some("/")),
            ("//web:8080/x", Some("/x")),
            ("http://web/x", None),
            ("//other/x", None),
            ("https://web:8080/x", None),
            ("http://user@web:8080/x", Some("/x")),
            ("http://", None),
            ("/a b", None),
        ] {
            let value = HeaderValue::from_static(location);
            let next = resolve(&endpoint, &present, &value);
            match (next, expected) {
                (Ok(next), Some(expected)) => assert_eq!(next.as_str(), expected, "{location}"),
                (Err(fault), None) => assert_eq!(fault.failure, Failure::Redirect, "{location}"),
                (next, _) => panic!("{location}: {next:?}"),
            }
        }
    }
}
