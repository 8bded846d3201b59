//! Writes the trail of an authority's folder: an export as a device's, without logs, and with the authority's key in the place
//! of the device's.

use crdt::audit::{Chain, Head, LineHash, Point};
use gateway::driver::now_ms;
use gateway::trail::Reader;

use super::filter::Wanted;
use super::line::Line;
use super::write::record_line;
use crate::enrol::SiteFolder;
use crate::home::HomeError;

/// Notes that it is handed out, then hands each line to `each`.
pub fn write_authority<E: From<HomeError>>(
    folder: &SiteFolder,
    wanted: &Wanted,
    each: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let at_ms = now_ms();
    let (_alone, chain) = folder.hand_out(at_ms)?;
    let mut out = Out { each, hasher: LineHash::default() };
    out.line(&Line::begin_authority(at_ms, wanted.filter().clone(), folder.manifest()))?;
    let start = write_records(folder, wanted, chain, &mut out)?;
    let head = Head::new(chain, start, at_ms, out.hasher.digest());
    out.line(&Line::end(&folder.sign(head)))
}

/// Writes all records; says where they begin.
fn write_records<E: From<HomeError>>(
    folder: &SiteFolder,
    wanted: &Wanted,
    chain: Chain,
    out: &mut Out<impl FnMut(&str) -> Result<(), E>>,
) -> Result<Point, E> {
    let mut reader = Reader::open(folder.trail()).map_err(HomeError::from)?;
    let (mut number, mut start) = (0, None);
    while let Some(segment) = reader.next_file().map_err(HomeError::from)? {
        if start.is_none() {
            let point = segment.header.chain.end;
            (number, start) = (point.number, Some(point));
            out.line(&Line::records(chain.trail, point))?;
        }
        for salted in &segment.records {
            number += 1;
            out.line(&record_line(number, salted, wanted, chain.device, None))?;
        }
    }
    Ok(start.unwrap_or(chain.end))
}

/// Lines on their way.
struct Out<F> {
    each: F,
    hasher: LineHash,
}

