//! Hostile bytes at every reader of a device, and strangers who speak them.

pub(crate) mod api;
pub(crate) mod bodies;
mod samples;
mod wire;

use synth::hostile::bears;

/// Changes of each sample.
const ROUNDS: usize = 150;

#[test]
fn hostile_texts_panic_no_reader_of_enrolment() {
    bears("enrolment texts", &samples::enrolment(), ROUNDS, bodies::enrolment);
    bears("parts of texts", &samples::parts(), 4 * ROUNDS, bodies::parts);
    bears("join codes", &samples::codes(), 8 * ROUNDS, bodies::codes);
}

#[test]
fn hostile_frames_panic_neither_side_of_an_enrolment() {
    bears("enrolment conversations", &samples::conversations(), 4 * ROUNDS, bodies::conversation);
    bears("frames of an enrolment", &wire::said(""), 8 * ROUNDS, bodies::enrolment_wire);
}

#[test]
fn hostile_files_panic_no_reader_of_a_home() {
    bears("keystores", &samples::keystores(), 2 * ROUNDS, bodies::keystore);
    bears("files of a home", &samples::home(), ROUNDS, bodies::home);
    bears("rows of the address book", &samples::book_rows(), 8 * ROUNDS, bodies::book_row);
}

#[test]
fn hostile_files_panic_no_reader_of_an_authority() {
    // Whatever can be imported is written, and waits for the disk.
    bears("files of an authority", &samples::authority(), ROUNDS / 3, bodies::authority);
}

#[test]
fn hostile_notes_on_a_gallery_are_noted_or_refused() {
    bears("notes on a gallery", &samples::gallery_notes(), 8 * ROUNDS, bodies::gallery_note);
}

#[test]
fn hostile_lines_panic_no_reader_of_exports() {
    bears("audit exports", &samples::exports(), 4 * ROUNDS, bodies::export);
    bears("bytes in lines of audit exports", &samples::lines(), ROUNDS, bodies::line);
}

#[test]
fn no_form_no_body_and_no_query_makes_a_device_panic() {
    let post = api::Post::start();
    for (number, sort) in (0..).zip(&api::SORTS) {
        bears(sort.0, &post.samples(sort), 40, |data| api::api(&post, &[&[number], data].concat()));
    }
    assert!(post.goes_on());
}
