//! The real binaries under real traffic, before a real Prometheus, and what may break.
//!
//! log-shipper follows a writer and posts to a sink; nginx serves pages, and nginx-adapter reads
//! its status page and logs; three redis-servers are behind redis-ambassador; native-sidecar-probe
//! asks a fake cluster once a second, and its text is served as a textfile collector would. Jobs
//! are named as the images.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use super::traffic::{self, Actor};
use super::{IMAGES, all_alerts};
use crate::ambassador::{self, Shards};
use crate::binary::released;
use crate::exporter::{self, Exporter};
use crate::kube_api::{FakeCluster, Gate};
use crate::metrics::Metrics;
use crate::nginx::{Nginx, Site};
use crate::pace::{SOON, wait_for};
use crate::process::command;
use crate::prometheus::Prometheus;
use crate::shipper::{self, Shipper};
use crate::sink::{Answer, Recording, Sink};
use crate::upstream::{Reply, Upstream, answer};
use crate::workplace::{Workplace, free_address};

const LOG_FORMAT: &str = "$msec $request_method $status $request_time $upstream_response_time";
const NEW: &str = "v1.32.13";
const OLD: &str = "v1.27.16";
/// Between two bytes of an upstream's answer; the whole takes a tenth of a second.
const SLOW_BYTE: Duration = Duration::from_millis(2);

/// What is of interest besides the traffic.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Nodes of the cluster at the start.
    pub nodes: usize,
}

/// Everything that runs. Fields are dropped from the first to the last.
#[derive(Debug)]
pub struct Stage {
    _actors: Vec<Actor>,
    pub prometheus: Prometheus,
    shipper: Shipper,
    sink: Sink,
    adapter: Exporter,
    nginx: Option<Nginx>,
    site: Site,
    _slow: Upstream,
    shards: Shards,
    cluster: Arc<FakeCluster>,
    _place: Workplace,
}

impl Stage {
    /// Waits until Prometheus has scraped each.
    pub fn start(plan: Plan) -> Self {
        let place = Workplace::new();
        let sink = Sink::start_with(Recording::Counts);
        let shipper = start_shipper(&place, &sink);
        let (site, adapter, slow) = start_adapter(&place);
        let nginx = Some(site.start());
        let shards = ambassador::Plan::new(&place, 3)
            .set("auto_eject_hosts", "true")
            .set("server_failure_limit", "2")
            .set("server_retry_timeout", "1000")
            .set("timeout", "1000")
            .start();
        let (cluster, report) = start_cluster(&place, plan.nodes);
        let jobs: [(&str, SocketAddr); IMAGES.len()] = [
            (IMAGES[0], shipper.admin()),
            (IMAGES[1], adapter.port()),
            (IMAGES[2], shards.ambassador.admin()),
            (IMAGES[3], report.address()),
        ];
        let prometheus = Prometheus::start(place.path(), &jobs, &all_alerts());
        let redis = shards.ambassador.address();
        let asking = Arc::clone(&cluster);
        let mut actors = vec![
            traffic::lines(place.log("app.log")),
            Actor::each_second(move || report.set(Reply::page(&ask(&asking)))),
        ];
        actors.extend([7, 8].map(|seed| traffic::pages(site.address(), seed)));
        actors.extend([7, 8].map(|seed| traffic::commands(redis.clone(), seed)));
        Self {
            _actors: actors,
            prometheus,
            shipper,
            sink,
            adapter,
            nginx,
            site,
            _slow: slow,
            shards,
            cluster,
            _place: place,
        }
    }

    /// What an image exposes now, as Prometheus gets it.
    pub fn metrics(&self, image: &str) -> Metrics {
        match image {
            "log-shipper" => self.shipper.metrics(),
            "nginx-adapter" => self.adapter.metrics(),
            "redis-ambassador" => self.shards.ambassador.metrics(),
            _ => Metrics::parse(&ask(&self.cluster)),
        }
    }

    /// The sink answers 503, or takes everything again.
    pub fn break_sink(&self, broken: bool) {
        self.sink.set(if broken { Answer::Status(503, None) } else { Answer::Ok });
    }

    /// A redis-server is killed, or comes back empty.
    pub fn break_server(&mut self, broken: bool) {
        let server = &mut self.shards.servers[1];
        if broken { server.kill() } else { server.restart() }
    }

    /// nginx is killed, or comes back.
    pub fn break_nginx(&mut self, broken: bool) {
        // Before a new one gets the same port.
        drop(self.nginx.take());
        if !broken {
            self.nginx = Some(self.site.start());
        }
    }

    /// A node joins that has no native sidecars.
    pub fn add_old_node(&self) {
        self.cluster.node("old", OLD, Gate::Default);
    }
}

fn start_shipper(place: &Workplace, sink: &Sink) -> Shipper {
    shipper::Settings::new(place, sink)
        .flag("--max-line-bytes", "4KiB")
        .flag("--long-lines", "drop")
        .start()
}

fn start_adapter(place: &Workplace) -> (Site, Exporter, Upstream) {
    let logs = place.path().join("nginx-logs");
    std::fs::create_dir(&logs).unwrap();
    let slow = Upstream::start(Reply::Drip(answer("200 OK", "", "slow and steady"), SLOW_BYTE));
    let (app, nobody) = (free_address(), free_address());
    let site = Site::new(place.path(), &logs)
        .http(&format!(
            "log_format metrics '{LOG_FORMAT}';
             server {{ listen {app}; access_log off; location / {{ return 200 hello; }} }}\n"
        ))
        .access_log(&format!("{}/access.log metrics buffer=64k flush=1s", logs.display()))
        .server(&format!(
            "location = /slow {{ proxy_pass http://{}/; }}
             location = /app {{ proxy_pass http://{app}/; }}
             location = /broken {{ proxy_pass http://{nobody}/; }}\n",
            slow.address()
        ));
    let adapter = exporter::Settings::adapter(place)
        .scrape(&site.status_uri())
        .arg(format!("--access-log={}/access.log", logs.display()))
        .arg(format!("--access-log-format={LOG_FORMAT}"))
        .arg(format!("--error-log={}/error.log", logs.display()))
        // So that what only syslog can lose is shown.
        .arg(format!("--syslog-listen=udp://{}", free_address()))
        .arg("--nginx.sockets")
        .arg(format!("--nginx.ports={}", site.address().port()))
        .start_ready();
    (site, adapter, slow)
}

fn start_cluster(place: &Workplace, nodes: usize) -> (Arc<FakeCluster>, Upstream) {
    let cluster = FakeCluster::start(place, NEW);
    for number in 1..=nodes {
        cluster.node(&format!("node-{number}"), NEW, Gate::Default);
    }
    let report = Upstream::start(Reply::page(&ask(&cluster)));
    (Arc::new(cluster), report)
}

/// The report that a CronJob would write into the folder of a textfile collector, of a question
/// that was answered, as those of a busy machine may come too late.
fn ask(cluster: &FakeCluster) -> String {
    let is_answered = |report: &String| report.contains("native_sidecar_probe_verdict");
    wait_for("a report on the cluster", SOON, || Some(ask_once(cluster)).filter(is_answered))
}

fn ask_once(cluster: &FakeCluster) -> String {
    let mut question = command(released("native-sidecar-probe"));
    question.args(["cluster", "--output=prom"]);
    question.arg(format!("--kubeconfig={}", cluster.kubeconfig().display()));
    question.arg(format!("--kubelet-ca={}", cluster.kubelet_ca_file().display()));
    let output = question.stdout(Stdio::piped()).stderr(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
