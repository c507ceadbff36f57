//! Dashboards and alerts of the images: files that Grafana and Prometheus can use, queries that
//! have data.
//!
//! promtool judges the rules and runs their tests; the files are looked at as JSON; and every query
//! and rule is asked of a real Prometheus that scrapes the real binaries while things break (see
//! `e2e::dashboards`). The pictures of the pages are drawn from the same set-up by `make pictures`.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their fixtures")]

mod answers;
mod files;
mod rules;
