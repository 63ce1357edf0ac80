//! The file system that a path lies on: its kind, and what it cannot do.

use std::{fmt, io};

use camino::{Utf8Path, Utf8PathBuf};

use super::atomic;
#[cfg(unix)]
use super::{directory::Directory, identity::FileIdentity};

/// The kinds that lie on another machine, as `/proc/self/mountinfo` names them.
const NETWORK: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "afs",
    "lustre",
    "gpfs",
    "glusterfs",
    "beegfs",
    "ncpfs",
    "coda",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.davfs",
    "fuse.ceph",
    "fuse.juicefs",
];

/// The kind of network file system that a path lies on; `None` where it is none, or the system does not say.
pub fn network(path: &Utf8Path) -> Option<String> {
    // Only Linux has it.
    let mounts = fs_err::read_to_string("/proc/self/mountinfo").ok()?;
    kind(&mounts, path).filter(|kind| NETWORK.contains(&kind.as_str()))
}

/// The kind of the file system that a path lies on, where the system says so.
pub fn kind_of(path: &Utf8Path) -> Option<String> {
    let mounts = fs_err::read_to_string("/proc/self/mountinfo").ok()?;
    kind(&mounts, path)
}

/// Returns true if something is mounted right at this path: then the directory cannot be renamed or replaced.
pub fn is_mount(path: &Utf8Path) -> bool {
    let Ok(real) = super::link::real(path) else {
        return false;
    };
    let mounts = fs_err::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    places(&mounts).any(|(at, _)| at == real)
}

/// Returns true if no program on the file system of this path may run: it is mounted `noexec`.
pub fn forbids_programs(path: &Utf8Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::StatVfsMountFlags;
        rustix::fs::statvfs(path.as_std_path())
            .is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NOEXEC))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        false
    }
}

/// Something that a file system may not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Permissions: whatever is set, everybody may enter (exFAT, NTFS, WSL's `/mnt/c`, folders that a host shares).
    Permissions,
    /// Symbolic links.
    Links,
    /// Permission to run a file: no file in it is a program (exFAT and NTFS that are mounted so).
    Execution,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permissions => "permissions",
            Self::Links => "symbolic links",
            Self::Execution => "permission to run programs",
        })
    }
}

/// The beginning of the name of a directory in which something is tried.
pub const PROBE: &str = ".probe-";

/// Lists the things that the file system of this directory does not keep, tried in a directory that is removed again.
///
/// # Errors
/// When nothing can be made there, or the trial fails by something else than the file system's nature.
pub fn lacks(directory: &Utf8Path) -> io::Result<Vec<Lack>> {
    let probe = atomic::private_directory(directory, PROBE)?;
    let lacks = tried(&probe);
    let _ = fs_err::remove_dir_all(&probe);
    lacks
}

#[cfg(unix)]
fn tried(probe: &Utf8Path) -> io::Result<Vec<Lack>> {
    let mut lacks = Vec::new();
    if !keeps_permissions(probe)? {
        lacks.push(Lack::Permissions);
    }
    if !is_kept(fs_err::os::unix::fs::symlink(".", probe.join("link")))? {
        lacks.push(Lack::Links);
    }
    if !keeps_execution(probe)? {
        lacks.push(Lack::Execution);
    }
    Ok(lacks)
}

#[cfg(unix)]
fn keeps_execution(probe: &Utf8Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = probe.join("program");
    fs_err::write(&file, "")?;
    // Where no mode can be set, the one that it has counts.
    is_kept(fs_err::set_permissions(
        &file,
        std::fs::Permissions::from_mode(0o700),
    ))?;
    Ok(FileIdentity::at(&file)?.mode & 0o100 != 0)
}

/// Returns false if a file system said that it does not keep something. That it could not now is an error.
#[cfg(unix)]
fn is_kept(done: io::Result<()>) -> io::Result<bool> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match done {
        Err(cause) if matches!(cause.kind(), PermissionDenied | Unsupported | InvalidInput) => Ok(false),
        done => done.map(|()| true),
    }
}

/// Returns true if a directory that was made a moment ago, for us alone, is closed to others, and stays so when that is asked for
/// again, as PostgreSQL does: some file systems refuse every change.
///
/// # Errors
/// When it cannot be looked at or changed for another reason.
#[cfg(unix)]
pub fn keeps_permissions(made: &Utf8Path) -> io::Result<bool> {
    Ok(FileIdentity::at(made)?.mode & 0o077 == 0 && is_kept(Directory::made(made)?.set_mode(0o700))?)
}

/// Returns true: Windows has others.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn keeps_permissions(_: &Utf8Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(not(unix))]
fn tried(_: &Utf8Path) -> io::Result<Vec<Lack>> {
    Ok(Vec::new())
}

/// The kind of the file system at an absolute path, from `/proc/self/mountinfo` (proc(5)): `36 35 98:0 /root /at options
/// tags - kind source options`. Of mounts at one place the last is seen.
fn kind(mounts: &str, path: &Utf8Path) -> Option<String> {
    let mut found: Option<(Utf8PathBuf, String)> = None;
    for (at, kind) in places(mounts) {
        let is_nearer = found.as_ref().is_none_or(|(nearest, _)| at.starts_with(nearest));
        if path.starts_with(&at) && is_nearer {
            found = Some((at, kind.to_owned()));
        }
    }
    found.map(|(_, kind)| kind)
}

/// Where something is mounted, and its kind.
fn places(mounts: &str) -> impl Iterator<Item = (Utf8PathBuf, &str)> {
    mounts.lines().filter_map(|line| {
        let (place, rest) = line.split_once(" - ")?;
        let (at, kind) = (place.split(' ').nth(4)?, rest.split(' ').next()?);
        Some((Utf8PathBuf::from(unescaped(at)), kind))
    })
}

/// Space, tab, newline and backslash are written as `\040`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part
            .split_at_checked(3)
            .map(|(code, rest)| (u8::from_str_radix(code, 8), rest))
        {
            Some((Ok(code), rest)) => {
                whole.push(char::from(code));
                whole.push_str(rest);
            }
            _ => {
                whole.push('\\');
                whole.push_str(part);
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    const MOUNTS: &str = "\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 21 0:44 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
41 40 0:45 / /home/ann/my\\040disk rw - fuse.sshfs ann@there: rw
42 21 0:46 / /mnt rw - 9p host rw
43 42 0:47 / /mnt rw - tmpfs none rw
";

    #[test]
    fn the_nearest_and_last_mount_counts() {
        let of = |path: &str| kind(MOUNTS, path.into()).expect("some");
        assert_eq!(of("/srv/project/.amp"), "ext4");
        assert_eq!(of("/home/ann/project/.amp"), "nfs4");
        assert_eq!(of("/homes/ann"), "ext4");
        assert_eq!(of("/home/ann/my disk/.amp"), "fuse.sshfs");
        assert_eq!(of("/mnt/project"), "tmpfs");
        assert_eq!(kind("nonsense\n", "/".into()), None);
        every(["nfs4", "fuse.sshfs", "9p"], |kind| {
            assert!(NETWORK.contains(&kind), "{kind}");
        });
        assert!(!NETWORK.contains(&"ext4") && !NETWORK.contains(&"tmpfs"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machines_own_mounts_are_read() {
        let mounts = fs_err::read_to_string("/proc/self/mountinfo").expect("read");
        assert_eq!(kind(&mounts, "/proc/self".into()).as_deref(), Some("proc"));
        assert_eq!(network("/proc".into()), None);
    }
}
