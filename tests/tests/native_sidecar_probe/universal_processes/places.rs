//! Directories that are full, read-only or somebody else's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use e2e::binary::{built, installed};
use e2e::census::kill9;
use e2e::pace::{SOON, holds_for};
use e2e::process::{Guard, Signal, command};
use e2e::workplace::{Mounted, Workplace, run};

use super::PROBE;
use super::kubelet::{ARBITER, Kind, NATIVE, Pod, REGULAR, ROLES};

const FULL_BYTES: u64 = 64 * 1024;
/// sysexits' "unavailable": the directory is the reason.
const CANNOT_START: i32 = 69;

#[test]
fn a_full_disk_costs_time_only() {
    for kind in [Kind::Old, Kind::New] {
        let mut pod = Pod::new(kind);
        let _disk = Mounted::tmpfs(&pod.place.state(), FULL_BYTES);
        let filled = fs::write(pod.place.state().join("filler"), vec![0; 2 * 64 * 1024]);
        assert!(filled.is_err(), "the disk is full");
        through_crashes_and_a_reboot(&mut pod);
    }
}

#[test]
fn a_copy_that_may_only_read_takes_part() {
    let mut pod = Pod::new(Kind::New);
    let view = pod.place.path().join("view");
    let read_only = Mounted::read_only_view(&pod.place.state(), &view);
    pod.folders.insert(REGULAR, view);
    let command = pod.settled("the start", None);
    pod.until("native", |pod| pod.runs_natively() && pod.runs(REGULAR));
    // The node loses its native sidecars, so nothing comes back but the read-only copy.
    pod.kind = Kind::Old;
    pod.signal(NATIVE, Signal::KILL);
    kill9(command);
    pod.settled("the loss of native", Some(command));
    pod.kind = Kind::New;
    pod.until("the handover", Pod::runs_natively);
    pod.assert_never_two("the handover");
    drop(pod);
    drop(read_only);
}

#[test]
fn a_directory_without_the_right_to_it_is_named() {
    let place = reachable();
    let program = copied(&place);
    let view = place.path().join("view");
    let _read_only = Mounted::read_only_view(&place.state(), &view);
    let foreign = place.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let missing = place.path().join("missing");
    for folder in [&view, &foreign, &missing] {
        for role in ROLES {
            let mut process = command(installed("setpriv", "util-linux"));
            process.args(user(1001)).arg(&program).args(["universal", role]);
            process.arg("--dir").arg(folder).args(["--name", "web"]);
            if role != ARBITER {
                process.args(["--", "sleep", "1000"]);
            }
            let name = format!("{role}-{}", folder.file_name().unwrap().display());
            let mut guard = Guard::spawn(process, place.path(), &name);
            assert_eq!(guard.wait_code(SOON), CANNOT_START, "{role} in {}", folder.display());
            let stderr = guard.stderr_text();
            assert!(stderr.contains(folder.to_str().unwrap()), "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
        }
    }
}

#[test]
fn copies_of_different_users_meet() {
    for kind in [Kind::Old, Kind::New] {
        let mut pod = Pod::new(kind);
        open_to_all(pod.place.path());
        open_to_all(&pod.place.state());
        pod.program = copied(&pod.place);
        for (role, uid) in ROLES.into_iter().zip(1001..) {
            let setpriv = installed("setpriv", "util-linux").to_str().unwrap().to_owned();
            // A mask that takes all rights from others.
            let mask = ["sh", "-c", "umask 077; exec \"$@\"", "sh"].map(str::to_owned);
            let words = [mask.to_vec(), vec![setpriv], user(uid).to_vec()].concat();
            pod.wrappers.insert(role, words);
        }
        through_crashes_and_a_reboot(&mut pod);
        assert!(holds_for(Duration::from_millis(300), || {
            pod.tick();
            pod.runs(REGULAR)
        }));
    }
}

/// One command runs after each, at the end that of the right copy.
fn through_crashes_and_a_reboot(pod: &mut Pod) {
    let mut command = pod.settled("the start", None);
    for _ in 0..3 {
        kill9(command);
        command = pod.settled("a crash", Some(command));
    }
    pod.reboot();
    pod.settled("a reboot", None);
    pod.until("the right copy", |pod| pod.runs_natively() == (pod.kind == Kind::New));
}

fn user(uid: u32) -> [String; 3] {
    [format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()]
}

/// Other users may pass.
fn reachable() -> Workplace {
    let place = Workplace::new();
    open_to_all(place.path());
    place
}

fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
}

/// As into an emptyDir, from where any user may run it.
fn copied(place: &Workplace) -> std::path::PathBuf {
    let folder = place.path().join("copied");
    fs::create_dir(&folder).unwrap();
    open_to_all(&folder);
    run(command(built(PROBE)).args(["universal", "copy"]).arg(&folder));
    folder.join(PROBE)
}
