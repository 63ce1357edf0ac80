//! The worlds that tests live in.

pub(crate) mod server;
