//! What a scenario file may say, key by key: `docs/SCENARIOS.md` tells the same to people.
//!
//! Here it is only read. What the keys mean together is worked out by [`check`](super::check).

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use super::unit::{Ahead, Clock, Distance, Moment, Rate, Share, Size, Sizes, Speed, Stretch, Time};
use crate::site::Member;

/// A text, and where it stands.
pub(super) type Text = Spanned<String>;

/// A whole file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    pub(super) name: Text,
    pub(super) purpose: Option<String>,
    pub(super) lasts: Spanned<Time>,
    pub(super) screening: Option<Spanned<Time>>,
    pub(super) reads_after: Option<Spanned<Time>>,
    pub(super) regions: Option<Spanned<Regions>>,
    pub(super) contacts: Spanned<Contacts>,
    #[serde(default)]
    pub(super) places: Named<Spanned<(Distance, Distance)>>,
    #[serde(default)]
    pub(super) groups: Named<Spanned<Group>>,
    #[serde(default)]
    pub(super) captures: Named<Spanned<Captures>>,
    pub(super) faults: Option<Spanned<Named<Spanned<Fault>>>>,
}

/// What goes wrong of one sort.
pub(super) enum Fault {
    /// Whether anything does.
    Is(bool),
    /// So much.
    Much(Much),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Much {
    pub(super) total: Option<Spanned<u64>>,
    pub(super) per_day: Option<Spanned<f64>>,
    pub(super) lasts: Option<Spanned<Time>>,
}

/// How often everything is there, or under which names.
pub(super) enum Regions {
    Count(u64),
    Names(Vec<Text>),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contacts {
    pub(super) radio: Text,
    pub(super) range: Option<Spanned<Distance>>,
    pub(super) rate: Option<Spanned<Rate>>,
    pub(super) round_trip: Option<Spanned<Time>>,
    pub(super) setup: Option<Spanned<Time>>,
    pub(super) loss: Option<Spanned<Share>>,
    pub(super) trace: Option<Text>,
    pub(super) format: Option<Spanned<FormatName>>,
    pub(super) one_compat: Option<Spanned<bool>>,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FormatName {
    Csv,
    One,
    Tij,
    OneMovement,
    Ns2,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) count: Option<Spanned<u64>>,
    pub(super) role: Option<Role>,
    pub(super) nodes: Option<Spanned<Nodes>>,
    pub(super) at: Option<Text>,
    pub(super) spread: Option<Spanned<Distance>>,
    pub(super) lan: Option<Spanned<bool>>,
    pub(super) foot_patrol: Option<Spanned<Rounds>>,
    pub(super) vehicle_patrol: Option<Spanned<Rounds>>,
    pub(super) convoy: Option<Spanned<Rounds>>,
    pub(super) supply_run: Option<Spanned<Rounds>>,
    pub(super) courier: Option<Spanned<Rounds>>,
    pub(super) shifts: Option<Spanned<Shifts>>,
    pub(super) random_waypoint: Option<Spanned<Wander>>,
    pub(super) levy_walk: Option<Spanned<Levy>>,
    pub(super) uplink: Option<Spanned<Uplink>>,
    #[serde(default)]
    pub(super) off: Vec<Spanned<Stretch>>,
    pub(super) clock: Option<Spanned<ClockTrouble>>,
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Officer,
    Supervisor,
    Carrier,
}

/// Which nodes of a trace a group is.
pub(super) enum Nodes {
    All,
    These(Vec<Text>),
}

/// Journeys that begin at a base and visit stops.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rounds {
    pub(super) base: Text,
    pub(super) stops: Vec<Text>,
    pub(super) leaves: Vec<Spanned<Clock>>,
    pub(super) every_days: Option<Spanned<u64>>,
    pub(super) first_day: Option<Spanned<u64>>,
    pub(super) speed: Option<Spanned<Speed>>,
    pub(super) stay: Option<Spanned<Time>>,
    pub(super) order: Option<Spanned<OrderName>>,
    pub(super) late_by: Option<Spanned<Time>>,
    pub(super) teams: Option<Spanned<u64>>,
    pub(super) gap: Option<Spanned<Distance>>,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OrderName {
    /// As listed.
    Listed,
    /// As listed, or the other way round.
    Either,
    /// Any.
    Drawn,
}

/// Crews that take turns at a post.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shifts {
    pub(super) base: Text,
    pub(super) post: Text,
    pub(super) changes: Vec<Spanned<Clock>>,
    pub(super) crews: Option<Spanned<u64>>,
    pub(super) handover: Option<Spanned<Time>>,
    pub(super) speed: Option<Spanned<Speed>>,
}

/// To anywhere within a radius, and on to anywhere else.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wander {
    pub(super) around: Text,
    pub(super) within: Spanned<Distance>,
    pub(super) speed: Option<Spanned<Speed>>,
    pub(super) pause: Option<Spanned<Time>>,
}

