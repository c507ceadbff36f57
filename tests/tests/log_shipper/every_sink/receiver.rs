//! One receiver for each sink that acknowledges, with the faults that all of them can have.
//!
//! In: a kind. Out: settings that ship to it, and what it has. Each fails in its own way: those of
//! a request refuse it, syslog ends, the file's disk is full. What only some can do, such as an
//! answer that breaks off, is asked of the [`Sink`] inside.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use e2e::certificates::Authority;
use e2e::ledger::{self, Account};
use e2e::pace::{SOON, wait_until};
use e2e::rsyslog::{Rsyslog, Transport};
use e2e::shipper::Settings;
use e2e::sink::{Answer, Protocol, Sink};
use e2e::workplace::{Mounted, Workplace};
use e2e::writer::Numbered;

/// Of the file's disk: more than any test writes.
const DISK_BYTES: u64 = 8 * 1024 * 1024;

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Request(Protocol),
    Secured(Protocol),
    Syslog,
    File,
}

pub(super) struct Receiver {
    pub(super) settings: Settings,
    place: Workplace,
    inner: Inner,
}

enum Inner {
    Sink(Sink),
    Syslog(Rsyslog),
    File { _disk: Mounted },
}

impl Receiver {
    pub(super) fn new(kind: Kind) -> Self {
        let place = Workplace::new();
        let bare = Settings::bare(&place)
            .flag("--include", place.log("*.log").to_str().unwrap())
            .flag("--linger", "200ms");
        let (settings, inner) = match kind {
            Kind::Request(protocol) => {
                let sink = Sink::speaking(protocol);
                (Settings::new(&place, &sink), Inner::Sink(sink))
            }
            Kind::Secured(protocol) => {
                let authority = Authority::new(place.path(), "ca");
                let tls = authority.sign("server").server_config(None);
                let sink = Sink::secured(protocol, Arc::new(tls));
                let settings = Settings::new(&place, &sink);
                let settings = settings.flag("--sink-ca-file", authority.file().to_str().unwrap());
                (settings, Inner::Sink(sink))
            }
            Kind::Syslog => {
                let rsyslog = Rsyslog::started(place.path(), &Transport::Tcp);
                let settings = bare.flag("--sink", "syslog").flag("--sink-url", &rsyslog.url());
                (settings, Inner::Syslog(rsyslog))
            }
            Kind::File => {
                let disk = place.path().join("disk");
                let _disk = Mounted::tmpfs(&disk, DISK_BYTES);
                let url = format!("file://{}", disk.join("out").display());
                let settings = bare.flag("--sink", "file").flag("--sink-url", &url);
                (settings, Inner::File { _disk })
            }
        };
        Self { settings, place, inner }
    }

    /// A writer of one of the followed files.
    pub(super) fn writer(&self) -> Numbered {
        Numbered::open(self.place.log("app.log"), "app")
    }

    /// The one that can be told what to answer.
    pub(super) fn sink(&self) -> &Sink {
        let Inner::Sink(sink) = &self.inner else { unreachable!("answers nothing") };
        sink
    }

    /// A bulk API knows its documents by file and offset, so none is there twice.
    pub(super) fn knows_every_record(&self) -> bool {
        matches!(&self.inner, Inner::Sink(sink) if sink.protocol() == Protocol::Bulk)
    }

    /// Takes nothing from now on.
    pub(super) fn fail(&mut self) {
        match &mut self.inner {
            Inner::Sink(sink) => sink.set(Answer::Status(503, None)),
            Inner::Syslog(rsyslog) => rsyslog.stop(),
            Inner::File { .. } => {
                let mut filler = fs::File::create(self.disk("filler")).unwrap();
                // Ends when the disk is full.
                while filler.write_all(&[0; 4096]).is_ok() {}
            }
        }
    }

    /// Takes everything again.
    pub(super) fn recover(&mut self) {
        match &mut self.inner {
            Inner::Sink(sink) => sink.set(Answer::Ok),
            Inner::Syslog(rsyslog) => rsyslog.start(),
            Inner::File { .. } => fs::remove_file(self.disk("filler")).unwrap(),
        }
    }

    pub(super) fn disk(&self, name: &str) -> PathBuf {
        self.place.path().join("disk").join(name)
    }

    /// What it has, in the order of arrival.
    pub(super) fn messages(&self) -> Vec<String> {
        match &self.inner {
            Inner::Sink(sink) => sink.messages(),
            Inner::Syslog(rsyslog) => {
                let texts = rsyslog.texts().into_iter();
                texts.map(|text| String::from_utf8(text).unwrap()).collect()
            }
            Inner::File { .. } => {
                let text = fs::read_to_string(self.disk("out")).unwrap_or_default();
                text.lines().map(str::to_owned).collect()
            }
        }
    }

    /// Waits until everything that was written is there.
    pub(super) fn wait_all(&self, log: &Numbered) {
        let count = log.written().len();
        wait_until(&format!("{count} different lines"), SOON, || {
            self.messages().into_iter().collect::<HashSet<_>>().len() >= count
        });
    }

    pub(super) fn account(&self, log: &Numbered) -> Account {
        ledger::account(log.written(), self.messages().iter().map(String::as_str))
    }
}
