//! Contact traces as others write them, whole and damaged.

use std::io::Write as _;

use proptest::prelude::*;
use simulations::trace::{Contact, Format, Oddities, Trace, TraceError, read};
use synth::hostile::bears;

use crate::bodies;

const UNION: Format = Format::One { first_down_ends: false };

fn told(text: &str) -> (Trace, Format, Oddities) {
    read(text.as_bytes(), None, Some(10.0)).unwrap()
}

fn refused(text: impl AsRef<[u8]>, format: Option<Format>) -> String {
    let error = read(text.as_ref(), format, Some(10.0)).unwrap_err();
    assert!(!error.hint().is_empty());
    error.to_string()
}

/// Contacts in seconds, by name.
fn contacts(trace: &Trace) -> Vec<(u64, u64, &str, &str)> {
    let name = |node: u32| trace.names()[node as usize].as_str();
    trace.contacts().iter().map(|it| (it.from_ms / 1000, it.until_ms / 1000, name(it.a), name(it.b))).collect()
}

#[test]
fn each_format_is_told_from_its_first_line() {
    let csv = told("start,end,a,b\n0,20,1,2\n# a comment\n\n20,40,2,1\n30.5,31,10,2\n");
    assert_eq!(csv.1, Format::Csv);
    assert_eq!(contacts(&csv.0), [(0, 40, "1", "2"), (30, 31, "2", "10")], "touching ones are one; 10 comes after 2");

    let one = told("0\tCONN\t7\t3\tup\n5 C M1 3 7 100\n20\tCONN\t7\t3\tdown\n");
    assert_eq!((one.1, contacts(&one.0)), (UNION, vec![(0, 20, "3", "7")]));
    assert_eq!((one.2.about_messages, one.2.first_line), (1, Some(2)));

    let tij = told("20 a b\n40 a b\n100 b c\n");
    assert_eq!((tij.1, contacts(&tij.0)), (Format::Tij, vec![(0, 40, "a", "b"), (80, 100, "b", "c")]));
    assert_eq!(told("20 1 2 DCAR DG\n").1, Format::Tij, "with the departments of the two");

    let moving = told("0 100 0 100 0 100\n0 1 0 0\n0 2 100 0\n100 2 0 0\n100 1 0 0\n");
    assert_eq!(moving.1, Format::OneMovement { range_m: 10.0 });
    assert_eq!(contacts(&moving.0), [(90, 100, "1", "2")], "it comes within ten metres after ninety");

    let ns2 = told(
        "$node_(0) set X_ 0.0\n$node_(0) set Y_ 0.0\n$node_(0) set Z_ 0.0\n$node_(1) set X_ 100.0\n$node_(1) set Y_ 0.0\n\
         $ns_ at 10.0 \"$node_(1) setdest 0.0 0.0 1.0\"\n$ns_ at 105.0 \"$node_(1) setdest 100.0 0.0 100.0\"\n\
         $god_ set-dist 0 1 1\n",
    );
    assert_eq!(ns2.1, Format::Ns2 { range_m: 10.0 });
    let contact = ns2.0.contacts()[0];
    assert_eq!((contact.from_ms, contact.until_ms), (100_000, 105_050), "sent back before it arrives");

    assert!(matches!(read(&b"$node_(0) set X_ 0.0\n"[..], None, None), Err(TraceError::NoRange)));
    assert!(refused("time,latitude,longitude\n", None).contains("no contact trace that is known"));
    assert!(matches!(read(&b"# nothing\n"[..], None, None), Err(TraceError::Empty)));
}

/// Published files hold what both ends of a contact have seen. ONE ends it at the first `down`, which lost a quarter of the time in
/// contact of one of them.
#[test]
fn a_contact_of_one_lasts_until_nobody_sees_it() {
    let events = "0 CONN 1 2 up\n5 CONN 2 1 up\n10 CONN 1 2 down\n30 CONN 2 1 down\n";
    assert_eq!(contacts(&told(events).0), [(0, 30, "1", "2")]);
    let first = Format::One { first_down_ends: true };
    let (trace, _, oddities) = read(events.as_bytes(), Some(first), None).unwrap();
    assert_eq!(contacts(&trace), [(0, 10, "1", "2")]);
    assert_eq!((oddities.unmatched, oddities.first_line), (1, Some(4)));
    // Ends needn't be in order, nor the whole file.
    let shuffled = told("10 CONN 1 2 down\n0 CONN 1 2 up\n7 CONN 3 1 up\n9 CONN 3 1 down\n");
    assert_eq!(contacts(&shuffled.0), [(0, 10, "1", "2"), (7, 9, "1", "3")]);
}

