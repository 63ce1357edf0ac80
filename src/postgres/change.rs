//! Another cluster in a project's place: its server kept stopped meanwhile, and its owner let in.

pub mod lease;
pub(super) mod superuser;
pub mod swap;
