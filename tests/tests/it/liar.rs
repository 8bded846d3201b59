//! Members whose programs were tampered with, over real links: each lies in its own way to an honest device, which goes on
//! serving everybody else, stays within its memory, and names each of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use mesh::Event;
use node::home::Home;
use simulations::{Liar, Lie};
use tests::{Check, Process, Site, greenline, wait_for};
use tokio::sync::mpsc::{self, Sender};

/// Lies that the transport lets through: it sends nothing longer than any frame may be.
const LIES: [Lie; 12] = [
    Lie::Signatures,
    Lie::Strangers,
    Lie::Dates,
    Lie::Roles,
    Lie::Histories,
    Lie::ClaimsAll,
    Lie::KeepsImages,
    Lie::WrongImages,
    Lie::Floods,
    Lie::Garbage,
    Lie::Edits,
    Lie::Proofs,
];

/// What each is named for; the last of its words say for what.
const NAMED: [(&str, &str); 12] = [
    ("zed-signatures", "with a wrong signature"),
    ("zed-strangers", "entries of strangers"),
    ("zed-dates", "with impossible dates"),
    ("zed-roles", "statements that don't hold"),
    ("zed-histories", "1 second history"),
    ("zed-claimsall", "things that it had offered"),
    ("zed-keepsimages", "that it had offered"),
    ("zed-wrongimages", "pieces of images that are wrong"),
    ("zed-floods", "impossible requests"),
    ("zed-garbage", "that can't be read"),
    ("zed-edits", "edits that don't hold"),
    ("zed-proofs", "proofs that prove nothing"),
];

/// Twice what a device takes that holds thirty captures and has twelve liars at its door, and less than the budget for
/// 100,000 captures.
const MEMORY_MIB_MAX: f64 = 96.0;

#[test]
fn twelve_liars_at_once_stop_nobody_and_each_is_named_in_status() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    for name in ["ana", "ben"] {
        site.enrol(name, &["officer"]);
    }
    let mut liars: BTreeMap<String, Tempter> = BTreeMap::new();
    let ben = site.device("ben").start();
    let ids: Vec<String> = (0..3).map(|number| ben.api().capture(&Check::with_picture(number))).collect();
    for lie in LIES {
        let name = format!("zed-{}", format!("{lie:?}").to_lowercase());
        site.enrol(&name, &["officer"]);
        liars.insert(name.clone(), Tempter::start(&site, &name, lie));
    }
    // They hear of Ben's captures from him, and nobody else does.
    liars.values_mut().for_each(|liar| liar.meet(ben.listening()));
    liars.values_mut().for_each(Tempter::has_heard);
    ben.stop();

    let mut ana = site.device("ana").start();
    for liar in liars.values_mut() {
        liar.meet(ana.listening());
        // Twice, since it takes two histories to make a fork.
        liar.lie();
        liar.lie();
    }
    for (name, for_what) in NAMED {
        wait_for(&format!("Ana to name {name} for {for_what}"), || {
            faults(&ana, name).filter(|words| words.contains(for_what))
        });
    }

    // Ben comes back, and a hub.
    let hub = site.hub("hub").start();
    let ben = site.device("ben").peer(&ana).hub(&hub).start();
    liars.values_mut().for_each(Tempter::lie);
    for id in &ids {
        wait_for("Ana to see the answer", || ana.api().show(id).filter(|capture| capture["stage"] == "screened"));
    }
    for name in ["dates", "roles", "histories", "edits"].map(|lie| format!("zed-{lie}")) {
        wait_for(&format!("Ben, who never met it, to name {name}"), || faults(&ben, &name));
        wait_for(&format!("the hub to name {name}"), || at_hub(&hub, &name));
    }
    let same = || (ana.api().status()["fingerprint"] == ben.api().status()["fingerprint"]).then_some(());
    wait_for("honest devices to be equal", same);

    let told = greenline(["status", "--home", &site.home("ana").to_string_lossy()]).ok();
    println!("{told}");
    for (name, _) in NAMED {
        assert!(told.contains(&format!("FAULTY     {name}: ")), "{name} in:\n{told}");
    }
    let told = greenline(["hub", "status", "--home", &site.home("hub").to_string_lossy()]).ok();
    assert!(told.contains("FAULTY  zed-roles at Post 4: wrote "), "{told}");
    for name in ["ana", "ben"] {
        let blamed = [&ana, &ben].iter().any(|process| faults(process, name).is_some());
        assert!(!blamed, "nobody honest is blamed");
    }
    liars.into_values().for_each(Tempter::stop);
    assert!(ana.runs());
    let most = ana.memory_mib("VmHWM");
    println!("at most {most:.1} MiB");
    assert!(most < MEMORY_MIB_MAX, "{most} MiB");
    for process in [ana, ben, hub] {
        assert!(!process.logged().contains("panicked"), "{}", process.logged());
        process.stop();
    }
}

