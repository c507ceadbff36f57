//! OpenMetrics 1.0 rewritten as the older Prometheus text format 0.0.4.
//!
//! In goes what `prometheus-client` encodes, out comes what every scraper reads. The samples are
//! the same in both; only the lines about families differ: a counter's family name carries
//! `_total`, an info family is a gauge named `_info`, and units, exemplars and the end mark do not
//! exist. A pure rewriting of lines rather than a second encoder, so that the two forms cannot
//! disagree about a value.

/// Rewrites a whole exposition. Lines keep their order.
pub(crate) fn prometheus_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + open_metrics.len() / 8);
    // HELP comes before TYPE, and its name depends on the type.
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').or(Some((rest, "")));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, kind) = classic_kind(kind);
            if let Some((_, text_of_help)) = help.take().filter(|(helped, _)| *helped == name) {
                push_line(&mut text, &["# HELP ", name, suffix, " ", text_of_help]);
            }
            push_line(&mut text, &["# TYPE ", name, suffix, " ", kind]);
        } else if !line.starts_with('#') {
            push_line(&mut text, &[without_exemplar(line)]);
        }
    }
    text
}

/// The suffix of the family's name and the type's name in the older format.
fn classic_kind(kind: &str) -> (&'static str, &str) {
    match kind {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        "gauge" | "histogram" | "summary" => ("", kind),
        _ => ("", "untyped"),
    }
}

/// Cuts ` # {…} value` behind a sample; a `#` inside a label's value is left alone.
fn without_exemplar(sample: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return sample.get(..index).unwrap_or(sample).trim_end(),
            _ => {}
        }
    }
    sample
}

fn push_line(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_each_type() {
        let open_metrics = r##"# HELP lines_read Lines read.
# TYPE lines_read counter
lines_read_total{file="a#b\" # {c"} 7 # {trace="x"} 1.0
# HELP lag_bytes Bytes behind.
# TYPE lag_bytes gauge
# UNIT lag_bytes bytes
lag_bytes 12
# HELP build What this is.
# TYPE build info
build_info{version="0.1.0"} 1
# HELP wait_seconds Waits.
# TYPE wait_seconds histogram
wait_seconds_sum 0.5
wait_seconds_count 1
wait_seconds_bucket{le="1.0"} 1 # {id="7"} 0.5
wait_seconds_bucket{le="+Inf"} 1
# HELP odd Odd.
# TYPE odd unknown
odd 1
# EOF
"##;
        let expected = r##"# HELP lines_read_total Lines read.
# TYPE lines_read_total counter
lines_read_total{file="a#b\" # {c"} 7
# HELP lag_bytes Bytes behind.
# TYPE lag_bytes gauge
lag_bytes 12
# HELP build_info What this is.
# TYPE build_info gauge
build_info{version="0.1.0"} 1
# HELP wait_seconds Waits.
# TYPE wait_seconds histogram
wait_seconds_sum 0.5
wait_seconds_count 1
wait_seconds_bucket{le="1.0"} 1
wait_seconds_bucket{le="+Inf"} 1
# HELP odd Odd.
# TYPE odd untyped
odd 1
"##;
        assert_eq!(prometheus_text(open_metrics), expected);
        assert_eq!(prometheus_text("# EOF\n"), "");
    }
}
