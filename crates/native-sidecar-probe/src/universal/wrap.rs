//! `shutdown`: wraps the main container of a Job and asks the sidecars to end after it.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use sidecar_runtime::{Rejections, post, release_after_crowd, setting};
use universal_sidecar::{Room, RoomError, Wrapped, run_wrapped};

use super::{PodRestartPolicy, cannot_start, command, pod_restart_policy};
use crate::status::Status;

/// Where the sidecars of this project listen for POST.
const QUIT_PATH: &str = "/quitquitquit";
const HTTP_PORT: u16 = 80;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory on an emptyDir that the copies of universal sidecars mount
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Name of a universal sidecar in it; repeatable
    #[arg(long, value_name = "SIDECAR", value_delimiter = ',')]
    name: Vec<String>,
    /// metadata.uid of the pod, from the downward API
    #[arg(long, value_name = "UID")]
    pod_uid: Option<String>,
    /// URL on loopback to POST to, such as http://127.0.0.1:9180/quitquitquit; repeatable
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    post: Vec<String>,
    /// For each POST
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    post_timeout: String,
    /// How long a sidecar that does not say yes is asked; it may start later than the command
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    post_deadline: String,
    /// restartPolicy of the pod: OnFailure or Never; after a failure under OnFailure the sidecars
    /// go on, because the kubelet starts the command again
    #[arg(long, value_name = "POLICY", default_value = "Never")]
    pod_restart_policy: String,
    /// The main container's command
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: Args, rejections: &mut Rejections) -> Status {
    let policy = pod_restart_policy(&args.pod_restart_policy, rejections);
    if policy == Some(PodRestartPolicy::Always) {
        let reason = "a container that is always restarted never ends";
        rejections.reject("pod-restart-policy", &args.pod_restart_policy, reason);
    }
    let timeout = rejections.parse("post-timeout", &args.post_timeout, setting::positive_duration);
    let deadline = rejections.parse("post-deadline", &args.post_deadline, setting::duration);
    let posts: Vec<_> =
        args.post.iter().filter_map(|url| rejections.parse("post", url, target)).collect();
    if args.dir.is_some() == args.name.is_empty() {
        let reason = "dir and name belong together";
        rejections.reject("name", &args.name.join(","), reason);
    }
    if args.dir.is_none() && args.post.is_empty() {
        rejections.reject("name", "", "no sidecar to ask: give name and dir, or post");
    }
    let durations = timeout.zip(deadline).filter(|_| rejections.is_empty());
    let Some((post_timeout, post_deadline)) = durations else {
        return Status::Rejected;
    };
    let restarted_on_failure = policy == Some(PodRestartPolicy::OnFailure);
    let rooms = args.dir.iter().flat_map(|dir| {
        args.name.iter().map(|name| Room::open(dir, name, args.pod_uid.as_deref()))
    });
    let done = rooms.collect::<Result<Vec<Room>, RoomError>>().and_then(|rooms| {
        run_wrapped(&Wrapped {
            rooms,
            posts,
            post,
            post_timeout,
            post_deadline,
            restarted_on_failure,
            command: command(args.command),
            rest: release_after_crowd,
        })
    });
    match done {
        Ok(code) => Status::Command(code),
        Err(error) => cannot_start(&error, rejections),
    }
}

/// An address on loopback and a path: nobody else in the network is asked to end.
fn target(url: &str) -> Result<(SocketAddr, String), &'static str> {
    let rest = url.strip_prefix("http://").ok_or("expected http:// and an address on loopback")?;
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, format!("/{path}")),
        None => (rest, QUIT_PATH.to_owned()),
    };
    let authority = authority.replace("localhost", &Ipv4Addr::LOCALHOST.to_string());
    let address = authority
        .parse::<SocketAddr>()
        .ok()
        .or_else(|| authority.parse().ok().map(|address| SocketAddr::new(address, HTTP_PORT)));
    let address = address.filter(|address| address.ip().is_loopback());
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    address.filter(|_| is_plain).map(|it| (it, path)).ok_or("expected an address on loopback")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (url, expected) in [
            ("http://127.0.0.1:9180/quitquitquit", Some("127.0.0.1:9180 /quitquitquit")),
            ("http://localhost:9180", Some("127.0.0.1:9180 /quitquitquit")),
            ("http://[::1]:1/a?b", Some("[::1]:1 /a?b")),
            ("http://127.0.0.2/x", Some("127.0.0.2:80 /x")),
            ("http://10.0.0.1:9180/x", None),
            ("https://127.0.0.1/x", None),
            ("http://127.0.0.1/a b", None),
            ("127.0.0.1:9180", None),
        ] {
            let read = target(url).ok().map(|(address, path)| format!("{address} {path}"));
            assert_eq!(read.as_deref(), expected, "{url}");
        }
    }
}
