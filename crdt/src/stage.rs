//! How far a capture has come: computed from entries and from what others are known to hold, never stored.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{CaptureId, DeviceId};
use crate::knowledge::Knowledge;
use crate::statement::Why;
use crate::view::{CaptureView, Mark};

/// The steps of a capture's journey, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// On the origin's disk.
    Recorded,
    /// On another device's disk too, with all images.
    Copied,
    /// On a device that has a working uplink.
    AtGateway,
    /// A hub has it whole.
    Accepted,
    /// A hub has answered.
    Screened,
    /// An examiner has looked at the answer.
    Examined,
    /// The origin's officer has read the answer.
    Seen,
    /// It was taken back, and is erased.
    Withdrawn,
    /// It is erased, since its purpose is served or its time over, or by order.
    Erased,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 9] = [
        Self::Recorded,
        Self::Copied,
        Self::AtGateway,
        Self::Accepted,
        Self::Screened,
        Self::Examined,
        Self::Seen,
        Self::Withdrawn,
        Self::Erased,
    ];

    /// The word for it, as in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Copied => "copied",
            Self::AtGateway => "at_gateway",
            Self::Accepted => "accepted",
            Self::Screened => "screened",
            Self::Examined => "examined",
            Self::Seen => "seen",
            Self::Withdrawn => "withdrawn",
            Self::Erased => "erased",
        }
    }

    /// The stage of a word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.word() == word)
    }
}

/// One stage that was reached: by whom and when, where an entry says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// By which device.
    pub by: DeviceId,
    /// When, in ms of that device's clock.
    pub at_ms: u64,
}

/// A capture's whole journey so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// The furthest stage.
    pub now: Stage,
    /// Recorded by the origin.
    pub recorded: Reached,
    /// Devices besides the origin that hold it whole.
    pub copies: Vec<DeviceId>,
    /// Of all holders, those that have an uplink now.
    pub gateways: Vec<DeviceId>,
    /// Accepted by a hub.
    pub accepted: Option<Reached>,
    /// Answered by a hub.
    pub screened: Option<Reached>,
    /// Looked at by an examiner.
    pub examined: Option<Reached>,
    /// Read by the origin's officer.
    pub seen: Option<Reached>,
    /// Erased, here and everywhere.
    pub erased: Option<Gone>,
}

/// That a capture is erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Who said so first; `None` if nobody did before its time was over, or if the log that said it was cut.
    pub by: Option<Reached>,
    /// Why, as whoever said so first has it.
    pub why: Option<Why>,
}

/// The one function that says how far a capture has come. `None` while the capture itself is unknown.
///
/// `own` is the device that asks: what it holds itself is in `own_holds`.
#[must_use]
pub fn stages(
    id: CaptureId,
    view: &CaptureView,
    knowledge: &Knowledge,
    own: (DeviceId, bool),
    now_ms: u64,
) -> Option<Stages> {
    let origin = view.origin.as_ref()?;
    let erased = view.erased.as_ref();
    let accepted = view.accepted();
    let whole = |device: &DeviceId| {
        if erased.is_some() {
            return false;
        }
        if *device == own.0 {
            return own.1;
        }
        // The origin held it whole from the first, and a hub that says so. Who carried it is forgotten then.
        *device == origin.device
            || accepted.is_some_and(|hub| hub.by == *device)
            || knowledge.device(device).is_some_and(|known| known.holds(&id))
    };
    let heard_of = knowledge.devices().map(|(device, _)| *device);
    let known = heard_of.chain([own.0, origin.device]).chain(accepted.map(|hub| hub.by));
    let holders: BTreeSet<DeviceId> = known.filter(whole).collect();
    let gateways: Vec<DeviceId> = holders
        .iter()
        .filter(|device| knowledge.device(device).is_some_and(|known| known.is_gateway(now_ms)))
        .copied()
        .collect();
    let copies: Vec<DeviceId> = holders.into_iter().filter(|device| *device != origin.device).collect();
    let verdict = view.screened();
    // Nobody examines their own capture. What a review was of is gone with its body.
    let examines = |review: &&Mark, verdict: &Mark| {
        review.by != origin.device && (erased.is_some() || *review.refers == verdict.entry.0)
    };
    let examined = verdict.and_then(|verdict| view.reviews.iter().find(|review| examines(review, verdict)));
    let seen = view.seen.iter().find(|seen| seen.by == origin.device);
    let gone = erased.map(|erased| Gone { by: erased.statements.first().map(reached), why: erased.why() });
    let withdrawn = gone.as_ref().is_some_and(|gone| gone.why == Some(Why::Withdrawn));
    let now = [
        (withdrawn, Stage::Withdrawn),
        (gone.is_some(), Stage::Erased),
        (seen.is_some(), Stage::Seen),
        (examined.is_some(), Stage::Examined),
        (verdict.is_some(), Stage::Screened),
        (accepted.is_some(), Stage::Accepted),
        (!gateways.is_empty(), Stage::AtGateway),
        (!copies.is_empty(), Stage::Copied),
    ];
    Some(Stages {
        now: now.into_iter().find(|(reached, _)| *reached).map_or(Stage::Recorded, |(_, stage)| stage),
        recorded: Reached { by: origin.device, at_ms: origin.time.ms() },
        copies,
        gateways,
        accepted: accepted.map(reached),
        screened: verdict.map(reached),
        examined: examined.map(reached),
        seen: seen.map(reached),
        erased: gone,
    })
}

fn reached(mark: &Mark) -> Reached {
    Reached { by: mark.by, at_ms: mark.time.ms() }
}

