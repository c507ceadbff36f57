//! Settings that the others leave without effect.
//!
//! In: the flags of the only sink. Out: a rejection for each that would mislead: a header or a
//! password that is never sent, a certificate that is never looked at, a filter that never drops.
//! With several sinks nothing is refused, as a setting of the whole may be meant for one of them.

use sidecar_runtime::Rejections;

use crate::cli::Args;

pub(super) fn reject(args: &Args, rejections: &mut Rejections) {
    let sink = args.sink.as_str();
    let is_http = matches!(sink, "http" | "loki" | "elasticsearch" | "otlp");
    let is_local = matches!(sink, "stdout" | "file" | "blackhole");
    let url = args.sink_url.as_deref().unwrap_or_default();
    let is_plain = ["http://", "tcp://", "udp://"].iter().any(|scheme| url.starts_with(scheme));
    for header in args.header.iter().filter(|_| !is_http) {
        // The value may be a secret.
        let name = header.split([':', ' ']).next().unwrap_or_default();
        rejections.reject("header", name, "this sink has no headers");
    }
    let no_tls = "there is no TLS to the sink";
    let of_local = "this sink asks for nothing";
    let has_field = |sample: &&String| sample.contains(':');
    let no_parser = "parse is missing, so lines have no fields";
    for (setting, value, is_unused, reason) in [
        ("sink-ca-file", args.sink_ca_file.as_ref(), is_plain || is_local, no_tls),
        ("sink-client-cert", args.sink_client_cert.as_ref(), is_plain || is_local, no_tls),
        ("basic-auth-file", args.basic_auth_file.as_ref(), is_local, of_local),
        ("bearer-token-file", args.bearer_token_file.as_ref(), is_local, of_local),
        (
            "forward-shared-key-file",
            args.forward_shared_key_file.as_ref(),
            sink != "forward",
            "it is for the forward sink",
        ),
        ("min-level", args.min_level.as_ref(), args.parse.is_empty(), no_parser),
        ("sample", args.sample.as_ref().filter(has_field), args.parse.is_empty(), no_parser),
    ] {
        if let Some(value) = value.filter(|_| is_unused) {
            rejections.reject(setting, value, reason);
        }
    }
}
