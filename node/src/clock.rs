//! Pure: whether this device's clock can be right, by what others have signed.

use std::collections::BTreeSet;

use crdt::ids::DeviceId;
use crdt::replica::Replica;
use crdt::store::{Store, StoreError};
use crdt::time::FOLLOW_MS_MAX;

/// Own captures that are looked at for answers from the past: the last ones.
const LOOK_MAX: usize = 50;

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
pub fn doubt<S: Store>(replica: &Replica<S>, now_ms: u64) -> Result<Option<Doubt>, StoreError> {
    let own = replica.identity().device();
    let begins = replica.identity().certificate.not_before_ms;
    let late = now_ms.saturating_add(FOLLOW_MS_MAX);
    let mut doubt = (begins > now_ms).then(|| Doubt { ahead: false, by_ms: begins - now_ms, witnesses: BTreeSet::new() });
    for (_, log) in replica.logs().filter(|(_, log)| log.author.device != own && log.time.ms() > late) {
        let doubt = doubt.get_or_insert(Doubt { ahead: false, by_ms: 0, witnesses: BTreeSet::new() });
        doubt.by_ms = doubt.by_ms.max(log.time.ms() - now_ms);
        doubt.witnesses.insert(log.author.device);
    }
    if doubt.is_some() {
        return Ok(doubt);
    }
    answered_before_asked(replica)
}

/// A receipt that is dated before its capture: no clock in between could do that.
fn answered_before_asked<S: Store>(replica: &Replica<S>) -> Result<Option<Doubt>, StoreError> {
    let (own, mut doubt) = (replica.identity().device(), None::<Doubt>);
    for (_, view) in replica.latest_of(own, LOOK_MAX)? {
        let Some((origin, receipt)) = view.origin.as_ref().zip(view.accepted()) else { continue };
        let (asked, answered) = (origin.time.ms(), receipt.time.ms());
        if answered.saturating_add(FOLLOW_MS_MAX) < asked {
            let doubt = doubt.get_or_insert(Doubt { ahead: true, by_ms: 0, witnesses: BTreeSet::new() });
            doubt.by_ms = doubt.by_ms.max(asked - answered);
            doubt.witnesses.extend(replica.log(&receipt.at.log).map(|log| log.author.device));
        }
    }
    Ok(doubt)
}
