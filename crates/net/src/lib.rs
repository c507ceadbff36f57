//! Talking to others: name resolution, TLS settings, a small HTTP/1 client.
