//! The project's database: PostgreSQL made, started, watched and stopped by running its own programs.
//!
//! Nothing here prints, reads the environment or goes to the network.

pub mod initdb;
pub mod loading;
pub mod program;
pub mod single_user;
pub mod user;
