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

mod cluster;
mod context;
mod error;

// Rooms that the program and its tests enter, and a daemon does not.
#[cfg(not(feature = "cli"))]
mod access;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod access;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod change;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod enclosing;
pub(crate) mod host_fault;
#[cfg(not(feature = "cli"))]
mod identity;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod identity;
#[cfg(not(feature = "cli"))]
mod loading;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod loading;
#[cfg(not(feature = "cli"))]
mod observe;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod observe;
#[cfg(not(feature = "cli"))]
mod packaged;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod packaged;
#[cfg(not(feature = "cli"))]
mod program;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod program;
#[cfg(not(feature = "cli"))]
mod project;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod project;
#[cfg(not(feature = "cli"))]
mod projects;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod projects;
#[cfg(not(feature = "cli"))]
mod run;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod run;
#[cfg(not(feature = "cli"))]
mod single_user;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod single_user;
#[cfg(not(feature = "cli"))]
mod user;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod user;

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
