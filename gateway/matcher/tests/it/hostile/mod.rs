//! Hostile bytes at every reader of the matcher: pictures, templates, galleries, and requests to worker processes.

pub(crate) mod bodies;

use std::{
    ffi::OsStr,
    io::{Cursor, Write},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use matcher::{
    Fused, ImageError, Person, Ranked, Reference, Searched, Template, frame,
    person::FingerPrint,
    template::{Kind, Minutia},
    worker::{Refused, Reply, Request},
};
use synth::{Dice, hostile::bears};

use crate::{print::position, workers};

type Sample = (String, Vec<u8>);

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let gray = GrayImage::from_fn(72, 64, |x, y| Luma([((x * 7 + y * 3) % 256) as u8]));
    DynamicImage::from(gray).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn pictures() -> Vec<Sample> {
    let pnm = |head: &str, pixels: usize| [head.as_bytes(), &vec![b'1'; pixels]].concat();
    vec![
        ("PNG".into(), picture(ImageFormat::Png)),
        ("PNG that states 1000 ppi".into(), with_phys(&picture(ImageFormat::Png))),
        ("JPEG".into(), picture(ImageFormat::Jpeg)),
        ("PGM".into(), pnm("P5\n72 64\n255\n", 72 * 64)),
        ("PGM of 16 bits".into(), pnm("P5\n72 64\n65535\n", 2 * 72 * 64)),
        ("PGM in words".into(), [b"P2 64 64 9 ".as_slice(), &b"1 ".repeat(64 * 64)].concat()),
    ]
}

/// A PNG with a pHYs chunk of 1000 pixels an inch. Its checksum is made by whoever reads it.
fn with_phys(png: &[u8]) -> Vec<u8> {
    let per_metre = 39_370_u32.to_be_bytes();
    let chunk = [&[0, 0, 0, 9], b"pHYs".as_slice(), &per_metre, &per_metre, &[1], &[0; 4]].concat();
    // Signature and IHDR are 33 bytes.
    bodies::with_checksums(&[&png[..33], &chunk, &png[33..]].concat())
}

fn print(minutiae: u16) -> FingerPrint {
    // Anywhere: of points in a line each fits each, and they would be compared for minutes.
    let mut dice = Dice::keyed(&[minutiae.into()]);
    let mut below = |end| dice.below(end) as u16;
    let mut minutia = |_| Minutia { x: below(500), y: below(500), angle: below(360), quality: 60, kind: Kind::Ending };
    (position(2), Template::new((0..minutiae).map(&mut minutia).collect(), 500, 500).unwrap())
}

fn person(minutiae: u16) -> Person {
    Person { reference: Reference::new(bodies::REFERENCE).unwrap(), prints: vec![print(minutiae); 2] }
}

#[test]
fn hostile_pictures_panic_no_decoder() {
    bears("pictures of prints", &pictures(), 300, bodies::picture);
}

#[test]
fn hostile_templates_and_files_of_a_gallery_are_an_error() {
    let sized = [0, 30, 150].map(|minutiae| (format!("{minutiae} minutiae"), print(minutiae).1.encode()));
    bears("templates", &sized, 2_000, bodies::template);
    let people =
        [1, 60].map(|minutiae| (format!("{minutiae} minutiae"), postcard::to_stdvec(&person(minutiae)).unwrap()));
    bears("files of a gallery", &people, 400, bodies::gallery);
}

#[test]
fn hostile_requests_and_replies_are_an_error_to_whoever_reads_them() {
    bears("requests to workers", &conversations(), 1_500, bodies::requests);
    let template = || print(40).1;
    let refused = [Refused::Image(ImageError::Size { width: 1, height: 2 }), Refused::Extractor(-7)];
    let searched = Searched {
        ranked: vec![Ranked { reference: Reference::new("p1").unwrap(), fused: Fused { score: 77, fingers: 2 } }],
        compared: 60,
        not_compared: 1,
    };
    let said = [Reply::Extracted(Ok(template())), Reply::Loaded, Reply::Searched(searched)];
    let said: Vec<Reply> = refused.into_iter().map(|why| Reply::Extracted(Err(why))).chain(said).collect();
    let replies = [frame::PREAMBLE, &on_the_pipe(said.iter().map(Reply::encode))].concat();
    bears("replies of workers", &[("replies", replies)], 4_000, bodies::replies);
}

fn conversations() -> Vec<Sample> {
    let extract = |format| Request::Extract { image: picture(format) };
    let search =
        [Request::Clear, Request::Load { people: vec![person(40)] }, Request::Search { probe: vec![print(40)] }];
    vec![
        ("extraction from PNG".into(), asked(&[extract(ImageFormat::Png)])),
        ("extraction from JPEG".into(), asked(&[extract(ImageFormat::Jpeg)])),
        ("search".into(), asked(&search)),
    ]
}

fn asked(requests: &[Request]) -> Vec<u8> {
    on_the_pipe(requests.iter().map(Request::encode))
}

fn on_the_pipe(said: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut pipe = Vec::new();
    said.for_each(|body| frame::write(&mut pipe, &body).unwrap());
    pipe
}

/// The C code may end its process; ours never panics, and never waits for what doesn't come.
#[test]
fn a_worker_that_is_asked_anything_answers_or_ends() {
    let (served, ended_by_c) = (AtomicUsize::new(0), AtomicUsize::new(0));
    bears("worker processes", &conversations(), 15, |bytes| match ask(bytes) {
        Some(0) => drop(served.fetch_add(1, Ordering::Relaxed)),
        Some(workers::UNREADABLE) => {}
        Some(101) => panic!("a panic"),
        _ => drop(ended_by_c.fetch_add(1, Ordering::Relaxed)),
    });
    let (served, ended_by_c) = (served.into_inner(), ended_by_c.into_inner());
    assert!(served >= conversations().len(), "{served} served");
    println!("worker processes: {served} served all that was asked, {ended_by_c} were ended by the C code");
}

/// A worker's exit code once it was asked this, and nothing after it.
fn ask(bytes: &[u8]) -> Option<i32> {
    let command = workers::sound();
    let (program, arguments) = command.split_first().unwrap();
    let quiet = || Stdio::null();
    let mut child = Command::new::<&OsStr>(program.as_ref())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(quiet())
        .stderr(quiet())
        .spawn()
        .unwrap();
    // It may end before it has heard all. The pipe closes here.
    let _ = child.stdin.take().unwrap().write_all(bytes);
    child.wait().unwrap().code()
}
