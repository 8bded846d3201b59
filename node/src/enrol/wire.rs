//! Carries out what [`super::live`] decides, over plain TCP: nothing said there is secret, and people make sure of the rest.
//!
//! Whoever connects is met on a thread of its own, in bounded time, and only then waits for the people's attention: who
//! connects and says nothing keeps nobody waiting.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crdt::codec::{decode, encode};
use crdt::site::{Certificate, Manifest, Request};
use thiserror::Error;

use super::code::Code;
use super::codes::{RedeemError, Redeemed};
use super::live::{Claim, Frame, Host, Input, Joiner, LiveError, NONCE_BYTES, Offer, Output, Refusal, Reveal, Takes};
use super::words::Words;
use super::{EnrolError, join};
use crate::files::fill_random;
use crate::home::Home;

/// Longest frame: an answer as text.
pub const FRAME_BYTES_MAX: usize = 128 * 1024;
/// Longest frame that an authority takes, from whoever it may be.
pub const FRAME_BYTES_MAX_FROM_STRANGERS: usize = 1024;
/// How long the other side's program may take for a frame.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(10);
/// How long the people on the other side may take.
const PEOPLE_PATIENCE: Duration = Duration::from_secs(5 * 60);
/// Most strangers that are met or wait at a time; further ones are hung up on.
const GUESTS_MAX: usize = 16;

/// Why a live enrolment fails.
#[derive(Debug, Error)]
pub enum WireError {
    /// By what was said.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// By what enrolment itself asks for.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// Nobody is there.
    #[error("{at} can't be reached: {error}")]
    Unreachable {
        /// The address.
        at: SocketAddr,
        /// The system's word.
        error: io::Error,
    },
    /// It can't listen.
    #[error("it isn't possible to listen on {at}: {error}")]
    Listen {
        /// The address.
        at: SocketAddr,
        /// The system's word.
        error: io::Error,
    },
    /// It took too long.
    #[error("the other side took too long")]
    Late,
    /// It hung up.
    #[error("the connection to the other side is gone")]
    Gone,
    /// It said too much at once.
    #[error("the other side says what isn't part of an enrolment: {bytes} bytes at once, at most {max} are taken")]
    TooLong {
        /// How much.
        bytes: usize,
        /// How much may be.
        max: usize,
    },
}

impl WireError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Live(error) => error.hint(),
            Self::Enrol(error) => error.hint(),
            Self::Unreachable { .. } => {
                "let `greenline device enrol --lan` run on the authority's machine, in the same network, and give the address \
                 that it prints"
            }
            Self::Listen { .. } => "give an address of this machine, as IP:PORT, with port 0 for any free one",
            Self::Late | Self::Gone => "begin again on both sides",
            Self::TooLong { .. } => LiveError::Unfit.hint(),
        }
    }

    /// What to tell the other side, if it can still be told.
    const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Live(error) => error.refusal(),
            Self::TooLong { .. } => Some(Refusal::Unfit),
            Self::Enrol(_) | Self::Late => Some(Refusal::Failed),
            Self::Unreachable { .. } | Self::Listen { .. } | Self::Gone => None,
        }
    }
}

impl From<RedeemError> for WireError {
    fn from(error: RedeemError) -> Self {
        match error {
            RedeemError::Denied(why) => LiveError::Denied(why).into(),
            RedeemError::Enrol(error) => error.into(),
        }
    }
}

/// Lets a person compare words, and says whether they are the same.
pub type Compare<'a> = &'a mut dyn FnMut(&Words) -> bool;

