//! Where ridges run: the orientation field of a finger, from its singular points.
//!
//! The model is Sherlock and Monro's: a core turns the ridges around it by half a turn, a delta by half a turn the other way,
//! and each place sums them up. As Vizcaya and Gerhardt found, the turn isn't even in life: inside a loop ridges run almost side
//! by side, and turn hard over its top. So each point bends its own turn. A fingertip's bow over the core is added on top; it has
//! no singular point of its own.

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
    /// How uneven the turn is: cosine and sine of one and two times round.
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
        let places = places(dice, pattern);
        let mut near = |middle: f32, spread: f32| middle + spread * dice.range(-1.0, 1.0);
        let rise = if pattern == Pattern::Arch { near(1.1, 0.4) } else { 0.0 };
        let (middle, width) = (near(0.0, 14.0), near(150.0, 30.0));
        let (bow, bow_from) = (near(0.7, 0.25), near(10.0, 40.0));
        let points = places.iter().map(|place| Point::draw(dice, *place, &places)).collect();
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

/// Where a pattern's singular points lie, and which way each turns.
fn places(dice: &mut Dice, pattern: Pattern) -> Vec<[f32; 3]> {
    let mut near = |middle: f32, spread: f32| middle + spread * dice.range(-1.0, 1.0);
    let middle = near(0.0, 16.0);
    let (left, right) =
        ([middle - near(90.0, 26.0), near(-95.0, 32.0)], [middle + near(90.0, 26.0), near(-95.0, 32.0)]);
    let core = [middle, near(28.0, 24.0), 1.0];
    match pattern {
        Pattern::Arch => vec![],
        Pattern::TentedArch => vec![core, [middle + near(0.0, 8.0), near(-60.0, 20.0), -1.0]],
        Pattern::LeftLoop => vec![core, [right[0], right[1], -1.0]],
        Pattern::RightLoop => vec![core, [left[0], left[1], -1.0]],
        Pattern::Whorl => {
            let lower = [middle + near(0.0, 16.0), core[1] - near(40.0, 24.0), 1.0];
            vec![core, lower, [right[0], right[1], -1.0], [left[0], left[1], -1.0]]
        }
    }
}

impl Point {
    fn draw(dice: &mut Dice, [x, y, turn]: [f32; 3], all: &[[f32; 3]]) -> Self {
        let others = all.iter().filter(|other| **other != [x, y, turn]);
        // A loop opens where the ridges run straight out of its core.
        let opening: f32 = others.map(|[ox, oy, turn]| turn * (y - oy).atan2(x - ox)).sum();
        let side_by_side = if turn > 0.0 { dice.range(0.25, 0.55) } else { 0.0 };
        let mut bend = [0.14, 0.14, 0.1, 0.1].map(|size| size * dice.bell());
        bend[0] += side_by_side * opening.sin();
        bend[1] -= side_by_side * opening.cos();
        Self { x, y, turn, bend }
    }

    fn angle(&self, x: f32, y: f32) -> f32 {
        let (right, up) = (x - self.x, y - self.y);
        let distance = right.hypot(up).max(1e-3);
        let (cos, sin) = (right / distance, up / distance);
        let [a, b, c, d] = self.bend;
        self.turn * up.atan2(right) + a * cos + b * sin + c * (cos * cos - sin * sin) + d * 2.0 * sin * cos
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
