//! Hostile bytes at every reader, and a hostile peer in every phase of a session.

pub(crate) mod bodies;
pub(crate) mod peer;

use crdt::codec::encode;
use crdt::sync::Engine;
use crdt::sync::frame::Frame;
use proptest::prelude::*;
use synth::Dice;
use synth::hostile::{bears, mutated};

use crate::formats::samples;
use crate::site::Site;
use peer::Peer;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_panic_no_reader(data in prop::collection::vec(any::<u8>(), 0..600)) {
        bodies::ALL.iter().for_each(|(_, body)| body(&data));
    }

    #[test]
    fn texts_panic_no_reader_of_ids(text in "\\PC{0,80}") {
        bodies::ids(text.as_bytes());
    }
}

#[test]
fn mutated_values_panic_no_reader() {
    let samples = samples();
    for (name, body) in bodies::ALL {
        bears(name, &samples, 80, body);
    }
}

/// Frames of every sort, as they are and mutated.
fn frames() -> Vec<Vec<u8>> {
    samples().into_iter().filter(|(name, _)| name.starts_with("frame-")).map(|(_, bytes)| bytes).collect()
}

#[test]
fn a_peer_may_say_anything_in_any_phase_and_the_engine_goes_on() {
    let (site, frames, mut dice) = (Site::new(), frames(), Dice::keyed(&[2]));
    let (mut ended, mut stayed) = (0, 0);
    for steps in 0..=3 {
        for case in 0..120 {
            let mut peer = Peer::meet(&site, Engine::new(0, site.observer()).unwrap());
            let handshake = peer.handshake();
            handshake[..steps].iter().for_each(|frame| peer.say(frame));
            for _ in 0..1 + dice.below(6) {
                let frame = &frames[dice.below(frames.len())];
                let other = &frames[dice.below(frames.len())];
                let bytes = if case % 3 == 0 { frame.clone() } else { mutated(&mut dice, frame, other) };
                peer.say_bytes(bytes);
                peer.heard();
            }
            // Two steps and the right word are the whole way.
            assert!(steps >= 2 || !peer.is_admitted(), "no short cut into a session");
            if peer.is_gone() {
                ended += 1;
            } else {
                stayed += 1;
            }
            peer.still_serves(&site);
        }
    }
    assert!(ended > 100 && stayed > 10, "{ended} ended, {stayed} stayed");
}

#[test]
fn what_cannot_be_read_is_counted_and_ends_the_session() {
    let site = Site::new();
    for steps in 0..=3 {
        for garbage in [vec![], vec![0xff; 40], Frame::Credit(1).encode()[..1].to_vec()] {
            let mut peer = Peer::meet(&site, Engine::new(0, site.observer()).unwrap());
            let handshake = peer.handshake();
            handshake[..steps].iter().for_each(|frame| peer.say(frame));
            peer.say_bytes(garbage);
            assert!(peer.is_gone() && !peer.is_admitted());
            assert_eq!(peer.engine.traffic().malformed, 1);
            peer.still_serves(&site);
        }
    }
}

/// A probe between places that no log has overflowed a sum where sums are checked.
#[test]
fn a_probe_at_the_end_of_numbers_is_a_fault_like_any_other() {
    let site = Site::new();
    let mut peer = Peer::meet(&site, Engine::new(0, site.observer()).unwrap());
    peer.open();
    for (lo, hi) in [(u64::MAX, 0), (u64::MAX, u64::MAX), (5, 5), (6, 5)] {
        let log = crdt::ids::LogId([1; 16]);
        peer.say(&Frame::Probe { log, lo, hi, middle: [0; 8].into() });
    }
    assert_eq!(peer.refused(), 4);
}

#[test]
fn whole_conversations_of_garbage_end_well() {
    let (frames, mut dice) = (frames(), Dice::keyed(&[3]));
    let mut conversation = |steps: u8| {
        let mut script = vec![steps];
        for _ in 0..2 + dice.below(6) {
            let frame = &frames[dice.below(frames.len())];
            let bytes = mutated(&mut dice, frame, &encode(&"other"));
            let bytes = &bytes[..bytes.len().min(60_000)];
            script.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
            script.extend_from_slice(bytes);
        }
        script
    };
    let samples: Vec<_> = (0..60).map(|number| (number, conversation(number))).collect();
    bears("session", &samples, 4, bodies::session);
}