#[cfg(test)]
mod tests {
    use serde_bytes::ByteArray;

    use super::*;
    use crate::blob::BlobRef;
    use crate::ids::{BlobId, EntryHash, LogId};
    use crate::knowledge::Fact;
    use crate::statement::Priority;
    use crate::time::Hlc;
    use crate::view::{EntryRef, Erased, Marks, Origin};

    const ID: CaptureId = CaptureId([9; 16]);
    const ORIGIN: DeviceId = DeviceId([1; 32]);
    const OTHER: DeviceId = DeviceId([2; 32]);
    const HUB: DeviceId = DeviceId([3; 32]);
    const CARRIER: DeviceId = DeviceId([4; 32]);
    const AT: EntryRef = EntryRef { log: LogId([1; 16]), seq: 4 };
    const PAYLOAD: ByteArray<32> = ByteArray::new([5; 32]);

    fn view() -> CaptureView {
        let origin = Origin {
            at: AT,
            device: ORIGIN,
            epoch: 0,
            time: Hlc::from_ms(10),
            purpose: "exercise".into(),
            priority: Priority::Routine,
            delete_after_ms: 1_000,
            payload: PAYLOAD,
            blobs: vec![BlobRef { id: BlobId([0; 32]), bytes: 10 }],
        };
        CaptureView { origin: Some(origin), ..CaptureView::default() }
    }

    fn mark(by: DeviceId, entry: u8, refers: ByteArray<32>) -> Mark {
        let at = EntryRef { log: LogId(by.0[..16].try_into().unwrap()), seq: 1 };
        Mark { time: Hlc::from_ms(50), at, by, entry: EntryHash([entry; 32]), refers }
    }

    fn now(view: &CaptureView, knowledge: &Knowledge) -> Stage {
        stages(ID, view, knowledge, (ORIGIN, true), 100).unwrap().now
    }

    #[test]
    fn each_stage_follows_from_what_is_known_and_only_then() {
        let (mut view, mut knowledge) = (view(), Knowledge::default());
        assert_eq!(now(&view, &knowledge), Stage::Recorded);
        knowledge.hear(20, OTHER, OTHER);
        assert_eq!(now(&view, &knowledge), Stage::Recorded, "the entry without its images is no copy");
        knowledge.learn(20, OTHER, OTHER, &Fact::Holds(ID));
        assert_eq!(now(&view, &knowledge), Stage::Copied);
        knowledge.learn(20, OTHER, OTHER, &Fact::Gateway(7));
        assert_eq!(now(&view, &knowledge), Stage::AtGateway);
        view.receipts.add(mark(HUB, 1, ByteArray::new([6; 32])));
        assert_eq!(now(&view, &knowledge), Stage::AtGateway, "a receipt for another payload is no receipt");
        view.receipts.add(mark(HUB, 2, PAYLOAD));
        assert_eq!(now(&view, &knowledge), Stage::Accepted);
        knowledge.hear(20, CARRIER, CARRIER);
        let copies = stages(ID, &view, &knowledge, (ORIGIN, true), 100).unwrap().copies;
        assert_eq!(copies, [OTHER, HUB], "who has only the entry holds no copy, accepted or not");
        view.verdicts.add(mark(HUB, 3, PAYLOAD));
        assert_eq!(now(&view, &knowledge), Stage::Screened);
        view.reviews.add(mark(ORIGIN, 3, ByteArray::new([3; 32])));
        assert_eq!(now(&view, &knowledge), Stage::Screened, "nobody examines their own capture");
        view.reviews.add(mark(OTHER, 4, ByteArray::new([3; 32])));
        assert_eq!(now(&view, &knowledge), Stage::Examined);
        view.seen.add(mark(OTHER, 5, ByteArray::new([3; 32])));
        assert_eq!(now(&view, &knowledge), Stage::Examined, "only the origin's reading counts");
        view.seen.add(mark(ORIGIN, 6, ByteArray::new([3; 32])));
        assert_eq!(now(&view, &knowledge), Stage::Seen);
    }

    #[test]
    fn what_is_erased_is_at_its_end_whatever_it_had_reached_and_nobody_holds_it() {
        let (mut view, mut knowledge) = (view(), Knowledge::default());
        knowledge.learn(20, OTHER, OTHER, &Fact::Holds(ID));
        view.receipts.add(mark(HUB, 1, PAYLOAD));
        view.verdicts.add(mark(HUB, 2, ByteArray::new([0; 32])));
        view.erased = Some(Erased { device: ORIGIN, statements: Marks::default() });
        let said = |view: &CaptureView| stages(ID, view, &knowledge, (ORIGIN, true), 100).unwrap();
        let silent = said(&view);
        assert_eq!((silent.now, silent.copies), (Stage::Erased, vec![]));
        assert_eq!(silent.erased, Some(Gone { by: None, why: None }), "by its clock alone");
        assert!(silent.accepted.is_some() && silent.screened.is_some(), "the trail stays");
        for (why, stage) in [(Why::Withdrawn, Stage::Withdrawn), (Why::Done, Stage::Erased)] {
            let mut view = view.clone();
            let statement = mark(ORIGIN, 3, Mark::refers_to(why));
            view.erased.as_mut().unwrap().statements.add(statement);
            let said = said(&view);
            assert_eq!((said.now, said.erased.unwrap().why), (stage, Some(why)));
        }
    }

    #[test]
    fn an_unknown_capture_has_no_stage() {
        assert!(stages(ID, &CaptureView::default(), &Knowledge::default(), (ORIGIN, true), 0).is_none());
    }
}
