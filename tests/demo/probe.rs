//! The probe's side of the demo: one sidecar on a node without native sidecars, then with them.
//!
//! Three real processes play the pod's containers; the sidecar is nginx-adapter on one port, so a
//! second copy at the same time could not start. Beside it the verdict on a cluster with an old
//! node: its API server is a fake one that says what real ones said. Out comes the verdict's table
//! and whether everything was as promised.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use e2e::binary::{built, released};
use e2e::kube_api::{FakeCluster, Gate};
use e2e::metrics;
use e2e::pace::{SOON, wait_until};
use e2e::process::{Guard, Signal, command};
use e2e::workplace::{Workplace, free_address};

const OLD: &str = "v1.27.16";
const NEW: &str = "v1.32.13";
const MIXED: i32 = 3;

/// Tells what happens; true if everything went as promised.
pub(crate) fn run(tell: &dyn Fn(String)) -> (String, bool) {
    let place = Workplace::new();
    let sidecar = universal(&place, tell);
    let cluster = FakeCluster::start(&place, NEW);
    cluster.node("new", NEW, Gate::Default).node("old", OLD, Gate::Default);
    let mut question = probe();
    question.args(["cluster", "--output=table"]);
    question.arg(format!("--kubeconfig={}", cluster.kubeconfig().display()));
    question.arg(format!("--kubelet-ca={}", cluster.kubelet_ca_file().display()));
    let output = question.stdout(Stdio::piped()).output().unwrap();
    let mixed = output.status.code() == Some(MIXED);
    let text = String::from_utf8(output.stdout).unwrap();
    let table = text.lines().take_while(|line| !line.starts_with("advice"));
    (table.fold(String::new(), |table, line| table + line + "\n"), sidecar && mixed)
}

/// True if one copy answered at a time, and the right one.
fn universal(place: &Workplace, tell: &dyn Fn(String)) -> bool {
    let room = place.path().to_owned();
    let address = free_address();
    let mut native = start_copy(&room, "native", address);
    let exits =
        native.wait_code(SOON) == 0 && start_role(&room, "arbiter", &[]).wait_code(SOON) == 0;
    let mut regular = start_copy(&room, "regular", address);
    wait_until("the sidecar", SOON, || answers(address));
    tell("without native sidecars: the native copy exits, the regular one runs the sidecar".into());
    let mut native = start_copy(&room, "native", address);
    wait_until("the handover", SOON, || native.stderr_text().contains("Command started"));
    wait_until("the sidecar", SOON, || answers(address));
    let handed_over = regular.stderr_text().contains("has to give way") && regular.is_running();
    tell("with native sidecars: the regular copy sees the native one live and hands over".into());
    native.signal(Signal::TERM);
    regular.signal(Signal::TERM);
    exits && handed_over && native.wait_code(SOON) == 0 && regular.wait_code(SOON) == 0
}

fn answers(address: SocketAddr) -> bool {
    metrics::get(address, "/healthz").is_ok_and(|(status, _body)| status == 200)
}

fn start_copy(room: &Path, role: &str, address: SocketAddr) -> Guard {
    let adapter: PathBuf = built("nginx-adapter");
    let listen = format!("--web.listen-address={address}");
    start_role(room, role, &["--", &adapter.display().to_string(), &listen])
}

fn start_role(room: &Path, role: &str, words: &[&str]) -> Guard {
    let mut command = probe();
    command.args(["universal", role, "--name=adapter"]).arg(format!("--dir={}", room.display()));
    command.args(words).stdout(Stdio::null());
    Guard::spawn(command, room, role)
}

fn probe() -> Command {
    command(released("native-sidecar-probe"))
}
