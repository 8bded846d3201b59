//! The play itself: who is where, what happens when.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crdt::site::{Policy, Roles};
use gateway::driver::now_ms;
use node::enrol::{self, SiteFolder};
use node::home::Home;
use serde_json::Value;
use ureq::unversioned::multipart::{Form, Part};

use super::people::{Person, fill_gallery};
use super::process::Process;
use super::relay::Relay;
use super::report::{Outcome, Report};
use super::story::Story;
use super::wait_for;
use crate::failure::Failure;
use crate::output::text;

pub(super) const NORTH: [&str; 3] = ["north-1", "north-2", "north-3"];
pub(super) const SOUTH: [&str; 2] = ["south-1", "south-2"];
pub(super) const MULE: &str = "mule";
const VAN: &str = "van";
pub(super) const HUB: &str = "hub";
/// The device that gets lost.
const STOLEN: &str = SOUTH[1];
/// Whose folder holds the site's key.
pub(super) const AUTHORITY: &str = "authority";
/// Captures made while all is cut off.
pub(super) const OFFLINE: usize = 12;
/// Captures made while the gateway is up.
const ONLINE: usize = 6;
/// How long any one step may take before the demo gives up. A step takes a second or two; a busy machine gets its time.
pub(super) const STEP: Duration = Duration::from_secs(60);

/// The devices that are switched on.
pub(super) struct Cast {
    pub(super) folder: PathBuf,
    pub(super) on: BTreeMap<&'static str, Process>,
}

pub(super) fn play(folder: &Path, gallery: u32, seed: u64, story: &mut Story) -> Result<Report, Failure> {
    let mut cast = Cast { folder: folder.to_owned(), on: BTreeMap::new() };
    let report = play_scenes(&mut cast, gallery, seed, story);
    if report.is_err() {
        for process in cast.on.values() {
            eprintln!("  {} said last:\n    {}", process.name(), process.last_words());
        }
    }
    report
}

fn play_scenes(cast: &mut Cast, gallery: u32, seed: u64, story: &mut Story) -> Result<Report, Failure> {
    story.scene("1. A site is founded, its devices are enrolled")?;
    enrol_all(&cast.folder)?;
    story.tell(format!("enrolled: a hub, {} and {} officers' devices, a van, a mule", NORTH.len(), SOUTH.len()))?;
    let people = fill_gallery(&cast.folder, HUB, gallery, seed)?;
    story.tell(format!("the hub's gallery has {gallery} synthetic people, two fingers each"))?;

    story.scene("2. Two groups, cut off from each other and from the Internet")?;
    let relay = cast.open_up()?;
    story.tell(format!(
        "in the north {}; in the south {} and the van; the mule is in the north",
        NORTH.join(", "),
        SOUTH.join(", ")
    ))?;
    story.tell("the van looks for the hub, and finds no way out")?;
    let mut outcomes = Vec::new();
    for number in 0..OFFLINE {
        let origin = if number % 2 == 0 { NORTH[number / 2 % 3] } else { SOUTH[number / 2 % 2] };
        outcomes.push(cast.capture(origin, &people.pick(number), false)?);
    }
    story.tell(format!(
        "{OFFLINE} people captured: {} of them are in the gallery, one has smudged prints",
        people.known()
    ))?;

    story.scene("3. The mule carries")?;
    let (north, south): (Vec<_>, Vec<_>) = outcomes
        .iter()
        .map(|o| o.id.clone())
        .partition(|id| outcomes.iter().any(|o| o.id == *id && NORTH.contains(&o.origin.as_str())));
    cast.wait_until_whole(MULE, &north)?;
    story.tell(format!("the mule holds all {} captures of the north, sealed; it can't read them", north.len()))?;
    tell_one(cast, story, NORTH[0], &outcomes[0])?;
    story.tell("the mule leaves for the south, switched off on the way")?;
    cast.send_mule(SOUTH[0])?;
    let all: Vec<String> = [north.clone(), south].concat();
    cast.wait_until_whole(VAN, &all)?;
    story.tell(format!("it has arrived: the van holds all {} captures now", all.len()))?;
    for outcome in &mut outcomes {
        outcome.route = cast.route(&outcome.id, &outcome.origin);
    }

    story.scene("4. The satellite window opens")?;
    relay.open();
    wait_for("the van to become a gateway", STEP, || cast.on[VAN].status().ok().filter(|s| s["gateway"] == true))?;
    story.tell("the van is a gateway")?;
    for outcome in outcomes.iter_mut().filter(|outcome| !NORTH.contains(&outcome.origin.as_str())) {
        cast.await_verdict(outcome)?;
        tell_verdict(story, outcome)?;
    }
    wait_for("the mule to pick up the north's verdicts", STEP, || {
        let answered = |id: &String| cast.on[MULE].capture(id).is_some_and(|c| c["verdicts"].get(0).is_some());
        north.iter().all(answered).then_some(())
    })?;
    story.tell("the mule has the north's verdicts with it, sealed to the officers who asked")?;

    story.scene("5. The answers come home")?;
    cast.send_mule(NORTH[0])?;
    for outcome in outcomes.iter_mut().filter(|outcome| NORTH.contains(&outcome.origin.as_str())) {
        cast.await_verdict(outcome)?;
        tell_verdict(story, outcome)?;
    }

    story.scene("6. While the gateway is up")?;
    for number in OFFLINE..OFFLINE + ONLINE {
        let mut outcome = cast.capture(SOUTH[number % 2], &people.pick(number), true)?;
        cast.await_verdict(&mut outcome)?;
        outcome.route = vec![outcome.origin.clone(), VAN.into(), HUB.into()];
        outcomes.push(outcome);
    }
    story.tell(format!("{ONLINE} more captures answered as they were made"))?;

    story.scene("7. What was read is erased")?;
    let done = cast.read_all(&outcomes)?;
    cast.await_erased(SOUTH[0], &done.south)?;
    story.tell(format!(
        "all officers have read their answers: {} captures answered `no match` are erased where they were made",
        done.all().len()
    ))?;
    story.tell(format!("the {} of the south are gone from the van and the hub, too", done.south.len()))?;

    story.scene("8. A device is stolen")?;
    cast.revoke(STOLEN)?;
    story.tell(format!(
        "the authority has signed an order, {} states it: the south and the hub have cut off {STOLEN}",
        SOUTH[0]
    ))?;
    cast.send_mule(SOUTH[0])?;
    cast.await_erased(MULE, &done.north)?;
    cast.await_erased(VAN, &done.north)?;
    story.tell("the mule brings the erasures of the north, and hears of the order")?;
    cast.send_mule(NORTH[0])?;
    let erased = cast.erased_everywhere(&done)?;
    let told = cast.told_of(STOLEN)?;
    story
        .tell(format!("back in the north it tells of it: {told} devices refuse {STOLEN} now, wherever it turns up"))?;

    let hub = cast.on[HUB].status()?;
    Ok(Report { outcomes, screened: hub["screened"].as_u64().unwrap_or(0), erased, told })
}

