//! A real Prometheus, and promtool as a linter.
//!
//! Its data are in the folder of the test; it scrapes and evaluates once a second. Questions go to
//! its HTTP API, and an answer is a list of series with their values as text, so that two of them
//! are compared as Prometheus stored them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::binary::installed;
use crate::client::Request;
use crate::pace::{SOON, wait_for};
use crate::process::{Guard, command};
use crate::workplace::free_address;

const PACKAGE: &str = "prometheus";

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    /// Ends it with the test.
    _guard: Guard,
    address: SocketAddr,
}

/// Labels of a series, its name among them as `__name__`.
pub type Labels = BTreeMap<String, String>;

impl Prometheus {
    /// Scrapes each target under its job's name. `rules` is a rule file, or empty.
    pub fn start(folder: &Path, jobs: &[(&str, SocketAddr)], rules: &str) -> Self {
        let own = folder.join("prometheus");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("prometheus.yml"), configuration(jobs)).unwrap();
        fs::write(own.join("rules.yml"), rules).unwrap();
        let address = free_address();
        let mut command = command(installed("prometheus", PACKAGE));
        command.arg(format!("--config.file={}", own.join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", own.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let guard = Guard::spawn(command, folder, PACKAGE);
        let prometheus = Self { _guard: guard, address };
        for (job, _target) in jobs {
            let expression = format!("scrape_samples_scraped{{job=\"{job}\"}} > 0");
            prometheus.wait(&expression);
        }
        prometheus
    }

    /// The series that answer an expression now, each with its value.
    pub fn query(&self, expression: &str) -> BTreeMap<Labels, String> {
        let path = format!("/api/v1/query?query={}", percent_encoded(expression));
        // Not there yet while it starts.
        let Some(data) = self.data(&path) else { return BTreeMap::new() };
        data["result"].as_array().unwrap().iter().map(series).collect()
    }

    /// The series that answer an expression from one Unix time to another, every `step` seconds;
    /// each with its times and values.
    pub fn query_range(
        &self,
        expression: &str,
        from: u64,
        to: u64,
        step: u64,
    ) -> BTreeMap<Labels, Vec<(f64, f64)>> {
        let query = percent_encoded(expression);
        let path = format!("/api/v1/query_range?query={query}&start={from}&end={to}&step={step}");
        let data = self.data(&path).expect("it answered before");
        data["result"].as_array().unwrap().iter().map(points).collect()
    }

    /// The alerts of its rule file as its API shows them, each with the name of its group.
    pub fn alerting_rules(&self) -> Vec<(String, Value)> {
        let Some(data) = self.data("/api/v1/rules?type=alert") else { return Vec::new() };
        let mut all = Vec::new();
        for group in data["groups"].as_array().unwrap() {
            let name = group["name"].as_str().unwrap();
            let rules = group["rules"].as_array().unwrap().iter();
            all.extend(rules.map(|rule| (name.to_owned(), rule.clone())));
        }
        all
    }

    /// What its API answers with; None while nobody answers.
    fn data(&self, path: &str) -> Option<Value> {
        let answer = Request::get(path).send(&self.address.into()).ok()?;
        let mut answer: Value = serde_json::from_slice(&answer.body).ok()?;
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        Some(answer["data"].take())
    }

    /// Waits for an answer with at least one series.
    pub fn wait(&self, expression: &str) -> BTreeMap<Labels, String> {
        wait_for(expression, 2 * SOON, || {
            Some(self.query(expression)).filter(|series| !series.is_empty())
        })
    }

    /// What the metadata API knows of a job's families: type by name.
    pub fn types(&self, job: &str) -> BTreeMap<String, String> {
        let matcher = percent_encoded(&format!("{{job=\"{job}\"}}"));
        let path = format!("/api/v1/targets/metadata?match_target={matcher}");
        let answer = Request::get(&path).send(&self.address.into()).unwrap();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entries = answer["data"].as_array().unwrap();
        entries.iter().map(|entry| (text(&entry["metric"]), text(&entry["type"]))).collect()
    }
}

/// `promtool check metrics` of an exposition: exit status and what it says.
pub fn lint(text: &str) -> (i32, String) {
    let mut promtool = command(installed("promtool", PACKAGE));
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), said)
}

fn configuration(jobs: &[(&str, SocketAddr)]) -> String {
    let mut text = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n\
                    rule_files: [rules.yml]\n\
                    scrape_configs:\n"
        .to_owned();
    for (job, target) in jobs {
        text.push_str(&format!(
            "- {{job_name: {job}, static_configs: [{{targets: ['{target}']}}]}}\n"
        ));
    }
    text
}

fn series(entry: &Value) -> (Labels, String) {
    (labels(entry), entry["value"][1].as_str().unwrap().to_owned())
}

fn points(entry: &Value) -> (Labels, Vec<(f64, f64)>) {
    let point = |pair: &Value| {
        (pair[0].as_f64().unwrap(), pair[1].as_str().unwrap().parse::<f64>().unwrap())
    };
    (labels(entry), entry["values"].as_array().unwrap().iter().map(point).collect())
}

fn labels(entry: &Value) -> Labels {
    let labels = entry["metric"].as_object().unwrap().iter();
    labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
