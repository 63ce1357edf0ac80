//! ampup installs the components of Amp, and tells a daemon where they are.
//!
//! The crate has two faces. With the feature `cli` (the default) it is the program `ampup`, whose modules are no interface
//! for anybody. Without it, it is what a daemon links: it finds what is installed and runs a project's database, with no
//! network client and no async runtime in its dependency tree.
//!
//! ```toml
//! ampup = { git = "https://github.com/edgeandnode/ampup", default-features = false }
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

// What a daemon uses.
pub mod event;
pub mod locate;
pub mod postgres;

// The other modules are no interface: the program, its tests and its tools enter them, and a daemon does not.
#[cfg(not(feature = "cli"))]
use self::ground::*;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use self::{ground::*, program::*};

/// The modules that a daemon needs too.
#[path = ""]
mod ground {
    // Floor 1: ground.
    pub mod children;
    pub mod domain;
    pub mod env;
    pub mod fs;
    pub mod machine;
    #[cfg(any(not(target_os = "linux"), test))]
    pub mod processes;

    // Floor 2: meaning.
    pub mod layout;

    // Floor 3: hands, which do not know each other. Nothing is compiled for a daemon that writes the store.
    #[warn(dead_code)]
    pub mod store;
}

/// Tables of cases, as the other tests have them.
#[cfg(test)]
#[path = "../tests/it/support/table.rs"]
mod table;

/// The modules of the program.
#[cfg(feature = "cli")]
#[path = ""]
mod program {
    // Floor 1: ground.
    pub mod distributions;
    pub mod exit;
    pub mod host;
    pub mod nearest;

    // Floor 2: meaning.
    pub mod manual;
    pub mod pins;
    pub mod registry;
    pub mod settings;
    pub mod shell;
    pub mod verify;

    // Floor 3: hands, which do not know each other.
    pub mod fetch;
    pub mod resolve;
    pub mod setup;
    pub mod unpack;

    // Floor 4: database.
    pub mod accept;
    pub mod hindrance;

    // Floor 5: flows, where wire, disk and database meet.
    pub mod backup;
    pub mod discover;
    pub mod doctor;
    pub mod dump;
    pub mod import;
    pub mod install;
    pub mod mirror;
    pub mod prune;
    pub mod refresh;
    pub mod remove;
    pub mod self_install;
    pub mod upgrade;

    // Floor 6: commands.
    pub mod commands;

    // Floor 7: the face, the only code that prints.
    pub mod cli;
}

/// The programs of the page for daemon authors, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/daemon-authors.md")]
pub struct ForDaemonAuthors;
