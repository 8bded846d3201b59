//! Pictures as PNG files that say their resolution.

use std::io::Cursor;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, GrayImage, ImageEncoder};

/// Signature and header of a PNG; the resolution comes after them.
const HEAD_BYTES: usize = 33;

/// A gray picture as the bytes of a PNG file, at [`crate::PPI`] pixels per inch: for prints.
#[must_use]
pub fn print_png(picture: &GrayImage) -> Vec<u8> {
    let mut bytes = png(picture);
    bytes.splice(HEAD_BYTES..HEAD_BYTES, resolution(crate::PPI));
    bytes
}

/// A gray picture as the bytes of a PNG file that says nothing of its resolution: for faces.
#[must_use]
pub fn png(picture: &GrayImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    encoder
        .write_image(picture.as_raw(), picture.width(), picture.height(), ExtendedColorType::L8)
        .expect("a gray picture encodes into memory");
    bytes.into_inner()
}

/// A pHYs chunk: pixels per metre, both ways.
fn resolution(ppi: u32) -> Vec<u8> {
    let per_metre = (f64::from(ppi) / 0.0254).round() as u32;
    let mut chunk = b"pHYs".to_vec();
    chunk.extend(per_metre.to_be_bytes());
    chunk.extend(per_metre.to_be_bytes());
    chunk.push(1);
    let sum = crc32(&chunk);
    [9_u32.to_be_bytes().as_slice(), &chunk, &sum.to_be_bytes()].concat()
}

/// The check sum of PNG chunks.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_says_500_per_inch_and_reads_back() {
        let picture = GrayImage::from_fn(20, 30, |x, y| image::Luma([(x * y) as u8]));
        let bytes = print_png(&picture);
        // 19685 pixels per metre.
        assert_eq!(&bytes[HEAD_BYTES..HEAD_BYTES + 17], b"\0\0\0\x09pHYs\0\0\x4C\xE5\0\0\x4C\xE5\x01");
        // The decoder checks the sums.
        assert_eq!(image::load_from_memory(&bytes).unwrap().into_luma8(), picture);
        assert_eq!(image::load_from_memory(&png(&picture)).unwrap().into_luma8(), picture);
    }
}