/// By what a device gets in.
pub enum Ticket<'a> {
    /// People compare words.
    Words(Compare<'a>),
    /// It has a code.
    Code(&'a Code),
}

/// Joins a site whose authority listens at an address.
pub fn join_at(
    home: &Home,
    at: SocketAddr,
    wish: &str,
    ticket: Ticket<'_>,
) -> Result<(Manifest, Certificate), WireError> {
    let request = home.request().map_err(EnrolError::from)?;
    let mut nonce = [0; NONCE_BYTES];
    fill_random(&mut nonce, home.dir()).map_err(EnrolError::from)?;
    let mut wire = Wire::dial(at)?;
    let ours = Reveal { nonce, request, wish: wish.to_owned(), code: None };
    let ((joiner, hello), compare): (_, Compare<'_>) = match ticket {
        Ticket::Words(compare) => (Joiner::new(ours), compare),
        // With a code nobody is asked.
        Ticket::Code(code) => (Joiner::with_code(ours, code), &mut |_| false),
    };
    let joined = wire.send(&hello).and_then(|()| follow_joiner(home, &mut wire, joiner, compare));
    wire.tell(joined)
}

fn follow_joiner(
    home: &Home,
    wire: &mut Wire,
    mut joiner: Joiner,
    compare: Compare<'_>,
) -> Result<(Manifest, Certificate), WireError> {
    let mut joined = None;
    let offer = wire.receive(FRAME_BYTES_MAX, PROGRAM_PATIENCE)?;
    let mut outputs = joiner.handle(Input::Frame(offer))?;
    loop {
        let mut next = None;
        for output in outputs {
            match output {
                Output::Send(frame) => wire.send(&frame)?,
                Output::Compare(words) => next = Some(Input::Compared(compare(&words))),
                Output::Join(text) => {
                    joined = Some(join(home, &text)?);
                    next = Some(Input::Joined);
                }
                Output::Certify(_) | Output::Redeem(_) | Output::Over => {}
            }
        }
        if let Some(joined) = joined.take_if(|_| next.is_none()) {
            return Ok(joined);
        }
        let input = match next {
            Some(input) => input,
            None => Input::Frame(wire.receive(FRAME_BYTES_MAX, PEOPLE_PATIENCE)?),
        };
        outputs = joiner.handle(input)?;
    }
}

/// Where an authority listens. It does so until the process ends.
pub struct Listener {
    at: SocketAddr,
    guests: Receiver<Guest>,
}

impl Listener {
    /// Listens at an address, for an authority with this key.
    pub fn open(at: SocketAddr, authority: [u8; 32], takes: Takes) -> Result<Self, WireError> {
        let fails = |error| WireError::Listen { at, error };
        let tcp = TcpListener::bind(at).map_err(fails)?;
        let at = tcp.local_addr().map_err(fails)?;
        let (sender, guests) = sync_channel(0);
        thread::spawn(move || receive_guests(&tcp, authority, takes, &sender));
        Ok(Self { at, guests })
    }

    /// The addresses that others may type.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        if !self.at.ip().is_unspecified() {
            return vec![self.at];
        }
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let ips = interfaces.iter().filter(|it| !it.is_loopback() && !it.is_link_local()).map(|it| it.ip());
        let fits = |ip: &IpAddr| ip.is_ipv4() || self.at.is_ipv6();
        let mut found: Vec<_> = ips.filter(fits).map(|ip| SocketAddr::new(ip, self.at.port())).collect();
        if found.is_empty() {
            found.push(self.at);
        }
        found
    }

    /// Waits for the next device that has said what it wants.
    pub fn next(&self) -> Result<Guest, WireError> {
        self.guests.recv().map_err(|_| WireError::Gone)
    }

    /// The same, for so long.
    pub fn next_within(&self, patience: Duration) -> Result<Option<Guest>, WireError> {
        match self.guests.recv_timeout(patience) {
            Ok(guest) => Ok(Some(guest)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(WireError::Gone),
        }
    }
}

fn receive_guests(tcp: &TcpListener, authority: [u8; 32], takes: Takes, guests: &SyncSender<Guest>) {
    let present = Arc::new(());
    for stream in tcp.incoming().filter_map(Result::ok) {
        let seat = present.clone();
        // The one in this thread, and one for each guest.
        if Arc::strong_count(&seat) > GUESTS_MAX + 1 {
            continue;
        }
        let guests = guests.clone();
        thread::spawn(move || {
            let mut wire = Wire { stream };
            let met = meet(&mut wire, authority, takes);
            if let Ok((host, asks)) = wire.tell(met) {
                // Nobody receives guests any more: the process ends.
                let _ = guests.send(Guest { wire, host, asks });
            }
            drop(seat);
        });
    }
}

/// Hears a stranger out, up to where people are needed.
fn meet(wire: &mut Wire, authority: [u8; 32], takes: Takes) -> Result<(Host, Asks), WireError> {
    let mut nonce = [0; NONCE_BYTES];
    fill_random(&mut nonce, std::path::Path::new("enrolment")).map_err(EnrolError::from)?;
    let mut host = Host::new(Offer { nonce, authority, takes });
    loop {
        let frame = wire.receive(FRAME_BYTES_MAX_FROM_STRANGERS, PROGRAM_PATIENCE)?;
        for output in host.handle(Input::Frame(frame))? {
            match output {
                Output::Send(frame) => wire.send(&frame)?,
                Output::Compare(words) => return Ok((host, Asks::Words(words))),
                Output::Redeem(claim) => return Ok((host, Asks::Code(claim))),
                Output::Certify(_) | Output::Join(_) | Output::Over => {}
            }
        }
    }
}

/// A device that has said what it wants.
pub struct Guest {
    wire: Wire,
    host: Host,
    asks: Asks,
}

/// What is to be decided.
enum Asks {
    /// Whether people see these words on both sides.
    Words(Words),
    /// Whether this claim's code is good.
    Code(Claim),
}

