//! What an export is to show. The rest is left out so that it shows that something was.

use crdt::audit::{Record, Verb};
use crdt::entry::Header;
use crdt::ids::{CaptureId, DeviceId};
use crdt::site::{Certificate, Roles};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A filter as people write it, and as an export says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only what was done at or after this time, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<u64>,
    /// Only what was done before this time, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<u64>,
    /// Only what this device did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Only what devices with this role did; `carrier` for those with none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Only what this operator did; what makes an entry is its device's, under its alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Only this verb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// Only what is about this capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
}

/// Why a filter isn't one. What was written isn't repeated: it may be somebody's name.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum FilterError {
    /// The device.
    #[error("this is not a device id: expected 52 characters a-z and 2-7")]
    Device,
    /// The capture.
    #[error("this is not a capture id: expected 26 characters a-z and 2-7")]
    Capture,
    /// The role.
    #[error("no such role")]
    Role,
    /// The verb.
    #[error("no such verb")]
    Verb,
}

impl FilterError {
    /// What to do next.
    #[must_use]
    pub fn hint(self) -> String {
        match self {
            Self::Device => "copy it whole from the list of members".into(),
            Self::Capture => "copy it whole from the list of captures".into(),
            Self::Role => "use officer, supervisor, hub or carrier".into(),
            Self::Verb => format!("use one of {}", Verb::ALL.map(Verb::word).join(", ")),
        }
    }
}

/// The same, read.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    filter: Filter,
    device: Option<DeviceId>,
    role: Option<Roles>,
    verb: Option<Verb>,
    capture: Option<CaptureId>,
}

impl Filter {
    /// Reads it.
    pub fn read(&self) -> Result<Wanted, FilterError> {
        let role = |text: &String| match text.as_str() {
            "carrier" => Ok(Roles::default()),
            name => Roles::named(name).ok_or(FilterError::Role),
        };
        Ok(Wanted {
            device: self.device.as_ref().map(|text| text.parse()).transpose().map_err(|_| FilterError::Device)?,
            role: self.role.as_ref().map(role).transpose()?,
            verb: self.verb.as_ref().map(|text| Verb::named(text).ok_or(FilterError::Verb)).transpose()?,
            capture: self.capture.as_ref().map(|text| text.parse()).transpose().map_err(|_| FilterError::Capture)?,
            filter: self.clone(),
        })
    }
}

impl Wanted {
    /// The device, if only one is wanted.
    #[must_use]
    pub const fn device(&self) -> Option<DeviceId> {
        self.device
    }

    /// The same, of one device only.
    #[must_use]
    pub fn only(mut self, device: DeviceId) -> Self {
        self.device = Some(device);
        self.filter.device = Some(device.to_string());
        self
    }

    /// Whether it is of no time in particular.
    #[must_use]
    pub const fn is_of_all_times(&self) -> bool {
        self.filter.from_ms.is_none() && self.filter.to_ms.is_none()
    }

    /// The filter that this was read from.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Whether an entry of the holder of `certificate` is wanted.
    #[must_use]
    pub fn entry(&self, header: &Header, certificate: &Certificate) -> bool {
        self.at(header.time.ms())
            && self.by(certificate.device, Some(certificate.roles), &certificate.alias)
            && self.verb.is_none_or(|verb| verb == Verb::of_entry(header.kind).0)
            && self.capture.is_none_or(|capture| header.about.capture() == Some(capture))
    }

    /// Whether a record of a device with these roles is wanted; an authority's has none, not even that of carriers.
    #[must_use]
    pub fn record(&self, record: &Record, device: DeviceId, roles: Option<Roles>) -> bool {
        self.at(record.at_ms)
            && self.by(device, roles, &record.operator)
            && self.verb.is_none_or(|verb| verb == record.act.verb())
            && self.capture.is_none_or(|capture| record.captures.contains(&capture))
    }

    /// Whether a moment is in the time that is wanted.
    #[must_use]
    pub fn at(&self, ms: u64) -> bool {
        self.filter.from_ms.is_none_or(|from| from <= ms) && self.filter.to_ms.is_none_or(|to| ms < to)
    }

    fn by(&self, device: DeviceId, roles: Option<Roles>, operator: &str) -> bool {
        let has = |roles: Roles, wanted| if wanted == Roles::default() { roles == wanted } else { roles.any(wanted) };
        let role = |wanted| roles.is_some_and(|roles| has(roles, wanted));
        self.device.is_none_or(|wanted| wanted == device)
            && self.role.is_none_or(role)
            && self.filter.operator.as_ref().is_none_or(|wanted| wanted == operator)
    }
}
