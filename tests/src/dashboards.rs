//! The dashboards and alerts of the images, and a set-up in which each of their queries has data.
//!
//! [`Dashboard`] is a file `images/<image>/dashboard.json` as Grafana reads it: its panels, and
//! their queries with the variables filled in. [`Stage`] runs the real binaries under real traffic
//! before a real Prometheus and breaks things on command. The test asks every query there, and the
//! program that draws the pictures does the same for longer. There is no Grafana here: what it
//! makes of a panel is not checked, but which panels, variables and queries it gets is.

mod dashboard;
mod metric_names;
mod stage;
mod traffic;

use std::path::{Path, PathBuf};

pub use self::dashboard::{Dashboard, Grid, Panel, Query, Variables};
pub use self::metric_names::metric_names;
pub use self::stage::{Plan, Stage};

/// The images, which are also the names of the jobs that Prometheus scrapes them under.
pub const IMAGES: [&str; 4] =
    ["log-shipper", "nginx-adapter", "redis-ambassador", "native-sidecar-probe"];

/// A file of an image.
pub fn image_file(image: &str, name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("images").join(image).join(name)
}

/// The alerts of all images as one rule file.
pub fn all_alerts() -> String {
    let of = |image: &str| std::fs::read_to_string(image_file(image, "alerts.yaml")).unwrap();
    let groups = IMAGES.map(|image| {
        let text = of(image);
        let (_comment, groups) = text.split_once("groups:\n").expect("begins with its groups");
        groups.to_owned()
    });
    format!("groups:\n{}", groups.concat())
}
