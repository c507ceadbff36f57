//! A real nginx in the folder of a test, and wrk to load it.
//!
//! A [`Site`] says where it listens and what its configuration adds, and can be started any number
//! of times, so that a restart is the same nginx again. It writes its logs to a folder that the
//! test names, serves a small file and stub_status, and runs in the foreground as one guarded
//! process. `nginx -s` is not used for signals because the pid is known. Workers that a test has
//! stopped are killed with it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, kill_process};

use crate::binary::installed;
use crate::client::{Address, Request};
use crate::metrics;
use crate::pace::{SOON, wait_until};
use crate::process::{Guard, Signal, command};
use crate::workplace::free_address;

/// The page of `location = /stub_status`.
pub const STATUS_PATH: &str = "/stub_status";

/// What one nginx is started with.
#[derive(Debug, Clone)]
pub struct Site {
    folder: PathBuf,
    /// Of its folder and its log of stderr; two sites of one test need two.
    name: String,
    logs: PathBuf,
    address: SocketAddr,
    /// Further `listen` lines, without the word.
    listen: Vec<String>,
    access_log: String,
    main: String,
    http: String,
    server: String,
}

/// A running nginx; ended with the test.
#[derive(Debug)]
pub struct Nginx {
    guard: Guard,
    address: SocketAddr,
    logs: PathBuf,
}

impl Site {
    /// On a free loopback port, with `access.log` and `error.log` in the folder `logs`. The name
    /// of the log format is `numbered`: it holds nginx's own count of requests, so that no two
    /// lines are equal.
    pub fn new(folder: &Path, logs: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            name: "nginx".to_owned(),
            logs: logs.to_owned(),
            address: free_address(),
            listen: Vec::new(),
            access_log: format!("{}/access.log numbered", logs.display()),
            main: String::new(),
            http: String::new(),
            server: String::new(),
        }
    }

    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Listens there as well: `127.0.0.1:1234 ssl`, `unix:/path`.
    pub fn listen(mut self, listen: &str) -> Self {
        self.listen.push(listen.to_owned());
        self
    }

    /// What follows `access_log`.
    pub fn access_log(mut self, rest: &str) -> Self {
        rest.clone_into(&mut self.access_log);
        self
    }

    /// Directives outside of `http`.
    pub fn main(mut self, directives: &str) -> Self {
        self.main.push_str(directives);
        self
    }

    /// Directives of `http`.
    pub fn http(mut self, directives: &str) -> Self {
        self.http.push_str(directives);
        self
    }

    /// Directives of the one server.
    pub fn server(mut self, directives: &str) -> Self {
        self.server.push_str(directives);
        self
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its stub_status page.
    pub fn status_uri(&self) -> String {
        format!("http://{}{STATUS_PATH}", self.address)
    }

    /// Starts and waits until it answers.
    pub fn start(&self) -> Nginx {
        let prefix = self.folder.join(&self.name);
        fs::create_dir_all(prefix.join("html")).unwrap();
        fs::write(prefix.join("html/index.html"), "hello\n").unwrap();
        fs::write(prefix.join("nginx.conf"), self.configuration()).unwrap();
        let mut command = command(installed("nginx", "nginx"));
        command.arg("-p").arg(&prefix).arg("-c").arg(prefix.join("nginx.conf"));
        command.arg("-e").arg(self.logs.join("error.log"));
        let guard = Guard::spawn(command, &self.folder, &self.name);
        let nginx = Nginx { guard, address: self.address, logs: self.logs.clone() };
        wait_until("nginx", SOON, || metrics::get(nginx.address, STATUS_PATH).is_ok());
        nginx
    }

    fn configuration(&self) -> String {
        let Self { address, access_log, main, http, server, .. } = self;
        let logs = self.logs.display();
        let listen: String =
            self.listen.iter().map(|listen| format!("listen {listen};\n")).collect();
        // nginx drops root for its workers; logs that a worker reopens must be writable for it.
        format!(
            r#"
user root;
daemon off;
worker_processes 1;
pid nginx.pid;
error_log {logs}/error.log notice;
{main}
events {{ worker_connections 256; }}
http {{
    log_format numbered '$connection-$connection_requests $remote_addr [$time_local] '
        '"$request" $status $body_bytes_sent "$http_user_agent"';
    {http}
    access_log {access_log};
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    server {{
        listen {address};
        {listen}
        root html;
        {server}
        location = {STATUS_PATH} {{ stub_status; access_log off; }}
    }}
}}
"#
        )
    }
}

impl Nginx {
    /// A [`Site`] as it is.
    pub fn start(folder: &Path, logs: &Path) -> Self {
        Site::new(folder, logs).start()
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

    /// The master's children; none if it has ended.
    pub fn workers(&self) -> Vec<u32> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// To all workers, e.g. STOP for an nginx that accepts connections and says nothing.
    pub fn signal_workers(&self, signal: Signal) {
        for worker in self.workers() {
            kill(worker, signal);
        }
    }

    /// Its own count of requests; asking is one of them.
    pub fn requests(&self) -> u64 {
        let page = Request::get(STATUS_PATH).send(&Address::Tcp(self.address)).unwrap();
        let line = page.text().lines().nth(2).unwrap();
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
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

impl Drop for Nginx {
    /// The guard kills the master only, and a worker that is stopped would stay for ever. The
    /// master is stopped first, or it would start new ones.
    fn drop(&mut self) {
        if !self.guard.is_running() {
            return;
        }
        self.guard.signal(Signal::STOP);
        for worker in self.workers() {
            kill(worker, Signal::KILL);
        }
    }
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    // It may have ended by itself meanwhile.
    kill_process(pid, signal).ok();
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
