//! ampup installs the components of Amp, and tells a daemon where they are.
//!
//! The crate has two faces. With the feature `cli` (the default) it is the program `ampup`. Without it, it is what a
//! daemon links: it finds what is installed and runs a project's database, with no network client and no async runtime
//! in its dependency tree.
//!
//! ARCHITECTURE.md names the floors; a module imports only from lower ones.

// Floor 1: ground.
pub mod domain;
pub mod env;
pub mod exit;
pub mod fs;
pub mod host;

// Floor 2: meaning.
pub mod event;
pub mod layout;
pub mod registry;
pub mod verify;

// Floor 3: hands, which do not know each other.
pub mod resolve;
pub mod store;

// Floor 4: database.
pub mod locate;
pub mod postgres;
