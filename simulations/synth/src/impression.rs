//! One taking of a finger's print: how it lay on the glass, how hard it was pressed, and what went wrong.

use std::f32::consts::TAU;

use image::GrayImage;

use crate::dice::Dice;
use crate::master::Master;
use crate::plane::Plane;
use crate::ridges;

/// Sides of a print's picture in pixels, at [`PPI`]: 16 x 23 mm, what a single-finger scanner takes.
pub const WIDTH_PX: u32 = 320;
/// See [`WIDTH_PX`].
pub const HEIGHT_PX: u32 = 448;
/// Pixels per inch of a print's picture.
pub const PPI: u32 = 500;

const WIDTH: usize = WIDTH_PX as usize;
const HEIGHT: usize = HEIGHT_PX as usize;

/// How well a print was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// A live scan of a clean finger, laid on with care.
    Good,
    /// A worn, dry finger: pale, broken ridges, cracks, less of it on the glass.
    Worn,
    /// Wet, and moved while it was scanned: not even an expert finds minutiae in it.
    Smudged,
}

/// What a quality means in numbers: the bounds that an impression is drawn from.
struct Habits {
    /// Radians either way.
    turn: f32,
    /// Pixels either way.
    shift: f32,
    /// Standard deviation of the skin's stretching, in pixels.
    stretch: f32,
    /// Half axes of what touches the glass, in pixels.
    contact: ([f32; 2], [f32; 2]),
    /// Added to the height of ridges: above 0 wet and wide, below dry and thin.
    pressure: [f32; 2],
    /// How uneven the pressure is, and how ragged the edges of ridges are.
    unevenness: f32,
    raggedness: f32,
    /// How coarse the raggedness is, in pixels.
    grit: usize,
    /// Cracks and scratches.
    cracks: [usize; 2],
    /// The gray of a ridge.
    ridge: [f32; 2],
    /// Pixels that the finger slid.
    slide: [f32; 2],
}

const GOOD: Habits = Habits {
    turn: 0.17,
    shift: 16.0,
    stretch: 3.4,
    contact: ([110.0, 140.0], [145.0, 190.0]),
    pressure: [-0.25, 0.25],
    unevenness: 0.16,
    raggedness: 0.34,
    grit: 3,
    cracks: [0, 2],
    ridge: [40.0, 80.0],
    slide: [0.0, 0.0],
};

const WORN: Habits = Habits {
    turn: 0.24,
    shift: 20.0,
    stretch: 3.6,
    contact: ([100.0, 125.0], [135.0, 170.0]),
    pressure: [-0.6, -0.3],
    unevenness: 0.35,
    raggedness: 0.5,
    grit: 3,
    cracks: [4, 9],
    ridge: [80.0, 125.0],
    slide: [0.0, 0.0],
};

const SMUDGED: Habits = Habits {
    turn: 0.3,
    shift: 20.0,
    stretch: 3.0,
    contact: ([90.0, 115.0], [120.0, 150.0]),
    pressure: [0.2, 0.5],
    unevenness: 0.5,
    raggedness: 0.7,
    grit: 7,
    cracks: [2, 5],
    ridge: [70.0, 110.0],
    slide: [26.0, 36.0],
};

const BACKGROUND: f32 = 248.0;
/// Steps of a slide that are averaged.
const SLIDE_STEPS: usize = 9;

impl Quality {
    const fn habits(self) -> &'static Habits {
        match self {
            Self::Good => &GOOD,
            Self::Worn => &WORN,
            Self::Smudged => &SMUDGED,
        }
    }
}

impl Master {
    /// Takes this finger's print. Equal indices are the same taking, byte for byte; every other one is a fresh taking.
    #[must_use]
    pub fn impression(&self, index: u32, quality: Quality) -> GrayImage {
        let habits = quality.habits();
        let touch = Touch::draw(&mut self.dice(index, "touch"), habits);
        let skin = Skin::draw(self, index, habits);
        let mut height = touch.heights(&self.ridges, &skin);
        crack(&mut height, &mut self.dice(index, "cracks"), habits);
        self.expose(index, &touch, &skin, &height)
    }

    /// Heights to grays.
    fn expose(&self, index: u32, touch: &Touch, skin: &Skin, height: &Plane) -> GrayImage {
        let mut grain = self.dice(index, "grain");
        let contact =
            |x: usize, y: usize| touch.contact(x, y) + 0.08 * skin.pressure.at(x, y) + 0.06 * skin.edge.at(x, y);
        let gray = |index: usize| {
            let (x, y) = (index % WIDTH, index / WIDTH);
            // Eight steps of grain are enough to look at, and pack well.
            let grain = (grain.next() >> 61) as f32 - 3.5;
            let touching = smooth(contact(x, y) * 3.0);
            if touching == 0.0 {
                return (BACKGROUND + grain / 2.0) as u8;
            }
            // Ridges get thin and pale towards the edge.
            let ink = smooth(0.75 * (height.values[index] + touching) - 0.25) * touching;
            (BACKGROUND + (touch.ridge - BACKGROUND) * ink + grain * 2.5).clamp(0.0, 255.0) as u8
        };
        let pixels = (0..WIDTH * HEIGHT).map(gray).collect();
        GrayImage::from_raw(WIDTH_PX, HEIGHT_PX, pixels).unwrap_or_default()
    }
}

