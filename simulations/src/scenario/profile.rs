//! Radios and uplinks by name, each with where its figures come from.
//!
//! Rates are what an application gets, and what goes up, since captures do; a source says so where a figure is our estimate.

/// What a radio or an uplink does unless a scenario says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// What scenarios call it.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// How far it reaches from device to device, in metres; nothing for an uplink.
    pub range_m: f64,
    /// Bits a second, each way.
    pub bits_per_s: u64,
    /// A packet there and its answer back, in ms.
    pub round_trip_ms: u64,
    /// From being in reach to a link on which data goes, in ms.
    pub setup_ms: u64,
    /// Packets lost, of a million.
    pub loss_ppm: u32,
    /// Where that comes from.
    pub source: &'static str,
}

impl Profile {
    /// Its range, as scenarios write it.
    #[must_use]
    pub fn range(&self) -> String {
        if self.range_m >= 1_000.0 { format!("{} km", self.range_m / 1_000.0) } else { format!("{} m", self.range_m) }
    }

    /// Its rate, as scenarios write it.
    #[must_use]
    pub fn rate(&self) -> String {
        match self.bits_per_s {
            rate if rate >= 1_000_000 => format!("{} Mbit/s", rate as f64 / 1e6),
            rate => format!("{} kbit/s", rate as f64 / 1e3),
        }
    }

    /// Its round trip, as scenarios write it.
    #[must_use]
    pub fn round_trip(&self) -> String {
        time(self.round_trip_ms)
    }

    /// Its set-up time, as scenarios write it.
    #[must_use]
    pub fn setup(&self) -> String {
        time(self.setup_ms)
    }

    /// What it loses, as scenarios write it.
    #[must_use]
    pub fn loss(&self) -> String {
        format!("{} %", f64::from(self.loss_ppm) / 1e4)
    }
}

fn time(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{} s", ms as f64 / 1e3),
        _ => format!("{} min", ms as f64 / 6e4),
    }
}

const fn radio(
    (name, what): (&'static str, &'static str),
    range_m: f64,
    bits_per_s: u64,
    round_trip_ms: u64,
    setup_ms: u64,
    loss_ppm: u32,
    source: &'static str,
) -> Profile {
    Profile { name, what, range_m, bits_per_s, round_trip_ms, setup_ms, loss_ppm, source }
}

const fn uplink(
    named: (&'static str, &'static str),
    bits_per_s: u64,
    round_trip_ms: u64,
    setup_ms: u64,
    loss_ppm: u32,
    source: &'static str,
) -> Profile {
    radio(named, 0.0, bits_per_s, round_trip_ms, setup_ms, loss_ppm, source)
}

/// How devices talk to each other.
pub const RADIOS: &[Profile] = &[
    radio(
        ("wifi-ap", "Wi-Fi, one tablet as the access point"),
        80.0,
        10_000_000,
        10,
        2_000,
        0,
        "IEEE 802.11n at its lowest steps (MCS 0: 6.5 Mbit/s, MCS 2: 19.5 Mbit/s in 20 MHz); 50 to 100 m outdoors between hand-held \
         devices, of which 80 m, 10 Mbit/s and 2 s to join are our estimates; radio losses are repaired below IP",
    ),
    radio(
        ("wifi-forest", "Wi-Fi among trees or walls"),
        40.0,
        6_000_000,
        15,
        3_000,
        5_000,
        "as wifi-ap, with half the range: by ITU-R P.833 foliage takes some tenths of a dB a metre at 2.4 GHz, about 10 dB over 40 m; \
         our estimate",
    ),
    radio(
        ("wifi-long", "Wi-Fi with directional antennas on masts or vehicles, aimed"),
        8_000.0,
        30_000_000,
        10,
        5_000,
        1_000,
        "vendors of 802.11n point-to-point bridges state 10 km and more at 100 Mbit/s and above in line of sight; 8 km at 30 Mbit/s \
         leaves a margin for aiming by hand, our estimate",
    ),
    radio(
        ("wifi-vehicle", "Wi-Fi with an omnidirectional antenna on a vehicle's roof"),
        300.0,
        10_000_000,
        10,
        2_000,
        1_000,
        "802.11 at 20 dBm EIRP (ETSI EN 300 328) in free space reaches a tablet at -75 dBm beyond 500 m; 300 m near the ground is \
         our estimate",
    ),
    radio(
        ("ble", "Bluetooth Low Energy, 2M PHY"),
        30.0,
        700_000,
        60,
        3_000,
        0,
        "Bluetooth Core 5.0; Nordic Semiconductor measures up to 1.36 Mbit/s and states about 100 m outdoors at best; half the rate \
         and 30 m carried on a body are our estimates; losses are repaired by its link layer",
    ),
    radio(
        ("ble-coded", "Bluetooth Low Energy, coded PHY (S=8)"),
        120.0,
        60_000,
        200,
        5_000,
        0,
        "Bluetooth Core 5.0: 125 kbit/s on the air for about four times the range of 1M; 60 kbit/s and 120 m on a body are our \
         estimates",
    ),
];

