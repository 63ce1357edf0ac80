//! Reading what a cluster is and what its server does, and deciding from that. Nothing is changed here.

pub mod decide;
pub mod endpoint;
pub mod files;
pub mod pid_file;
mod scram;
pub mod session;
pub mod status;
