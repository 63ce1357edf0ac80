//! ampup installs the components of Amp, and tells a daemon where they are.
//!
//! The crate has two faces. With the feature `cli` (the default) it is the program `ampup`, whose modules are no interface
//! for anybody. Without it, it is what a daemon links: it finds what is installed and runs a project's database, with no
//! network client and no async runtime in its dependency tree.
//!
//! ```toml
//! ampup = { version = "0.2", default-features = false }
//! ```
//!
//! # A daemon
//!
//! It keeps its state in the project's database, which is made if there is none. Nothing is downloaded.
//!
//! ```no_run
//! use ampup::{
//!     Env,
//!     event::Silent,
//!     locate::Locator,
//!     postgres::{Cluster, ClusterError, Project, StartOptions},
//! };
//!
//! fn main() -> Result<(), ClusterError> {
//!     // The environment is read here, and nowhere else.
//!     let env = Env::capture();
//!     // `AMP_DIR`, else `.amp` in the working directory; and `AMPUP_HOME`, else `~/.ampup`.
//!     let project = Project::find(&env, None)?;
//!     let locator = Locator::from_env(&env)?;
//!
//!     // A server that runs already is used. Instead of `Silent`, a `Reporter` of your own can log what is waited for.
//!     let cluster = Cluster::open(project, locator, &env);
//!     let server = cluster.start(&StartOptions::default(), &Silent)?;
//!
//!     // Work, with any client: sqlx, tokio-postgres, libpq.
//!     println!("{}", server.url());
//!
//!     // Whoever releases it last shuts it down. A daemon that is killed leaves it running, and the next one finds it.
//!     server.release(&Silent)?;
//!     Ok(())
//! }
//! ```
//!
//! # From async code
//!
//! Every function here blocks, the start of a server for as long as a recovery takes: in an async program, call it on a
//! thread that may block, with `tokio::task::spawn_blocking` for example. A `Server` is `Send` and `Sync`.
//!
//! # In the source
//!
//! ARCHITECTURE.md names the floors; a module imports only from lower ones.

#![cfg_attr(
    not(feature = "cli"),
    allow(
        dead_code,
        unfulfilled_lint_expectations,
        unreachable_pub,
        unused_imports,
        reason = "modules of floors 1 to 4 serve the program too: what it alone uses of them is out of reach here"
    )
)]

pub use self::{
    domain::{ComponentName, TreeName},
    env::{Env, HomeError},
};

// Floor 1: ground.
#[cfg(not(feature = "cli"))]
mod children;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod children;
#[cfg(not(feature = "cli"))]
mod distributions;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod distributions;
#[cfg(not(feature = "cli"))]
mod domain;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod domain;
#[cfg(not(feature = "cli"))]
mod env;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod env;
#[cfg(not(feature = "cli"))]
mod exit;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod exit;
#[cfg(not(feature = "cli"))]
mod fs;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod fs;
#[cfg(not(feature = "cli"))]
mod host;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod host;
#[cfg(not(feature = "cli"))]
mod machine;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod machine;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod nearest;
#[cfg(any(not(target_os = "linux"), test))]
mod processes;

// Floor 2: meaning.
pub mod event;
#[cfg(not(feature = "cli"))]
mod layout;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod layout;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod manual;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod pins;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod registry;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod settings;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod shell;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod verify;

// Floor 3: hands, which do not know each other.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod fetch;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod resolve;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod setup;
#[cfg(not(feature = "cli"))]
mod store;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod store;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod unpack;

// Floor 4: database.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod accept;
#[cfg(feature = "cli")]
pub mod hindrance;
pub mod locate;
pub mod postgres;

// Floor 5: flows, where wire, disk and database meet.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod backup;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod discover;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod doctor;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod import;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod install;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod mirror;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod prune;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod refresh;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod remove;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod self_install;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod transfer;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod upgrade;

// Floor 6: commands.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod commands;

// Floor 7: the face, the only code that prints.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

/// The programs of the page for daemon authors, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/daemon-authors.md")]
pub struct ForDaemonAuthors;
