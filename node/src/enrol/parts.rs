//! A long text in numbered parts, each short enough for a code that any camera reads: an answer with several hubs and keys.

use crdt::codec::checksum;
use data_encoding::BASE32_NOPAD_NOCASE as BASE32;

use super::EnrolError;

const PREFIX: &str = "greenline-part:";
/// Most characters of one part's share: a code of 73 modules, which fits a terminal of 80 columns with its margins.
const SHARE_MAX: usize = 600;
/// Most parts of one text: what the longest answer takes.
const PARTS_MAX: usize = 200;

/// The text as it is if it is short, or its parts in order.
#[must_use]
pub fn split(text: &str) -> Vec<String> {
    let text = text.trim().to_ascii_lowercase();
    if text.len() <= SHARE_MAX {
        return vec![text];
    }
    let (name, shares) = (name_of(&text), shares(&text));
    let count = shares.len();
    let part = |(number, share): (usize, &str)| format!("{PREFIX}{name}/{}/{count}:{share}", number + 1);
    shares.into_iter().enumerate().map(part).collect()
}

/// The text that was read whole, or that these are all the parts of, in any order and with repetitions.
pub fn join(read: &[String]) -> Result<String, EnrolError> {
    let parts: Vec<Part> = read.iter().filter_map(|text| Part::read(text)).collect();
    let Some(first) = parts.first() else {
        return read.first().cloned().ok_or(EnrolError::NoCode);
    };
    if parts.iter().any(|part| (&part.name, part.count) != (&first.name, first.count)) {
        return Err(EnrolError::OtherParts);
    }
    let share = |number| parts.iter().find(|part| part.number == number).map(|part| part.share.as_str());
    let shares: Vec<&str> = (1..=first.count).filter_map(share).collect();
    if shares.len() < first.count {
        return Err(EnrolError::PartsMissing { here: shares.len(), of: first.count });
    }
    let text = shares.concat();
    if name_of(&text) == first.name { Ok(text) } else { Err(EnrolError::Mistyped) }
}

/// Tells the parts of one text from those of another.
fn name_of(text: &str) -> String {
    BASE32.encode(&checksum(text.as_bytes())).to_ascii_lowercase()
}

fn shares(text: &str) -> Vec<&str> {
    let (mut shares, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        // Texts of this sort are ASCII; another one is cut where it may be.
        let at = (0..=SHARE_MAX.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (share, after) = rest.split_at(at.max(1).min(rest.len()));
        shares.push(share);
        rest = after;
    }
    shares
}

struct Part {
    name: String,
    number: usize,
    count: usize,
    share: String,
}

impl Part {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (head, share) = text.strip_prefix(PREFIX)?.split_once(':')?;
        let mut fields = head.split('/');
        let (name, number, count) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let sound = fields.next().is_none() && (1..=count).contains(&number) && count <= PARTS_MAX;
        sound.then(|| Self { name: name.to_owned(), number, count, share: share.to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn long(seed: u8) -> String {
        let bytes: Vec<u8> = (0..1_500).map(|at| (at % 251) as u8 ^ seed).collect();
        format!("greenline-answer:{}", BASE32.encode(&bytes).to_ascii_lowercase())
    }

    #[test]
    fn a_short_text_stays_whole_and_a_long_one_comes_together_from_its_parts() {
        assert_eq!(split("greenline-request:abc"), ["greenline-request:abc"]);
        assert_eq!(join(&["GREENLINE-REQUEST:ABC".into()]).unwrap(), "GREENLINE-REQUEST:ABC");
        let mut parts = split(&long(0));
        assert_eq!(parts.len(), 5);
        assert!(parts.iter().all(|part| part.len() < SHARE_MAX + 50));
        parts.reverse();
        parts.push(parts[1].to_uppercase());
        assert_eq!(join(&parts).unwrap(), long(0));
    }

    #[test]
    fn missing_and_foreign_parts_are_told() {
        let parts = split(&long(0));
        assert!(matches!(join(&parts[1..]), Err(EnrolError::PartsMissing { here: 4, of: 5 })));
        let mixed = [&parts[..4], &split(&long(1))[4..]].concat();
        assert!(matches!(join(&mixed), Err(EnrolError::OtherParts)));
        assert!(matches!(join(&[]), Err(EnrolError::NoCode)));
        let mut changed = parts;
        changed[2] = format!("{}b", &changed[2][..changed[2].len() - 1]);
        assert!(matches!(join(&changed), Err(EnrolError::Mistyped)));
    }

    #[test]
    fn no_text_is_too_odd() {
        for text in
            ["", "greenline-part:", "greenline-part:x/1/0:", "greenline-part:x/0/9:a", "greenline-part:x/1/99999:a"]
        {
            assert_eq!(join(&[text.to_owned()]).unwrap(), text);
        }
        let odd = "ä".repeat(700);
        assert_eq!(join(&split(&odd)).unwrap(), odd);
    }
}
