//! A member whose program was tampered with: its key and certificate are good, its word isn't.
//!
//! [`Liar`] is one side of sync sessions, as frames in and frames out, so that it lies over any transport. It keeps what it
//! hears, passes it on as an honest device would, and tells whatever [`Lie`] it is asked for. It always dials.

use std::collections::BTreeMap;

use crdt::blob::BlobRef;
use crdt::codec::{decode, encode};
use crdt::entry::{About, DeviceKey, ENTRY_BYTES_MAX, ENTRY_VERSION, Entry, Header, SignedHeader};
use crdt::ids::{Author, BlobId, CaptureId, DeviceId, EntryHash, LogId};
use crdt::knowledge::Fact;
use crdt::replica::{Ground, Identity};
use crdt::seal::{GroupKey, Seed, derive};
use crdt::site::{Authority, Request, Roles};
use crdt::statement::{Kind, Statement};
use crdt::sync::frame::{FRAME_BYTES_MAX, Frame, Item, PROTOCOL_VERSION, knock_tag};
use crdt::time::Hlc;

/// One way to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// Others' next entries, signed by itself.
    Signatures,
    /// Entries of devices that the site never enrolled.
    Strangers,
    /// Own entries, each dated an hour before the last.
    Dates,
    /// Own statements that its role doesn't allow: receipts, verdicts, votes.
    Roles,
    /// Two histories of its log, one for each peer.
    Histories,
    /// To have all logs much further than anybody.
    ClaimsAll,
    /// To have nothing, and wanting everything again and again.
    ClaimsNone,
    /// To hold all images, and never sending one.
    KeepsImages,
    /// To hold all images, and sending others.
    WrongImages,
    /// Requests by the ten thousand, of what isn't there and of what is.
    Floods,
    /// A frame longer than any may be.
    Overlong,
    /// Bytes that are no frame.
    Garbage,
    /// Edits that no honest program writes, within sound entries.
    Edits,
    /// Proofs of erasures that nobody ordered.
    Proofs,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Signatures,
        Self::Strangers,
        Self::Dates,
        Self::Roles,
        Self::Histories,
        Self::ClaimsAll,
        Self::ClaimsNone,
        Self::KeepsImages,
        Self::WrongImages,
        Self::Floods,
        Self::Overlong,
        Self::Garbage,
        Self::Edits,
        Self::Proofs,
    ];
}

/// Edits that are told at once: as many as one log may make of one record.
const EDITS: u64 = 256;
/// Requests of one flood.
const REQUESTS: u64 = 10_000;

/// See the module.
pub struct Liar {
    identity: Identity,
    group_key: GroupKey,
    lie: Lie,
    /// Which history of its own it tells.
    log: Vec<Entry>,
    heard: BTreeMap<(LogId, u64), Entry>,
    seed: Seed,
    draws: u64,
}

impl Liar {
    /// A liar with a member's identity, who has read the site's group key, and begins its log now.
    #[must_use]
    pub fn new(now_ms: u64, identity: Identity, group_key: GroupKey, lie: Lie) -> Self {
        let seed = derive(&[0; 32], &format!("{lie:?}"));
        let mut liar = Self { identity, group_key, lie, log: Vec::new(), heard: BTreeMap::new(), seed, draws: 0 };
        let certificate = encode(&liar.identity.certificate);
        liar.write(now_ms, About::Site, Kind::Certificate, certificate);
        liar
    }

