//! One server: the cluster that it serves is made, and it is started, used and stopped.

pub mod create;
pub mod initdb;
pub mod listen;
mod lock_files;
pub mod log;
pub(crate) mod memory;
pub(super) mod pending_swap;
pub mod server;
#[cfg(any(windows, test))]
mod shell_names;
mod spawn;
pub mod start;
pub mod stop;
pub(super) mod tcp;
pub(crate) mod tether;
mod users;
mod wait;