/// What came of a guest.
pub struct Enrolled {
    /// Its certificate.
    pub certificate: Certificate,
    /// Whether it said that it has joined.
    pub joined: bool,
}

impl Guest {
    /// What it asks for, of one that comes without a code.
    #[must_use]
    pub const fn wants(&self) -> Option<&Reveal> {
        self.host.guest()
    }

    /// What it asks for, of one that comes with a code.
    #[must_use]
    pub const fn claim(&self) -> Option<&Claim> {
        match &self.asks {
            Asks::Code(claim) => Some(claim),
            Asks::Words(_) => None,
        }
    }

    /// Certifies it by `redeem` if its code is good.
    pub fn redeem(
        mut self,
        redeem: impl FnOnce(&Claim) -> Result<Redeemed, RedeemError>,
    ) -> Result<Enrolled, WireError> {
        let redeemed = self.follow_code(redeem);
        self.wire.tell(redeemed)
    }

    fn follow_code(
        &mut self,
        redeem: impl FnOnce(&Claim) -> Result<Redeemed, RedeemError>,
    ) -> Result<Enrolled, WireError> {
        let Asks::Code(claim) = &self.asks else { return Err(LiveError::NeedsCode.into()) };
        let Redeemed { certificate, text, key } = redeem(claim)?;
        self.hand_over(Input::Redeemed(text, key), certificate)
    }

    /// Lets people compare words, and certifies it by `certify` once both sides agree.
    pub fn serve(
        mut self,
        compare: Compare<'_>,
        certify: impl FnOnce(&Request) -> Result<(Certificate, String), EnrolError>,
    ) -> Result<Enrolled, WireError> {
        let served = self.follow(compare, certify);
        self.wire.tell(served)
    }

    fn follow(
        &mut self,
        compare: Compare<'_>,
        certify: impl FnOnce(&Request) -> Result<(Certificate, String), EnrolError>,
    ) -> Result<Enrolled, WireError> {
        let Asks::Words(words) = &self.asks else { return Err(LiveError::NeedsWords.into()) };
        let mut outputs = self.host.handle(Input::Compared(compare(words)))?;
        let request = loop {
            if let Some(Output::Certify(request)) = outputs.first() {
                break request.clone();
            }
            let frame = self.wire.receive(FRAME_BYTES_MAX_FROM_STRANGERS, PEOPLE_PATIENCE)?;
            outputs = self.host.handle(Input::Frame(frame))?;
        };
        let (certificate, text) = certify(&request)?;
        self.hand_over(Input::Certified(text), certificate)
    }

    fn hand_over(&mut self, answer: Input, certificate: Certificate) -> Result<Enrolled, WireError> {
        for output in self.host.handle(answer)? {
            if let Output::Send(frame) = output {
                self.wire.send(&frame)?;
            }
        }
        let last = self.wire.receive(FRAME_BYTES_MAX_FROM_STRANGERS, PROGRAM_PATIENCE);
        let joined = last.is_ok_and(|frame| self.host.handle(Input::Frame(frame)).is_ok());
        Ok(Enrolled { certificate, joined })
    }
}

/// A connection that carries frames.
struct Wire {
    stream: TcpStream,
}

impl Wire {
    fn dial(at: SocketAddr) -> Result<Self, WireError> {
        let stream = TcpStream::connect_timeout(&at, PROGRAM_PATIENCE);
        Ok(Self { stream: stream.map_err(|error| WireError::Unreachable { at, error })? })
    }

    fn send(&mut self, frame: &Frame) -> Result<(), WireError> {
        let bytes = encode(frame);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.stream.set_write_timeout(Some(PROGRAM_PATIENCE)).map_err(gone)?;
        let sent = self.stream.write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat());
        // Who hung up has perhaps said why.
        sent.map_err(|error| match self.receive(FRAME_BYTES_MAX, PROGRAM_PATIENCE) {
            Ok(Frame::Refuse(why)) => LiveError::from(why).into(),
            _ => gone(error),
        })
    }

    /// The next frame, whole within `patience`.
    fn receive(&mut self, max: usize, patience: Duration) -> Result<Frame, WireError> {
        read_frame(&mut Patient { stream: &self.stream, until: Instant::now() + patience, begun: false }, max)
    }

    /// Tells the other side if something failed here, and hands the result on.
    fn tell<T>(&mut self, result: Result<T, WireError>) -> Result<T, WireError> {
        if let Some(refusal) = result.as_ref().err().and_then(WireError::refusal) {
            // It may have hung up, and has lost nothing by that.
            let _ = self.send(&Frame::Refuse(refusal));
        }
        result
    }
}

