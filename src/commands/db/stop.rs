//! `ampup db stop`: a fast shutdown, which loses nothing.

use serde_json::json;

use crate::{
    commands::{Error, Outcome, Session, database::Selected},
    postgres::{Force, Stopped},
};

/// Arguments of `ampup db stop`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
    /// Kill a server that does not stop; what was committed is there again after the next start
    #[arg(long)]
    pub force: bool,
}

/// Stops the database, whoever started it and whoever uses it.
///
/// # Errors
/// When it does not stop, or runs where it cannot be reached.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.project.cluster(session)?;
    let force = if args.force { Force::Yes } else { Force::No };
    let place = cluster.project().cluster();
    let (line, pid) = match cluster.stop(force, session.reporter.as_ref())? {
        Stopped::Stopped { pid } => (format!("stopped the database in `{place}`"), Some(pid)),
        Stopped::WasNotRunning => (format!("no database runs in `{place}`"), None),
    };
    let json = json!({ "cluster": place, "stopped": pid.is_some(), "pid": pid });
    Ok(Outcome::done(vec![line], json))
}
