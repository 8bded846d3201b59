//! The records of a replica: made from the edits in its logs when somebody looks, kept while they are looked at.
//!
//! Taking an edit in costs what any entry costs: nothing here runs before somebody reads or writes that record. A record is
//! a function of the edits about it, the capture that it is about and the group keys held; so it is forgotten when one of
//! these comes or goes, and made anew.

use std::collections::BTreeMap;

use super::{AppendError, Replica, Written, keys};
use crate::entry::{About, Entry};
use crate::ids::{Author, DeviceId};
use crate::record::document::Document;
use crate::record::history::{Body, Edit, Standing};
use crate::record::{EditError, EditOp, Reason, Record};
use crate::seal::{GroupKey, GroupSealed, SealError, Seed};
use crate::site::Roles;
use crate::statement::{Kind, Statement};
use crate::store::{Batch, Store, StoreError, Table};
use crate::time::Hlc;
use crate::view::EntryRef;

/// Most records in memory at a time, at some tens of kilobytes each: more than anyone has on a screen.
pub const RECORDS_MAX: usize = 32;

/// The records that were looked at last.
#[derive(Default)]
pub(super) struct Records {
    kept: BTreeMap<About, Kept>,
    looks: u64,
}

struct Kept {
    document: Document,
    looked_at: u64,
}

impl Records {
    /// Drops what is known of a record, because its edits have changed.
    pub(super) fn forget(&mut self, about: &About) {
        self.kept.remove(about);
    }

    /// Drops all: what may be read, or what counts, has changed.
    pub(super) fn forget_all(&mut self) {
        self.kept.clear();
    }

    fn look(&mut self, about: &About) -> Option<&Document> {
        self.looks += 1;
        let kept = self.kept.get_mut(about)?;
        kept.looked_at = self.looks;
        Some(&kept.document)
    }

    fn keep(&mut self, about: About, document: Document) {
        if self.kept.len() >= RECORDS_MAX
            && let Some(oldest) = self.kept.iter().min_by_key(|(_, kept)| kept.looked_at).map(|(about, _)| *about)
        {
            self.kept.remove(&oldest);
        }
        self.kept.insert(about, Kept { document, looked_at: self.looks });
    }
}

impl<S: Store> Replica<S> {
    /// What people have written together about a capture or the site; `None` if nobody has.
    pub fn record(&mut self, about: About) -> Result<Option<Record>, StoreError> {
        if let Some(document) = self.records.look(&about) {
            return Ok(Some(document.record().clone()));
        }
        let edits = self.edits(&about)?;
        if edits.is_empty() {
            return Ok(None);
        }
        let document = Document::new(&about, edits);
        let record = document.record().clone();
        self.records.keep(about, document);
        Ok(Some(record))
    }

    /// Edits a record: all of `ops` in one change, on what this replica has of it, or nothing.
    pub fn edit_new(&mut self, now_ms: u64, seed: Seed, about: About, ops: &[EditOp]) -> Result<Written, AppendError> {
        self.check_may_write(Kind::Edit, now_ms)?;
        self.check_is_known(&about)?;
        let key = self.key_to_edit(now_ms)?;
        let edits = self.edits(&about)?;
        let document = Document::new(&about, edits.clone());
        let author = self.author_to_edit(&document)?;
        let chunk = document.change(author, ops)?;
        self.check_change(author, &about, edits, &chunk)?;
        let sealed = key.seal(&self.edit_context(&about), &chunk, seed);
        self.append(now_ms, about, &Statement::Edit(sealed))
    }

    /// The key to edit under; a new one, if those that there are were given to somebody who is revoked, or not to all.
    fn key_to_edit(&mut self, now_ms: u64) -> Result<GroupKey, AppendError> {
        if let Some(key) = self.key_to_write(now_ms)? {
            return Ok(key);
        }
        if !self.revoked().is_empty() {
            self.group_key_new(now_ms)?;
        }
        self.key_to_write(now_ms)?.ok_or(AppendError::NoGroupKey)
    }

    /// The author to edit as. Where edits of the own log don't count, because they build on what a fork voided, none could
    /// follow them: a new log begins.
    fn author_to_edit(&mut self, document: &Document) -> Result<Author, AppendError> {
        let author = self.author_to_write();
        if !document.is_stuck(&author.log()) {
            return Ok(author);
        }
        let mut batch = Batch::default();
        self.begin_new_log(&mut batch);
        self.store.apply(batch)?;
        Ok(self.own_author())
    }

