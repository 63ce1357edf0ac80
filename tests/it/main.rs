//! The tests that see ampup from outside, in one binary.

#[cfg(target_os = "linux")]
mod book;
#[cfg(target_os = "linux")]
mod bootstrap;
#[cfg(unix)]
mod care;
mod choosing;
mod commands;
#[cfg(target_os = "linux")]
mod completing;
mod concerns;
#[cfg(target_os = "linux")]
mod database_backup;
#[cfg(target_os = "linux")]
mod database_exchange;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod database_import;
#[cfg(target_os = "linux")]
mod database_root;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod database_upgrade;
#[cfg(unix)]
#[cfg(unix)]
mod door;
mod formats;
mod house;
#[cfg(target_os = "linux")]
mod life;
mod main_job;
#[cfg(target_os = "linux")]
mod own_registry;
mod own_state;
mod postgres_ampd;
mod postgres_daemon;
mod postgres_kills;
mod postgres_law;
mod postgres_life;
mod postgres_loopback;
mod postgres_paths;
mod postgres_programs;
mod postgres_strangers;
mod powershell;
mod registry;
mod run;
#[cfg(unix)]
mod run_data;
#[cfg(unix)]
mod run_db;
#[cfg(unix)]
mod run_law;
#[cfg(unix)]
mod seeds;
#[cfg(target_os = "linux")]
mod setup;
#[cfg(unix)]
mod shells;
mod support;
#[cfg(target_os = "linux")]
mod torture;
#[cfg(unix)]
mod trust;
mod trust_commands;
#[cfg(unix)]
mod unpack;
mod wire;
#[cfg(unix)]
mod words;
