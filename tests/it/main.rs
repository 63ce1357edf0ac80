//! The tests that see ampup from outside, in one binary. Their worlds are those of a Unix user, so Windows compiles and runs
//! few of them; what is its own there is in the unit tests, and in the workflow's job on Windows.

#[cfg(target_os = "linux")]
mod book;
#[cfg(target_os = "linux")]
mod bootstrap;
#[cfg(unix)]
mod care;
#[cfg(target_os = "linux")]
mod catalog;
#[cfg(unix)]
mod choosing;
#[cfg(unix)]
mod commands;
#[cfg(target_os = "linux")]
mod completing;
#[cfg(unix)]
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
mod discover;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(unix)]
mod door;
#[cfg(unix)]
mod formats;
#[cfg(unix)]
mod further;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod generator;
#[cfg(target_os = "linux")]
mod hints;
#[cfg(target_os = "linux")]
mod hosts;
#[cfg(unix)]
mod house;
mod library;
#[cfg(target_os = "linux")]
mod life;
#[cfg(target_os = "linux")]
mod linked;
#[cfg(unix)]
mod main_job;
#[cfg(target_os = "linux")]
mod mirror;
#[cfg(target_os = "linux")]
mod own_registry;
#[cfg(target_os = "linux")]
mod own_state;
#[cfg(target_os = "linux")]
mod pins;
#[cfg(unix)]
mod planning;
#[cfg(unix)]
mod postgres_ampd;
#[cfg(unix)]
mod postgres_daemon;
#[cfg(unix)]
mod postgres_foreign;
#[cfg(unix)]
mod postgres_kills;
#[cfg(unix)]
mod postgres_law;
#[cfg(unix)]
mod postgres_life;
#[cfg(unix)]
mod postgres_loopback;
#[cfg(unix)]
mod postgres_paths;
#[cfg(unix)]
mod postgres_programs;
mod powershell;
#[cfg(target_os = "linux")]
mod pruned;
mod registry;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod run_data;
#[cfg(unix)]
mod run_db;
#[cfg(unix)]
mod run_law;
#[cfg(unix)]
mod run_left;
#[cfg(unix)]
mod run_newcomer;
#[cfg(unix)]
mod screens;
#[cfg(unix)]
mod seeds;
#[cfg(unix)]
mod settled;
#[cfg(target_os = "linux")]
mod setup;
#[cfg(unix)]
mod shells;
#[cfg(unix)]
mod support;
#[cfg(target_os = "linux")]
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(
        dead_code,
        reason = "the generator is tried on x86_64 alone; the catalog everywhere"
    )
)]
#[path = "../../tools/registry/tool.rs"]
mod tool;
#[cfg(target_os = "linux")]
mod torture;
#[cfg(unix)]
mod trust;
#[cfg(unix)]
mod trust_commands;
#[cfg(unix)]
mod unpack;
#[cfg(unix)]
mod upstream;
#[cfg(unix)]
mod wire;
#[cfg(unix)]
mod words;
