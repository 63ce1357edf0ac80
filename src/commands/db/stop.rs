//! `ampup db stop`: a fast shutdown, which loses nothing.

use serde_json::json;

use crate::{
    commands::{Error, Outcome, Session, database::Selected},
    postgres::{Cluster, ClusterError, Contents, Force, ServerState, Stopped, observe::purpose::StartedBy},
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
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Stops the database, whoever started it. Whoever uses it is named, and it is asked.
///
/// # Errors
/// When it does not stop, runs where it cannot be reached, or is used and nobody said that it may stop under them.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.project.cluster(session)?;
    let force = if args.force { Force::Yes } else { Force::No };
    let place = cluster.project().cluster();
    if args.dry_run {
        return plan(&cluster);
    }
    if !args.force && !session.options.yes {
        ensure_agreed(&cluster, session)?;
    }
    let (line, pid) = match cluster.stop(force, session.reporter.as_ref())? {
        Stopped::Stopped { pid } => (format!("stopped the database `{place}`"), Some(pid)),
        Stopped::WasNotRunning => (idle(&cluster)?, None),
    };
    let json = json!({ "cluster": place, "stopped": pid.is_some(), "pid": pid });
    Ok(Outcome::done(vec![line], json))
}

/// Says that there is no server to stop, or no database at all.
fn idle(cluster: &Cluster) -> Result<String, Error> {
    Ok(match cluster.contents()? {
        Contents::Absent | Contents::Empty => {
            format!("there is no database in `{}`", cluster.project().amp_dir())
        }
        _ => format!("the database `{}` is not running", cluster.project().cluster()),
    })
}

/// The plan, in words.
fn plan(cluster: &Cluster) -> Result<Outcome, Error> {
    let place = cluster.project().cluster();
    let pid = match cluster.status()?.server {
        ServerState::Serves(serving) => serving.pid,
        ServerState::Stopped | ServerState::Busy { .. } | ServerState::OutOfReach { .. } => None,
    };
    let mut talk = vec![match pid {
        Some(pid) => format!("the server of `{place}` (process {pid}) is stopped"),
        None => idle(cluster)?,
    }];
    let users = cluster.users()?.into_iter();
    talk.extend(users.map(|user| format!("{user} loses it")));
    let json = json!({ "cluster": place, "stopped": false, "pid": pid });
    Ok(match pid {
        Some(_) => Outcome::planned(talk, json),
        None => Outcome::unneeded(talk, json),
    })
}

/// Names those who would be cut off, and asks.
fn ensure_agreed(cluster: &Cluster, session: &Session) -> Result<(), Error> {
    let users = cluster.users()?;
    if users.is_empty() {
        return Ok(());
    }
    let starter = match cluster.started_by()? {
        Some(StartedBy::Living(starter)) => format!("; {starter} started it, and would be left without it"),
        _ => String::new(),
    };
    let holder = format!("{}{starter}", users.join(", "));
    let question = format!("The database is in use by {holder}. Stop it?");
    match session.ask(&question, false) {
        Some(true) => Ok(()),
        Some(false) | None => Err(Error::Busy {
            error: ClusterError::InUse {
                cluster: cluster.project().cluster(),
                holder,
            },
            hint: "`ampup db stop --yes` stops it all the same, and what is not committed is lost".to_owned(),
        }),
    }
}
