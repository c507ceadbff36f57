//! A podman of the test's own: the node without native sidecars.
//!
//! Images, containers, volumes, locks and settings are all in one temporary folder, so that no
//! image or container of a user is seen or touched, and two tests do not see each other. podman
//! 4.3 runs a pod's init containers one after the other and knows nothing of `restartPolicy:
//! Always` on them: it is a node of Kubernetes 1.27, and `pod stop` with `pod start` is a reboot
//! that keeps the emptyDir. Containers have no network but loopback: one of their own, or that of
//! the test, which pods then share. Every command is bounded in time; what is left at the end is
//! killed, unmounted and removed. Needs root.

mod image;
mod leftovers;

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

pub use self::image::Image;
use crate::binary::installed;
use crate::process::{Guard, command};

/// A command of podman takes a fraction of a second, but two tests may share a busy machine.
const COMMAND_MAX: Duration = Duration::from_secs(60);
/// Between the request to end and SIGKILL, for podman itself.
const ENDING_MAX: Duration = Duration::from_secs(5);
/// Of each container, after a failure.
const LINES_SHOWN: &str = "20";

/// What containers are made from: busybox, and what a test adds.
pub const BASE_IMAGE: &str = "localhost/outrider/base:1";
/// Holds the namespaces of a pod.
const PAUSE_IMAGE: &str = "localhost/outrider/pause:1";

/// podman with a store of its own, which ends with it.
#[derive(Debug)]
pub struct Podman {
    folder: TempDir,
    program: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    /// None: it was still running at the deadline, and was ended.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Podman {
    /// A new store whose base image holds busybox and `files`, each under its name in /bin.
    pub fn new(files: &[(&Path, &str)]) -> Self {
        let podman = Self::empty();
        let named = files.iter().map(|(file, name)| (file, format!("/bin/{name}")));
        let base = named.fold(Image::busybox(), |base, (file, path)| base.file(file, &path));
        podman.import(BASE_IMAGE, &base);
        podman
    }

