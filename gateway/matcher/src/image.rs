//! Pictures of prints: PNG, PGM and JPEG, bounded, to 8-bit gray at 500 pixels per inch.
//!
//! mindtct and bozorth3 count in pixels of 500 per inch, the resolution of operational fingerprint scanners. A file that says
//! nothing is taken as that. One that says otherwise is scaled to it, from [`SCALED_PPI_MIN`] to [`SCALED_PPI_MAX`], or refused;
//! but up to [`PLACEHOLDER_PPI_MAX`] it only repeats what drawing programs write by default, and counts as saying nothing.

use std::io::Cursor;

use ::image::{ImageDecoder, ImageFormat, ImageReader, Limits, imageops};
use serde::{Deserialize, Serialize};

/// Bytes of one picture, the design's bound for a blob.
pub const IMAGE_BYTES_MAX: usize = 16 << 20;

/// Shortest side taken in: 3 mm. mindtct ends the process on less than three of its 8-pixel blocks.
pub const SIDE_MIN_PX: u16 = 64;

/// Longest side taken in: 100 mm at 500 pixels per inch, more than a four-finger slap.
pub const SIDE_MAX_PX: u16 = 2000;

/// What the matcher works at, in pixels per inch.
pub const PPI: u32 = 500;

/// How far a stated resolution may be from [`PPI`] and still pass as it: 2 %, well inside what fingers stretch.
const PPI_TOLERANCE: u32 = 10;

/// 72 and 96 pixels per inch are what programs write that know nothing; no scanner of fingerprints has so few.
pub const PLACEHOLDER_PPI_MAX: u32 = 100;

/// The lowest resolution worth scaling up: below, ridges (9 pixels apart at 500) run into each other.
pub const SCALED_PPI_MIN: u32 = 300;

/// The highest resolution scaled down: beyond 1000, the other usual one, with some room.
pub const SCALED_PPI_MAX: u32 = 1250;

/// Memory that a decoder may use: the largest picture as 16-bit colour with alpha, and as much again.
const DECODER_BYTES_MAX: u64 = 2 * 8 * (SIDE_MAX_PX as u64) * (SIDE_MAX_PX as u64);

const PER_INCH_TO_PER_METRE: f64 = 39.370_078_74;

/// A print's picture, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Print {
    pixels: Vec<u8>,
    width: u16,
    height: u16,
}

/// Why a picture can't be used. None of them says anything about the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ImageError {
    /// Too many bytes.
    #[error("the picture has {0} bytes: at most {IMAGE_BYTES_MAX} are taken")]
    TooManyBytes(u64),
    /// Not PNG, PGM or JPEG. WSQ and JPEG 2000 pass through to databases that read them, but aren't decoded here.
    #[error("not a PNG, PGM or JPEG picture: convert it to one of them")]
    UnknownFormat,
    /// Begins like a picture, and then breaks.
    #[error("the picture is damaged or cut short: send it again")]
    Damaged,
    /// A side is out of bounds.
    #[error(
        "the picture has {width} x {height} pixels: sides must be from {SIDE_MIN_PX} to {SIDE_MAX_PX}, one finger a picture"
    )]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The file states a resolution that can't be brought to 500 pixels per inch.
    #[error("the picture states {0} pixels per inch: use 500, or {SCALED_PPI_MIN} to {SCALED_PPI_MAX}")]
    Resolution(u32),
}

impl Print {
    /// Decodes a picture file. The bounds are checked on its head, before its pixels are unpacked.
    pub fn decode(bytes: &[u8]) -> Result<Print, ImageError> {
        if bytes.len() > IMAGE_BYTES_MAX {
            return Err(ImageError::TooManyBytes(bytes.len() as u64));
        }
        let format = format(bytes)?;
        let scaled_from = scaled_from(stated_ppi(format, bytes))?;
        let gray = decode_gray(format, bytes)?;
        match scaled_from {
            None => Print::from_gray(gray),
            Some(ppi) => Print::from_gray(scale(&gray, ppi)),
        }
    }

    /// A print of raw 8-bit gray pixels (dark ridges on white), row by row from the top, at 500 pixels per inch.
    pub fn from_pixels(pixels: Vec<u8>, width: u16, height: u16) -> Result<Print, ImageError> {
        check_size(u32::from(width), u32::from(height))?;
        if pixels.len() != usize::from(width) * usize::from(height) {
            return Err(ImageError::Damaged);
        }
        Ok(Print { pixels, width, height })
    }

    /// The pixels, 0 is black.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Width in pixels.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u16 {
        self.height
    }

    fn from_gray(gray: ::image::GrayImage) -> Result<Print, ImageError> {
        let (width, height) = check_size(gray.width(), gray.height())?;
        Ok(Print { pixels: gray.into_raw(), width, height })
    }
}

