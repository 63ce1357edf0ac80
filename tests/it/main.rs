//! The tests that see ampup from outside, in one binary.

mod postgres_ampd;
mod postgres_kills;
mod postgres_law;
mod postgres_life;
mod postgres_paths;
mod postgres_programs;
mod postgres_strangers;
mod registry;
mod support;
