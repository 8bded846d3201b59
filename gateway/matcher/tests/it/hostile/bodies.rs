//! What every reader of the matcher has to bear, as plain functions: the tests call them with random and with mutated bytes, the
//! fuzz targets in `tests/fuzz` with whatever the fuzzer makes up. A body panics if a reader does, or if it lets through what
//! is out of bounds.

use std::{fs, sync::Arc};

use matcher::{
    Cover, Gallery, Print, Template, frame,
    image::{SIDE_MAX_PX, SIDE_MIN_PX},
    person::PRINTS_MAX,
    template::MINUTIAE_MAX,
    worker::{Reply, Request},
};

/// The one person of the gallery.
pub(crate) const REFERENCE: &str = "p1";

/// Pictures; those of PNG also with checksums that fit, as somebody makes them who means it.
pub(crate) fn picture(data: &[u8]) {
    for bytes in [data, &with_checksums(data)] {
        let Ok(print) = Print::decode(bytes) else { continue };
        let sides = SIDE_MIN_PX..=SIDE_MAX_PX;
        assert!(sides.contains(&print.width()) && sides.contains(&print.height()));
        assert_eq!(print.pixels().len(), usize::from(print.width()) * usize::from(print.height()));
    }
}

/// A PNG whose chunks have the checksums that belong to them. Other bytes stay as they are.
pub(crate) fn with_checksums(png: &[u8]) -> Vec<u8> {
    let mut mended = png.to_vec();
    let mut at = 8;
    while let Some(length) = mended.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) {
        let (name, end) = (at + 4, at + 8 + length as usize);
        if end + 4 > mended.len() || !png.starts_with(b"\x89PNG") {
            break;
        }
        let crc = crc32(&mended[name..end]);
        mended[end..end + 4].copy_from_slice(&crc.to_be_bytes());
        at = end + 4;
    }
    mended
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Templates, with the version as it comes and as it should be.
pub(crate) fn template(data: &[u8]) {
    for bytes in [data, &[&[1], data].concat()] {
        let Ok(template) = Template::decode(bytes) else { continue };
        assert!(template.minutiae().is_sorted() && template.minutiae().len() <= MINUTIAE_MAX);
        assert_eq!(Template::decode(&template.encode()).as_ref(), Ok(&template));
        let _ = template.quality();
    }
}

/// No cover at all, so that whatever lies in a file reaches what reads it.
struct Open;

impl Cover for Open {
    fn name(&self, reference: &str) -> [u8; 16] {
        let mut name = [0; 16];
        name.iter_mut().zip(reference.bytes()).for_each(|(to, byte)| *to = byte);
        name
    }

    fn seal(&self, _: &[u8; 16], plain: &[u8]) -> Result<Vec<u8>, String> {
        Ok(plain.to_vec())
    }

    fn open(&self, _: &[u8; 16], sealed: &[u8]) -> Option<Vec<u8>> {
        Some(sealed.to_vec())
    }
}

/// Files of a gallery: as it is written now, as older programs wrote it, and as nobody ever did.
pub(crate) fn gallery(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let name: String = Open.name(REFERENCE).iter().map(|byte| format!("{byte:02x}")).collect();
    let check = data
        .iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    let old = [[1].as_slice(), &check.to_le_bytes(), data].concat();
    for (name, bytes) in [(name.as_str(), [&[2], data].concat()), (REFERENCE, old), ("0", data.to_vec())] {
        fs::write(folder.path().join(format!("{name}.person")), bytes).unwrap();
    }
    let contents = Gallery::open(folder.path(), Arc::new(Open)).unwrap().load_all().unwrap();
    assert!(contents.people.len() <= 1 && contents.people.iter().all(|person| person.prints.len() <= PRINTS_MAX));
    assert!(!contents.damaged.is_empty(), "what nobody ever wrote isn't somebody");
}

/// All that a worker is asked, up to what isn't a frame.
pub(crate) fn requests(data: &[u8]) {
    each_frame(data, |bytes| {
        if let Ok(request) = Request::decode(bytes) {
            assert_eq!(Request::decode(&request.encode()).unwrap(), request);
        }
    });
}

/// All that a worker says, from its greeting on.
pub(crate) fn replies(data: &[u8]) {
    let mut pipe = data;
    if frame::skip_preamble(&mut pipe).is_ok() {
        each_frame(pipe, |bytes| {
            if let Ok(reply) = Reply::decode(bytes) {
                assert_eq!(Reply::decode(&reply.encode()).unwrap(), reply);
            }
        });
    }
}

fn each_frame(mut pipe: &[u8], read: impl Fn(&[u8])) {
    while let Ok(Some(bytes)) = frame::read(&mut pipe) {
        assert!(bytes.len() <= frame::FRAME_BYTES_MAX);
        read(&bytes);
    }
}
