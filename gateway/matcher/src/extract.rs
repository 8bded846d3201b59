//! From a picture to a template, with mindtct.

use crate::{
    ffi::{Detected, Matcher},
    image::Print,
    template::{Kind, Minutia, Template},
};

/// mindtct's directions go round the circle in this many steps.
const DIRECTIONS: i32 = 32;

/// mindtct gave up on the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the extractor found no ridges that it can follow (code {0}): take the print again")]
pub struct ExtractFailed(pub(crate) i32);

impl Matcher {
    /// The template of a print. Ends the process on some pictures: call it in a worker process only.
    pub fn extract(&mut self, print: &Print) -> Result<Template, ExtractFailed> {
        let (width, height) = (print.width(), print.height());
        let mut pixels = print.pixels().to_vec();
        let detected = self.detect(&mut pixels, width, height).map_err(ExtractFailed)?;
        let minutiae = detected.iter().filter_map(|found| minutia(found, width, height)).collect();
        Ok(Template::new(minutiae, width, height).expect("a print's sides are in bounds, and so are its minutiae"))
    }
}

/// In NIST's internal form (`lfs2nist_minutia_XYT` in xytreps.c); `None` for what lies outside the picture.
fn minutia(found: &Detected, width: u16, height: u16) -> Option<Minutia> {
    let x = u16::try_from(found.x).ok().filter(|x| *x < width)?;
    let below = u16::try_from(found.y).ok().filter(|y| *y < height)?;
    // Whole degrees, rounded half up, as the original does.
    let clockwise = (found.direction.rem_euclid(DIRECTIONS) * 45 + 2) / 4;
    Some(Minutia {
        x,
        y: height - below,
        angle: u16::try_from((270 - clockwise).rem_euclid(360)).ok()?,
        // Reliability is from 0.01 to 0.99 (quality.c); the cast saturates.
        quality: (found.reliability.clamp(0.0, 1.0) * 100.0).round() as u8,
        kind: if found.bifurcation { Kind::Bifurcation } else { Kind::Ending },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn found(x: i32, y: i32, direction: i32) -> Detected {
        Detected { x, y, direction, reliability: 0.994, bifurcation: true }
    }

    #[test]
    fn angles_are_those_of_the_original() {
        // round(11.25 d) as `sround` does it, then (270 - that) mod 360.
        let angles: Vec<u16> = (0..32).map(|d| minutia(&found(1, 1, d), 400, 500).unwrap().angle).collect();
        let expected: Vec<u16> = (0..32)
            .map(|d| {
                let degrees = (f64::from(d) * 11.25 + 0.5) as i32;
                ((270 - degrees + 360) % 360) as u16
            })
            .collect();
        assert_eq!(angles, expected);
    }

    #[test]
    fn the_origin_moves_to_the_bottom_and_outsiders_fall_away() {
        let m = minutia(&found(399, 0, 0), 400, 500).unwrap();
        assert_eq!((m.x, m.y, m.angle, m.quality, m.kind), (399, 500, 270, 99, Kind::Bifurcation));
        assert!(minutia(&found(400, 0, 0), 400, 500).is_none());
        assert!(minutia(&found(0, 500, 0), 400, 500).is_none());
        assert!(minutia(&found(-1, 0, 0), 400, 500).is_none());
    }
}
