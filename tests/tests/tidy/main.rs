//! Structure, tested: what the compiler can't see and nobody should have to police by hand.
//!
//! Each rule is a function from the repository's files to findings. It runs twice: on the repository, where it must
//! find nothing, and on a planted violation, which it must find.

mod licences;
mod packages;
mod pages;
mod readers;
mod repo;
mod source;
mod suites;
