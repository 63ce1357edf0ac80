//! The processes that run from a home that is to go.

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    commands::{Error, Session, database},
    postgres::{Cluster, Force, Project, identity, projects::Projects},
    remove::RemoveError,
    store::in_use::{self, RunningProcess},
};

/// The processes that run from the home, but for this one.
pub(super) struct Running {
    /// The databases whose servers do; they can be stopped.
    clusters: Vec<Cluster>,
    /// The others.
    others: Vec<RunningProcess>,
}

impl Running {
    /// Looks, and changes nothing.
    ///
    /// # Errors
    /// When the system does not list its processes.
    pub(super) fn look(session: &Session) -> Result<Self, Error> {
        let mut others = in_use::users(&session.layout.components()).map_err(RemoveError::Unlisted)?;
        others.retain(|user| user.pid != std::process::id());
        let mut places = Projects::new(&session.layout, &session.env).read();
        places.extend(others.iter().filter_map(amp_dir_of));
        let mut clusters = Vec::new();
        for place in places {
            let Ok(project) = Project::at(&place) else {
                continue;
            };
            let servers = identity::servers_of(&project.cluster()).map_err(RemoveError::Unlisted)?;
            let is_one = |user: &RunningProcess| servers.iter().any(|server| server.pid == user.pid);
            if others.iter().any(is_one) {
                others.retain(|user| !is_one(user));
                clusters.push(database::open(&project, session));
            }
        }
        Ok(Self { clusters, others })
    }

    /// The Amp directories whose databases are stopped.
    pub(super) fn projects(&self) -> Vec<&Utf8Path> {
        let projects = self.clusters.iter().map(Cluster::project);
        projects.map(Project::amp_dir).collect()
    }

    /// Fails where something runs that is not ours to stop.
    pub(super) fn ensure_only_databases(&self) -> Result<(), Error> {
        let other = self.others.first();
        other.map_or(Ok(()), |user| Err(refusal(user)))
    }

    /// Stops the databases, and fails where something runs all the same.
    pub(super) fn stop(&self, session: &Session) -> Result<(), Error> {
        for cluster in &self.clusters {
            cluster.stop(Force::No, session.reporter.as_ref())?;
            let project = cluster.project().amp_dir();
            session.note(format!("stopped the database of `{project}`"));
        }
        Ok(())
    }
}

/// Fails where anything runs from the home.
pub(super) fn ensure_nothing_runs(session: &Session) -> Result<(), Error> {
    let users = in_use::users(&session.layout.components()).map_err(RemoveError::Unlisted)?;
    let other = users.iter().find(|user| user.pid != std::process::id());
    other.map_or(Ok(()), |user| Err(refusal(user)))
}

fn refusal(user: &RunningProcess) -> Error {
    Error::Remove(RemoveError::Running {
        pid: user.pid,
        executable: user.executable.clone(),
    })
}

/// The Amp directory of the server that works there: a PostgreSQL works in its data directory.
fn amp_dir_of(user: &RunningProcess) -> Option<Utf8PathBuf> {
    let directory = user.directory.as_ref()?;
    (directory.file_name() == Some("metadb")).then(|| directory.parent().map(Utf8Path::to_owned))?
}
