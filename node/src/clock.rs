//! Pure: whether this device's clock can be right, by what others have signed.

use std::collections::BTreeSet;

use crdt::ids::DeviceId;
use crdt::replica::Query;
use crdt::store::{Store, StoreError};
use crdt::sync::Engine;
use crdt::time::FOLLOW_MS_MAX;

/// Own captures that are looked at for answers from the past: the last ones.
const LOOK_MAX: usize = 20;

/// What speaks against this device's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Whether the clock is ahead, as against behind.
    pub ahead: bool,
    /// By at least so much, in ms.
    pub by_ms: u64,
    /// Whose signed times say so; none if it is this device's own certificate.
    pub witnesses: BTreeSet<DeviceId>,
}

impl Doubt {
    /// In words, with what to do.
    #[must_use]
    pub fn words(&self) -> String {
        let (hours, way) = (self.by_ms.div_ceil(3_600_000), if self.ahead { "ahead" } else { "behind" });
        let by = if hours < 48 { format!("{hours} hours") } else { format!("{} days", hours / 24) };
        let by_whom = match self.witnesses.len() {
            0 => "as its certificate shows".to_owned(),
            1 => "or another device's is wrong".to_owned(),
            several => format!("as {several} other devices show"),
        };
        format!("this device's clock is {by} {way}, {by_whom}: set it; captures are kept all the same")
    }
}

/// Looks at certificates, at how late others have written, and at answers that came before their question. Tolerates what
/// [`FOLLOW_MS_MAX`] tolerates.
pub fn doubt<S: Store>(engine: &Engine<S>, now_ms: u64) -> Result<Option<Doubt>, StoreError> {
    let replica = engine.replica();
    let own = replica.identity().device();
    let begins = replica.identity().certificate.not_before_ms;
    let late = now_ms.saturating_add(FOLLOW_MS_MAX);
    let mut doubt =
        (begins > now_ms).then(|| Doubt { ahead: false, by_ms: begins - now_ms, witnesses: BTreeSet::new() });
    for (_, log) in replica.logs().filter(|(_, log)| log.author.device != own && log.time.ms() > late) {
        let doubt = doubt.get_or_insert(Doubt { ahead: false, by_ms: 0, witnesses: BTreeSet::new() });
        doubt.by_ms = doubt.by_ms.max(log.time.ms() - now_ms);
        doubt.witnesses.insert(log.author.device);
    }
    if doubt.is_some() {
        return Ok(doubt);
    }
    answered_before_asked(engine, now_ms)
}

