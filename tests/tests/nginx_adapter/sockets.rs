//! What stub_status cannot know: who waits to be accepted, and connections that are long gone.
//!
//! In a network of its own, so that every socket in it belongs to the scenario.

use std::net::TcpStream;

use e2e::exporter::Settings;
use e2e::nginx::{Nginx, Site};
use e2e::pace::{SOON, wait_until};
use e2e::pod::in_pod;
use e2e::process::Signal;
use e2e::workplace::Workplace;

fn settings(place: &Workplace, nginx: &Nginx) -> Settings {
    let uri = format!("http://{}/stub_status", nginx.address());
    Settings::adapter(place).scrape(&uri).args(&["--nginx.sockets", "-nginx.timeout=500ms"])
}

/// Its worker stopped, connections wait in the kernel: nobody else can tell how many.
#[test]
fn who_waits_to_be_accepted() {
    const CLIENTS: u8 = 9;
    let place = Workplace::new();
    in_pod(place.path(), || {
        let nginx = Nginx::start(place.path(), &place.logs());
        let exporter = settings(&place, &nginx).start();
        let listen = nginx.address().to_string();
        let queue = "nginx_listen_queue_connections";
        let shown = exporter.metrics();
        assert_eq!(shown.with_label(queue, "listen", &listen), 0.0, "{shown:?}");
        // The backlog of nginx on Linux.
        assert_eq!(shown.with_label("nginx_listen_queue_max", "listen", &listen), 511.0);
        nginx.signal_workers(Signal::STOP);
        let waiting: Vec<TcpStream> =
            (0..CLIENTS).map(|_| TcpStream::connect(nginx.address()).unwrap()).collect();
        // The scrape itself is one more client that waits, if it opened a new connection.
        let shown = exporter.wait_metrics("nine who wait", |it| {
            it.with_label(queue, "listen", &listen) >= f64::from(CLIENTS)
        });
        assert!(shown.with_label(queue, "listen", &listen) <= f64::from(CLIENTS) + 4.0);
        assert_eq!(shown.value("nginx_up"), Some(0.0));
        drop(waiting);
        nginx.signal_workers(Signal::CONT);
        exporter.wait_up(true);
        exporter
            .wait_metrics("nobody who waits", |it| it.with_label(queue, "listen", &listen) == 0.0);
        // Its own port is nobody's business.
        let own = format!("listen=\"{}\"", exporter.port());
        assert!(!exporter.text().contains(&own), "{}", exporter.text());
        exporter.stop();
    });
}

/// Connections of a killed worker stay in nginx's count for ever (a known fault of nginx).
#[test]
fn connections_of_a_killed_worker_are_phantoms() {
    const CLIENTS: u8 = 20;
    let place = Workplace::new();
    in_pod(place.path(), || {
        let nginx = Site::new(place.path(), &place.logs()).start();
        let exporter = settings(&place, &nginx).start();
        let phantom = "nginx_connections_phantom";
        let clients: Vec<TcpStream> =
            (0..CLIENTS).map(|_| TcpStream::connect(nginx.address()).unwrap()).collect();
        let shown = exporter.wait_metrics("the clients", |it| {
            it.sum("nginx_connections_active") > f64::from(CLIENTS)
        });
        assert!(shown.sum(phantom) <= 1.0, "real ones are none: {shown:?}");
        let held =
            shown.with_label("nginx_listen_connections", "listen", &nginx.address().to_string());
        assert!(held >= f64::from(CLIENTS), "{shown:?}");
        let worker = nginx.workers();
        nginx.signal_workers(Signal::KILL);
        drop(clients);
        wait_until("another worker", SOON, || {
            !nginx.workers().is_empty() && nginx.workers() != worker
        });
        exporter.wait_up(true);
        let shown =
            exporter.wait_metrics("phantoms", |it| it.sum(phantom) >= f64::from(CLIENTS) - 1.0);
        assert!(shown.sum("nginx_connections_active") > f64::from(CLIENTS), "nginx still lies");
        exporter.stop();
    });
}

/// Over a unix socket our own connection would be one that no TCP socket explains.
#[test]
fn no_phantoms_over_a_unix_socket() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let socket = place.path().join("nginx.sock");
        let site = Site::new(place.path(), &place.logs());
        let nginx = site.listen(&format!("unix:{}", socket.display())).start();
        let uri = format!("unix:{}:/stub_status", socket.display());
        let exporter = Settings::adapter(&place).scrape(&uri).args(&["--nginx.sockets"]).start();
        exporter.wait_up(true);
        let shown = exporter.metrics();
        let listen = nginx.address().to_string();
        assert_eq!(shown.with_label("nginx_listen_connections", "listen", &listen), 0.0);
        assert!(!shown.names().contains(&"nginx_connections_phantom"), "{shown:?}");
        exporter.stop();
    });
}

/// Connections that the kernel had to drop are counted for the whole network.
#[test]
fn overflows_are_shown() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let nginx = Nginx::start(place.path(), &place.logs());
        let exporter = settings(&place, &nginx).start();
        let shown = exporter.metrics();
        for name in ["nginx_listen_overflows_total", "nginx_listen_drops_total"] {
            assert!(shown.names().contains(&name), "{shown:?}");
        }
        exporter.stop();
    });
}

/// Off unless asked for, and limited to ports when told.
#[test]
fn only_when_asked_for() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let nginx = Nginx::start(place.path(), &place.logs());
        let other = Site::new(place.path(), &place.logs()).named("other").start();
        let uri = format!("http://{}/stub_status", nginx.address());
        let exporter = Settings::adapter(&place).scrape(&uri).start();
        assert!(!exporter.text().contains("nginx_listen"), "{}", exporter.text());
        exporter.stop();
        let port = nginx.address().port();
        let exporter = settings(&place, &nginx).arg(format!("--nginx.ports={port}")).start();
        let text = exporter.text();
        assert!(text.contains(&format!("listen=\"{}\"", nginx.address())), "{text}");
        assert!(!text.contains(&format!("listen=\"{}\"", other.address())), "{text}");
        exporter.stop();
    });
}
