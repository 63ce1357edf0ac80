//! The user's consent where a command stops a server that has sessions. Not a verb itself.

use crate::{
    commands::{Error, Session},
    postgres::{Cluster, ClusterError, change::lease},
};

/// Asks, where the project's server has sessions, whether they may end: the command stops it, and starts it again. `instead`
/// does without.
///
/// # Errors
/// When nobody says that they may, or the server is used by what no command of ours cuts off.
pub(super) fn ensure_agreed(
    cluster: &Cluster,
    instead: Option<&str>,
    session: &Session,
) -> Result<(), Error> {
    if session.options.yes {
        return Ok(());
    }
    match (lease::ensure_unused(cluster), instead) {
        (Ok(()), _) => {}
        (Err(error @ ClusterError::InUse { .. }), Some(instead)) => {
            return Err(Error::Busy {
                error,
                hint: format!("end that first, then run the same command again; {instead}"),
            });
        }
        // What is refused anyway is no question: the command says so, after what ends it for good.
        (Err(_), _) => return Ok(()),
    }
    let sessions = cluster.sessions()?;
    if sessions.is_empty() {
        return Ok(());
    }
    let holder = sessions.join(", ");
    let question = format!(
        "The database is in use by {holder}. Its server is stopped for this, which ends its sessions. Continue?"
    );
    if session.ask(&question, false) == Some(true) {
        return Ok(());
    }
    let again = match session.command.contains('…') {
        true => "the same command with `--yes`".to_owned(),
        false => format!("`{} --yes`", session.command),
    };
    let instead = instead.map_or_else(String::new, |instead| format!("; {instead}"));
    Err(Error::Busy {
        error: ClusterError::InUse {
            cluster: cluster.project().cluster(),
            holder,
        },
        hint: format!("end that first; {again} ends it, and what is not committed is lost{instead}"),
    })
}

/// Names, for a dry run, the sessions that would end.
pub(super) fn ending(cluster: &Cluster) -> Result<impl Iterator<Item = String>, Error> {
    let sessions = cluster.sessions()?.into_iter();
    Ok(sessions.map(|one| format!("{one} is cut off: the server is stopped for this")))
}
