//! A finger as it is, before it touches anything.

use crate::dice::Dice;
use crate::flow::{Flow, Pattern};
use crate::plane::Plane;
use crate::ridges::{HEIGHT, WIDTH, grow};

/// One finger's ridges. Drawing one takes a tenth of a second: keep it for all its impressions.
pub struct Master {
    pub(crate) keys: [u64; 3],
    pub(crate) ridges: Plane,
    pattern: Pattern,
}

/// Pores are looked for once in each square of so many pixels.
const PORE_CELL_PX: usize = 6;

impl Master {
    pub(crate) fn draw(seed: u64, number: u32, position: u8) -> Self {
        let keys = [seed, u64::from(number), u64::from(position)];
        let dice = |what: &str| Dice::keyed(&[keys[0], keys[1], keys[2], key(what)]);
        let pattern = Pattern::draw(&mut dice("pattern"), position > 5);
        let flow = Flow::draw(&mut dice("flow"), pattern);
        let mut ridges = grow(&mut dice("ridges"), &flow);
        open_pores(&mut ridges, &mut dice("pores"));
        Self { keys, ridges, pattern }
    }

    /// What the ridges form.
    #[must_use]
    pub const fn pattern(&self) -> Pattern {
        self.pattern
    }

    /// Dice for one use of one impression.
    pub(crate) fn dice(&self, index: u32, what: &str) -> Dice {
        let [seed, number, position] = self.keys;
        Dice::keyed(&[seed, number, position, u64::from(index), key(what)])
    }
}

/// A short word as a key.
pub(crate) fn key(word: &str) -> u64 {
    word.bytes().fold(0, |key, byte| (key << 8) ^ key.rotate_right(17) ^ u64::from(byte))
}

/// Sweat pores: small holes in the middle of ridges.
fn open_pores(ridges: &mut Plane, dice: &mut Dice) {
    for top in (0..HEIGHT - PORE_CELL_PX).step_by(PORE_CELL_PX) {
        for left in (0..WIDTH - PORE_CELL_PX).step_by(PORE_CELL_PX) {
            let (x, y) = (left + dice.below(PORE_CELL_PX), top + dice.below(PORE_CELL_PX));
            if ridges.at(x, y) > 0.8 {
                open_pore(ridges, x, y, dice.range(0.3, 1.1));
            }
        }
    }
}

fn open_pore(ridges: &mut Plane, x: usize, y: usize, depth: f32) {
    for row in y.saturating_sub(1)..=y + 1 {
        for column in x.saturating_sub(1)..=x + 1 {
            let near = if row == y || column == x { 0.5 } else { 0.25 };
            let share = if (column, row) == (x, y) { 1.0 } else { near };
            ridges.values[row * WIDTH + column] -= depth * share;
        }
    }
}
