//! What a site knows, and how copies of it become one.
//!
//! Every device of a site writes one append-only **log** of signed entries, and holds a copy of everybody else's. A
//! capture, a receipt, a verdict is an entry; what several people write together about a capture is a small Automerge
//! document whose changes are entries too. Copies become equal by comparing how far each log goes and sending the rest.
//!
//! ```text
//!  statement ─ seal ─► entry ─ sign ─► own log ──┐
//!                                                ├─► replica ─► read model ─► stage
//!  frames ─► session ─ verify ─► others' logs ───┘        │
//!     ▲                                                   ▼
//!     └──────────── frontier, wants, pushes ◄──────── store (tables, blobs)
//! ```
//!
//! The crate is a pure core: time is an argument in milliseconds, randomness a 32-byte [`seal::Seed`], nothing here
//! opens a socket or starts a thread. The one exception is the store on disk (feature `redb`). So devices, hubs and the
//! simulator run the same code.
//!
//! **Where to go next.** [`entry`] is what is replicated, [`statement`] what entries can say and who may say it,
//! [`replica`] one copy with its read model, [`record`] what people write together about a capture, [`sync`] how copies
//! meet, [`stage`] how far a capture has come, [`seal`] who can read what, [`store`] where it is kept, [`audit`] who did what. The bytes are in `docs/FORMATS.md`.
//!
//! ```
//! use crdt::entry::DeviceKey;
//! use crdt::replica::{Identity, Membership, Replica};
//! use crdt::seal::{GroupKey, SealingSecret};
//! use crdt::site::{Authority, Policy, Request, Roles};
//! use crdt::statement::{CaptureDraft, Image, Shows};
//! use crdt::store::memory::{DiskModel, MemoryStore};
//!
//! // A site, its hub, and an officer's device.
//! let authority = Authority::from_seed([1; 32]);
//! let enrol = |seed, roles| {
//!     let (key, sealing) = (DeviceKey::from_seed([seed; 32]), SealingSecret::from_seed(&[seed; 32]));
//!     let request = Request { device: key.id(), sealing_key: sealing.public() };
//!     let certificate = authority.certify(&request, roles, "device", (0, u64::MAX));
//!     Identity { key, sealing, certificate }
//! };
//! let (hub, officer) = (enrol(2, Roles::HUB), enrol(3, Roles::OFFICER));
//! let membership = Membership {
//!     manifest: authority.manifest("Post 4", 1, Policy::default()),
//!     group_keys: vec![GroupKey::new([4; 32])],
//!     hubs: vec![hub.certificate.clone()],
//! };
//! let open = |identity| Replica::open(MemoryStore::new(DiskModel::AtOnce), identity, membership.clone());
//!
//! // The officer captures; the hub's copy takes the entries in, and can read what carriers can't.
//! let mut at_post = open(officer).unwrap();
//! let finger = Image { shows: Shows::Finger(2), bytes: b"a print".to_vec().into() };
//! let draft = CaptureDraft { purpose: "exercise".into(), images: vec![finger], ..CaptureDraft::default() };
//! let written = at_post.capture_new(1_000, [5; 32], &draft).unwrap();
//! let mut at_hub = open(hub).unwrap();
//! let sent = at_post.entries_from(written.at.log, 1, written.at.seq, usize::MAX).unwrap();
//! let entries = sent.iter().map(|bytes| crdt::codec::decode(bytes, bytes.len()).unwrap()).collect();
//! at_hub.ingest(1_001, entries).unwrap();
//! assert_eq!(at_hub.captures(), 1);
//! let opened = at_hub.open_capture(written.about.capture().unwrap()).unwrap().unwrap().unwrap();
//! assert_eq!(opened.inside.shows, [Shows::Finger(2)]);
//! ```

pub mod audit;
pub mod blob;
pub mod canary;
pub mod codec;
pub mod entry;
pub mod examination;
pub mod ids;
pub mod knowledge;
pub mod quiet;
pub mod record;
pub mod redacted;
pub mod replica;
pub mod revocation;
pub mod seal;
pub mod signature;
pub mod site;
pub mod stage;
pub mod statement;
pub mod store;
pub mod sync;
pub mod time;
pub mod vault;
pub mod view;
