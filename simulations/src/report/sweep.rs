//! One or two settings through several values: how what is measured changes with them.

use std::io::{self, Write};

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::interval::Mean;
use super::measures::{Better, MEASURES, Measure, Measured, place};
use super::page::frame;
use super::words;

/// The version of what is in its JSON.
const FORMAT: u32 = 1;
/// What has a heat map of its own, in this order.
const MAPPED: [&str; 7] =
    ["delivered", "delivery_p50_ms", "delivery_p90_ms", "answered", "answer_p50_ms", "moved_bytes", "entries_ratio"];

/// A setting, and the values that it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// What is set.
    pub key: String,
    /// To what, one after the other.
    pub values: Vec<String>,
}

/// What was measured at every combination of values.
pub struct Sweep {
    name: String,
    seeds: Vec<u64>,
    first: Over,
    second: Option<Over>,
    points: Vec<Point>,
}

/// One combination.
struct Point {
    /// Which value of the first setting, and of the second.
    at: (usize, usize),
    means: Vec<Option<Mean>>,
}

impl Sweep {
    /// Of a scenario by name. `measured` has the runs of each combination: all values of the second setting for the first value of the
    /// first, and so on.
    #[must_use]
    pub fn new(name: &str, seeds: &[u64], first: Over, second: Option<Over>, measured: &[Vec<Measured>]) -> Self {
        let columns = second.as_ref().map_or(1, |over| over.values.len());
        let point = |(number, runs): (usize, &Vec<Measured>)| Point {
            at: (number / columns, number % columns),
            means: MEASURES
                .iter()
                .map(|measure| Mean::of(runs.iter().filter_map(|run| run.get(measure.key))))
                .collect(),
        };
        let points = measured.iter().enumerate().map(point).collect();
        Self { name: name.to_owned(), seeds: seeds.to_vec(), first, second, points }
    }

    /// The combinations, each with its values and the mean of one measure in words.
    pub fn told(&self, keys: &[&str]) -> Vec<Vec<String>> {
        let row = |point: &Point| {
            let words = keys
                .iter()
                .filter_map(|key| place(key))
                .map(|place| point.means[place].map_or("–".to_owned(), |mean| MEASURES[place].words(mean.mean)));
            self.values(point).into_iter().map(|(_, value)| value.to_owned()).chain(words).collect()
        };
        self.points.iter().map(row).collect()
    }

    fn settings(&self) -> impl Iterator<Item = &Over> {
        [&self.first].into_iter().chain(&self.second)
    }

    /// What is set at a point, and to what.
    fn values(&self, point: &Point) -> Vec<(&str, &str)> {
        let first = [(self.first.key.as_str(), self.first.values[point.at.0].as_str())];
        let second = self.second.as_ref().map(|over| (over.key.as_str(), over.values[point.at.1].as_str()));
        first.into_iter().chain(second).collect()
    }

    /// For programs; `docs/REPORT.md` says what is in it.
    #[must_use]
    pub fn json(&self) -> Value {
        let point = |point: &Point| {
            let set: Map<String, Value> =
                self.values(point).into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
            let measures: Map<String, Value> = MEASURES
                .iter()
                .zip(&point.means)
                .map(|(measure, mean)| {
                    let value = mean.map(|it| json!({ "mean": it.mean, "half_width_95": it.half_width }));
                    (measure.key.to_owned(), value.into())
                })
                .collect();
            json!({ "set": set, "measures": measures })
        };
        let over = |over: &Over| json!({ "key": over.key, "values": over.values });
        json!({
            "format": FORMAT,
            "name": self.name,
            "seeds": self.seeds,
            "over": self.settings().map(over).collect::<Vec<_>>(),
            "points": self.points.iter().map(point).collect::<Vec<_>>(),
        })
    }

    /// A table: the settings, then each measure's mean and the half width of its interval.
    pub fn write_csv(&self, mut to: impl Write) -> io::Result<()> {
        let settings = self.settings().map(|over| quoted(&over.key));
        let measures = MEASURES.iter().flat_map(|it| [it.key.to_owned(), format!("{}_half_width_95", it.key)]);
        writeln!(to, "{}", settings.chain(measures).collect::<Vec<_>>().join(","))?;
        for point in &self.points {
            let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
            let values = self.values(point).into_iter().map(|(_, value)| quoted(value)).collect::<Vec<_>>();
            let means = point
                .means
                .iter()
                .flat_map(|mean| [number(mean.map(|it| it.mean)), number(mean.and_then(|it| it.half_width))]);
            writeln!(to, "{}", values.into_iter().chain(means).collect::<Vec<_>>().join(","))?;
        }
        to.flush()
    }

    /// The page, as HTML.
    #[must_use]
    pub fn page(&self) -> String {
        let keys = self.settings().map(|over| over.key.as_str());
        let title = format!("{} over {}", self.name, keys.collect::<Vec<_>>().join(" and "));
        let body = html! {
            header {
                h1 { (title) }
                p.quiet { "Every combination with the same " (words::of(self.seeds.len(), "seed", "seeds")) }
            }
            p { "Each cell has the mean over the seeds and, below it, its 95 % interval after Student. The darker, the better." }
            @for place in MAPPED.into_iter().filter_map(place) { (self.map(place)) }
            footer { p { "Delays are of captures that arrived; so look at the shares first." } }
        };
        frame(&title, &body).into_string()
    }

    /// One measure at every point.
    fn map(&self, place: usize) -> Markup {
        let measure = &MEASURES[place];
        let all = self.points.iter().filter_map(|point| point.means[place]).map(|mean| mean.mean);
        let (least, most) =
            all.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), it| (least.min(it), most.max(it)));
        let at = |row: usize, column: usize| self.points.iter().find(|point| point.at == (row, column));
        let columns = self.second.as_ref().map_or_else(|| vec![String::new()], |over| over.values.clone());
        html! {
            h2 { (measure.name) }
            div.scroll { table.heat {
                thead {
                    @if let Some(second) = &self.second { tr { th {} th scope="colgroup" colspan=(columns.len()) { (second.key) } } }
                    tr { th scope="col" { (self.first.key) } @for column in &columns { th scope="col" { (column) } } }
                }
                tbody { @for (row, value) in self.first.values.iter().enumerate() { tr {
                    th scope="row" { (value) }
                    @for column in 0..columns.len() {
                        @match at(row, column).and_then(|point| point.means[place]) {
                            Some(mean) => (cell(measure, mean, least, most)),
                            None => td.cell { "–" },
                        }
                    }
                } } }
            } }
        }
    }
}

fn cell(measure: &Measure, mean: Mean, least: f64, most: f64) -> Markup {
    let share = if most > least { (mean.mean - least) / (most - least) } else { 0.0 };
    let good = if measure.better == Better::Less { 1.0 - share } else { share };
    let style = (most > least).then(|| shade(good));
    html! {
        td.cell style=[style] {
            (measure.words(mean.mean))
            @if let Some(half) = mean.half_width { br; small { (measure.margin(half)) } }
        }
    }
}

/// From white to blue, with ink that stands out from it.
fn shade(good: f64) -> String {
    let mix = |dark: f64| (255.0 + (dark - 255.0) * good).round();
    let ink = if good > 0.6 { "#fff" } else { "#1f241d" };
    format!("background: rgb({}, {}, {}); color: {ink}", mix(0.0), mix(84.0), mix(140.0))
}

/// A cell of a table, in quotes if it has to be.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
