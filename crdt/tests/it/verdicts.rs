//! Who reads what of a verdict, and that its length tells nobody what it says.

use std::collections::BTreeMap;

use crdt::entry::About;
use crdt::ids::CaptureId;
use crdt::replica::{AppendError, Membership, ReadVerdict, Replica};
use crdt::seal::SealError;
use crdt::site::{Policy, Roles};
use crdt::statement::{
    CANDIDATES_MAX, Kind, Outcome, Review, ReviewContent, Seen, Shows, Statement, Verdict, VerdictContent, VerdictValue,
};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::view::WORDS_MAX;

use crate::site::{Pen, Site, draft, entries_of};

/// Everybody that a site may have, but the hub that answers. The first of them captures.
const MEMBERS: [(&str, Roles); 6] = [
    ("origin", Roles::OFFICER),
    ("officer", Roles::OFFICER),
    ("chief", Roles::SUPERVISOR),
    ("deputy", Roles::SUPERVISOR),
    ("carrier", Roles(0)),
    ("another hub", Roles::HUB),
];

/// What came of one capture: every device has every entry.
struct Answered {
    id: CaptureId,
    devices: BTreeMap<&'static str, Replica<MemoryStore>>,
}

impl Answered {
    fn at(policy: &Policy, members: &[(&'static str, Roles)], content: &VerdictContent) -> Self {
        let site = Site::new();
        let manifest = site.authority.manifest("Post 4", 1, policy.clone());
        let open = |identity| {
            let membership = Membership { manifest: manifest.clone(), ..site.membership() };
            Replica::open(MemoryStore::new(DiskModel::AtOnce), identity, membership).unwrap()
        };
        let mut devices = BTreeMap::from([("hub", open(site.hub.clone()))]);
        for (seed, (name, roles)) in (2..).zip(members) {
            let mut device = open(site.enrol(seed, *roles));
            device.introduce(1).unwrap();
            devices.insert(*name, device);
        }
        let origin = devices.get_mut("origin").unwrap();
        let id = origin.capture_new(10, [3; 32], &draft(100)).unwrap().about.capture().unwrap();
        tell_all(&mut devices);
        let hub = devices.get_mut("hub").unwrap();
        hub.receipt_new(20, id).unwrap();
        hub.verdict_new(21, [4; 32], id, content).unwrap();
        tell_all(&mut devices);
        Self { id, devices }
    }

    fn read_by(&self, name: &str) -> ReadVerdict {
        self.devices[name].verdicts(self.id).unwrap().remove(0)
    }

    fn review(&mut self, name: &str, outcome: Outcome) -> Result<(), AppendError> {
        let content = ReviewContent { outcome, note: "looked".to_owned().into() };
        let said = self.devices.get_mut(name).unwrap().review_new(70, [6; 32], self.id, &content);
        tell_all(&mut self.devices);
        said.map(drop)
    }

    fn read(&mut self, name: &str) -> Result<(), AppendError> {
        let said = self.devices.get_mut(name).unwrap().seen_new(80, self.id);
        tell_all(&mut self.devices);
        said.map(drop)
    }

    fn readers_of_the_answer(&self) -> Vec<&str> {
        self.readers(|verdict| verdict.content.map(drop), |verdict| verdict.answer.readers().collect())
    }

    fn readers_of_the_references(&self) -> Vec<&str> {
        self.readers(|verdict| verdict.references.map(drop), |verdict| verdict.references.readers().collect())
    }

    /// Whoever can open it; and it is wrapped for nobody besides.
    fn readers(
        &self,
        open: impl Fn(ReadVerdict) -> Result<(), SealError>,
        wrapped: impl Fn(&Verdict) -> Vec<[u8; 8]>,
    ) -> Vec<&str> {
        let mut readers = Vec::new();
        for name in self.devices.keys() {
            match open(self.read_by(name)) {
                Ok(()) => readers.push(*name),
                Err(error) => assert_eq!(error, SealError::NotForUs, "{name}"),
            }
        }
        let mut prefixes: Vec<_> = readers.iter().map(|name| self.devices[name].identity().device().prefix()).collect();
        let mut keys = wrapped(&self.statement());
        prefixes.sort_unstable();
        keys.sort_unstable();
        assert_eq!(keys, prefixes);
        readers
    }

    fn statement(&self) -> Verdict {
        let entries = entries_of(&self.devices["carrier"]);
        let entry = entries.into_iter().find(|entry| entry.header().kind == Kind::Verdict as u8).unwrap();
        match Statement::decode(Kind::Verdict, &entry.body.unwrap()) {
            Ok(Statement::Verdict(verdict)) => verdict,
            other => panic!("{other:?}"),
        }
    }

    /// What everybody can see of it.
    fn body_bytes(&self) -> u32 {
        let entries = entries_of(&self.devices["carrier"]);
        entries.iter().find(|entry| entry.header().kind == Kind::Verdict as u8).unwrap().header().body_len
    }
}

fn tell_all(devices: &mut BTreeMap<&'static str, Replica<MemoryStore>>) {
    let entries: Vec<_> = devices.values().flat_map(entries_of).collect();
    for device in devices.values_mut() {
        device.ingest(30, entries.clone()).unwrap();
    }
}

fn candidate(references: &[&str]) -> VerdictContent {
    VerdictContent {
        value: VerdictValue::Candidate,
        reason: None,
        candidates: references.iter().map(ToString::to_string).collect(),
        basis: vec![Shows::Finger(2), Shows::Face],
    }
}

#[test]
fn a_verdict_opens_to_its_origin_the_supervisors_and_its_hub_and_to_nobody_else() {
    let answered = Answered::at(&Policy::default(), &MEMBERS, &candidate(&["P-1"]));
    assert_eq!(answered.readers_of_the_answer(), ["chief", "deputy", "hub", "origin"]);
    let read = answered.read_by("origin").content.unwrap();
    assert_eq!((read.value, read.basis.len()), (VerdictValue::Candidate, 2));
}

#[test]
fn references_open_to_the_supervisors_and_not_to_whoever_captured() {
    for supervisors_read in [false, true] {
        let policy = Policy { supervisors_read, ..Policy::default() };
        let answered = Answered::at(&policy, &MEMBERS, &candidate(&["P-1", "P-2"]));
        assert_eq!(answered.readers_of_the_references(), ["chief", "deputy"], "whoever reads captures");
        assert_eq!(answered.read_by("chief").references.unwrap(), ["P-1", "P-2"]);
    }
}

/// Nobody examines their own capture, so nobody needs the references of its candidates.
#[test]
fn references_do_not_open_on_a_supervisors_device_that_captured_itself() {
    let mut members = MEMBERS;
    members[0].1 = Roles::OFFICER.and(Roles::SUPERVISOR);
    let answered = Answered::at(&Policy::default(), &members, &candidate(&["P-1"]));
    assert_eq!(answered.readers_of_the_references(), ["chief", "deputy"]);
    assert_eq!(answered.readers_of_the_answer(), ["chief", "deputy", "hub", "origin"]);
}

#[test]
fn without_another_supervisor_references_open_to_nobody() {
    let mut members = MEMBERS.to_vec();
    members.retain(|(name, _)| !["chief", "deputy"].contains(name));
    let alone = Answered::at(&Policy::default(), &members, &candidate(&["P-1"]));
    assert_eq!((alone.readers_of_the_references(), alone.readers_of_the_answer()), (vec![], vec!["hub", "origin"]));
    members[0].1 = Roles::OFFICER.and(Roles::SUPERVISOR);
    let alone = Answered::at(&Policy::default(), &members, &candidate(&["P-1"]));
    assert_eq!((alone.readers_of_the_references(), alone.readers_of_the_answer()), (vec![], vec!["hub", "origin"]));
}

/// The length of a body is in its header, which everybody keeps for good.
#[test]
fn a_verdicts_length_does_not_tell_what_it_says() {
    let longest = "r".repeat(64);
    let most = VerdictContent {
        reason: Some("x".repeat(400)),
        basis: (1..=20).map(Shows::Finger).collect(),
        ..candidate(&[longest.as_str(); CANDIDATES_MAX])
    };
    let no_match = VerdictContent { value: VerdictValue::NoMatch, ..candidate(&[]) };
    let said = [no_match, VerdictContent::inconclusive("too few ridges"), candidate(&["P-1"]), most];
    let lengths = said.map(|content| Answered::at(&Policy::default(), &MEMBERS, &content).body_bytes());
    assert_eq!(lengths, [lengths[0]; 4]);
}

#[test]
fn a_part_in_the_place_of_the_other_does_not_open() {
    let answered = Answered::at(&Policy::default(), &MEMBERS, &candidate(&["P-1"]));
    let Verdict { answer, references, .. } = answered.statement();
    let chief = answered.devices["chief"].identity();
    let context = |purpose: &str| {
        [b"greenline ".as_slice(), purpose.as_bytes(), b"\0", &chief.certificate.site.0, &answered.id.0].concat()
    };
    let open = |part: &crdt::seal::Sealed, purpose| part.open(chief.device(), &chief.sealing, &context(purpose));
    assert!(open(&answer, "verdict").is_ok() && open(&references, "references").is_ok());
    assert_eq!(open(&answer, "references"), Err(SealError::Broken));
    assert_eq!(open(&references, "verdict"), Err(SealError::Broken));
}

#[test]
fn who_can_not_read_a_verdict_has_not_read_it() {
    let mut answered = Answered::at(&Policy::default(), &MEMBERS, &candidate(&["P-1"]));
    assert_eq!(answered.read("officer"), Err(AppendError::NotReadable));
    assert_eq!(answered.read("origin"), Ok(()));
}

#[test]
fn a_candidate_is_erased_once_as_many_examiners_as_the_policy_asks_for_have_refuted_it() {
    let policy = Policy { examiners: 2, ..Policy::default() };
    let mut answered = Answered::at(&policy, &MEMBERS, &candidate(&["P-1"]));
    let is_erased = |answered: &Answered| {
        let view = answered.devices["carrier"].capture(answered.id).unwrap();
        view.unwrap().erased.is_some()
    };
    answered.review("chief", Outcome::Refuted).unwrap();
    answered.read("origin").unwrap();
    assert!(!is_erased(&answered), "one of two");
    answered.review("deputy", Outcome::Refuted).unwrap();
    answered.read("origin").unwrap();
    assert!(is_erased(&answered));
}

#[test]
fn whatever_one_member_says_how_often_others_are_heard() {
    let mut answered = Answered::at(&Policy::default(), &MEMBERS, &candidate(&["P-1"]));
    let verdict = answered.read_by("chief").mark.entry;
    let review = Statement::Review(Review { verdict, sealed: answered.statement().answer });
    let mut liar = Pen::new(Site::new().enrol(90, Roles::OFFICER.and(Roles::SUPERVISOR)));
    let mut lies = vec![liar.introduce(22)];
    for said in [review, Statement::Seen(Seen { verdict })] {
        let lie = |_| liar.write(22, About::Capture(answered.id), said.kind() as u8, said.encode());
        lies.extend((0..40).map(lie));
    }
    for device in answered.devices.values_mut() {
        device.ingest(30, lies.clone()).unwrap();
    }
    for _ in 0..WORDS_MAX {
        answered.review("chief", Outcome::Confirmed).unwrap();
    }
    assert_eq!(answered.review("chief", Outcome::Refuted), Err(AppendError::TooManyWords));
    answered.review("deputy", Outcome::Confirmed).unwrap();
    answered.read("origin").unwrap();
    let (deputy, origin) = ["deputy", "origin"].map(|name| answered.devices[name].identity().device()).into();
    for (name, device) in &answered.devices {
        let view = device.capture(answered.id).unwrap().unwrap();
        assert!(view.reviews.iter().any(|review| review.by == deputy), "{name}");
        assert!(view.seen.iter().any(|seen| seen.by == origin), "{name}");
    }
}
