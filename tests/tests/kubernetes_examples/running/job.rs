//! A Job with a sidecar completes, and every line has been shipped by then.

use e2e::pace::{SOON, wait_until};

use super::{BUSYBOX, PROBE, SHIPPER, on_node};
use crate::example::Example;

#[test]
fn job() {
    on_node(&[BUSYBOX, SHIPPER, PROBE], |node, _place| {
        let example = Example::read("job/ordinary.yaml");
        let running = node.play("good", &example, &example.pod()).started();
        for container in ["work", "log-shipper"] {
            wait_until(container, SOON, || running.exit_code(container) == Some(0));
        }
        let expected: String = (1..=5).map(|step| format!("step {step} of 5\n")).collect();
        assert_eq!(running.output("log-shipper"), expected);
        running.end();

        // The work's own status is the Job's, and the sidecar ends all the same.
        let running = node.play_changed("bad", &example, &example.pod(), |spec| {
            let script = spec["containers"][0]["command"].as_array_mut().unwrap().last_mut();
            *script.unwrap() = "echo last words >>/logs/job.log; exit 7".into();
        });
        let running = running.started();
        wait_until("the work", SOON, || running.exit_code("work") == Some(7));
        wait_until("the sidecar", SOON, || running.exit_code("log-shipper") == Some(0));
        assert_eq!(running.output("log-shipper"), "last words\n");
        running.end();
    });
}
