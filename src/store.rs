//! The store: what is here. Trees under `components/`, generations of the active set, and unfinished work in `staging/`.
//!
//! Readers take no lock, because every change that they can see is one rename. It never touches the network and never
//! runs what it holds.

// What a daemon reads.
pub mod claim;
pub mod directories;
pub mod journal;
pub mod look_again;
pub mod pointer;
pub mod receipt;
pub mod shared_home;

// What the program alone reads, and all that writes.
#[cfg(feature = "cli")]
pub mod check;
#[cfg(feature = "cli")]
pub mod commit;
#[cfg(feature = "cli")]
pub mod generation;
#[cfg(feature = "cli")]
pub mod in_use;
#[cfg(feature = "cli")]
pub mod inventory;
#[cfg(feature = "cli")]
pub mod links;
#[cfg(feature = "cli")]
mod locking;
#[cfg(feature = "cli")]
pub mod staging;
#[cfg(feature = "cli")]
pub mod sweep;

#[cfg(feature = "cli")]
pub use self::{
    locking::{ANOTHER, lock, take},
    staging::seal,
};
