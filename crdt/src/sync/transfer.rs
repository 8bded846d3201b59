//! Images on the wire: what is asked of whom, and what is served.

use super::conduct::Fault;
use super::engine::Engine;
use super::frame::Frame;
use super::session::{BLOB_SERVING_MAX, BlobRange};
use super::{CloseReason, LinkId};
use crate::blob::{BlobRef, Outline};
use crate::store::Store;

/// Outlines of whole blobs kept at hand for serving.
const OUTLINES_MAX: usize = 16;

impl<S: Store> Engine<S> {
    pub(super) fn ask_for_blobs(&mut self, now_ms: u64, link: LinkId) {
        let Some(session) = self.sessions.get_mut(&link).filter(|session| session.is_open()) else { return };
        let room = session.class.blob_window().saturating_sub(session.blobs_asked());
        // Asking in halves of the window makes few, long requests.
        if session.offers.is_empty() || room < session.class.blob_window().div_ceil(2) {
            return;
        }
        let asks = match self.swarm.ask(self.replica.store(), link, &session.offers, room) {
            Ok(asks) => asks,
            Err(error) => return self.store_failed(error),
        };
        if session.asked.is_empty() {
            session.blob_ms = now_ms;
        }
        asks.iter().for_each(|ask| *session.asked.entry(ask.blob).or_default() += ask.count);
        if !asks.is_empty() {
            self.watch_for_stalls(now_ms);
        }
        for ask in asks {
            let frame = Frame::BlobWant { blob: ask.blob, first: ask.first, count: ask.count, outline: ask.outline };
            self.send(link, frame);
        }
    }

    pub(super) fn on_blob_want(
        &mut self,
        link: LinkId,
        blob: BlobRef,
        first: u32,
        count: u32,
        outline: bool,
    ) -> Result<(), CloseReason> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        if !blob.is_bounded() || session.blob_serving.len() >= BLOB_SERVING_MAX {
            return self.fault(link, Fault::Request, "asks for more blobs than it may".into());
        }
        let end = first.saturating_add(count).min(blob.groups());
        session.blob_serving.push_back(BlobRange { blob, next: first, end, outline });
        self.ready.insert(link);
        Ok(())
    }

    pub(super) fn blob_frame(&mut self, link: LinkId) -> Option<Frame> {
        loop {
            let session = self.sessions.get_mut(&link)?;
            let range = session.blob_serving.front_mut()?;
            let blob = range.blob;
            if std::mem::take(&mut range.outline) {
                return Some(match self.outline_of(blob) {
                    Some(outline) => Frame::BlobOutline { blob, values: outline.to_bytes().into() },
                    None => self.drop_serving(link, blob),
                });
            }
            if range.next >= range.end {
                session.blob_serving.pop_front();
                continue;
            }
            let index = range.next;
            range.next += 1;
            let (offset, len) = blob.group(index)?;
            let outline = self.outline_of(blob);
            let bytes = self.replica.store().blob_read(blob.id, offset, len).unwrap_or_default();
            // What a bad disk gives isn't passed on.
            let sound = outline.is_some_and(|outline| outline.check(index, &bytes).is_ok());
            return Some(if sound {
                Frame::BlobGroup { blob, index, bytes: bytes.into() }
            } else {
                self.drop_serving(link, blob)
            });
        }
    }

    fn drop_serving(&mut self, link: LinkId, blob: BlobRef) -> Frame {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.blob_serving.retain(|range| range.blob != blob);
        }
        Frame::BlobGone(blob)
    }

    /// The outline of a blob that is here whole.
    fn outline_of(&mut self, blob: BlobRef) -> Option<Outline> {
        if let Some((_, outline)) = self.outlines.iter().find(|(of, _)| *of == blob) {
            return Some(outline.clone());
        }
        let bytes = self.replica.whole_blob(&blob).ok().flatten()?;
        let outline = Outline::of(&bytes).ok()?;
        self.keep_outline(blob, outline.clone());
        Some(outline)
    }

    /// Keeps an outline at hand: who has just got an image is asked for it next.
    pub(super) fn keep_outline(&mut self, blob: BlobRef, outline: Outline) {
        self.outlines.push_front((blob, outline));
        self.outlines.truncate(OUTLINES_MAX);
    }

    pub(super) fn on_blob_outline(&mut self, link: LinkId, blob: BlobRef, values: &[u8]) -> Result<(), CloseReason> {
        match self.swarm.outline(self.replica.store_mut(), blob, values) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => self.fault(link, Fault::Image, error.to_string()),
            Err(error) => Err(self.cant_store(error)),
        }
    }

    pub(super) fn on_blob_group(
        &mut self,
        now_ms: u64,
        link: LinkId,
        blob: BlobRef,
        index: u32,
        bytes: &[u8],
    ) -> Result<(), CloseReason> {
        let outcome = self.swarm.group(self.replica.store_mut(), link, blob, index, bytes);
        if let Some(session) = self.sessions.get_mut(&link) {
            session.blob_ms = now_ms;
            session.note_group(&blob);
        }
        self.ask_for_blobs(now_ms, link);
        match outcome {
            Ok(Ok(group)) => {
                if group.last
                    && let Some(outline) = self.swarm.verified_outline(&blob).cloned()
                {
                    self.keep_outline(blob, outline);
                }
                self.counters.unasked += u64::from(!group.asked);
                self.counters.blobs_fresh_bytes += if group.fresh { bytes.len() as u64 } else { 0 };
                Ok(())
            }
            Ok(Err(error)) => self.fault(link, Fault::Image, error.to_string()),
            Err(error) => Err(self.cant_store(error)),
        }
    }

    pub(super) fn on_blob_gone(&mut self, now_ms: u64, link: LinkId, blob: BlobRef) -> Result<(), CloseReason> {
        let ranks = self.swarm.gone(link, &blob);
        if let Some(session) = self.sessions.get_mut(&link) {
            session.asked.remove(&blob);
            ranks.iter().for_each(|rank| _ = session.offers.remove(rank));
        }
        let links: Vec<LinkId> = self.sessions.keys().copied().collect();
        links.into_iter().for_each(|link| self.ask_for_blobs(now_ms, link));
        Ok(())
    }
}
