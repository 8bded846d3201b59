//! Where it is noted what is done to a gallery by hand: in the hub's trail of each site, since the captures of every one are
//! compared with these people. A hub that runs has its trails open, and is asked to note it; otherwise it is done here.

use std::sync::{Mutex, PoisonError};

use crdt::audit::{Act, Record};
use gateway::driver::now_ms;
use gateway::trail::{Journal, Place};
use node::handling::Handling;
use node::home::{Home, HomeError};
use serde_json::json;

use crate::client::{ActingArg, Client, HomeArg, OperatorArg};
use crate::failure::Failure;

/// What takes the records.
pub(super) enum Notes {
    /// The hub that runs.
    Hub(Client),
    /// The trails themselves, each with what the hub is called at that site. One at a time writes them.
    Folder { trails: Mutex<Vec<(Place, String)>>, acting: ActingArg },
}

impl Notes {
    /// Of the hub in this home. One that belongs to no site has no trail, and keeps no gallery yet.
    pub(super) fn of(home: &Home, place: &HomeArg, by: &OperatorArg) -> Result<Self, Failure> {
        let (sites, acting) = (home.sites()?, by.acting());
        if sites.is_empty() {
            return Err(HomeError::NotJoined.into());
        }
        if let Some(hub) = Client::running(place, &acting)? {
            return Ok(Self::Hub(hub));
        }
        let mut trails = Vec::new();
        for site in sites {
            trails.push((home.trail(site)?, home.membership(site)?.0.certificate.alias));
        }
        Ok(Self::Folder { trails: Mutex::new(trails), acting })
    }

    /// Notes what is about to be done. It may be done once this returns.
    pub(super) fn note(&self, handling: &Handling) -> Result<(), Failure> {
        match self {
            Self::Hub(hub) => hub.post("/api/gallery/notes", &json!(handling)).map(|_| ()),
            Self::Folder { trails, acting } => {
                let act = handling.act().map_err(Failure::new)?;
                let trails = trails.lock().unwrap_or_else(PoisonError::into_inner);
                trails.iter().try_for_each(|(place, alias)| append(place, alias, acting, act))
            }
        }
    }
}

/// Opens the trail for this record alone: a hub that is started meanwhile finds it free.
pub(super) fn append(place: &Place, alias: &str, acting: &ActingArg, act: Act) -> Result<(), Failure> {
    let at_ms = now_ms();
    let operator = acting.operator.clone().unwrap_or_else(|| alias.to_owned());
    let why = acting.why.clone().unwrap_or_default();
    let record = Record { at_ms, operator, act, captures: Vec::new(), why, times: 1 };
    Ok(Journal::open(place.clone(), at_ms)?.append(at_ms, vec![record])?)
}
