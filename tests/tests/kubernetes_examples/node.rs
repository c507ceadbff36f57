//! A node: podman, the images, what a kubelet does before it starts a pod, and names of services.
//!
//! In goes a pod template as it stands in an example, out comes a pod that runs. podman 4.3 knows
//! the containers, their security context and limits; what it does not know is done here as a
//! kubelet does it: emptyDirs are folders that everybody may write to, of the pod's fsGroup;
//! ConfigMaps and Secrets are folders of files; a subPath is a mount of its own; an exec probe is
//! run in its container. All pods share the network of the test, which has nothing but loopback,
//! and a name is an address in there by /etc/hosts.

#![expect(clippy::print_stdout, reason = "the figures of the page's table")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::cost::cpu_seconds;
use e2e::pace::{SOON, wait_until};
use e2e::podman::{Podman, stdout_in};
use e2e::process::Guard;
use e2e::workplace::Workplace;
use manifest::{Container, Quantity, containers};
use serde_json::{Value, json};

use crate::example::{Example, Pod, our_image};
use crate::habits::GRACE_SECONDS_DEFAULT;
use crate::stand_ins;

const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
/// For the restart of one container.
const RESTART_SECONDS: &str = "35";
/// More than any of the grace periods.
const STOP_MAX: Duration = Duration::from_secs(120);
/// The exit status of a container that SIGKILL has ended.
const KILLED: i32 = 137;
const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];

type Files = BTreeMap<String, Vec<u8>>;

/// podman and what pods may ask of it.
pub(crate) struct Node {
    podman: Podman,
    folder: PathBuf,
    hosts: RefCell<String>,
    /// What the user made besides the files: by kind and name.
    given: RefCell<BTreeMap<(String, String), Files>>,
}

/// A pod that was started.
pub(crate) struct Running<'n> {
    node: &'n Node,
    name: String,
    spec: Value,
    /// Ends when the init containers have ended.
    play: RefCell<Guard>,
    /// Of the containers that were asked for.
    log_files: RefCell<BTreeMap<String, PathBuf>>,
}

impl Node {
    /// With these images.
    pub(crate) fn new(place: &Workplace, images: &[&str]) -> Self {
        let podman = Podman::empty();
        for name in images {
            podman.import(name, &stand_ins::image(name));
        }
        let (folder, hosts) = (place.path().to_owned(), RefCell::new(HOSTS.to_owned()));
        Self { podman, folder, hosts, given: RefCell::default() }
    }

    /// A name of a service or of a pod, from the next pod on.
    pub(crate) fn name(&self, name: &str, address: &str) {
        *self.hosts.borrow_mut() += &format!("{address} {name}\n");
    }

    /// A ConfigMap or Secret that is not in the files.
    pub(crate) fn give(&self, kind: &str, name: &str, files: &[(&str, &[u8])]) {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
        self.given.borrow_mut().insert((kind.to_owned(), name.to_owned()), files.collect());
    }

