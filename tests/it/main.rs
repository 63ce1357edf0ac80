//! The tests that see ampup from outside, in one binary.

#[cfg(target_os = "linux")]
mod bootstrap;
mod choosing;
mod commands;
#[cfg(unix)]
mod formats;
mod house;
mod main_job;
mod postgres_law;
mod postgres_life;
mod postgres_paths;
mod postgres_programs;
mod postgres_strangers;
mod powershell;
mod registry;
#[cfg(target_os = "linux")]
mod setup;
#[cfg(unix)]
mod shells;
mod support;
#[cfg(target_os = "linux")]
mod torture;
// Modes and symlinks, which Windows has not.
#[cfg(unix)]
mod unpack;
mod wire;
#[cfg(unix)]
mod words;