#[test]
fn what_never_ends_ends_with_the_pairs_last_word_or_with_the_file() {
    let (trace, _, oddities) =
        told("0 CONN 1 2 up\n1 CONN 1 2 up\n5 CONN 1 2 down\n6 CONN 3 4 up\n9 CONN 5 6 up\n20 CONN 5 6 down\n");
    assert_eq!(contacts(&trace), [(0, 5, "1", "2"), (6, 20, "3", "4"), (9, 20, "5", "6")]);
    assert_eq!((oddities.left_open, oddities.first_line), (2, Some(1)));
}

#[test]
fn hostile_files_are_a_trace_or_an_error() {
    let samples = [
        ("a table", "start,end,a,b\n0,20,1,2\n# a comment\n\n20,40,2,1\n30.5,31,10,2\n"),
        ("events of ONE", "0\tCONN\t7\t3\tup\n5 C M1 3 7 100\n20\tCONN\t7\t3\tdown\n"),
        ("SocioPatterns", "20 a b\n40 a b\n100 b c\n"),
        ("movements of ONE", "0 100 0 100 0 100\n0 1 0 0\n0 2 100 0\n100 2 0 0\n100 1 0 0\n"),
        (
            "movements of ns-2",
            "$node_(0) set X_ 0.0\n$node_(0) set Y_ 0.0\n$ns_ at 10.0 \"$node_(1) setdest 0.0 0.0 1.0\"\n",
        ),
    ];
    let mut samples: Vec<_> = samples.map(|(name, text)| (name, text.as_bytes().to_vec())).into();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&samples[0].1).unwrap();
    samples.push(("a packed table", packed.finish().unwrap()));
    bears("contact traces", &samples, 400, bodies::trace);
}

