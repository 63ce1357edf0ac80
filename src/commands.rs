//! The verbs of the command line, one a file: its arguments, and `run`, which does the work and gives an [`Outcome`].
//! Nothing here prints.

pub mod check;
mod child;
pub mod complete;
pub mod completions;
mod database;
pub mod db;
pub mod doctor;
pub mod env;
mod error;
mod external;
pub mod history;
pub mod info;
pub mod init;
pub mod install;
pub mod list;
pub mod prune;
pub mod run;
pub mod search;
pub mod self_uninstall;
pub mod self_update;
mod session;
pub mod undo;
pub mod uninstall;
pub mod update;
pub mod use_version;
pub mod verify;
pub mod which;
pub mod why;

pub use error::Error;
pub use session::{Options, Session, Source};

use serde_json::{Value, json};

use crate::exit::Exit;

/// What a command has to say, and how it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// What it was asked for, as text for stdout; empty or ending in a line feed.
    pub data: String,
    /// What a person should know, one line each, for stderr.
    pub talk: Vec<String>,
    /// The same for programs: an object; null where a command has answered in our place.
    pub json: Value,
}

impl Outcome {
    /// An answer to a question.
    pub fn answer(data: impl Into<String>, json: Value) -> Self {
        Self {
            exit: Exit::Done,
            data: data.into(),
            talk: Vec::new(),
            json,
        }
    }

    /// A report of what was done.
    pub fn done(talk: Vec<String>, json: Value) -> Self {
        Self {
            exit: Exit::Done,
            data: String::new(),
            talk,
            json,
        }
    }
}

/// What `ampup self version` answers: the same as `ampup --version`.
pub fn version() -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    Outcome::answer(format!("ampup {version}\n"), json!({ "version": version }))
}
