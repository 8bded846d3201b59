//! After the answers: what was read is erased everywhere, and a stolen device is shut out.

use crdt::revocation::Charge;
use gateway::driver::now_ms;
use node::enrol::SiteFolder;
use node::orders;
use serde_json::{Value, json};

use super::report::{Expected, Outcome};
use super::stage::{AUTHORITY, Cast, HUB, MULE, NORTH, SOUTH, STEP};
use super::wait_for;
use crate::failure::Failure;
use crate::output::text;

/// Captures that nobody needs any more, by where they were made.
pub(super) struct Done {
    pub(super) north: Vec<String>,
    pub(super) south: Vec<String>,
}

impl Done {
    pub(super) fn all(&self) -> Vec<String> {
        [self.north.as_slice(), &self.south].concat()
    }
}

impl Cast {
    /// Every officer reads every answer. What was answered `no match` has served its purpose then.
    pub(super) fn read_all(&self, outcomes: &[Outcome]) -> Result<Done, Failure> {
        for outcome in outcomes {
            let path = format!("/api/captures/{}/seen", outcome.id);
            let _answer = self.on[outcome.origin.as_str()].client().post(&path, &Value::Null)?;
        }
        let done = outcomes.iter().filter(|outcome| outcome.expected == Expected::NoMatch);
        let (north, south): (Vec<_>, Vec<_>) = done.partition(|outcome| NORTH.contains(&outcome.origin.as_str()));
        let ids = |outcomes: Vec<&Outcome>| outcomes.into_iter().map(|outcome| outcome.id.clone()).collect();
        Ok(Done { north: ids(north), south: ids(south) })
    }

    /// Waits until a device has nothing of these captures but their trail.
    pub(super) fn await_erased(&self, name: &str, ids: &[String]) -> Result<(), Failure> {
        let process = &self.on[name];
        wait_for(&format!("{name} to erase {} captures", ids.len()), STEP, || {
            ids.iter().all(|id| process.capture(id).as_ref().is_some_and(is_erased)).then_some(())
        })
    }

    /// How many captures are erased on every device that is on, and in the hub.
    pub(super) fn erased_everywhere(&self, done: &Done) -> Result<usize, Failure> {
        let all = done.all();
        for device in self.devices() {
            self.await_erased(device, &all)?;
        }
        wait_for(&format!("the hub to erase {} captures", all.len()), STEP, || {
            (self.on[HUB].status().ok()?["sites"][0]["erased"] == all.len()).then_some(all.len())
        })
    }

    /// The authority signs what a device charges another with, and the device states it. Waits until all in touch with it, and
    /// the hub, have parted with the device.
    pub(super) fn revoke(&mut self, stolen: &str) -> Result<(), Failure> {
        let teller = self.on[SOUTH[0]].client();
        let id = text(&self.on[stolen].status()?["device"], "id").to_owned();
        let draft = teller.get(&format!("/api/members/{id}/charge?cause=stolen"))?;
        let charge: Charge = orders::read_charge(text(&draft, "charge"))?;
        let order = SiteFolder::open(&self.folder.join(AUTHORITY))?.revoke(charge, now_ms())?;
        let _standing = teller.post("/api/orders", &json!({"order": orders::order_text(&order)}))?;
        wait_for(&format!("{stolen} to be cut off"), STEP, || {
            let status = self.on[stolen].status().ok()?;
            (status["peers"] == 0 && status["notes"].to_string().contains("was revoked")).then_some(())
        })?;
        // From here on nobody asks it anything: it is in other hands.
        self.stop(stolen)
    }

    /// Switched off, driven away, and switched on where somebody else is in reach.
    pub(super) fn send_mule(&mut self, to: &str) -> Result<(), Failure> {
        self.stop(MULE)?;
        self.start_device(MULE, &[self.address(to)?], None)
    }

    /// Waits until every device that is on knows that one is revoked; returns how many they are.
    pub(super) fn told_of(&self, stolen: &str) -> Result<usize, Failure> {
        let mut told = 0;
        for device in self.devices() {
            wait_for(&format!("{device} to hear that {stolen} is revoked"), STEP, || {
                let status = self.on[device].status().ok()?;
                status["revoked"].as_array()?.iter().any(|member| text(member, "alias") == stolen).then_some(())
            })?;
            told += 1;
        }
        Ok(told)
    }

    fn devices(&self) -> impl Iterator<Item = &'static str> {
        self.on.keys().copied().filter(|name| *name != HUB)
    }
}

fn is_erased(capture: &Value) -> bool {
    text(capture, "stage") == "erased"
}
