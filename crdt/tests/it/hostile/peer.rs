//! A peer whose every word the test chooses, facing one live engine.

use crdt::codec::encode;
use crdt::ids::DeviceId;
use crdt::site::Roles;
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::sync::frame::{Frame, PROTOCOL_VERSION, knock_tag};
use crdt::sync::{Engine, Event, Input, LinkClass, LinkId, Output};

use crate::site::{Site, draft, entries_of};

const LINK: LinkId = 1;
/// Another member's link.
const OTHER: LinkId = 2;

/// A member's device that says what it is told to.
pub(crate) struct Peer {
    pub(crate) engine: Engine<MemoryStore>,
    hello: Frame,
    device: DeviceId,
    heard: Vec<Frame>,
    admitted: bool,
    gone: bool,
    refused: usize,
}

impl Peer {
    /// Calls an engine; nothing was said yet.
    pub(crate) fn meet(site: &Site, engine: Engine<MemoryStore>) -> Self {
        let identity = site.enrol(150, Roles::OFFICER);
        let device = identity.device();
        let hello = Frame::Hello(Box::new(identity.certificate));
        let mut peer = Self { engine, hello, device, heard: vec![], admitted: false, gone: false, refused: 0 };
        peer.input(Input::LinkUp { link: LINK, device, initiator: false, class: LinkClass::Lan });
        peer
    }

    /// The frames that lead to an open session, in order.
    pub(crate) fn handshake(&self) -> [Frame; 3] {
        let replica = self.engine.replica();
        let tag = knock_tag(replica.site(), self.device, replica.identity().device());
        [Frame::Knock { version: PROTOCOL_VERSION, tag: tag.into() }, self.hello.clone(), Frame::Admitted]
    }

    pub(crate) fn open(&mut self) {
        self.handshake().iter().for_each(|frame| self.say(frame));
        assert!(self.admitted);
    }

    pub(crate) fn say(&mut self, frame: &Frame) {
        self.say_bytes(frame.encode());
    }

    pub(crate) fn say_bytes(&mut self, bytes: Vec<u8>) {
        self.input(Input::Frame { link: LINK, bytes });
    }

    /// Whether the session is open.
    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// Whether the engine has closed the link.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Asks for the next frames and returns all that was heard since the last call.
    pub(crate) fn heard(&mut self) -> Vec<Frame> {
        while let Some(bytes) = self.engine.transmit(LINK) {
            self.heard.push(Frame::decode(&bytes).unwrap());
        }
        self.drain();
        std::mem::take(&mut self.heard)
    }

    /// What the engine held against this peer.
    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    /// Another member comes with a capture, and the engine takes it in and tells of it.
    pub(crate) fn still_serves(&mut self, site: &Site) {
        let before = self.engine.replica().captures();
        let mut honest = site.open(site.enrol(151, Roles::OFFICER), MemoryStore::new(DiskModel::AtOnce));
        honest.capture_new(1_000, [9; 32], &draft(10)).unwrap();
        let entries = entries_of(&honest).iter().map(|entry| encode(entry).into()).collect();
        let device = honest.identity().device();
        let (us, site) = (self.engine.replica().identity().device(), self.engine.replica().site());
        let tag = knock_tag(site, device, us).into();
        self.engine.handle(1_000, Input::LinkUp { link: OTHER, device, initiator: false, class: LinkClass::Lan });
        let frames = [
            Frame::Knock { version: PROTOCOL_VERSION, tag },
            Frame::Hello(Box::new(honest.identity().certificate.clone())),
            Frame::Admitted,
            Frame::Entries(entries),
        ];
        for frame in frames {
            self.engine.handle(1_000, Input::Frame { link: OTHER, bytes: frame.encode() });
        }
        assert_eq!(self.engine.replica().captures(), before + 1, "others are served as ever");
        assert!(self.engine.transmit(OTHER).is_some());
    }

    fn input(&mut self, input: Input) {
        self.engine.handle(1_000, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Event(Event::Admitted { .. }) => self.admitted = true,
                Output::Event(Event::Ended { .. }) => self.admitted = false,
                Output::Event(Event::Refused { .. }) => self.refused += 1,
                Output::Close { .. } => self.gone = true,
                _ => {}
            }
        }
    }
}
