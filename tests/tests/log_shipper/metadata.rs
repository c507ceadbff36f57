//! What is known of the pod, in the words of each receiver, and what becomes of it when it changes.
//!
//! The files are made as a kubelet makes them: a folder with a new name, and a symbolic link that
//! is moved to it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use e2e::pace::{SOON, wait_until};
use e2e::shipper::Settings;
use e2e::sink::{Protocol, Record, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;
use serde_json::{Value, json};

/// A volume of the downward API.
struct Volume {
    folder: PathBuf,
    writes: u32,
}

impl Volume {
    fn new(place: &Workplace) -> Volume {
        let folder = place.path().join("podinfo");
        fs::create_dir(&folder).unwrap();
        symlink("..data/labels", folder.join("labels")).unwrap();
        symlink("..data/annotations", folder.join("annotations")).unwrap();
        Volume { folder, writes: 0 }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn write(&mut self, labels: &str, annotations: &str) {
        self.writes += 1;
        let name = format!("..2026_11_23_00_00_{:02}.1", self.writes);
        let data = self.folder.join(&name);
        fs::create_dir(&data).unwrap();
        fs::write(data.join("labels"), labels).unwrap();
        fs::write(data.join("annotations"), annotations).unwrap();
        let link = self.folder.join("..data_tmp");
        symlink(&name, &link).unwrap();
        fs::rename(link, self.folder.join("..data")).unwrap();
    }
}

/// By the variables of the downward API.
fn in_a_pod(settings: Settings, volume: &Volume) -> Settings {
    settings
        .env("POD_NAME", "web-0")
        .env("POD_NAMESPACE", "shop")
        .env("NODE_NAME", "node-a")
        .env("POD_UID", "u-1")
        .env("POD_SERVICE_ACCOUNT", "web")
        .flag("--container-name", "nginx")
        .flag("--pod-labels-file", &volume.file("labels"))
        .flag("--pod-annotations-file", &volume.file("annotations"))
}

fn field<'a>(record: &'a Record, pointer: &str) -> &'a Value {
    let (first, rest) = pointer.split_once('|').unwrap_or((pointer, ""));
    let value = record.fields.get(first).unwrap_or(&Value::Null);
    rest.split('|').filter(|key| !key.is_empty()).fold(value, |value, key| &value[key])
}

/// Where each protocol has pod, namespace, uid, service account, container, one label and one
/// annotation.
fn places(protocol: Protocol) -> [&'static str; 7] {
    match protocol {
        Protocol::Ndjson | Protocol::Forward => [
            "kubernetes|pod_name",
            "kubernetes|namespace_name",
            "kubernetes|pod_id",
            "kubernetes|service_account",
            "kubernetes|container_name",
            "kubernetes|labels|app.kubernetes.io/name",
            "kubernetes|annotations|team",
        ],
        Protocol::LokiProtobuf | Protocol::LokiJson => [
            "pod",
            "namespace",
            "k8s_pod_uid",
            "k8s_service_account_name",
            "container",
            "app",
            "k8s_pod_annotation_team",
        ],
        Protocol::Bulk => [
            "kubernetes|pod|name",
            "kubernetes|namespace",
            "kubernetes|pod|uid",
            "kubernetes|serviceaccount|name",
            "kubernetes|container|name",
            "kubernetes|labels|app_kubernetes_io/name",
            "kubernetes|annotations|team",
        ],
        Protocol::OtlpProtobuf | Protocol::OtlpJson => [
            "k8s.pod.name",
            "k8s.namespace.name",
            "k8s.pod.uid",
            "k8s.service_account.name",
            "k8s.container.name",
            "k8s.pod.label.app.kubernetes.io/name",
            "k8s.pod.annotation.team",
        ],
    }
}

#[test]
fn each_receiver_gets_the_pod_in_its_words() {
    for protocol in Protocol::ALL {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let mut volume = Volume::new(&place);
        volume.write(
            "app.kubernetes.io/name=\"web\"\npod-template-hash=\"7d4b8c\"",
            "team=\"shop \\\"a\\\"\"\nkubernetes.io/config.source=\"api\"",
        );
        let shipper = in_a_pod(Settings::new(&place, &sink), &volume).start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.lines(100);
        sink.wait_records(100, SOON);
        shipper.drain_ok();
        sink.account(&[&log]).assert_exactly_once();
        let expected = ["web-0", "shop", "u-1", "web", "nginx", "web", "shop \"a\""];
        for record in sink.records() {
            let found = places(protocol).map(|place| field(&record, place));
            assert_eq!(found.map(Value::as_str), expected.map(Some), "{protocol:?} {record:?}");
            let all = Value::Object(record.fields).to_string();
            assert!(!all.contains("7d4b8c") && !all.contains("config"), "{all}");
        }
    }
}

