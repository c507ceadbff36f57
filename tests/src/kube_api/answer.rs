//! Answers of the fake API server, the Status objects among them, and what can be wrong with one.
//!
//! The texts are those of real servers; the ones that were recorded are marked in the functions
//! that make them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// What is wrong with the answers to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request is read, and nothing comes.
    Silent,
    /// The head and so many bytes of the body, then nothing.
    Stalled(usize),
    /// The head and so many bytes of the body, then the end of the connection.
    Truncated(usize),
    /// A reset instead of an answer.
    Reset,
    /// Compressed.
    Gzip,
    /// Metrics with their labels in another order and with spaces.
    Reordered,
    /// Metrics in the newer format.
    OpenMetrics,
    /// This status with this text.
    Status(u16, String),
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    pub(super) fn text(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A Status object of a failure.
    pub(super) fn failure(code: u16, reason: &str, message: &str, details: Value) -> Self {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": details, "code": code,
        });
        Self::json(code, &status)
    }

    /// Recorded: `{"kind": "Status", …, "message": "Unauthorized", "code": 401}`.
    pub(super) fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized", json!({}))
    }

    pub(super) fn not_found() -> Self {
        let message = "the server could not find the requested resource";
        Self::failure(404, "NotFound", message, json!({}))
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::failure(400, "BadRequest", message, json!({}))
    }

    /// The answer under a fault that keeps it an answer.
    pub(super) fn changed(mut self, fault: &Fault) -> Self {
        match fault {
            Fault::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&self.body).unwrap();
                self.body = encoder.finish().unwrap();
                self.with_header("content-encoding", "gzip".to_owned())
            }
            Fault::Reordered => {
                self.body = by_line(&self.body, reordered);
                self
            }
            Fault::OpenMetrics => {
                self.body = by_line(&self.body, |line| format!("{line}.0"));
                self.body.extend(b"# EOF\n");
                let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                self.headers = vec![("content-type", content_type.to_owned())];
                self
            }
            Fault::Status(code, text) => Self::text(*code, "text/plain", text.as_str()),
            Fault::Silent | Fault::Stalled(_) | Fault::Truncated(_) | Fault::Reset => {
                unreachable!("{fault:?} leaves no answer")
            }
        }
    }
}

/// Changes the lines of `kubernetes_feature_enabled`.
fn by_line(body: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let text = std::str::from_utf8(body).unwrap();
    let lines = text.lines().map(|line| match line.starts_with("kubernetes_feature_enabled{") {
        true => change(line) + "\n",
        false => line.to_owned() + "\n",
    });
    lines.collect::<String>().into_bytes()
}

/// `family{name="a",stage="b"} 1` → `family{ stage="b" , name="a", }  1 `
fn reordered(line: &str) -> String {
    let (family, rest) = line.split_once('{').unwrap();
    let (labels, value) = rest.rsplit_once("} ").unwrap();
    let (name, stage) = labels.split_once(',').unwrap();
    format!("{family}{{ {stage} , {name}, }}  {value} ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_change_their_order() {
        let line = r#"kubernetes_feature_enabled{name="A",stage="BETA"} 1"#;
        let expected = r#"kubernetes_feature_enabled{ stage="BETA" , name="A", }  1 "#;
        assert_eq!(reordered(line), expected);
    }
}
