//! Two settings over the same seeds: what differs, and what can't be told apart.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::interval::Mean;
use super::measures::{Better, MEASURES, Measure, Measured};
use super::page::{frame, table};
use super::summary::unit;
use super::words;

/// The version of what is in its JSON.
const FORMAT: u32 = 1;

/// Measures of two settings, seed by seed.
pub struct Comparison {
    names: [String; 2],
    seeds: Vec<u64>,
    rows: Vec<Row>,
}

/// One measure.
struct Row {
    measure: &'static Measure,
    means: [Option<Mean>; 2],
    difference: Option<Mean>,
}

/// What a difference comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The second is better.
    Better,
    /// The second is worse.
    Worse,
    /// They differ, for better or worse.
    Differs,
    /// Zero is within the interval of the differences.
    NotDistinguishable,
    /// Every seed gave the same with both.
    Same,
    /// Of fewer than two seeds nobody can tell.
    Unknown,
}

impl Standing {
    fn of(measure: &Measure, difference: Option<Mean>) -> Self {
        let Some(difference) = difference.filter(|it| it.count > 1) else { return Self::Unknown };
        match measure.better {
            _ if difference.least == 0.0 && difference.most == 0.0 => Self::Same,
            _ if !difference.is_not_zero() => Self::NotDistinguishable,
            Better::Neither => Self::Differs,
            Better::More if difference.mean > 0.0 => Self::Better,
            Better::Less if difference.mean < 0.0 => Self::Better,
            Better::More | Better::Less => Self::Worse,
        }
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Differs => "differs",
            Self::NotDistinguishable => "not distinguishable from none",
            Self::Same => "the same",
            Self::Unknown => "can't be told from fewer than two seeds",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Differs => "differs",
            Self::NotDistinguishable => "not_distinguishable",
            Self::Same => "same",
            Self::Unknown => "unknown",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            _ => "same",
        }
    }
}

/// One line of a comparison, in words.
pub struct Told {
    /// What is measured.
    pub name: &'static str,
    /// Which way is better.
    pub better: Better,
    /// Its mean with the first setting.
    pub first: String,
    /// With the second.
    pub second: String,
    /// The second less the first, with its interval.
    pub difference: String,
    /// What that comes to.
    pub standing: Standing,
}

impl Comparison {
    /// Of two settings by name, and what was measured with each for each of these seeds.
    #[must_use]
    pub fn new(names: [&str; 2], seeds: &[u64], measured: [&[Measured]; 2]) -> Self {
        let row = |measure: &'static Measure| {
            let values = measured.map(|runs| runs.iter().map(|run| run.get(measure.key)).collect::<Vec<_>>());
            let pairs = values[0].iter().zip(&values[1]);
            Row {
                measure,
                means: [0, 1].map(|side| Mean::of(values[side].iter().flatten().copied())),
                difference: Mean::of(pairs.filter_map(|(first, second)| Some((*second)? - (*first)?))),
            }
        };
        let rows = MEASURES.iter().map(row).collect();
        Self { names: names.map(str::to_owned), seeds: seeds.to_vec(), rows }
    }

    /// Line by line.
    pub fn told(&self) -> impl Iterator<Item = Told> + '_ {
        self.rows.iter().map(Row::told)
    }

    /// For programs; `docs/REPORT.md` says what is in it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mean = |mean: Option<Mean>| {
            mean.map(
                |it| json!({ "mean": it.mean, "half_width_95": it.half_width, "least": it.least, "most": it.most }),
            )
        };
        let measure = |row: &Row| {
            let value = json!({
                "name": row.measure.name,
                "unit": unit(row.measure.unit),
                "first": mean(row.means[0]),
                "second": mean(row.means[1]),
                "difference": mean(row.difference),
                "pairs": row.difference.map_or(0, |it| it.count),
                "standing": Standing::of(row.measure, row.difference).key(),
            });
            (row.measure.key.to_owned(), value)
        };
        let measures: Map<String, Value> = self.rows.iter().map(measure).collect();
        json!({
            "format": FORMAT,
            "first": self.names[0],
            "second": self.names[1],
            "seeds": self.seeds,
            "measures": measures,
        })
    }

    /// The page, as HTML.
    #[must_use]
    pub fn page(&self) -> String {
        let [first, second] = &self.names;
        let rows = self.told().map(|row| row.cells()).collect();
        let body = html! {
            header {
                h1 { (first) " and " (second) }
                p.quiet { "Both with the same " (words::of(self.seeds.len(), "seed", "seeds")) }
            }
            p.verdict { (self.verdict()) }
            (table("", &["what", first, second, "difference, 95 % interval", "so the second is"], rows, &[]))
            footer {
                p { "Differences are taken seed by seed, the second less the first, and then their mean, with its 95 % interval after Student. What can't be told from none may still be one: more seeds would show it. Among so many measures, one in twenty differs by chance." }
                p { "Delays are of captures that arrived. Whoever delivers more of the hard ones has longer delays; so look at the shares first." }
            }
        };
        frame(&format!("{first} and {second}"), &body).into_string()
    }

    /// What matters most, in a sentence.
    fn verdict(&self) -> Markup {
        let those = |standing| {
            let rows = self.told().filter(move |row| row.standing == standing);
            rows.map(|row| row.name).collect::<Vec<_>>()
        };
        let (better, worse) = (those(Standing::Better), those(Standing::Worse));
        html! {
            @if better.is_empty() && worse.is_empty() { "Nothing that is better or worse can be told from no difference." }
            @if !better.is_empty() { "The second is better in: " (better.join("; ")) ". " }
            @if !worse.is_empty() { "It is worse in: " (worse.join("; ")) "." }
        }
    }
}

impl Row {
    fn told(&self) -> Told {
        let words = |mean: Option<Mean>| mean.map_or("–".to_owned(), |it| self.measure.words(it.mean));
        let difference = self.difference.map_or("–".to_owned(), |it| {
            let half = it.half_width.map_or(String::new(), |half| format!(" {}", self.measure.margin(half)));
            format!("{}{half}", self.measure.difference(it.mean))
        });
        Told {
            name: self.measure.name,
            better: self.measure.better,
            first: words(self.means[0]),
            second: words(self.means[1]),
            difference,
            standing: Standing::of(self.measure, self.difference),
        }
    }
}

impl Told {
    fn cells(&self) -> Vec<Markup> {
        vec![
            html! { (self.name) },
            html! { (self.first) },
            html! { (self.second) },
            html! { (self.difference) },
            html! { span class=(self.standing.class()) { (self.standing.words()) } },
        ]
    }
}
