//! Networks of their own on one machine: network namespaces stand for machines, bridges for what they are plugged into.
//!
//! All are made with `ip` and go with their handles. The machine's own network is never touched, and needs to allow nothing but
//! making namespaces.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::command::skipped;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Tells the switches of one test process apart.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Where all networks of a test are: a namespace of bridges.
pub struct Switch {
    namespace: Namespace,
    machines: Cell<u32>,
}

/// A machine that can be plugged into networks. It goes after the processes that run on it.
pub struct Machine {
    namespace: Namespace,
    switch: String,
    number: u32,
}

impl Switch {
    /// A switch without networks. Where this machine can't have one, says so past the test harness, which swallows what passing
    /// tests print.
    ///
    /// # Panics
    /// If there is no place to say it.
    #[must_use]
    pub fn new() -> Option<Self> {
        let name = format!("greenline-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        match Namespace::new(name) {
            Ok(namespace) => Some(Self { namespace, machines: Cell::new(0) }),
            Err(why) => {
                skipped(&format!("netns: no namespaces here: {why}"));
                None
            }
        }
    }

    /// Adds a network.
    ///
    /// # Panics
    /// If the system doesn't let it.
    pub fn network(&self, name: &str) {
        // Without a querier a bridge that snoops would keep multicast to itself.
        self.namespace.ip(&["link", "add", name, "type", "bridge", "mcast_snooping", "0"]);
        self.namespace.ip(&["link", "set", name, "up"]);
    }

    /// Adds a machine that isn't plugged into anything.
    ///
    /// # Panics
    /// If the system doesn't let it.
    #[must_use]
    pub fn machine(&self) -> Machine {
        let number = self.machines.replace(self.machines.get() + 1);
        let namespace = Namespace::new(format!("{}-{number}", self.namespace.0)).expect("one more namespace");
        namespace.ip(&["link", "set", "lo", "up"]);
        Machine { namespace, switch: self.namespace.0.clone(), number }
    }
}

impl Machine {
    /// Plugs it into a network, with an address such as `10.1.0.2/24`.
    ///
    /// # Panics
    /// If the system doesn't let it.
    #[must_use]
    pub fn plugged(self, network: &str, address: &str) -> Self {
        let port = format!("{network}-{}", self.number);
        let pair = ["link", "add", network, "type", "veth", "peer", "name", &port, "netns", &self.switch];
        self.namespace.ip(&pair);
        ip(&self.switch, &["link", "set", &port, "master", network, "up"]);
        self.gain(network, address);
        self.namespace.ip(&["link", "set", network, "up"]);
        self
    }

    /// Pulls the plug, or puts it back.
    ///
    /// # Panics
    /// If the system doesn't let it.
    pub fn set_plugged(&self, network: &str, plugged: bool) {
        self.namespace.ip(&["link", "set", network, if plugged { "up" } else { "down" }]);
    }

    /// Gives it one more address in a network.
    ///
    /// # Panics
    /// If the system doesn't let it.
    pub fn gain(&self, network: &str, address: &str) {
        self.namespace.ip(&["addr", "add", address, "dev", network]);
    }

    /// Takes an address away.
    ///
    /// # Panics
    /// If the system doesn't let it.
    pub fn lose(&self, network: &str, address: &str) {
        self.namespace.ip(&["addr", "del", address, "dev", network]);
    }

    /// Lets it send no faster than this, in Mbit/s.
    ///
    /// # Panics
    /// If the system doesn't let it.
    pub fn slow_down(&self, network: &str, mbit: u32) {
        let rate = format!("{mbit}mbit");
        let args = ["qdisc", "add", "dev", network, "root", "tbf", "rate", &rate, "burst", "64kb", "latency", "50ms"];
        run(Command::new("tc").args(["-n", &self.namespace.0]).args(args)).expect("tc knows tbf");
    }

    /// The namespace's name.
    pub(crate) fn name(&self) -> &str {
        &self.namespace.0
    }
}

/// A network namespace that goes with its handle.
struct Namespace(String);

impl Namespace {
    fn new(name: String) -> Result<Self, String> {
        run(Command::new("ip").args(["netns", "add", &name])).map(|()| Self(name))
    }

    fn ip(&self, args: &[&str]) {
        ip(&self.0, args);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // If it can't be removed, it is empty and named after this process.
        let _ = run(Command::new("ip").args(["netns", "del", &self.0]));
    }
}

fn ip(namespace: &str, args: &[&str]) {
    run(Command::new("ip").args(["-n", namespace]).args(args)).unwrap_or_else(|why| panic!("ip {args:?}: {why}"));
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Carries connections from here to an address inside a namespace, for as long as this process lives. Returns where they are
/// to be made.
pub(crate) fn carry_into(namespace: &str, to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let here = listener.local_addr().expect("a listener knows where it listens");
    let inside = File::open(format!("/run/netns/{namespace}")).expect("the namespace has a name");
    let (hand_over, handed_over) = mpsc::sync_channel(16);
    thread::spawn(move || listener.incoming().flatten().try_for_each(|near| hand_over.send(near)));
    thread::spawn(move || {
        // Only this thread moves; sockets stay where they were made.
        move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network)).expect("we made the namespace");
        for near in handed_over {
            // Whoever has stopped listening is as far away as one who was never there.
            if let Ok(far) = TcpStream::connect(to) {
                join(near, far);
            }
        }
    });
    here
}

/// Copies both ways until both ends have said all.
fn join(near: TcpStream, far: TcpStream) {
    let both = [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))];
    for (from, to) in both {
        let (mut from, mut to) = (from.expect("a second handle"), to.expect("a second handle"));
        thread::spawn(move || {
            // An end that breaks off has said all that it will say.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
