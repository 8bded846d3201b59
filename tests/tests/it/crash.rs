//! `kill -9`, at any moment, of any process: nothing that was acknowledged is lost, nothing is answered twice.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use synth::Person;
use tests::{Api, Check, Process, Site, wait_for, wait_longer};

/// Kills in all.
const ROUNDS: usize = 30;
/// Answering what piled up while everything kept dying.
const SETTLED: Duration = Duration::from_secs(90);

/// Who may die.
const NAMES: [&str; 3] = ["tablet", "van", "hub"];

#[test]
fn whatever_is_killed_and_whenever_every_recorded_capture_is_answered_once() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("tablet", &["officer"]);
    site.enrol("van", &[]);
    let mut scene = Scene::begin(&site);
    let api = Mutex::new(scene.api());
    let over = AtomicBool::new(false);

    let recorded = std::thread::scope(|scope| {
        let officer = scope.spawn(|| capture_until(&over, &api));
        // Also when this thread panics: it would wait for the officer for ever.
        let _over = Over(&over);
        let mut dice = 0x5eed_0001_u64;
        for _ in 0..ROUNDS {
            let drawn = draw(&mut dice);
            // Between hardly started and well under way.
            await_progress(&scene.api(), drawn % 7);
            scene.kill_and_restart(NAMES[(drawn >> 8) as usize % NAMES.len()]);
            *lock(&api) = scene.api();
        }
        over.store(true, Ordering::Relaxed);
        officer.join().unwrap()
    });

    assert!(recorded.len() > ROUNDS, "the officer got on with it: {}", recorded.len());
    let tablet = scene.api();
    let known = tablet.captures();
    let lost: Vec<_> = recorded.iter().filter(|id| !known.contains(id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    wait_longer("every capture to be answered", SETTLED, || {
        known.iter().all(|id| tablet.verdict(id).is_some()).then_some(())
    });
    for id in &known {
        let verdicts = tablet.show(id).unwrap()["verdicts"].clone();
        assert_eq!(verdicts.as_array().map(Vec::len), Some(1), "{id} was answered more than once: {verdicts}");
    }
    let at_hub = scene.process("hub").api().status()["sites"][0].clone();
    let counts = ["captures", "accepted", "answered", "waiting"].map(|what| at_hub[what].clone());
    assert_eq!(counts, [known.len(), known.len(), known.len(), 0].map(Value::from));
    let fingerprint = |name: &str| scene.process(name).api().status()["fingerprint"].clone();
    wait_for("tablet and van to hold the same", || (fingerprint("tablet") == fingerprint("van")).then_some(()));
    scene.stop();
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Three processes, each at an address that it comes back to.
struct Scene<'a> {
    site: &'a Site,
    on: Vec<(&'static str, Process)>,
}

impl<'a> Scene<'a> {
    fn begin(site: &'a Site) -> Self {
        let hub = site.hub("hub").start();
        let tablet = site.device("tablet").start();
        let van = site.device("van").peer(&tablet).hub(&hub).start();
        Self { site, on: vec![("tablet", tablet), ("van", van), ("hub", hub)] }
    }

    fn process(&self, name: &str) -> &Process {
        self.on.iter().find(|(known, _)| *known == name).map(|(_, process)| process).unwrap()
    }

    fn api(&self) -> Api {
        self.process("tablet").api().clone()
    }

    fn kill_and_restart(&mut self, name: &'static str) {
        let at = self.on.iter().position(|(known, _)| *known == name).unwrap();
        let (_, process) = self.on.remove(at);
        let address = process.listening();
        process.kill();
        self.on.push((name, self.start(name, address)));
    }

    fn start(&self, name: &str, address: SocketAddr) -> Process {
        let start = match name {
            "hub" => self.site.hub(name),
            "van" => self.site.device(name).peer(self.process("tablet")).hub(self.process("hub")),
            _ => self.site.device(name),
        };
        start.listen(address).start()
    }

    fn stop(self) {
        self.on.into_iter().for_each(|(_, process)| process.stop());
    }
}

/// Captures one after the other; returns those of which the device said that they are recorded.
fn capture_until(over: &AtomicBool, api: &Mutex<Api>) -> Vec<String> {
    let (mut recorded, mut number) = (Vec::new(), 0);
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let now = lock(api).clone();
        match now.try_capture(&Check::with_picture(number)) {
            Ok(answer) if answer.status == 201 => recorded.push(answer.json()["id"].as_str().unwrap().to_owned()),
            // A device that is going down takes nothing any more.
            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text),
            // It was killed: its officer would start it again.
            Err(_) => wait_for("the tablet to be back", || {
                (lock(api).url() != now.url() || over.load(Ordering::Relaxed)).then_some(())
            }),
        }
    }
    recorded
}

/// Waits until the device has some captures more than now.
fn await_progress(api: &Api, more: u64) {
    let count = || api.status()["captures"].as_u64().unwrap();
    let before = count();
    wait_for("the officer to get on", || (count() >= before + more).then_some(()));
}

fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 16
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The matcher's C code may crash on a print. Its process is all that dies.
#[cfg(target_os = "linux")]
#[test]
fn a_hub_outlives_its_matcher_processes() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("tablet", &["officer"]);
    let known = Person::new(1, 1);
    site.fill_gallery("hub", &[known]);
    let hub = site.hub("hub").start();
    let tablet = site.device("tablet").hub(&hub).start();
    let (check, mut ids) = (Check::of(&known), Vec::new());
    for _ in 0..3 {
        ids.push(tablet.api().capture(&check));
        let workers = wait_for("a matcher to run", || Some(hub.children()).filter(|workers| !workers.is_empty()));
        workers.iter().for_each(|worker| tests::kill(*worker));
        wait_for("a verdict all the same", || tablet.api().verdict(ids.last()?));
    }
    let after = tablet.api().capture(&check);
    let verdict = wait_for("a verdict afterwards", || tablet.api().verdict(&after));
    assert_eq!(verdict["value"], "candidate");
    for id in &ids {
        assert_eq!(tablet.api().show(id).unwrap()["verdicts"].as_array().map(Vec::len), Some(1));
    }
    let screener = hub.api().status()["screener"].as_str().unwrap().to_owned();
    assert!(!screener.contains(" 0 workers restarted"), "{screener}");
    hub.stop();
}
