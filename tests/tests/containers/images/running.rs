//! How an image behaves when it runs: without rights, as another user, and as a tool.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use e2e::census::command_line;
use e2e::client::Request;
use e2e::engine::{Engine, image};
use e2e::pace::{SOON, wait_until};
use e2e::workplace::Workplace;

/// What the strictest cluster asks of a container.
const NO_RIGHTS: [&str; 4] = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
/// A user that no image knows.
const STRANGER: u32 = 12345;
/// The one of the images.
const OWN: u32 = 65532;
/// An image looks at its health every ten seconds.
const HEALTHY_MAX: Duration = Duration::from_secs(90);
/// Kubernetes grants thirty seconds.
const ENDING_MAX: Duration = Duration::from_secs(30);
const NOT_KEPT: &str = "The state-dir cannot be used";
const LINE: &str = "the line that the main container wrote";

/// A container of one of the sidecars.
struct Sidecar {
    image: &'static str,
    container: String,
    user: u32,
    /// Where they are in the container.
    volumes: &'static [&'static str],
}

/// Every sidecar twice: as its image says on a root that is read-only, and as a stranger on a root
/// that is not, where nothing must be written.
#[test]
fn sidecars_run_without_rights_and_leave_nothing_behind() {
    let place = Workplace::new();
    let mut engine = Engine::start();
    engine.images();
    fs::write(place.log("app.log"), format!("{LINE}\n")).unwrap();
    let users = [OWN, STRANGER];
    let sidecars: Vec<Sidecar> = users
        .iter()
        .flat_map(|&user| {
            [
                shipper(&engine, &place, user),
                start(&engine, "nginx-adapter", user, &[], &[]),
                start(&engine, "redis-ambassador", user, &["-e", "REDIS_SERVERS=redis:6379"], &[]),
            ]
        })
        .collect();
    for Sidecar { container, .. } in &sidecars {
        let format = "{{.State.Health.Status}}";
        wait_until(&format!("the health of {container}"), HEALTHY_MAX, || {
            engine.docker(&["inspect", "-f", format, container]).trim() == "healthy"
        });
    }
    for sidecar in &sidecars {
        check_process(engine.pid(&sidecar.container), sidecar);
    }
    for user in users {
        let shipped = || engine.logs(&format!("log-shipper-{user}")).contains(LINE);
        wait_until("the line of the log", SOON, shipped);
    }
    let start = Instant::now();
    for Sidecar { container, .. } in &sidecars {
        engine.docker(&["kill", "--signal", "TERM", container]);
    }
    for sidecar in &sidecars {
        let container = &sidecar.container;
        assert_eq!(engine.docker(&["wait", container]).trim(), "0", "exit status of {container}");
        check_written(&engine, sidecar);
    }
    assert!(start.elapsed() < ENDING_MAX, "all ended after {:?}", start.elapsed());
    for user in users {
        let positions = fs::read_dir(place.path().join(format!("state-{user}"))).unwrap();
        assert!(positions.count() > 0, "positions are kept in the volume");
    }
}

fn shipper(engine: &Engine, place: &Workplace, user: u32) -> Sidecar {
    let state = place.path().join(format!("state-{user}"));
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(0o777)).unwrap();
    let volumes = [
        "-v",
        &format!("{}:/logs:ro", place.logs().display()),
        "-v",
        &format!("{}:/state", state.display()),
    ];
    let shipper = start(engine, "log-shipper", user, &volumes, &["--state-dir", "/state"]);
    Sidecar { volumes: &["/logs", "/state"], ..shipper }
}

fn start(
    engine: &Engine,
    name: &'static str,
    user: u32,
    options: &[&str],
    arguments: &[&str],
) -> Sidecar {
    let container = format!("{name}-{user}");
    let as_stranger = ["--user".to_owned(), format!("{user}:{user}")];
    let as_stranger = as_stranger.each_ref().map(String::as_str);
    let who = if user == OWN { &["--read-only"][..] } else { &as_stranger };
    let begin = ["run", "--detach", "--network", "none", "--name", &container];
    let tag = image(name);
    engine.docker(&[&begin[..], &NO_RIGHTS, who, options, &[&tag], arguments].concat());
    Sidecar { image: name, container, user, volumes: &[] }
}

