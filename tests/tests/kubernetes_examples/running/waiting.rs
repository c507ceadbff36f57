//! An init container holds a pod back until a service answers.

use std::time::Duration;

use e2e::pace::{SOON, holds_for, wait_until};

use super::{BUSYBOX, PROBE, on_node};
use crate::example::Example;

/// A few attempts long.
const WAITS: Duration = Duration::from_secs(2);

#[test]
fn wait_for() {
    on_node(&[BUSYBOX, PROBE], |node, _place| {
        let [waiting, service] =
            ["ordinary", "service"].map(|name| Example::read(&format!("wait-for/{name}.yaml")));
        node.name("greeter", "127.0.0.1");
        let app = node.play("app", &waiting, &waiting.pod());
        assert!(holds_for(WAITS, || app.is_initializing()), "nobody answers yet");
        let greeter = node.play("greeter", &service, &service.pod()).started();
        let app = app.started();
        wait_until("the greeting", SOON, || app.output("app").starts_with("hello\n"));
        app.end();
        greeter.end();
    });
}
