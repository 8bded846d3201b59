//! The gallery's folder: round trip, damage, and others that change it meanwhile.

use std::{fs, path::Path, thread};

use matcher::{
    Gallery, GalleryError, Person, Reference,
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

fn gallery() -> (tempfile::TempDir, Gallery) {
    let folder = tempfile::tempdir().unwrap();
    let gallery = Gallery::open(folder.path().join("gallery")).unwrap();
    (folder, gallery)
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
    assert_eq!(gallery.list().unwrap().iter().map(Reference::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(files(folder.path()), ["a.person", "b.person"]);

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
    let good = fs::read(inside.join("good.person")).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(inside.join(name), bytes).unwrap();
    let mut flipped = good.clone();
    flipped[40] ^= 1;
    put("1.person", &flipped);
    put("2.person", &good[..good.len() - 1]);
    put("3.person", &[]);
    put("4.person", &[&[2], &good[1..]].concat());
    put("5.person", &vec![1; PERSON_BYTES_MAX + 1]);
    put("6.person", &good);
    put("a b.person", &good);
    put("notes.txt", b"not ours");
    fs::create_dir(inside.join("7.person")).unwrap();
    let contents = gallery.load_all().unwrap();
    assert_eq!(contents.people.len(), 1);
    let damaged = |file: &str, fault| Damaged { file: file.to_owned(), fault };
    let expected = [
        damaged("1.person", Fault::Damaged),
        damaged("2.person", Fault::Damaged),
        damaged("3.person", Fault::Damaged),
        damaged("4.person", Fault::Version),
        damaged("5.person", Fault::TooLong),
        damaged("6.person", Fault::Misnamed),
        damaged("7.person", Fault::Unreadable),
        damaged("a b.person", Fault::Misnamed),
    ];
    assert_eq!(contents.damaged, expected);
}

#[test]
fn no_flipped_bit_goes_unseen() {
    let (folder, gallery) = gallery();
    gallery.add("a", vec![print(1, 30)]).unwrap();
    let path = folder.path().join("gallery/a.person");
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
    let other = Gallery::open(folder.path().join("gallery")).unwrap();
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
    fs::write(folder.path().join("gallery/a.person.123.tmp"), b"half").unwrap();
    assert_eq!(gallery.load_all().unwrap().people.len(), 2);
    assert!(gallery.remove("a").unwrap());
    assert_eq!(files(folder.path()), ["a-2.person"]);
}
