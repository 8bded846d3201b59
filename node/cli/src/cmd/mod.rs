//! The commands, a file each.

pub(crate) mod capture;
pub(crate) mod completions;
pub(crate) mod device;
pub(crate) mod edit;
pub(crate) mod hub;
pub(crate) mod keystore;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod members;
pub(crate) mod peers;
pub(crate) mod review;
pub(crate) mod revoke;
pub(crate) mod run;
pub(crate) mod seen;
pub(crate) mod set_aside;
pub(crate) mod shift;
pub(crate) mod show;
pub(crate) mod site;
pub(crate) mod site_export;
pub(crate) mod status;
pub(crate) mod synth;
pub(crate) mod watch;
pub(crate) mod withdraw;
pub(crate) mod worker;
