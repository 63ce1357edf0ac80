//! Another cluster in a project's place: its server kept stopped meanwhile, and its owner let in. The top of the room.

pub mod lease;
pub mod superuser;
pub mod swap;
