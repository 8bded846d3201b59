//! What all plots share: axes with ticks that people would choose, colours that everybody can tell apart, and the way into the page.

use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Polygon, Rectangle};
use plotters::series::LineSeries;
use plotters::style::{Color, RGBColor, ShapeStyle, TextStyle};
use plotters::style::{FontFamily, IntoFont};

use super::words;

// Colours of Okabe and Ito, which people with any sort of colour vision tell apart.
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const ORANGE: RGBColor = RGBColor(213, 94, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(super) const PINK: RGBColor = RGBColor(204, 121, 167);
pub(super) const YELLOW: RGBColor = RGBColor(230, 159, 0);
pub(super) const SKY: RGBColor = RGBColor(86, 180, 233);
pub(super) const GREY: RGBColor = RGBColor(150, 156, 148);
const INK: RGBColor = RGBColor(40, 46, 38);
const GRID: RGBColor = RGBColor(222, 226, 219);

/// Width of a plot, in its own units: text is legible when a phone shows it half as wide.
pub(super) const WIDTH: u32 = 640;
const FONT: f64 = 20.0;
const DAY_S: f64 = 86_400.0;

/// Why a plot can't be drawn: there is no reason, since it is written to a string.
type Failed = DrawingAreaErrorKind<std::io::Error>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// An axis: from where to where, and what is marked.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    range: Range<f64>,
    ticks: Vec<(f64, String)>,
    title: String,
}

impl Axis {
    pub(super) fn new(title: &str, range: Range<f64>, ticks: Vec<(f64, String)>) -> Self {
        Self { range, ticks, title: title.to_owned() }
    }

    /// Shares of one.
    pub(super) fn shares(title: &str) -> Self {
        let ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].map(|share| (share, format!("{:.0} %", share * 100.0)));
        Self::new(title, 0.0..1.0, ticks.to_vec())
    }

    /// Delays up to `most_ms`, on a logarithmic scale from a second on: see [`log_s`].
    pub(super) fn delays(title: &str, most_ms: u64) -> Self {
        let ticks = [
            (1.0, "≤ 1 s"),
            (10.0, "10 s"),
            (60.0, "1 min"),
            (600.0, "10 min"),
            (3_600.0, "1 h"),
            (21_600.0, "6 h"),
            (DAY_S, "1 d"),
            (3.0 * DAY_S, "3 d"),
            (10.0 * DAY_S, "10 d"),
            (30.0 * DAY_S, "30 d"),
            (100.0 * DAY_S, "100 d"),
        ];
        let most_s = most_ms as f64 / 1_000.0;
        let upto = ticks.iter().position(|(s, _)| *s >= most_s).unwrap_or(ticks.len() - 1).max(3);
        let marks = ticks[..=upto].iter().map(|(s, name)| (s.log10(), (*name).to_owned())).collect();
        Self::new(title, 0.0..ticks[upto].0.max(most_s).log10(), marks)
    }

    /// Where the axis ends.
    pub(super) const fn end(&self) -> f64 {
        self.range.end
    }

    /// Time since the beginning, up to the end, in ms.
    pub(super) fn time(ends_ms: u64) -> Self {
        const STEPS_S: [f64; 13] = [
            1.0,
            10.0,
            60.0,
            300.0,
            600.0,
            1_800.0,
            3_600.0,
            7_200.0,
            14_400.0,
            28_800.0,
            DAY_S,
            2.0 * DAY_S,
            7.0 * DAY_S,
        ];
        let ends_s = (ends_ms as f64 / 1_000.0).max(1.0);
        let step_s =
            STEPS_S.into_iter().find(|step| ends_s / step <= 9.0).unwrap_or((ends_s / 9.0 / DAY_S).ceil() * DAY_S);
        let marks = (0..).map(|number| f64::from(number) * step_s).take_while(|s| *s <= ends_s);
        let unit = match step_s {
            _ if step_s >= DAY_S => (DAY_S, "d"),
            _ if step_s >= 3_600.0 => (3_600.0, "h"),
            _ if step_s >= 60.0 => (60.0, "min"),
            _ => (1.0, "s"),
        };
        let ticks = marks.map(|s| (s * 1_000.0, format!("{:.0} {}", s / unit.0, unit.1))).collect();
        Self::new("time since the beginning", 0.0..ends_s * 1_000.0, ticks)
    }

    /// Numbers from zero on.
    pub(super) fn numbers(title: &str, most: f64) -> Self {
        Self::upto(title, most.max(1.0), |value| words::count(value as u64))
    }

    /// Sizes from zero on.
    pub(super) fn bytes(title: &str, most: f64) -> Self {
        Self::upto(title, most.max(1.0), words::bytes)
    }

    fn upto(title: &str, most: f64, name: impl Fn(f64) -> String) -> Self {
        let power = 10_f64.powf((most / 5.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| most / step <= 5.0).unwrap_or(steps[3]).max(1.0);
        let last = (most / step).ceil().max(1.0);
        let ticks = (0..=last as u32).map(|number| f64::from(number) * step).map(|value| (value, name(value)));
        Self::new(title, 0.0..last * step, ticks.collect())
    }

    /// So many rows, the first on top, some of them numbered.
    pub(super) fn numbered(title: &str, rows: usize) -> Self {
        let step = [1, 2, 5, 10, 20, 50, 100].into_iter().find(|step| rows / step <= 8).unwrap_or(200);
        let ticks = (1..=rows).filter(|row| row % step == 0).map(|row| (row as f64 - 0.5, row.to_string()));
        Self::new(title, rows.max(1) as f64..0.0, ticks.collect())
    }

    /// One row for each name, the first on top; of many, some are named.
    pub(super) fn rows(title: &str, names: &[String], named_max: usize) -> Self {
        let every = names.len().div_ceil(named_max).max(1);
        let ticks = names.iter().enumerate().step_by(every).map(|(row, name)| (row as f64 + 0.5, name.clone()));
        Self::new(title, names.len().max(1) as f64..0.0, ticks.collect())
    }

    /// One column for each name.
    pub(super) fn columns(title: &str, names: &[String]) -> Self {
        let ticks = names.iter().enumerate().map(|(column, name)| (column as f64 + 0.5, name.clone()));
        Self::new(title, 0.0..names.len().max(1) as f64, ticks.collect())
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Whoever asks for light lines too gets the same ones.
        let _ = hint;
        self.ticks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(at, _)| at == value);
        tick.map_or_else(String::new, |(_, name)| name.clone())
    }
}

