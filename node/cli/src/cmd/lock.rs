//! `greenline lock` and `greenline unlock`: who may use the running device.

use clap::Args;
use node::home::Home;
use node::keystore::Protection;
use serde_json::json;

use crate::client::{Client, HomeArg, OperatorArg};
use crate::failure::Failure;
use crate::output;
use crate::unlock::KeysArg;

/// Lock the running device: nobody uses it until it is unlocked; it goes on carrying and syncing.
#[derive(Args, Debug)]
pub(crate) struct LockArgs {
    #[command(flatten)]
    home: HomeArg,
    #[command(flatten)]
    by: OperatorArg,
}

/// Unlock the running device, with the passphrase or the key file of its keys.
#[derive(Args, Debug)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    keys: KeysArg,
    #[command(flatten)]
    by: OperatorArg,
}

pub(crate) fn lock(args: &LockArgs) -> Result<(), Failure> {
    let _ = Client::connect(&args.home)?.acting(&args.by.acting())?.post("/api/lock", &json!({}))?;
    output::say("Locked.")
}

pub(crate) fn unlock(args: &UnlockArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.keys.home)?.acting(&args.by.acting())?;
    let body = match Home::open(&args.keys.home.home)?.protection()? {
        Protection::KeyFile => json!({"key_file": args.keys.opener.key_file_text()?.as_str()}),
        Protection::Nothing | Protection::Passphrase(_) => {
            json!({"passphrase": args.keys.opener.passphrase(&args.keys.home.home)?.as_str()})
        }
    };
    let _ = client.post("/api/unlock", &body)?;
    output::say("Unlocked.")
}
