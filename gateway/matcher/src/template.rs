//! A print's template: the minutiae that two prints are compared by, some 0.6 KB.

use serde::{Deserialize, Serialize};

use crate::image::{SIDE_MAX_PX, SIDE_MIN_PX};

/// bozorth3's default and recommended number of minutiae (`DEFAULT_BOZORTH_MINUTIAE`); the best are kept.
pub const MINUTIAE_MAX: usize = 150;

/// A minutia takes at most 8 bytes (two coordinates and an angle of two bytes each, quality and kind of one), the head at most
/// 8: more bytes than this can't be a template.
pub const TEMPLATE_BYTES_MAX: usize = 8 * MINUTIAE_MAX + 8;

/// First byte of an encoded template.
const FORMAT: u8 = 1;

/// Fewer minutiae than this aren't searched. bozorth3 as linked gives zero below 15; the table of `cargo bench -p matcher
/// --bench scores` shows how often cut-down prints of one finger still reach the threshold.
pub const MINUTIAE_MIN: usize = 20;

/// mindtct's reliability in per cent from which a minutia counts as good: 25 is where its quality class B starts
/// (`combined_minutia_quality` in quality.c).
pub const GOOD_QUALITY_MIN: u8 = 25;

/// A print with fewer good minutiae than this is noise that looks like ridges here and there.
pub const GOOD_MINUTIAE_MIN: usize = 12;

/// The narrowest picture that is searched: 8 mm, half of a finger's width. Smaller than any single-finger scanner's platen (the
/// smallest certified one, FAP 10, is 12.7 mm wide), so what is smaller is a torn piece.
pub const SIDE_SEARCH_MIN_PX: u16 = 160;

const DEGREES: u16 = 360;
const PER_CENT: u8 = 100;

/// What a ridge does at a minutia.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// It ends.
    Ending,
    /// It forks.
    Bifurcation,
}

/// One point of a print. The order is the one that bozorth3 needs: by x, then y.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Minutia {
    /// Pixels from the left, at 500 pixels per inch.
    pub x: u16,
    /// Pixels from the bottom.
    pub y: u16,
    /// Degrees counter-clockwise from east, 0 to 359, pointing out of the ridge (NIST's internal form).
    pub angle: u16,
    /// mindtct's reliability, 0 to 100.
    pub quality: u8,
    /// Ending or bifurcation; bozorth3 doesn't look at it.
    pub kind: Kind,
}

/// The minutiae of one print: at most [`MINUTIAE_MAX`], sorted, inside the picture. There is no other way to have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct Template {
    minutiae: Vec<Minutia>,
    width: u16,
    height: u16,
}

/// Why a template can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The picture's sides are out of bounds.
    #[error("a print of {width} x {height} pixels: sides must be from {SIDE_MIN_PX} to {SIDE_MAX_PX}")]
    Size {
        /// Stated width in pixels.
        width: u16,
        /// Stated height in pixels.
        height: u16,
    },
    /// A minutia lies outside the picture, or its angle or quality is out of range.
    #[error("minutia {0} is outside the picture or out of range")]
    Minutia(usize),
    /// More bytes than the largest template has.
    #[error("{0} bytes are too many for a template (at most {TEMPLATE_BYTES_MAX})")]
    TooLong(usize),
    /// The bytes aren't a template of a version known here.
    #[error("not a template of version {FORMAT}")]
    Malformed,
}

/// Why a print is too poor to be searched: take it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Poor {
    /// The picture is smaller than a finger.
    #[error("the picture is too small ({width} x {height} pixels, at least {SIDE_SEARCH_MIN_PX} a side)")]
    TooSmall {
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
    },
    /// Hardly any ridge structure was found.
    #[error("too few minutiae ({found}, at least {MINUTIAE_MIN})")]
    TooFewMinutiae {
        /// How many there are.
        found: u8,
    },
    /// There are minutiae, but they are smudge or noise.
    #[error("low quality ({good} good minutiae, at least {GOOD_MINUTIAE_MIN})")]
    LowQuality {
        /// How many of them are good.
        good: u8,
    },
}

