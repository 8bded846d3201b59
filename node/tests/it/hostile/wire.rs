//! Strangers at a port where an authority enrols, and somebody who plays the authority.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use node::enrol::SiteFolder;
use node::enrol::live::Takes;
use node::enrol::wire::{Guest, Listener, Ticket, join_at};
use node::home::Home;
use synth::hostile::bears;

use super::samples::{Sample, conversations};

/// What somebody says, as it goes over the wire: frames with four bytes of length before each. All of what one side would say
/// if it knew beforehand what it will hear.
pub(super) fn said(by: &str) -> Vec<Sample> {
    let scripts = conversations().into_iter().filter(|(name, _)| name.contains(by));
    scripts.map(|(name, script)| (name, with_long_lengths(&script[1..]))).collect()
}

fn with_long_lengths(mut script: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    while let Some((length, rest)) = script.split_first_chunk::<2>() {
        let (frame, after) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        said.extend([0, 0].iter().chain(length).chain(frame));
        script = after;
    }
    said
}

#[test]
fn strangers_who_say_anything_are_hung_up_on_and_the_next_device_joins() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = SiteFolder::found(&folder.path().join("site"), "Post 4", Default::default()).unwrap();
    let home = Home::create(&folder.path().join("ana")).unwrap();
    let loopback = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::open(loopback, site.manifest().authority(), Takes::Words).unwrap();
    let at = listener.addresses()[0];
    // Strangers who say what a device says are guests, and nobody looks at them.
    let guests = thread::spawn(move || {
        loop {
            let guest = listener.next().unwrap();
            if guest.wants().is_some_and(|it| it.wish == "the last one") {
                return guest;
            }
        }
    });
    bears("an authority's port", &said("an authority hears"), 400, |bytes| say(at, bytes));
    let device = thread::spawn(move || join_at(&home, at, "the last one", Ticket::Words(&mut |_| true)).map(|_| home));
    let guest: Guest = guests.join().unwrap();
    let enrolled =
        guest.serve(&mut |_| true, |request| site.enrol(request, Default::default(), "ana", 1_800_000_000_000, 30));
    assert!(enrolled.unwrap().joined);
    assert_eq!(device.join().unwrap().unwrap().site().unwrap(), site.manifest().site());
}

/// Says it, and hears whatever is said until the other side hangs up.
fn say(at: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(at).unwrap();
    // It may hang up before all is said.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn a_device_survives_whoever_plays_the_authority() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::create(&folder.path().join("ana")).unwrap();
    let samples = said("a device hears");
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = stranger.local_addr().unwrap();
    bears("a device that joins", &samples, 200, |bytes| {
        let joined = thread::scope(|scope| {
            let joins = scope.spawn(|| join_at(&home, at, "", Ticket::Words(&mut |_| true)).is_ok());
            let (mut stream, _) = stranger.accept().unwrap();
            let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
            let _ = stream.read_to_end(&mut Vec::new());
            joins.join().unwrap()
        });
        assert!(!joined, "an answer to another device is no answer");
    });
    assert!(home.sites().unwrap().is_empty());
}
