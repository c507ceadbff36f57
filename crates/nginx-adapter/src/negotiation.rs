//! What a scraper takes: which text format, and whether compressed.
//!
//! In go the `Accept` headers, out comes the choice. Text 0.0.4 wins wherever it is acceptable at
//! all, unless OpenMetrics was asked for in the settings and is acceptable to the scraper. Only as
//! much of the grammar is read as the choice needs: types, `q`, wildcards.

use hyper::header::HeaderValue;

use crate::exposition::Format;

/// Chooses the format. A scraper that takes neither gets text.
pub(crate) fn format_for(accept: Option<&HeaderValue>, prefer_open_metrics: bool) -> Format {
    let Some(accept) = accept.and_then(|value| value.to_str().ok()) else {
        return Format::Prometheus;
    };
    let open_metrics = accepts(accept, &["application/openmetrics-text"]);
    let text = accepts(accept, &["text/plain", "text/*", "*/*"]);
    if open_metrics && (prefer_open_metrics || !text) {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

pub(crate) fn accepts_gzip(accept_encoding: Option<&HeaderValue>) -> bool {
    accept_encoding
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| accepts(text, &["gzip"]))
}

/// Whether one of `names` stands in the list with a weight above zero.
fn accepts(list: &str, names: &[&str]) -> bool {
    list.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_named = names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse::<f32>().ok());
        is_named && weight.is_none_or(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

    #[track_caller]
    fn check(accept: &str, prefer_open_metrics: bool, expected: Format) {
        let accept = HeaderValue::from_str(accept).unwrap();
        assert_eq!(format_for(Some(&accept), prefer_open_metrics), expected, "{accept:?}");
    }

    #[test]
    fn text_wins_unless_it_is_refused_or_openmetrics_is_asked_for() {
        check(PROMETHEUS, false, Format::Prometheus);
        check(PROMETHEUS, true, Format::OpenMetrics);
        check("application/openmetrics-text", false, Format::OpenMetrics);
        check("application/openmetrics-text, text/plain;q=0", false, Format::OpenMetrics);
        check("application/openmetrics-text;q=0, text/plain", true, Format::Prometheus);
        check("text/html", true, Format::Prometheus);
        check("", true, Format::Prometheus);
        assert_eq!(format_for(None, true), Format::Prometheus);
    }

    #[test]
    fn compression() {
        for (text, expected) in
            [("gzip", true), ("deflate, gzip;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            assert_eq!(accepts_gzip(Some(&HeaderValue::from_static(text))), expected, "{text}");
        }
    }
}
