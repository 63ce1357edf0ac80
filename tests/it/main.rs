//! The tests that see ampup from outside, in one binary.

mod registry;
mod support;
// Modes and symlinks, which Windows has not.
#[cfg(unix)]
mod unpack;
