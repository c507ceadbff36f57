//! `cluster` and `node`: whether native sidecars are supported, and how that is known.
//!
//! In go the settings and the API, out come a report and the exit status. The parts: survey asks
//! (the only one with IO) → components reads objects → gate reads metrics → rules judges, with
//! advisories, rights and skew → report writes. The version alone decides for most clusters, and
//! then nothing else is asked: metrics need rights that few have.

mod advisories;
mod assessment;
mod components;
mod gate;
mod kubelets;
mod progress;
mod refusal;
mod report;
mod rights;
mod rules;
mod settings;
mod skew;
mod survey;

use std::future::Future;
use std::io::Write;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use kube_api::{Api, Failure};
use sidecar_runtime::Rejections;
use tokio::task::LocalSet;
use tokio::time::Instant;

use self::assessment::{ClusterVerdict, Evidence, Source};
use self::report::{Question, Report, Timing};
use self::settings::{AskingArgs, Settings};
use self::survey::Findings;
use crate::access;
use crate::cli;
use crate::status::Status;
use crate::table;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Only nodes with these labels, such as pool=blue,zone!=a
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    selector: Option<String>,
    #[command(flatten)]
    asking: AskingArgs,
    #[command(flatten)]
    access: access::Args,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// Name of the node
    name: String,
    #[command(flatten)]
    asking: AskingArgs,
    #[command(flatten)]
    access: access::Args,
}

/// `cluster`.
pub(crate) fn run(args: Args, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    let Some((api, settings)) = ready(&args.asking, &args.access, rejections) else {
        return Status::Rejected;
    };
    let selector = args.selector.filter(|selector| !selector.is_empty());
    let asking = Rc::clone(&settings);
    let survey = async move { survey::cluster(api, selector.as_deref(), &asking).await };
    conclude(Question::Cluster, &settings, rejections, survey, out)
}

/// `node NAME`.
pub(crate) fn run_node(args: NodeArgs, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    let name = rejections.parse("name", &args.name, settings::node_name);
    let ready = ready(&args.asking, &args.access, rejections);
    let (Some(name), Some((api, settings))) = (name, ready) else { return Status::Rejected };
    let asking = Rc::clone(&settings);
    let survey = async move { survey::node(api, &name, &asking).await };
    conclude(Question::Node, &settings, rejections, survey, out)
}

/// Everything that was typed, checked; nothing has been asked yet.
fn ready(
    asking: &AskingArgs,
    access: &access::Args,
    rejections: &mut Rejections,
) -> Option<(Api, Rc<Settings>)> {
    let settings = Settings::new(asking, rejections);
    let connection = access::api(access, rejections);
    let (settings, api) = (settings?, connection?.api);
    let file = asking.kubelet_ca.as_deref().unwrap_or_default();
    settings.check_trust(&api, file, rejections)?;
    Some((api, Rc::new(settings)))
}

/// Nothing is known.
fn not_asked(failure: &Failure) -> Findings {
    let causes = net::with_causes(failure);
    let says = match failure.is_unreachable() {
        true => {
            tracing::error!(error = causes, "The API server does not answer");
            "the API server does not answer"
        }
        false => {
            tracing::error!(error = causes, "The API server cannot be asked");
            "the API server cannot be asked"
        }
    };
    let evidence = vec![Evidence::new(Source::Version, says).with_detail(causes)];
    Findings { evidence, ..Findings::default() }
}

fn conclude(
    question: Question,
    settings: &Settings,
    rejections: &Rejections,
    survey: impl Future<Output = Result<Findings, Failure>>,
    out: &mut dyn Write,
) -> Status {
    let (started, now) = (Instant::now(), SystemTime::now());
    let found = match cli::ask(rejections, LocalSet::new().run_until(survey)) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let unreachable = matches!(&found, Err(failure) if failure.is_unreachable());
    let findings = found.unwrap_or_else(|failure| not_asked(&failure));
    let verdict = match (question, findings.nodes.as_slice()) {
        (Question::Cluster, nodes) => ClusterVerdict::of(&findings.api_servers, nodes),
        (Question::Node, [node]) => node.verdict.into(),
        (Question::Node, _) => ClusterVerdict::Unknown,
    };
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let timing =
        Timing { unix_seconds: since_epoch.as_secs(), took_ms: started.elapsed().as_millis() };
    let Findings { api_servers, nodes, evidence, advice } = findings;
    let Settings { form, stable, .. } = *settings;
    let report =
        Report { question, form, stable, verdict, evidence, advice, api_servers, nodes, timing };
    table::print(out, report);
    if unreachable { Status::Unreachable } else { settings.status(verdict) }
}
