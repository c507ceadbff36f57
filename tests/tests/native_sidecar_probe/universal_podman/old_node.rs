//! A node without native sidecars: `restartPolicy: Always` on an init container means nothing.

use std::time::Duration;

use e2e::census::{Mark, kill9};
use e2e::pace::{SOON, paced, wait_for, wait_until};
use e2e::podman::{BASE_IMAGE, Podman};
use e2e::random::Random;
use e2e::seed::random;

use super::{Sidecar, podman};

/// How long the tutorial's pod may take to start: it takes a fraction of a second if it starts.
const HANGS: Duration = Duration::from_secs(6);
const EVENTS: u32 = 50;
/// With one process namespace for the whole pod, where a killed supervisor leaves an orphan.
const EVENTS_SHARED: u32 = 12;
/// podman may still be busy with what the kill has ended.
const STARTS_MAX: usize = 10;

#[test]
fn one_copy_runs_through_reboots_and_kills_where_the_tutorials_protocol_hangs() {
    let podman = podman();
    tutorial_hangs(&podman);
    survives(&podman, &Sidecar::new(0), false, EVENTS);
}

#[test]
fn one_copy_runs_where_a_killed_supervisor_leaves_an_orphan() {
    survives(&podman(), &Sidecar::new(1), true, EVENTS_SHARED);
}

/// The protocol of the tutorial: "the file exists" means "I was restarted, so I am native".
fn tutorial_hangs(podman: &Podman) {
    let native = "if [ -e /shared/state ]; then echo native >/shared/state; exec sleep 100000; \
                  else echo first >/shared/state; fi";
    let old_way = "if [ \"$(cat /shared/state)\" = native ]; then exec sleep 200000; fi; \
                   trap exit TERM; echo old way; sleep 300000 & wait";
    let words = |script: &str| ["sh", "-c", script].map(str::to_owned).to_vec();
    let manifest = manifest("tutorial", false, &words(native), None, &words(old_way));
    podman.play(&manifest);
    wait_until("the old way", SOON, || podman.logs("tutorial-regular") == "old way\n");
    podman.run(&["pod", "stop", "-t", "5", "tutorial"]);
    let again = podman.try_run(&["pod", "start", "tutorial"], HANGS);
    assert_eq!(again.code, None, "the tutorial's protocol should hang: {again:?}");
    assert!(podman.pid("tutorial-native").is_some(), "the init container never ends");
    assert_eq!(podman.pid("tutorial-regular"), None);
    podman.run(&["pod", "rm", "-f", "-t", "0", "tutorial"]);
}

fn survives(podman: &Podman, sidecar: &Sidecar, shared: bool, events: u32) {
    let mut random = random();
    let pod = OldPod::play(podman, sidecar, shared);
    let mut command = sidecar.settled("the first start", None);
    for number in 0..events {
        let event = *random.one_of(&Event::ALL);
        let what = format!("event {number}, {event:?}");
        println!("{what}");
        let gone = pod.suffer(event, command, &mut random);
        command = sidecar.settled(&what, gone.then_some(command));
    }
    let logs = podman.logs(&pod.container("regular"));
    assert!(!logs.contains("Address already in use"), "two commands had the port at once: {logs}");
    podman.run(&["pod", "rm", "-f", "-t", "0", &pod.name]);
}

#[derive(Debug, Clone, Copy)]
enum Event {
    KillCommand,
    KillSupervisor,
    KillMain,
    Reboot,
    PowerCut,
    /// A reboot in which an init container is killed, and the start tried again.
    KillNativeAtStart,
    KillArbiterAtStart,
}

impl Event {
    const ALL: [Event; 9] = [
        Event::KillCommand,
        Event::KillCommand,
        Event::KillSupervisor,
        Event::KillSupervisor,
        Event::KillMain,
        Event::Reboot,
        Event::PowerCut,
        Event::KillNativeAtStart,
        Event::KillArbiterAtStart,
    ];
}

struct OldPod<'a> {
    podman: &'a Podman,
    sidecar: &'a Sidecar,
    name: String,
}