    /// Checks an own change by the rules that everybody will check it by.
    fn check_change(
        &self,
        author: Author,
        about: &About,
        mut edits: Vec<Edit>,
        chunk: &[u8],
    ) -> Result<(), AppendError> {
        let at = EntryRef { log: author.log(), seq: u64::MAX };
        let standing = self.standing(author.device, self.identity.certificate.roles, about)?;
        edits.push(Edit { at, author, time: Hlc::default(), standing, body: Body::Chunk(chunk.to_vec()) });
        let with_it = Document::new(about, edits);
        if with_it.accepts(&at) {
            return Ok(());
        }
        let refused = with_it.record().quarantined.iter().find(|it| it.log == at.log && it.seq == at.seq);
        Err(EditError::Refused(refused.map_or(Reason::Past, |it| it.reason)).into())
    }

    fn check_is_known(&self, about: &About) -> Result<(), AppendError> {
        let Some(id) = about.capture() else { return Ok(()) };
        let known = self.known(id)?.origin.is_some();
        if known { Ok(()) } else { Err(AppendError::UnknownCapture) }
    }

    /// All edits of a record that keep an effect in their logs, and weren't erased.
    fn edits(&self, about: &About) -> Result<Vec<Edit>, StoreError> {
        let mut rows = Vec::new();
        self.walk(Table::About, &keys::about_prefix(about), |key, roles| {
            if let [roles] = *roles {
                rows.push((keys::number(&key), Roles(roles)));
            }
            Ok(())
        })?;
        let mut edits = Vec::with_capacity(rows.len());
        for (arrival, roles) in rows {
            let Some(entry) = self.entry_by_arrival(arrival)? else { continue };
            let header = entry.header();
            if header.kind == Kind::Edit as u8 && entry.body.is_some() && !self.is_void(header) {
                edits.push(self.edit(&entry, roles)?);
            }
        }
        Ok(edits)
    }

    fn edit(&self, entry: &Entry, roles: Roles) -> Result<Edit, StoreError> {
        let header = entry.header();
        Ok(Edit {
            at: EntryRef { log: header.author.log(), seq: header.seq },
            author: header.author,
            time: header.time,
            standing: self.standing(header.author.device, roles, &header.about)?,
            body: self.open_edit(entry),
        })
    }

    fn standing(&self, device: DeviceId, roles: Roles, about: &About) -> Result<Standing, StoreError> {
        let view = about.capture().map(|id| self.capture(id)).transpose()?.flatten();
        let origin = view.and_then(|view| view.origin).map(|origin| origin.device == device);
        Ok(Standing { supervisor: roles.has(Roles::SUPERVISOR), origin })
    }

    fn open_edit(&self, entry: &Entry) -> Body {
        let body = entry.body.as_deref().map_or(&[][..], |body| body);
        let Ok(Statement::Edit(sealed)) = Statement::decode(Kind::Edit, body) else { return Body::Broken };
        self.open_group_sealed(&entry.header().about, &sealed)
    }

    fn open_group_sealed(&self, about: &About, sealed: &GroupSealed) -> Body {
        let context = self.edit_context(about);
        for key in self.ring.keys() {
            match key.open(&context, sealed) {
                Ok(chunk) => return Body::Chunk(chunk),
                Err(SealError::NotForUs) => {}
                Err(_) => return Body::Broken,
            }
        }
        Body::Unreadable
    }