impl<F> Out<F> {
    fn line<E>(&mut self, line: &Line) -> Result<(), E>
    where
        F: FnMut(&str) -> Result<(), E>,
    {
        let text = line.text();
        self.hasher.add(&text);
        (self.each)(&text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use crdt::audit::Verb;
    use crdt::entry::DeviceKey;
    use crdt::revocation::{Cause, Charge};
    use crdt::seal::SealingSecret;
    use crdt::site::{Policy, Request, Roles};

    use super::*;
    use crate::audit::verify::{Fault, Why};
    use crate::audit::{Filter, Summary, Verifier};
    use crate::authority::Acting;
    use crate::enrol::codes::Batch;

    /// A site whose authority has certified a device, given out two codes, taken one back, and revoked the device.
    fn site(dir: &Path) -> SiteFolder {
        let acting = Acting { operator: "Chief".into(), why: "opening".into() };
        let mut site = SiteFolder::found(dir, "Post 4", Policy::default()).unwrap().acting(acting);
        let device = DeviceKey::from_seed([2; 32]).id();
        let request = Request { device, sealing_key: SealingSecret::from_seed(&[2; 32]).public() };
        let _ = site.enrol(&request, Roles::OFFICER, "ana", now_ms(), 30).unwrap();
        let valid = Duration::from_secs(3_600);
        let batch = Batch { count: 2, roles: Roles::HUB, alias_prefix: "hub".into(), days: 7, valid };
        let made = site.make_codes(&batch, now_ms()).unwrap();
        site.withdraw_code(made[0].0.id, now_ms()).unwrap();
        let _ = site.revoke(Charge { device, cause: Cause::Stolen, trusted: Vec::new() }, now_ms()).unwrap();
        site
    }

    fn export(site: &SiteFolder, filter: &Filter) -> Vec<String> {
        let mut lines = Vec::new();
        write_authority::<HomeError>(site, &filter.read().unwrap(), |line| {
            lines.push(line.to_owned());
            Ok(())
        })
        .unwrap();
        lines
    }

    fn check(lines: &[String]) -> Result<Summary, Fault> {
        let mut verifier = Verifier::new(None);
        lines.iter().try_for_each(|line| verifier.line(line).map(drop))?;
        verifier.finish()
    }

    fn why(lines: &[String]) -> Why {
        check(lines).unwrap_err().why
    }

    #[test]
    fn what_an_authority_did_is_in_its_export_and_any_change_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        let lines = export(&site, &Filter::default());
        let summary = check(&lines).unwrap();
        assert!(summary.by_authority && summary.device.0 == site.manifest().authority());
        assert_eq!((summary.records.shown, summary.verbs[&Verb::Administration]), (7, 6));
        let said =
            ["founded", "certified", "gave out", "gave out", "withdrew", "revoked: stolen", "exported the trail"];
        for (line, said) in lines[2..].iter().zip(said) {
            assert!(line.contains(said), "{said}: {line}");
        }
        assert_eq!(lines.iter().filter(|line| line.contains("\"by\":\"Chief\"")).count(), 6);

        for at in 0..lines.len() {
            let mut without = lines.clone();
            without.remove(at);
            assert!(check(&without).is_err(), "without line {at}");
            let mut changed = lines.clone();
            changed[at] = lines[at].replacen(|c: char| c.is_ascii_digit(), "3", 3).replacen('a', "b", 1);
            assert!(changed[at] == lines[at] || check(&changed).is_err(), "with another line {at}");
        }
    }

    /// Exports of format 1 are read for ever. `BLESS=1` writes this one anew, before a release, when the change is meant.
    #[test]
    fn an_authoritys_export_of_format_1_is_read() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audit-1-authority.jsonl");
        if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
            let folder = tempfile::tempdir().unwrap();
            let lines = export(&site(folder.path()), &Filter::default());
            std::fs::write(&kept, lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>()).unwrap();
        }
        let lines: Vec<String> = std::fs::read_to_string(kept).unwrap().lines().map(str::to_owned).collect();
        let summary = check(&lines).unwrap();
        assert_eq!(
            (summary.by_authority, summary.name.as_str(), summary.alias.as_str()),
            (true, "Post 4", "authority")
        );
        assert_eq!((summary.records.shown, summary.verbs[&Verb::Administration]), (7, 6));
    }

    #[test]
    fn what_a_filter_leaves_out_is_counted_and_an_authority_has_no_role() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        let shown = |filter: &Filter| check(&export(&site, filter)).unwrap().records.shown;
        assert_eq!(shown(&Filter { operator: Some("Chief".into()), ..Filter::default() }), 6);
        assert_eq!(shown(&Filter { role: Some("carrier".into()), ..Filter::default() }), 0);
        let own = Filter { device: Some(site.trail().device.to_string()), ..Filter::default() };
        assert_eq!(shown(&own), 9, "six, and three exports");
    }

    #[test]
    fn nobody_else_writes_an_authoritys_export_and_it_has_no_logs() {
        let folder = tempfile::tempdir().unwrap();
        let (site, other) = (site(&folder.path().join("a")), site(&folder.path().join("b")));
        let (lines, others) = (export(&site, &Filter::default()), export(&other, &Filter::default()));
        let mut mixed = lines.clone();
        mixed[0].clone_from(&others[0]);
        assert_eq!(why(&mixed), Why::TrailEnd, "records of another trail");
        let mut log = lines.clone();
        log.insert(1, Line::log(crdt::ids::LogId([0; 16]), 0, crdt::ids::EntryHash::NONE).text());
        assert_eq!(why(&log), Why::Order);
        let mut pack = lines;
        pack[0] = pack[0].replacen("\"trail\"", "\"pack\"", 1);
        assert_eq!(why(&pack), Why::Line, "a pack has a certificate");
    }

    #[test]
    fn what_can_not_be_noted_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let mut site = site(folder.path());
        let mut trail = std::fs::read_dir(folder.path().join("trail")).unwrap().map(|file| file.unwrap().path());
        let file = trail.find(|path| path.extension().is_some()).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let before = std::fs::read(folder.path().join("site")).unwrap();
        let device = DeviceKey::from_seed([3; 32]).id();
        let request = Request { device, sealing_key: SealingSecret::from_seed(&[3; 32]).public() };
        let refused = site.enrol(&request, Roles::OFFICER, "ben", now_ms(), 30).unwrap_err();
        assert!(refused.hint().contains("a new trail begins"), "{refused}");
        let charge = Charge { device, cause: Cause::Lost, trusted: Vec::new() };
        assert!(matches!(site.revoke(charge, now_ms()), Err(HomeError::Trail(_))));
        let valid = Duration::from_secs(60);
        let batch = Batch { count: 1, roles: Roles::HUB, alias_prefix: "hub".into(), days: 7, valid };
        assert!(site.make_codes(&batch, now_ms()).is_err());
        assert_eq!(std::fs::read(folder.path().join("site")).unwrap(), before);
    }
}
