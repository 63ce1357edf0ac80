//! Room for what is in an archive, asked for before the first byte is written.

use std::io;

use camino::Utf8Path;

use super::{
    Shape,
    fault::{Failure, Fault},
    limits::{self, Limits},
    walk,
};
use crate::{
    domain::Format,
    fs::space::{self, SpaceNeed, sized_down},
    verify::Verified,
};

/// Fails where the file system of `into` has no room for the tree and what comes beside it.
pub(super) fn ensure_space(
    archive: &Verified,
    shape: &Shape<'_>,
    limits: Limits,
    into: &Utf8Path,
) -> Result<(), Failure> {
    if shape.format == Format::Raw {
        if let Some(stated) = limits.tree.filter(|stated| archive.size() > *stated) {
            return Err(Fault::LargerThanStated(stated).into());
        }
    } else if space::lack(into, limits.most().and(shape.beside)).is_none() {
        // Counting takes as long as unpacking. Here there is room for whatever it may be.
        return Ok(());
    }
    let need = count(archive, shape, limits)?;
    match space::lack(into, need.and(shape.beside)) {
        Some(lack) => Err(Failure::NoRoom(lack)),
        None => Ok(()),
    }
}

/// Counts the space that the tree needs. No archive states it in a place that can be trusted, so all of it is read.
fn count(archive: &Verified, shape: &Shape<'_>, limits: Limits) -> Result<SpaceNeed, Failure> {
    if shape.format == Format::Raw {
        let blocks = archive.size().div_ceil(limits::BLOCK);
        return Ok(SpaceNeed {
            bytes: blocks.saturating_mul(limits::BLOCK),
            // The tree, `bin` and the file.
            entries: 3,
        });
    }
    let (census, _) = walk(archive, shape, limits, &mut |_, _| Ok(()))?;
    Ok(census.need())
}

/// Says what is free, where a write failed because nothing is: a quota, or somebody else who writes.
pub(super) fn with_free_space(failure: Failure, into: &Utf8Path) -> Failure {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    let Failure::Write(cause) = &failure else {
        return failure;
    };
    if !matches!(cause.kind(), StorageFull | QuotaExceeded) {
        return failure;
    }
    let bytes = space::free(into).ok().flatten();
    let entries = space::free_entries(into).ok().flatten();
    let free = match (bytes, entries) {
        (Some(bytes), Some(entries)) => {
            format!("{} free, and room for {entries} more files", sized_down(bytes))
        }
        (Some(bytes), None) => format!("{} free", sized_down(bytes)),
        (None, _) => return failure,
    };
    let text = format!("{cause}; `{into}` has {free}");
    Failure::Write(io::Error::new(cause.kind(), text))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_finds_no_room_tells_what_is_free() {
        let into = Utf8Path::new("/");
        let of =
            |kind: io::ErrorKind| match with_free_space(Failure::Write(io::Error::new(kind, "file a")), into)
            {
                Failure::Write(cause) => (cause.kind(), cause.to_string()),
                other => panic!("{other:?}"),
            };
        let (kind, text) = of(io::ErrorKind::StorageFull);
        assert_eq!(kind, io::ErrorKind::StorageFull);
        assert!(
            text.starts_with("file a; `/` has ") && text.contains("iB free"),
            "{text}"
        );
        assert_eq!(of(io::ErrorKind::NotFound).1, "file a");
    }
}
