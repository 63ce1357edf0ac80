//! The tests that see ampup from outside, in one binary.

mod postgres_life;
mod postgres_programs;
mod registry;
mod support;
