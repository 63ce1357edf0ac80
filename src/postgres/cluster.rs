//! A project's cluster, whatever state it is in. Its state is read when it is asked for, and never remembered.

use super::{
    context::{ClusterContext, Reach},
    error::ClusterError,
    observe::{
        decide::Contents,
        programs,
        purpose::{self, StartedBy},
        rights,
        status::{self, Status},
    },
    project::Project,
    run::{
        server::Server,
        start::{self, StartOptions},
        stop::{self, Force, Stopped},
    },
    user::OsUser,
};
use crate::{
    children::Interrupt,
    env::Env,
    event::Reporter,
    locate::{Located, Locator},
};

/// A project's cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    context: ClusterContext,
}

impl Cluster {
    /// The cluster of a project, served by what is installed in the locator's home. Nothing is looked at or made yet.
    pub fn open(project: Project, locator: Locator, env: &Env) -> Self {
        Self::of(ClusterContext::new(project, locator, env))
    }

    /// The same, served by these programs and no others.
    #[must_use]
    pub fn with_programs(mut self, programs: Located) -> Self {
        self.context.given_programs = Some(programs);
        self
    }

    /// The same, with a superuser of this name, also when it is made now.
    #[must_use]
    pub fn with_superuser(mut self, name: String) -> Self {
        self.context.named_superuser = Some(name);
        self
    }

    /// The same, reached as on Windows, which has no Unix sockets for PostgreSQL to count on: through a port of the
    /// loopback interface that is free when the server starts, with a password that lies beside the cluster. A cluster
    /// that was made the one way is not served the other.
    #[must_use]
    pub fn on_loopback(mut self) -> Self {
        self.context.reach = Reach::Loopback;
        self
    }

    /// Returns the locator of installed components.
    pub fn locator(&self) -> &Locator {
        &self.context.locator
    }

    /// Its project.
    pub fn project(&self) -> &Project {
        &self.context.project
    }

    /// Determines what its directory is.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn contents(&self) -> Result<Contents, ClusterError> {
        programs::contents(&self.context)
    }

    /// The programs that serve it: those of its own major. A cluster that is still to be made gets the active version.
    ///
    /// # Errors
    /// When they are not installed, or the given ones are of another major.
    pub fn programs(&self) -> Result<Located, ClusterError> {
        programs::programs(&self.context)
    }

    /// The user that its server runs as (`None`: ourselves), after everything that forbids it was looked for.
    ///
    /// # Errors
    /// When this user may not serve this cluster.
    pub fn run_as(&self, requested: Option<&OsUser>) -> Result<Option<OsUser>, ClusterError> {
        rights::run_as(&self.context, requested)
    }

    /// Looks at the cluster and its server, and changes nothing.
    ///
    /// # Errors
    /// When it cannot be looked at, or another cluster's server is in its place.
    pub fn status(&self) -> Result<Status, ClusterError> {
        status::status(&self.context)
    }

    /// Makes sure that the cluster is served, and gives the way to it. It is made if there is none; a server that runs
    /// already is used.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, the cluster is not one that may be served here, or the server does not serve;
    /// the cluster's data is then as it was.
    pub fn start(&self, options: &StartOptions, reporter: &dyn Reporter) -> Result<Server, ClusterError> {
        start::start(&self.context, options, reporter)
    }

    /// Stops the cluster's server, whoever started it and whoever uses it.
    ///
    /// # Errors
    /// When it does not stop, or runs where its process cannot be seen.
    pub fn stop(&self, force: Force, reporter: &dyn Reporter) -> Result<Stopped, ClusterError> {
        stop::stop(&self.context, force, None, reporter)
    }

    /// Whoever started the server that runs now; `None` where none is seen.
    pub(crate) fn started_by(&self) -> Result<Option<StartedBy>, ClusterError> {
        purpose::started_by(&self.context)
    }

    /// The sessions of its server besides ours, in words; none where there is no server that can be asked.
    pub(crate) fn sessions(&self) -> Result<Vec<String>, ClusterError> {
        status::sessions(&self.context)
    }

    /// Those who use the server, for a person.
    pub(crate) fn users(&self) -> Result<Vec<String>, ClusterError> {
        status::users(&self.context)
    }

    /// The bytes of all its files, each of which is looked at.
    pub(crate) fn size(&self) -> u64 {
        status::size(&self.context)
    }

    /// The same, interrupted through this handle.
    #[must_use]
    pub(crate) fn interrupted_by(mut self, interrupt: &Interrupt) -> Self {
        self.context.interrupt = interrupt.clone();
        self
    }

    /// The handle through which what is done with it is interrupted.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.context.interrupt
    }

    pub(super) fn of(context: ClusterContext) -> Self {
        Self { context }
    }

    pub(super) fn context(&self) -> &ClusterContext {
        &self.context
    }
}
