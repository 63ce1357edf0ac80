//! The verbs of the command line, one a file: its arguments, and `run`, which does the work and gives an [`Outcome`].
//! Nothing here prints.

mod advice;
pub mod check;
mod child;
mod client;
pub mod complete;
pub mod completions;
mod concerns;
mod database;
pub mod db;
pub mod doctor;
pub mod env;
mod error;
mod external;
pub mod history;
pub mod how;
pub mod info;
pub mod init;
pub mod install;
mod installation;
mod installed;
pub mod link;
pub mod list;
pub mod mirror;
mod next;
mod outcome;
mod paint;
pub mod pin;
mod pinned;
pub mod prune;
mod published;
pub mod registry_check;
pub mod requests;
pub mod run;
pub mod search;
pub mod self_uninstall;
pub mod self_update;
mod serving;
mod session;
mod standing;
mod times;
mod unbuilt;
pub mod undo;
pub mod uninstall;
pub mod update;
mod upstream;
pub mod use_version;
mod variables;
pub mod verify;
pub mod which;
pub mod why;

pub use error::Error;
pub use outcome::Outcome;
pub use session::{Options, RegistrySource, Session};

use serde_json::json;

/// Answers `ampup self version`: the same as `ampup --version`.
pub fn version() -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    Outcome::answer(format!("ampup {version}\n"), json!({ "version": version }))
}
