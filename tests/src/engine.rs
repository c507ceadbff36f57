//! A docker engine of the tests' own.
//!
//! A dockerd with a socket in a temporary folder, a network of its own and its store in
//! `target/engine`: images, containers, networks and packet filters of a user's engine are neither
//! seen nor touched. The store stays from run to run, because a cached build takes seconds and a
//! new one minutes; everything else ends with the engine, also after a panic and, through the
//! kernel, after the death of the test. One engine runs at a time, by a lock on
//! `target/engine.lock`. Every command is bounded in time. Needs root.

mod daemon;
mod leftovers;
mod own_images;
mod stand_ins;

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use self::daemon::{Daemon, Network};
pub use self::own_images::{IMAGES, image, stage};
use crate::binary::installed;
use crate::pace::wait_for;
pub use crate::podman::Outcome;
use crate::process::command;

const PACKAGE: &str = "docker.io";

/// Others may build all images before it is our turn.
const TURN_MAX: Duration = Duration::from_secs(2 * 60 * 60);
/// A command takes a fraction of a second, but the machine may be busy.
const DOCKER_MAX: Duration = Duration::from_secs(120);
/// Waits for containers to be healthy, or to end.
const COMPOSE_MAX: Duration = Duration::from_secs(300);
/// Between the request to end and SIGKILL, for a command.
const KILL_AFTER: &str = "--kill-after=10";
/// Of timeout(1), which docker does not use.
const TIMED_OUT: i32 = 124;
/// Of each container, after a failure.
const LINES_SHOWN: &str = "40";
/// Settings of a user that would lead the clients elsewhere.
const CLIENT_PREFIXES: [&str; 3] = ["DOCKER_", "COMPOSE_", "BUILDKIT_"];

/// A running dockerd with what belongs to it.
#[derive(Debug)]
pub struct Engine {
    daemon: Daemon,
    folder: TempDir,
    /// Of the thread that started it.
    outside: File,
    /// Locked while the engine runs.
    _turn: File,
}

impl Engine {
    /// Waits for its turn, then starts. Until the engine ends, the calling thread and what it
    /// starts from now on are in the engine's network: published ports are at 127.0.0.1 there, and
    /// the addresses of containers are reached, but nobody outside.
    pub fn start() -> Self {
        let turn = take_turn();
        end_former();
        let folder = tempfile::Builder::new().prefix("outrider-engine-").tempdir().unwrap();
        fs::write(former(), folder.path().to_str().unwrap()).unwrap();
        let daemon = Daemon::start(&store(), folder.path(), Network::Own);
        let outside = daemon::own_network();
        let engine = Self { daemon, folder, outside, _turn: turn };
        engine.remove_all();
        engine.daemon.enter_network();
        engine
    }

    /// Makes images of others be there under the names that users write, e.g. `nginx:1.22`: those
    /// of a registry where one answers, else stand-ins made of Debian's packages. To be called
    /// before there are containers: the daemon may start anew.
    pub fn ensure(&mut self, names: &[&str]) {
        let missing: Vec<&str> =
            names.iter().copied().filter(|name| !stand_ins::is_there(self, name)).collect();
        if !missing.is_empty() {
            self.on_network_of_machine(|engine| stand_ins::fetch(engine, &missing));
        }
    }

    /// Builds our images from the Dockerfile, each under its name of [`image`], unless they are
    /// there already; each is saved as `target/images/<image>.tar` for other engines. To be called
    /// before there are containers: the daemon may start anew.
    pub fn images(&mut self) {
        self.ensure(&[own_images::RUST_IMAGE]);
        if !own_images::are_there(self) {
            self.on_network_of_machine(own_images::build);
        }
    }

    /// Lets another daemon work on the store, one that reaches registries.
    fn on_network_of_machine(&mut self, work: impl FnOnce(&Self)) {
        self.change_daemon(Network::Machine);
        work(self);
        self.change_daemon(Network::Own);
        self.daemon.enter_network();
    }

    fn change_daemon(&mut self, network: Network) {
        self.daemon.stop();
        daemon::enter(&self.outside);
        self.daemon = Daemon::start(&store(), self.folder.path(), network);
    }

    /// Runs a command of docker, which must be a success within two minutes; returns its stdout.
    pub fn docker(&self, args: &[&str]) -> String {
        self.docker_within(args, DOCKER_MAX)
    }