/// Only the size: a print is personal data.
impl std::fmt::Debug for Print {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Print({} x {})", self.width, self.height)
    }
}

fn format(bytes: &[u8]) -> Result<ImageFormat, ImageError> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Ok(ImageFormat::Png),
        [0xFF, 0xD8, 0xFF, ..] => Ok(ImageFormat::Jpeg),
        [b'P', b'2' | b'5', ..] => Ok(ImageFormat::Pnm),
        _ => Err(ImageError::UnknownFormat),
    }
}

fn decode_gray(format: ImageFormat, bytes: &[u8]) -> Result<::image::GrayImage, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|_| ImageError::Damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    let picture = ::image::DynamicImage::from_decoder(decoder).map_err(|_| ImageError::Damaged)?;
    Ok(picture.into_luma8())
}

fn check_size(width: u32, height: u32) -> Result<(u16, u16), ImageError> {
    let side = |length: u32| u16::try_from(length).ok().filter(|side| (SIDE_MIN_PX..=SIDE_MAX_PX).contains(side));
    side(width).zip(side(height)).ok_or(ImageError::Size { width, height })
}

/// The resolution to scale from, if it isn't the matcher's own.
fn scaled_from(stated: Option<u32>) -> Result<Option<u32>, ImageError> {
    match stated {
        None | Some(0..=PLACEHOLDER_PPI_MAX) => Ok(None),
        Some(ppi) if ppi.abs_diff(PPI) <= PPI_TOLERANCE => Ok(None),
        Some(ppi @ SCALED_PPI_MIN..=SCALED_PPI_MAX) => Ok(Some(ppi)),
        Some(ppi) => Err(ImageError::Resolution(ppi)),
    }
}

fn scale(gray: &::image::GrayImage, from_ppi: u32) -> ::image::GrayImage {
    let side = |length: u32| (length * PPI + from_ppi / 2) / from_ppi;
    imageops::resize(gray, side(gray.width()), side(gray.height()), imageops::FilterType::Triangle)
}

/// What the file says of its resolution in pixels per inch, if it says it in a unit. PGM can't.
fn stated_ppi(format: ImageFormat, bytes: &[u8]) -> Option<u32> {
    match format {
        ImageFormat::Png => png_ppi(bytes),
        ImageFormat::Jpeg => jfif_ppi(bytes),
        _ => None,
    }
}

/// The horizontal value of a PNG's pHYs chunk, which comes before the first IDAT.
fn png_ppi(bytes: &[u8]) -> Option<u32> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, body) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        match name {
            b"IDAT" | b"IEND" => return None,
            b"pHYs" => return phys_ppi(body.get(..length)?),
            _ => rest = body.get(length.checked_add(4)?..)?,
        }
    }
}

fn phys_ppi(body: &[u8]) -> Option<u32> {
    // Nine bytes: horizontal, vertical, and the unit, where 1 is the metre.
    let (x, [_, _, _, _, 1]) = body.split_first_chunk::<4>()? else { return None };
    // At most 2^32 / 39.37: fits.
    Some((f64::from(u32::from_be_bytes(*x)) / PER_INCH_TO_PER_METRE).round() as u32)
}

