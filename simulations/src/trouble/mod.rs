//! What goes wrong, when: everything that a field, a disk, a clock, a network or a thief does to an operation.
//!
//! [`draw`] draws it for a seed, by swarm: each [`Class`] is on or off by the toss of a coin, and how often it strikes is drawn on a
//! scale of powers, so that some seeds have one sort of trouble only, and much of it. A [`Trouble`] stands for itself: it can be
//! written to a file, left out, or moved, and the others stay as they were.

mod draw;

use serde::{Deserialize, Serialize};

pub(crate) use draw::Draws;
pub use draw::{Dose, Field, Mix, Often, draw};

use crate::liar::Lie;

/// Something that goes wrong at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// When, in ms since the operation began. What needs a link, an image or a device that is on waits until there is one.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What goes wrong. Devices are the plan's, by number, and the hub after them. `which` chooses among the links that are up, or the
/// images that a device holds, by its rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// A power cut. Of what wasn't on the disk yet, so many thousandths happen to be; the device starts again at once.
    Crash {
        /// Whose.
        device: usize,
        /// Thousandths.
        kept: u32,
    },
    /// An empty battery: a power cut, and nothing for a while.
    Off {
        /// Whose.
        device: usize,
        /// For how long.
        for_ms: u64,
    },
    /// The disk has no room left for a while. A restart ends it.
    FullDisk {
        /// Whose.
        device: usize,
        /// For how long.
        for_ms: u64,
    },
    /// One bit of an image on a disk is another.
    Rot {
        /// On whose disk.
        device: usize,
        /// Which image, and which bit.
        which: u64,
    },
    /// A clock is set.
    Clock {
        /// Whose.
        device: usize,
        /// By so much; back if it is negative.
        by_ms: i64,
    },
    /// A clock gains, or loses if it is negative, from now on.
    Drift {
        /// Whose.
        device: usize,
        /// Millionths.
        ppm: i32,
    },
    /// A link is cut.
    Reset {
        /// Which.
        which: u64,
    },
    /// All links of a device are cut, again and again.
    Flap {
        /// Whose.
        device: usize,
        /// How often.
        times: u32,
        /// After how long each.
        every_ms: u64,
    },
    /// What one end of a link sends gets through no more, until the other one gives up.
    OneWay {
        /// Which link and which end.
        which: u64,
    },
    /// Some devices can't reach the others for a while.
    Split {
        /// Who is on one side.
        group: Vec<u32>,
        /// For how long.
        for_ms: u64,
    },
    /// A frame comes twice.
    Duplicate {
        /// Over which link.
        which: u64,
    },
    /// A frame of an earlier moment comes again, over another link.
    Replay {
        /// Over which link, and which frame.
        which: u64,
    },
    /// The next two frames of a link change places.
    Swap {},
    /// A bit of the next frame is another.
    Flip {
        /// Which bit.
        which: u64,
    },
    /// The next frame ends too early.
    Truncate {
        /// Where.
        which: u64,
    },
    /// A network lets nobody through to the hub, though it seems to be there.
    Portal {
        /// Whose way out.
        device: usize,
        /// For how long.
        for_ms: u64,
    },
    /// The hub's database is away.
    HubFails {
        /// For how long.
        for_ms: u64,
    },
    /// The hub takes minutes for what takes seconds.
    HubSlow {
        /// For how long.
        for_ms: u64,
    },
    /// What the hub has screened comes to its desk twice.
    HubTwice {
        /// For how long.
        for_ms: u64,
    },
    /// A device's program is replaced by one that lies.
    Liar {
        /// Whose.
        device: usize,
        /// How, by its number among all lies.
        lie: usize,
    },
    /// A device is revoked by the authority, whose order some device brings.
    Revoke {
        /// Whose.
        device: usize,
        /// Who brings it.
        by: usize,
    },
    /// A device goes on from a copy of its disk that was made earlier.
    Restore {
        /// Whose.
        device: usize,
        /// How much earlier.
        age_ms: u64,
    },
    /// A copy of a device, disk and keys, meets another one for a while.
    Copy {
        /// Of whom.
        device: usize,
        /// Whom it meets.
        meets: usize,
        /// For how long.
        for_ms: u64,
    },
}