/// Lines after a change have the new labels, those before it have the old ones.
#[test]
fn labels_follow_the_file() {
    for protocol in [Protocol::Ndjson, Protocol::LokiJson, Protocol::Bulk, Protocol::OtlpProtobuf] {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let mut volume = Volume::new(&place);
        volume.write("app.kubernetes.io/name=\"before\"", "");
        let shipper = in_a_pod(Settings::new(&place, &sink), &volume).start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.lines(10);
        sink.wait_records(10, SOON);
        volume.write("app.kubernetes.io/name=\"after\"", "");
        let app = |record: &Record| field(record, places(protocol)[5]).as_str().map(str::to_owned);
        wait_until("the new label", SOON, || {
            log.lines(1);
            sink.records().last().and_then(app).as_deref() == Some("after")
        });
        shipper.drain_ok();
        sink.account(&[&log]).assert_exactly_once();
        let apps: Vec<_> = sink.records().iter().filter_map(app).collect();
        assert!(apps.is_sorted_by(|one, next| one >= next), "{protocol:?} {apps:?}");
        assert_eq!(apps[0], "before");
    }
}

#[test]
fn a_bad_file_keeps_the_last_labels_and_is_counted_once() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut volume = Volume::new(&place);
    volume.write("app=\"web\"", "");
    let shipper = in_a_pod(Settings::new(&place, &sink), &volume).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    sink.wait_records(1, SOON);
    volume.write("app=web", "");
    wait_until("a counted error", SOON, || {
        log.lines(1);
        shipper.metrics().sum("log_shipper_metadata_errors_total") > 0.5
    });
    sink.wait_records(log.written().len(), SOON);
    for record in sink.records() {
        assert_eq!(field(&record, "kubernetes|labels|app"), "web");
    }
    let (code, stderr) = shipper.drain(SOON);
    let warnings = stderr.matches("Metadata of the pod cannot be read").count();
    assert_eq!((code, warnings), (0, 1), "{stderr}");
    assert!(stderr.contains("line 1 is not key="), "{stderr}");
}

/// Without its files a sidecar ships all the same.
#[test]
fn a_missing_file_is_a_warning() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).flag("--pod-labels-file", "/no/such/labels");
    let shipper = settings.env("POD_NAME", "").env("POD_NAMESPACE", "shop").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(10);
    sink.wait_records(10, SOON);
    let kubernetes = sink.records()[0].fields["kubernetes"].clone();
    assert_eq!(kubernetes, json!({"namespace_name": "shop"}));
    let (code, stderr) = shipper.drain(SOON);
    assert_eq!((code, stderr.matches("/no/such/labels\",\"error").count()), (0, 1), "{stderr}");
}

#[test]
fn a_label_of_ones_own_wins() {
    for protocol in [Protocol::LokiProtobuf, Protocol::OtlpProtobuf, Protocol::Ndjson] {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let key = places(protocol)[0].split('|').next().unwrap();
        let settings = Settings::new(&place, &sink).flag("--label", &format!("{key}=mine"));
        let shipper = settings.env("POD_NAME", "web-0").start();
        Numbered::open(place.log("app.log"), "app").lines(1);
        sink.wait_records(1, SOON);
        shipper.drain_ok();
        assert_eq!(sink.records()[0].fields[key], "mine", "{protocol:?}");
    }
}

/// A node's folder: each file has the pod of its path, and the shipper's own pod is in none.
#[test]
fn paths_of_a_node_tell_the_pod() {
    for protocol in Protocol::ALL {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let open = |pod: &str, name: &str| {
            let folder = place.logs().join(pod).join("nginx");
            fs::create_dir_all(&folder).unwrap();
            Numbered::open(folder.join("0.log"), name)
        };
        let mut web = open("shop_web-0_u-1", "web");
        let mut db = open("data_db-0_u-2", "db");
        let shipper = Settings::new(&place, &sink)
            .flag("--include", Path::new(&place.logs()).join("*/*/*.log").to_str().unwrap())
            .env("LOG_SHIPPER_KUBERNETES_PATHS", "true")
            .env("POD_NAME", "the-shipper")
            .env("NODE_NAME", "node-a")
            .start();
        for _ in 0..20 {
            web.lines(5);
            db.lines(5);
        }
        sink.wait_records(200, SOON);
        drop(open("shop_job-7_u-3", "job"));
        fs::write(place.logs().join("shop_job-7_u-3/nginx/0.log"), "job without an end").unwrap();
        shipper.drain_ok();
        let records = sink.records();
        assert_eq!(records.len(), 201, "{protocol:?}");
        for record in records {
            let expected = match record.message.split_once(' ').map(|(name, _)| name) {
                Some("job") => ["job-7", "shop", "u-3", "nginx"],
                _ if record.message.starts_with("web") => ["web-0", "shop", "u-1", "nginx"],
                _ => ["db-0", "data", "u-2", "nginx"],
            };
            let [pod, namespace, uid, _account, container, ..] = places(protocol);
            let found = [pod, namespace, uid, container].map(|place| field(&record, place));
            assert_eq!(found.map(Value::as_str), expected.map(Some), "{protocol:?} {record:?}");
            assert!(Value::Object(record.fields).to_string().contains("node-a"));
        }
    }
}

#[test]
fn files_of_the_own_pod_and_paths_of_others_exclude_each_other() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink)
        .env("LOG_SHIPPER_KUBERNETES_PATHS", "true")
        .flag("--pod-labels-file", "/etc/podinfo/labels")
        .flag("--pod-annotations", "[a");
    let (code, stderr) = settings.run_to_end(SOON);
    assert_eq!(code, 64, "{stderr}");
    assert!(stderr.contains("kubernetes-paths is set") && stderr.contains("[a"), "{stderr}");
}