    /// Starts a pod of an example under a name.
    pub(crate) fn play(&self, name: &str, example: &Example, pod: &Pod<'_>) -> Running<'_> {
        self.play_changed(name, example, pod, |_spec| {})
    }

    /// The same after a change, of what a cluster would do and a lone node cannot.
    pub(crate) fn play_changed(
        &self,
        name: &str,
        example: &Example,
        pod: &Pod<'_>,
        change: impl FnOnce(&mut Value),
    ) -> Running<'_> {
        let mut spec = pod.spec.clone();
        change(&mut spec);
        let spec = spec;
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            // Or an init container that has ended would be removed.
            "metadata": {
                "name": name,
                "labels": pod.metadata["labels"],
                "annotations": {"io.podman.annotations.init.container.type": "always"},
            },
            "spec": self.prepared(name, example, spec.clone()),
        });
        let play = RefCell::new(self.podman.begin_play_here(name, &manifest.to_string()));
        let log_files = RefCell::default();
        Running { node: self, name: name.to_owned(), spec, play, log_files }
    }

    /// What podman is given instead of the pod's specification.
    fn prepared(&self, pod: &str, example: &Example, mut spec: Value) -> Value {
        let folder = self.folder.join(pod);
        fs::create_dir(&folder).unwrap();
        let hosts = folder.join("hosts");
        fs::write(&hosts, &*self.hosts.borrow()).unwrap();
        let group = spec["securityContext"]["fsGroup"].as_u64();
        let sources: BTreeMap<String, PathBuf> = spec["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|volume| {
                let name = volume["name"].as_str().unwrap().to_owned();
                let source = self.volume(&folder.join(&name), example, volume, group);
                (name, source)
            })
            .collect();
        let mut volumes = Volumes::default();
        for list in ["initContainers", "containers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                // podman would ask probes by a timer of systemd, and forward ports.
                for field in PROBES.iter().chain(&["ports"]) {
                    container.as_object_mut().unwrap().remove(*field);
                }
                volumes.mount(container, &sources, &hosts);
            }
        }
        spec["volumes"] = volumes.list.into();
        // podman runs init containers again and again where the policy is Always.
        spec["restartPolicy"] = "Never".into();
        spec
    }

    /// The folder on the host that a volume is.
    fn volume(
        &self,
        folder: &Path,
        example: &Example,
        volume: &Value,
        group: Option<u64>,
    ) -> PathBuf {
        if let Some(path) = volume["hostPath"]["path"].as_str() {
            return path.into();
        }
        fs::create_dir(folder).unwrap();
        let group = group.map(|group| u32::try_from(group).unwrap());
        let [config_map, secret] =
            [&volume["configMap"]["name"], &volume["secret"]["secretName"]].map(Value::as_str);
        if config_map.is_none() && secret.is_none() {
            assert!(volume.get("emptyDir").is_some(), "{volume}");
            chown(folder, None, group).unwrap();
            fs::set_permissions(folder, Permissions::from_mode(0o2777)).unwrap();
            return folder.to_owned();
        }
        let (kind, name) = match (config_map, secret) {
            (Some(name), _) => ("configMap", name),
            (None, secret) => ("secret", secret.unwrap()),
        };
        let default_mode = volume[kind]["defaultMode"].as_u64().unwrap_or(0o644);
        // A kubelet makes files readable for the fsGroup.
        let mode = u32::try_from(default_mode).unwrap() | group.map_or(0, |_group| 0o440);
        for (name, bytes) in self.files(example, kind, name) {
            let file = folder.join(name);
            fs::write(&file, bytes).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            chown(&file, Some(0), group).unwrap();
        }
        folder.to_owned()
    }

    fn files(&self, example: &Example, kind: &str, name: &str) -> Files {
        if let Some(data) = example.config_map(name).filter(|_data| kind == "configMap") {
            let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
            return data.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        }
        let given = self.given.borrow().get(&(kind.to_owned(), name.to_owned())).cloned();
        given.expect("the test makes what is not in the files")
    }
}

/// The volumes of a prepared pod: a mount each, of a file or folder of the host.
#[derive(Default)]
struct Volumes {
    list: Vec<Value>,
}

impl Volumes {
    fn mount(&mut self, container: &mut Value, sources: &BTreeMap<String, PathBuf>, hosts: &Path) {
        let mut mounts = Vec::new();
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let source = &sources[mount["name"].as_str().unwrap()];
            let source = mount["subPath"].as_str().map_or(source.clone(), |sub| source.join(sub));
            let name = self.add(&source);
            let read_only = mount["readOnly"].as_bool().unwrap_or(false);
            mounts.push(json!({
                "name": name, "mountPath": mount["mountPath"], "readOnly": read_only,
            }));
        }
        let name = self.add(hosts);
        mounts.push(json!({"name": name, "mountPath": "/etc/hosts", "readOnly": true}));
        container["volumeMounts"] = mounts.into();
    }

    fn add(&mut self, source: &Path) -> String {
        let name = format!("mount-{}", self.list.len());
        let kind = if source.is_dir() { "Directory" } else { "File" };
        self.list.push(json!({"name": name, "hostPath": {"path": source, "type": kind}}));
        name
    }
}

