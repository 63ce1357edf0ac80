//! Those who use a server: each has a place among them, and the last who leaves stops it.

use std::time::Duration;

use crate::{
    event::{Event, Reporter},
    fs::{lock, lock::Lock},
    postgres::{
        context::ClusterContext,
        error::ClusterError,
        observe::purpose::{Purpose, is_started_to_stay, kept, running_server},
        ownership::put,
        run::wait::{Wait, WaitStep},
    },
};

/// The time for which somebody may keep a server from its users.
const KEPT: Duration = Duration::from_secs(120);

/// Joins those who use the server. Waits while its last user is stopping it, or for a backup, and says so; whoever keeps
/// it for very long is named.
pub(crate) fn join(
    cluster: &ClusterContext,
    purpose: Purpose,
    reporter: &dyn Reporter,
) -> Result<Option<Lock>, ClusterError> {
    if purpose == Purpose::Change {
        return Ok(None);
    }
    let path = cluster.project.users();
    let mut wait = Wait::begin();
    loop {
        if let Some(users) = Lock::try_share(&path)? {
            return Ok(Some(users));
        }
        match wait.pause((), KEPT) {
            WaitStep::LookAgain => {}
            WaitStep::Tell => reporter.report(Event::Waiting {
                name: "the project's database".to_owned(),
                holder: lock::holder(&path),
                waited: Duration::ZERO,
            }),
            WaitStep::GiveUp => return Err(cluster.in_use(lock::holder(&path))),
        }
    }
}

/// Writes down that the server that runs now stays, if it was started for a session.
pub(crate) fn keep(cluster: &ClusterContext) -> Result<(), ClusterError> {
    if is_started_to_stay(cluster)? {
        return Ok(());
    }
    let server = running_server(cluster)?;
    if kept(cluster) == server {
        return Ok(());
    }
    // What is there speaks of a server that is no more, and so does a part of this one's name.
    put(&cluster.project.keep(), server.as_bytes(), None).map_err(cluster.failed("keep the server of"))
}
