//! The gallery's folder: round trip, damage, and others that change it meanwhile.

use std::{fs, path::Path, sync::Arc, thread};

use matcher::{
    Cover, Gallery, GalleryError, Person, Reference,
    gallery::{Damaged, Fault, PERSON_BYTES_MAX},
    person::{FingerPrint, PRINTS_MAX},
    template::{Kind, MINUTIAE_MAX, Minutia, Template},
};

use crate::print::position;

fn print(shift: u16, minutiae: usize) -> FingerPrint {
    let minutia = |n: u16| Minutia { x: n + shift, y: 2 * n, angle: n, quality: 60, kind: Kind::Ending };
    let minutiae = (0..u16::try_from(minutiae).unwrap()).map(minutia).collect();
    (position(2), Template::new(minutiae, 500, 500).unwrap())
}

/// A cover for tests: names are references turned upside down, and a cipher that hides, though not from anybody clever.
struct Toy;

impl Cover for Toy {
    fn name(&self, reference: &str) -> [u8; 16] {
        let mut name = [0xff; 16];
        name.iter_mut().zip(reference.bytes()).for_each(|(to, byte)| *to = !byte);
        name
    }

    fn seal(&self, name: &[u8; 16], plain: &[u8]) -> Result<Vec<u8>, String> {
        let hidden: Vec<u8> = plain.iter().map(|byte| !byte).collect();
        Ok([name.as_slice(), &sum(&hidden).to_be_bytes(), &hidden].concat())
    }

    fn open(&self, name: &[u8; 16], sealed: &[u8]) -> Option<Vec<u8>> {
        let rest = sealed.strip_prefix(name)?;
        let (check, hidden) = rest.split_first_chunk::<8>()?;
        (*check == sum(hidden).to_be_bytes()).then(|| hidden.iter().map(|byte| !byte).collect())
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

fn gallery() -> (tempfile::TempDir, Gallery) {
    let folder = tempfile::tempdir().unwrap();
    let gallery = Gallery::open(folder.path().join("gallery"), Arc::new(Toy)).unwrap();
    (folder, gallery)
}

/// The file of a person.
fn file(reference: &str) -> String {
    let name: String = Toy.name(reference).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}.person")
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("gallery")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn people_come_back_as_they_were_added() {
    let (folder, gallery) = gallery();
    assert!(!gallery.add("b", vec![print(1, 30), print(2, 40)]).unwrap());
    assert!(!gallery.add("a", vec![print(3, 50)]).unwrap());
    assert!(gallery.add("a", vec![print(4, 50)]).unwrap(), "the second replaces the first");
    let contents = gallery.load_all().unwrap();
    let person = |name, prints| Person { reference: Reference::new(name).unwrap(), prints };
    assert_eq!(contents.people, [person("a", vec![print(4, 50)]), person("b", vec![print(1, 30), print(2, 40)])]);
    assert_eq!(contents.damaged, []);
    assert_eq!(files(folder.path()), [file("b"), file("a")]);

    assert!(gallery.remove("a").unwrap());
    assert!(!gallery.remove("a").unwrap());
    assert_eq!(gallery.load_all().unwrap().people.len(), 1);
}

#[test]
fn what_cannot_be_searched_or_named_is_refused() {
    let (folder, gallery) = gallery();
    assert!(matches!(gallery.add("../x", vec![print(1, 30)]), Err(GalleryError::Reference(_))));
    assert!(matches!(gallery.remove("../x"), Err(GalleryError::Reference(_))));
    assert!(matches!(gallery.add("a", vec![]), Err(GalleryError::NoUsablePrint)));
    assert!(matches!(gallery.add("a", vec![print(1, 5)]), Err(GalleryError::NoUsablePrint)));
    assert!(matches!(gallery.add("a", vec![print(1, 30); PRINTS_MAX + 1]), Err(GalleryError::TooManyPrints(_))));
    assert!(files(folder.path()).is_empty());
    assert!(gallery.add("a", vec![print(1, 30), print(1, 5)]).is_ok());
}

#[test]
fn the_largest_person_fits_its_file() {
    let (folder, gallery) = gallery();
    let far = Minutia { x: 2000, y: 2000, angle: 359, quality: 100, kind: Kind::Bifurcation };
    let full = (position(10), Template::new(vec![far; MINUTIAE_MAX], 2000, 2000).unwrap());
    gallery.add(&"x".repeat(64), vec![full; PRINTS_MAX]).unwrap();
    assert_eq!(gallery.load_all().unwrap().people.len(), 1);
    let bytes = fs::read(folder.path().join("gallery").join(&files(folder.path())[0])).unwrap();
    assert!(bytes.len() <= PERSON_BYTES_MAX, "{}", bytes.len());
}

#[test]
fn damaged_files_are_named_and_the_others_load() {
    let (folder, gallery) = gallery();
    gallery.add("good", vec![print(1, 30)]).unwrap();
    let inside = folder.path().join("gallery");
    let good = fs::read(inside.join(file("good"))).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(inside.join(name), bytes).unwrap();
    let mut flipped = good.clone();
    flipped[40] ^= 1;
    let other = [&[2], Toy.seal(&Toy.name("6"), b"not a person").unwrap().as_slice()].concat();
    put(&file("1"), &flipped);
    put(&file("2"), &good[..good.len() - 1]);
    put(&file("3"), &[]);
    put(&file("4"), &[&[3], &good[1..]].concat());
    put(&file("5"), &vec![1; PERSON_BYTES_MAX + 1]);
    put(&file("6"), &other);
    put("a b.person", &good);
    put("notes.txt", b"not ours");
    fs::create_dir(inside.join(file("7"))).unwrap();
    let contents = gallery.load_all().unwrap();
    assert_eq!(contents.people.len(), 1);
    let damaged = |file: String, fault| Damaged { file, fault };
    // The upside-down names sort downwards.
    let expected = [
        damaged("a b.person".to_owned(), Fault::Misnamed),
        damaged(file("7"), Fault::Unreadable),
        damaged(file("6"), Fault::Damaged),
        damaged(file("5"), Fault::TooLong),
        damaged(file("4"), Fault::Version),
        damaged(file("3"), Fault::Damaged),
        damaged(file("2"), Fault::Damaged),
        damaged(file("1"), Fault::Damaged),
    ];
    assert_eq!(contents.damaged, expected);
}

#[test]
fn a_file_under_another_name_is_not_taken_for_that_person() {
    let (folder, gallery) = gallery();
    gallery.add("a", vec![print(1, 30)]).unwrap();
    let inside = folder.path().join("gallery");
    fs::copy(inside.join(file("a")), inside.join(file("b"))).unwrap();
    let contents = gallery.load_all().unwrap();
    assert_eq!((contents.people.len(), contents.damaged.len()), (1, 1));
}

/// What a program before format 2 wrote: anybody could read who is in it.
#[test]
fn people_that_an_older_program_left_in_the_clear_are_covered_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("gallery");
    fs::create_dir(&inside).unwrap();
    let person = Person { reference: Reference::new("P-MARKER").unwrap(), prints: vec![print(1, 30)] };
    let body = postcard::to_stdvec(&person).unwrap();
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    let check = body.iter().fold(0xCBF2_9CE4_8422_2325, fnv).to_le_bytes();
    let open = [&[1], check.as_slice(), &body].concat();
    fs::write(inside.join("P-MARKER.person"), &open).unwrap();
    fs::write(inside.join("P-HALF.person"), &open[..20]).unwrap();

    let gallery = Gallery::open(&inside, Arc::new(Toy)).unwrap();
    let contents = gallery.load_all().unwrap();
    assert_eq!(contents.people, [person]);
    assert_eq!(contents.damaged.len(), 1, "what can't be read is left and named");
    assert_eq!(files(folder.path()), ["P-HALF.person".to_owned(), file("P-MARKER")]);
    let covered = fs::read(inside.join(file("P-MARKER"))).unwrap();
    assert!(!covered.windows(8).any(|bytes| bytes == b"P-MARKER"));
}

#[test]
fn no_flipped_bit_goes_unseen() {
    let (folder, gallery) = gallery();
    gallery.add("a", vec![print(1, 30)]).unwrap();
    let path = folder.path().join("gallery").join(file("a"));
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, bad).unwrap();
        assert_eq!(gallery.load_all().unwrap().damaged.len(), 1, "byte {at}");
    }
}

