//! A panel of rows, and one of states over time.

use std::collections::BTreeMap;

use e2e::dashboards::{Panel, Stage};

use crate::lines::{Line, Span, filled};
use crate::stat::mapped;
use crate::svg::{self, Anchor, Area, Font, Svg};

const ROW_HEIGHT: f64 = 26.0;
const MARGIN: f64 = 14.0;

/// The series of its first query, a row each; columns are those that the panel names.
pub(crate) fn draw(
    svg: &mut Svg,
    area: Area,
    panel: &Panel,
    stage: &Stage,
    (image, span): (&str, Span),
) {
    let columns = columns(panel);
    let answer = stage.prometheus.query(&filled(&panel.queries[0], image, span));
    let column_width = (area.w - 2.0 * MARGIN) / columns.len() as f64;
    let x = |column: usize| area.x + MARGIN + column_width * column as f64;
    let head = Font { color: "#8ab8ff", bold: true, size: 12.0, ..Font::LABEL };
    for (column, (_label, title)) in columns.iter().enumerate() {
        svg.text(x(column), area.y + 18.0, title, head);
    }
    for (row, labels) in answer.keys().enumerate() {
        let y = area.y + ROW_HEIGHT * (row as f64 + 1.0);
        let line = format!("M{:.1} {y:.1}h{:.1}", x(0), area.w - 2.0 * MARGIN);
        svg.stroke(&line, svg::GRID, 1.0);
        for (column, (label, _title)) in columns.iter().enumerate() {
            let text = labels.get(label).map_or("", String::as_str);
            let font = Font { color: svg::TEXT, size: 12.0, ..Font::LABEL };
            svg.text(x(column), y + 18.0, text, font);
        }
    }
}

/// Label and title, in their order.
fn columns(panel: &Panel) -> Vec<(String, String)> {
    let steps = panel.json["transformations"].as_array().unwrap();
    let organize = steps.iter().find(|step| step["id"] == "organize").unwrap();
    let options = &organize["options"];
    let places = options["indexByName"].as_object().unwrap();
    let ordered: BTreeMap<u64, &String> =
        places.iter().map(|(label, place)| (place.as_u64().unwrap(), label)).collect();
    let title = |label: &str| options["renameByName"][label].as_str().unwrap().to_owned();
    ordered.into_values().map(|label| (label.clone(), title(label))).collect()
}

/// One band for each series, with the word of each state in it.
pub(crate) fn timeline(svg: &mut Svg, area: Area, panel: &Panel, lines: &[Line]) {
    let height = (area.h - 60.0) / lines.len().max(1) as f64;
    for (index, line) in lines.iter().enumerate() {
        let band = Area {
            x: area.x + 76.0,
            y: area.y + 12.0 + height * index as f64,
            w: area.w - 90.0,
            h: height * 0.9,
        };
        let label = Font { color: svg::TEXT, ..Font::LABEL }.at(Anchor::End);
        svg.text(band.x - 8.0, band.y + band.h / 2.0 + 4.0, &line.name, label);
        states(svg, band, panel, &line.values);
    }
    legend(svg, area, panel);
}

fn states(svg: &mut Svg, band: Area, panel: &Panel, values: &[Option<f64>]) {
    let step = band.w / values.len() as f64;
    let mut from = 0;
    while from < values.len() {
        let same = values[from..].iter().take_while(|value| **value == values[from]).count();
        if let Some((word, color)) = values[from].and_then(|value| mapped(panel, value)) {
            let x = band.x + step * from as f64;
            let part = Area { x, w: step * same as f64 - 1.0, ..band };
            svg.rect(part, &color, "none");
            if svg::width(&word, 13.0) < part.w {
                let font =
                    Font { size: 13.0, color: svg::PANEL, bold: true, anchor: Anchor::Middle };
                svg.text(x + part.w / 2.0, band.y + band.h / 2.0 + 5.0, &word, font);
            }
        }
        from += same;
    }
}

fn legend(svg: &mut Svg, area: Area, panel: &Panel) {
    let words = panel.json.pointer("/fieldConfig/defaults/mappings/0/options").unwrap();
    let mut x = area.x + 12.0;
    let y = area.y + area.h - 12.0;
    for word in words.as_object().unwrap().values() {
        let text = |field: &str| word[field].as_str().unwrap_or_default();
        let key = Area { x, y: y - 5.0, w: 12.0, h: 3.0 };
        svg.rect(key, svg::named_color(text("color")), "none");
        svg.text(x + 17.0, y, text("text"), Font { color: svg::TEXT, ..Font::LABEL });
        x += svg::width(text("text"), 11.0) + 40.0;
    }
}
