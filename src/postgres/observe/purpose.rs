//! The purpose of a server, as its command line and later requests say.

use crate::postgres::{
    context::ClusterContext,
    error::ClusterError,
    identity::{Starter, postmaster, starter},
    observe::{decide::SocketAnswer, files, observation::observe},
};

/// The setting in which a server says who started it. PostgreSQL keeps settings with a point in their name for whoever
/// may know them (<https://www.postgresql.org/docs/current/runtime-config-custom.html>), and writes its command line
/// into `postmaster.opts`.
const STARTED_BY: &str = "ampup.started_by";

/// The purpose for which a server was started, which decides whether it stops with its last user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Purpose {
    /// For whoever uses it now: it is stopped when the last of them leaves.
    #[default]
    Session,
    /// To stay.
    Stay,
    /// To be read while another cluster is made of it: nobody shall write what that one will not have.
    Change,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Stay => "start",
            Self::Change => "change",
        }
    }

    /// The setting that says it on a server's command line.
    pub(crate) fn setting(self) -> String {
        format!("{STARTED_BY}={}", self.as_str())
    }

    /// Returns true if the server with this command line was started by ampup.
    pub(crate) fn is_said_in(command_line: &str) -> bool {
        command_line.contains(STARTED_BY)
    }

    /// Returns the purpose for which the server with this command line was started. Any other program that starts one, ampd
    /// for example, wants it to stay.
    pub(crate) fn of(command_line: &str) -> Self {
        [Self::Session, Self::Change]
            .into_iter()
            .find(|purpose| command_line.contains(&purpose.setting()))
            .unwrap_or(Self::Stay)
    }
}

/// The purpose of the server that runs now.
pub(crate) fn purpose(cluster: &ClusterContext) -> Result<Purpose, ClusterError> {
    if is_started_to_stay(cluster)? {
        return Ok(Purpose::Stay);
    }
    let kept = kept(cluster);
    Ok(if !kept.is_empty() && running_server(cluster)? == kept {
        Purpose::Stay
    } else {
        Purpose::Session
    })
}

/// Returns true if the server stays when its last user leaves.
pub(crate) fn stays(cluster: &ClusterContext) -> Result<bool, ClusterError> {
    Ok(purpose(cluster)? == Purpose::Stay)
}

/// Returns true if the last server was started to stay, by ampup or by another program.
pub(crate) fn is_started_to_stay(cluster: &ClusterContext) -> Result<bool, ClusterError> {
    Ok(Purpose::of(&last_options(cluster)?) == Purpose::Stay)
}

/// Returns true if the last server ran to be read for a change.
pub(crate) fn is_for_change(cluster: &ClusterContext) -> Result<bool, ClusterError> {
    Ok(Purpose::of(&last_options(cluster)?) == Purpose::Change)
}

/// Whoever started a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartedBy {
    /// ampup.
    Ampup,
    /// Another program, which lives and will end it.
    Living(Starter),
    /// Another program, which has left it.
    Gone,
}

/// Whoever started the server that runs now; `None` where its process is not seen.
pub(crate) fn started_by(cluster: &ClusterContext) -> Result<Option<StartedBy>, ClusterError> {
    let processes = cluster.servers()?;
    let Some(server) = postmaster(&processes) else {
        return Ok(None);
    };
    Ok(Some(if is_of_ampup(cluster)? {
        StartedBy::Ampup
    } else {
        starter(server).map_or(StartedBy::Gone, StartedBy::Living)
    }))
}

/// Returns true if the last server was started with fsync switched off, as ampd does.
pub(crate) fn is_without_fsync(cluster: &ClusterContext) -> Result<bool, ClusterError> {
    Ok(last_options(cluster)?.contains("\"fsync=off\""))
}

/// Returns true if the last server was started by ampup.
pub(crate) fn is_of_ampup(cluster: &ClusterContext) -> Result<bool, ClusterError> {
    Ok(Purpose::is_said_in(&last_options(cluster)?))
}

/// The server that was to stay. What cannot be read names none.
pub(crate) fn kept(cluster: &ClusterContext) -> String {
    let kept = files::text(&cluster.project.keep());
    kept.ok().flatten().unwrap_or_default()
}

/// Process and start time of the server that runs now, as it wrote them.
pub(crate) fn running_server(cluster: &ClusterContext) -> Result<String, ClusterError> {
    let seen = observe(cluster, false)?.seen;
    let entry = seen
        .pid_file
        .entry()
        .filter(|_| seen.answer != SocketAnswer::Nobody);
    Ok(entry.map_or_else(String::new, |entry| {
        format!("{} {}", entry.pid, entry.started.unwrap_or_default())
    }))
}

fn last_options(cluster: &ClusterContext) -> Result<String, ClusterError> {
    files::last_options(&cluster.directory).map_err(cluster.failed("read the options of"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn only_a_server_that_a_session_started_goes_with_it() {
        let ours = "/t/bin/postgres \"-D\" \"/p\" \"-c\" \"ampup.started_by=session\"\n";
        assert_eq!(Purpose::of(ours), Purpose::Session);
        let rows = [
            "/t/bin/postgres \"-c\" \"ampup.started_by=start\"",
            "/t/bin/postgres -D /p",
            "",
        ];
        every(rows, |other| {
            assert_eq!(Purpose::of(other), Purpose::Stay, "{other}");
        });
    }
}
