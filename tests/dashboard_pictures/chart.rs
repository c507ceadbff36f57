//! A panel of curves over time: lines, stacked areas or stacked bars, axes and a legend.

use std::fmt::Write;

use e2e::dashboards::Panel;
use serde_json::Value;

use crate::lines::{Line, STEP};
use crate::svg::{self, Anchor, Area, Font, Svg};
use crate::units::{marks, shown};

/// Left of the plot, besides the labels.
const LEFT: f64 = 20.0;
const RIGHT: f64 = 20.0;
const TIME_HEIGHT: f64 = 18.0;
const LEGEND_ROW_HEIGHT: f64 = 17.0;
const LEGEND_ROWS_MAX: usize = 3;
const SECONDS_BETWEEN_MARKS: u64 = 20;
/// Of the room of one step.
const BAR_WIDTH: f64 = 0.8;

/// How series lie on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Lines,
    Areas,
    Bars,
}

/// From values to pixels.
#[derive(Debug)]
struct Plot {
    area: Area,
    steps: usize,
    top: f64,
}

pub(crate) fn draw(svg: &mut Svg, area: Area, panel: &Panel, lines: &[Line]) {
    let custom = panel.json.pointer("/fieldConfig/defaults/custom").unwrap();
    let style = match (custom["drawStyle"].as_str(), custom["stacking"]["mode"].as_str()) {
        (Some("bars"), _) => Style::Bars,
        (_, Some("normal")) => Style::Areas,
        _ => Style::Lines,
    };
    let rows = legend_rows(lines, area.w - 20.0);
    let legend_height = LEGEND_ROW_HEIGHT * rows.len() as f64;
    let tops = tops(style, lines);
    let most = tops.iter().flatten().flatten().copied().fold(0.0, f64::max);
    let fixed = panel.json.pointer("/fieldConfig/defaults/max").and_then(Value::as_f64);
    let most = fixed.unwrap_or(if most > 0.0 { most } else { 1.0 });
    let marks = marks(most, &panel.unit(""));
    let top = *marks.last().expect("0 is a mark");
    let labels = marks.iter().map(|mark| svg::width(&shown(*mark, &panel.unit(""), None), 11.0));
    let left = LEFT + labels.fold(0.0, f64::max);
    let plot_area = Area {
        x: area.x + left,
        y: area.y + 6.0,
        w: area.w - left - RIGHT,
        h: area.h - 6.0 - TIME_HEIGHT - legend_height - 8.0,
    };
    let steps = lines.iter().map(|line| line.values.len()).max().unwrap_or(2);
    let plot = Plot { area: plot_area, steps, top };
    plot.axes(svg, &marks, &panel.unit(""));
    // The last is drawn first, so that a stack's lower parts are not hidden.
    for (index, upper) in tops.iter().enumerate().rev() {
        let lower = (style != Style::Lines && index > 0).then(|| &tops[index - 1]);
        plot.series(svg, style, upper, lower, color(panel, index, &lines[index].name));
    }
    if lines.is_empty() {
        let place = (plot_area.x + plot_area.w / 2.0, plot_area.y + plot_area.h / 2.0);
        svg.text(place.0, place.1, "nothing", Font::LABEL.at(Anchor::Middle));
    }
    let first_row = area.y + area.h - legend_height - 8.0;
    for (row, entries) in rows.iter().enumerate() {
        let y = first_row + LEGEND_ROW_HEIGHT * (row as f64 + 0.8);
        let mut x = area.x + 12.0;
        for index in entries {
            let key = Area { x, y: y - 5.0, w: 12.0, h: 3.0 };
            let name = &lines[*index].name;
            svg.rect(key, color(panel, *index, name), "none");
            svg.text(x + 17.0, y, name, Font { color: svg::TEXT, ..Font::LABEL });
            x += entry_width(name);
        }
    }
}

fn color<'a>(panel: &'a Panel, index: usize, name: &str) -> &'a str {
    panel.color(name).map_or_else(|| svg::series_color(index), svg::named_color)
}

