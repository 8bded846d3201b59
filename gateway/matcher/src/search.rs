//! One search: every finger of a probe against every person, in this process.

use std::collections::BTreeMap;

use crate::{
    ffi::Matcher,
    person::{FingerPrint, Person},
    position::Position,
    score::{Fused, Ranked, Searched, rank},
    template::Template,
};

/// Compares a probe with everybody. Prints too poor to search are left out on both sides.
pub fn search(matcher: &mut Matcher, probe: &[FingerPrint], people: &[Person]) -> Searched {
    let mut fused = vec![Fused::default(); people.len()];
    for (position, templates) in fingers(probe) {
        let best = best_of_finger(matcher, position, &templates, people);
        for (fused, best) in fused.iter_mut().zip(best) {
            best.into_iter().for_each(|score| fused.add(score));
        }
    }
    summary(people, &fused)
}

/// The usable prints by finger. Unknown fingers stay apart: they may be of several.
fn fingers(probe: &[FingerPrint]) -> Vec<(Position, Vec<&Template>)> {
    let mut known: BTreeMap<Position, Vec<&Template>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (position, template) in probe.iter().filter(|(_, template)| template.quality().is_ok()) {
        match *position {
            Position::UNKNOWN => unknown.push((*position, vec![template])),
            position => known.entry(position).or_default().push(template),
        }
    }
    known.into_iter().chain(unknown).collect()
}

/// Each person's best score for one finger; `None` where there is nothing to compare.
fn best_of_finger(
    matcher: &mut Matcher,
    position: Position,
    probes: &[&Template],
    people: &[Person],
) -> Vec<Option<u32>> {
    let mut best = vec![None; people.len()];
    for template in probes {
        let mut probe = matcher.probe(template);
        for (best, person) in best.iter_mut().zip(people) {
            for (_, print) in person.prints.iter().filter(|(on_file, print)| comparable(position, *on_file, print)) {
                // `None`, the pair that can't be scored, is less than any score.
                *best = (*best).max(probe.score(print));
            }
        }
    }
    best
}

fn comparable(position: Position, on_file: Position, print: &Template) -> bool {
    position.may_be(on_file) && print.quality().is_ok()
}

fn summary(people: &[Person], fused: &[Fused]) -> Searched {
    let compared: Vec<Ranked> = people
        .iter()
        .zip(fused)
        .filter(|(_, fused)| fused.fingers > 0)
        .map(|(person, fused)| Ranked { reference: person.reference.clone(), fused: *fused })
        .collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Searched {
        compared: count(compared.len()),
        not_compared: count(people.len() - compared.len()),
        ranked: rank(compared),
    }
}
