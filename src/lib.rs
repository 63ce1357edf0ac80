//! ampup installs the components of Amp, and tells a daemon where they are.
//!
//! The crate has two faces. With the feature `cli` (the default) it is the program `ampup`. Without it, it is what a
//! daemon links: it finds what is installed and runs a project's database, with no network client and no async runtime
//! in its dependency tree.
//!
//! ARCHITECTURE.md names the floors; a module imports only from lower ones.

// Floor 1: ground.
pub mod children;
pub mod distributions;
pub mod domain;
pub mod env;
pub mod exit;
pub mod fs;
pub mod host;
pub mod machine;

// Floor 2: meaning.
pub mod event;
pub mod layout;
#[cfg(feature = "cli")]
pub mod manual;
#[cfg(feature = "cli")]
pub mod registry;
#[cfg(feature = "cli")]
pub mod settings;
#[cfg(feature = "cli")]
pub mod shell;
#[cfg(feature = "cli")]
pub mod verify;

// Floor 3: hands, which do not know each other.
#[cfg(feature = "cli")]
pub mod fetch;
#[cfg(feature = "cli")]
pub mod resolve;
#[cfg(feature = "cli")]
pub mod setup;
pub mod store;
#[cfg(feature = "cli")]
pub mod unpack;

// Floor 4: database.
#[cfg(feature = "cli")]
pub mod accept;
pub mod locate;
pub mod postgres;

// Floor 5: flows, where wire, disk and database meet.
#[cfg(feature = "cli")]
pub mod backup;
#[cfg(feature = "cli")]
pub mod discover;
#[cfg(feature = "cli")]
pub mod doctor;
#[cfg(feature = "cli")]
pub mod import;
#[cfg(feature = "cli")]
pub mod install;
#[cfg(feature = "cli")]
pub mod prune;
#[cfg(feature = "cli")]
pub mod refresh;
#[cfg(feature = "cli")]
pub mod remove;
#[cfg(feature = "cli")]
pub mod self_install;
#[cfg(feature = "cli")]
pub mod transfer;
#[cfg(feature = "cli")]
pub mod upgrade;

// Floor 6: commands.
#[cfg(feature = "cli")]
pub mod commands;

// Floor 7: the face, the only code that prints.
#[cfg(feature = "cli")]
pub mod cli;
