//! The name of a client of a package registry.

use std::fmt;

/// The client of a package registry, which is called like it: only the client knows which registry it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PackageClient {
    /// npm.
    Npm,
    /// pip.
    Pip,
    /// uv, where there is no pip.
    Uv,
}

impl fmt::Display for PackageClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Npm => "npm",
            Self::Pip => "pip",
            Self::Uv => "uv",
        })
    }
}
