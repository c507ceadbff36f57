//! A dashboard as it is in its file: panels, their places, and their queries.
//!
//! Only what a query or a picture needs has a name here; the rest of a panel stays JSON. A file
//! that lacks something panics with the path to it.

use serde_json::Value;

use super::image_file;

/// `images/<image>/dashboard.json`.
#[derive(Debug)]
pub struct Dashboard {
    pub image: String,
    /// The whole file.
    pub json: Value,
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Debug)]
pub struct Panel {
    pub id: u64,
    pub title: String,
    /// `stat`, `timeseries`, …
    pub kind: String,
    pub grid: Grid,
    pub queries: Vec<Query>,
    pub json: Value,
}

/// Where a panel is, in Grafana's units: 24 columns, rows of 30 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub x: u64,
    pub y: u64,
    pub w: u64,
    pub h: u64,
}

/// One query of a panel.
#[derive(Debug)]
pub struct Query {
    /// With Grafana's variables.
    pub expression: String,
    /// With labels as `{{label}}`; empty for a table.
    pub legend: String,
}

/// What Grafana puts in the place of variables.
#[derive(Debug, Clone, Copy)]
pub struct Variables<'a> {
    pub job: &'a str,
    /// Of `$__rate_interval`, such as `10s`.
    pub rate_interval: &'a str,
    /// Of `$__range`.
    pub range: &'a str,
}

impl Dashboard {
    pub fn of(image: &str) -> Self {
        let file = image_file(image, "dashboard.json");
        let text = std::fs::read_to_string(&file);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let json: Value = serde_json::from_str(&text).unwrap();
        let panels = array(&json, "/panels").iter().map(Panel::read).collect();
        Self { image: image.to_owned(), json, panels }
    }
}

impl Panel {
    fn read(json: &Value) -> Self {
        let number = |pointer| json.pointer(pointer).and_then(Value::as_u64).expect("a number");
        let query = |target: &Value| Query {
            expression: text(target, "/expr"),
            legend: target["legendFormat"].as_str().unwrap_or_default().to_owned(),
        };
        Self {
            id: number("/id"),
            title: text(json, "/title"),
            kind: text(json, "/type"),
            grid: Grid {
                x: number("/gridPos/x"),
                y: number("/gridPos/y"),
                w: number("/gridPos/w"),
                h: number("/gridPos/h"),
            },
            queries: array(json, "/targets").iter().map(query).collect(),
            json: json.clone(),
        }
    }

    /// The unit of a query's series, as Grafana names it.
    pub fn unit(&self, legend: &str) -> String {
        let default = self.json.pointer("/fieldConfig/defaults/unit");
        let unit = self.own(legend, "unit").or(default).and_then(Value::as_str);
        unit.unwrap_or("none").to_owned()
    }

    /// The colour of a query's series, where the panel says one.
    pub fn color(&self, legend: &str) -> Option<&str> {
        self.own(legend, "color")?["fixedColor"].as_str()
    }

    /// What the panel sets for the series of this name.
    fn own(&self, legend: &str, property: &str) -> Option<&Value> {
        let overrides = array(&self.json, "/fieldConfig/overrides").iter();
        let own = overrides.filter(|it| it["matcher"]["options"] == legend);
        let properties = own.filter_map(|it| it["properties"].as_array()).flatten();
        properties.filter(|it| it["id"] == property).map(|it| &it["value"]).next()
    }
}

impl Query {
    /// Ready for Prometheus.
    pub fn filled(&self, variables: Variables<'_>) -> String {
        self.expression
            .replace("$job", variables.job)
            .replace("$instance", ".+")
            .replace("$__rate_interval", variables.rate_interval)
            .replace("$__range", variables.range)
    }
}

impl Grid {
    pub fn overlaps(self, other: Self) -> bool {
        let apart =
            |a: u64, a_length: u64, b: u64, b_length: u64| a + a_length <= b || b + b_length <= a;
        !apart(self.x, self.w, other.x, other.w) && !apart(self.y, self.h, other.y, other.h)
    }
}

fn array<'a>(json: &'a Value, pointer: &str) -> &'a [Value] {
    let found = json.pointer(pointer).and_then(Value::as_array);
    found.unwrap_or_else(|| panic!("no {pointer} in {json}"))
}

fn text(json: &Value, pointer: &str) -> String {
    let found = json.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no {pointer} in {json}")).to_owned()
}