impl Template {
    /// A template of these minutiae: checked, cut to the best [`MINUTIAE_MAX`], sorted.
    pub fn new(mut minutiae: Vec<Minutia>, width: u16, height: u16) -> Result<Template, TemplateError> {
        let sides = SIDE_MIN_PX..=SIDE_MAX_PX;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(TemplateError::Size { width, height });
        }
        if let Some(bad) = minutiae.iter().position(|minutia| !minutia.is_within(width, height)) {
            return Err(TemplateError::Minutia(bad));
        }
        keep_best(&mut minutiae);
        minutiae.sort_unstable();
        Ok(Template { minutiae, width, height })
    }

    /// The minutiae, sorted by x, then y.
    pub fn minutiae(&self) -> &[Minutia] {
        &self.minutiae
    }

    /// Width of the picture in pixels at 500 pixels per inch.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height of the picture in pixels at 500 pixels per inch.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Whether the print is good enough to be searched; otherwise what is wrong with it.
    pub fn quality(&self) -> Result<(), Poor> {
        if self.width.min(self.height) < SIDE_SEARCH_MIN_PX {
            return Err(Poor::TooSmall { width: self.width, height: self.height });
        }
        if self.minutiae.len() < MINUTIAE_MIN {
            return Err(Poor::TooFewMinutiae { found: count(self.minutiae.len()) });
        }
        let good = self.minutiae.iter().filter(|minutia| minutia.quality >= GOOD_QUALITY_MIN).count();
        if good < GOOD_MINUTIAE_MIN {
            return Err(Poor::LowQuality { good: count(good) });
        }
        Ok(())
    }

    /// The template as bytes: a version byte, then postcard.
    pub fn encode(&self) -> Vec<u8> {
        let body = Unchecked::from(self.clone());
        postcard::to_extend(&body, vec![FORMAT]).expect("integers and a vector encode into memory")
    }

    /// Reads what [`Template::encode`] wrote; safe on any bytes.
    pub fn decode(bytes: &[u8]) -> Result<Template, TemplateError> {
        if bytes.len() > TEMPLATE_BYTES_MAX {
            return Err(TemplateError::TooLong(bytes.len()));
        }
        let Some((&FORMAT, body)) = bytes.split_first() else { return Err(TemplateError::Malformed) };
        match postcard::take_from_bytes::<Unchecked>(body) {
            Ok((template, [])) => template.try_into(),
            _ => Err(TemplateError::Malformed),
        }
    }
}

impl Minutia {
    fn is_within(&self, width: u16, height: u16) -> bool {
        self.x <= width && self.y <= height && self.angle < DEGREES && self.quality <= PER_CENT
    }
}

/// Cuts to the best, the same ones in whatever order they came.
fn keep_best(minutiae: &mut Vec<Minutia>) {
    if minutiae.len() > MINUTIAE_MAX {
        minutiae.sort_unstable_by(|a, b| b.quality.cmp(&a.quality).then(a.cmp(b)));
        minutiae.truncate(MINUTIAE_MAX);
    }
}

fn count(n: usize) -> u8 {
    u8::try_from(n).unwrap_or(u8::MAX)
}

/// A template as it comes over a pipe or out of a file, before its checks.
#[derive(Serialize, Deserialize)]
struct Unchecked {
    width: u16,
    height: u16,
    minutiae: Vec<Minutia>,
}

impl TryFrom<Unchecked> for Template {
    type Error = TemplateError;

    fn try_from(raw: Unchecked) -> Result<Self, TemplateError> {
        Template::new(raw.minutiae, raw.width, raw.height)
    }
}

