//! curl as the client of what the harness does not speak: TLS, with and without a certificate.

use std::process::Stdio;

use crate::binary::installed;
use crate::process::command;

/// What curl got.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// 0 if there was an answer at all.
    pub exit: i32,
    /// 0 without an answer.
    pub status: u16,
    /// Head and body as received.
    pub text: String,
    /// Why there is none.
    pub error: String,
}

/// Runs curl with these arguments, the URL among them.
pub fn curl(arguments: &[&str]) -> Fetched {
    let mut curl = command(installed("curl", "curl"));
    curl.args(["--silent", "--show-error", "--include", "--max-time", "20", "--noproxy", "*"]);
    curl.args(["--write-out", "\n%{http_code}"]).args(arguments);
    let output = curl.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let (text, status) = stdout.rsplit_once('\n').unwrap_or_default();
    Fetched {
        exit: output.status.code().unwrap(),
        status: status.parse().unwrap(),
        text: text.to_owned(),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
