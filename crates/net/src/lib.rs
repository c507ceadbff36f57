//! Talking to others: name resolution, TLS settings, plain streams, a small HTTP/1 client.
//!
//! endpoint (what was typed) → connect (resolver, TCP or unix, TLS) → connection (one request at a
//! time) → client (keeps the connection between requests). A request goes in with its whole body,
//! an answer with a bounded body comes out, or an error that says whether the request may have been
//! read by the peer. Nothing here retries against a failing peer: patience is the caller's.

mod causes;
mod client;
mod connect;
mod connection;
mod endpoint;
mod proxy_header;
mod resolver;
mod tls;

pub use causes::with_causes;
pub use client::{Client, ClientLimits, Phase, Response, SendError, StreamEnd, StreamLimits};
pub use connect::{Address, Dialer, Dialing, Route, Stream};
pub use connection::BodyEnd;
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use resolver::{ADDRESSES_MAX, Answer, NameError, Resolver};
pub use tls::{Authorities, PemIdentity, TlsClient, TlsError, TlsSettings};