    /// Its device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.identity.device()
    }

    /// How many captures it has heard of.
    #[must_use]
    pub fn knows(&self) -> usize {
        self.captures().len()
    }

    /// What it says first, to a device that it has dialled.
    #[must_use]
    pub fn greet(&self, to: DeviceId) -> Vec<Vec<u8>> {
        let tag = knock_tag(self.identity.certificate.site, self.device(), to).into();
        let hello = Frame::Hello(Box::new(self.identity.certificate.clone()));
        frames([Frame::Knock { version: PROTOCOL_VERSION, tag }, hello, Frame::Admitted])
    }

    /// What it answers to a frame.
    pub fn hear(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        match Frame::decode(frame) {
            Ok(Frame::Frontier { items, .. }) => {
                let lacks = |item: &Item| !self.heard.contains_key(&(item.log, item.height));
                let want = |item: Item| Frame::Want { log: item.log, from: 1, to: item.height };
                frames(items.into_iter().filter(lacks).map(want))
            }
            Ok(Frame::Entries(entries)) => {
                let bytes: usize = entries.iter().map(|entry| entry.len()).sum();
                self.keep(entries.iter().filter_map(|entry| decode(entry, ENTRY_BYTES_MAX).ok()));
                frames([Frame::Credit(u32::try_from(bytes).unwrap_or(u32::MAX))])
            }
            Ok(Frame::BlobWant { blob, first, count, .. }) if self.lie == Lie::WrongImages => {
                let outline = Frame::BlobOutline { blob, values: vec![0x5a; 32 * blob.groups() as usize].into() };
                let group = |index| Frame::BlobGroup { blob, index, bytes: vec![0x5a; 16_384].into() };
                frames([outline].into_iter().chain((first..first.saturating_add(count.min(64))).map(group)))
            }
            _ => Vec::new(),
        }
    }

    /// Everything that it knows, as an honest device would pass it on.
    #[must_use]
    pub fn pass_on(&self) -> Vec<Vec<u8>> {
        let entries = self.log.iter().chain(self.heard.values());
        in_frames(entries.cloned().collect())
    }

    /// Its lie, told once more. `now_ms` is when.
    pub fn lie(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        match self.lie {
            Lie::Signatures => self.forged(),
            Lie::Strangers => self.strangers(now_ms),
            Lie::Dates => self.backdated(now_ms),
            Lie::Roles => self.above_its_role(now_ms),
            Lie::Histories => self.another_history(now_ms),
            Lie::ClaimsAll => self.claims(u64::from(u32::MAX)),
            Lie::ClaimsNone => self.wants_all_again(),
            Lie::KeepsImages | Lie::WrongImages => self.holds_all(),
            Lie::Floods => self.flood(),
            Lie::Overlong => vec![vec![1; FRAME_BYTES_MAX + 1]],
            Lie::Garbage => vec![self.bytes(700)],
            Lie::Edits => self.edits(now_ms),
            Lie::Proofs => self.proofs(),
        }
    }

    fn keep(&mut self, entries: impl Iterator<Item = Entry>) {
        for entry in entries.filter(|entry| entry.header().author.device != self.identity.device()) {
            self.heard.insert((entry.header().author.log(), entry.header().seq), entry);
        }
    }

    // ---- Entries ----

    fn forged(&self) -> Vec<Vec<u8>> {
        let own = &self.identity.key;
        let forge = |entry: &Entry| {
            // Behind what anybody has, or it would be taken for one that is known.
            let header = Header { seq: entry.header().seq + 1_000, ..entry.header().clone() };
            Entry::sign(own, header, entry.body.as_ref().map_or_else(Vec::new, |body| body.to_vec()))
        };
        // And what would come next in each log, if its author wrote it.
        let next = |entry: &Entry| {
            let header = entry.header();
            let header = Header { seq: header.seq + 1, prev: header.hash(), ..header.clone() };
            Entry::sign(own, header, entry.body.as_ref().map_or_else(Vec::new, |body| body.to_vec()))
        };
        let last: BTreeMap<LogId, &Entry> = self.heard.iter().map(|((log, _), entry)| (*log, entry)).collect();
        in_frames(last.into_values().map(next).chain(self.heard.values().map(forge)).collect())
    }

    fn strangers(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        let mut entries = Vec::new();
        for _ in 0..20 {
            let key = DeviceKey::from_seed(self.draw());
            let request = Request { device: key.id(), sealing_key: [0; 32] };
            let certificate = Authority::from_seed([8; 32]).certify(&request, Roles::SUPERVISOR, "me", (0, u64::MAX));
            let author = Author { device: key.id(), epoch: 0 };
            let header = self.header(author, None, now_ms, About::Site, Kind::Certificate);
            entries.push(Entry::sign(&key, header, encode(&certificate)));
        }
        in_frames(entries)
    }

    fn backdated(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        let from = self.log.len();
        for hour in 0..10 {
            let header = self.next(now_ms - hour * 3_600_000, About::Site, Kind::Edit);
            self.sign(header, vec![1]);
        }
        in_frames(self.log[from..].to_vec())
    }

    fn above_its_role(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        let (from, captures) = (self.log.len(), self.captures());
        for capture in captures {
            for kind in [Kind::Receipt, Kind::Verdict, Kind::Review, Kind::Readmission] {
                let body = self.bytes(40);
                self.write(now_ms, About::Capture(capture), kind, body);
            }
        }
        for kind in [Kind::Vote, Kind::Revocation, Kind::Fork] {
            let body = self.bytes(60);
            self.write(now_ms, About::Site, kind, body);
        }
        in_frames(self.log[from..].to_vec())
    }

    /// From its second entry on another one for every peer that it tells this.
    fn another_history(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        self.log.truncate(1);
        for _ in 0..3 {
            let body = self.bytes(30);
            self.write(now_ms, About::Site, Kind::Edit, body);
        }
        in_frames(self.log.clone())
    }

    fn edits(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        let (from, captures) = (self.log.len(), self.captures());
        let abouts = captures.into_iter().map(About::Capture).chain([About::Site]);
        for about in abouts.collect::<Vec<_>>() {
            let context = [b"greenline edit\0".as_slice(), &self.identity.certificate.site.0, about.key()].concat();
            for number in 0..EDITS {
                let length = 40 + number as usize * 3;
                let mut change = self.bytes(length);
                // Every other one begins as a change does.
                if number % 2 == 0 {
                    change[..4].copy_from_slice(&[0x85, 0x6f, 0x4a, 0x83]);
                    change[8] = 1;
                }
                let seed = self.draw();
                let sealed = Statement::Edit(self.group_key.seal(&context, &change, seed));
                self.write(now_ms, about, Kind::Edit, sealed.encode());
            }
        }
        in_frames(self.log[from..].to_vec())
    }

    fn proofs(&mut self) -> Vec<Vec<u8>> {
        let captures = self.heard.values().filter(|entry| entry.header().kind == Kind::Capture as u8);
        let ground =
            |header: &SignedHeader| Ground::Expired { header: Box::new(header.clone()), nonce: [3; 16].into() };
        let grounds: Vec<_> = captures.map(|entry| (0, ground(&entry.signed))).collect();
        let stated = self.log.iter().map(|entry| (0, Ground::Stated(Box::new(entry.clone()))));
        let grounds: Vec<_> = grounds.into_iter().chain(stated).take(200).collect();
        let nobodys = vec![(7, grounds[0].1.clone())];
        let certificates = vec![self.identity.certificate.clone()];
        let told = [grounds, nobodys].map(|grounds| Frame::Erased { certificates: certificates.clone(), grounds });
        frames(told)
    }

    // ---- Claims and requests ----

    fn claims(&mut self, height: u64) -> Vec<Vec<u8>> {
        let mut logs: Vec<LogId> = self.heard.keys().map(|(log, _)| *log).collect();
        logs.dedup();
        logs.extend((0..500).map(|_| LogId(first(self.draw()))));
        let item = |log| Item { log, height, prefix: [7; 8].into() };
        frames(
            logs.chunks(1_000)
                .map(|logs| Frame::Frontier { items: logs.iter().copied().map(item).collect(), opening: false }),
        )
    }

    fn wants_all_again(&mut self) -> Vec<Vec<u8>> {
        let mut heights: BTreeMap<LogId, u64> = BTreeMap::new();
        self.heard.keys().for_each(|(log, seq)| _ = heights.insert(*log, *seq));
        let want = |(log, to): (&LogId, &u64)| Frame::Want { log: *log, from: 1, to: *to };
        let wants: Vec<Frame> = heights.iter().map(want).collect();
        let again = (0..20).flat_map(|_| wants.iter().cloned().chain([Frame::Credit(u32::MAX)]));
        frames([Frame::Frontier { items: Vec::new(), opening: true }].into_iter().chain(again))
    }

    fn holds_all(&mut self) -> Vec<Vec<u8>> {
        let facts = self.captures().into_iter().map(Fact::Holds).collect();
        frames([Frame::Knowledge(vec![(self.device(), facts)])])
    }

    fn flood(&mut self) -> Vec<Vec<u8>> {
        let blob = BlobRef { id: BlobId([8; 32]), bytes: u32::MAX };
        let request = |number: u64| match number % 4 {
            0 => Frame::Want { log: LogId([4; 16]), from: 5, to: 1 },
            1 => Frame::BlobWant { blob, first: 0, count: u32::MAX, outline: true },
            2 => Frame::Probe { log: LogId([4; 16]), lo: 9, hi: 3, middle: [0; 8].into() },
            _ => Frame::Credit(u32::MAX),
        };
        frames((0..REQUESTS).map(request))
    }

    fn captures(&self) -> Vec<CaptureId> {
        let captures = self.heard.values().filter(|entry| entry.header().kind == Kind::Capture as u8);
        captures.filter_map(|entry| entry.header().about.capture()).collect()
    }

    // ---- Its own log ----

    fn write(&mut self, now_ms: u64, about: About, kind: Kind, body: Vec<u8>) {
        let header = self.next(now_ms, about, kind);
        self.sign(header, body);
    }

    fn next(&self, ms: u64, about: About, kind: Kind) -> Header {
        let author = Author { device: self.device(), epoch: 0 };
        self.header(author, self.log.last(), ms, about, kind)
    }

    fn sign(&mut self, header: Header, body: Vec<u8>) {
        self.log.push(Entry::sign(&self.identity.key, header, body));
    }

    fn header(&self, author: Author, after: Option<&Entry>, ms: u64, about: About, kind: Kind) -> Header {
        Header {
            version: ENTRY_VERSION,
            site: self.identity.certificate.site,
            author,
            seq: after.map_or(1, |entry| entry.header().seq + 1),
            prev: after.map_or(EntryHash::NONE, |entry| entry.header().hash()),
            time: Hlc::from_ms(ms),
            about,
            kind: kind as u8,
            body_hash: [0; 32].into(),
            body_len: 0,
        }
    }

    fn draw(&mut self) -> Seed {
        self.draws += 1;
        derive(&self.seed, &self.draws.to_string())
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        blake3::Hasher::new().update(&self.draw()).finalize_xof().fill(&mut bytes);
        bytes
    }
}

fn first(seed: Seed) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&seed[..16]);
    bytes
}

fn frames(frames: impl IntoIterator<Item = Frame>) -> Vec<Vec<u8>> {
    frames.into_iter().map(|frame| frame.encode()).collect()
}

/// Entries in as many frames as they take.
fn in_frames(entries: Vec<Entry>) -> Vec<Vec<u8>> {
    let (mut all, mut frame, mut bytes) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        let encoded = encode(&entry);
        bytes += encoded.len();
        frame.push(encoded.into());
        if bytes > FRAME_BYTES_MAX / 4 {
            all.push(Frame::Entries(std::mem::take(&mut frame)));
            bytes = 0;
        }
    }
    if !frame.is_empty() {
        all.push(Frame::Entries(frame));
    }
    frames(all)
}
