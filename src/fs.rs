//! The ground under every file of ampup: files replaced whole, links, locks, space.

pub mod atomic;
pub mod directory;
pub mod link;
pub mod lock;
pub mod mounts;
pub mod node;
pub mod space;
