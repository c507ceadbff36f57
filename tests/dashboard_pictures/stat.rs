//! A panel of big numbers: the last value of each series, in the colour of its threshold.

use e2e::dashboards::Panel;
use serde_json::Value;

use crate::lines::Line;
use crate::svg::{self, Anchor, Area, Font, Svg};
use crate::units::shown;

const SIZE_MAX: f64 = 34.0;
const SPARK_HEIGHT: f64 = 24.0;
const MARGIN: f64 = 12.0;

pub(crate) fn draw(svg: &mut Svg, area: Area, panel: &Panel, lines: &[Line]) {
    let options = &panel.json["options"];
    let decimals = panel.json.pointer("/fieldConfig/defaults/decimals").and_then(Value::as_u64);
    let decimals = decimals.map(|it| usize::try_from(it).unwrap());
    let cell_width = (area.w - 2.0 * MARGIN) / lines.len().max(1) as f64;
    for (index, line) in lines.iter().enumerate() {
        let x = area.x + MARGIN + cell_width * index as f64;
        let cell = Area { x, w: cell_width, ..area };
        let (text, color) = match line.last() {
            None => ("no data".to_owned(), svg::DIM.to_owned()),
            Some(value) => mapped(panel, value).unwrap_or_else(|| {
                let color = panel.color(&line.name).map(svg::named_color);
                let color = color.unwrap_or_else(|| threshold(panel, value));
                (shown(value, &line.unit, decimals), color.to_owned())
            }),
        };
        if options["graphMode"] == "area" {
            spark(svg, cell, line, &color);
        }
        let size = (0.92 * cell_width * SIZE_MAX / svg::width(&text, SIZE_MAX)).min(SIZE_MAX);
        let font = Font { size, color: &color, bold: true, anchor: Anchor::Middle };
        let middle = cell.x + cell.w / 2.0;
        let has_name = lines.len() > 1;
        let baseline = cell.y + if has_name { 58.0 } else { 42.0 };
        svg.text(middle, baseline, &text, font);
        if has_name {
            svg.text(middle, cell.y + 18.0, &line.name, Font::LABEL.at(Anchor::Middle));
        }
    }
}

/// The text and colour of a value that the panel has a word for.
pub(crate) fn mapped(panel: &Panel, value: f64) -> Option<(String, String)> {
    let mappings = panel.json.pointer("/fieldConfig/defaults/mappings")?.as_array()?;
    let word = mappings.iter().find_map(|mapping| mapping["options"].get(value.to_string()))?;
    let color = svg::named_color(word["color"].as_str()?);
    Some((word["text"].as_str()?.to_owned(), color.to_owned()))
}

fn threshold(panel: &Panel, value: f64) -> &str {
    let steps = panel.json.pointer("/fieldConfig/defaults/thresholds/steps").unwrap();
    let mut steps = steps.as_array().unwrap().iter().rev();
    let reached = steps.find(|step| step["value"].as_f64().is_none_or(|from| value >= from));
    svg::named_color(reached.and_then(|step| step["color"].as_str()).unwrap())
}

/// The course of the value along the lower edge.
fn spark(svg: &mut Svg, cell: Area, line: &Line, color: &str) {
    let values = line.values.iter().flatten();
    let max = values.copied().fold(0.0, f64::max);
    if max <= 0.0 {
        return;
    }
    let bottom = cell.y + cell.h - 6.0;
    let last = (line.values.len() - 1) as f64;
    let place = |(index, value): (usize, &Option<f64>)| {
        let x = cell.x + cell.w * index as f64 / last;
        value.map(|value| (x, bottom - SPARK_HEIGHT * value / max))
    };
    let points: Vec<_> = line.values.iter().enumerate().filter_map(place).collect();
    let path = svg::path(points.iter().copied().map(Some));
    let (Some(first), Some(end)) = (points.first(), points.last()) else { return };
    let closed = format!("{path}L{:.1} {bottom:.1}L{:.1} {bottom:.1}Z", end.0, first.0);
    svg.fill(&closed, color, 0.12);
    svg.stroke(&path, color, 1.0);
}
