//! Whether keys signed some bytes: one by one, or many at once.
//!
//! A simulator plays a thousand devices in one thread, and each of them checks what each other one wrote. [`Remembering`] lets it check
//! every signature once. Devices remember nothing: each sees a signature once or twice.

use std::cell::RefCell;
use std::collections::BTreeSet;

use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes, batch};

use crate::seal::{Seed, rng};

/// Signatures remembered at most: 64 MB.
const REMEMBERED_MAX: usize = 1_000_000;

thread_local! {
    static HELD: RefCell<Option<BTreeSet<[u8; 32]>>> = const { RefCell::new(None) };
}

/// While it is there, signatures that held in this thread aren't checked again. What didn't hold is.
#[derive(Debug)]
pub struct Remembering(());

impl Remembering {
    /// Begins, with nothing.
    #[must_use]
    pub fn begin() -> Self {
        HELD.set(Some(BTreeSet::new()));
        Self(())
    }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        HELD.set(None);
    }
}

/// That a key signed some bytes, as somebody claims.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) key: &'a [u8; 32],
    pub(crate) bytes: &'a [u8],
    pub(crate) signature: &'a [u8; 64],
}

impl Claim<'_> {
    /// Whether it is so (ZIP 215 rules, the same alone and in a batch).
    pub(crate) fn holds(&self) -> bool {
        if self.held_before() {
            return true;
        }
        let key = VerificationKey::try_from(*self.key);
        let holds = key.is_ok_and(|key| key.verify(&Signature::from(*self.signature), self.bytes).is_ok());
        if holds {
            self.remember();
        }
        holds
    }

    fn held_before(&self) -> bool {
        HELD.with_borrow(|held| held.as_ref().is_some_and(|held| held.contains(&self.name())))
    }

    /// Remembers that it holds.
    pub(crate) fn remember(&self) {
        HELD.with_borrow_mut(|held| {
            if let Some(held) = held {
                if held.len() >= REMEMBERED_MAX {
                    held.clear();
                }
                held.insert(self.name());
            }
        });
    }

    /// What it is remembered by: all of it, so that nothing else is taken for it.
    fn name(&self) -> [u8; 32] {
        *blake3::Hasher::new().update(self.key).update(self.signature).update(self.bytes).finalize().as_bytes()
    }
}

/// Which claims don't hold: all are checked at once, and one by one only if that fails.
///
/// The batch's random coefficients come from everything that is checked, so that nobody can choose signatures that cancel
/// out, and no randomness is needed.
pub(crate) fn unfounded(claims: &[Claim<'_>]) -> Vec<usize> {
    let open: Vec<(usize, &Claim<'_>)> = claims.iter().enumerate().filter(|(_, claim)| !claim.held_before()).collect();
    if open.len() > 1 && hold_together(&open) {
        open.iter().for_each(|(_, claim)| claim.remember());
        return Vec::new();
    }
    open.into_iter().filter(|(_, claim)| !claim.holds()).map(|(place, _)| place).collect()
}

fn hold_together(claims: &[(usize, &Claim<'_>)]) -> bool {
    let mut verifier = batch::Verifier::new();
    let mut transcript = blake3::Hasher::new_derive_key("greenline batch verification v1");
    for (_, claim) in claims {
        for part in [claim.key.as_slice(), claim.signature, claim.bytes] {
            transcript.update(part);
        }
        let (key, signature) = (VerificationKeyBytes::from(*claim.key), Signature::from(*claim.signature));
        verifier.queue((key, signature, claim.bytes));
    }
    let seed: Seed = *transcript.finalize().as_bytes();
    verifier.verify(rng(seed)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::DeviceKey;

    fn is_held(claim: Claim<'_>) -> [bool; 2] {
        let (alone, among) = (claim.holds(), unfounded(&[claim, claim]));
        assert_eq!(alone, among.is_empty());
        [alone, claim.held_before()]
    }

    #[test]
    fn what_held_is_remembered_and_nothing_else_is_taken_for_it() {
        let key = DeviceKey::from_seed([1; 32]);
        let (id, other) = (key.id().0, DeviceKey::from_seed([2; 32]).id().0);
        let signature = key.sign(b"it was so");
        let sound = Claim { key: &id, bytes: b"it was so", signature: &signature };
        let mut bent = signature;
        bent[0] ^= 1;
        let lies = [
            Claim { bytes: b"it wasn't", ..sound },
            Claim { key: &other, ..sound },
            Claim { signature: &bent, ..sound },
        ];
        assert_eq!(is_held(sound), [true, false], "nothing is remembered unless somebody asks for it");
        {
            let _remembering = Remembering::begin();
            assert_eq!(is_held(sound), [true, true]);
            for lie in lies {
                assert_eq!(is_held(lie), [false, false]);
                assert_eq!(unfounded(&[sound, lie, sound]), [1]);
            }
        }
        assert!(!sound.held_before(), "it is over");
    }
}
