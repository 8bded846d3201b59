//! Hostile bytes where frames are expected.

pub(crate) mod bodies;

use synth::hostile::bears;

fn framed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

#[test]
fn a_hostile_stream_ends_its_link_and_nothing_else() {
    let sound = [framed(b"one"), framed(b""), framed(&[7; 300])].concat();
    bears("frames on links of a site", &[("frames", sound)], 8_000, bodies::link);
}
