//! Files are read as far as they may be long. One byte more is refused, and it is said what to do next.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::Path;

use crdt::codec::encode;
use crdt::site::{Policy, Roles};
use node::authority::{self, Acting};
use node::book::{ADDRESSES_MAX, ROW_BYTES_MAX, read_row};
use node::enrol::{self, SiteFolder};
use node::files::{TEXT_BYTES_MAX, read_at_most};
use node::home::{ANNOUNCEMENT_BYTES_MAX, Home, HomeError, TOKEN_BYTES_MAX, make_key_file, read_key_file};
use node::keystore::{KeyFile, Opener};

/// Makes a text as long as this, with line ends behind what it says.
fn lengthen(path: &Path, bytes: u64) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    let end = file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(&vec![b'\n'; usize::try_from(bytes - end).unwrap()]).unwrap();
}

/// `read` takes the file at its longest, and not with one byte more.
fn ends_at(path: &Path, max: u64, read: impl Fn() -> Result<(), HomeError>) {
    lengthen(path, max);
    assert!(read().is_ok(), "{} of {max} bytes: {:?}", path.display(), read());
    lengthen(path, max + 1);
    let error = read().expect_err("it is too long");
    assert!(!error.hint().is_empty() && error.to_string().len() < 1_000, "{error}");
}

#[test]
fn a_file_is_read_to_its_bound_and_not_beyond() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, [7; 100]).unwrap();
    assert_eq!(read_at_most(&path, 100).unwrap(), [7; 100]);
    assert_eq!(read_at_most(&path, 99).unwrap_err().kind(), std::io::ErrorKind::FileTooLarge);
}

#[test]
fn each_file_of_ours_may_be_so_long_and_a_longer_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut site = SiteFolder::found(&at("site"), "Post 4", Policy::default()).unwrap();
    let hub = Home::create(&at("hub")).unwrap().request().unwrap();
    let _ = site.enrol(&hub, Roles::HUB, "hub", 1_800_000_000_000, 30).unwrap();
    let opener = Opener::KeyFile(KeyFile::new([1; 32]));
    let home = Home::create_under(&at("ana"), &opener).unwrap();
    let (_, answer) = site.enrol(&home.request().unwrap(), Roles::OFFICER, "ana", 1_800_000_000_000, 30).unwrap();
    let (manifest, _) = enrol::join(&home, &answer).unwrap();
    let folder_of_it = std::fs::read_dir(at("ana/sites")).unwrap().next().unwrap().unwrap().path();
    authority::export(&at("site"), &Opener::Nothing, &at("export"), &Opener::Nothing, &Acting::default()).unwrap();
    make_key_file(&at("key")).unwrap();
    let _ = home.token().unwrap();
    home.announce("http://127.0.0.1:7411").unwrap();
    drop(site);

    let text = |path: &Path, read: &dyn Fn() -> Result<(), HomeError>| ends_at(path, TEXT_BYTES_MAX, read);
    text(&at("key"), &|| read_key_file(&at("key")).map(drop));
    text(&folder_of_it.join("membership"), &|| home.membership(manifest.site()).map(drop));
    text(&at("ana/device.key"), &|| Home::unlock(&at("ana"), &opener).map(drop));
    text(&at("export"), &|| authority::export_protection(&at("export")).map(drop));
    text(&at("site/site"), &|| SiteFolder::unlock(&at("site"), &Opener::Nothing).map(drop));
    text(&at("site/authority.key"), &|| authority::protection(&at("site")).map(drop));
    ends_at(&at("ana/api.token"), TOKEN_BYTES_MAX, || home.token().map(drop));
    ends_at(&at("ana/api.json"), ANNOUNCEMENT_BYTES_MAX, || home.announced().map(drop));
}

#[test]
fn a_row_of_the_address_book_may_be_so_long_and_gives_so_many_addresses() {
    let addresses: Vec<SocketAddr> = (0..200).map(|port| ([127, 0, 0, 1], port).into()).collect();
    let kept = |count: usize| read_row(&encode(&addresses[..count].to_vec()));
    assert_eq!(kept(ADDRESSES_MAX).unwrap(), addresses[..ADDRESSES_MAX]);
    assert_eq!(kept(ADDRESSES_MAX + 1).unwrap(), addresses[..ADDRESSES_MAX], "the newest");
    let longest = (0..200).rev().find(|count| encode(&addresses[..*count].to_vec()).len() <= ROW_BYTES_MAX).unwrap();
    assert!(longest > ADDRESSES_MAX && kept(longest).is_some() && kept(longest + 1).is_none());
}
