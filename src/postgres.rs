//! The project's database: PostgreSQL made, started, watched and stopped by running its own programs.
//!
//! Nothing here prints, reads the environment or goes to the network. A cluster's data outlives everything: what is here
//! may refuse, and wait, and rename, but it removes no data.

pub mod initdb;
pub mod loading;
pub mod program;
pub mod single_user;
pub mod user;

// A cluster is served on Unix; on Windows only its programs can be run so far.
#[cfg(unix)]
pub mod access;
#[cfg(unix)]
pub mod cluster;
#[cfg(unix)]
pub mod create;
#[cfg(unix)]
pub mod error;
#[cfg(unix)]
pub mod facts;
#[cfg(unix)]
pub mod hold;
#[cfg(unix)]
pub mod identity;
#[cfg(unix)]
pub mod inspect;
#[cfg(unix)]
pub mod log;
pub mod pid_file;
pub mod project;
pub mod projects;
#[cfg(unix)]
pub mod replace;
#[cfg(unix)]
pub mod running;
#[cfg(unix)]
pub mod server;
pub mod socket;
#[cfg(unix)]
pub mod start;
#[cfg(unix)]
pub mod status;
#[cfg(unix)]
pub mod stop;
#[cfg(unix)]
mod tie;
#[cfg(unix)]
mod wait;
#[cfg(unix)]
pub mod wire;

#[cfg(unix)]
pub use self::{
    cluster::Cluster,
    error::ClusterError,
    project::Project,
    running::{Evidence, Left, Origin, Server},
    server::Purpose,
    start::Start,
    status::{ServerState, Serving, Status},
    stop::{Force, Stopped},
};