/// Many short ways and few long ones.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Levy {
    pub(super) around: Text,
    pub(super) within: Spanned<Distance>,
    pub(super) speed: Option<Spanned<Speed>>,
    pub(super) exponent: Option<Spanned<f64>>,
    pub(super) shortest: Option<Spanned<Distance>>,
    pub(super) longest: Option<Spanned<Distance>>,
    pub(super) pause_exponent: Option<Spanned<f64>>,
    pub(super) pause: Option<Spanned<Time>>,
    pub(super) longest_pause: Option<Spanned<Time>>,
}

/// A way to the hub.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Uplink {
    pub(super) profile: Text,
    pub(super) devices: Option<Spanned<u64>>,
    pub(super) windows: Option<Vec<Spanned<Stretch>>>,
    pub(super) windows_csv: Option<Text>,
    pub(super) every: Option<Spanned<Time>>,
    pub(super) open: Option<Spanned<Time>>,
    pub(super) first: Option<Spanned<Time>>,
    pub(super) up: Option<Spanned<Time>>,
    pub(super) down: Option<Spanned<Time>>,
    #[serde(default)]
    pub(super) signal: Vec<Text>,
    pub(super) signal_reach: Option<Spanned<Distance>>,
    pub(super) rate: Option<Spanned<Rate>>,
    pub(super) round_trip: Option<Spanned<Time>>,
    pub(super) setup: Option<Spanned<Time>>,
    pub(super) loss: Option<Spanned<Share>>,
    pub(super) cap: Option<Spanned<Size>>,
}

/// How clocks go wrong.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockTrouble {
    pub(super) skew: Option<Spanned<Time>>,
    pub(super) drift: Option<Spanned<Share>>,
    #[serde(default)]
    pub(super) jumps: Vec<Spanned<Jump>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jump {
    pub(super) at: Spanned<Moment>,
    pub(super) by: Ahead,
}

/// What is captured.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Captures {
    #[serde(default)]
    pub(super) by: Vec<Text>,
    pub(super) total: Option<Spanned<u64>>,
    pub(super) per_day: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) hours: Vec<Spanned<Stretch>>,
    pub(super) burst: Option<Spanned<Burst>>,
    pub(super) images: Option<Spanned<Sizes>>,
    pub(super) listed: Option<Vec<Spanned<Listed>>>,
    pub(super) csv: Option<Text>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Burst {
    pub(super) of: Spanned<u64>,
    pub(super) within: Spanned<Time>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    pub(super) at: Spanned<Moment>,
    pub(super) by: Text,
    pub(super) images: Option<Spanned<Sizes>>,
}

/// Tables by name, in the order of the file.
pub(super) struct Named<T>(pub(super) Vec<(Text, T)>);

impl Role {
    pub(super) const fn member(self) -> Member {
        match self {
            Self::Officer => Member::Officer,
            Self::Supervisor => Member::Supervisor,
            Self::Carrier => Member::Carrier,
        }
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Tables<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Tables<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table for each name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry::<Text, T>()? {
                    all.push(entry);
                }
                all.sort_by_key(|(name, _)| name.span().start);
                Ok(Named(all))
            }
        }
        from.deserialize_map(Tables(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Regions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct CountOrNames;
        impl<'de> Visitor<'de> for CountOrNames {
            type Value = Regions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("how many regions there are, or a list of their names")
            }

            fn visit_i64<E: Error>(self, count: i64) -> Result<Regions, E> {
                u64::try_from(count).map(Regions::Count).map_err(|_| E::custom("a number of regions isn't negative"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Regions, A::Error> {
                texts(&mut list).map(Regions::Names)
            }
        }
        from.deserialize_any(CountOrNames)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct IsOrMuch;
        impl<'de> Visitor<'de> for IsOrMuch {
            type Value = Fault;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or how often, like { per_day = 2 } or { total = 3 }")
            }

            fn visit_bool<E: Error>(self, is: bool) -> Result<Fault, E> {
                Ok(Fault::Is(is))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fault, A::Error> {
                Much::deserialize(MapAccessDeserializer::new(map)).map(Fault::Much)
            }
        }
        from.deserialize_any(IsOrMuch)
    }
}

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AllOrThese;
        impl<'de> Visitor<'de> for AllOrThese {
            type Value = Nodes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\", or a list of nodes of the trace, each in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Nodes, E> {
                if text == "all" { Ok(Nodes::All) } else { Err(E::custom("write \"all\", or a list of nodes")) }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Nodes, A::Error> {
                texts(&mut list).map(Nodes::These)
            }
        }
        from.deserialize_any(AllOrThese)
    }
}

fn texts<'de, A: SeqAccess<'de>>(list: &mut A) -> Result<Vec<Text>, A::Error> {
    let mut all = Vec::new();
    while let Some(text) = list.next_element::<Text>()? {
        all.push(text);
    }
    Ok(all)
}