impl<'a> OldPod<'a> {
    fn play(podman: &'a Podman, sidecar: &'a Sidecar, shared: bool) -> Self {
        let name = sidecar.name();
        let (native, arbiter) = (sidecar.words("native"), sidecar.words("arbiter"));
        let regular = sidecar.words("regular");
        podman.play(&manifest(&name, shared, &native, Some(&arbiter), &regular));
        Self { podman, sidecar, name }
    }

    fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// Whether the command before cannot be the one after.
    fn suffer(&self, event: Event, command: u32, random: &mut Random) -> bool {
        match event {
            Event::KillCommand => kill9(command),
            Event::KillSupervisor => kill9(self.sidecar.supervisor()),
            Event::KillMain => {
                let main = self.podman.pid(&self.container("main"));
                kill9(main.expect("the main container runs"));
                return false;
            }
            Event::Reboot => {
                self.stop();
                self.start();
            }
            Event::PowerCut => {
                self.until_nothing_runs("kill", &[]);
                self.start();
            }
            Event::KillNativeAtStart => self.crash_at_start("native", 300, random),
            Event::KillArbiterAtStart => self.crash_at_start("arbiter", 200, random),
        }
        true
    }

    fn stop(&self) {
        self.until_nothing_runs("stop", &["-t", "5"]);
    }

    /// A node begins with the init containers once nothing of the pod runs. podman's end is
    /// over only when the monitors of all containers have ended: one of them may take the death of
    /// its container for a failure, and start it again.
    fn until_nothing_runs(&self, verb: &str, flags: &[&str]) {
        let end = [&["pod", verb], flags, &[self.name.as_str()]].concat();
        wait_until("the end of all containers", SOON, || {
            self.podman.try_run(&end, SOON).code == Some(0) && self.podman.is_quiet()
        });
    }

    fn start(&self) {
        let start = ["pod", "start", &self.name];
        let started = (0..STARTS_MAX).any(|_| {
            let outcome = self.podman.try_run(&start, SOON);
            if outcome.code != Some(0) {
                println!("start: {outcome:?}");
                assert_ne!(outcome.code, None, "the start hangs");
                self.stop();
            }
            outcome.code == Some(0)
        });
        assert!(started, "the pod did not start {STARTS_MAX} times");
    }

    /// The role is killed at some time of its life.
    fn crash_at_start(&self, role: &str, lifetime_ms: u64, random: &mut Random) {
        self.stop();
        let mut start = self.podman.begin(&["pod", "start", &self.name]);
        let mark: Mark = self.sidecar.role(role);
        let pid = wait_for("the init container", SOON, || mark.only());
        let age = Duration::from_millis(random.below(lifetime_ms));
        paced(1, age, |_| kill9(pid));
        start.wait_exit(SOON);
        self.stop();
        self.start();
    }
}

/// A pod whose containers share /shared, an emptyDir. Its init containers run at each start, as
/// they do on a node; podman would otherwise run them at the first one only.
fn manifest(
    name: &str,
    shared: bool,
    native: &[String],
    arbiter: Option<&[String]>,
    regular: &[String],
) -> String {
    let container = |container: &str, words: &[String]| {
        format!(
            "  - name: {container}\n    image: {BASE_IMAGE}\n    command: {words:?}\n    \
             volumeMounts: [{{name: {name}, mountPath: /shared}}]\n    \
             env: [{{name: NATIVE_SIDECAR_PROBE_POD_UID, \
             valueFrom: {{fieldRef: {{fieldPath: metadata.uid}}}}}}]\n"
        )
    };
    let main = ["sh", "-c", "trap exit TERM; sleep 400000 & wait"].map(str::to_owned);
    let native = container("native", native) + "    restartPolicy: Always\n";
    let arbiter = arbiter.map(|words| container("arbiter", words)).unwrap_or_default();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  \
         annotations: {{io.podman.annotations.init.container.type: always}}\nspec:\n  \
         restartPolicy: OnFailure\n  shareProcessNamespace: {shared}\n  \
         volumes: [{{name: {name}, emptyDir: {{}}}}]\n  \
         initContainers:\n{native}{arbiter}  containers:\n{}{}",
        container("regular", regular),
        container("main", &main),
    )
}
