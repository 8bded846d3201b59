//! Where ridges run: the orientation field of a finger, from its singular points.
//!
//! The model is Sherlock and Monro's: a core turns the ridges around it by half a turn, a delta by half a turn the other way,
//! and each place sums them up. As Vizcaya and Gerhardt found, the turn isn't even in life, so each point bends its own turn a
//! little. A fingertip's bow over the core is added on top; it has no singular point of its own.

use std::f32::consts::{FRAC_PI_2, PI};

use crate::dice::Dice;

/// What a finger's ridges form, in the classes of Henry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// Ridges rise in the middle and run out on the other side.
    Arch,
    /// An arch with a spike in it.
    TentedArch,
    /// Ridges come from the left and go back there.
    LeftLoop,
    /// Ridges come from the right and go back there.
    RightLoop,
    /// Ridges go round.
    Whorl,
}

/// A singular point: the field turns around it.
struct Point {
    x: f32,
    y: f32,
    /// +1 for a core, -1 for a delta.
    turn: f32,
    /// How uneven the turn is: sine and cosine of one and two times round.
    bend: [f32; 4],
}

/// The orientation field of one finger. Places are in pixels from the middle of the finger, right and up.
pub(crate) struct Flow {
    points: Vec<Point>,
    /// Height of an arch without singular points, its middle, its width.
    rise: f32,
    middle: f32,
    width: f32,
    /// How strongly the ridges bow over the tip, and above which height.
    bow: f32,
    bow_from: f32,
}

impl Pattern {
    /// How often each comes, in per mille of all fingers. Loops mostly open towards the little finger: to the right on a right
    /// hand's print.
    pub(crate) fn draw(dice: &mut Dice, left_hand: bool) -> Self {
        let (outward, inward) =
            if left_hand { (Self::LeftLoop, Self::RightLoop) } else { (Self::RightLoop, Self::LeftLoop) };
        match dice.below(1000) {
            0..37 => Self::Arch,
            37..66 => Self::TentedArch,
            66..345 => Self::Whorl,
            345..400 => inward,
            _ => outward,
        }
    }
}

impl Flow {
    pub(crate) fn draw(dice: &mut Dice, pattern: Pattern) -> Self {
        let mut near = |middle: f32, spread: f32| middle + spread * dice.range(-1.0, 1.0);
        let middle = near(0.0, 10.0);
        let (side, low) = (near(88.0, 16.0), near(-100.0, 14.0));
        let points = match pattern {
            Pattern::Arch => vec![],
            Pattern::TentedArch => vec![(middle, near(10.0, 14.0), 1.0), (middle + near(0.0, 5.0), near(-72.0, 14.0), -1.0)],
            Pattern::LeftLoop => vec![(middle, near(28.0, 14.0), 1.0), (middle + side, low, -1.0)],
            Pattern::RightLoop => vec![(middle, near(28.0, 14.0), 1.0), (middle - side, low, -1.0)],
            Pattern::Whorl => vec![
                (middle, near(40.0, 12.0), 1.0),
                (middle + near(0.0, 9.0), near(2.0, 16.0), 1.0),
                (middle + side, low, -1.0),
                (middle - near(88.0, 16.0), near(-100.0, 14.0), -1.0),
            ],
        };
        let rise = if pattern == Pattern::Arch { near(1.1, 0.3) } else { 0.0 };
        let (width, bow, bow_from) = (near(150.0, 15.0), near(0.75, 0.12), near(10.0, 20.0));
        let bend = |dice: &mut Dice| [0.12, 0.12, 0.08, 0.08].map(|size| size * dice.bell());
        let points = points.into_iter().map(|(x, y, turn)| Point { x, y, turn, bend: bend(dice) }).collect();
        Self { points, rise, middle, width, bow, bow_from }
    }

    /// The direction of the ridges at a place, in radians counter-clockwise from right. Half a turn more is the same.
    pub(crate) fn angle(&self, x: f32, y: f32) -> f32 {
        let turns: f32 = self.points.iter().map(|point| point.angle(x, y)).sum();
        turns / 2.0 + self.arch(x, y) + self.tip(x, y)
    }

    fn arch(&self, x: f32, y: f32) -> f32 {
        let across = ((x - self.middle) / self.width).clamp(-1.0, 1.0);
        // Steepest at a quarter of the width, highest a little below the middle of the finger.
        let height = (1.0 - ((y + 20.0) / 190.0).powi(2)).max(0.0);
        -(self.rise * height * (across * PI).sin()).atan()
    }

    fn tip(&self, x: f32, y: f32) -> f32 {
        let above = ((y - self.bow_from + 100.0) / 200.0).clamp(0.0, 1.0);
        let across = ((x - self.middle) / self.width).clamp(-1.2, 1.2);
        -self.bow * above * above * (3.0 - 2.0 * above) * (across * FRAC_PI_2 / 1.2).sin()
    }
}

impl Point {
    fn angle(&self, x: f32, y: f32) -> f32 {
        let around = (y - self.y).atan2(x - self.x);
        let (sin, cos) = around.sin_cos();
        let [a, b, c, d] = self.bend;
        self.turn * around + a * sin + b * cos + c * 2.0 * sin * cos + d * (cos * cos - sin * sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the field turns on a circle, in half turns: +1 around a core, -1 around a delta.
    fn half_turns(flow: &Flow, x: f32, y: f32) -> f32 {
        let at = |step: u16| {
            let (sin, cos) = (f32::from(step) * PI / 180.0).sin_cos();
            flow.angle(x + 3.0 * cos, y + 3.0 * sin)
        };
        let difference = |step| {
            let change = at(step + 1) - at(step);
            change - (change / PI).round() * PI
        };
        (0..360).map(difference).sum::<f32>() / PI
    }

    #[test]
    fn each_pattern_turns_around_its_points_and_nowhere_else() {
        for (pattern, cores, deltas) in [
            (Pattern::Arch, 0, 0),
            (Pattern::TentedArch, 1, 1),
            (Pattern::LeftLoop, 1, 1),
            (Pattern::RightLoop, 1, 1),
            (Pattern::Whorl, 2, 2),
        ] {
            let flow = Flow::draw(&mut Dice::keyed(&[3]), pattern);
            let turns = flow.points.iter().map(|point| (half_turns(&flow, point.x, point.y), point.turn));
            assert!(turns.clone().all(|(measured, meant)| (measured - meant).abs() < 0.01), "{pattern:?}");
            assert_eq!(turns.clone().filter(|(_, meant)| *meant > 0.0).count(), cores);
            assert_eq!(turns.filter(|(_, meant)| *meant < 0.0).count(), deltas);
            assert!(half_turns(&flow, 40.0, 150.0).abs() < 0.01);
        }
    }

    #[test]
    fn loops_and_whorls_are_most_of_all_fingers() {
        let mut dice = Dice::keyed(&[5]);
        let fingers: Vec<Pattern> = (0..10_000).map(|_| Pattern::draw(&mut dice, false)).collect();
        let share = |pattern| fingers.iter().filter(|drawn| **drawn == pattern).count();
        assert!((2_600..3_000).contains(&share(Pattern::Whorl)));
        assert!((5_700..6_300).contains(&share(Pattern::RightLoop)));
        assert!(share(Pattern::Arch) + share(Pattern::TentedArch) < 1_000);
    }
}
