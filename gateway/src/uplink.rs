//! The way out: whom to connect to, and when this device counts as a gateway.
//!
//! A pure table-shaped machine. A device is a gateway from the moment a hub has admitted it; it stops being one only when
//! the hub has been out of reach for a while, so that a link that blinks doesn't make the whole site believe and doubt in turn.

use std::collections::VecDeque;

/// First wait after a failed connection, in ms; doubled each time.
pub const BACKOFF_MS_MIN: u64 = 1_000;
/// Longest wait, in ms.
pub const BACKOFF_MS_MAX: u64 = 30_000;
/// How long a connection may go without the hub admitting us, in ms: a captive portal lets packets through and answers nothing.
pub const GREETING_MS_MAX: u64 = 12_000;
/// How long the hub may be out of reach before this device stops being a gateway, in ms.
pub const WAVERING_MS_MAX: u64 = 5_000;

/// Where the way out stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Waiting before the next try.
    Waiting,
    /// A connection is being made.
    Connecting,
    /// Connected; the hub hasn't admitted us yet.
    Greeting,
    /// The hub has admitted us.
    Up,
    /// It was so a moment ago; waiting before the next try.
    WaveringWaiting,
    /// It was so a moment ago; a connection is being made.
    WaveringConnecting,
    /// It was so a moment ago; connected again, not admitted yet.
    WaveringGreeting,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Connecting,
        Self::Greeting,
        Self::Up,
        Self::WaveringWaiting,
        Self::WaveringConnecting,
        Self::WaveringGreeting,
    ];

    /// Whether this device counts as a gateway.
    #[must_use]
    pub const fn is_gateway(self) -> bool {
        matches!(self, Self::Up | Self::WaveringWaiting | Self::WaveringConnecting | Self::WaveringGreeting)
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting | Self::WaveringConnecting => "connecting",
            Self::Greeting | Self::WaveringGreeting => "greeting",
            Self::Up => "up",
            Self::WaveringWaiting => "wavering",
        }
    }
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// It is time for the next try.
    Due,
    /// A connection is up.
    Connected,
    /// The hub has admitted us.
    Admitted,
    /// The connection failed or is gone.
    Lost,
    /// The hub didn't admit us in time.
    Silent,
    /// Out of reach for too long to be called a gateway.
    Faded,
}

impl Happening {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Due, Self::Connected, Self::Admitted, Self::Lost, Self::Silent, Self::Faded];
}

