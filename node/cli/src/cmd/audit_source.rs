//! Where an export comes from: the device or hub that runs on a folder, or the folder itself if nothing does.

use std::path::Path;

use crdt::audit::{Act, Record};
use crdt::ids::SiteId;
use gateway::driver::{Driver, now_ms};
use gateway::trail::Trail;
use node::audit::{Filter, Source, Wanted, What, write, write_authority};
use node::home::{Home, HomeError};
use tokio::sync::mpsc;

use super::run::runtime;
use crate::client::{ActingArg, Client, escape};
use crate::failure::Failure;
use crate::unlock::KeysArg;

/// Pieces of an export that wait to be written.
const PIECES_MAX: usize = 4;

/// Whose export, and for whom.
pub(crate) struct Asked<'a> {
    pub(crate) keys: &'a KeysArg,
    /// The folder of a site's authority, in the place of a device's.
    pub(crate) authority: Option<&'a Path>,
    pub(crate) site: Option<SiteId>,
    pub(crate) acting: ActingArg,
    pub(crate) what: What,
    pub(crate) filter: Filter,
}

impl Asked<'_> {
    /// Hands each line of the export to `each`.
    pub(crate) fn lines(&self, mut each: impl FnMut(&str) -> Result<(), Failure>) -> Result<(), Failure> {
        let wanted = self.filter.read().map_err(|error| Failure::new(error).hint(error.hint()))?;
        if let Some(folder) = self.authority {
            let folder = self.keys.opener.site(folder)?.acting(self.acting.at_authority());
            return write_authority(&folder, &wanted, each);
        }
        match Client::running(&self.keys.home, &self.acting)? {
            Some(client) => client.lines(&self.path(), each),
            None => runtime()?.block_on(self.open_folder(wanted, &mut each)),
        }
    }

    fn path(&self) -> String {
        let what = if self.what == What::Pack { "proof" } else { "export" };
        let Filter { from_ms, to_ms, device, role, operator, verb, capture } = &self.filter;
        let number = |number: &Option<u64>| number.map(|number| number.to_string());
        let site = self.site.map(|site| site.to_string());
        let given = [
            ("from_ms", number(from_ms)),
            ("to_ms", number(to_ms)),
            ("device", device.clone()),
            ("role", role.clone()),
            ("operator", operator.clone()),
            ("verb", verb.clone()),
            ("capture", capture.clone()),
            ("site", site),
        ];
        let query = given.iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(value.as_ref()?))));
        format!("/api/audit/{what}?{}", query.collect::<Vec<_>>().join("&"))
    }

    /// The site whose trail is asked for.
    fn site_in(&self, home: &Home) -> Result<SiteId, Failure> {
        let sites = home.sites()?;
        match (self.site, sites.as_slice()) {
            (None, []) => Err(HomeError::NotJoined.into()),
            (None, [site]) => Ok(*site),
            (Some(site), sites) if sites.contains(&site) => Ok(site),
            (Some(_), _) => Err(Failure::new("this device doesn't belong to that site").hint("leave --site out")),
            (None, sites) => {
                let ids: Vec<String> = sites.iter().map(ToString::to_string).collect();
                Err(Failure::new(format!("this hub serves {} sites", sites.len()))
                    .hint(format!("name one with --site: {}", ids.join(", "))))
            }
        }
    }

    async fn open_folder(
        &self,
        wanted: Wanted,
        each: &mut impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let home = self.keys.unlock()?;
        let site = self.site_in(&home)?;
        let (identity, membership) = home.membership(site)?;
        let alias = identity.certificate.alias.clone();
        let driver = Driver::start(&home.store_dir(site)?, &home.store_key(site)?, identity, membership);
        let driver =
            driver.map_err(|error| Failure::new(error).hint("stop what runs on this folder, or start it anew"))?;
        let source = Source { driver, trail: Trail::start(home.trail(site)?) };
        let done = self.take(&source, wanted, &alias, each).await;
        source.trail.stop();
        source.driver.shut_down().await;
        done
    }

    async fn take(
        &self,
        source: &Source,
        wanted: Wanted,
        alias: &str,
        each: &mut impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (pieces, mut taken) = mpsc::channel::<String>(PIECES_MAX);
        let (source, what, record) = (source.clone(), self.what, self.record(alias));
        let writing = tokio::spawn(async move { write(&source, what, wanted, record, &pieces).await });
        let mut kept = Ok(());
        while let Some(piece) = taken.recv().await {
            kept = piece.lines().try_for_each(&mut *each);
            if kept.is_err() {
                break;
            }
        }
        drop(taken);
        let written = writing.await.map_err(Failure::new)?;
        kept.and_then(|()| Ok(written?))
    }

    fn record(&self, alias: &str) -> Record {
        let ActingArg { operator, why } = self.acting.clone();
        let (operator, why) = (operator.unwrap_or_else(|| alias.to_owned()), why.unwrap_or_default());
        Record { at_ms: now_ms(), operator, act: Act::Exported, captures: Vec::new(), why, times: 1 }
    }
}
