//! Faces as drawings: ellipses and strokes, in proportions of their own for each person.

use image::{GrayImage, Luma};

use crate::dice::Dice;

/// Sides of a face's picture in pixels: those of an ID photograph.
pub const FACE_WIDTH_PX: u32 = 480;
/// See [`FACE_WIDTH_PX`].
pub const FACE_HEIGHT_PX: u32 = 600;

const BACKGROUND: u8 = 225;
const LINE: u8 = 30;

pub(crate) fn draw(dice: &mut Dice) -> GrayImage {
    let mut picture = GrayImage::from_pixel(FACE_WIDTH_PX, FACE_HEIGHT_PX, Luma([BACKGROUND]));
    let head = Head::draw(dice);
    head.body(&mut picture);
    head.skull(&mut picture);
    head.eyes(&mut picture);
    head.nose_and_mouth(&mut picture);
    picture
}

/// A head's measures in pixels, its grays, and its fancies.
struct Head {
    wide: f32,
    high: f32,
    eyes_apart: f32,
    eyes_at: f32,
    eye: f32,
    brow: f32,
    nose: f32,
    mouth: f32,
    smile: f32,
    hair_line: f32,
    skin: u8,
    hair: u8,
    coat: u8,
    glasses: bool,
}

const MIDDLE: f32 = FACE_WIDTH_PX as f32 / 2.0;
const CENTRE: f32 = 270.0;

impl Head {
    fn draw(dice: &mut Dice) -> Self {
        let mut gray = |low: f32, high: f32| dice.range(low, high) as u8;
        let (skin, hair, coat) = (gray(130.0, 205.0), gray(20.0, 120.0), gray(40.0, 110.0));
        let wide = dice.range(105.0, 140.0);
        let high = dice.range(155.0, 185.0);
        Self {
            wide,
            high,
            eyes_apart: wide * dice.range(0.38, 0.48),
            eyes_at: CENTRE - high * dice.range(0.05, 0.18),
            eye: dice.range(13.0, 22.0),
            brow: dice.range(16.0, 30.0),
            nose: dice.range(35.0, 62.0),
            mouth: dice.range(28.0, 52.0),
            smile: dice.range(-8.0, 14.0),
            hair_line: dice.range(0.35, 0.75),
            skin,
            hair,
            coat,
            glasses: dice.below(4) == 0,
        }
    }

    fn body(&self, picture: &mut GrayImage) {
        ellipse(picture, MIDDLE, 640.0, 215.0, 170.0, self.coat);
        ellipse(picture, MIDDLE, CENTRE + self.high, self.wide * 0.45, 80.0, self.skin);
    }

    fn skull(&self, picture: &mut GrayImage) {
        ellipse(picture, MIDDLE, CENTRE - 18.0, self.wide + 16.0, self.high + 14.0, self.hair);
        for side in [-1.0, 1.0] {
            ellipse(picture, MIDDLE + side * self.wide, CENTRE, 18.0, 34.0, self.skin);
        }
        ellipse(picture, MIDDLE, CENTRE + 10.0, self.wide, self.high, self.skin);
        // The hair over the forehead, in strokes from the top down.
        for stroke in 0..12_u8 {
            let height = CENTRE - self.high * (1.0 - (1.0 - self.hair_line) * f32::from(stroke) / 11.0);
            arc(picture, self.wide * 0.8, |x| height - 10.0 + 60.0 * x * x, 12.0, self.hair);
        }
    }

    fn eyes(&self, picture: &mut GrayImage) {
        for side in [-1.0, 1.0] {
            let (x, y) = (MIDDLE + side * self.eyes_apart, self.eyes_at);
            ellipse(picture, x, y, self.eye * 1.6, self.eye * 0.8, 245);
            ellipse(picture, x, y, self.eye * 0.7, self.eye * 0.7, LINE);
            for step in -20..=20_i16 {
                let along = f32::from(step) / 20.0;
                ellipse(picture, x + along * self.eye * 1.7, y - self.brow + 6.0 * along * along, 3.0, 3.5, self.hair);
            }
            if self.glasses {
                ring(picture, x, y, self.eye * 2.2, LINE);
            }
        }
    }

    fn nose_and_mouth(&self, picture: &mut GrayImage) {
        for step in 0..40_u8 {
            let along = f32::from(step) / 40.0;
            ellipse(picture, MIDDLE + 12.0 * along * along, self.eyes_at + 10.0 + along * self.nose, 2.0, 2.0, LINE);
        }
        let mouth = self.eyes_at + self.nose + 62.0;
        arc(picture, self.mouth, |x| mouth + self.smile * (1.0 - x * x), 4.0, LINE);
    }
}

/// A stroke from left to right of the middle, `reach` pixels either way; `height` takes -1 to 1.
fn arc(picture: &mut GrayImage, reach: f32, height: impl Fn(f32) -> f32, thick: f32, gray: u8) {
    for step in -60..=60_i16 {
        let along = f32::from(step) / 60.0;
        ellipse(picture, MIDDLE + along * reach, height(along), thick, thick, gray);
    }
}

fn ring(picture: &mut GrayImage, x: f32, y: f32, radius: f32, gray: u8) {
    for step in 0..180_u8 {
        let (sin, cos) = (f32::from(step) * 2.0).to_radians().sin_cos();
        ellipse(picture, x + radius * cos, y + radius * sin, 2.5, 2.5, gray);
    }
}

fn ellipse(picture: &mut GrayImage, x: f32, y: f32, wide: f32, high: f32, gray: u8) {
    let reach = |middle: f32, size: f32, end: u32| {
        (middle - size).max(0.0) as u32..((middle + size + 1.0).max(0.0) as u32).min(end)
    };
    for row in reach(y, high, FACE_HEIGHT_PX) {
        for column in reach(x, wide, FACE_WIDTH_PX) {
            let (across, down) = ((column as f32 - x) / wide, (row as f32 - y) / high);
            if across * across + down * down <= 1.0 {
                picture.put_pixel(column, row, Luma([gray]));
            }
        }
    }
}