/// The table. `None`: nothing changes.
#[must_use]
pub const fn next(state: State, happening: Happening) -> Option<State> {
    use Happening as H;
    use State as S;
    match (state, happening) {
        (S::Waiting, H::Due) => Some(S::Connecting),
        (S::Connecting, H::Connected) => Some(S::Greeting),
        (S::WaveringWaiting, H::Due) => Some(S::WaveringConnecting),
        (S::WaveringConnecting, H::Connected) => Some(S::WaveringGreeting),
        (S::Greeting | S::WaveringGreeting, H::Admitted) => Some(S::Up),
        (S::Connecting | S::Greeting, H::Lost) | (S::Greeting, H::Silent) => Some(S::Waiting),
        (S::Up | S::WaveringConnecting | S::WaveringGreeting, H::Lost) | (S::WaveringGreeting, H::Silent) => {
            Some(S::WaveringWaiting)
        }
        (S::WaveringWaiting, H::Faded) => Some(S::Waiting),
        (S::WaveringConnecting, H::Faded) => Some(S::Connecting),
        (S::WaveringGreeting, H::Faded) => Some(S::Greeting),
        _ => None,
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to the hub of this number.
    Connect(usize),
    /// Give the connection up.
    Disconnect,
    /// This device became a gateway, or stopped being one.
    Gateway(bool),
}

/// The machine, for hubs tried in turn.
#[derive(Debug)]
pub struct Uplink {
    state: State,
    since_ms: u64,
    hubs: usize,
    hub: usize,
    seed: u64,
    failures: u32,
    due_ms: u64,
    greeting_ends_ms: u64,
    fades_ms: u64,
    trouble: Option<String>,
    outputs: VecDeque<Output>,
}

impl Uplink {
    /// A way out to one of `hubs` hubs, tried in turn from now on; `seed` spreads the waits of devices that fail together.
    #[must_use]
    pub const fn new(now_ms: u64, hubs: usize, seed: u64) -> Self {
        Self {
            state: State::Waiting,
            since_ms: now_ms,
            hubs,
            hub: 0,
            seed,
            failures: 0,
            due_ms: now_ms,
            greeting_ends_ms: 0,
            fades_ms: 0,
            trouble: None,
            outputs: VecDeque::new(),
        }
    }

    /// A connection is up.
    pub fn connected(&mut self, now_ms: u64) {
        self.step(now_ms, Happening::Connected);
    }

    /// The hub has admitted us.
    pub fn admitted(&mut self, now_ms: u64) {
        self.step(now_ms, Happening::Admitted);
    }

    /// The connection failed or is gone.
    pub fn lost(&mut self, now_ms: u64, why: impl Into<String>) {
        self.trouble = Some(why.into());
        self.step(now_ms, Happening::Lost);
    }

    /// The device's addresses changed: what failed before may work now.
    pub fn addresses_changed(&mut self, now_ms: u64) {
        self.failures = 0;
        self.due_ms = self.due_ms.min(now_ms);
        self.tick(now_ms);
    }

    /// Time passed.
    pub fn tick(&mut self, now_ms: u64) {
        if self.state.is_gateway() && self.state != State::Up && now_ms >= self.fades_ms {
            self.step(now_ms, Happening::Faded);
        }
        let greeting = matches!(self.state, State::Greeting | State::WaveringGreeting);
        if greeting && now_ms >= self.greeting_ends_ms {
            self.trouble = Some("something answers, but not as the hub: a captive portal, or another service".into());
            self.outputs.push_back(Output::Disconnect);
            self.step(now_ms, Happening::Silent);
        }
        if now_ms >= self.due_ms {
            self.step(now_ms, Happening::Due);
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::tick`] at the latest, in ms.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        let fades = (self.state.is_gateway() && self.state != State::Up).then_some(self.fades_ms);
        let own = match self.state {
            State::Waiting | State::WaveringWaiting => Some(self.due_ms),
            State::Greeting | State::WaveringGreeting => Some(self.greeting_ends_ms),
            State::Connecting | State::WaveringConnecting | State::Up => None,
        };
        fades.into_iter().chain(own).min()
    }

    /// Where it stands, and since when, in ms.
    #[must_use]
    pub const fn state(&self) -> (State, u64) {
        (self.state, self.since_ms)
    }

    /// In words.
    #[must_use]
    pub fn detail(&self) -> String {
        match (self.state, &self.trouble) {
            (State::Up, _) => "the hub answers".into(),
            (_, Some(trouble)) => format!("the hub isn't reached: {trouble}"),
            (_, None) => "looking for the hub".into(),
        }
    }

    fn step(&mut self, now_ms: u64, happening: Happening) {
        let Some(to) = next(self.state, happening) else { return };
        let was = std::mem::replace(&mut self.state, to);
        self.since_ms = now_ms;
        match to {
            State::Connecting | State::WaveringConnecting if happening == Happening::Due => {
                self.outputs.push_back(Output::Connect(self.hub));
            }
            State::Greeting | State::WaveringGreeting if happening == Happening::Connected => {
                self.greeting_ends_ms = now_ms + GREETING_MS_MAX;
            }
            State::Up => (self.failures, self.trouble) = (0, None),
            State::Waiting | State::WaveringWaiting if happening != Happening::Faded => self.back_off(now_ms, was),
            _ => {}
        }
        if was.is_gateway() != to.is_gateway() {
            self.outputs.push_back(Output::Gateway(to.is_gateway()));
        }
    }

    fn back_off(&mut self, now_ms: u64, was: State) {
        if was == State::Up {
            // A link that was good is tried again at once.
            (self.due_ms, self.fades_ms) = (now_ms, now_ms + WAVERING_MS_MAX);
            return;
        }
        self.hub = (self.hub + 1) % self.hubs.max(1);
        let wait = BACKOFF_MS_MIN.saturating_mul(1 << self.failures.min(10)).min(BACKOFF_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        let mixed = (self.seed ^ u64::from(self.failures)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.due_ms = now_ms + wait / 2 + (mixed >> 16) % (wait / 2 + 1);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn outputs(uplink: &mut Uplink) -> Vec<Output> {
        std::iter::from_fn(|| uplink.poll()).collect()
    }

    fn up() -> Uplink {
        let mut uplink = Uplink::new(0, 1, 1);
        uplink.tick(0);
        uplink.connected(10);
        uplink.admitted(20);
        assert_eq!(outputs(&mut uplink), [Output::Connect(0), Output::Gateway(true)]);
        uplink
    }

    #[test]
    fn all_transitions() {
        let mut table = String::new();
        for state in State::ALL {
            for happening in Happening::ALL {
                let to = next(state, happening).map_or("stays".to_owned(), |to| format!("{to:?}"));
                writeln!(table, "{state:?} + {happening:?} -> {to}").unwrap();
            }
        }
        assert_eq!(table, include_str!("uplink.table"), "{table}");
    }

    #[test]
    fn only_being_admitted_makes_a_gateway() {
        for state in State::ALL.into_iter().filter(|state| !state.is_gateway()) {
            for happening in Happening::ALL {
                let becomes = next(state, happening).is_some_and(State::is_gateway);
                assert_eq!(becomes, state == State::Greeting && happening == Happening::Admitted);
            }
        }
    }

    #[test]
    fn a_link_that_blinks_stays_a_gateway_and_one_that_stays_away_does_not() {
        let mut uplink = up();
        uplink.lost(1_000, "cut");
        uplink.tick(1_000);
        uplink.connected(1_050);
        uplink.admitted(1_100);
        assert_eq!(outputs(&mut uplink), [Output::Connect(0)]);
        uplink.lost(2_000, "cut");
        uplink.tick(2_000);
        uplink.lost(2_100, "no answer");
        uplink.tick(2_000 + WAVERING_MS_MAX - 1);
        assert!(uplink.state().0.is_gateway());
        uplink.tick(2_000 + WAVERING_MS_MAX);
        assert!(!uplink.state().0.is_gateway());
        assert!(outputs(&mut uplink).contains(&Output::Gateway(false)));
        assert!(uplink.detail().contains("no answer"));
    }

    #[test]
    fn waits_grow_to_their_limit_and_a_new_network_is_tried_at_once() {
        let mut uplink = Uplink::new(0, 2, 5);
        let (mut now_ms, mut waits, mut tried) = (0, Vec::new(), Vec::new());
        for _ in 0..10 {
            uplink.tick(now_ms);
            tried.extend(outputs(&mut uplink));
            uplink.lost(now_ms, "no answer");
            let next = uplink.wake_at().unwrap();
            waits.push(next - now_ms);
            now_ms = next;
        }
        assert!(waits[0] <= BACKOFF_MS_MIN && *waits.last().unwrap() >= BACKOFF_MS_MAX / 2);
        assert!(waits.iter().all(|wait| *wait <= BACKOFF_MS_MAX));
        assert_eq!(tried[..3], [Output::Connect(0), Output::Connect(1), Output::Connect(0)], "hubs take turns");
        uplink.addresses_changed(now_ms - 1);
        assert_eq!(outputs(&mut uplink).len(), 1);
    }

    #[test]
    fn a_captive_portal_is_named() {
        let mut uplink = Uplink::new(0, 1, 1);
        uplink.tick(0);
        uplink.connected(5);
        uplink.tick(5 + GREETING_MS_MAX - 1);
        assert_eq!(uplink.state().0, State::Greeting);
        uplink.tick(5 + GREETING_MS_MAX);
        assert_eq!(uplink.state().0, State::Waiting);
        assert!(uplink.detail().contains("captive portal"));
    }
}