#[test]
fn a_change_by_another_shows_in_the_stamp() {
    let (folder, gallery) = gallery();
    let other = Gallery::open(folder.path().join("gallery"), Arc::new(Toy)).unwrap();
    other.add("a", vec![print(1, 30)]).unwrap();
    let contents = gallery.load_all().unwrap();
    assert_eq!(gallery.stamp().unwrap(), contents.stamp);
    other.add("a", vec![print(2, 30)]).unwrap();
    let replaced = gallery.stamp().unwrap();
    assert_ne!(replaced, contents.stamp, "as long as before, and perhaps of the same tick");
    other.remove("a").unwrap();
    assert_ne!(gallery.stamp().unwrap(), replaced);
}

#[test]
fn reading_while_another_adds_and_removes_sees_whole_people_only() {
    let (_folder, gallery) = gallery();
    gallery.add("stays", vec![print(1, 30)]).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..50 {
                gallery.add("comes", vec![print(n, 100)]).unwrap();
                gallery.remove("comes").unwrap();
            }
        });
        while !writer.is_finished() {
            let contents = gallery.load_all().unwrap();
            assert_eq!(contents.damaged, []);
            assert!((1..=2).contains(&contents.people.len()));
        }
        writer.join().unwrap();
    });
}

#[test]
fn removing_a_person_also_removes_what_an_interrupted_write_left() {
    let (folder, gallery) = gallery();
    gallery.add("a", vec![print(1, 30)]).unwrap();
    gallery.add("a-2", vec![print(1, 30)]).unwrap();
    let half = format!("{}.123.tmp", file("a"));
    fs::write(folder.path().join("gallery").join(half), b"half").unwrap();
    assert_eq!(gallery.load_all().unwrap().people.len(), 2);
    assert!(gallery.remove("a").unwrap());
    assert_eq!(files(folder.path()), [file("a-2")]);
}