    fn edit_context(&self, about: &About) -> Vec<u8> {
        [b"greenline edit\0".as_slice(), &self.site().0, about.key()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::DeviceKey;
    use crate::replica::{Identity, Membership};
    use crate::seal::SealingSecret;
    use crate::site::{Authority, Policy, Request};
    use crate::statement::{CaptureDraft, Image, Shows};
    use crate::store::memory::{DiskModel, MemoryStore};

    struct Site(Authority);

    impl Site {
        fn enrol(&self, seed: u8, roles: Roles, validity_ms: (u64, u64)) -> Identity {
            let (key, sealing) = (DeviceKey::from_seed([seed; 32]), SealingSecret::from_seed(&[seed; 32]));
            let request = Request { device: key.id(), sealing_key: sealing.public() };
            let certificate = self.0.certify(&request, roles, "device", validity_ms);
            Identity { key, sealing, certificate }
        }

        fn open(&self, identity: Identity, keys: &[u8]) -> Replica<MemoryStore> {
            let membership = Membership {
                manifest: self.0.manifest("Post 4", 1, Policy::default()),
                group_keys: keys.iter().map(|key| GroupKey::new([*key; 32])).collect(),
                hubs: vec![self.enrol(9, Roles::HUB, (0, u64::MAX)).certificate],
            };
            Replica::open(MemoryStore::new(DiskModel::AtOnce), identity, membership).unwrap()
        }
    }

    fn site() -> Site {
        Site(Authority::from_seed([1; 32]))
    }

    fn note() -> [EditOp; 1] {
        [EditOp::Note { text: "a note".to_owned().into() }]
    }

    fn capture(replica: &mut Replica<MemoryStore>, seed: u8) -> About {
        let image = Image { shows: Shows::Face, bytes: vec![1].into() };
        let draft = CaptureDraft { purpose: "exercise".into(), images: vec![image], ..CaptureDraft::default() };
        replica.capture_new(1_000, [seed; 32], &draft).unwrap().about
    }

    /// Brings every log of one replica to another.
    fn send(from: &Replica<MemoryStore>, to: &mut Replica<MemoryStore>) {
        let logs: Vec<_> = from.logs().map(|(log, _)| *log).collect();
        let sent = logs.iter().flat_map(|log| from.entries_from(*log, 1, u64::MAX, usize::MAX).unwrap());
        let entries = sent.map(|bytes| crate::codec::decode(&bytes, bytes.len()).unwrap()).collect();
        to.ingest(2_000, entries).unwrap();
    }

    #[test]
    fn as_many_records_stay_in_memory_as_allowed_and_the_one_not_looked_at_goes() {
        let mut replica = site().open(site().enrol(2, Roles::OFFICER, (0, u64::MAX)), &[4]);
        let abouts: Vec<About> = (0..=RECORDS_MAX as u8).map(|seed| capture(&mut replica, seed)).collect();
        for about in &abouts {
            assert_eq!(replica.record(*about), Ok(None));
            replica.edit_new(1_000, [1; 32], *about, &note()).unwrap();
        }
        for about in abouts[..RECORDS_MAX].iter().chain(&abouts[..1]) {
            assert!(replica.record(*about).unwrap().is_some());
        }
        assert_eq!(replica.records.kept.len(), RECORDS_MAX);
        replica.record(abouts[RECORDS_MAX]).unwrap();
        assert_eq!(replica.records.kept.len(), RECORDS_MAX);
        assert!(!replica.records.kept.contains_key(&abouts[1]));
        assert!(replica.records.kept.contains_key(&abouts[0]), "looked at again since");
    }

    #[test]
    fn a_record_is_made_anew_when_an_edit_comes() {
        let [mut a, mut b] = [2, 3].map(|seed| site().open(site().enrol(seed, Roles::OFFICER, (0, u64::MAX)), &[4]));
        let about = capture(&mut a, 1);
        for count in 1..4 {
            a.edit_new(1_000, [1; 32], about, &note()).unwrap();
            send(&a, &mut b);
            assert_eq!(b.record(about).unwrap().unwrap().notes.len(), count);
        }
    }

    #[test]
    fn what_is_under_another_group_key_is_counted_and_no_more() {
        let mut writer = site().open(site().enrol(2, Roles::OFFICER, (0, u64::MAX)), &[4, 5]);
        let about = capture(&mut writer, 1);
        writer.edit_new(1_000, [1; 32], about, &note()).unwrap();
        let mut late = site().open(site().enrol(3, Roles::OFFICER, (0, u64::MAX)), &[4]);
        send(&writer, &mut late);
        let record = late.record(about).unwrap().unwrap();
        assert_eq!((record.unreadable, record.edits, record.quarantined.len()), (1, 0, 0));
        let mut keyless = site().open(site().enrol(3, Roles::OFFICER, (0, u64::MAX)), &[]);
        send(&writer, &mut keyless);
        assert_eq!(keyless.edit_new(1_000, [1; 32], about, &note()), Err(AppendError::NoGroupKey));
    }

    /// Roles are those of the certificate before the edit in its log: a promotion later doesn't make an old edit good.
    #[test]
    fn a_promotion_does_not_reach_back() {
        let officer = site().enrol(2, Roles::OFFICER, (0, u64::MAX - 1));
        let mut replica = site().open(officer, &[4]);
        let task = [EditOp::Task { text: "a task".to_owned().into() }];
        let chunk = Document::new(&About::Site, vec![]).change(replica.own_author(), &task).unwrap();
        let sealed = GroupKey::new([4; 32]).seal(&replica.edit_context(&About::Site), &chunk, [1; 32]);
        replica.append(1_000, About::Site, &Statement::Edit(sealed)).unwrap();
        replica.identity = site().enrol(2, Roles::OFFICER.and(Roles::SUPERVISOR), (0, u64::MAX));
        assert!(replica.edit_new(1_000, [2; 32], About::Site, &task).is_ok(), "in a new log");
        let mut other = site().open(site().enrol(3, Roles::OFFICER, (0, u64::MAX)), &[4]);
        send(&replica, &mut other);
        for replica in [&mut replica, &mut other] {
            let record = replica.record(About::Site).unwrap().unwrap();
            assert_eq!((record.tasks.len(), record.quarantined[0].reason), (1, Reason::Role));
        }
    }
}
