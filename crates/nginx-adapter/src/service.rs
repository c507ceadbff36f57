//! Puts the parts together: settings to scrapers and logs, and these to the page.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sidecar_runtime::{
    Context, Lifecycle, MetricRegistry, Outcome, Rejections, Sidecar, StartError,
};
use tokio::sync::Semaphore;
use tokio::time::{self, Instant};

use crate::cli::{Args, PEER_VARIABLES};
use crate::config::{self, Config, Retries};
use crate::exposition;
use crate::front::{Exporter, PAGES_BYTES_MAX, Target};
use crate::logs::Logs;
use crate::peer_arguments;
use crate::scrape::Scraper;
use crate::sockets::Sockets;
use crate::web_config::live::LiveRules;

/// The nginx-adapter, ready to run.
#[derive(Debug)]
pub(crate) struct NginxAdapter {
    logs: Option<Logs>,
    lifecycle: Lifecycle,
}

impl Sidecar for NginxAdapter {
    const NAME: &'static str = "nginx-adapter";
    const ABOUT: &'static str =
        "Turns nginx's stub_status page and access logs into Prometheus metrics";
    const ADMIN_PORT: u16 = 9113;
    const LISTEN_FLAG: Option<&'static str> = Some("web.listen-address");
    const PASSED_FLAG: Option<&'static str> = Some("web.systemd-socket");
    const PEER_VARIABLES: &'static [(&'static str, &'static str)] = PEER_VARIABLES;
    type Args = Args;
    type Config = Config;

    fn peer_arguments(arguments: Vec<OsString>) -> Vec<OsString> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        peer_arguments::rewrite(arguments, variable)
    }

    fn configure(args: Args, rejections: &mut Rejections) -> Option<Config> {
        config::configure(args, rejections)
    }

    async fn start(config: Config, context: Context) -> Result<NginxAdapter, StartError> {
        let Context { lifecycle, registry, admin } = context;
        let rules = LiveRules::open(config.web)?;
        let several = config.targets.len() > 1;
        let mut targets = Vec::new();
        for uri in config.targets {
            let typed = uri.to_string();
            let scraper = Scraper::new(uri, &config.scrape, lifecycle.clone())
                .map_err(|error| StartError::new("nginx.scrape-uri", typed, error))?;
            let addr = several.then(|| ("addr", scraper.addr()));
            let labels = exposition::labels(pairs(&config.const_labels, addr));
            let error_labels = exposition::error_labels(pairs(&config.const_labels, addr));
            targets.push(Target { scraper: Arc::new(scraper), labels, error_labels });
        }
        targets.sort_by(|a, b| a.scraper.addr().cmp(b.scraper.addr()));
        let scrapers: Vec<_> = targets.iter().map(|target| Arc::clone(&target.scraper)).collect();
        let logs = config.logs.map(|logs| Logs::open(logs, &registry, &lifecycle)).transpose()?;
        let own = admin.addresses().iter().map(SocketAddr::port).collect();
        let sockets =
            config.sockets.map(|ports| open_sockets(ports, own, &registry)).transpose()?;
        admin.open(Exporter {
            targets,
            timeout: config.scrape.timeout,
            telemetry_path: config.telemetry_path,
            open_metrics: config.open_metrics,
            const_labels: config.const_labels,
            registry,
            lifecycle: lifecycle.clone(),
            rules,
            sockets,
            room: Arc::new(Semaphore::new(PAGES_BYTES_MAX)),
        });
        if let Some(retries) = config.retries {
            for scraper in &scrapers {
                wait_for_nginx(scraper, retries, config.scrape.timeout).await?;
            }
        }
        Ok(NginxAdapter { logs, lifecycle })
    }

    async fn run(self) -> Outcome {
        match self.logs {
            Some(logs) => logs.run(self.lifecycle).await,
            None => self.lifecycle.draining().await,
        }
        Outcome::Drained
    }
}

/// The labels of a target's series. One target alone has no address there.
fn pairs<'a>(
    constant: &'a [(String, String)],
    addr: Option<(&'a str, &'a str)>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    constant.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(addr)
}

fn open_sockets(
    ports: Vec<u16>,
    own: Vec<u16>,
    registry: &MetricRegistry,
) -> Result<Sockets, StartError> {
    let sockets = Sockets::open(ports, own)
        .map_err(|error| StartError::new("nginx.sockets", "true", error))?;
    registry.register_collector(sockets.clone());
    Ok(sockets)
}

/// Asks until nginx answers, as releases before 1.0 did.
async fn wait_for_nginx(
    scraper: &Scraper,
    retries: Retries,
    timeout: Duration,
) -> Result<(), StartError> {
    let mut left = retries.count;
    loop {
        let Err(failure) = scraper.scrape(Instant::now() + timeout).await else { return Ok(()) };
        if left == 0 {
            let reason = format!("no answer after {} retries: {}", retries.count, failure.reason());
            return Err(StartError::new("nginx.scrape-uri", scraper.addr(), reason));
        }
        left -= 1;
        tracing::info!(left, pause = ?retries.interval, "Nginx is not there yet");
        time::sleep(retries.interval).await;
    }
}