#[test]
fn a_damaged_line_is_named() {
    let long = format!("start,end,a,b\n0,{},1,2\n", "9".repeat(2_000));
    for (text, what) in [
        ("start,end,a,b\n0,20,1,2\n0,20,1\n", "line 3: it has 3 columns"),
        ("start,end,a,b\n0,twenty,1,2\n", "line 2: `twenty` is no number"),
        ("start,end,a,b\n0,NaN,1,2\n", "line 2: `NaN` is no number"),
        ("start,end,a,b\n0,1e300,1,2\n", "line 2: `1e300` is no time"),
        ("start,end,a,b\n20,0,1,2\n", "line 2: it ends before it begins"),
        ("start,end,a,b\n0,20,1,1\n", "line 2: a node can't meet itself"),
        ("start,end,a,b\n0,20,,1\n", "line 2: a node has no name"),
        ("start,end,b,a\n0,20,1,2\n", "line 1: the first line isn't `start,end,a,b`"),
        (long.as_str(), "line 2: it has more than 1024 bytes"),
        ("0 CONN 1 2 up\n20 CONN 1 2 sideways\n", "line 2: `sideways` is neither up nor down"),
        ("0 CONN 1 2 up\n20 CONN 1 2\n", "line 2: it isn't `time CONN a b up`"),
        ("0 CONN 1 1 up\n", "line 1: a node can't meet itself"),
        ("20 1 2\n40 1\n", "line 2: it isn't `t i j`"),
        ("0 9 0 9 0 9\n0 1 0 0\n5 1 zero 0\n", "line 3: `zero` is no number"),
        ("0 9 0 9 0 9\n5 1 0 0\n0 1 0 0\n", "line 3: the node was there before"),
        ("$node_(0) set X_ 0\n$node_0 set Y_ 0\n", "line 2: `$node_0` is no `$node_(NUMBER)`"),
        ("$node_(0) set X_ 0\n$ns_ at 5 \"$node_(0) setdest 1 1 -2\"\n", "line 2: a speed is less than nothing"),
        ("$node_(0) set X_ 0\nputs hello\n", "line 2: `puts` begins neither"),
    ] {
        let said = refused(text, None);
        assert!(said.contains(what), "{text:?}: {said}");
    }
    let said = refused(b"start,end,a,b\n0,20,1,\xff\n", None);
    assert!(said.contains("line 2: it isn't text"), "{said}");
    let said = refused("0 CONN \u{1b}[2J 2 up\n", None);
    assert!(said.contains("can't be a node's name") && !said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn a_packed_file_is_unpacked_and_half_of_one_is_refused() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let rows: String =
        (0..2_000).map(|row| format!("{},{},{},{}\n", row * 7, row * 7 + row % 5 + 1, row % 40, 50)).collect();
    packer.write_all(format!("start,end,a,b\n{rows}").as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let (trace, format, _) = read(packed.as_slice(), None, None).unwrap();
    assert_eq!((trace.contacts().len(), format), (2_000, Format::Csv));
    assert!(matches!(read(&packed[..packed.len() / 2], None, None), Err(TraceError::Io(_))));
}

fn any_contacts() -> impl Strategy<Value = Vec<Contact>> {
    let contact = (0..60u64, 1..20u64, 0..5u32, 0..5u32);
    let contact =
        contact.prop_map(|(from, lasts, a, b)| Contact { from_ms: from * 500, until_ms: (from + lasts) * 500, a, b });
    prop::collection::vec(contact, 0..40)
}

fn names() -> Vec<String> {
    (0..5).map(|node| node.to_string()).collect()
}

/// Whether a pair is in contact at a moment.
fn meet(contacts: &[Contact], (a, b): (u32, u32), at_ms: u64) -> bool {
    let of_pair = |it: &&Contact| (it.a.min(it.b), it.a.max(it.b)) == (a, b);
    contacts.iter().filter(of_pair).any(|it| it.from_ms <= at_ms && at_ms < it.until_ms)
}

proptest! {
    #[test]
    fn a_trace_is_the_union_of_its_contacts(contacts in any_contacts()) {
        let trace = Trace::new(names(), contacts.clone());
        for at_ms in (0..40_000).step_by(500) {
            for (a, b) in (0..5).flat_map(|a| (a + 1..5).map(move |b| (a, b))) {
                prop_assert_eq!(meet(trace.contacts(), (a, b), at_ms), meet(&contacts, (a, b), at_ms));
            }
        }
        for (one, other) in trace.contacts().iter().flat_map(|one| trace.contacts().iter().map(move |other| (one, other))) {
            let apart = one == other || (one.a, one.b) != (other.a, other.b) || one.until_ms < other.from_ms || other.until_ms < one.from_ms;
            prop_assert!(apart, "{:?} and {:?} should be one", one, other);
        }
    }

    #[test]
    fn what_is_written_is_read_again(contacts in any_contacts()) {
        let trace = Trace::new(names(), contacts);
        let mut file = Vec::new();
        trace.write_csv(&mut file).unwrap();
        if !trace.contacts().is_empty() {
            let (again, ..) = read(file.as_slice(), None, None).unwrap();
            prop_assert_eq!(contacts_by_name(&again), contacts_by_name(&trace));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0..5) {
        let format = [Format::Csv, UNION, Format::Tij, Format::OneMovement { range_m: 5.0 }, Format::Ns2 { range_m: 5.0 }];
        let _ = read(bytes.as_slice(), None, Some(5.0));
        let _ = read(bytes.as_slice(), Some(format[kind as usize]), None);
    }

    #[test]
    fn no_words_make_a_reader_panic(words in prop::collection::vec("(CONN|up|down|[0-9]{1,3}|-?[0-9e.]{1,9}|\\$node_\\([0-9]\\)|\\$ns_|at|set|setdest|X_|,|\n)", 0..80), kind in 0..5) {
        let format = [Format::Csv, UNION, Format::Tij, Format::OneMovement { range_m: 5.0 }, Format::Ns2 { range_m: 5.0 }];
        let text = words.join(" ").replace(" \n ", "\n");
        let _ = read(text.as_bytes(), Some(format[kind as usize]), None);
    }
}

fn contacts_by_name(trace: &Trace) -> Vec<(u64, u64, String, String)> {
    let name = |node: u32| trace.names()[node as usize].clone();
    trace.contacts().iter().map(|it| (it.from_ms, it.until_ms, name(it.a), name(it.b))).collect()
}
