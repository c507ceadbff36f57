//! `universal`: runs a sidecar natively where the node supports it, and as an ordinary container
//! elsewhere. `shutdown`: ends such sidecars when a Job's main container has ended.
//!
//! Reads the settings of the roles and hands over to the crate `universal-sidecar`, which starts no
//! async runtime: a copy without work sits idle for the life of the pod.

mod wrap;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use sidecar_runtime::{Rejections, release_after_crowd, setting};
use universal_sidecar::{
    ArbiterSettings, Command, IdlePolicy, NativeSettings, RegularSettings, Room, RoomError,
    Settings, copy_program, run_arbiter, run_native, run_regular, status,
};

pub(crate) use self::wrap::{Args as ShutdownArgs, run as run_shutdown};
use crate::status::Status;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    role: RoleArgs,
}

#[derive(Debug, Subcommand)]
enum RoleArgs {
    /// As an init container with restartPolicy Always: runs the command if a later container lives
    /// beside it, else exits with 0
    Native(NativeArgs),
    /// As the init container right after it: ends when it is known who runs the command
    Arbiter(ArbiterArgs),
    /// As an ordinary container: runs the command where native does not
    Regular(RegularArgs),
    /// Copies this program into DIR, to wrap the command of any image
    Copy(CopyArgs),
    /// Exit status 0 if the command runs in one of the copies, else 1
    Ready(RoomArgs),
    /// Shows who lives and what was decided
    Status(StatusArgs),
}

#[derive(Debug, clap::Args)]
struct RoomArgs {
    /// Directory on an emptyDir that all copies mount
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Name of the sidecar, the same for all its copies
    #[arg(long, value_name = "SIDECAR")]
    name: String,
    /// metadata.uid of the pod, from the downward API
    #[arg(long, value_name = "UID")]
    pod_uid: Option<String>,
}

