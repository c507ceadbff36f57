//! What a scraper takes: which text format, and whether compressed.
//!
//! In go the headers of a request, out comes the choice. Text 0.0.4 is taken by everybody, so it
//! wins wherever it is acceptable, unless the image prefers OpenMetrics and the scraper takes it.
//! Only as much of the grammar is read as the choice needs: types, `q`, wildcards.

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName};

/// The text formats of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// Chooses the format. A scraper that takes neither gets text.
    #[must_use]
    pub fn for_scraper(headers: &HeaderMap, prefer_open_metrics: bool) -> Format {
        let open_metrics = accepts(headers, &ACCEPT, &["application/openmetrics-text"]);
        let text = accepts(headers, &ACCEPT, &["text/plain", "text/*", "*/*"]);
        if open_metrics && (prefer_open_metrics || !text) {
            Format::OpenMetrics
        } else {
            Format::Prometheus
        }
    }

    /// The value of the header `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Whether an answer may be compressed by gzip.
#[must_use]
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    accepts(headers, &ACCEPT_ENCODING, &["gzip"])
}

/// Whether one of `names` stands in the lists with a weight above zero.
fn accepts(headers: &HeaderMap, header: &HeaderName, names: &[&str]) -> bool {
    let lists = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
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
    fn check(accept: &[&str], prefer_open_metrics: bool, expected: Format) {
        let mut headers = HeaderMap::new();
        for line in accept {
            headers.append(ACCEPT, line.parse().unwrap());
        }
        assert_eq!(Format::for_scraper(&headers, prefer_open_metrics), expected, "{accept:?}");
    }

    #[test]
    fn text_wins_unless_it_is_refused_or_openmetrics_is_preferred() {
        check(&[PROMETHEUS], false, Format::Prometheus);
        check(&[PROMETHEUS], true, Format::OpenMetrics);
        check(&["application/openmetrics-text"], false, Format::OpenMetrics);
        check(&["application/openmetrics-text", "text/plain"], false, Format::Prometheus);
        check(&["application/openmetrics-text, text/plain;q=0"], false, Format::OpenMetrics);
        check(&["application/openmetrics-text;q=0, text/plain"], true, Format::Prometheus);
        check(&["text/html"], true, Format::Prometheus);
        check(&[""], true, Format::Prometheus);
        check(&[], true, Format::Prometheus);
    }

    #[test]
    fn compression() {
        for (text, expected) in
            [("gzip", true), ("deflate, gzip;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, text.parse().unwrap())]);
            assert_eq!(accepts_gzip(&headers), expected, "{text}");
        }
    }
}