/// How the finger lay.
struct Touch {
    sin: f32,
    cos: f32,
    shift: [f32; 2],
    middle: [f32; 2],
    axes: [f32; 2],
    pressure: f32,
    ridge: f32,
    slide: [f32; 2],
}

/// What the skin did in this taking, at each pixel of the picture.
struct Skin {
    stretch_x: Plane,
    stretch_y: Plane,
    stretch: f32,
    pressure: Plane,
    edge: Plane,
    rough: Plane,
    unevenness: f32,
    raggedness: f32,
}

impl Touch {
    fn draw(dice: &mut Dice, habits: &Habits) -> Self {
        let mut either = |size: f32| dice.range(-size, size);
        let (sin, cos) = either(habits.turn).sin_cos();
        let shift = [either(habits.shift), either(habits.shift)];
        let middle = [WIDTH as f32 / 2.0 + either(8.0), HEIGHT as f32 / 2.0 + either(8.0)];
        let mut within = |[low, high]: [f32; 2]| dice.range(low, high);
        let (axes, pressure) = ([within(habits.contact.0), within(habits.contact.1)], within(habits.pressure));
        let (ridge, length) = (within(habits.ridge), within(habits.slide));
        let (slide_y, slide_x) = within([0.0, TAU]).sin_cos();
        Self { sin, cos, shift, middle, axes, pressure, ridge, slide: [slide_x * length, slide_y * length] }
    }

    /// The height of the skin over each pixel: above 0 it prints.
    fn heights(&self, ridges: &Plane, skin: &Skin) -> Plane {
        let slides = self.slide != [0.0, 0.0];
        Plane::from_fn(WIDTH, HEIGHT, |x, y| {
            let (from_x, from_y) = self.on_finger(x, y, skin);
            let ridge = if slides { self.slid(ridges, from_x, from_y) } else { ridges.between(from_x, from_y) };
            // Beside the finger's own ridges there is nothing to print.
            let Some(ridge) = ridge else { return -1.0 };
            let pressure = self.pressure + skin.unevenness * skin.pressure.at(x, y);
            ridge + pressure + skin.raggedness * skin.rough.at(x, y)
        })
    }

    /// The place on the finger that lay on this pixel.
    fn on_finger(&self, x: usize, y: usize, skin: &Skin) -> (f32, f32) {
        let right = x as f32 - WIDTH as f32 / 2.0 + self.shift[0] + skin.stretch * skin.stretch_x.at(x, y);
        let down = y as f32 - HEIGHT as f32 / 2.0 + self.shift[1] + skin.stretch * skin.stretch_y.at(x, y);
        let across = self.cos * right - self.sin * down + ridges::WIDTH as f32 / 2.0;
        (across, self.sin * right + self.cos * down + ridges::HEIGHT as f32 / 2.0)
    }

    /// The average of what slid over a place.
    fn slid(&self, ridges: &Plane, x: f32, y: f32) -> Option<f32> {
        let step = |step: usize| step as f32 / (SLIDE_STEPS - 1) as f32 - 0.5;
        let at = |along: f32| ridges.between(x + along * self.slide[0], y + along * self.slide[1]);
        let sum: f32 = (0..SLIDE_STEPS).filter_map(|n| at(step(n))).sum();
        at(0.0).map(|_| 0.3 * sum / SLIDE_STEPS as f32)
    }

    /// How far inside the contact a pixel is: 0 on its edge, 1 in its middle.
    fn contact(&self, x: usize, y: usize) -> f32 {
        let across = (x as f32 - self.middle[0]) / self.axes[0];
        let down = (y as f32 - self.middle[1]) / self.axes[1];
        1.0 - across * across - down * down
    }
}

impl Skin {
    fn draw(master: &Master, index: u32, habits: &Habits) -> Self {
        let noise = |what: &str, cell: usize| Plane::noise(&mut master.dice(index, what), WIDTH, HEIGHT, cell);
        Self {
            stretch_x: noise("stretch x", 90),
            stretch_y: noise("stretch y", 90),
            stretch: habits.stretch,
            pressure: noise("pressure", 36),
            edge: noise("edge", 12),
            rough: noise("rough", habits.grit),
            unevenness: habits.unevenness,
            raggedness: habits.raggedness,
        }
    }
}

/// Cracks of the skin and scratches of the glass: thin lines that don't print.
fn crack(height: &mut Plane, dice: &mut Dice, habits: &Habits) {
    let [few, many] = habits.cracks;
    for _ in 0..few + dice.below(many - few + 1) {
        let (mut x, mut y) = (dice.range(40.0, WIDTH as f32 - 40.0), dice.range(60.0, HEIGHT as f32 - 60.0));
        let (mut angle, length, width) = (dice.range(0.0, TAU), dice.below(100) + 25, dice.range(0.8, 1.8));
        for _ in 0..length {
            angle += 0.04 * dice.bell();
            x += angle.cos();
            y += angle.sin();
            hollow(height, x, y, width);
        }
    }
}

fn hollow(height: &mut Plane, x: f32, y: f32, radius: f32) {
    let reach = |middle: f32, end: usize| {
        (middle - radius).max(0.0) as usize..((middle + radius + 1.0).max(0.0) as usize).min(end)
    };
    for row in reach(y, HEIGHT) {
        for column in reach(x, WIDTH) {
            if (column as f32 - x).hypot(row as f32 - y) <= radius {
                height.values[row * WIDTH + column] = -1.0;
            }
        }
    }
}

/// From 0 to 1, without an edge at either.
fn smooth(value: f32) -> f32 {
    let t = value.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
