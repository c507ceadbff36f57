//! The world of the model: a kubelet, three processes, their locks, and all that can happen next.

use std::time::Duration;

use super::super::arbiter::Arbiter;
use super::super::native::Native;
use super::super::regular::Regular;
use super::super::{
    Act, Active, ArbiterSettings, Child, Decision, IdlePolicy, NativeSettings, RegularSettings,
    Role, View,
};

const TIME: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lock {
    Native,
    Arbiter,
    Regular,
    Active,
}

/// The world that a history plays in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    /// The node supports native sidecars from the start.
    pub(super) supported: bool,
    /// The pod's containers share their processes' fate: a killed supervisor leaves no orphan.
    pub(super) contained: bool,
    pub(super) idle: IdlePolicy,
    pub(super) restart: Restart,
    /// The record cannot be written.
    pub(super) read_only: bool,
    /// A lock that does not work.
    pub(super) broken: Option<Lock>,
}

/// `restartPolicy` of the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Restart {
    Always,
    OnFailure,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Native,
    Arbiter,
    Regular,
}
const KINDS: [Kind; 3] = [Kind::Native, Kind::Arbiter, Kind::Regular];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Machine {
    Native(Native),
    Arbiter(Arbiter),
    Regular(Regular),
}

/// A living process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    machine: Machine,
    /// Decided and not yet done.
    act: Option<Act>,
    child: Child,
    terminated: bool,
    pub(super) holds_active: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Container {
    Waiting,
    Alive(Process),
    /// Has ended, and is not started again unless the kubelet always does.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) supported: bool,
    pub(super) native: Container,
    pub(super) arbiter: Container,
    pub(super) regular: Container,
    /// Native has been seen running since the sandbox is there, so later ones may start.
    observed: bool,
    /// A command whose supervisor is gone.
    orphans: u8,
    record: Option<Decision>,
    pub(super) kills: u8,
    pub(super) reboots: u8,
    /// To native sidecars, by a new kubelet under the running pod.
    pub(super) upgrades: u8,
    /// Commands that end by themselves.
    pub(super) ends: u8,
    /// Nobody is left to prove anything but the arbiter, so patience counts. See `reboot`.
    last_witness: bool,
}

impl World {
    pub(super) fn new(supported: bool) -> World {
        World {
            supported,
            native: Container::Waiting,
            arbiter: Container::Waiting,
            regular: Container::Waiting,
            observed: false,
            orphans: 0,
            record: None,
            kills: 0,
            reboots: 0,
            upgrades: 0,
            ends: 0,
            last_witness: false,
        }
    }

    pub(super) fn container(&self, kind: Kind) -> &Container {
        match kind {
            Kind::Native => &self.native,
            Kind::Arbiter => &self.arbiter,
            Kind::Regular => &self.regular,
        }
    }

    fn container_mut(&mut self, kind: Kind) -> &mut Container {
        match kind {
            Kind::Native => &mut self.native,
            Kind::Arbiter => &mut self.arbiter,
            Kind::Regular => &mut self.regular,
        }
    }

    pub(super) fn process(&self, kind: Kind) -> Option<&Process> {
        match self.container(kind) {
            Container::Alive(process) => Some(process),
            Container::Waiting | Container::Ended => None,
        }
    }

    pub(super) fn commands(&self) -> u8 {
        let running = |kind| self.process(kind).is_some_and(|it| it.child == Child::Running);
        self.orphans
            + u8::try_from(KINDS.into_iter().filter(|kind| running(*kind)).count()).unwrap()
    }

    /// What a kubelet may do next: containers that it may start.
    pub(super) fn startable(&self, rules: Rules, kind: Kind) -> bool {
        let ended = |kind| *self.container(kind) == Container::Ended;
        if self.process(kind).is_some() {
            return false;
        }
        match (kind, self.supported) {
            (Kind::Native, true) => true,
            (Kind::Native, false) => !ended(Kind::Native),
            (Kind::Arbiter, true) => !ended(Kind::Arbiter) && self.observed,
            (Kind::Arbiter, false) => !ended(Kind::Arbiter) && ended(Kind::Native),
            (Kind::Regular, _) => {
                let again = rules.restart == Restart::Always || !ended(Kind::Regular);
                ended(Kind::Arbiter) && again
            }
        }
    }