    /// Runs a command of docker until the deadline at most.
    pub fn try_docker(&self, args: &[&str], deadline: Duration) -> Outcome {
        self.run(self.client("docker", PACKAGE, deadline).args(args))
    }

    /// Runs a command of docker that reads a file as its input, until the deadline at most.
    pub fn docker_reading(&self, input: &Path, args: &[&str], deadline: Duration) -> Outcome {
        let mut client = self.client("docker", PACKAGE, deadline);
        self.run(client.args(args).stdin(File::open(input).unwrap()))
    }

    /// Runs `docker-compose -p PROJECT -f FILE ARGS`, which must be a success within five minutes;
    /// returns its stdout. What it leaves is removed when the engine ends.
    pub fn compose(&self, project: &str, file: &Path, args: &[&str]) -> String {
        let outcome = self.try_compose(project, file, args, COMPOSE_MAX);
        assert_eq!(outcome.code, Some(0), "docker-compose {args:?}: {outcome:#?}");
        outcome.stdout
    }

    /// The same, until the deadline at most.
    pub fn try_compose(
        &self,
        project: &str,
        file: &Path,
        args: &[&str],
        deadline: Duration,
    ) -> Outcome {
        let mut compose = self.client("docker-compose", "docker-compose", deadline);
        self.run(compose.args(["-p", project, "-f"]).arg(file).args(args))
    }

    /// The host's number of a container's first process.
    pub fn pid(&self, container: &str) -> u32 {
        let pid = self.docker(&["inspect", "-f", "{{.State.Pid}}", container]);
        pid.trim().parse().unwrap()
    }

    /// Everything a container wrote, stdout before stderr.
    pub fn logs(&self, container: &str) -> String {
        let outcome = self.try_docker(&["logs", container], DOCKER_MAX);
        outcome.stdout + &outcome.stderr
    }

    /// Where the daemon listens, for a client of one's own.
    pub fn socket(&self) -> PathBuf {
        daemon::socket(self.folder.path())
    }

    fn docker_within(&self, args: &[&str], deadline: Duration) -> String {
        let outcome = self.try_docker(args, deadline);
        assert_eq!(outcome.code, Some(0), "docker {args:?}: {outcome:#?}");
        outcome.stdout
    }