    /// A new store with nothing in it but what holds the namespaces of pods.
    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("outrider-podman-").tempdir().unwrap();
        let podman = Self { folder, program: installed("podman", "podman") };
        for name in ["store", "run", "tmp", "networks"] {
            fs::create_dir(podman.path(name)).unwrap();
        }
        podman.write_settings();
        podman.import(PAUSE_IMAGE, &Image::busybox().entrypoint(image::PAUSE));
        podman
    }

    /// Puts an image into the store.
    pub fn import(&self, name: &str, image: &Image) {
        image::import(self, name, image);
    }

    /// Runs a command to its end, which must be a success; returns its stdout.
    pub fn run(&self, args: &[&str]) -> String {
        let outcome = self.try_run(args, COMMAND_MAX);
        assert_eq!(outcome.code, Some(0), "podman {args:?}: {outcome:?}");
        outcome.stdout
    }

    /// Runs a command until the deadline at most.
    pub fn try_run(&self, args: &[&str], deadline: Duration) -> Outcome {
        // Files, not pipes: containers inherit them and would keep a pipe open.
        let [stdout, stderr] = [(); 2].map(|()| tempfile::tempfile_in(self.folder.path()).unwrap());
        let mut bounded = self.bounded(deadline);
        bounded.args(args).stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let status = bounded.status().unwrap();
        /// Of timeout(1), which podman does not use.
        const TIMED_OUT: i32 = 124;
        let code = status.code().filter(|code| *code != TIMED_OUT);
        Outcome { code, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Starts a command and does not wait for it.
    pub fn begin(&self, args: &[&str]) -> Guard {
        let mut bounded = self.bounded(COMMAND_MAX);
        bounded.args(args);
        Guard::spawn(bounded, self.folder.path(), "podman")
    }

    /// Creates and starts the pod of a manifest, with loopback alone.
    pub fn play(&self, manifest: &str) {
        let file = self.path("pod.yaml");
        fs::write(&file, manifest).unwrap();
        self.run(&["kube", "play", "--network", "none", file.to_str().unwrap()]);
    }

    /// The same in the network of the calling thread, and without waiting for it: it goes on until
    /// the init containers have ended.
    pub fn begin_play_here(&self, pod: &str, manifest: &str) -> Guard {
        let file = self.path(&format!("{pod}.yaml"));
        fs::write(&file, manifest).unwrap();
        self.begin(&["kube", "play", "--network", "host", file.to_str().unwrap()])
    }

    /// Whether no container runs, and nothing is on its way to start or end one.
    pub fn is_quiet(&self) -> bool {
        leftovers::processes(self.folder.path()).is_empty()
    }

    /// The host's number of a container's first process, if it runs.
    pub fn pid(&self, container: &str) -> Option<u32> {
        let outcome = self.try_run(&["inspect", "-f", "{{.State.Pid}}", container], COMMAND_MAX);
        let pid = outcome.stdout.trim().parse().ok();
        pid.filter(|pid| *pid != 0)
    }

    /// Everything a container wrote, through all of its runs.
    pub fn logs(&self, container: &str) -> String {
        let outcome = self.try_run(&["logs", container], COMMAND_MAX);
        outcome.stdout + &outcome.stderr
    }

    /// The file that a container's output goes to, through all of its runs.
    pub fn log_file(&self, container: &str) -> PathBuf {
        self.run(&["inspect", "-f", "{{.HostConfig.LogConfig.Path}}", container]).trim().into()
    }

    /// The exit status of a container that has ended.
    pub fn exit_code(&self, container: &str) -> Option<i32> {
        let asked = ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", container];
        let outcome = self.try_run(&asked, COMMAND_MAX);
        outcome.stdout.trim().strip_prefix("exited ")?.parse().ok()
    }

    /// The folder of a volume on the host.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.path("store").join("volumes").join(name).join("_data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_settings(&self) {
        let [store, run, networks] = ["store", "run", "networks"].map(|name| self.path(name));
        // File locks: the default is one segment of shared memory for all stores of the machine.
        // Limits: the default is above what root in a container may set.
        let settings = format!(
            "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n\
             [network]\nnetwork_config_dir = {networks:?}\n\
             [engine]\nlock_type = \"file\"\nevents_logger = \"none\"\n\
             cgroup_manager = \"cgroupfs\"\nruntime = \"runc\"\ninfra_image = {PAUSE_IMAGE:?}\n"
        );
        fs::write(self.path("containers.conf"), settings).unwrap();
        // vfs copies the image, which is small, and needs no mount that could stay behind.
        let storage =
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = {store:?}\nrunroot = {run:?}\n");
        fs::write(self.path("storage.conf"), storage).unwrap();
    }

    /// For the report of a failed test.
    fn show_containers(&self) {
        let list = self.try_run(&["ps", "-a", "--format", "{{.Names}} {{.Status}}"], COMMAND_MAX);
        for line in list.stdout.lines() {
            let name = line.split(' ').next().unwrap_or_default();
            let logs =
                self.try_run(&["logs", "--timestamps", "--tail", LINES_SHOWN, name], COMMAND_MAX);
            eprintln!("--- {line}\n{}{}", logs.stdout, logs.stderr);
        }
    }

    /// podman under timeout(1): it ends even if the test is killed.
    fn bounded(&self, deadline: Duration) -> std::process::Command {
        let mut bounded = command(installed("timeout", "coreutils"));
        bounded.arg(format!("--kill-after={}", ENDING_MAX.as_secs()));
        bounded.arg(deadline.as_secs_f64().to_string()).arg(&self.program);
        for (flag, name) in [("--root", "store"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            bounded.arg(flag).arg(self.path(name));
        }
        bounded.env("CONTAINERS_CONF", self.path("containers.conf"));
        bounded.env("CONTAINERS_STORAGE_CONF", self.path("storage.conf"));
        bounded
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_containers();
        }
        let all = [&["pod", "rm"][..], &["rm"]];
        for what in all {
            let outcome = self.try_run(&[what, &["-f", "-t", "0", "-a"]].concat(), COMMAND_MAX);
            if outcome.code != Some(0) {
                eprintln!("containers are left to be killed: {outcome:?}");
            }
        }
        leftovers::clear(self.folder.path());
    }
}

/// What of a container's output went to stdout. Reading the file is much less work than asking
/// podman, again and again.
pub fn stdout_in(log_file: &Path) -> String {
    let log = fs::read_to_string(log_file).unwrap_or_default();
    let mut text = String::new();
    // The last line may be half written.
    for line in log.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let mut fields = line.splitn(4, ' ').skip(1);
        match (fields.next(), fields.next(), fields.next()) {
            (Some("stdout"), Some("F"), Some(line)) => text += line,
            (Some("stdout"), Some(_partial), Some(part)) => text += part.trim_end_matches('\n'),
            _ => {}
        }
    }
    text
}

fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::command_line;

    #[test]
    fn a_store_runs_containers_and_leaves_nothing_behind() {
        let podman = Podman::new(&[]);
        let folder = podman.folder.path().to_owned();
        let run = ["run", "--network", "none", "-d", "--name", "one", BASE_IMAGE];
        podman.run(&[&run[..], &["sh", "-c", "echo hello; exec sleep 1000"]].concat());
        let pid = podman.pid("one").unwrap();
        assert_eq!(podman.logs("one"), "hello\n");
        let sleep = ["exec", "one", "sleep", "1000"];
        assert_eq!(podman.try_run(&sleep, Duration::from_millis(300)).code, None);
        assert_eq!(podman.run(&["images", "-q"]).lines().count(), 2);
        drop(podman);
        assert!(!folder.exists());
        assert!(command_line(pid).is_empty());
    }

    #[test]
    fn what_podman_forgot_is_killed() {
        let podman = Podman::new(&[]);
        let run = ["run", "--network", "none", "-d", "--name", "one", BASE_IMAGE];
        podman.run(&[&run[..], &["sleep", "1000"]].concat());
        let pid = podman.pid("one").unwrap();
        leftovers::clear(podman.folder.path());
        assert!(command_line(pid).is_empty());
    }
}
