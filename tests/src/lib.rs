//! What the tests of real processes share: starting `greenline`, asking it, waiting for it.