/// A receipt that is dated before its capture: no clock in between could do that.
fn answered_before_asked<S: Store>(engine: &Engine<S>, now_ms: u64) -> Result<Option<Doubt>, StoreError> {
    let own = engine.replica().identity().device();
    let query = Query { device: Some(own), limit: LOOK_MAX, ..Query::default() };
    let mut doubt = None::<Doubt>;
    for (_, view, _) in engine.captures(now_ms, &query)?.0 {
        let Some((origin, receipt)) = view.origin.as_ref().zip(view.accepted()) else { continue };
        let (asked, answered) = (origin.time.ms(), receipt.time.ms());
        if answered.saturating_add(FOLLOW_MS_MAX) < asked {
            let doubt = doubt.get_or_insert(Doubt { ahead: true, by_ms: 0, witnesses: BTreeSet::new() });
            doubt.by_ms = doubt.by_ms.max(asked - answered);
            doubt.witnesses.insert(receipt.by);
        }
    }
    Ok(doubt)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crdt::codec::decode;
    use crdt::entry::{DeviceKey, ENTRY_BYTES_MAX, Entry};
    use crdt::replica::{AppendError, Identity, Membership, Replica};
    use crdt::seal::{GroupKey, SealingSecret};
    use crdt::site::{Authority, Policy, Request, Roles};
    use crdt::statement::{CaptureDraft, Image, Shows};
    use crdt::store::memory::{DiskModel, MemoryStore};

    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    const NOW_MS: u64 = 20_000 * DAY_MS;

    fn identity(seed: u8, roles: Roles, not_before_ms: u64) -> Identity {
        let (key, sealing) = (DeviceKey::from_seed([seed; 32]), SealingSecret::from_seed(&[seed; 32]));
        let request = Request { device: key.id(), sealing_key: sealing.public() };
        let certificate = Authority::from_seed([1; 32]).certify(
            &request,
            roles,
            "device",
            (not_before_ms, not_before_ms + 400 * DAY_MS),
        );
        Identity { key, sealing, certificate }
    }

    fn engine(own: Identity) -> Engine<MemoryStore> {
        let membership = Membership {
            manifest: Authority::from_seed([1; 32]).manifest("Post 4", 1, Policy::default()),
            group_keys: vec![GroupKey::new([4; 32])],
            hubs: vec![identity(9, Roles::HUB, NOW_MS - DAY_MS).certificate],
        };
        let replica = Replica::open(MemoryStore::new(DiskModel::AtOnce), own, membership).unwrap();
        Engine::new(NOW_MS, replica).unwrap()
    }

    fn capture(engine: &mut Engine<MemoryStore>, now_ms: u64) -> crdt::ids::CaptureId {
        let image = Image { shows: Shows::Face, bytes: vec![1].into() };
        let draft = CaptureDraft { purpose: "exercise".into(), images: vec![image], ..CaptureDraft::default() };
        let written = engine.write(now_ms, |replica| replica.capture_new(now_ms, [7; 32], &draft));
        written.unwrap().about.capture().unwrap()
    }

    fn tell(from: &Engine<MemoryStore>, to: &mut Engine<MemoryStore>, now_ms: u64) {
        let logs: Vec<_> = from.replica().logs().map(|(log, _)| *log).collect();
        let sent = logs.iter().flat_map(|log| from.replica().entries_from(*log, 1, u64::MAX, usize::MAX).unwrap());
        let entries: Vec<Entry> = sent.map(|bytes| decode(&bytes, ENTRY_BYTES_MAX).unwrap()).collect();
        // Taken in as from a peer, with nothing of its own written.
        let written = to.write(now_ms, |replica| {
            replica.ingest(now_ms, entries)?;
            Err(AppendError::NoImages)
        });
        assert_eq!(written, Err(AppendError::NoImages));
    }

    #[test]
    fn a_clock_that_is_right_is_not_doubted() {
        let [mut ana, mut ben] = [2, 3].map(|seed| engine(identity(seed, Roles::OFFICER, NOW_MS - DAY_MS)));
        capture(&mut ben, NOW_MS + FOLLOW_MS_MAX);
        tell(&ben, &mut ana, NOW_MS);
        assert_eq!(doubt(&ana, NOW_MS).unwrap(), None);
    }

    /// It says so, captures all the same, and others take the capture in.
    #[test]
    fn a_clock_before_its_own_certificate_is_behind_and_captures() {
        let mut ana = engine(identity(2, Roles::OFFICER, NOW_MS));
        let behind = NOW_MS - 5 * DAY_MS;
        let doubted = doubt(&ana, behind).unwrap().unwrap();
        assert!(doubted.words().contains("5 days behind, as its certificate shows"), "{}", doubted.words());
        let id = capture(&mut ana, behind);
        let mut hub = engine(identity(9, Roles::HUB, NOW_MS - DAY_MS));
        tell(&ana, &mut hub, NOW_MS + 1_000);
        let origin = hub.replica().capture(id).unwrap().unwrap().origin.unwrap();
        assert_eq!(origin.time.ms(), NOW_MS);
        assert_eq!(hub.replica().set_aside(0).unwrap(), []);
    }

    #[test]
    fn a_clock_behind_those_of_others_is_doubted_by_as_many_as_there_are() {
        let mut ana = engine(identity(2, Roles::OFFICER, NOW_MS - DAY_MS));
        for seed in [3, 4] {
            let mut other = engine(identity(seed, Roles::OFFICER, NOW_MS - DAY_MS));
            capture(&mut other, NOW_MS + 3 * DAY_MS);
            tell(&other, &mut ana, NOW_MS);
            let doubted = doubt(&ana, NOW_MS).unwrap().unwrap();
            assert_eq!((doubted.ahead, doubted.by_ms, doubted.witnesses.len()), (false, 3 * DAY_MS, seed as usize - 2));
        }
    }

    #[test]
    fn a_receipt_from_before_its_capture_shows_a_clock_that_is_ahead() {
        let mut ana = engine(identity(2, Roles::OFFICER, NOW_MS - DAY_MS));
        let mut hub = engine(identity(9, Roles::HUB, NOW_MS - DAY_MS));
        let ahead = NOW_MS + 9 * DAY_MS;
        let id = capture(&mut ana, ahead);
        assert_eq!(doubt(&ana, ahead).unwrap(), None, "nobody has said anything yet");
        tell(&ana, &mut hub, NOW_MS);
        hub.write(NOW_MS, |replica| replica.receipt_new(NOW_MS, id)).unwrap();
        tell(&hub, &mut ana, ahead);
        let doubted = doubt(&ana, ahead).unwrap().unwrap();
        assert!(doubted.ahead && doubted.by_ms == 9 * DAY_MS, "{doubted:?}");
        assert!(doubted.words().contains("9 days ahead, or another device's is wrong"), "{}", doubted.words());
    }
}
