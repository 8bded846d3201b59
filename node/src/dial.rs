//! Whom to dial, which links to keep: decided here, carried out by the mesh.
//!
//! Pure: time is an argument, the jitter of waiting times follows from a seed. What multicast discovery claims is only a
//! hint; membership is decided by the sync session, and who is of another site isn't dialled again for a while.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use crdt::sync::CloseReason;

/// A device's Ed25519 public key.
pub type DeviceKey = [u8; 32];

/// Links that a device looks for by itself: enough that any one may fail, few enough for a shared radio channel.
pub const LINKS_WANTED: usize = 6;
/// Links that it keeps at most; others may dial it too.
pub const LINKS_MAX: usize = 12;
/// Addresses that it remembers as worth trying.
pub const CANDIDATES_MAX: usize = 256;
/// First wait after a failed dial, in ms; doubled each time.
pub const BACKOFF_MS_MIN: u64 = 1_000;
/// Longest wait, in ms.
pub const BACKOFF_MS_MAX: u64 = 60_000;
/// Longest wait, in ms, for a device that multicast discovery has heard and doesn't hear any more. It may be wrong: multicast is what
/// busy access points drop first.
pub const LOST_BACKOFF_MS_MAX: u64 = 600_000;
/// How long multicast discovery takes to lose a device that is out of reach, in ms.
pub const UNHEARD_MS: u64 = 60_000;
/// A link that lasted this long, in ms, was a good one: its address is tried at once again.
const GOOD_LINK_MS: u64 = 30_000;
/// The minute of that bound, in ms.
const MINUTE_MS: u64 = 60_000;
/// How long the device with the higher key leaves dialling to the other, in ms: one of two links would be closed anyway.
const POLITENESS_MS: u64 = 2_000;
/// How long a device of another site, or a revoked one, isn't dialled again, in ms.
const STRANGER_MS: u64 = 600_000;
/// Dials a minute at the word of multicast discovery, which anyone on the network can flood.
const DISCOVERED_DIALS_MAX: u32 = 60;
/// Two links to one device that come up within this time, in ms, were dialled by both sides at once. Otherwise the newer one
/// counts: who has a link doesn't dial, so that the device at the other end has lost the older one, by a restart or a move.
const AT_ONCE_MS: u64 = 3_000;

/// Where an address comes from, the most trusted last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Multicast discovery.
    Mdns,
    /// A device met there before.
    Book,
    /// Somebody's word: configured, or given while running. Never given up.
    Static,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Input {
    /// An address worth trying.
    Found {
        /// Where.
        address: SocketAddr,
        /// Who is said to be there.
        device: Option<DeviceKey>,
        /// Who says so.
        source: Source,
    },
    /// Multicast discovery doesn't hear of a device at an address any more.
    Lost {
        /// Where.
        address: SocketAddr,
    },
    /// A transport connected and proved a key.
    Up {
        /// The link.
        link: u64,
        /// The key.
        device: DeviceKey,
        /// Whether this side dialled.
        initiator: bool,
        /// The other end's address.
        address: SocketAddr,
    },
    /// The device at the other end is a member.
    Admitted {
        /// The link.
        link: u64,
    },
    /// The membership handshake with a device failed.
    NotAdmitted {
        /// The device.
        device: DeviceKey,
        /// Why.
        reason: CloseReason,
    },
    /// A link is gone.
    Down {
        /// The link.
        link: u64,
    },
    /// A dial came to nothing.
    Failed {
        /// Where.
        address: SocketAddr,
    },
    /// This device's own addresses changed: what failed before may work now.
    AddressesChanged,
    /// Time passed.
    Tick,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Dial.
    Dial {
        /// Where.
        address: SocketAddr,
        /// Who must be there.
        device: Option<DeviceKey>,
    },
    /// Close a link.
    Close {
        /// Which.
        link: u64,
    },
    /// A member was met at an address: worth remembering, and trying when the link is lost.
    Remember {
        /// Who.
        device: DeviceKey,
        /// Where.
        address: SocketAddr,
    },
}

