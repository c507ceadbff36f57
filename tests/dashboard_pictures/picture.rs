//! A whole dashboard: panels where Grafana has them, each with its title.

use e2e::dashboards::{Dashboard, Stage};

use crate::lines::{Span, lines};
use crate::svg::{self, Anchor, Area, Font, Svg};
use crate::{chart, stat, table};

const COLUMN_WIDTH: f64 = 50.0;
const ROW_HEIGHT: f64 = 30.0;
const COLUMNS: f64 = 24.0;
const GAP: f64 = 8.0;
const HEADER_HEIGHT: f64 = 44.0;
const TITLE_HEIGHT: f64 = 30.0;

/// The picture as SVG.
pub(crate) fn draw(dashboard: &Dashboard, caption: &str, stage: &Stage, span: Span) -> String {
    let rows = dashboard.panels.iter().map(|panel| panel.grid.y + panel.grid.h).max();
    let width = COLUMNS * COLUMN_WIDTH + GAP;
    let height = HEADER_HEIGHT + rows.expect("there is a panel") as f64 * ROW_HEIGHT + GAP;
    let image = &dashboard.image;
    let mut svg = Svg::new(width, height, &format!("Dashboard of {image}: {caption}"));
    let whole = Area { x: 0.0, y: 0.0, w: width, h: height };
    svg.rect(whole, svg::BACKGROUND, "none");
    let title = Font { size: 18.0, color: svg::TEXT, bold: true, anchor: Anchor::Start };
    svg.text(GAP + 4.0, 29.0, image, title);
    let about = Font { size: 13.0, ..Font::LABEL };
    svg.text(width - GAP - 4.0, 28.0, caption, about.at(Anchor::End));
    for panel in &dashboard.panels {
        let frame = Area {
            x: panel.grid.x as f64 * COLUMN_WIDTH + GAP,
            y: panel.grid.y as f64 * ROW_HEIGHT + HEADER_HEIGHT,
            w: panel.grid.w as f64 * COLUMN_WIDTH - GAP,
            h: panel.grid.h as f64 * ROW_HEIGHT - GAP,
        };
        svg.rect(frame, svg::PANEL, svg::BORDER);
        let title = Font { size: 13.0, color: svg::TEXT, bold: true, anchor: Anchor::Start };
        svg.text(frame.x + 10.0, frame.y + 20.0, &panel.title, title);
        let inside = Area { y: frame.y + TITLE_HEIGHT, h: frame.h - TITLE_HEIGHT, ..frame };
        match panel.kind.as_str() {
            "stat" => stat::draw(&mut svg, inside, panel, &read(stage, image, panel, span)),
            "timeseries" => chart::draw(&mut svg, inside, panel, &read(stage, image, panel, span)),
            "state-timeline" => {
                table::timeline(&mut svg, inside, panel, &read(stage, image, panel, span));
            }
            _ => table::draw(&mut svg, inside, panel, stage, (image, span)),
        }
    }
    svg.finish()
}

fn read(
    stage: &Stage,
    image: &str,
    panel: &e2e::dashboards::Panel,
    span: Span,
) -> Vec<crate::lines::Line> {
    lines(&stage.prometheus, image, panel, span)
}