impl From<Template> for Unchecked {
    fn from(template: Template) -> Unchecked {
        Unchecked { width: template.width, height: template.height, minutiae: template.minutiae }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn minutia(x: u16, quality: u8) -> Minutia {
        Minutia { x, y: 7, angle: 359, quality, kind: Kind::Ending }
    }

    fn template(count: usize, quality: u8) -> Template {
        let minutiae = (0..count).map(|i| minutia(u16::try_from(i).unwrap(), quality)).collect();
        Template::new(minutiae, 400, 500).unwrap()
    }

    #[test]
    fn the_best_150_are_kept_in_order() {
        let mut minutiae: Vec<_> = (0..200).rev().map(|x| minutia(x, 30)).collect();
        minutiae[3].quality = 90;
        let kept = Template::new(minutiae, 400, 500).unwrap();
        assert_eq!(kept.minutiae().len(), MINUTIAE_MAX);
        assert!(kept.minutiae().is_sorted());
        assert_eq!(kept.minutiae().iter().filter(|m| m.quality == 90).map(|m| m.x).collect::<Vec<_>>(), [196]);
    }

    #[test]
    fn sides_angle_quality_and_place_have_bounds() {
        let one = |m: Minutia| Template::new(vec![m], 400, 500);
        assert!(one(Minutia { x: 400, y: 500, ..minutia(0, 100) }).is_ok());
        assert_eq!(one(Minutia { x: 401, ..minutia(0, 0) }), Err(TemplateError::Minutia(0)));
        assert_eq!(one(Minutia { y: 501, ..minutia(0, 0) }), Err(TemplateError::Minutia(0)));
        assert_eq!(one(Minutia { angle: 360, ..minutia(0, 0) }), Err(TemplateError::Minutia(0)));
        assert_eq!(one(minutia(0, 101)), Err(TemplateError::Minutia(0)));
        assert!(Template::new(vec![], SIDE_MIN_PX, SIDE_MAX_PX).is_ok());
        assert!(Template::new(vec![], SIDE_MIN_PX - 1, SIDE_MAX_PX).is_err());
        assert!(Template::new(vec![], SIDE_MIN_PX, SIDE_MAX_PX + 1).is_err());
    }

    #[test]
    fn quality_says_what_is_wrong() {
        assert_eq!(template(MINUTIAE_MIN, GOOD_QUALITY_MIN).quality(), Ok(()));
        assert_eq!(template(19, 90).quality(), Err(Poor::TooFewMinutiae { found: 19 }));
        assert_eq!(template(60, GOOD_QUALITY_MIN - 1).quality(), Err(Poor::LowQuality { good: 0 }));
        let small = |width| Template::new(vec![], width, 500).unwrap().quality();
        assert_eq!(small(SIDE_SEARCH_MIN_PX), Err(Poor::TooFewMinutiae { found: 0 }));
        assert_eq!(small(SIDE_SEARCH_MIN_PX - 1), Err(Poor::TooSmall { width: 159, height: 500 }));
    }

    #[test]
    fn the_largest_template_fits_its_bound() {
        let far = Minutia { x: 2000, y: 2000, angle: 359, quality: 100, kind: Kind::Bifurcation };
        let full = Template::new(vec![far; MINUTIAE_MAX], 2000, 2000).unwrap();
        let bytes = full.encode();
        assert!(bytes.len() <= TEMPLATE_BYTES_MAX, "{}", bytes.len());
        assert_eq!(Template::decode(&bytes), Ok(full));
        assert_eq!(Template::decode(&[1; TEMPLATE_BYTES_MAX + 1]), Err(TemplateError::TooLong(TEMPLATE_BYTES_MAX + 1)));
    }

    #[test]
    fn a_tail_and_another_version_are_refused() {
        let mut bytes = template(30, 50).encode();
        bytes.push(0);
        assert_eq!(Template::decode(&bytes), Err(TemplateError::Malformed));
        bytes.pop();
        bytes[0] = FORMAT + 1;
        assert_eq!(Template::decode(&bytes), Err(TemplateError::Malformed));
        assert_eq!(Template::decode(&[]), Err(TemplateError::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_sound_template_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Some(first) = bytes.first_mut() {
                *first = FORMAT;
            }
            if let Ok(template) = Template::decode(&bytes) {
                prop_assert!(template.minutiae().is_sorted() && template.minutiae().len() <= MINUTIAE_MAX);
                prop_assert_eq!(Template::decode(&template.encode()), Ok(template));
            }
        }

        #[test]
        fn a_flipped_bit_never_panics(at in 0usize..200, bit in 0u8..8) {
            let mut bytes = template(40, 60).encode();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let _ = Template::decode(&bytes);
        }
    }
}