    fn start(&mut self, rules: Rules, kind: Kind) {
        let machine = match kind {
            Kind::Native => Machine::Native(Native::new(NativeSettings { wait: TIME })),
            Kind::Arbiter => Machine::Arbiter(Arbiter::new(ArbiterSettings { settle: TIME })),
            Kind::Regular => {
                let idle = rules.idle;
                let settings = RegularSettings { settle: TIME, idle, grace: TIME };
                Machine::Regular(Regular::new(settings))
            }
        };
        self.observed |= kind == Kind::Native;
        *self.container_mut(kind) = Container::Alive(Process {
            machine,
            act: None,
            child: Child::None,
            terminated: false,
            holds_active: false,
        });
    }

    fn view(&self, rules: Rules, kind: Kind, late: bool) -> View {
        let process = self.process(kind).unwrap();
        let alive = |other: Kind, lock| {
            other != kind && rules.broken != Some(lock) && self.process(other).is_some()
        };
        let others = KINDS.into_iter().filter(|other| *other != kind);
        let others = others.filter_map(|other| self.process(other));
        let held = self.orphans > 0 || others.clone().any(|other| other.holds_active);
        View {
            native: alive(Kind::Native, Lock::Native),
            arbiter: alive(Kind::Arbiter, Lock::Arbiter),
            regular: alive(Kind::Regular, Lock::Regular),
            active: match process.holds_active {
                true => Active::Mine,
                false if held && rules.broken != Some(Lock::Active) => Active::Others,
                false => Active::Free,
            },
            main_ended: false,
            decision: self.record,
            child: process.child,
            stop: false,
            waited: if late { Duration::MAX } else { Duration::ZERO },
        }
    }

    fn look(&mut self, rules: Rules, kind: Kind, late: bool) {
        if self.process(kind).is_none_or(|process| process.act.is_some()) {
            return;
        }
        let view = self.view(rules, kind, late);
        let Container::Alive(process) = self.container_mut(kind) else { return };
        let act = match &mut process.machine {
            Machine::Native(it) => step(it, &view),
            Machine::Arbiter(it) => step(it, &view),
            Machine::Regular(it) => step(it, &view),
        };
        process.act = (!matches!(act, Act::Wait(_))).then_some(act);
    }

    fn act(&mut self, rules: Rules, kind: Kind) {
        let Container::Alive(process) = *self.container(kind) else { return };
        let free = self.view(rules, kind, false).active == Active::Free;
        let act = process.act;
        let Container::Alive(process) = self.container_mut(kind) else { return };
        process.act = None;
        match act {
            None | Some(Act::Wait(_)) => {}
            Some(Act::Take) => process.holds_active = free,
            Some(Act::Release) => {
                process.holds_active = false;
                process.child = Child::None;
                process.terminated = false;
            }
            Some(Act::Start) => process.child = Child::Running,
            Some(Act::Terminate) => process.terminated = true,
            Some(Act::Kill) => process.child = Child::Ended(137),
            Some(Act::Record(_)) if rules.read_only => {}
            Some(Act::Record(decision)) => self.record = Some(decision),
            Some(Act::Exit(status)) => {
                let again = status != 0 && rules.restart != Restart::Never;
                *self.container_mut(kind) =
                    if again { Container::Waiting } else { Container::Ended };
            }
        }
    }

    /// Kills a supervisor; its command lives on where nothing contains it.
    fn kill(&mut self, rules: Rules, kind: Kind) {
        let Container::Alive(process) = *self.container(kind) else { return };
        if process.child == Child::Running && !rules.contained {
            self.orphans += 1;
        }
        let again = rules.restart != Restart::Never || kind != Kind::Regular;
        *self.container_mut(kind) = if again { Container::Waiting } else { Container::Ended };
    }

    /// Whether the pod goes on after this death: without restarts it fails with its first failed
    /// init container that is no native sidecar.
    fn may_kill(&self, rules: Rules, kind: Kind) -> bool {
        let is_over = match kind {
            Kind::Native => !self.supported,
            Kind::Arbiter => true,
            Kind::Regular => false,
        };
        self.kills > 0 && !(is_over && rules.restart == Restart::Never)
    }

