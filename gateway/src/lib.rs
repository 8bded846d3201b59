//! Both ends of the uplink: a device's way out, and the hub that answers.
//!
//! ```text
//!  device:  engine ◄─► driver ◄─► quic ─────────► hub: quic ◄─► driver (one per site) ◄─► engine
//!                        ▲                                          │ whole captures
//!                     uplink: when to connect, when a gateway       ▼
//!                                                   intake: receipt, screening, verdict
//! ```
//!
//! The hub is one more replica: forwarding a capture is syncing it to the hub, and the answer is an entry in the hub's own
//! log. [`uplink`], [`intake`] and [`clerk`] decide and are pure; the rest carries out and needs the feature `shell`.

pub mod clerk;
pub mod intake;
pub mod screen;
pub mod uplink;

#[cfg(feature = "shell")]
pub mod driver;
#[cfg(feature = "shell")]
pub mod hub;
#[cfg(feature = "shell")]
pub mod quic;
#[cfg(feature = "shell")]
pub mod trail;