#[derive(Debug, clap::Args)]
struct NativeArgs {
    #[command(flatten)]
    room: RoomArgs,
    /// How long to look for a later container before exiting
    #[arg(long, value_name = "DURATION", default_value = "3s")]
    native_wait: String,
    /// The sidecar's command
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
struct ArbiterArgs {
    #[command(flatten)]
    room: RoomArgs,
    /// How long native may be away before it counts as gone
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    settle: String,
}

#[derive(Debug, clap::Args)]
struct RegularArgs {
    #[command(flatten)]
    room: RoomArgs,
    /// How long native may be away before its place is taken
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    settle: String,
    /// restartPolicy of the pod: Always, OnFailure or Never
    #[arg(long, value_name = "POLICY", default_value = "Always")]
    pod_restart_policy: String,
    /// What to do while native runs the command: exit, wait-main or stay; by default stay, and
    /// exit where the pod's containers are not restarted
    #[arg(long, value_name = "POLICY")]
    idle_policy: Option<String>,
    /// Time from SIGTERM to SIGKILL when the command has to give way
    #[arg(long, value_name = "DURATION", default_value = "20s")]
    grace: String,
    /// The sidecar's command
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
struct CopyArgs {
    /// Directory on an emptyDir
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    room: RoomArgs,
    /// text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: String,
}

/// `restartPolicy` of the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PodRestartPolicy {
    Always,
    OnFailure,
    Never,
}

pub(crate) fn run(args: Args, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    match args.role {
        RoleArgs::Native(args) => {
            let wait = rejections.parse("native-wait", &args.native_wait, setting::duration);
            let Some(wait) = wait else { return Status::Rejected };
            let command = command(args.command);
            in_room(&args.room, rejections, |room| {
                run_native(room, NativeSettings { wait }, &command)
            })
        }
        RoleArgs::Arbiter(args) => {
            let settle = rejections.parse("settle", &args.settle, setting::duration);
            let Some(settle) = settle else { return Status::Rejected };
            in_room(&args.room, rejections, |room| run_arbiter(room, ArbiterSettings { settle }))
        }
        RoleArgs::Regular(args) => {
            let settings = regular_settings(&args, rejections);
            let Some(settings) = settings else { return Status::Rejected };
            let command = command(args.command);
            in_room(&args.room, rejections, |room| run_regular(room, settings, &command))
        }
        RoleArgs::Copy(args) => copy(&args.folder, rejections),
        RoleArgs::Ready(args) => in_room(&args, rejections, |settings| {
            Ok(if status(&settings.room)?.active { Status::Supported } else { Status::Finding }
                .code())
        }),
        RoleArgs::Status(args) => show(&args, rejections, out),
    }
}

/// The room is neither made nor looked at if a setting was rejected.
fn in_room(
    args: &RoomArgs,
    rejections: &mut Rejections,
    work: impl FnOnce(&Settings) -> Result<u8, RoomError>,
) -> Status {
    if !rejections.is_empty() {
        return Status::Rejected;
    }
    let room = Room::open(&args.dir, &args.name, args.pod_uid.as_deref());
    let settings = room.map(|room| Settings { room, rest: release_after_crowd });
    match settings.and_then(|settings| work(&settings)) {
        Ok(code) => Status::Command(code),
        Err(error) => cannot_start(&error, rejections),
    }
}

fn cannot_start(error: &RoomError, rejections: &mut Rejections) -> Status {
    if let RoomError::Name { name } = error {
        rejections.reject("name", name, error);
        return Status::Rejected;
    }
    let reason = net::with_causes(error);
    tracing::error!(reason, "Cannot run");
    Status::CannotStart
}

fn command(mut words: Vec<OsString>) -> Command {
    let program = words.remove(0);
    Command { program, arguments: words }
}

fn regular_settings(args: &RegularArgs, rejections: &mut Rejections) -> Option<RegularSettings> {
    let settle = rejections.parse("settle", &args.settle, setting::duration);
    let grace = rejections.parse("grace", &args.grace, setting::duration);
    let policy = pod_restart_policy(&args.pod_restart_policy, rejections);
    let choices = [
        ("exit", IdlePolicy::Exit),
        ("wait-main", IdlePolicy::WaitMain),
        ("stay", IdlePolicy::Stay),
    ];
    let idle = match &args.idle_policy {
        Some(text) => rejections.parse("idle-policy", text, setting::one_of(&choices)),
        None if policy == Some(PodRestartPolicy::Always) => Some(IdlePolicy::Stay),
        None => Some(IdlePolicy::Exit),
    };
    if policy == Some(PodRestartPolicy::Always) && idle.is_some_and(|idle| idle != IdlePolicy::Stay)
    {
        let text = args.idle_policy.as_deref().unwrap_or_default();
        rejections.reject("idle-policy", text, "would restart for ever where the pod restarts it");
        return None;
    }
    Some(RegularSettings { settle: settle?, idle: idle?, grace: grace? })
}

fn pod_restart_policy(text: &str, rejections: &mut Rejections) -> Option<PodRestartPolicy> {
    let choices = [
        ("Always", PodRestartPolicy::Always),
        ("OnFailure", PodRestartPolicy::OnFailure),
        ("Never", PodRestartPolicy::Never),
    ];
    rejections.parse("pod-restart-policy", text, setting::one_of(&choices))
}

fn copy(folder: &Path, rejections: &Rejections) -> Status {
    if !rejections.is_empty() {
        return Status::Rejected;
    }
    match copy_program(folder) {
        Ok(place) => {
            tracing::info!(place = %place.display(), "Copied");
            Status::Supported
        }
        Err(error) => {
            tracing::error!(folder = %folder.display(), %error, "Cannot copy");
            Status::CannotStart
        }
    }
}

fn show(args: &StatusArgs, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    let choices = [("text", false), ("json", true)];
    let json = rejections.parse("output", &args.output, setting::one_of(&choices));
    let Some(json) = json else { return Status::Rejected };
    in_room(&args.room, rejections, |settings| {
        let status = status(&settings.room)?;
        let value = serde_json::json!({
            "native": status.native,
            "arbiter": status.arbiter,
            "regular": status.regular,
            "main": status.main,
            "active": status.active,
            "decision": status.decision,
            "main_ended": status.main_ended,
        });
        let text = match json {
            true => format!("{value}\n"),
            false => value.as_object().into_iter().flatten().fold(String::new(), |text, (k, v)| {
                format!("{text}{k:<11} {}\n", v.as_str().map_or(v.to_string(), str::to_owned))
            }),
        };
        // A reader that has gone away has read what it wanted.
        out.write_all(text.as_bytes()).ok();
        Ok(0)
    })
}
