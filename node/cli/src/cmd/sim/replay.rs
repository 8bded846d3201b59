//! `greenline sim replay`: one operation in which everything goes wrong, again.

use clap::Args;
use simulations::fuzz;

use super::case::{CaseArgs, hex};
use super::trouble::struck;
use crate::failure::Failure;
use crate::output;

#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    case: CaseArgs,
}

pub(super) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let case = args.case.read()?;
    let (played, again) = (fuzz::play(&case), fuzz::play(&case));
    output::say(struck(played.struck.iter().map(|(class, times)| (*class, *times))))?;
    output::say(format!(
        "\n{} devices, {} captures, {} of them at the hub in the end; hash {}, twice",
        case.devices.len(),
        played.captures.0,
        played.captures.1,
        hex(&played.hash)
    ))?;
    if played != again {
        return Err(Failure::new("played twice, it came to two things").hint(
            "this is a bug of the simulator, or something in the core has a clock or a random number of its own",
        ));
    }
    match played.failure {
        None => output::say("All rules hold."),
        Some(broken) => {
            let what = format!("after {}, `{}` breaks: {}", output::span(broken.at_ms), broken.rule, broken.what);
            Err(Failure::new(what)
                .hint("make it smaller: greenline sim shrink, with the same arguments and --out FILE"))
        }
    }
}
