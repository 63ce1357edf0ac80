//! A look into a proven archive, of which nothing is written.

use camino::Utf8Path;

use super::{Shape, UnpackError, census::Step, limits::Limits, walk};
use crate::{domain::Format, verify::Verified};

/// Returns true if unpacking an archive makes a file, or a link, at this path of the tree.
///
/// # Errors
/// When the archive breaks a rule, or cannot be read.
pub fn installs(archive: &Verified, shape: &Shape<'_>, path: &str) -> Result<bool, UnpackError> {
    let path = Utf8Path::new(path);
    if shape.format == Format::Raw {
        return Ok(path == Utf8Path::new("bin").join(&shape.executable));
    }
    let mut is_there = false;
    let limits = Limits::new(archive.size(), shape.unpacked_size);
    let walked = walk(archive, shape, limits, &mut |step, _| {
        if let Step::File { path: found, .. } | Step::Copy { path: found, .. } = &step {
            is_there |= shape.placed(found) == path;
        }
        Ok(())
    });
    let (_, links) = walked.map_err(|failure| UnpackError::new(archive, failure))?;
    Ok(is_there || links.iter().any(|link| Utf8Path::new(&link.path) == path))
}
