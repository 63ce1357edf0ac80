//! Reading what a cluster is and what its server does, and deciding from that. Nothing is changed here.

pub(super) mod address;
mod catalogs;
pub(crate) mod control;
pub mod decide;
pub mod endpoint;
pub mod files;
pub(super) mod observation;
pub mod pid_file;
pub(super) mod programs;
pub mod purpose;
pub(super) mod rights;
pub(super) mod roles;
mod scram;
pub mod sql_session;
pub mod status;
