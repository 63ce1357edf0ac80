//! The pointer: `active` names one generation, and is replaced by one rename.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{fs::link, layout::Layout};

/// The file in a generation that says when and how it was made.
pub const RECORD: &str = "generation.json";

/// The number of the active generation; `None` when nothing was ever activated.
///
/// # Errors
/// When `active` is there and is not a link to a generation.
pub fn active(layout: &Layout) -> io::Result<Option<u64>> {
    let target = match link::read(&layout.active()) {
        Ok(target) => target,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause),
    };
    let number = target.file_name().and_then(number_of);
    number
        .filter(|number| leads_to(&target, &link_to(*number)))
        .map(Some)
        .ok_or_else(|| {
            let text = format!(
                "`{}` leads to `{target}`, which is no set of active versions",
                layout.active()
            );
            io::Error::new(io::ErrorKind::InvalidData, text)
        })
}

/// Points `active` at a generation, by one rename of a link that is made in `scratch`.
#[cfg(feature = "cli")]
pub(super) fn flip_in(layout: &Layout, number: u64, scratch: &Utf8Path) -> io::Result<()> {
    link::replace_directory(&link_to(number), &layout.active(), scratch)
}

/// Returns the target of `active` for a generation.
fn link_to(number: u64) -> Utf8PathBuf {
    Utf8PathBuf::from("generations").join(number.to_string())
}

/// Returns true if a link that was read is the one that we would write.
pub(super) fn leads_to(found: &Utf8Path, expected: &Utf8Path) -> bool {
    if cfg!(windows) {
        // A junction is absolute, and may have been made where the home lay before.
        found.file_name() == expected.file_name()
    } else {
        found == expected
    }
}

/// A generation's number, in the one spelling that we write; nobody ever counts higher than that.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let ours = |number: &u64| number.to_string() == name && *number < u64::MAX / 2;
    name.parse().ok().filter(ours)
}