impl Running<'_> {
    /// The init containers have ended well, and all others were started.
    pub(crate) fn started(self) -> Self {
        let code = self.play.borrow_mut().wait_code(SOON);
        assert_eq!(code, 0, "{}", self.play.borrow().stderr_text());
        self
    }

    /// Whether init containers are still running.
    pub(crate) fn is_initializing(&self) -> bool {
        self.play.borrow_mut().is_running()
    }

    /// podman's name of a container.
    pub(crate) fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    pub(crate) fn output(&self, container: &str) -> String {
        let mut files = self.log_files.borrow_mut();
        let file = files
            .entry(container.to_owned())
            .or_insert_with(|| self.node.podman.log_file(&self.container(container)));
        stdout_in(file)
    }

    pub(crate) fn logs(&self, container: &str) -> String {
        self.node.podman.logs(&self.container(container))
    }

    pub(crate) fn exit_code(&self, container: &str) -> Option<i32> {
        self.node.podman.exit_code(&self.container(container))
    }

    /// Ends a container and starts it again.
    pub(crate) fn restart(&self, container: &str) {
        self.node.podman.run(&["restart", "-t", RESTART_SECONDS, &self.container(container)]);
    }

    /// The folder of a volume of the pod.
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.node.folder.join(&self.name).join(name)
    }

    /// Waits until every exec probe of the pod succeeds, run as a kubelet runs it.
    pub(crate) fn wait_probes(&self) {
        for container in containers(&self.spec) {
            for probe in PROBES {
                let words = container.value[probe]["exec"]["command"].as_array();
                let Some(words) = words.filter(|_words| self.is_long_lived(&container)) else {
                    continue;
                };
                let name = self.container(container.name);
                let mut command = vec!["exec", name.as_str()];
                command.extend(words.iter().filter_map(Value::as_str));
                let what = format!("{probe} of {name}");
                wait_until(&what, SOON, || {
                    self.node.podman.try_run(&command, SOON).code == Some(0)
                });
            }
        }
    }

    /// What our containers took stays below what they request. Prints it for the table.
    pub(crate) fn check_requests(&self) {
        for container in containers(&self.spec) {
            let name = self.container(container.name);
            let pid = self.node.podman.pid(&name).filter(|_| self.is_long_lived(&container));
            let (Some(image), Some(pid)) = (our_image(&container), pid) else { continue };
            let peak_kib = peak_kib(pid);
            println!("{image} in {name}: peak {peak_kib} KiB, {:.2} s of CPU", cpu_seconds(pid));
            let request = container.value["resources"]["requests"]["memory"].as_str().unwrap();
            let peak: Quantity = format!("{peak_kib}Ki").parse().unwrap();
            assert!(peak <= request.parse().unwrap(), "{name}: {peak} resident, asks {request}");
        }
    }

    /// The pod is deleted: in the time that it gives itself every container ends by itself, and
    /// ours have drained.
    pub(crate) fn end(self) {
        let grace = self.spec["terminationGracePeriodSeconds"].as_u64();
        let grace = grace.unwrap_or(GRACE_SECONDS_DEFAULT).to_string();
        let stop = ["pod", "stop", "-t", &grace, &self.name];
        let outcome = self.node.podman.try_run(&stop, STOP_MAX);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        for container in containers(&self.spec).iter().filter(|it| self.is_long_lived(it)) {
            let (name, code) = (container.name, self.exit_code(container.name));
            assert_ne!(code, Some(KILLED), "{name}: {}", self.logs(name));
            if our_image(container).is_some() {
                assert_eq!(code, Some(0), "{name}: {}", self.logs(name));
            }
        }
        self.node.podman.run(&["pod", "rm", "-f", "-t", "0", &self.name]);
        fs::remove_dir_all(self.node.folder.join(&self.name)).unwrap();
    }

    fn is_long_lived(&self, container: &Container<'_>) -> bool {
        container.list == manifest::List::Regular
    }
}

/// The most that a process was ever resident, and its children, such as the command of a
/// universal sidecar.
fn peak_kib(pid: u32) -> u64 {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let status = read("status");
    let own = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let own: u64 = own.trim().trim_end_matches(" kB").parse().unwrap();
    let children = read(&format!("task/{pid}/children"));
    own + children.split_whitespace().map(|child| peak_kib(child.parse().unwrap())).sum::<u64>()
}
