//! Names that belong to nobody, and numbers of documents that were never issued.

use std::collections::BTreeMap;

use crate::dice::Dice;

const ONSETS: [&str; 16] = ["b", "br", "d", "dr", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z"];
const VOWELS: [&str; 7] = ["a", "e", "i", "o", "u", "ae", "io"];
const CODAS: [&str; 6] = ["", "", "l", "n", "r", "s"];
const ENDINGS: [&str; 6] = ["quist", "dottir", "menko", "arez", "ovel", "hildo"];

pub(crate) fn draw(dice: &mut Dice) -> BTreeMap<&'static str, String> {
    let family = capital(&format!("{}{}", syllables(dice), dice.pick(&ENDINGS)));
    let given = capital(&syllables(dice));
    let (year, month, day) = (1950 + dice.below(57), 1 + dice.below(12), 1 + dice.below(28));
    BTreeMap::from([
        ("family_name", family),
        ("given_names", given),
        ("birth_date", format!("{year:04}-{month:02}-{day:02}")),
        // Utopia: the state that specimens of travel documents are issued by.
        ("nationality", "UTO".to_owned()),
        ("document_number", format!("X{:08}", dice.below(100_000_000))),
    ])
}

fn syllables(dice: &mut Dice) -> String {
    (0..2).map(|_| format!("{}{}{}", dice.pick(&ONSETS), dice.pick(&VOWELS), dice.pick(&CODAS))).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
