//! `ampup db`: the project's database, one verb a file.

pub mod compact;
pub mod env;
pub mod list;
pub mod logs;
pub mod psql;
pub mod reset;
pub mod start;
pub mod status;
pub mod stop;
pub mod url;

use super::{Error, Outcome, Session};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Db {
    /// Start the database, which then stays until it is stopped
    Start(start::Args),
    /// Stop the database, whoever started it
    Stop(stop::Args),
    /// Show what is known of the database, also while it is stopped
    Status(status::Args),
    /// Print the address of the database
    Url(url::Args),
    /// Print what a shell reads so that its programs use the database
    Env(env::Args),
    /// Open the database in psql
    Psql(psql::Args),
    /// Print the server's log
    Logs(logs::Args),
    /// List the databases of all known projects
    List(list::Args),
    /// Give the room of deleted rows back to the disk
    Compact(compact::Args),
    /// Begin with an empty database; the old one is kept under another name
    Reset(reset::Args),
}

/// Runs one of them.
///
/// # Errors
/// As the verb.
pub fn run(verb: &Db, session: &Session) -> Result<Outcome, Error> {
    match verb {
        Db::Start(args) => start::run(args, session),
        Db::Stop(args) => stop::run(args, session),
        Db::Status(args) => status::run(args, session),
        Db::Url(args) => url::run(args, session),
        Db::Env(args) => env::run(args, session),
        Db::Psql(args) => psql::run(args, session),
        Db::Logs(args) => logs::run(args, session),
        Db::List(args) => list::run(args, session),
        Db::Compact(args) => compact::run(args, session),
        Db::Reset(args) => reset::run(args, session),
    }
}
