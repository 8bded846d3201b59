//! A link: two lanes, each with what is on its way.

use std::collections::VecDeque;

use crdt::seal::Seed;

/// Frames on the way over a lane that takes no time to fill; more wait in the engine, as behind a real transport's window.
const IN_FLIGHT_MAX: usize = 4;

/// What one packet carries, in bytes: what is left of an Ethernet frame by IP, UDP and QUIC, with some to spare for tunnels.
const PACKET_BYTES: u64 = 1_200;
/// How often one packet is lost in a row at most: a link that loses everything still ends.
const LOST_MAX: u64 = 20;

/// How a link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From leaving one end to arriving at the other, in ms.
    pub latency_ms: u64,
    /// Bits a second, each way; none if filling the link takes no time.
    pub bits_per_s: Option<u64>,
    /// Packets lost, of a million. What is lost is sent again: it takes its time twice, and all behind it waits for a round trip.
    pub loss_ppm: u32,
}

impl Pace {
    /// A link that takes a time, and no time to fill.
    #[must_use]
    pub const fn of(latency_ms: u64) -> Self {
        Self { latency_ms, bits_per_s: None, loss_ppm: 0 }
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    /// Until when what was handed over is still leaving, in microseconds.
    leaves_us: u64,
    /// What is on its way, in order.
    flying: VecDeque<Vec<u8>>,
    /// Whether somebody is woken when there is room.
    watched: bool,
    /// When the last frame arrives, in ms.
    last_ms: u64,
    /// Frames that were handed over so far.
    frames: u64,
    /// Whether nothing gets through any more.
    dead: bool,
}

/// What no sound transport does to frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meddling {
    /// One bit of one is another.
    Flip(u64),
    /// It ends too early.
    Truncate(u64),
    /// It and the one before it change places.
    Swap,
}

/// A link between two devices.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) ends: [usize; 2],
    pace: Pace,
    lanes: [Lane; 2],
    closed: bool,
    /// What its losses follow from.
    seed: Seed,
    /// Which meter counts what goes over it.
    pub(super) meter: Option<usize>,
}

/// What handing a frame over leads to.
pub(super) struct Sent {
    pub(super) to: usize,
    pub(super) arrives_ms: u64,
}

impl Link {
    pub(super) fn new(ends: [usize; 2], pace: Pace, seed: Seed) -> Self {
        Self { ends, pace, lanes: Default::default(), closed: false, seed, meter: None }
    }

    /// Whether a device may hand over a frame.
    pub(super) fn has_room(&self, from: usize, now_ms: u64) -> bool {
        let lane = &self.lanes[self.side(from)];
        if self.closed || lane.dead {
            return false;
        }
        match self.pace.bits_per_s {
            None => lane.flying.len() < IN_FLIGHT_MAX,
            // The next frame is chosen when the last one has left, so that what is urgent never waits for more than one.
            Some(_) => lane.leaves_us <= now_ms * 1000,
        }
    }

    pub(super) fn send(&mut self, from: usize, now_ms: u64, bytes: Vec<u8>) -> Sent {
        let (side, pace) = (self.side(from), self.pace);
        let lost = self.lost(side, bytes.len() as u64);
        let lane = &mut self.lanes[side];
        lane.frames += 1;
        let begins_us = lane.leaves_us.max(now_ms * 1000);
        let wire_bytes = bytes.len() as u64 + lost * PACKET_BYTES;
        let takes_us = pace.bits_per_s.map_or(0, |rate| (wire_bytes * 8 * 1_000_000).div_ceil(rate.max(1)));
        lane.leaves_us = begins_us.saturating_add(takes_us);
        lane.flying.push_back(bytes);
        let left_ms = lane.leaves_us.div_ceil(1000);
        let again_ms = if lost > 0 { 2 * pace.latency_ms } else { 0 };
        // A stream keeps its order: nothing overtakes what is sent again.
        lane.last_ms = left_ms.saturating_add(pace.latency_ms + again_ms).max(lane.last_ms);
        Sent { to: self.ends[1 - side], arrives_ms: lane.last_ms }
    }

    /// When a device that found no room is to look again; none if an arrival makes room, or if it looks already.
    pub(super) fn room_ms(&mut self, from: usize) -> Option<u64> {
        let side = self.side(from);
        let lane = &mut self.lanes[side];
        let looks = self.pace.bits_per_s.is_some() && !self.closed && !lane.dead;
        (looks && !std::mem::replace(&mut lane.watched, true)).then(|| lane.leaves_us.div_ceil(1000))
    }

    /// Whether an arrival makes room for the sender.
    pub(super) const fn waits_for_arrivals(&self) -> bool {
        self.pace.bits_per_s.is_none()
    }

    /// The frame that arrives next at a device.
    pub(super) fn arrive(&mut self, to: usize) -> Option<Vec<u8>> {
        let side = 1 - self.side(to);
        if self.lanes[side].dead {
            return None;
        }
        self.lanes[side].flying.pop_front()
    }

    /// Nothing that a device sends gets through any more.
    pub(super) fn go_dead(&mut self, from: usize) {
        let side = self.side(from);
        self.lanes[side].dead = true;
    }

    /// Does something to what a device sent last that mustn't happen. Says whether it could.
    pub(super) fn meddle(&mut self, from: usize, how: Meddling) -> bool {
        let side = self.side(from);
        let flying = &mut self.lanes[side].flying;
        let last = flying.len().saturating_sub(1);
        let Some(frame) = flying.back_mut().filter(|frame| !frame.is_empty()) else { return false };
        match how {
            Meddling::Flip(bit) => {
                let bit = (bit % (frame.len() as u64 * 8)) as usize;
                frame[bit / 8] ^= 1 << (bit % 8);
            }
            Meddling::Truncate(len) => frame.truncate((len % frame.len() as u64) as usize),
            Meddling::Swap if last == 0 => return false,
            Meddling::Swap => flying.swap(last - 1, last),
        }
        true
    }

    /// Somebody looks whether there is room.
    pub(super) fn looked(&mut self, from: usize) {
        let side = self.side(from);
        self.lanes[side].watched = false;
    }

    /// One end closes it. Returns when the other one notices: after what is still on its way there.
    pub(super) fn close(&mut self, by: usize, now_ms: u64) -> u64 {
        self.closed = true;
        let side = self.side(by);
        self.lanes[1 - side].flying.clear();
        self.lanes[side].last_ms.max(now_ms.saturating_add(self.pace.latency_ms))
    }

    pub(super) fn other(&self, device: usize) -> usize {
        self.ends[1 - self.side(device)]
    }

    /// How many packets of the next frame are lost.
    fn lost(&self, side: usize, bytes: u64) -> u64 {
        if self.pace.loss_ppm == 0 {
            return 0;
        }
        let mut draws = blake3::Hasher::new_keyed(&self.seed);
        draws.update(&(side as u64).to_be_bytes()).update(&self.lanes[side].frames.to_be_bytes());
        let (mut draws, mut draw) = (draws.finalize_xof(), [0; 4]);
        let mut is_lost = || {
            draws.fill(&mut draw);
            u64::from(u32::from_be_bytes(draw)) * 1_000_000 / (1 << 32) < u64::from(self.pace.loss_ppm)
        };
        (0..bytes.div_ceil(PACKET_BYTES)).map(|_| (0..LOST_MAX).take_while(|_| is_lost()).count() as u64).sum()
    }

    /// Which lane a device sends on.
    fn side(&self, device: usize) -> usize {
        usize::from(self.ends[0] != device)
    }
}
