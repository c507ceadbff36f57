//! The pod of the tutorial, with only the image changed, and the defaults that other pods live on.
//!
//! nginx gets its configuration from a ConfigMap with `location /nginx_status { stub_status; }`
//! and listens on port 80, the exporter has one argument list of 0.4 and its default port 9113.

use std::net::SocketAddr;

use e2e::client::Request;
use e2e::exporter::Settings;
use e2e::nginx::Site;
use e2e::pod::in_pod;
use e2e::workplace::Workplace;

/// What the pod's server block says.
const CONFIG_MAP: &str = "location /nginx_status { stub_status; allow all; }\n";

#[test]
fn the_pod_of_the_tutorial() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let site = Site::new(place.path(), &place.logs()).listen("80").server(CONFIG_MAP);
        let metrics = SocketAddr::from(([127, 0, 0, 1], 9113));
        let exporter = Settings::adapter(&place)
            .args(&["-nginx.scrape-uri", "http://localhost/nginx_status"])
            .start_at(metrics);
        // Containers of a pod start in any order.
        assert!(!exporter.is_up());
        let nginx = site.start();
        exporter.wait_up(true);
        nginx.get(10);
        assert!(exporter.metrics().sum("nginx_http_requests_total") > 10.0);
        exporter.stop();
    });
}

/// Nothing set at all: http://127.0.0.1:8080/stub_status on :9113.
#[test]
fn the_defaults() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let site = Site::new(place.path(), &place.logs()).listen("127.0.0.1:8080");
        let _nginx = site.start();
        let exporter = Settings::adapter(&place).start_at(SocketAddr::from(([127, 0, 0, 1], 9113)));
        assert!(exporter.is_up(), "{}", exporter.log());
        let second =
            Request::get("/metrics").send(&SocketAddr::from(([127, 0, 0, 1], 9113)).into());
        assert_eq!(second.unwrap().status, 200);
        exporter.stop();
    });
}