/// Where a delay is on the axis of [`Axis::delays`].
pub(super) fn log_s(ms: u64) -> f64 {
    (ms as f64 / 1_000.0).max(1.0).log10()
}

/// How a line, or what it bounds, is called.
pub(super) struct Key(pub(super) RGBColor, pub(super) &'static str);

/// A plot on the page: its title, a sentence on how to read it, its keys, and what is drawn.
pub(super) fn figure(title: &str, note: &str, keys: &[Key], plot: &Markup) -> Markup {
    html! {
        figure {
            figcaption {
                strong { (title) }
                @if !note.is_empty() { " " span.note { (note) } }
                @if !keys.is_empty() {
                    span.keys { @for Key(RGBColor(r, g, b), name) in keys {
                        span.key { i style=(format!("border-color: rgb({r}, {g}, {b})")) {} (name) }
                    } }
                }
            }
            div.plot { (plot) }
        }
    }
}

/// Draws between two axes. `label` says what it is to whoever can't see it.
pub(super) fn plot(
    label: &str,
    height: u32,
    left: u32,
    axes: (Axis, Axis),
    draw: impl FnOnce(&mut Pen<'_, '_>) -> Result<(), Failed>,
) -> Markup {
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        on(&area, left, axes, draw).and_then(|()| area.present())
    };
    match drawn {
        Ok(()) => inline(&svg, label),
        Err(error) => html! { p.alert { "This plot can't be drawn: " (error) } },
    }
}

fn on(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    left: u32,
    (x, y): (Axis, Axis),
    draw: impl FnOnce(&mut Pen<'_, '_>) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let (x_title, y_title) = (x.title.clone(), y.title.clone());
    let mut chart = ChartBuilder::on(area)
        .margin_top(8)
        .margin_right(26)
        .margin_bottom(4)
        .x_label_area_size(52)
        .y_label_area_size(left)
        .build_cartesian_2d(x, y)?;
    let text = |size: f64| TextStyle::from((FontFamily::SansSerif, size).into_font()).color(&INK);
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .axis_style(GREY)
        .label_style(text(FONT))
        .axis_desc_style(text(FONT))
        .x_desc(x_title)
        .y_desc(y_title)
        .draw()?;
    draw(&mut Pen { chart })
}

/// The plot as part of the page: as wide as there is room, and named.
fn inline(svg: &str, label: &str) -> Markup {
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let (width, height) = size_of(svg);
    html! {
        svg role="img" aria-label=(label) viewBox=(format!("0 0 {width} {height}")) { (PreEscaped(body.replace("</svg>", ""))) }
    }
}

fn size_of(svg: &str) -> (&str, &str) {
    let value = |name: &str| svg.split_once(name).and_then(|(_, rest)| rest.split('"').next()).unwrap_or("0");
    (value(" width=\""), value(" height=\""))
}

/// What draws on a plot.
pub(super) struct Pen<'a, 'b> {
    chart: Chart<'a, 'b>,
}

impl Pen<'_, '_> {
    pub(super) fn line(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: RGBColor,
        width: u32,
    ) -> Result<(), Failed> {
        let style: ShapeStyle = color.stroke_width(width);
        self.chart.draw_series(LineSeries::new(points, style)).map(|_| ())
    }

    /// What lies between two lines over the same places.
    pub(super) fn band(&mut self, points: &[(f64, f64, f64)], color: RGBColor) -> Result<(), Failed> {
        let there = points.iter().map(|(x, low, _)| (*x, *low));
        let back = points.iter().rev().map(|(x, _, high)| (*x, *high));
        let around: Vec<(f64, f64)> = there.chain(back).collect();
        self.chart.draw_series([Polygon::new(around, color.mix(0.2))]).map(|_| ())
    }

    /// A filled box between two corners.
    pub(super) fn fill(&mut self, from: (f64, f64), to: (f64, f64), color: impl Color) -> Result<(), Failed> {
        self.chart.draw_series([Rectangle::new([from, to], color.filled())]).map(|_| ())
    }

    pub(super) fn dot(&mut self, at: (f64, f64), size: u32, color: RGBColor) -> Result<(), Failed> {
        self.chart.draw_series([plotters::element::Circle::new(at, size, color.filled())]).map(|_| ())
    }
}
