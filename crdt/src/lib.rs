//! What a site knows, and how copies of it become one. (Chapter to come.)

pub mod blob;
pub mod codec;
pub mod entry;
pub mod ids;
pub mod knowledge;
pub mod redacted;
pub mod replica;
pub mod seal;
pub mod site;
pub mod stage;
pub mod statement;
pub mod store;
pub mod sync;
pub mod time;
pub mod view;