/// Nothing in the container's own layer but the places of its volumes.
fn check_written(engine: &Engine, sidecar: &Sidecar) {
    let diff = engine.docker(&["diff", &sidecar.container]);
    let written: BTreeSet<&str> = diff.lines().collect();
    let expected: BTreeSet<String> =
        sidecar.volumes.iter().map(|volume| format!("A {volume}")).collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(written, expected, "written by {}", sidecar.container);
}

/// First process of its container, nobody in particular, and no way to become anybody else.
fn check_process(pid: u32, sidecar: &Sidecar) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let container = &sidecar.container;
    assert_eq!(field("NSpid").last().unwrap(), "1", "{container}");
    for name in ["Uid", "Gid"] {
        assert_eq!(field(name), vec![sidecar.user.to_string(); 4], "{name} of {container}");
    }
    for name in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(field(name), ["0000000000000000"], "{name} of {container}");
    }
    assert_eq!(field("NoNewPrivs"), ["1"], "{container}");
    let line = command_line(pid);
    assert!(line.starts_with(format!("/{}\0", sidecar.image).as_bytes()), "{line:?}");
}

/// Where no volume is, the shipper cannot keep positions, and says so, whoever it is and whether
/// the root is read-only or not.
#[test]
fn only_volumes_can_be_written_to() {
    let mut engine = Engine::start();
    engine.images();
    for (user, folder) in [(OWN, "/state"), (OWN, "/usr/state"), (STRANGER, "/state")] {
        let state = ["--state-dir", folder];
        let sidecar = start(&engine, "log-shipper", user, &[], &state);
        wait_until("the refusal", SOON, || engine.logs(&sidecar.container).contains(NOT_KEPT));
        check_written(&engine, &sidecar);
        engine.docker(&["rm", "-f", &sidecar.container]);
    }
}

/// With a port published and nothing else said, as in the pages.
#[test]
fn probes_and_metrics_are_at_the_published_port() {
    let mut engine = Engine::start();
    engine.images();
    let ports = [("log-shipper", 9180), ("nginx-adapter", 9113), ("redis-ambassador", 9181)];
    for (name, port) in ports {
        let published = format!("{port}:{port}");
        let run = ["run", "--detach", "-p", &published, "-e", "REDIS_SERVERS=redis:6379"];
        engine.docker(&[&run[..], &[&image(name)]].concat());
        let address = SocketAddr::from(([127, 0, 0, 1], port)).into();
        for path in ["/healthz", "/readyz", "/metrics"] {
            wait_until(&format!("{path} of {name}"), SOON, || {
                Request::get(path).send(&address).is_ok_and(|answer| answer.status == 200)
            });
        }
    }
}

#[test]
fn the_probe_answers_as_a_tool() {
    let place = Workplace::new();
    let mut engine = Engine::start();
    engine.images();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("k8s-examples");
    let manifest = examples.join("web-server").join("native.yaml");
    fs::copy(&manifest, place.log("pod.yaml")).unwrap();
    let volume = format!("{}:/manifests:ro", place.logs().display());
    let tag = image("native-sidecar-probe");
    let begin = ["run", "--rm", "--read-only", "--network", "none"];
    let begin = [&begin[..], &NO_RIGHTS].concat();
    let of_file = ["-v", &volume, &tag, "lint", "/manifests/pod.yaml"];
    let said = engine.docker(&[&begin[..], &of_file].concat());
    let of_input = ["--interactive", &tag, "lint", "-"];
    let outcome = engine.docker_reading(&manifest, &[&begin[..], &of_input].concat(), SOON);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    // The same findings, with the other name of the file.
    assert_eq!(outcome.stdout.lines().count(), said.lines().count(), "{said}\n{outcome:?}");
    let outcome = engine.try_docker(&[&begin[..], &[&tag, "lint", "/nothing.yaml"]].concat(), SOON);
    assert_ne!(outcome.code, Some(0), "{outcome:?}");
}
