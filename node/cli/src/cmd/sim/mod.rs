//! `greenline sim`: operations planned and traces replayed in virtual time.

mod case;
mod compare;
mod fuzz;
mod import;
mod out;
mod play;
mod replay;
mod run;
mod scenarios;
mod shrink;
mod source;
mod sweep;
mod trouble;

use clap::{Args, Subcommand};

use crate::failure::Failure;

/// See the subcommands.
#[derive(Args, Debug)]
pub(crate) struct SimArgs {
    #[command(subcommand)]
    command: SimCommand,
}

#[derive(Subcommand, Debug)]
enum SimCommand {
    /// Play an operation under seeds, and hold what came of it against what was possible
    Run(run::RunArgs),
    /// Play two scenarios, or one with two settings, under the same seeds, and tell what differs
    Compare(compare::CompareArgs),
    /// Play a scenario with one or two settings through several values
    Sweep(sweep::SweepArgs),
    /// Play small operations in which everything goes wrong, and look whether the rules hold
    Fuzz(fuzz::FuzzArgs),
    /// Play one of them again
    Replay(replay::ReplayArgs),
    /// Make one that breaks a rule smaller, and write it to a file
    Shrink(shrink::ShrinkArgs),
    /// List the scenarios that come with the program, print one, or list radios and uplinks
    Scenarios(scenarios::ScenariosArgs),
    /// Read a contact trace, tell it in numbers, write it as a table
    Import(import::ImportArgs),
}

pub(crate) fn run(args: &SimArgs) -> Result<(), Failure> {
    match &args.command {
        SimCommand::Run(args) => run::run(args),
        SimCommand::Compare(args) => compare::run(args),
        SimCommand::Sweep(args) => sweep::run(args),
        SimCommand::Fuzz(args) => fuzz::run(args),
        SimCommand::Replay(args) => replay::run(args),
        SimCommand::Shrink(args) => shrink::run(args),
        SimCommand::Scenarios(args) => scenarios::run(args),
        SimCommand::Import(args) => import::run(args),
    }
}
