//! The project's database: PostgreSQL made, started, watched and stopped by running its own programs.
//!
//! Nothing here prints, reads the environment or goes to the network. A cluster's data outlives everything: what is here
//! may refuse, and wait, and rename, but it removes no data.
//!
//! ```no_run
//! # fn main() -> Result<(), ampup::postgres::ClusterError> {
//! use ampup::{Env, event::Silent, locate::Locator, postgres::{Cluster, Project, StartOptions}};
//!
//! let env = Env::capture();
//! let cluster = Cluster::open(Project::find(&env, None)?, Locator::from_env(&env)?, &env);
//! let server = cluster.start(&StartOptions::default(), &Silent)?;
//! println!("{}", server.url());
//! server.release(&Silent)?;
//! # Ok(())
//! # }
//! ```

// Modules that the program and its tests enter, and a daemon does not.
#[cfg(not(feature = "cli"))]
use self::parts::*;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use self::parts::*;

#[path = "postgres"]
mod parts {
    pub mod access;
    #[cfg(feature = "cli")]
    pub mod change;
    pub(crate) mod cluster;
    pub(crate) mod context;
    #[cfg(feature = "cli")]
    pub mod enclosing;
    pub(crate) mod error;
    pub(crate) mod host_fault;
    pub mod identity;
    #[cfg(feature = "cli")]
    pub(crate) mod left;
    pub mod loading;
    pub mod observe;
    pub(crate) mod ownership;
    #[cfg(feature = "cli")]
    pub mod packaged;
    pub mod program;
    pub mod project;
    pub mod projects;
    pub mod run;
    #[cfg(feature = "cli")]
    pub mod single_user;
    #[cfg(feature = "cli")]
    pub(crate) mod startable;
    pub mod user;
}

pub use self::{
    access::AccessError,
    cluster::Cluster,
    error::ClusterError,
    observe::{
        decide::Contents,
        endpoint::{Password, Socket},
        purpose::Purpose,
        status::{ServerState, Serving, Status},
    },
    program::ProgramError,
    project::{Project, ProjectError},
    run::{
        create::Made,
        server::{Evidence, HandedOn, Released, Server, ServerOrigin},
        start::StartOptions,
        stop::{Force, Stopped},
    },
    user::{OsUser, UserError},
};
