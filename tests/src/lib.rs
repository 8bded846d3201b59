//! What the tests of real processes share: a site in a temporary folder, the `greenline` processes of its devices on loopback,
//! a client of their APIs, and a way to wait for what they do.
//!
//! ```no_run
//! use tests::{Check, Site, wait_for};
//!
//! let site = Site::found();
//! site.enrol("hub", &["hub"]);
//! site.enrol("tablet", &["officer"]);
//! let hub = site.hub("hub").start();
//! let tablet = site.device("tablet").hub(&hub).start();
//! let id = tablet.api().capture(&Check::with_picture(1));
//! wait_for("a verdict", || tablet.api().verdict(&id));
//! ```
//!
//! Every port is one that the system chose, so any number of sites run side by side. What is started is killed when its handle
//! goes, and a test that fails keeps its folder, with everything that its processes logged, and names it.

mod api;
mod check;
mod command;
mod files;
#[cfg(target_os = "linux")]
mod netns;
mod process;
mod site;
mod wait;

pub use api::{Answer, Api};
pub use check::{Check, on_file, picture};
pub use command::{Ran, can_fake_time, command, greenline, program, skipped};
pub use files::{contains, files_in};
#[cfg(target_os = "linux")]
pub use netns::{Machine, Switch};
#[cfg(target_os = "linux")]
pub use process::PORT;
pub use process::{Process, Start, kill};
pub use site::Site;
pub use wait::{PATIENCE, wait_for, wait_longer};