/// A stream that is read until a moment and no longer, however slowly the bytes drip in.
struct Patient<'a> {
    stream: &'a TcpStream,
    until: Instant,
    begun: bool,
}

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let count = self.stream.read(bytes)?;
        if !self.begun {
            // What people take is over when it begins to arrive.
            self.until = self.until.min(Instant::now() + PROGRAM_PATIENCE);
            self.begun = true;
        }
        Ok(count)
    }
}

/// The next frame of an enrolment, from a connection or from anything else that is read: its length (u32, big-endian), of which
/// there may be `max`, then so many bytes.
pub fn read_frame(input: &mut impl Read, max: usize) -> Result<Frame, WireError> {
    let mut length = [0; 4];
    input.read_exact(&mut length).map_err(gone)?;
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if bytes > max {
        return Err(WireError::TooLong { bytes, max });
    }
    let mut frame = vec![0; bytes];
    input.read_exact(&mut frame).map_err(gone)?;
    decode(&frame, max).map_err(|_| LiveError::Unfit.into())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
fn gone(error: io::Error) -> WireError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => WireError::Late,
        _ => WireError::Gone,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crdt::site::{Policy, Roles};

    use super::*;
    use crate::enrol::SiteFolder;

    const NOW_MS: u64 = 1_800_000_000_000;

    struct Fixture {
        site: SiteFolder,
        home: Home,
        listener: Listener,
        _dir: tempfile::TempDir,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let site = SiteFolder::found(&dir.path().join("site"), "Post 4", Policy::default()).unwrap();
        let home = Home::create(&dir.path().join("ana")).unwrap();
        let listener =
            Listener::open("127.0.0.1:0".parse().unwrap(), site.manifest().authority(), Takes::Words).unwrap();
        Fixture { site, home, listener, _dir: dir }
    }

    impl Fixture {
        fn connect(&self) -> Wire {
            Wire::dial(self.listener.at).unwrap()
        }

        /// Both people say what they are told to.
        fn enrol(&mut self, there: bool, here: bool) -> [Result<bool, WireError>; 2] {
            let (home, at) = (self.home.clone(), self.listener.at);
            let device = thread::spawn(move || join_at(&home, at, "", Ticket::Words(&mut |_| there)).map(|_| true));
            let guest = self.listener.next().unwrap();
            let site = &mut self.site;
            let certify = |request: &Request| site.enrol(request, Roles::OFFICER, "ana", NOW_MS, 30);
            let host = guest.serve(&mut |_| here, certify).map(|enrolled| enrolled.joined);
            [device.join().unwrap(), host]
        }
    }

    #[test]
    fn a_device_joins_once_both_people_agree() {
        let mut f = fixture();
        let [device, host] = f.enrol(true, true);
        assert!(device.unwrap() && host.unwrap());
        assert_eq!(f.home.site().unwrap(), f.site.manifest().site());
    }

    #[test]
    fn one_no_on_either_side_ends_it_on_both_and_nothing_is_certified() {
        let mut f = fixture();
        let [device, host] = f.enrol(false, true);
        assert!(matches!(device, Err(WireError::Live(LiveError::Words))));
        assert!(matches!(host, Err(WireError::Live(LiveError::WordsThere))));
        let [device, host] = f.enrol(true, false);
        assert!(matches!(device, Err(WireError::Live(LiveError::WordsThere))));
        assert!(matches!(host, Err(WireError::Live(LiveError::Words))));
        assert!(f.site.roster().is_empty() && f.home.site().is_err());
    }

    #[test]
    fn strangers_who_say_nothing_or_too_much_keep_nobody_waiting() {
        let mut f = fixture();
        let silent = f.connect();
        let mut garbage = f.connect();
        garbage.stream.write_all(b"\0\0\0\x05garbage").unwrap();
        let mut long = f.connect();
        long.stream.write_all(&u32::try_from(FRAME_BYTES_MAX_FROM_STRANGERS + 1).unwrap().to_be_bytes()).unwrap();
        for mut stranger in [garbage, long] {
            let heard = stranger.receive(FRAME_BYTES_MAX, PROGRAM_PATIENCE).unwrap();
            assert_eq!(heard, Frame::Refuse(Refusal::Unfit));
        }
        let [device, host] = f.enrol(true, true);
        assert!(device.unwrap() && host.unwrap());
        drop(silent);
    }

    #[test]
    fn a_frame_may_be_so_long_and_no_longer() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = Wire::dial(tcp.local_addr().unwrap()).unwrap();
        let mut near = Wire { stream: tcp.accept().unwrap().0 };
        let frame = Frame::Answer("a".repeat(100));
        let bytes = encode(&frame).len();
        far.send(&frame).unwrap();
        far.send(&frame).unwrap();
        assert_eq!(near.receive(bytes, PROGRAM_PATIENCE).unwrap(), frame);
        assert!(matches!(near.receive(bytes - 1, PROGRAM_PATIENCE), Err(WireError::TooLong { .. })));
    }
}
