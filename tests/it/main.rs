//! The tests that see ampup from outside, in one binary.

mod registry;
mod support;
mod wire;
