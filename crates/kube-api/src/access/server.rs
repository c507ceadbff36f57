//! The address of an API server, with the path that a proxy in front of it may want.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hyper::http::uri::PathAndQuery;
use net::{Endpoint, EndpointError};

#[derive(Debug, Clone)]
pub(crate) struct Server {
    endpoint: Endpoint,
    /// Before every path; without a slash at its end.
    prefix: String,
    typed: String,
}

impl Server {
    pub(crate) fn parse(text: &str) -> Result<Self, EndpointError> {
        let endpoint: Endpoint = text.parse()?;
        let prefix = endpoint.target().path().trim_end_matches('/').to_owned();
        Ok(Self { endpoint, prefix, typed: text.to_owned() })
    }

    /// `https` at an address, without a path.
    pub(crate) fn at(address: IpAddr, port: u16) -> Result<Self, EndpointError> {
        Self::parse(&format!("https://{}", SocketAddr::new(address, port)))
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.endpoint.is_tls()
    }

    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    /// For people: without a slash at its end, and without the query, which may hold a token.
    pub(crate) fn text(&self) -> &str {
        self.typed.split('?').next().unwrap_or_default().trim_end_matches('/')
    }

    /// None if `path` holds what no request can.
    pub(crate) fn target(&self, path: &str) -> Option<PathAndQuery> {
        let whole = path.starts_with('/').then(|| format!("{}{path}", self.prefix))?;
        whole.parse().ok()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_before_every_request() {
        for (server, text, target) in [
            ("https://h", "https://h", "/api?a=b"),
            ("http://127.0.0.1:8001/", "http://127.0.0.1:8001", "/api?a=b"),
            (
                "https://r/k8s/clusters/c-1/",
                "https://r/k8s/clusters/c-1",
                "/k8s/clusters/c-1/api?a=b",
            ),
        ] {
            let server = Server::parse(server).unwrap();
            assert_eq!(server.text(), text);
            assert_eq!(server.target("/api?a=b").unwrap().as_str(), target);
            assert!(server.target("api").is_none() && server.target("/a b").is_none());
        }
        assert_eq!(
            Server::at("fd00::1".parse().unwrap(), 1).unwrap().text(),
            "https://[fd00::1]:1"
        );
    }
}
