//! The project's database: PostgreSQL made, started, watched and stopped by running its own programs.
//!
//! Nothing here prints, reads the environment or goes to the network. A cluster's data outlives everything: what is here
//! may refuse, and wait, and rename, but it removes no data.

pub mod initdb;
pub mod loading;
pub mod program;
pub mod single_user;
pub mod user;

pub mod access;
pub mod cluster;
pub mod create;
pub mod error;
pub mod facts;
pub mod hold;
pub mod identity;
pub mod inspect;
pub mod log;
pub mod pid_file;
pub mod project;
pub mod projects;
pub mod replace;
pub mod running;
mod scram;
pub mod server;
pub mod socket;
pub mod start;
pub mod status;
pub mod stop;
mod superuser;
mod tie;
mod wait;
pub mod wire;

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
