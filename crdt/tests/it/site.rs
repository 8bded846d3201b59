//! A made-up site for tests and fuzz targets: all its keys follow from one byte each.

use crdt::blob::BlobRef;
use crdt::codec::decode;
use crdt::entry::{About, DeviceKey, ENTRY_BYTES_MAX, ENTRY_VERSION, Entry, Header};
use crdt::ids::{Author, EntryHash};
use crdt::replica::{Head, Identity, Membership, Replica};
use crdt::seal::{GroupKey, SealingSecret, rng};
use crdt::site::{Authority, Policy, Request, Roles};
use crdt::statement::{CaptureDraft, Image, Shows};
use crdt::store::Store;
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::time::Hlc;
use rand_core::Rng;

/// The site's authority and its one hub.
pub(crate) struct Site {
    pub(crate) authority: Authority,
    pub(crate) hub: Identity,
}

/// The byte from which the hub's keys follow.
pub(crate) const HUB: u8 = 200;

impl Site {
    pub(crate) fn new() -> Self {
        let authority = Authority::from_seed([1; 32]);
        let hub = enrol(&authority, HUB, Roles::HUB, (0, u64::MAX));
        Self { authority, hub }
    }

    pub(crate) fn enrol(&self, seed: u8, roles: Roles) -> Identity {
        self.enrol_for(seed, roles, (0, u64::MAX))
    }

    /// A member whose certificate is valid from the first to before the second millisecond.
    pub(crate) fn enrol_for(&self, seed: u8, roles: Roles, validity_ms: (u64, u64)) -> Identity {
        enrol(&self.authority, seed, roles, validity_ms)
    }

    pub(crate) fn membership(&self) -> Membership {
        Membership {
            manifest: self.authority.manifest("Post 4", 1, Policy::default()),
            group_keys: vec![GroupKey::new([4; 32])],
            hubs: vec![self.hub.certificate.clone()],
        }
    }

    pub(crate) fn open<S: Store>(&self, identity: Identity, store: S) -> Replica<S> {
        Replica::open(store, identity, self.membership()).unwrap()
    }

    /// An empty replica of a member that only carries.
    pub(crate) fn observer(&self) -> Replica<MemoryStore> {
        self.open(self.enrol(201, Roles(0)), MemoryStore::new(DiskModel::AtOnce))
    }
}

fn enrol(authority: &Authority, seed: u8, roles: Roles, validity_ms: (u64, u64)) -> Identity {
    let (key, sealing) = (DeviceKey::from_seed([seed; 32]), SealingSecret::from_seed(&[seed; 32]));
    let request = Request { device: key.id(), sealing_key: sealing.public() };
    let certificate = authority.certify(&request, roles, &format!("device {seed}"), validity_ms);
    Identity { key, sealing, certificate }
}

/// A capture of one image of `bytes` bytes.
pub(crate) fn draft(bytes: usize) -> CaptureDraft {
    let image = Image { shows: Shows::Finger(2), bytes: vec![7; bytes].into() };
    CaptureDraft { purpose: "exercise".into(), images: vec![image], ..CaptureDraft::default() }
}

/// All entries that a replica holds, log by log.
pub(crate) fn entries_of<S: Store>(replica: &Replica<S>) -> Vec<Entry> {
    let logs: Vec<_> = replica.logs().map(|(id, log)| (*id, log.head.height)).collect();
    let read = |(log, height)| replica.entries_from(log, 1, height, usize::MAX).unwrap();
    logs.into_iter().flat_map(read).map(|bytes| decode(&bytes, ENTRY_BYTES_MAX).unwrap()).collect()
}

/// Writes entries by hand, also such as no honest device would write.
#[derive(Clone)]
pub(crate) struct Pen {
    pub(crate) identity: Identity,
    pub(crate) author: Author,
    pub(crate) head: Head,
}

impl Pen {
    pub(crate) fn new(identity: Identity) -> Self {
        let author = Author { device: identity.device(), epoch: 0 };
        Self { identity, author, head: Head::NONE }
    }

    /// Signs the next entry of the log.
    pub(crate) fn write(&mut self, ms: u64, about: About, kind: u8, body: Vec<u8>) -> Entry {
        let header = Header {
            version: ENTRY_VERSION,
            site: self.identity.certificate.site,
            author: self.author,
            seq: self.head.height + 1,
            prev: if self.head.height == 0 { EntryHash::NONE } else { self.head.hash },
            time: Hlc::from_ms(ms),
            about,
            kind,
            body_hash: [0; 32].into(),
            body_len: 0,
        };
        let entry = Entry::sign(&self.identity.key, header, body);
        self.head = Head { height: entry.header().seq, hash: entry.header().hash() };
        entry
    }

    /// Signs the certificate that every log begins with.
    pub(crate) fn introduce(&mut self, ms: u64) -> Entry {
        let certificate = crdt::codec::encode(&self.identity.certificate);
        self.write(ms, About::Site, crdt::statement::Kind::Certificate as u8, certificate)
    }
}

/// Random numbers that follow from a seed.
pub(crate) struct Dice(rand_chacha::ChaCha20Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(rng(*blake3::hash(&seed.to_be_bytes()).as_bytes()))
    }

    /// Below `end`.
    pub(crate) fn draw(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    pub(crate) fn chance(&mut self, one_in: u64) -> bool {
        self.draw(one_in) == 0
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.draw(at as u64 + 1) as usize);
        }
    }
}

/// A blob's name and bytes.
pub(crate) fn blob(fill: u8, bytes: usize) -> (BlobRef, Vec<u8>) {
    let bytes: Vec<u8> = (0..bytes).map(|at| (at * 31 % 251) as u8 ^ fill).collect();
    (BlobRef::of(&bytes).unwrap(), bytes)
}