/// Upper edges: of a stack, the sums from below.
fn tops(style: Style, lines: &[Line]) -> Vec<Vec<Option<f64>>> {
    let mut tops: Vec<Vec<Option<f64>>> = Vec::new();
    for line in lines {
        let top = match tops.last() {
            Some(below) if style != Style::Lines => {
                let sum = |(below, own): (&Option<f64>, &Option<f64>)| {
                    Some(below.unwrap_or_default() + own.unwrap_or_default())
                };
                below.iter().zip(&line.values).map(sum).collect()
            }
            _ => line.values.clone(),
        };
        tops.push(top);
    }
    tops
}

impl Plot {
    fn x(&self, step: f64) -> f64 {
        self.area.x + self.area.w * step / (self.steps - 1) as f64
    }

    fn y(&self, value: f64) -> f64 {
        self.area.y + self.area.h * (1.0 - (value / self.top).min(1.0))
    }

    fn axes(&self, svg: &mut Svg, marks: &[f64], unit: &str) {
        let Area { x, y, w, h } = self.area;
        for mark in marks {
            let level = self.y(*mark);
            svg.stroke(&format!("M{x:.1} {level:.1}h{w:.1}"), svg::GRID, 1.0);
            let label = shown(*mark, unit, None);
            svg.text(x - 8.0, level + 4.0, &label, Font::LABEL.at(Anchor::End));
        }
        let seconds = STEP * (self.steps as u64 - 1);
        let between = SECONDS_BETWEEN_MARKS * if w < 400.0 { 2 } else { 1 };
        for second in (0..=seconds).step_by(between.try_into().unwrap()) {
            let place = self.x(second as f64 / STEP as f64);
            svg.stroke(&format!("M{place:.1} {y:.1}v{h:.1}"), svg::GRID, 1.0);
            let label = format!("{}:{:02}", second / 60, second % 60);
            svg.text(place, y + h + 15.0, &label, Font::LABEL.at(Anchor::Middle));
        }
    }

    fn series(
        &self,
        svg: &mut Svg,
        style: Style,
        upper: &[Option<f64>],
        lower: Option<&Vec<Option<f64>>>,
        color: &str,
    ) {
        let under = |step: usize| lower.and_then(|lower| lower[step]).unwrap_or_default();
        if style == Style::Bars {
            let mut path = String::new();
            let width = BAR_WIDTH * self.area.w / self.steps as f64;
            for (step, value) in upper.iter().enumerate() {
                let (from, to) = (self.y(under(step)), self.y(value.unwrap_or_default()));
                if from - to > 0.1 {
                    let (x, up) = (self.x(step as f64) - width / 2.0, from - to);
                    write!(path, "M{x:.1} {from:.1}v-{up:.1}h{width:.1}v{up:.1}z")
                        .expect("a String takes everything");
                }
            }
            svg.fill(&path, color, 0.85);
            return;
        }
        let point = |(step, value): (usize, &Option<f64>)| {
            value.map(|value| (self.x(step as f64), self.y(value)))
        };
        if style == Style::Areas {
            let there = upper.iter().enumerate().filter_map(point);
            let back = (0..upper.len()).rev().filter(|step| upper[*step].is_some());
            let back = back.map(|step| (self.x(step as f64), self.y(under(step))));
            let outline = svg::path(there.chain(back).map(Some));
            svg.fill(&format!("{outline}Z"), color, 0.35);
        }
        svg.stroke(&svg::path(upper.iter().enumerate().map(point)), color, 1.6);
    }
}

/// Indexes of series, as many in a row as fit; what has no room is left out.
fn legend_rows(lines: &[Line], width: f64) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new()];
    let mut used = 0.0;
    for (index, line) in lines.iter().enumerate() {
        let own = entry_width(&line.name);
        if used + own > width && used > 0.0 {
            rows.push(Vec::new());
            used = 0.0;
        }
        used += own;
        rows.last_mut().expect("it has one").push(index);
    }
    rows.truncate(LEGEND_ROWS_MAX);
    rows
}

fn entry_width(name: &str) -> f64 {
    svg::width(name, Font::LABEL.size) + 34.0
}
