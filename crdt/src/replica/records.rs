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
use crate::seal::{GroupSealed, SealError, Seed};
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
    pub fn record(&mut self, about: &About) -> Result<Option<Record>, StoreError> {
        if let Some(document) = self.records.look(about) {
            return Ok(Some(document.record().clone()));
        }
        let edits = self.edits(about)?;
        if edits.is_empty() {
            return Ok(None);
        }
        let document = Document::new(about, edits);
        let record = document.record().clone();
        self.records.keep(*about, document);
        Ok(Some(record))
    }

    /// Edits a record: all of `ops` in one change, on what this replica has of it, or nothing.
    pub fn edit_new(&mut self, now_ms: u64, seed: Seed, about: &About, ops: &[EditOp]) -> Result<Written, AppendError> {
        self.check_may_write(Kind::Edit, now_ms)?;
        self.check_is_known(about)?;
        let key = self.membership.group_keys.last().cloned().ok_or(AppendError::NoGroupKey)?;
        let edits = self.edits(about)?;
        let document = Document::new(about, edits.clone());
        let author = self.author_to_edit(&document)?;
        let chunk = document.change(author, ops)?;
        self.check_change(author, about, edits, &chunk)?;
        let sealed = key.seal(&self.edit_context(about), &chunk, seed);
        self.append(now_ms, *about, &Statement::Edit(sealed))
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
        let known = self.capture(id)?.is_some_and(|view| view.origin.is_some());
        if known { Ok(()) } else { Err(AppendError::UnknownCapture) }
    }

    /// All edits of a record that keep an effect in their logs.
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
            if entry.header().kind == Kind::Edit as u8 {
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
        for key in &self.membership.group_keys {
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