/// A sort of trouble, on or off for a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Power cuts.
    Crash,
    /// Batteries.
    Off,
    /// Full disks.
    FullDisk,
    /// Bits that rot.
    Rot,
    /// Clocks that are set.
    Clock,
    /// Clocks that gain or lose.
    Drift,
    /// Links that are cut.
    Reset,
    /// Networks that come and go.
    Flap,
    /// Links that carry one way only.
    OneWay,
    /// Partitions.
    Split,
    /// Frames that come twice.
    Duplicate,
    /// Old frames elsewhere.
    Replay,
    /// Frames out of order.
    Swap,
    /// Frames with other bits.
    Flip,
    /// Frames that end too early.
    Truncate,
    /// Captive portals.
    Portal,
    /// Errors of the hub's database.
    HubFails,
    /// Time-outs after a capture was accepted.
    HubSlow,
    /// Late and double answers.
    HubTwice,
    /// Members that lie.
    Liar,
    /// Revoked devices.
    Revoke,
    /// Devices restored from a backup.
    Restore,
    /// Copied devices.
    Copy,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Crash,
        Self::Off,
        Self::FullDisk,
        Self::Rot,
        Self::Clock,
        Self::Drift,
        Self::Reset,
        Self::Flap,
        Self::OneWay,
        Self::Split,
        Self::Duplicate,
        Self::Replay,
        Self::Swap,
        Self::Flip,
        Self::Truncate,
        Self::Portal,
        Self::HubFails,
        Self::HubSlow,
        Self::HubTwice,
        Self::Liar,
        Self::Revoke,
        Self::Restore,
        Self::Copy,
    ];

    /// What it is called, as in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Off => "off",
            Self::FullDisk => "full_disk",
            Self::Rot => "rot",
            Self::Clock => "clock",
            Self::Drift => "drift",
            Self::Reset => "reset",
            Self::Flap => "flap",
            Self::OneWay => "one_way",
            Self::Split => "split",
            Self::Duplicate => "duplicate",
            Self::Replay => "replay",
            Self::Swap => "swap",
            Self::Flip => "flip",
            Self::Truncate => "truncate",
            Self::Portal => "portal",
            Self::HubFails => "hub_fails",
            Self::HubSlow => "hub_slow",
            Self::HubTwice => "hub_twice",
            Self::Liar => "liar",
            Self::Revoke => "revoke",
            Self::Restore => "restore",
            Self::Copy => "copy",
        }
    }

    /// The one that is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether some of it lasts for a while.
    #[must_use]
    pub const fn lasts(self) -> bool {
        matches!(
            self,
            Self::Off
                | Self::FullDisk
                | Self::Split
                | Self::Portal
                | Self::HubFails
                | Self::HubSlow
                | Self::HubTwice
                | Self::Copy
        )
    }

    /// Whether it does to frames what no sound transport does, so that honest devices may look like liars.
    #[must_use]
    pub const fn meddles(self) -> bool {
        matches!(self, Self::Duplicate | Self::Replay | Self::Swap | Self::Flip | Self::Truncate)
    }
}

impl What {
    /// Of which sort it is.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Crash { .. } => Class::Crash,
            Self::Off { .. } => Class::Off,
            Self::FullDisk { .. } => Class::FullDisk,
            Self::Rot { .. } => Class::Rot,
            Self::Clock { .. } => Class::Clock,
            Self::Drift { .. } => Class::Drift,
            Self::Reset { .. } => Class::Reset,
            Self::Flap { .. } => Class::Flap,
            Self::OneWay { .. } => Class::OneWay,
            Self::Split { .. } => Class::Split,
            Self::Duplicate { .. } => Class::Duplicate,
            Self::Replay { .. } => Class::Replay,
            Self::Swap { .. } => Class::Swap,
            Self::Flip { .. } => Class::Flip,
            Self::Truncate { .. } => Class::Truncate,
            Self::Portal { .. } => Class::Portal,
            Self::HubFails { .. } => Class::HubFails,
            Self::HubSlow { .. } => Class::HubSlow,
            Self::HubTwice { .. } => Class::HubTwice,
            Self::Liar { .. } => Class::Liar,
            Self::Revoke { .. } => Class::Revoke,
            Self::Restore { .. } => Class::Restore,
            Self::Copy { .. } => Class::Copy,
        }
    }

    /// Until how long after it began it lasts.
    #[must_use]
    pub const fn lasts_ms(&self) -> u64 {
        match self {
            Self::Off { for_ms, .. }
            | Self::FullDisk { for_ms, .. }
            | Self::Split { for_ms, .. }
            | Self::Portal { for_ms, .. }
            | Self::HubFails { for_ms }
            | Self::HubSlow { for_ms }
            | Self::HubTwice { for_ms }
            | Self::Copy { for_ms, .. } => *for_ms,
            Self::Flap { times, every_ms, .. } => (*times as u64).saturating_mul(*every_ms),
            _ => 0,
        }
    }

    /// Whether it waits where there is nothing that it could strike yet.
    #[must_use]
    pub const fn waits(&self) -> bool {
        matches!(
            self.class(),
            Class::Crash
                | Class::Rot
                | Class::Reset
                | Class::Flap
                | Class::OneWay
                | Class::Duplicate
                | Class::Replay
                | Class::Liar
                | Class::Revoke
        )
    }

    /// Which lie a liar tells.
    #[must_use]
    pub fn lie(lie: usize) -> Lie {
        Lie::ALL[lie % Lie::ALL.len()]
    }
}
