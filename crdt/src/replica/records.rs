//! (stub)
use super::Replica;
use crate::entry::About;
use crate::store::Store;
#[derive(Debug, Default)]
pub(super) struct Records {}
impl Records {
    pub(super) fn forget(&mut self, _about: &About) {}
}
impl<S: Store> Replica<S> {}
