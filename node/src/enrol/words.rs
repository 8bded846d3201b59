//! Six words that two people compare: the first 66 bits of what both devices heard, as words of a list of 2,048.

use std::fmt;

use bip39::Language;

/// Words of a phrase.
pub const WORDS: usize = 6;
/// Bits that one word stands for.
const WORD_BITS: usize = 11;

/// A phrase. Whoever is in between gets another one on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words([&'static str; WORDS]);

impl Words {
    /// The phrase of a hash: the same on both sides if both heard the same.
    #[must_use]
    pub fn of(hash: &[u8; 32]) -> Self {
        let list = Language::English.word_list();
        Self(std::array::from_fn(|place| list[bits(hash, place * WORD_BITS)]))
    }

    /// Whether somebody typed these words, in whatever case and with whatever blanks.
    #[must_use]
    pub fn are(&self, typed: &str) -> bool {
        let typed: Vec<String> = typed.split_whitespace().map(str::to_lowercase).collect();
        typed == self.0
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// The number that [`WORD_BITS`] bits from the bit `start` on make.
fn bits(hash: &[u8; 32], start: usize) -> usize {
    let bit = |at: usize| usize::from(hash[at / 8] >> (7 - at % 8) & 1);
    (start..start + WORD_BITS).fold(0, |number, at| number << 1 | bit(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_first_66_bits_changes_one_word_and_no_other_bit_any() {
        let words = Words::of(&[0; 32]);
        for at in 0..256 {
            let mut hash = [0; 32];
            hash[at / 8] = 1 << (7 - at % 8);
            let other = Words::of(&hash);
            let changed = (0..WORDS).filter(|word| words.0[*word] != other.0[*word]).collect::<Vec<_>>();
            assert_eq!(changed, if at < 66 { vec![at / 11] } else { vec![] }, "bit {at}");
        }
        assert_eq!(Words::of(&[0xff; 32]).to_string(), "zoo zoo zoo zoo zoo zoo");
    }

    #[test]
    fn words_are_the_same_however_they_are_typed_and_in_their_order_only() {
        let words = Words::of(&[0x5a; 32]);
        let text = words.to_string();
        assert!(words.are(&text) && words.are(&format!("  {}\n", text.to_uppercase().replace(' ', "  "))));
        let turned = text.split(' ').rev().collect::<Vec<_>>().join(" ");
        for wrong in ["", "yes", &text[1..], &turned, &format!("{text} zoo")] {
            assert!(!words.are(wrong), "{wrong}");
        }
    }
}
