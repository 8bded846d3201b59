//! Codes for cameras: texts as QR codes in the terminal and in pictures, and read back from pictures.

use std::io::Read;
use std::path::Path;

use image::{GrayImage, Luma};
use node::enrol::parts;
use qrcode::render::unicode::Dense1x2;
use qrcode::{Color, EcLevel, QrCode};

use crate::failure::Failure;
use crate::input;
use crate::photo::{self, BEGIN_BYTES, PICTURE_BYTES_MAX};

/// Pixels of a module in a picture: sharp on paper and on a screen.
const SCALE: u32 = 8;
/// Light modules around a code, as the standard asks for.
const MARGIN: u32 = 4;
/// What to do about a picture that can't be read.
const NEXT: &str = "take the photo again as PNG or JPEG, or send the text instead";

/// The text for a terminal: one code, or several with their numbers.
pub(crate) fn for_terminal(text: &str) -> Result<String, Failure> {
    let codes = parts::split(text).iter().map(|part| code(part)).collect::<Result<Vec<_>, _>>()?;
    let count = codes.len();
    let draw = |(number, code): (usize, &QrCode)| {
        // Light modules are drawn, so that the code is the right way round on a dark terminal.
        let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        if count == 1 { drawn } else { format!("{drawn}\n    part {} of {count}", number + 1) }
    };
    Ok(codes.iter().enumerate().map(draw).collect::<Vec<_>>().join("\n\n"))
}

/// Writes the text into a picture, as one code: a picture has room for what a terminal hasn't.
pub(crate) fn write_png(text: &str, path: &Path) -> Result<(), Failure> {
    let code = code(text)?;
    let width = code.width();
    let side = (width as u32 + 2 * MARGIN) * SCALE;
    let mut picture = GrayImage::from_pixel(side, side, Luma([255]));
    for (at, _) in code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark) {
        let (column, row) = ((at % width) as u32 + MARGIN, (at / width) as u32 + MARGIN);
        for (x, y) in (0..SCALE).flat_map(|x| (0..SCALE).map(move |y| (x, y))) {
            picture.put_pixel(column * SCALE + x, row * SCALE + y, Luma([0]));
        }
    }
    let failed = |error: image::ImageError| Failure::new(format!("{}: {error}", path.display()));
    picture.save_with_format(path, image::ImageFormat::Png).map_err(failed)
}

fn code(text: &str) -> Result<QrCode, Failure> {
    // Upper-case letters take 5.5 bits in a code, others 8.
    let code = QrCode::with_error_correction_level(text.trim().to_ascii_uppercase(), EcLevel::L);
    code.map_err(|error| Failure::new(format!("the text doesn't fit a QR code: {error}")).hint("send it as text"))
}

/// Whether a file is a picture, by how it begins.
pub(crate) fn is_picture(path: &Path) -> bool {
    let mut begin = [0; BEGIN_BYTES];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut begin));
    read.is_ok_and(|_| photo::is_picture(&begin))
}

/// The text in the codes of one picture, or of several that show its parts.
pub(crate) fn read(paths: &[&Path]) -> Result<String, Failure> {
    let mut texts = Vec::new();
    for path in paths {
        let unread = |error| Failure::new(format!("{}: {error}", path.display())).hint(NEXT);
        texts.extend(photo::texts(&input::bytes(path, PICTURE_BYTES_MAX)?).map_err(unread)?);
    }
    parts::join(&texts).map_err(|error| {
        let hint = error.hint();
        Failure::new(format!("{}: {error}", paths.first().map_or(Path::new(""), |path| path).display())).hint(hint)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(bytes: usize) -> String {
        format!("greenline-answer:{}", "abcdefgh2345".repeat(bytes / 12))
    }

    #[test]
    fn what_is_written_into_a_picture_is_read_from_it() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [120, 700, 4_000] {
            let path = folder.path().join(format!("{bytes}.png"));
            write_png(&text(bytes), &path).unwrap();
            assert!(is_picture(&path));
            assert_eq!(read(&[&path]).unwrap().to_ascii_lowercase(), text(bytes));
        }
    }

    #[test]
    fn a_code_in_the_terminal_fits_eighty_columns() {
        for bytes in [120, 3_000] {
            let drawn = for_terminal(&text(bytes)).unwrap();
            assert!(drawn.lines().all(|line| line.chars().count() <= 81), "{bytes}");
        }
    }

    /// A photo of each part in the terminal, in any order.
    #[test]
    fn a_text_comes_together_from_pictures_of_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        let parts = parts::split(&text(2_000));
        let paths: Vec<_> = (0..parts.len()).map(|number| folder.path().join(format!("{number}.png"))).collect();
        parts.iter().zip(&paths).for_each(|(part, path)| write_png(part, path).unwrap());
        let mut shown: Vec<&Path> = paths.iter().map(|path| path.as_path()).collect();
        shown.reverse();
        assert_eq!(read(&shown).unwrap(), text(2_000));
        assert!(read(&shown[1..]).unwrap_err().to_string().contains("3 of 4 parts"));
    }

    #[test]
    fn pictures_without_a_code_and_broken_ones_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gray.png");
        GrayImage::from_fn(200, 200, |x, y| Luma([(x * 7 + y * 13) as u8])).save(&path).unwrap();
        assert!(read(&[&path]).unwrap_err().to_string().contains("no QR code"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(read(&[&path]).unwrap_err().next(), Some(NEXT));
    }

    /// What was longer was cut, and then told to be broken.
    #[test]
    fn a_picture_may_be_so_long_and_a_longer_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        write_png(&text(120), &path).unwrap();
        let lengthen = |bytes| std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes).unwrap();
        lengthen(PICTURE_BYTES_MAX);
        assert_eq!(read(&[&path]).unwrap().to_ascii_lowercase(), text(120), "nobody reads behind a picture's end");
        lengthen(PICTURE_BYTES_MAX + 1);
        let longer = read(&[&path]).unwrap_err();
        assert!(longer.to_string().contains("longer than") && longer.next().is_some(), "{longer}");
    }
}
