//! The tests that see ampup from outside, in one binary.

#[cfg(target_os = "linux")]
mod bootstrap;
mod choosing;
mod commands;
mod house;
mod main_job;
mod postgres_programs;
mod powershell;
mod registry;
#[cfg(target_os = "linux")]
mod setup;
#[cfg(unix)]
mod shells;
mod support;
#[cfg(target_os = "linux")]
mod torture;
mod unpack;
mod wire;
#[cfg(unix)]
mod words;
