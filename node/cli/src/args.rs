//! The command line: each command and flag is defined here or in its command's file, once.

use clap::{Parser, Subcommand};

use crate::cmd;

/// Check fingerprints and faces against central databases, from places with no Internet.
///
/// Devices at a site form a mesh; each capture reaches every device that can help it; any device that finds the
/// Internet carries it to the hub; the verdict finds its way back.
#[derive(Parser, Debug)]
#[command(name = "greenline", version, about, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Begin with `greenline demo`. To set up a site:
  greenline site new ./site --name 'Post 4'
  greenline device request --home ./hub                        (on the hub; prints a request)
  greenline device enrol --site ./site --role hub --alias hub REQUEST      (prints an answer)
  greenline device join --home ./hub ANSWER                    (on the hub)
The same three steps enrol each device; then `greenline hub run` and `greenline run` start them.";

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Found a site and look at its roster
    Site(cmd::site::SiteArgs),
    /// Enrol devices: request, enrol, join
    Device(cmd::device::DeviceArgs),
    /// Run this device
    Run(cmd::run::RunArgs),
    /// Record a person's check
    Capture(cmd::capture::CaptureArgs),
    /// List captures, newest first
    List(cmd::list::ListArgs),
    /// Show one capture: its journey, its record, its verdict
    Show(cmd::show::ShowArgs),
    /// Change a capture's co-edited record
    Edit(cmd::edit::EditArgs),
    /// Read, or add to, what the site's people leave each other: roster, hand-over, tasks
    Shift(cmd::shift::ShiftArgs),
    /// State that a verdict was read
    Seen(cmd::seen::SeenArgs),
    /// Take a capture back: it is erased everywhere, for good
    Withdraw(cmd::withdraw::WithdrawArgs),
    /// Say, as an examiner, what looking at a verdict showed
    Review(cmd::review::ReviewArgs),
    /// Follow what happens on a device
    Watch(cmd::watch::WatchArgs),
    /// Show who this device is connected to, and whom it knows
    Peers(cmd::peers::PeersArgs),
    /// List the site's members: their roles, how long they are certified, and who was revoked
    Members(cmd::members::MembersArgs),
    /// Revoke a device: vote as a supervisor, or hand on the authority's order
    Revoke(cmd::revoke::RevokeArgs),
    /// List the entries that have no effect, and why
    SetAside(cmd::set_aside::SetAsideArgs),
    /// Let a capture count that was set aside because its device was revoked
    Readmit(cmd::set_aside::ReadmitArgs),
    /// Lock the running device; it goes on carrying and syncing
    Lock(cmd::lock::LockArgs),
    /// Unlock the running device
    Unlock(cmd::lock::UnlockArgs),
    /// Export, show and check who did what, and prove what became of captures
    Audit(cmd::audit::AuditArgs),
    /// Show how a running device is
    Status(cmd::status::StatusArgs),
    /// Run a hub and keep its gallery
    Hub(cmd::hub::HubArgs),
    /// Protect keys with a passphrase or a key file, and see what protects them
    Keystore(cmd::keystore::KeystoreArgs),
    /// Make synthetic people: prints and faces that belong to nobody
    Synth(cmd::synth::SynthArgs),
    /// Plan operations and replay contact traces, in virtual time
    Sim(cmd::sim::SimArgs),
    /// Watch two cut-off groups, a mule and a late gateway get their captures screened
    Demo(crate::demo::DemoArgs),
    /// Print a completion script for a shell
    Completions(cmd::completions::CompletionsArgs),
    /// Serve as a matcher's worker process
    #[command(hide = true)]
    MatcherWorker,
}

/// Reads NAME=VALUE.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or("write it with an equals sign between: `family_name=Doe`, `gate 1=Ana`")?;
    Ok((name.to_owned(), value.to_owned()))
}
