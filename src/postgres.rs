//! The project's database: PostgreSQL made, started, watched and stopped by running its own programs.
//!
//! Nothing here prints, reads the environment or goes to the network. A cluster's data outlives everything: what is here
//! may refuse, and wait, and rename, but it removes no data.

pub mod access;
pub mod change;
pub mod cluster;
mod context;
pub mod error;
pub mod identity;
pub mod loading;
pub mod observe;
pub mod program;
pub mod project;
pub mod projects;
pub mod run;
pub mod single_user;
pub mod user;

pub use self::{
    cluster::Cluster,
    error::ClusterError,
    observe::{
        purpose::Purpose,
        status::{ServerState, Serving, Status},
    },
    project::Project,
    run::{
        server::{Evidence, Left, Origin, Server},
        start::Start,
        stop::{Force, Stopped},
    },
};