/// The horizontal density of a JPEG's JFIF head, if that is its first segment, as the standard asks.
fn jfif_ppi(bytes: &[u8]) -> Option<u32> {
    // SOI, APP0, length, "JFIF\0", version, unit, density.
    let head = bytes.get(2..16)?;
    if head.get(..2)? != [0xFF, 0xE0] || head.get(4..9)? != b"JFIF\0" {
        return None;
    }
    let density = u32::from(u16::from_be_bytes([head[12], head[13]]));
    match head[11] {
        1 => Some(density),
        2 => Some((f64::from(density) * 2.54).round() as u32),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ::image::{DynamicImage, GrayImage, Luma};

    use super::*;

    fn file(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
        let gray = GrayImage::from_fn(width, height, |x, y| Luma([((x * 7 + y * 3) % 256) as u8]));
        if format == ImageFormat::Pnm {
            // Written by hand: what the encoder calls PNM is its own choice among seven formats.
            return [format!("P5\n{width} {height}\n255\n").as_bytes(), &gray].concat();
        }
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::from(gray).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// A PNG with a pHYs chunk of this many pixels per metre. The decoder checks the checksum of what it reads.
    fn png_with_phys(per_metre: u32, unit: u8) -> Vec<u8> {
        let plain = file(ImageFormat::Png, 200, 300);
        let mut chunk = b"pHYs".to_vec();
        chunk.extend(per_metre.to_be_bytes());
        chunk.extend(per_metre.to_be_bytes());
        chunk.push(unit);
        let crc = crc32(&chunk);
        // Signature and IHDR are 33 bytes.
        [&plain[..33], &9u32.to_be_bytes(), &chunk, &crc.to_be_bytes(), &plain[33..]].concat()
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    fn sides(bytes: &[u8]) -> Result<(u16, u16), ImageError> {
        Print::decode(bytes).map(|print| (print.width(), print.height()))
    }

    #[test]
    fn the_three_formats_are_read() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Pnm] {
            let print = Print::decode(&file(format, 200, 300)).unwrap();
            assert_eq!((print.width(), print.height(), print.pixels().len()), (200, 300, 60_000), "{format:?}");
        }
    }

    #[test]
    fn sides_are_bounded_on_both_ends() {
        assert_eq!(sides(&file(ImageFormat::Png, 64, 2000)), Ok((64, 2000)));
        assert_eq!(sides(&file(ImageFormat::Png, 63, 2000)), Err(ImageError::Size { width: 63, height: 2000 }));
        assert_eq!(sides(&file(ImageFormat::Png, 64, 2001)), Err(ImageError::Size { width: 64, height: 2001 }));
    }

    #[test]
    fn a_head_that_claims_a_huge_picture_is_refused_before_its_pixels() {
        assert_eq!(sides(b"P5\n60000 60000\n255\n"), Err(ImageError::Size { width: 60_000, height: 60_000 }));
        let mut png = file(ImageFormat::Png, 64, 64);
        png[16..24].copy_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(sides(&png).is_err());
    }

    #[test]
    fn every_cut_of_every_format_is_damaged_and_never_panics() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Pnm] {
            let whole = file(format, 64, 64);
            for cut in (0..whole.len()).step_by(7) {
                let result = sides(&whole[..cut]);
                // A JPEG decoder may fill in what is missing at the end; a PNG has all its pixels before its last two checks.
                let may_pass = format == ImageFormat::Jpeg || (format == ImageFormat::Png && cut + 20 > whole.len());
                assert!(result.is_err() || may_pass, "{format:?} cut at {cut} of {}: {result:?}", whole.len());
            }
        }
        assert_eq!(sides(&file(ImageFormat::Png, 64, 64)[..100]), Err(ImageError::Damaged));
    }

    #[test]
    fn other_formats_and_too_many_bytes_are_refused() {
        assert_eq!(sides(b"GIF89a........"), Err(ImageError::UnknownFormat));
        assert_eq!(sides(&[0xFF, 0xA0, 0xFF, 0xA4]), Err(ImageError::UnknownFormat));
        assert_eq!(sides(b"P6\n64 64\n255\n"), Err(ImageError::UnknownFormat));
        assert_eq!(sides(&vec![0; IMAGE_BYTES_MAX]), Err(ImageError::UnknownFormat));
        let over = IMAGE_BYTES_MAX + 1;
        assert_eq!(sides(&vec![0; over]), Err(ImageError::TooManyBytes(over as u64)));
    }

    #[test]
    fn a_stated_resolution_counts() {
        assert_eq!(sides(&png_with_phys(19_685, 1)), Ok((200, 300)), "500 per inch");
        assert_eq!(sides(&png_with_phys(39_370, 1)), Ok((100, 150)), "1000 per inch is halved");
        assert_eq!(sides(&png_with_phys(3_780, 1)), Ok((200, 300)), "96 per inch is a placeholder");
        assert_eq!(sides(&png_with_phys(39_370, 0)), Ok((200, 300)), "no unit, no statement");
        assert_eq!(sides(&png_with_phys(7_874, 1)), Err(ImageError::Resolution(200)));
        assert_eq!(scaled_from(Some(SCALED_PPI_MIN)), Ok(Some(SCALED_PPI_MIN)));
        assert_eq!(scaled_from(Some(SCALED_PPI_MIN - 1)), Err(ImageError::Resolution(SCALED_PPI_MIN - 1)));
        assert_eq!(scaled_from(Some(SCALED_PPI_MAX + 1)), Err(ImageError::Resolution(SCALED_PPI_MAX + 1)));
    }

    #[test]
    fn a_jfif_density_counts() {
        let mut jpeg = file(ImageFormat::Jpeg, 400, 600);
        assert_eq!(&jpeg[6..11], b"JFIF\0");
        jpeg[13] = 1;
        jpeg[14..16].copy_from_slice(&1000u16.to_be_bytes());
        assert_eq!(sides(&jpeg), Ok((200, 300)));
        jpeg[13] = 2;
        jpeg[14..16].copy_from_slice(&197u16.to_be_bytes());
        assert_eq!(sides(&jpeg), Ok((400, 600)), "197 per centimetre is 500 per inch");
    }
}
