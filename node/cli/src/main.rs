//! The `greenline` command: one device, a hub, a site's authority, synthetic people, and a demo of all of it.

mod args;
mod builtin;
mod client;
mod cmd;
mod demo;
mod failure;
mod input;
mod moment;
mod output;
mod parallel;
mod photo;
mod qr;
mod shutdown;
mod unlock;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use failure::Failure;

fn main() -> ExitCode {
    crdt::quiet::install_panic_hook();
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Site(it) => cmd::site::run(it),
        Command::Device(it) => cmd::device::run(it),
        Command::Run(it) => cmd::run::run(it),
        Command::Capture(it) => cmd::capture::run(it),
        Command::List(it) => cmd::list::run(&it),
        Command::Show(it) => cmd::show::run(&it),
        Command::Edit(it) => cmd::edit::run(&it),
        Command::Shift(it) => cmd::shift::run(&it),
        Command::Seen(it) => cmd::seen::run(&it),
        Command::Withdraw(it) => cmd::withdraw::run(&it),
        Command::Review(it) => cmd::review::run(&it),
        Command::Watch(it) => cmd::watch::run(&it),
        Command::Peers(it) => cmd::peers::run(&it),
        Command::Members(it) => cmd::members::run(&it),
        Command::Revoke(it) => cmd::revoke::run(&it),
        Command::SetAside(it) => cmd::set_aside::run(&it),
        Command::Readmit(it) => cmd::set_aside::readmit(&it),
        Command::Lock(it) => cmd::lock::lock(&it),
        Command::Unlock(it) => cmd::lock::unlock(&it),
        Command::Audit(it) => cmd::audit::run(&it),
        Command::Status(it) => cmd::status::run(&it),
        Command::Hub(it) => cmd::hub::run(it),
        Command::Keystore(it) => cmd::keystore::run(it),
        Command::Synth(it) => cmd::synth::run(it),
        Command::Sim(it) => cmd::sim::run(&it),
        Command::Demo(it) => demo::run(&it),
        Command::Completions(it) => cmd::completions::run(&it),
        Command::MatcherWorker => cmd::worker::run(),
    }
}
