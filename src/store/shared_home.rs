//! The home of root, where others must be able to enter it: PostgreSQL refuses to run as root, and `/root` is closed to
//! everybody else. There `~/.ampup` is one link, and the whole home lies below `/var/lib/ampup`.

#[cfg(feature = "cli")]
mod making;

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

#[cfg(feature = "cli")]
pub use self::making::{is_due, keep_private, left_of, links, make, remove};
use crate::{
    domain::{Algorithm, digest::Hasher},
    fs::{atomic, link},
    layout::Layout,
};

/// Where the homes of root lie.
const HOMES: &str = "/var/lib/ampup";

/// The directory that the home at this path has below `/var/lib/ampup`, named by the path's SHA-256.
pub fn directory_of(home: &Utf8Path) -> Utf8PathBuf {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(home.as_str().as_bytes());
    Utf8Path::new(HOMES).join(&hasher.finish().hex()[..16])
}

/// Returns true if the home is a link that ampup made.
pub fn is_shared(layout: &Layout) -> bool {
    link::read(layout.home()).is_ok_and(|target| target == directory_of(layout.home()))
}

/// Replaces a file of the home that is nobody else's to read where others can enter only because of the link.
///
/// # Errors
/// When it cannot be written.
pub fn write_state(layout: &Layout, path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    if is_shared(layout) {
        atomic::write_private_state(path, content)
    } else {
        atomic::write_state(path, content)
    }
}
