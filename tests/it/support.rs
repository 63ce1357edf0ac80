//! What the tests' worlds are made of.

pub(crate) mod archives;
