//! Hostile bytes on links, in the certificates before them, and in the place of an audit trail's files.

pub(crate) mod bodies;

use std::fs;

use crdt::audit::{Act, Record};
use gateway::quic::device_key;
use gateway::trail::Journal;
use synth::hostile::bears;

#[test]
fn a_hostile_stream_ends_its_link_and_nothing_else() {
    let framed = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
    let sound = [framed(b"one"), framed(b""), framed(&[7; 300])].concat();
    bears("frames on the uplink", &[("frames", sound)], 8_000, bodies::uplink);
}

#[test]
fn a_hostile_certificate_is_refused_or_has_the_key_that_it_shows() {
    let (ours, other) = (certificate(&rcgen::PKCS_ED25519), certificate(&rcgen::PKCS_ECDSA_P256_SHA256));
    assert!(device_key(&ours).is_ok() && device_key(&other).is_err());
    bears("certificates on the uplink", &[("Ed25519", ours), ("P-256", other)], 4_000, bodies::certificate);
}

fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let made = rcgen::CertificateParams::new(vec!["greenline".to_owned()]).unwrap().self_signed(&key).unwrap();
    made.der().to_vec()
}

#[test]
fn hostile_files_panic_no_reader_of_a_trail() {
    // Whatever can be opened is written on, and waits for the disk.
    bears("files of an audit trail", &files(), 150, bodies::trail);
}

/// A trail's file with a few records, and one with none.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let place = bodies::place(folder.path());
    let mut journal = Journal::open(place, 1).unwrap();
    let empty = fs::read(folder.path().join(bodies::FIRST)).unwrap();
    for at_ms in 2..9 {
        let record = Record {
            at_ms,
            operator: "ana".into(),
            act: Act::Listed,
            captures: vec![],
            why: "exercise".into(),
            times: 1,
        };
        journal.append(at_ms, vec![record]).unwrap();
    }
    vec![("records", fs::read(folder.path().join(bodies::FIRST)).unwrap()), ("no records", empty)]
}
