//! A real rsyslog with a configuration of its own, as a receiver.
//!
//! In: messages over TCP, TLS or UDP on a loopback port. Out: two files, of what it took for the
//! text of each message and for its header, which tests read byte for byte. It can be stopped and
//! started again on its port.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binary::installed;
use crate::certificates::{Authority, Pair};
use crate::ledger::{self, Account};
use crate::pace::{SOON, wait_until};
use crate::process::{Guard, Signal, command};
use crate::workplace::free_address;
use crate::writer::Numbered;

/// How messages come.
#[derive(Debug)]
pub enum Transport<'a> {
    Tcp,
    Udp,
    /// Shows this certificate and demands one of the authority.
    Tls(&'a Pair, &'a Authority),
}

/// Ended when dropped.
#[derive(Debug)]
pub struct Rsyslog {
    folder: PathBuf,
    address: SocketAddr,
    scheme: &'static str,
    guard: Option<Guard>,
}

impl Rsyslog {
    /// Configured, and not started.
    pub fn new(place: &Path, transport: &Transport<'_>) -> Self {
        let folder = place.join("rsyslog");
        fs::create_dir(&folder).unwrap();
        let address = free_address();
        let port = address.port();
        let (scheme, global, module, driver) = match transport {
            Transport::Tcp => ("tcp", String::new(), "imtcp", String::new()),
            Transport::Udp => ("udp", String::new(), "imudp", String::new()),
            Transport::Tls(pair, clients) => {
                let global = format!(
                    "defaultNetstreamDriver=\"gtls\" defaultNetstreamDriverCAFile=\"{}\"\n\
                     defaultNetstreamDriverCertFile=\"{}\" defaultNetstreamDriverKeyFile=\"{}\"",
                    clients.file().display(),
                    pair.certificate.display(),
                    pair.key.display()
                );
                let driver = " streamDriver.name=\"gtls\" streamDriver.mode=\"1\" \
                              streamDriver.authMode=\"x509/certvalid\"";
                ("tls", global, "imtcp", driver.to_owned())
            }
        };
        let shown = folder.display();
        let configuration = format!(
            "global(workDirectory=\"{shown}\" maxMessageSize=\"256k\"\n\
             parser.escapeControlCharactersOnReceive=\"off\" {global})\n\
             module(load=\"{module}\"{driver})\n\
             input(type=\"{module}\" address=\"127.0.0.1\" port=\"{port}\")\n\
             template(name=\"text\" type=\"string\" string=\"%msg%\\n\")\n\
             template(name=\"head\" type=\"string\" string=\"%pri% %hostname% %app-name% %procid% \
             %msgid% %structured-data%\\n\")\n\
             action(type=\"omfile\" file=\"{shown}/texts\" template=\"text\")\n\
             action(type=\"omfile\" file=\"{shown}/heads\" template=\"head\")\n"
        );
        fs::write(folder.join("rsyslog.conf"), configuration).unwrap();
        Self { folder, address, scheme, guard: None }
    }

    /// The same, started.
    pub fn started(place: &Path, transport: &Transport<'_>) -> Self {
        let mut rsyslog = Self::new(place, transport);
        rsyslog.start();
        rsyslog
    }

    /// Where it listens, by a name that certificates hold.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    pub fn start(&mut self) {
        let mut rsyslogd = command(installed("rsyslogd", "rsyslog"));
        rsyslogd.arg("-n").arg("-f").arg(self.folder.join("rsyslog.conf"));
        rsyslogd.arg("-i").arg(self.folder.join("pid"));
        self.guard = Some(Guard::spawn(rsyslogd, &self.folder, "rsyslogd"));
        wait_until("rsyslog to listen", SOON, || self.listens());
    }

    fn listens(&self) -> bool {
        if self.scheme == "udp" {
            let local = format!("0100007F:{:04X} ", self.address.port());
            return fs::read_to_string("/proc/net/udp").unwrap().contains(&local);
        }
        TcpStream::connect(self.address).is_ok()
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) {
        let mut guard = self.guard.take().unwrap();
        guard.signal(Signal::TERM);
        guard.wait_exit(SOON);
    }

    /// Neither reads nor ends until it is resumed.
    pub fn freeze(&self) {
        self.guard.as_ref().unwrap().signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.guard.as_ref().unwrap().signal(Signal::CONT);
    }

    /// The text of each message.
    pub fn texts(&self) -> Vec<Vec<u8>> {
        self.lines_of("texts")
    }

    /// Priority, host, application, process, message id and structured data of each message.
    pub fn heads(&self) -> Vec<String> {
        let heads = self.lines_of("heads");
        heads.into_iter().map(|head| String::from_utf8(head).unwrap()).collect()
    }

    fn lines_of(&self, name: &str) -> Vec<Vec<u8>> {
        let bytes = fs::read(self.folder.join(name)).unwrap_or_default();
        let mut lines: Vec<Vec<u8>> =
            bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        // Behind the last end is nothing yet, or half a line.
        lines.pop();
        lines
    }

    /// Waits for this many messages, repeated ones included.
    pub fn wait_texts(&self, count: usize, deadline: Duration) {
        wait_until(&format!("{count} messages"), deadline, || self.texts().len() >= count);
    }

    /// Waits until this many different messages have arrived.
    pub fn wait_distinct(&self, count: usize, deadline: Duration) {
        wait_until(&format!("{count} different messages"), deadline, || {
            self.texts().into_iter().collect::<std::collections::HashSet<_>>().len() >= count
        });
    }

    /// What became of everything that these writers wrote.
    pub fn account(&self, writers: &[&Numbered]) -> Account {
        let texts = self.texts();
        let texts: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
        let written = writers.iter().flat_map(|writer| writer.written());
        ledger::account(written, texts.iter().map(|text| &**text))
    }
}
