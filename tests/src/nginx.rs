//! A real nginx in the folder of a test, and wrk to load it.
//!
//! It writes its logs to a folder that the test names, listens on a free loopback port, serves a
//! small file and stub_status, and runs in the foreground as one guarded process. `nginx -s` is
//! not used for signals because the pid is known.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::binary::installed;
use crate::metrics;
use crate::pace::{SOON, wait_until};
use crate::process::{Guard, Signal, command};
use crate::workplace::free_address;

/// A running nginx; ended with the test.
#[derive(Debug)]
pub struct Nginx {
    guard: Guard,
    address: SocketAddr,
    logs: PathBuf,
}

impl Nginx {
    /// Starts with `access.log` and `error.log` in the folder `logs`. The name of the log format
    /// is `numbered`: it holds nginx's own count of requests, so that no two lines are equal.
    pub fn start(folder: &Path, logs: &Path) -> Self {
        let prefix = folder.join("nginx");
        fs::create_dir_all(prefix.join("html")).unwrap();
        fs::write(prefix.join("html/index.html"), "hello\n").unwrap();
        let address = free_address();
        let configuration = configuration(address, logs);
        fs::write(prefix.join("nginx.conf"), configuration).unwrap();
        let mut command = command(installed("nginx", "nginx"));
        command.arg("-p").arg(&prefix).arg("-c").arg(prefix.join("nginx.conf"));
        command.arg("-e").arg(logs.join("error.log"));
        let guard = Guard::spawn(command, folder, "nginx");
        let nginx = Self { guard, address, logs: logs.to_owned() };
        wait_until("nginx", SOON, || metrics::get(nginx.address, "/stub_status").is_ok());
        nginx
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn access_log(&self) -> PathBuf {
        self.logs.join("access.log")
    }

    /// Reopens the logs, as `nginx -s reopen` does. Not waited for: nginx may go on writing to
    /// the old file for a while, and so it is in real life.
    pub fn reopen(&self) {
        self.guard.signal(Signal::USR1);
    }

    pub fn reload(&self) {
        self.guard.signal(Signal::HUP);
    }

    pub fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// Requests one after the other; each is one line of the access log.
    pub fn get(&self, count: usize) {
        for _request in 0..count {
            assert_eq!(metrics::get(self.address, "/").unwrap().0, 200);
        }
    }

    /// Starts wrk on one page. End it with [`Guard::wait_code`].
    pub fn wrk(&self, seconds: u32, connections: u32) -> Guard {
        let mut wrk = command(installed("wrk", "wrk"));
        wrk.args(["-t1", &format!("-d{seconds}s"), &format!("-c{connections}")]);
        wrk.arg(format!("http://{}/", self.address));
        Guard::spawn(wrk, self.guard_folder(), "wrk")
    }

    /// Finishes open requests and ends: after this the logs are final.
    pub fn stop(&mut self) {
        self.guard.signal(Signal::QUIT);
        assert_eq!(self.guard.wait_code(SOON), 0, "{}", self.guard.stderr_text());
    }

    fn guard_folder(&self) -> &Path {
        self.logs.parent().unwrap()
    }
}

fn configuration(address: SocketAddr, logs: &Path) -> String {
    let logs = logs.display();
    // nginx drops root for its workers; logs that a worker reopens must be writable for it.
    format!(
        r#"
user root;
daemon off;
worker_processes 1;
pid nginx.pid;
error_log {logs}/error.log notice;
events {{ worker_connections 256; }}
http {{
    log_format numbered '$connection-$connection_requests $remote_addr [$time_local] '
        '"$request" $status $body_bytes_sent "$http_user_agent"';
    access_log {logs}/access.log numbered;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    server {{
        listen {address};
        root html;
        location = /stub_status {{ stub_status; access_log off; }}
    }}
}}
"#
    )
}

/// logrotate with one rule, run once by force.
pub fn logrotate(folder: &Path, rule: &str) {
    let rule_file = folder.join("logrotate.conf");
    fs::write(&rule_file, rule).unwrap();
    let mut logrotate = Command::new(installed("logrotate", "logrotate"));
    logrotate.arg("--force").arg("--state").arg(folder.join("logrotate.state")).arg(&rule_file);
    crate::workplace::run(logrotate.stdin(Stdio::null()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workplace::Workplace;

    fn line_count(path: &Path) -> usize {
        fs::read_to_string(path).unwrap_or_default().lines().count()
    }

    #[test]
    fn requests_are_logged_and_logs_rotated() {
        let place = Workplace::new();
        let mut nginx = Nginx::start(place.path(), &place.logs());
        nginx.get(5);
        let log = nginx.access_log();
        wait_until("five lines", SOON, || line_count(&log) == 5);
        let rule = format!("{} {{ rotate 2\n copytruncate\n }}", log.display());
        logrotate(place.path(), &rule);
        assert_eq!(line_count(&place.log("access.log.1")), 5);
        nginx.get(1);
        wait_until("one line", SOON, || line_count(&log) == 1);
        fs::rename(&log, place.log("old")).unwrap();
        nginx.reopen();
        wait_until("the new log", SOON, || log.exists());
        let mut wrk = nginx.wrk(1, 1);
        assert_eq!(wrk.wait_code(SOON), 0);
        nginx.stop();
        assert!(line_count(&log) > 10);
    }
}