    /// Everything dies and init containers run again, in another generation: the old record counts
    /// for nothing. What has succeeded for good is not run again; then the arbiter is the last that
    /// native can see, and if either loses patience before they meet, native is never proven. No
    /// protocol helps that: until they have met, the model is patient and kills nobody.
    fn reboot(&self, rules: Rules) -> World {
        let succeeded = rules.restart == Restart::OnFailure && self.regular == Container::Ended;
        World {
            native: Container::Waiting,
            arbiter: Container::Waiting,
            regular: if succeeded { Container::Ended } else { Container::Waiting },
            observed: false,
            orphans: 0,
            record: None,
            reboots: self.reboots - 1,
            last_witness: succeeded,
            ..*self
        }
    }

    /// Everything that can happen next.
    pub(super) fn next(&self, rules: Rules) -> Vec<World> {
        let mut all = Vec::new();
        if self.last_witness {
            let mut world = *self;
            world.calm_round(rules, false);
            world.last_witness = world.arbiter != Container::Ended;
            return vec![world];
        }
        let mut with = |change: &dyn Fn(&mut World)| {
            let mut world = *self;
            change(&mut world);
            all.push(world);
        };
        for kind in KINDS {
            if self.startable(rules, kind) {
                with(&|world| world.start(rules, kind));
            }
            let Some(process) = self.process(kind) else { continue };
            match process.act {
                Some(_) => with(&|world| world.act(rules, kind)),
                None => {
                    with(&|world| world.look(rules, kind, false));
                    with(&|world| world.look(rules, kind, true));
                }
            }
            if process.terminated && process.child == Child::Running {
                with(&|world| world.end_child(kind));
            }
            if self.ends > 0 && process.child == Child::Running {
                with(&|world| {
                    world.ends -= 1;
                    world.end_child(kind);
                });
            }
            if self.may_kill(rules, kind) {
                with(&|world| {
                    world.kills -= 1;
                    world.kill(rules, kind);
                });
            }
        }
        if self.orphans > 0 {
            with(&|world| world.orphans -= 1);
        }
        // Without restarts a pod that has run fails instead.
        if self.reboots > 0 && rules.restart != Restart::Never {
            all.push(self.reboot(rules));
        }
        // Without restarts the regular copy may be gone for good, and nobody else saw native live.
        if self.upgrades > 0 && !self.supported && rules.restart != Restart::Never {
            all.push(World { supported: true, upgrades: self.upgrades - 1, ..*self });
        }
        all
    }

    fn end_child(&mut self, kind: Kind) {
        if let Container::Alive(process) = self.container_mut(kind) {
            process.child = Child::Ended(143);
        }
    }

    /// One round without crashes: every process takes its turn, the kubelet too.
    pub(super) fn calm_round(&mut self, rules: Rules, late: bool) {
        for kind in KINDS {
            if self.startable(rules, kind) {
                self.start(rules, kind);
            }
            self.look(rules, kind, late);
            self.act(rules, kind);
            if self.process(kind).is_some_and(|it| it.terminated && it.child == Child::Running) {
                self.end_child(kind);
            }
        }
    }

    /// Whether this is how it should be for good.
    pub(super) fn fault(&self, rules: Rules) -> Option<&'static str> {
        let unproven = !self.supported
            || rules.restart == Restart::Never && self.record != Some(Decision::Native);
        if unproven && self.regular == Container::Ended {
            // It ran the command and is not started again: the pod is over.
            return (self.commands() > 1).then_some("two commands run");
        }
        let runs = |kind| self.process(kind).is_some_and(|it| it.child == Child::Running);
        match self.supported {
            _ if self.commands() > 1 => Some("two commands run"),
            _ if self.commands() == 0 => Some("no command runs"),
            false if self.process(Kind::Native).is_some() => Some("native does not exit"),
            _ if self.orphans == 1 => None,
            true if !runs(Kind::Native) => Some("native does not run the command"),
            false if !runs(Kind::Regular) => Some("regular does not run the command"),
            _ => None,
        }
    }
}

fn step<R: Role>(machine: &mut R, view: &View) -> Act {
    let (next, act) = machine.step(view);
    *machine = next;
    act
}