fn tell_one(cast: &Cast, story: &Story, device: &'static str, outcome: &Outcome) -> Result<(), Failure> {
    let Some(capture) = cast.on[device].capture(&outcome.id) else { return Ok(()) };
    let copies = capture["stages"]["copies"].as_array().into_iter().flatten();
    let copies: Vec<String> = copies.map(crate::output::who).collect();
    story.tell(format!(
        "capture {} on {device}: {}, also held by {}",
        crate::output::short(&outcome.id),
        crate::output::stage(text(&capture, "stage")),
        copies.join(", ")
    ))
}

fn tell_verdict(story: &Story, outcome: &Outcome) -> Result<(), Failure> {
    let verdict = outcome.verdicts.first().map_or("none".to_owned(), crate::output::verdict);
    story.tell(format!("{} reads the verdict on {}: {verdict}", outcome.origin, crate::output::short(&outcome.id)))
}

/// Founds a site and enrols everybody, the hub first.
fn enrol_all(folder: &Path) -> Result<(), Failure> {
    let mut site = SiteFolder::found(&folder.join(AUTHORITY), "Exercise Stonebrood", Policy::default())?;
    let officers = NORTH.iter().chain(&SOUTH).map(|name| (*name, Roles::OFFICER));
    // Somebody must be able to examine: the van's crew.
    let others = [(VAN, Roles::OFFICER.and(Roles::SUPERVISOR)), (MULE, Roles(0))];
    for (name, roles) in [(HUB, Roles::HUB)].into_iter().chain(officers).chain(others) {
        let home = Home::create(&folder.join(name))?;
        let (_, answer) = site.enrol(&home.request()?, roles, name, now_ms(), 7)?;
        enrol::join(&home, &answer)?;
    }
    Ok(())
}