#[derive(Clone, Debug)]
struct Candidate {
    device: Option<DeviceKey>,
    source: Source,
    failures: u32,
    /// Not before this time, in ms.
    not_before_ms: u64,
    dialling: bool,
    /// Multicast discovery has lost it.
    lost: bool,
}

#[derive(Clone, Debug)]
struct Link {
    device: DeviceKey,
    initiator: bool,
    address: SocketAddr,
    up_ms: u64,
    admitted: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Dialer {
    own: DeviceKey,
    seed: u64,
    candidates: BTreeMap<SocketAddr, Candidate>,
    links: BTreeMap<u64, Link>,
    unwanted: BTreeMap<DeviceKey, Unwanted>,
    outputs: VecDeque<Output>,
    minute: (u64, u32),
}

/// A device that isn't dialled for a while.
#[derive(Clone, Copy, Debug)]
struct Unwanted {
    until_ms: u64,
    /// One of another site hears nothing. One that was revoked is told so whenever it comes.
    stranger: bool,
}

impl Dialer {
    /// For the device with this key; `seed` spreads the waiting times of devices that fail together.
    #[must_use]
    pub const fn new(own: DeviceKey, seed: u64) -> Self {
        Self {
            own,
            seed,
            candidates: BTreeMap::new(),
            links: BTreeMap::new(),
            unwanted: BTreeMap::new(),
            outputs: VecDeque::new(),
            minute: (0, 0),
        }
    }