/// What a device holds against a member.
fn faults(process: &Process, alias: &str) -> Option<String> {
    let status = process.api().status();
    let all = status["refused"].as_array()?;
    all.iter().find(|culprit| culprit["alias"] == alias)?["words"].as_str().map(str::to_owned)
}

fn at_hub(hub: &Process, alias: &str) -> Option<()> {
    let status = hub.api().status();
    let all = status["sites"][0]["refused"].as_array()?;
    all.iter().any(|culprit| culprit["alias"] == alias).then_some(())
}

/// More than any liar here is given.
const ORDERS_MAX: usize = 8;
/// Three floods, and what else is said.
const QUEUED_MAX: usize = 32_768;

enum Order {
    Meet(SocketAddr),
    Lie,
    Stop,
}

/// A liar with a mesh of its own, in a thread.
struct Tempter {
    orders: Sender<Order>,
    heard: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Tempter {
    fn start(site: &Site, name: &str, lie: Lie) -> Self {
        let home = Home::open(&site.home(name)).unwrap();
        let (identity, membership) = home.membership(home.site().unwrap()).unwrap();
        let seed = *identity.key.seed();
        let liar = Liar::new(now_ms(), identity, membership.group_keys[0].clone(), lie);
        let ((orders, ordered), (told, heard)) = (mpsc::channel(ORDERS_MAX), sync_channel(1));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(liar, seed, ordered, told));
        });
        Self { orders, heard, thread }
    }

    fn meet(&mut self, address: SocketAddr) {
        self.orders.try_send(Order::Meet(address)).unwrap();
    }

    /// Waits until it knows captures of others.
    fn has_heard(&mut self) {
        self.heard.recv().unwrap();
    }

    fn lie(&mut self) {
        self.orders.try_send(Order::Lie).unwrap();
    }

    fn stop(self) {
        self.orders.try_send(Order::Stop).unwrap();
        self.thread.join().unwrap();
    }
}

/// Its life: it does what it is told, answers what it hears, and dials again whoever hung up.
async fn run(mut liar: Liar, seed: [u8; 32], mut orders: mpsc::Receiver<Order>, told: SyncSender<()>) {
    let config = mesh::Config { listen: vec![([127, 0, 0, 1], 0).into()], mdns: false, ..mesh::Config::new(seed) };
    let (handle, mut events) = mesh::start(config).unwrap();
    let (mut links, mut address, mut lies) = (BTreeMap::new(), None, 0);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Meet(at)) => {
                    address = Some(at);
                    handle.dial(at, None).unwrap();
                }
                Some(Order::Lie) => {
                    lies += 1;
                    for frames in links.values() {
                        say(frames, liar.pass_on());
                        say(frames, liar.lie(now_ms()));
                    }
                }
                Some(Order::Stop) | None => break,
            },
            event = events.recv() => match event.unwrap() {
                Event::Up { link, device, frames, initiator: true, .. } => {
                    let queue = queue(frames);
                    say(&queue, liar.greet(crdt::ids::DeviceId(device)));
                    // What it was told to say before there was anybody to hear it.
                    for _ in 0..lies {
                        say(&queue, liar.pass_on());
                        say(&queue, liar.lie(now_ms()));
                    }
                    links.insert(link, queue);
                }
                Event::Frame { link, bytes } => {
                    let answers = liar.hear(&bytes);
                    if liar.knows() >= 3 {
                        // Once is enough.
                        let _ = told.try_send(());
                    }
                    links.get(&link).into_iter().for_each(|frames| say(frames, answers.clone()));
                }
                Event::Down { link, .. } => {
                    links.remove(&link);
                    // It may be gone, or too many dials wait: then it is left alone.
                    let _ = address.map(|address| handle.dial(address, None));
                }
                _ => {}
            },
        }
    }
    handle.shutdown().await;
}

/// Frames wait here while a link takes as many as the other side reads.
fn queue(frames: Sender<Vec<u8>>) -> Sender<Vec<u8>> {
    let (queue, mut queued) = mpsc::channel(QUEUED_MAX);
    tokio::spawn(async move {
        while let Some(frame) = queued.recv().await {
            if frames.send(frame).await.is_err() {
                break;
            }
        }
    });
    queue
}

fn say(link: &Sender<Vec<u8>>, frames: Vec<Vec<u8>>) {
    // The link may have gone, and a flood needs no last drop.
    frames.into_iter().for_each(|frame| _ = link.try_send(frame));
}

fn now_ms() -> u64 {
    gateway::driver::now_ms()
}
