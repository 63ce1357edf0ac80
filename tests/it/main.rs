//! The tests that see ampup from outside, in one binary.

mod commands;
mod house;
mod main_job;
mod postgres_programs;
mod registry;
mod support;
