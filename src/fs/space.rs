//! Free space of file systems.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::identity::FileIdentity;

/// An amount of space on a file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpaceNeed {
    /// Bytes.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
}

impl SpaceNeed {
    /// Returns the sum of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            entries: self.entries.saturating_add(other.entries),
        }
    }
}

/// A shortage of a file system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// Bytes.
    #[error("`{place}` has {} free, and {} are needed", sized(*.free), sized_up(*.needed))]
    Bytes {
        /// Where they are needed.
        place: Utf8PathBuf,
        /// The number needed.
        needed: u64,
        /// The number free.
        free: u64,
    },
    /// Files, however small.
    #[error("`{place}` has room for {free} more files, and {needed} are needed")]
    Entries {
        /// Where they are needed.
        place: Utf8PathBuf,
        /// The number needed.
        needed: u64,
        /// The number that can still be made.
        free: u64,
    },
}

/// Returns the shortage of the file system of `path`, if any. One that cannot say how much it has is asked by writing.
pub fn lack(path: &Utf8Path, need: SpaceNeed) -> Option<Lack> {
    let place = || path.to_owned();
    let free_bytes = free(path).ok().flatten();
    let free_entries = free_entries(path).ok().flatten();
    match (free_bytes, free_entries) {
        (Some(free), _) if free < need.bytes => Some(Lack::Bytes {
            place: place(),
            needed: need.bytes,
            free,
        }),
        (_, Some(free)) if free < need.entries => Some(Lack::Entries {
            place: place(),
            needed: need.entries,
            free,
        }),
        _ => None,
    }
}

/// Returns true if two directories share their free space; also if the system cannot say.
pub fn is_shared(one: &Utf8Path, other: &Utf8Path) -> bool {
    match (FileIdentity::of(one), FileIdentity::of(other)) {
        (Ok(one), Ok(other)) => one.id.0 == other.id.0,
        _ => true,
    }
}

/// Bytes that an ordinary user can still write to the file system of `path`; `None` where the system cannot say.
///
/// # Errors
/// When `path` cannot be asked about.
pub fn free(path: &Utf8Path) -> io::Result<Option<u64>> {
    #[cfg(unix)]
    {
        let answer = rustix::fs::statvfs(path.as_std_path())?;
        Ok(Some(answer.f_bavail.saturating_mul(answer.f_frsize)))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(None)
    }
}

/// Returns the number of files and directories that an ordinary user can still make on the file system of `path`;
/// `None` if it has no such limit, or cannot say.
///
/// # Errors
/// When `path` cannot be asked about.
pub fn free_entries(path: &Utf8Path) -> io::Result<Option<u64>> {
    #[cfg(unix)]
    {
        let answer = rustix::fs::statvfs(path.as_std_path())?;
        // btrfs and others count none.
        Ok((answer.f_files > 0).then_some(answer.f_favail))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(None)
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A number of bytes in words, rounded down: `500 bytes`, `5 KiB`, `20.0 GiB`.
pub(crate) fn sized(number: u64) -> String {
    match number {
        0..KIB => format!("{number} bytes"),
        KIB..MIB => format!("{} KiB", number / KIB),
        MIB..GIB => format!("{} MiB", number / MIB),
        _ => format!("{}.{} GiB", number / GIB, number % GIB * 10 / GIB),
    }
}

/// The same, rounded up: a need, beside a size that is less.
pub(crate) fn sized_up(number: u64) -> String {
    match number {
        0..KIB => sized(number),
        KIB..MIB => sized(number.next_multiple_of(KIB)),
        MIB..GIB => sized(number.next_multiple_of(MIB)),
        _ => {
            let tenths = (u128::from(number) * 10).div_ceil(u128::from(GIB));
            format!("{}.{} GiB", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people_and_a_need_is_never_less_than_it_is() {
        assert_eq!(
            [500, 5 << 10, 5 << 20, 1023 << 20, 3 << 29, 20 << 30].map(sized),
            ["500 bytes", "5 KiB", "5 MiB", "1023 MiB", "1.5 GiB", "20.0 GiB"]
        );
        assert_eq!(
            [
                500,
                (5 << 10) + 1,
                5 << 20,
                (5 << 20) + 1,
                (1 << 30) - 1,
                (3 << 29) + 1
            ]
            .map(sized_up),
            ["500 bytes", "6 KiB", "5 MiB", "6 MiB", "1.0 GiB", "1.6 GiB"]
        );
    }
}
