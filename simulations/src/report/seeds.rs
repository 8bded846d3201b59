//! What was measured, over all seeds.

use maud::{Markup, html};

use super::gather::Gathered;
use super::interval::Mean;
use super::measures::MEASURES;
use super::page::table;

pub(super) fn means(runs: &Gathered) -> Markup {
    let several = runs.len() > 1;
    let rows = MEASURES.iter().map(|measure| {
        let mean = Mean::of(runs.measured(measure.key));
        let words = |value: Option<f64>| value.map_or("–".to_owned(), |value| measure.words(value));
        let mut cells = vec![html! { (measure.name) }, html! { (words(mean.map(|it| it.mean))) }];
        if several {
            let half_width = mean.and_then(|it| it.half_width);
            cells.push(html! { (half_width.map_or("–".to_owned(), |half| measure.margin(half))) });
            cells.push(html! { (words(mean.map(|it| it.least))) });
            cells.push(html! { (words(mean.map(|it| it.most))) });
        }
        cells
    });
    let head: &[&str] = if several { &["what", "mean", "95 % interval", "least", "most"] } else { &["what", "value"] };
    table("", head, rows.collect(), &[])
}
