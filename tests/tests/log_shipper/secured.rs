//! The http sink behind TLS, client certificates, passwords and tokens, kept by a real nginx.
//!
//! nginx stands before the recording sink: it ends TLS, asks for a client certificate and for a
//! password, and passes on what it lets in. What it does not let in must never arrive, and the
//! lines must wait.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use e2e::certificates::Authority;
use e2e::nginx::{Nginx, Site};
use e2e::pace::SOON;
use e2e::shipper::{Settings, Shipper};
use e2e::sink::Sink;
use e2e::workplace::{Workplace, free_address};
use e2e::writer::Numbered;

const LINES: usize = 500;

/// nginx with TLS before a sink.
struct Gate {
    place: Workplace,
    sink: Sink,
    address: SocketAddr,
    _nginx: Nginx,
}

impl Gate {
    /// `rules` are directives of the server, `FOLDER` in them is where the certificates are.
    fn new(rules: &str) -> Self {
        let (place, sink) = (Workplace::new(), Sink::start());
        let folder = place.path();
        let authority = Authority::new(folder, "ca");
        authority.sign("server");
        authority.sign("client");
        Authority::new(folder, "other-ca");
        let logs = folder.join("nginx-logs");
        fs::create_dir(&logs).unwrap();
        let address = free_address();
        let rules = rules.replace("FOLDER", folder.to_str().unwrap());
        let site = Site::new(folder, &logs).listen(&format!("{address} ssl")).server(&format!(
            "ssl_certificate {0}/server.crt; ssl_certificate_key {0}/server.key;\n{rules}\n\
             location = /ingest {{ proxy_pass {1}; client_max_body_size 0; }}\n",
            folder.display(),
            sink.url(),
        ));
        let nginx = site.start();
        Self { place, sink, address, _nginx: nginx }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// To the gate by its name, which the certificate holds, and trusting its authority.
    fn settings(&self) -> Settings {
        Settings::new(&self.place, &self.sink)
            .flag("--sink-url", &format!("https://localhost:{}/ingest", self.address.port()))
            .flag("--sink-ca-file", path(&self.file("ca.pem")))
            .flag("--shutdown-grace", "1s")
    }

    fn write(&self) -> Numbered {
        let mut log = Numbered::open(self.place.log("app.log"), "app");
        log.lines(LINES);
        log
    }

    /// The lines are refused until `mended` sets right what was wrong, then arrive.
    fn refuses_until(&self, wrong: &Settings, mended: impl FnOnce(Shipper) -> Shipper) {
        let log = self.write();
        let shipper = wrong.start();
        shipper.wait_metric("log_shipper_retries_total", |retries| retries >= 2.0);
        assert!(self.sink.records().is_empty());
        assert!(shipper.metrics().sum("log_shipper_lines_acked_total").abs() < 0.5);
        let shipper = mended(shipper);
        self.sink.wait_distinct(LINES, SOON);
        shipper.drain_ok();
        self.sink.account(&[&log]).assert_exactly_once();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Ends a shipper that cannot deliver, and starts another.
fn replace(shipper: Shipper, settings: &Settings) -> Shipper {
    drop(shipper);
    settings.start()
}

#[test]
fn a_server_of_an_unknown_authority_gets_no_line() {
    let gate = Gate::new("");
    let wrong = gate.settings().flag("--sink-ca-file", path(&gate.file("other-ca.pem")));
    gate.refuses_until(&wrong, |shipper| replace(shipper, &gate.settings()));
}

#[test]
fn a_server_of_another_name_gets_no_line() {
    let gate = Gate::new("");
    let url = format!("https://127.0.0.2:{}/ingest", gate.address.port());
    let wrong = gate.settings().flag("--sink-url", &url);
    gate.refuses_until(&wrong, |shipper| replace(shipper, &gate.settings()));
}

#[test]
fn a_client_certificate_is_shown() {
    let gate = Gate::new("ssl_verify_client on; ssl_client_certificate FOLDER/ca.pem;");
    let right = gate
        .settings()
        .flag("--sink-client-cert", path(&gate.file("client.crt")))
        .flag("--sink-client-key", path(&gate.file("client.key")));
    // nginx answers 400 to who shows none: that is no reason to give lines up.
    gate.refuses_until(&gate.settings(), |shipper| replace(shipper, &right));
}

#[test]
fn a_password_is_read_again_without_a_restart() {
    let gate = Gate::new("auth_basic all; auth_basic_user_file FOLDER/users;");
    fs::write(gate.file("users"), "shipper:{PLAIN}right\n").unwrap();
    let password = gate.file("password");
    fs::write(&password, "shipper:wrong\n").unwrap();
    let settings = gate.settings().flag("--basic-auth-file", path(&password));
    gate.refuses_until(&settings, |shipper| {
        fs::write(&password, "shipper:right\n").unwrap();
        shipper
    });
}

#[test]
fn a_token_is_read_again_without_a_restart() {
    let gate = Gate::new("if ($http_authorization != \"Bearer second\") { return 401; }");
    let token = gate.file("token");
    fs::write(&token, "first\n").unwrap();
    let settings = gate.settings().flag("--bearer-token-file", path(&token));
    gate.refuses_until(&settings, |shipper| {
        fs::write(&token, "second\n").unwrap();
        shipper
    });
}
