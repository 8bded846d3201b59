//! `greenline sim`: operations planned and traces replayed in virtual time.

mod import;

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
    /// Read a contact trace, tell it in numbers, write it as a table
    Import(import::ImportArgs),
}

pub(crate) fn run(args: &SimArgs) -> Result<(), Failure> {
    match &args.command {
        SimCommand::Import(args) => import::run(args),
    }
}