    /// One input; drain [`Self::poll`] afterwards.
    pub fn handle(&mut self, now_ms: u64, input: Input) {
        match input {
            Input::Found { address, device, source } => self.found(now_ms, address, device, source),
            Input::Lost { address } => self.lost(address),
            Input::Up { link, device, initiator, address } => self.up(now_ms, link, device, initiator, address),
            Input::Admitted { link } => self.admitted(link),
            Input::NotAdmitted { device, reason } => self.not_admitted(now_ms, device, &reason),
            Input::Down { link } => self.down(now_ms, link),
            Input::Failed { address } => self.failed(now_ms, address),
            Input::AddressesChanged => self.try_all_again(now_ms),
            Input::Tick => {}
        }
        self.dial_what_is_due(now_ms);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Tick`] at the latest, in ms; `None` while there is nothing to try.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        let next_minute_ms = if self.minute.1 < DISCOVERED_DIALS_MAX { 0 } else { self.minute.0 + MINUTE_MS };
        let at_ms = |candidate: &Candidate| match candidate.source {
            Source::Mdns => candidate.not_before_ms.max(next_minute_ms),
            Source::Book | Source::Static => candidate.not_before_ms,
        };
        self.wanted().map(|(_, candidate)| at_ms(candidate)).min()
    }

    fn found(&mut self, now_ms: u64, address: SocketAddr, device: Option<DeviceKey>, source: Source) {
        if device == Some(self.own) || address.port() == 0 {
            return;
        }
        let polite = device.is_some_and(|device| device < self.own) && source == Source::Mdns;
        let not_before_ms = if polite { now_ms + POLITENESS_MS } else { now_ms };
        if let Some(known) = self.candidates.get_mut(&address) {
            let other = known.device != device && device.is_some();
            known.device = if source >= known.source { device.or(known.device) } else { known.device };
            known.source = known.source.max(source);
            // What was tried in vain is there now. Who says so may lie, so that it counts.
            let back = source == Source::Mdns && known.failures > 0 && self.minute.1 < DISCOVERED_DIALS_MAX;
            if other || back {
                (known.failures, known.not_before_ms) = (0, known.not_before_ms.min(not_before_ms));
                self.minute.1 += u32::from(back && known.source != Source::Mdns);
            }
            known.lost = false;
            return;
        }
        if self.candidates.len() >= CANDIDATES_MAX && !self.make_room(source) {
            return;
        }
        let candidate = Candidate { device, source, failures: 0, not_before_ms, dialling: false, lost: false };
        self.candidates.insert(address, candidate);
    }

    /// What only discovery named is forgotten. Where a member was met is tried again, more seldom; where somebody said that one is, as
    /// often as ever.
    fn lost(&mut self, address: SocketAddr) {
        let Some(known) = self.candidates.get_mut(&address) else { return };
        match known.source {
            Source::Mdns => _ = self.candidates.remove(&address),
            Source::Book => known.lost = true,
            Source::Static => {}
        }
    }

    /// Forgets the least trusted address that failed most, if it is no better than the new one.
    fn make_room(&mut self, source: Source) -> bool {
        let idle = self.candidates.iter().filter(|(_, candidate)| !candidate.dialling);
        let worst = idle.min_by_key(|(_, candidate)| (candidate.source, u32::MAX - candidate.failures));
        let Some((address, candidate)) = worst.map(|(address, candidate)| (*address, candidate.clone())) else {
            return false;
        };
        if candidate.source > source || candidate.source == Source::Static {
            return false;
        }
        self.candidates.remove(&address);
        true
    }

    fn up(&mut self, now_ms: u64, link: u64, device: DeviceKey, initiator: bool, address: SocketAddr) {
        if let Some(candidate) = self.candidates.get_mut(&address)
            && initiator
        {
            candidate.dialling = false;
            candidate.device = Some(device);
        }
        let stranger = self.unwanted.get(&device).is_some_and(|it| it.stranger && now_ms < it.until_ms);
        // One more than the limit is let in while it replaces another link of its device.
        let again = self.links.values().any(|known| known.device == device);
        self.links.insert(link, Link { device, initiator, address, up_ms: now_ms, admitted: false });
        if device == self.own || stranger || (self.links.len() > LINKS_MAX && !again) {
            self.outputs.push_back(Output::Close { link });
            return;
        }
        self.keep_one(now_ms, link, device);
    }

    /// Of two links to one device that both sides dialled at once, both keep the one that the lower key dialled. Otherwise the
    /// newer one stays.
    fn keep_one(&mut self, now_ms: u64, new: u64, device: DeviceKey) {
        let others: Vec<u64> = self
            .links
            .iter()
            .filter(|(link, known)| **link != new && known.device == device)
            .map(|(link, _)| *link)
            .collect();
        for old in others {
            let (Some(older), Some(newer)) = (self.links.get(&old), self.links.get(&new)) else { continue };
            let at_once = now_ms < older.up_ms.saturating_add(AT_ONCE_MS);
            let dialled_by_lower = |link: &Link| link.initiator == (self.own < device);
            let keep_new = !at_once || dialled_by_lower(newer) || !dialled_by_lower(older);
            self.outputs.push_back(Output::Close { link: if keep_new { old } else { new } });
        }
    }

    fn admitted(&mut self, link: u64) {
        let Some(known) = self.links.get_mut(&link) else { return };
        known.admitted = true;
        // Whoever dialled did so from where it listens, so that either side can come back to the other.
        self.outputs.push_back(Output::Remember { device: known.device, address: known.address });
    }

    /// Only a device of another site stays one, and one that was revoked. An expired certificate is renewed, and who fell silent within the handshake
    /// was perhaps switched off: those are tried again like any address that failed.
    fn not_admitted(&mut self, now_ms: u64, device: DeviceKey, reason: &CloseReason) {
        if !matches!(reason, CloseReason::Stranger | CloseReason::Revoked) {
            return;
        }
        if self.unwanted.len() >= CANDIDATES_MAX
            && let Some(oldest) = self.unwanted.iter().min_by_key(|(_, it)| it.until_ms).map(|(device, _)| *device)
        {
            self.unwanted.remove(&oldest);
        }
        let stranger = *reason == CloseReason::Stranger;
        self.unwanted.insert(device, Unwanted { until_ms: now_ms + STRANGER_MS, stranger });
    }

    fn down(&mut self, now_ms: u64, link: u64) {
        let Some(gone) = self.links.remove(&link) else { return };
        let Some(candidate) = self.candidates.get_mut(&gone.address) else { return };
        if gone.admitted && now_ms >= gone.up_ms + GOOD_LINK_MS {
            (candidate.failures, candidate.not_before_ms) = (0, now_ms);
        } else {
            self.failed(now_ms, gone.address);
        }
    }

    fn failed(&mut self, now_ms: u64, address: SocketAddr) {
        let seed = self.seed;
        let Some(candidate) = self.candidates.get_mut(&address) else { return };
        candidate.dialling = false;
        let longest = if candidate.lost { LOST_BACKOFF_MS_MAX } else { BACKOFF_MS_MAX };
        let wait = BACKOFF_MS_MIN.saturating_shl(candidate.failures.min(10)).min(longest);
        candidate.failures = candidate.failures.saturating_add(1);
        candidate.not_before_ms = now_ms + jitter(seed, address, candidate.failures, wait);
    }

    fn try_all_again(&mut self, now_ms: u64) {
        for candidate in self.candidates.values_mut() {
            (candidate.failures, candidate.not_before_ms, candidate.lost) = (0, now_ms, false);
        }
    }

    fn dial_what_is_due(&mut self, now_ms: u64) {
        if now_ms >= self.minute.0 + MINUTE_MS {
            self.minute = (now_ms, 0);
        }
        self.unwanted.retain(|_, it| now_ms < it.until_ms);
        let due = self.wanted().filter(|(_, candidate)| candidate.not_before_ms <= now_ms);
        let mut due: Vec<(SocketAddr, Source)> = due.map(|(address, c)| (*address, c.source)).collect();
        due.sort_by_key(|(address, source)| (std::cmp::Reverse(*source), *address));
        let mut room = LINKS_WANTED.saturating_sub(self.links.len() + self.dialling());
        for (address, source) in due {
            if source == Source::Mdns && self.minute.1 >= DISCOVERED_DIALS_MAX {
                continue;
            }
            // What somebody asked for is dialled however many links there are.
            if room == 0 && source != Source::Static {
                continue;
            }
            let Some(candidate) = self.candidates.get_mut(&address) else { continue };
            candidate.dialling = true;
            self.minute.1 += u32::from(source == Source::Mdns);
            room = room.saturating_sub(1);
            self.outputs.push_back(Output::Dial { address, device: candidate.device });
        }
    }

    fn dialling(&self) -> usize {
        self.candidates.values().filter(|candidate| candidate.dialling).count()
    }

    /// What would be dialled as soon as its time has come.
    fn wanted(&self) -> impl Iterator<Item = (&SocketAddr, &Candidate)> {
        let full = self.links.len() + self.dialling() >= LINKS_WANTED;
        let linked = |device: DeviceKey| self.links.values().any(|link| link.device == device);
        let unwanted = move |device: DeviceKey| linked(device) || self.unwanted.contains_key(&device);
        let room = move |candidate: &Candidate| !full || candidate.source == Source::Static;
        self.candidates.iter().filter(move |(_, it)| !it.dialling && room(it) && !it.device.is_some_and(&unwanted))
    }
}

/// Between half and the whole of `wait`, spread by seed, address and try.
fn jitter(seed: u64, address: SocketAddr, tries: u32, wait: u64) -> u64 {
    let mut mixed = seed ^ u64::from(address.port()).rotate_left(32) ^ u64::from(tries);
    for byte in address.ip().to_string().bytes() {
        mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    wait / 2 + (mixed >> 16) % (wait / 2 + 1)
}

trait SaturatingShl {
    fn saturating_shl(self, by: u32) -> Self;
}

impl SaturatingShl for u64 {
    fn saturating_shl(self, by: u32) -> Self {
        self.checked_mul(1 << by).unwrap_or(Self::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: DeviceKey = [1; 32];
    const HIGH: DeviceKey = [9; 32];

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn outputs(dialer: &mut Dialer) -> Vec<Output> {
        std::iter::from_fn(|| dialer.poll()).collect()
    }

    fn found(dialer: &mut Dialer, now_ms: u64, port: u16, device: Option<DeviceKey>, source: Source) -> Vec<Output> {
        dialer.handle(now_ms, Input::Found { address: address(port), device, source });
        outputs(dialer)
    }

    #[test]
    fn a_configured_address_is_dialled_at_once_and_after_each_failure_later() {
        let mut dialer = Dialer::new(LOW, 7);
        assert_eq!(
            found(&mut dialer, 0, 80, None, Source::Static),
            [Output::Dial { address: address(80), device: None }]
        );
        let (mut now_ms, mut waits) = (0, Vec::new());
        for _ in 0..9 {
            dialer.handle(now_ms, Input::Failed { address: address(80) });
            assert_eq!(outputs(&mut dialer), []);
            let next = dialer.wake_at().unwrap();
            waits.push(next - now_ms);
            dialer.handle(next - 1, Input::Tick);
            assert_eq!(outputs(&mut dialer), [], "not a millisecond early");
            dialer.handle(next, Input::Tick);
            assert_eq!(outputs(&mut dialer).len(), 1);
            now_ms = next;
        }
        assert!(waits[0] >= BACKOFF_MS_MIN / 2 && waits[0] <= BACKOFF_MS_MIN);
        assert!(waits.iter().all(|wait| *wait <= BACKOFF_MS_MAX) && *waits.last().unwrap() >= BACKOFF_MS_MAX / 2);
        dialer.handle(now_ms, Input::Failed { address: address(80) });
        dialer.handle(now_ms, Input::AddressesChanged);
        assert_eq!(outputs(&mut dialer).len(), 1, "a new network is a new chance");
    }

    #[test]
    fn of_two_links_both_sides_keep_the_one_that_the_lower_key_dialled() {
        let (mut low, mut high) = (Dialer::new(LOW, 1), Dialer::new(HIGH, 2));
        // Link 1 was dialled by the lower key, link 2 by the higher; they arrive in either order.
        for order in [[1, 2], [2, 1]] {
            let mut closed = Vec::new();
            for (dialer, other, own_is_low) in [(&mut low, HIGH, true), (&mut high, LOW, false)] {
                for link in order {
                    let initiator = (link == 1) == own_is_low;
                    dialer.handle(5, Input::Up { link, device: other, initiator, address: address(1) });
                }
                closed.push(outputs(dialer));
                for link in order {
                    dialer.handle(5, Input::Down { link });
                }
            }
            assert_eq!(closed, [vec![Output::Close { link: 2 }], vec![Output::Close { link: 2 }]]);
        }
    }

    /// A device that was killed and started again was turned away for six seconds, for the sake of the dead link to it.
    #[test]
    fn a_device_that_comes_back_replaces_its_old_link() {
        let mut dialer = Dialer::new(LOW, 1);
        dialer.handle(0, Input::Up { link: 1, device: HIGH, initiator: true, address: address(1) });
        let again = |link| Input::Up { link, device: HIGH, initiator: false, address: address(2) };
        dialer.handle(AT_ONCE_MS - 1, again(2));
        assert_eq!(outputs(&mut dialer), [Output::Close { link: 2 }]);
        dialer.handle(AT_ONCE_MS - 1, Input::Down { link: 2 });
        dialer.handle(AT_ONCE_MS, again(3));
        assert_eq!(outputs(&mut dialer), [Output::Close { link: 1 }]);
    }

    /// A device that others had dialled knew nobody after a restart, and waited for them to notice that it was gone.
    #[test]
    fn a_member_is_remembered_whoever_dialled() {
        let mut dialer = Dialer::new(LOW, 1);
        for (link, initiator) in [(1, true), (2, false)] {
            let device = [link as u8 + 1; 32];
            dialer.handle(0, Input::Up { link, device, initiator, address: address(link as u16) });
            dialer.handle(0, Input::Admitted { link });
            assert_eq!(outputs(&mut dialer), [Output::Remember { device, address: address(link as u16) }]);
        }
    }

    #[test]
    fn links_are_bounded() {
        let mut dialer = Dialer::new([0; 32], 1);
        let key = |n: u8| [n + 1; 32];
        for n in 0..LINKS_MAX as u8 {
            dialer
                .handle(0, Input::Up { link: n.into(), device: key(n), initiator: false, address: address(n.into()) });
        }
        assert_eq!(outputs(&mut dialer), []);
        dialer.handle(0, Input::Up { link: 99, device: key(99), initiator: false, address: address(99) });
        assert_eq!(outputs(&mut dialer), [Output::Close { link: 99 }]);
    }

    #[test]
    fn a_flood_of_discoveries_is_bounded_and_static_peers_survive_it() {
        let mut dialer = Dialer::new(LOW, 1);
        found(&mut dialer, 0, 1, None, Source::Static);
        dialer.handle(0, Input::Up { link: 1, device: [1; 32], initiator: true, address: address(1) });
        let mut dials = 0;
        for n in 0..20_000u32 {
            let device = [u8::try_from(n % 250).unwrap() + 2; 32];
            let outputs = found(&mut dialer, 0, u16::try_from(n % 60_000).unwrap() + 2, Some(device), Source::Mdns);
            for output in outputs {
                if let Output::Dial { address, .. } = output {
                    dials += 1;
                    dialer.handle(0, Input::Failed { address });
                }
            }
        }
        assert_eq!(dialer.wake_at(), Some(MINUTE_MS), "nothing to do before");
        assert!(dialer.candidates.len() <= CANDIDATES_MAX);
        assert!(dials <= DISCOVERED_DIALS_MAX, "{dials} dials in one minute");
        assert!(dialer.candidates.contains_key(&address(1)));
    }

    /// Fails a device's dials until its next wait is over `wait_ms`, and says when that was.
    fn fail_until_waits(dialer: &mut Dialer, mut now_ms: u64, port: u16, wait_ms: u64) -> u64 {
        loop {
            dialer.handle(now_ms, Input::Failed { address: address(port) });
            let next_ms = dialer.wake_at().unwrap();
            if next_ms - now_ms > wait_ms {
                return now_ms;
            }
            now_ms = next_ms;
            dialer.handle(now_ms, Input::Tick);
        }
    }

    /// A patrol came back to its post's access point, was announced, and for a minute nobody dialled it: it had been tried in vain
    /// while it was away.
    #[test]
    fn who_is_announced_again_is_dialled_at_once() {
        for source in [Source::Mdns, Source::Book] {
            let mut dialer = Dialer::new(LOW, 1);
            found(&mut dialer, 0, 5, Some(HIGH), source);
            let now_ms = fail_until_waits(&mut dialer, 1, 5, 30_000);
            outputs(&mut dialer);
            let dial = Output::Dial { address: address(5), device: Some(HIGH) };
            assert_eq!(found(&mut dialer, now_ms + 1, 5, Some(HIGH), Source::Mdns), [dial], "{source:?}");
        }
    }

    #[test]
    fn who_announces_a_members_address_again_and_again_causes_few_dials() {
        let mut dialer = Dialer::new(LOW, 1);
        found(&mut dialer, 0, 5, Some(HIGH), Source::Book);
        let mut dials = 0;
        for _ in 0..1_000 {
            dialer.handle(1, Input::Failed { address: address(5) });
            dialer.handle(1, Input::Lost { address: address(5) });
            dials += found(&mut dialer, 1, 5, Some(HIGH), Source::Mdns).len();
        }
        assert!((1..=DISCOVERED_DIALS_MAX as usize).contains(&dials), "{dials} dials in one minute");
    }

    #[test]
    fn who_is_lost_is_forgotten_or_tried_less_often() {
        let lost = Input::Lost { address: address(5) };
        let waits = |source| {
            let mut dialer = Dialer::new(LOW, 1);
            found(&mut dialer, 0, 5, Some(HIGH), source);
            dialer.handle(1, lost.clone());
            let mut now_ms = 1;
            (0..20).fold(0, |_, _| {
                dialer.handle(now_ms, Input::Failed { address: address(5) });
                let wait_ms = dialer.wake_at().unwrap() - now_ms;
                now_ms += wait_ms;
                dialer.handle(now_ms, Input::Tick);
                wait_ms
            })
        };
        assert!(waits(Source::Static) <= BACKOFF_MS_MAX, "somebody's word is never given up");
        let book = waits(Source::Book);
        assert!((LOST_BACKOFF_MS_MAX / 2..=LOST_BACKOFF_MS_MAX).contains(&book), "{book}");

        let mut dialer = Dialer::new(LOW, 1);
        found(&mut dialer, 0, 5, Some(HIGH), Source::Mdns);
        dialer.handle(1, lost);
        dialer.handle(1, Input::Failed { address: address(5) });
        assert_eq!(dialer.wake_at(), None, "nothing to try any more");
    }

    #[test]
    fn who_is_of_another_site_is_left_alone_for_a_while() {
        let mut dialer = Dialer::new(LOW, 1);
        dialer.handle(0, Input::NotAdmitted { device: HIGH, reason: CloseReason::Stranger });
        assert_eq!(found(&mut dialer, 1, 5, Some(HIGH), Source::Mdns), []);
        dialer.handle(STRANGER_MS, Input::Tick);
        assert_eq!(outputs(&mut dialer).len(), 1);
    }

    /// A device was revoked and its links closed. It came back, was turned away without a word, as strangers are, and its
    /// officer never read why.
    #[test]
    fn who_is_revoked_is_not_dialled_and_is_told_when_it_comes() {
        let mut dialer = Dialer::new(LOW, 1);
        dialer.handle(0, Input::NotAdmitted { device: HIGH, reason: CloseReason::Revoked });
        assert_eq!(found(&mut dialer, 1, 5, Some(HIGH), Source::Mdns), []);
        let up = |link, device| Input::Up { link, device, initiator: false, address: address(9) };
        dialer.handle(2, up(1, HIGH));
        assert_eq!(outputs(&mut dialer), [], "the session tells it");
        let stranger = [7; 32];
        dialer.handle(3, Input::NotAdmitted { device: stranger, reason: CloseReason::Stranger });
        dialer.handle(4, up(2, stranger));
        assert_eq!(outputs(&mut dialer), [Output::Close { link: 2 }]);
    }

    /// A member was killed in the middle of the handshake and came back a moment later. It had been taken for a stranger, and
    /// the only two devices of a site didn't talk for ten minutes.
    #[test]
    fn who_fell_silent_within_the_handshake_is_tried_again_soon() {
        let mut dialer = Dialer::new(LOW, 1);
        found(&mut dialer, 0, 5, None, Source::Static);
        dialer.handle(1, Input::Up { link: 1, device: HIGH, initiator: true, address: address(5) });
        let gone_ms = 10_000;
        dialer.handle(gone_ms, Input::NotAdmitted { device: HIGH, reason: CloseReason::Slow });
        dialer.handle(gone_ms, Input::Down { link: 1 });
        assert_eq!(outputs(&mut dialer), []);
        dialer.handle(gone_ms + BACKOFF_MS_MIN, Input::Tick);
        assert_eq!(outputs(&mut dialer), [Output::Dial { address: address(5), device: Some(HIGH) }]);
        dialer.handle(
            gone_ms + BACKOFF_MS_MIN,
            Input::Up { link: 2, device: HIGH, initiator: false, address: address(9) },
        );
        assert_eq!(outputs(&mut dialer), [], "nor is it turned away");
    }

    #[test]
    fn the_lower_key_dials_first() {
        let mut dialer = Dialer::new(HIGH, 1);
        assert_eq!(found(&mut dialer, 0, 5, Some(LOW), Source::Mdns), []);
        dialer.handle(POLITENESS_MS, Input::Tick);
        assert_eq!(outputs(&mut dialer).len(), 1);
        assert_eq!(found(&mut Dialer::new(LOW, 1), 0, 5, Some(HIGH), Source::Mdns).len(), 1);
        assert_eq!(found(&mut Dialer::new(LOW, 1), 0, 5, Some(LOW), Source::Mdns), [], "never itself");
    }
}
