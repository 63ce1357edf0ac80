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
    #[error("`{place}` has {} free, and {} are needed", sized_down(*.free), sized_up(*.needed))]
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

/// A unit of sizes: its bytes, the parts of it that are told, and its name.
type Unit = (u128, u128, &'static str);

const UNITS: [Unit; 4] = [
    (1, 1, "bytes"),
    (1 << 10, 1, "KiB"),
    (1 << 20, 1, "MiB"),
    (1 << 30, 10, "GiB"),
];

/// A way to divide: rounded up, down, or to the nearest.
type Division = fn(u128, u128) -> u128;

const NEAREST: Division = |bytes, unit| (bytes + unit / 2) / unit;

/// A number of bytes in words, rounded: `500 bytes`, `5 KiB`, `20.0 GiB`.
pub(crate) fn sized(number: u64) -> String {
    in_words(number, NEAREST)
}

/// The same, rounded up: a need, beside a size that is less.
pub(crate) fn sized_up(number: u64) -> String {
    in_words(number, u128::div_ceil)
}

/// The same, rounded down: what is free, beside a need that is more.
pub(crate) fn sized_down(number: u64) -> String {
    in_words(number, |bytes, unit| bytes / unit)
}

/// A part beside its whole, in the unit of that: `10/22 MiB`.
pub(crate) fn sized_of(part: u64, whole: u64) -> String {
    let unit = unit_of(whole, NEAREST);
    format!(
        "{}/{} {}",
        in_unit(part, unit, NEAREST),
        in_unit(whole, unit, NEAREST),
        unit.2
    )
}

fn in_words(number: u64, divide: Division) -> String {
    let unit = unit_of(number, divide);
    format!("{} {}", in_unit(number, unit, divide), unit.2)
}

/// The first unit of which there are not as many as make the next one.
fn unit_of(number: u64, divide: Division) -> Unit {
    let fits = |(bytes, ..): &Unit| divide(number.into(), *bytes) < 1024;
    UNITS.into_iter().find(fits).unwrap_or(UNITS[UNITS.len() - 1])
}

fn in_unit(number: u64, (bytes, parts, _): Unit, divide: Division) -> String {
    let number = divide(u128::from(number) * parts, bytes);
    match parts {
        1 => number.to_string(),
        parts => format!("{}.{}", number / parts, number % parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn sizes_are_for_people_and_a_need_is_never_less_than_it_is() {
        let rows = [
            (500, ["500 bytes"; 3]),
            (5 << 10, ["5 KiB"; 3]),
            ((5 << 10) + 1, ["5 KiB", "5 KiB", "6 KiB"]),
            (6_116_803, ["5 MiB", "6 MiB", "6 MiB"]),
            (5 << 20, ["5 MiB"; 3]),
            (1023 << 20, ["1023 MiB"; 3]),
            ((1 << 20) - 1, ["1023 KiB", "1 MiB", "1 MiB"]),
            ((1 << 30) - 1, ["1023 MiB", "1.0 GiB", "1.0 GiB"]),
            ((3 << 29) + 1, ["1.5 GiB", "1.5 GiB", "1.6 GiB"]),
            (20 << 30, ["20.0 GiB"; 3]),
        ];
        every(rows, |(number, texts)| {
            assert_eq!([sized_down(number), sized(number), sized_up(number)], texts);
        });
        let rows = [
            ((0, 500), "0/500 bytes"),
            ((1, 22 << 20), "0/22 MiB"),
            ((6_116_803, 6_116_803), "6/6 MiB"),
            ((3 << 28, 3 << 29), "0.8/1.5 GiB"),
        ];
        every(rows, |((part, whole), text)| {
            assert_eq!(sized_of(part, whole), text)
        });
    }
}
