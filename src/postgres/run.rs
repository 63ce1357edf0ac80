//! One server: the cluster that it serves is made, and it is started, used and stopped.

pub mod create;
pub mod initdb;
pub mod log;
pub mod server;
pub mod spawn;
pub mod start;
pub mod stop;
mod tether;
mod wait;
