//! SVG as text: rectangles, words and paths in the colours of a dark Grafana.
//!
//! The picture brings its own background, so it reads the same on a white and on a dark page.
//! Coordinates have one decimal, which is enough and keeps files small.

use std::fmt::Write;

pub(crate) const BACKGROUND: &str = "#111217";
pub(crate) const PANEL: &str = "#181b1f";
pub(crate) const BORDER: &str = "#2f343b";
pub(crate) const GRID: &str = "#2a2e35";
pub(crate) const TEXT: &str = "#d8d9e0";
pub(crate) const DIM: &str = "#a3a7b0";
const FONT: &str = "Inter, Helvetica Neue, Helvetica, Arial, DejaVu Sans, sans-serif";
/// Mean width of a character, in sizes of the font.
const CHARACTER_WIDTH: f64 = 0.55;
/// What a capital has more.
const CAPITAL_EXTRA_WIDTH: f64 = 0.17;

const SERIES: [&str; 9] = [
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#96d98d",
    "#ffcb7d",
];

/// Where something is, in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) w: f64,
    pub(crate) h: f64,
}

/// Which end of a text its place is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Font<'a> {
    pub(crate) size: f64,
    pub(crate) color: &'a str,
    pub(crate) bold: bool,
    pub(crate) anchor: Anchor,
}

/// A picture that is being drawn.
#[derive(Debug)]
pub(crate) struct Svg {
    text: String,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Self {
        let title = escaped(title);
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"{FONT}\" role=\"img\">\n\
             <title>{title}</title>\n"
        );
        Self { text }
    }

    pub(crate) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    pub(crate) fn rect(&mut self, area: Area, fill: &str, stroke: &str) {
        let Area { x, y, w, h } = area;
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"2\" \
             fill=\"{fill}\" stroke=\"{stroke}\"/>"
        ));
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, text: &str, font: Font<'_>) {
        let Font { size, color, bold, anchor } = font;
        let weight = if bold { " font-weight=\"600\"" } else { "" };
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{color}\"{weight} \
             text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A line without a filling.
    pub(crate) fn stroke(&mut self, path: &str, color: &str, width: f64) {
        self.push(format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" \
             stroke-linejoin=\"round\"/>"
        ));
    }

    pub(crate) fn fill(&mut self, path: &str, color: &str, opacity: f64) {
        self.push(format_args!("<path d=\"{path}\" fill=\"{color}\" fill-opacity=\"{opacity}\"/>"));
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{element}").expect("a String takes everything");
    }
}

impl Font<'_> {
    pub(crate) const LABEL: Font<'static> =
        Font { size: 11.0, color: DIM, bold: false, anchor: Anchor::Start };

    pub(crate) fn at(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }
}

pub(crate) fn series_color(index: usize) -> &'static str {
    SERIES[index % SERIES.len()]
}

/// A colour as Grafana names it.
pub(crate) fn named_color(name: &str) -> &str {
    match name {
        "green" => "#73bf69",
        "orange" => "#ff9830",
        "red" => "#f2495c",
        other => other,
    }
}

/// About how wide a text is.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let capitals = text.chars().filter(char::is_ascii_uppercase).count() as f64;
    (text.chars().count() as f64 * CHARACTER_WIDTH + capitals * CAPITAL_EXTRA_WIDTH) * size
}

/// A path through points, lifted at gaps.
pub(crate) fn path(points: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let mut path = String::new();
    let mut is_down = false;
    for point in points {
        if let Some((x, y)) = point {
            let command = if is_down { 'L' } else { 'M' };
            write!(path, "{command}{x:.1} {y:.1}").expect("a String takes everything");
        }
        is_down = point.is_some();
    }
    path
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
