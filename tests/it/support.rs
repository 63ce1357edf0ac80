//! The ground that the tests stand on.

pub(crate) mod archives;
#[cfg(target_os = "linux")]
pub(crate) mod database;
#[cfg(target_os = "linux")]
pub(crate) mod disk;
#[cfg(target_os = "linux")]
pub(crate) mod files;
pub(crate) mod home;
#[cfg(target_os = "linux")]
pub(crate) mod person;
pub(crate) mod postgres;
#[cfg(unix)]
pub(crate) mod programs;
#[cfg(target_os = "linux")]
pub(crate) mod release;
pub(crate) mod schemas;
#[cfg(unix)]
pub(crate) mod served;
pub(crate) mod server;
pub(crate) mod signing;
pub(crate) mod table;
#[cfg(unix)]
pub(crate) mod tls;
#[cfg(target_os = "linux")]
pub(crate) mod tracer;
#[cfg(unix)]
pub(crate) mod world;