impl Cast {
    /// Starts the hub behind a closed relay, and all devices.
    fn open_up(&mut self) -> Result<Relay, Failure> {
        let hub = ["hub", "run", "--listen", "127.0.0.1:0"].map(String::from);
        self.on.insert(HUB, Process::start(&self.folder, HUB, &hub)?);
        let relay = Relay::start(self.on[HUB].listening()?)?;
        self.start_group(&NORTH)?;
        self.start_group(&SOUTH)?;
        self.start_device(VAN, &[self.address(SOUTH[0])?], Some(relay.address()))?;
        self.start_device(MULE, &[self.address(NORTH[0])?], None)?;
        Ok(relay)
    }

    /// The first of a group is dialled by the others.
    fn start_group(&mut self, names: &[&'static str]) -> Result<(), Failure> {
        let mut known = Vec::new();
        for name in names {
            self.start_device(name, &known, None)?;
            known.push(self.address(name)?);
        }
        Ok(())
    }

    pub(super) fn start_device(
        &mut self,
        name: &'static str,
        peers: &[SocketAddr],
        hub: Option<SocketAddr>,
    ) -> Result<(), Failure> {
        // No multicast and no address book: on one machine everybody could reach everybody, and here they mustn't.
        let mut args = ["run", "--listen", "127.0.0.1:0", "--no-mdns", "--no-book"].map(String::from).to_vec();
        args.extend(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()]));
        args.extend(hub.into_iter().flat_map(|hub| ["--hub".to_owned(), hub.to_string()]));
        self.on.insert(name, Process::start(&self.folder, name, &args)?);
        Ok(())
    }

    pub(super) fn stop(&mut self, name: &str) -> Result<(), Failure> {
        self.on.remove(name).map_or(Ok(()), Process::stop)
    }

    pub(super) fn address(&self, name: &str) -> Result<SocketAddr, Failure> {
        self.on.get(name).ok_or_else(|| Failure::new(format!("{name} is off")))?.listening()
    }

    /// Records a capture through the device's API, as the officer's form does.
    fn capture(&self, origin: &str, person: &Person, online: bool) -> Result<Outcome, Failure> {
        let captured_ms = now_ms();
        let particulars = person.particulars.to_string();
        let mut form = Form::new().text("purpose", "exercise").text("particulars", &particulars);
        for (name, image) in &person.images {
            form = form.part(name, Part::bytes(image).file_name(name));
        }
        let recorded = self.on[origin].client().post_form("/api/captures", form)?;
        Ok(Outcome {
            id: text(&recorded, "id").to_owned(),
            origin: origin.to_owned(),
            expected: person.expected.clone(),
            online,
            route: vec![origin.to_owned()],
            captured_ms,
            accepted_ms: None,
            answered_ms: None,
            verdicts: Vec::new(),
            references: Vec::new(),
        })
    }

    /// Waits until a device holds captures with all their images.
    fn wait_until_whole(&self, name: &str, ids: &[String]) -> Result<(), Failure> {
        let process = &self.on[name];
        wait_for(&format!("{name} to hold {} captures whole", ids.len()), STEP, || {
            let status = process.status().ok()?;
            let known = ids.iter().all(|id| process.capture(id).is_some());
            (known && status["missing"]["captures"] == 0).then_some(())
        })
    }

    /// Who carried a capture to the van, as the van knows it before the hub has it.
    fn route(&self, id: &str, origin: &str) -> Vec<String> {
        let capture = self.on[VAN].capture(id).unwrap_or(Value::Null);
        let copies = capture["stages"]["copies"].as_array().into_iter().flatten().map(crate::output::who);
        let by_mule = NORTH.contains(&origin) && copies.into_iter().any(|name| name == MULE);
        let mule = by_mule.then(|| MULE.to_owned());
        [Some(origin.to_owned()), mule, Some(VAN.into()), Some(HUB.into())].into_iter().flatten().collect()
    }

    fn await_verdict(&self, outcome: &mut Outcome) -> Result<(), Failure> {
        let process = &self.on[outcome.origin.as_str()];
        let capture = wait_for(&format!("a verdict on {}", outcome.origin), STEP, || {
            process.capture(&outcome.id).filter(|capture| capture["verdicts"][0]["readable"] == true)
        })?;
        outcome.answered_ms = Some(now_ms());
        outcome.accepted_ms = capture["stages"]["accepted"]["at_ms"].as_u64();
        outcome.verdicts = capture["verdicts"].as_array().cloned().unwrap_or_default();
        // Every answer came through the van, whose crew may examine it.
        let examined = self.on[VAN].capture(&outcome.id).unwrap_or(Value::Null);
        let references = examined["verdicts"][0]["candidates"].as_array().into_iter().flatten();
        outcome.references = references.filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(())
    }
}
