//! What QR codes in a picture say.

#[cfg(test)]
mod bodies;

use std::io::Cursor;

use image::{GrayImage, ImageError, ImageReader, Limits};

/// Longest picture that is read, in bytes: a photo by a phone.
pub(crate) const PICTURE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The same in pixels on a side.
const PICTURE_SIDE_MAX: u32 = 12_000;
/// Bytes that tell a picture from a text.
pub(crate) const BEGIN_BYTES: usize = 8;

/// Whether a file is a picture, by how it begins.
pub(crate) fn is_picture(begin: &[u8]) -> bool {
    begin.starts_with(b"\x89PNG\r\n\x1a\n") || begin.starts_with(b"\xff\xd8\xff")
}

/// What all codes in a picture say. One that makes the reader of codes stumble holds none.
pub(crate) fn texts(bytes: &[u8]) -> Result<Vec<String>, ImageError> {
    let picture = decode(bytes)?;
    let (width, height) = picture.dimensions();
    let pixel = |x: usize, y: usize| picture.get_pixel(x as u32, y as u32).0[0];
    let found = crdt::quiet::catch(|| {
        let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width as usize, height as usize, pixel);
        prepared.detect_grids().iter().filter_map(|grid| grid.decode().ok()).map(|(_, text)| text).collect()
    });
    Ok(found.unwrap_or_default())
}

fn decode(bytes: &[u8]) -> Result<GrayImage, ImageError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(PICTURE_SIDE_MAX), Some(PICTURE_SIDE_MAX));
    reader.limits(limits);
    Ok(reader.decode()?.into_luma8())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use synth::hostile::bears;

    use super::*;
    use crate::qr::write_png;

    fn drawn(text: &str, folder: &Path) -> Vec<u8> {
        let path = folder.join("sound.png");
        write_png(text, &path).unwrap();
        let picture = decode(&std::fs::read(&path).unwrap()).unwrap();
        [format!("P5 {} {} 255\n", picture.width(), picture.height()).as_bytes(), &picture].concat()
    }

    /// Raw pixels, so that no checksum keeps what is changed from whoever looks for codes in them.
    #[test]
    fn hostile_pictures_hold_no_code_or_one_and_the_program_goes_on() {
        crdt::quiet::install_panic_hook();
        let folder = tempfile::tempdir().unwrap();
        let samples = [60, 700].map(|bytes| {
            let text = format!("greenline-answer:{}", "abcdefgh2345".repeat(bytes / 12));
            (format!("a code of {bytes} bytes"), drawn(&text, folder.path()))
        });
        assert!(samples.iter().all(|(_, picture)| texts(picture).unwrap().len() == 1));
        bears("pictures of codes", &samples, 100, bodies::photo);
    }
}
