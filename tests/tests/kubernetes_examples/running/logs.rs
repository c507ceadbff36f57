//! Lines of files arrive in the sidecar's own log, each once.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use e2e::metrics::Metrics;
use e2e::pace::{SOON, wait_until};
use serde_json::{Value, json};

use super::{BUSYBOX, NGINX, PROBE, SHIPPER, answer, finish, on_node, start};
use crate::example::Example;

/// Dates, one a second.
const LINES: usize = 2;

#[test]
fn web_server() {
    on_node(&[NGINX, SHIPPER], |node, _place| {
        for (file, sidecar, port) in
            [("tutorial", "sidecar-container", 80), ("ordinary", "log-shipper", 8080)]
        {
            let running = start(node, &format!("web-server/{file}.yaml"));
            answer(port, "/from-the-test");
            let line = "/var/log/nginx/access.log: 127.0.0.1 - - [";
            wait_until("the line of the request", SOON, || {
                let output = running.output(sidecar);
                output.lines().any(|it| it.starts_with(line) && it.contains("/from-the-test"))
            });
            let metrics = Metrics::parse(&answer(9180, "/metrics"));
            assert!(metrics.sum("log_shipper_lines_acked_total") >= 1.0);
            finish(running);
        }
    });
}

#[test]
fn log_app() {
    on_node(&[BUSYBOX, SHIPPER], |node, _place| {
        let running = start(node, "log-app/ordinary.yaml");
        let lines = || running.output("log-shipper").lines().count();
        wait_until("lines", SOON, || lines() >= LINES);
        running.restart("log-shipper");
        let before = lines();
        wait_until("lines after a restart", SOON, || lines() >= before + LINES);
        // The positions are on the volume: nothing comes twice, nothing is left out.
        let written = fs::read_to_string(running.volume("logs").join("app.log")).unwrap();
        let output = running.output("log-shipper");
        assert!(written.starts_with(&output), "{written}\n---\n{output}");
        finish(running);
    });
}

#[test]
fn universal() {
    on_node(&[BUSYBOX, SHIPPER, PROBE], |node, _place| {
        let running = start(node, "universal/universal.yaml");
        wait_until("lines of the regular copy", SOON, || {
            running.output("log-shipper-regular").lines().count() >= LINES
        });
        // This node knows no native sidecars: that copy has ended as an init container.
        assert_eq!(running.exit_code("log-shipper-native"), Some(0));
        assert_eq!(running.output("log-shipper-native"), "");
        finish(running);
    });
}

/// The layout of a node's folder, with the rights that a container runtime gives.
#[test]
fn node_logs() {
    on_node(&[SHIPPER], |node, place| {
        let example = Example::read("node-logs/daemonset.yaml");
        let [pods, positions] = ["pods", "positions"].map(|name| place.path().join(name));
        fs::create_dir(&positions).unwrap();
        let write = |pod: &str, line: &str| {
            let folder = pods.join(format!("{pod}_0d5f9d4c-6f0e-4f9c-9d6c-2b9d5a5a0000/app"));
            fs::create_dir_all(&folder).unwrap();
            let file = folder.join("0.log");
            let stamp = "2026-11-22T21:00:00.000000000Z stdout";
            fs::write(&file, format!("{stamp} P a line, \n{stamp} F {line}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        };
        write("shop_web-7d4f", "before");
        write("logging_node-log-shipper-x2v9p", "its own");
        let running = node.play_changed("pod", &example, &example.pod(), |spec| {
            for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
                let folder = if volume["name"] == "pods" { &pods } else { &positions };
                volume["hostPath"]["path"] = folder.to_str().unwrap().into();
            }
            // podman knows no node.
            let name = &mut spec["containers"][0]["env"][0];
            assert_eq!(name["valueFrom"]["fieldRef"]["fieldPath"], "spec.nodeName");
            *name = json!({"name": name["name"], "value": "node-a"});
        });
        let running = running.started();
        running.wait_probes();
        write("shop_db-0", "after");
        wait_until("both lines", SOON, || {
            let output = running.output("log-shipper");
            ["before", "after"].iter().all(|line| output.contains(line))
        });
        let output = running.output("log-shipper");
        let records: Vec<Value> =
            output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), 2, "its own are left out: {output}");
        let before = records.iter().find(|record| record["message"] == "a line, before").unwrap();
        assert_eq!(before["time"], "2026-11-22T21:00:00Z");
        assert_eq!(before["iostream"], "stdout");
        assert_eq!(before["kubernetes"]["pod_name"], "web-7d4f");
        assert_eq!(before["kubernetes"]["container_name"], "app");
        assert_eq!(before["kubernetes"]["host"], "node-a");
        assert!(positions.join("positions").is_dir());
        finish(running);
    });
}
