//! A node with native sidecars, played with podman: the next container starts as soon as the native
//! copy runs, and the native copy is started again whenever it ends.
//!
//! podman restarts what ends; the order of a start is the test's. A start without init containers,
//! which kubelets of 1.28.0 did after a reboot, is one of the events.

use e2e::census::{kill9, parent};
use e2e::pace::{SOON, wait_until};
use e2e::podman::{BASE_IMAGE, Podman};
use e2e::seed::random;

use super::{Sidecar, podman};

const EVENTS: u32 = 20;
/// A plain init container runs again until it ends with 0.
const ARBITER_RUNS_MAX: usize = 10;

#[test]
fn the_native_copy_runs_through_reboots_and_kills() {
    let podman = podman();
    let sidecar = Sidecar::new(2);
    let mut random = random();
    let pod = NativePod::create(&podman, &sidecar);
    pod.boot();
    let mut command = sidecar.settled("the first start", None);
    for number in 0..EVENTS {
        let event = *random.one_of(&Event::ALL);
        let what = format!("event {number}, {event:?}");
        println!("{what}");
        let gone = pod.suffer(event, command);
        sidecar.settled(&what, gone.then_some(command));
        wait_until(&format!("the native copy after {what}"), SOON, || pod.runs_natively());
        command = sidecar.settled(&what, None);
    }
    for copy in ["native", "regular"] {
        let logs = podman.logs(&pod.container(copy));
        assert!(!logs.contains("Address already in use"), "two had the port at once: {logs}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    KillCommand,
    KillNative,
    KillRegular,
    Reboot,
    PowerCut,
    /// A reboot after which the ordinary containers start first.
    RegularFirst,
}

impl Event {
    const ALL: [Event; 8] = [
        Event::KillCommand,
        Event::KillCommand,
        Event::KillNative,
        Event::KillNative,
        Event::KillRegular,
        Event::Reboot,
        Event::PowerCut,
        Event::RegularFirst,
    ];
}

struct NativePod<'a> {
    podman: &'a Podman,
    sidecar: &'a Sidecar,
    name: String,
}

impl<'a> NativePod<'a> {
    fn create(podman: &'a Podman, sidecar: &'a Sidecar) -> Self {
        let pod = Self { podman, sidecar, name: sidecar.name() };
        podman.run(&["pod", "create", "--network", "none", "--name", &pod.name]);
        let main = ["sh", "-c", "trap exit TERM; sleep 400000 & wait"].map(str::to_owned);
        pod.add("native", "always", &sidecar.words("native"));
        pod.add("arbiter", "no", &sidecar.words("arbiter"));
        pod.add("regular", "always", &sidecar.words("regular"));
        pod.add("main", "always", &main);
        pod
    }

    fn add(&self, name: &str, restart: &str, words: &[String]) {
        let (container, volume) = (self.container(name), format!("{}:/shared", self.name));
        let uid = format!("NATIVE_SIDECAR_PROBE_POD_UID=uid-{}", self.name);
        let mut args = vec!["create", "--pod", &self.name, "--name", &container];
        args.extend(["--restart", restart, "-v", &volume, "-e", &uid, BASE_IMAGE]);
        args.extend(words.iter().map(String::as_str));
        self.podman.run(&args);
    }

    fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    fn runs_natively(&self) -> bool {
        let native = self.podman.pid(&self.container("native"));
        native.is_some() && native == self.sidecar.command.only().and_then(parent)
    }

    fn boot(&self) {
        self.podman.run(&["start", &self.container("native")]);
        let arbiter = ["start", "--attach", &self.container("arbiter")];
        let ended =
            (0..ARBITER_RUNS_MAX).any(|_| self.podman.try_run(&arbiter, SOON).code == Some(0));
        assert!(ended, "{}", self.podman.logs(&self.container("arbiter")));
        // podman is slower than the two short times, so the arbiter may have found nobody.
        self.podman.run(&["start", &self.container("regular"), &self.container("main")]);
    }

    /// Whether the command before cannot be the one after.
    fn suffer(&self, event: Event, command: u32) -> bool {
        let stop = ["pod", "stop", "-t", "5", &self.name];
        match event {
            Event::KillCommand => kill9(command),
            Event::KillNative => kill9(self.sidecar.supervisor()),
            Event::KillRegular => {
                let regular = self.podman.pid(&self.container("regular"));
                kill9(regular.expect("the regular copy runs"));
                return false;
            }
            Event::Reboot => {
                self.podman.run(&stop);
                self.boot();
            }
            Event::PowerCut => {
                self.podman.run(&["pod", "kill", &self.name]);
                self.boot();
            }
            Event::RegularFirst => {
                self.podman.run(&stop);
                let [regular, main] = ["regular", "main"].map(|name| self.container(name));
                self.podman.run(&["start", &regular, &main]);
                self.sidecar.settled("a start without init containers", Some(command));
                self.podman.run(&["start", &self.container("native")]);
            }
        }
        true
    }
}