/// How a device reaches the hub.
pub const UPLINKS: &[Profile] = &[
    uplink(
        ("fixed", "DSL, fibre or a network of the premises"),
        20_000_000,
        40,
        1_000,
        0,
        "common DSL upload rates in ITU-T G.993.2; round trip over a VPN in one country, our estimate",
    ),
    uplink(
        ("4g", "LTE"),
        5_000_000,
        80,
        3_000,
        1_000,
        "Grigorik, High Performance Browser Networking, chapter 7: 1 to 50 Mbit/s, below 100 ms; 5 Mbit/s up at the edge of a cell \
         is our estimate",
    ),
    uplink(("3g", "UMTS/HSPA"), 1_000_000, 200, 5_000, 5_000, "Grigorik, chapter 7: 0.5 to 5 Mbit/s, 100 to 500 ms"),
    uplink(
        ("2g", "GSM/EDGE"),
        100_000,
        700,
        10_000,
        10_000,
        "Grigorik, chapter 7: 100 to 400 kbit/s, 300 to 1,000 ms, of which the slow end; 10 s to attach is our estimate",
    ),
    uplink(
        ("leo", "broadband by satellites in low orbit"),
        10_000_000,
        60,
        60_000,
        5_000,
        "operators state 5 to 20 Mbit/s up and 25 to 60 ms; a minute from power to service and 0.5 % lost at hand-overs are our \
         estimates",
    ),
    uplink(
        ("geo-vsat", "a dish to a geostationary satellite"),
        2_000_000,
        600,
        120_000,
        1_000,
        "Huston (APNIC, 2022): at least 477 ms by geometry, about 600 ms measured; 2 Mbit/s is a common service, two minutes to lock \
         and log on our estimate",
    ),
    uplink(
        ("bgan", "an L-band terminal the size of a laptop, geostationary (Inmarsat BGAN)"),
        240_000,
        1_000,
        60_000,
        2_000,
        "up to about 400 kbit/s best effort, shared by a beam (Inmarsat-4); 800 to 1,200 ms by its makers; 240 kbit/s and a minute \
         to point it are our estimates",
    ),
    uplink(
        ("certus", "an L-band terminal without aiming, low orbit (Iridium Certus)"),
        200_000,
        700,
        30_000,
        5_000,
        "Iridium: 352 kbit/s up at the 700 class, 176 kbit/s at the 200 class; round trip of 600 to 800 ms and 30 s to log on are \
         our estimates",
    ),
    uplink(
        ("certus-100", "the same, hand-held class"),
        20_000,
        1_200,
        30_000,
        10_000,
        "Iridium: 22 kbit/s up at the 100 class; the rest as certus, our estimates",
    ),
];

/// One of a table.
pub(super) fn find(of: &'static [Profile], name: &str) -> Option<&'static Profile> {
    of.iter().find(|profile| profile.name == name)
}
