//! `ampup db url`: the address for libpq, sqlx and tokio-postgres.

use serde_json::json;

use super::status::state;
use crate::{
    commands::{Error, Outcome, Session, database::Selected, external::External},
    postgres::{Cluster, ServerState, Status},
};

/// Arguments of `ampup db url`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
    /// Print the address of its port of 127.0.0.1, with the password
    #[arg(long)]
    pub tcp: bool,
}

/// The address that the project's database has, or will have when it runs.
///
/// # Errors
/// When there is no database.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.project.cluster(session)?;
    let start = if args.tcp {
        "ampup db start --tcp"
    } else {
        "ampup db start"
    };
    let (url, status) = known(&cluster, session)?;
    let is_running = matches!(status.server, ServerState::Serves(_));
    let url = match (args.tcp, status.tcp_url.clone()) {
        (false, _) => url,
        (true, Some(url)) => url,
        (true, None) => {
            let before = if is_running { "`ampup db stop`, then " } else { "" };
            return Err(Error::NotFound {
                message: "the database has no port".to_owned(),
                hint: format!("{before}`{start}` gives it one"),
            });
        }
    };
    tell_unless_serving(&status, start, session);
    let json = json!({ "url": url, "running": is_running });
    Ok(Outcome::answer(format!("{url}\n"), json))
}

/// The address of a cluster's server, and a word if none runs.
pub(super) fn of(cluster: &Cluster, session: &Session) -> Result<(String, Status), Error> {
    let (url, status) = known(cluster, session)?;
    tell_unless_serving(&status, "ampup db start", session);
    Ok((url, status))
}

fn tell_unless_serving(status: &Status, start: &str, session: &Session) {
    match &status.server {
        ServerState::Serves(_) => {}
        ServerState::Stopped => {
            session.note(format!("the database is not running; `{start}` starts it"));
        }
        ServerState::Busy { .. } | ServerState::OutOfReach { .. } => {
            session.note(format!("the database is {}", state(status)));
        }
    }
}

/// The address of a cluster's server.
fn known(cluster: &Cluster, session: &Session) -> Result<(String, Status), Error> {
    let status = cluster.status()?;
    let Some(url) = status.url.clone() else {
        return Err(none(cluster));
    };
    External::tell(cluster, session);
    Ok((url, status))
}

/// There is no cluster.
pub(super) fn none(cluster: &Cluster) -> Error {
    Error::NotFound {
        message: format!("there is no database in `{}`", cluster.project().amp_dir()),
        hint: "`ampup db list` shows the projects that have one; `ampup db start` creates one here"
            .to_owned(),
    }
}
