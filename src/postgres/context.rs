//! The fixed circumstances of a project's cluster: where it is, who serves it, and the way in which it is reached.
//! Nothing here looks at anything.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    access::AccessError,
    error::ClusterError,
    identity::{Process, servers_of},
    project::{Project, ProjectError},
    projects::Projects,
    user::current_uid,
};
use crate::{
    children::Interrupt,
    env::Env,
    fs::identity::FileIdentity,
    locate::{Located, Locator},
};

/// The fixed circumstances of a project's cluster.
#[derive(Debug, Clone)]
pub(crate) struct ClusterContext {
    pub(super) project: Project,
    pub(super) directory: Utf8PathBuf,
    pub(super) locator: Locator,
    pub(super) projects: Projects,
    /// Its project is one that people know.
    pub(super) is_known: bool,
    /// The programs that serve it and no others, where that was said.
    pub(super) given_programs: Option<Located>,
    /// The name of its superuser, if it was given.
    pub(super) named_superuser: Option<String>,
    pub(super) reach: Reach,
    /// Where the superuser's password is written down, if the cluster is reached with one.
    pub(super) password_file: Utf8PathBuf,
    pub(super) runtime_dir: Option<Utf8PathBuf>,
    pub(super) sudo_caller: Option<u32>,
    /// The handle through which what is done with it is interrupted.
    pub(super) interrupt: Interrupt,
}

/// The way in which a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Through a socket in a directory of the user's.
    Socket,
    /// Through a port that every user of the machine can connect to, and so with a password.
    Loopback,
}

impl ClusterContext {
    pub(super) fn new(project: Project, locator: Locator, env: &Env) -> Self {
        Self {
            directory: project.cluster(),
            password_file: project.password(),
            project,
            projects: Projects::new(locator.layout(), env),
            reach: if cfg!(windows) {
                Reach::Loopback
            } else {
                Reach::Socket
            },
            locator,
            is_known: true,
            given_programs: None,
            named_superuser: None,
            runtime_dir: env.user_runtime().map(Utf8Path::to_owned),
            sudo_caller: env.var("SUDO_UID").and_then(|uid| uid.parse().ok()),
            interrupt: Interrupt::default(),
        }
    }

    /// The cluster in an Amp directory of this name below this one's, which is ours alone. It gets this one's password,
    /// because it may come to its place.
    pub(super) fn below(&self, name: &str) -> Result<Self, ProjectError> {
        let project = Project::at(&self.project.amp_dir().join(name))?;
        Ok(Self {
            directory: project.cluster(),
            project,
            is_known: false,
            given_programs: None,
            ..self.clone()
        })
    }

    /// The processes that work in the cluster.
    pub(super) fn servers(&self) -> Result<Vec<Process>, ClusterError> {
        servers_of(&self.directory).map_err(self.failed("list the processes of"))
    }

    /// The lock of whoever changes the cluster.
    pub(super) fn change_lock(&self) -> Utf8PathBuf {
        self.project.change_lock()
    }

    /// The error of whoever meets somebody who needs the cluster as it is.
    pub(super) fn in_use(&self, holder: impl Into<String>) -> ClusterError {
        ClusterError::InUse {
            cluster: self.directory.clone(),
            holder: holder.into(),
        }
    }

    /// The error that a failed file operation on the cluster means: one that is closed to us is another user's.
    pub(super) fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> ClusterError + use<> {
        let path = self.directory.clone();
        move |source| {
            let us = current_uid();
            match owner(&path) {
                Ok(owner) if owner != us && source.kind() == io::ErrorKind::PermissionDenied => {
                    let cluster = path.clone();
                    AccessError::OfAnother { cluster, owner, us }.into()
                }
                _ => ClusterError::Io {
                    action,
                    path: path.clone(),
                    source,
                },
            }
        }
    }
}

fn owner(path: &Utf8Path) -> io::Result<u32> {
    Ok(FileIdentity::at(path)?.uid)
}