    /// A client of this engine under timeout(1): it ends even if the test is killed.
    fn client(&self, program: &str, package: &str, deadline: Duration) -> Command {
        let mut client = command(installed("timeout", "coreutils"));
        for (name, _value) in std::env::vars() {
            if CLIENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                client.env_remove(name);
            }
        }
        client.env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        client.env("DOCKER_CONFIG", self.folder.path());
        // The builder that every engine has; BuildKit needs a plugin of the client.
        client.env("DOCKER_BUILDKIT", "0").env("COMPOSE_DOCKER_CLI_BUILD", "0");
        client.arg(KILL_AFTER).arg(deadline.as_secs().to_string()).arg(installed(program, package));
        client
    }

    fn run(&self, client: &mut Command) -> Outcome {
        // Files, not pipes: nothing waits for a reader.
        let [stdout, stderr] = [(); 2].map(|()| tempfile::tempfile_in(self.folder.path()).unwrap());
        client.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let status = client.status().unwrap();
        let code = status.code().filter(|code| *code != TIMED_OUT);
        Outcome { code, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Streams an archive made by tar into a command of docker, which must be a success.
    fn feed(&self, mut tar: Command, args: &[&str], deadline: Duration) -> String {
        let mut tar = tar.stdout(Stdio::piped()).spawn().unwrap();
        let mut client = self.client("docker", PACKAGE, deadline);
        let outcome = self.run(client.args(args).stdin(tar.stdout.take().unwrap()));
        assert!(tar.wait().unwrap().success(), "tar failed for docker {args:?}");
        assert_eq!(outcome.code, Some(0), "docker {args:?}: {outcome:#?}");
        outcome.stdout
    }

    /// Containers, networks and volumes, but not images.
    fn remove_all(&self) {
        let kinds = [
            (&["ps", "-aq"][..], &["rm", "-f", "-v"][..]),
            (&["network", "ls", "-q", "--filter", "type=custom"], &["network", "rm"]),
            (&["volume", "ls", "-q"], &["volume", "rm", "-f"]),
        ];
        for (list, remove) in kinds {
            let listed = self.try_docker(list, DOCKER_MAX).stdout;
            let all: Vec<&str> = listed.split_whitespace().collect();
            if all.is_empty() {
                continue;
            }
            let removed = self.try_docker(&[remove, &all].concat(), DOCKER_MAX);
            if removed.code != Some(0) {
                eprintln!("left to the next engine: {removed:?}");
            }
        }
    }

    /// For the report of a failed test.
    fn show_containers(&self) {
        let format = "{{.Names}} {{.Image}} {{.Status}}";
        let list = self.try_docker(&["ps", "-a", "--format", format], DOCKER_MAX);
        for line in list.stdout.lines() {
            let name = line.split(' ').next().unwrap_or_default();
            let logs = self.try_docker(&["logs", "--tail", LINES_SHOWN, name], DOCKER_MAX);
            eprintln!("--- {line}\n{}{}", logs.stdout, logs.stderr);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_containers();
        }
        self.remove_all();
        self.daemon.stop();
        daemon::enter(&self.outside);
        end_former();
    }
}

/// One engine at a time: they share the store.
fn take_turn() -> File {
    fs::create_dir_all(target()).unwrap();
    let file = File::create(target().join("engine.lock")).unwrap();
    wait_for("the end of another engine", TURN_MAX, || file.try_lock().ok());
    file
}

/// Ends what is left of the last engine, this one among them.
fn end_former() {
    let Ok(folder) = fs::read_to_string(former()) else { return };
    leftovers::end_processes(Path::new(&folder));
    for mounted in [Path::new(&folder), &store()] {
        leftovers::unmount(mounted);
    }
    if Path::new(&folder).exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::remove_file(former()).unwrap();
}

/// Of the workspace: a folder of the developer's own for cargo has no part in it.
fn target() -> PathBuf {
    workspace().join("target")
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn store() -> PathBuf {
    target().join("engine")
}

/// Names the temporary folder of the engine that runs, or was killed.
fn former() -> PathBuf {
    target().join("engine.folder")
}

/// tar with the whole content of a folder.
fn tar(folder: &Path, args: &[impl AsRef<OsStr>]) -> Command {
    let mut tar = command(installed("tar", "tar"));
    tar.args(["--one-file-system", "--numeric-owner", "-c", "-f", "-"])
        .args(args)
        .arg("-C")
        .arg(folder);
    tar
}

fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The same for the same value, in this and in later runs.
fn digest(value: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::mem;
    use std::net::TcpStream;

    use super::*;
    use crate::census::{command_line, kill9};
    use crate::pace::{SOON, wait_until};

    const IMAGE: &str = "busybox:1.36";
    const GREET: &str = "echo hello | nc -l -p 80";

    fn greeting(port: u16) -> io::Result<String> {
        let mut text = String::new();
        TcpStream::connect(("127.0.0.1", port))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn an_engine_has_its_own_network_and_leaves_nothing_behind() {
        let network = || fs::read_link("/proc/thread-self/ns/net").unwrap();
        let outside = network();
        let mut engine = Engine::start();
        engine.ensure(&[IMAGE]);
        let folder = engine.folder.path().to_owned();
        let run = ["run", "-d", "--name", "one", "-p", "80:80", IMAGE, "sh", "-c", GREET];
        engine.docker(&run);
        let pid = engine.pid("one");
        assert_ne!(network(), outside);
        wait_until("the greeting", SOON, || greeting(80).is_ok_and(|text| text == "hello\n"));
        let slow = engine.try_docker(&["run", IMAGE, "sleep", "100"], Duration::from_secs(1));
        assert_eq!(slow.code, None);
        drop(engine);
        assert_eq!(network(), outside);
        assert!(!folder.exists());
        assert!(command_line(pid).is_empty());
    }

    #[test]
    fn what_a_killed_engine_left_is_ended_by_the_next() {
        let mut engine = Engine::start();
        engine.ensure(&[IMAGE]);
        engine.docker(&["run", "-d", "--name", "one", IMAGE, "sleep", "1000"]);
        let pid = engine.pid("one");
        let folder = engine.folder.path().to_owned();
        kill9(engine.daemon.pid());
        // As if this process had been killed: nobody cleans up.
        let Engine { daemon: _daemon, folder: kept, outside, _turn: turn } = &engine;
        daemon::enter(outside);
        assert!(kept.path().exists() && !command_line(pid).is_empty());
        turn.unlock().unwrap();
        mem::forget(engine);
        let engine = Engine::start();
        assert!(!folder.exists());
        assert!(command_line(pid).is_empty());
        assert_eq!(engine.docker(&["ps", "-aq"]), "");
    }
}
