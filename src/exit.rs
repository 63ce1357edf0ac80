//! The exit codes, one for each kind of ending that a script may want to tell apart.

use std::io;

use crate::fs::is_disk_failure;

/// The exit code of a command. The numbers are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// It failed, or what was installed does not run here.
    Failed,
    /// The command line was wrong.
    Usage,
    /// No such component or version, or it is not installed.
    NotFound,
    /// A digest, a signature, an archive or an installed tree is not what it should be.
    Integrity,
    /// The network.
    Network,
    /// Something is busy or in use.
    Busy,
    /// The disk is full, broken, read-only or not permitted.
    Disk,
    /// There are updates (`check` alone).
    UpdatesAvailable,
    /// As the command that `run` or `db psql` ran.
    Command(u8),
}

impl Exit {
    /// The code of a file operation's failure: 7 where the disk or its permissions are the reason, else 1 (also
    /// where the process may open no further file, which is no matter of the disk).
    pub fn of_io(cause: &io::Error) -> Self {
        use io::ErrorKind::{
            FileTooLarge, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
            Unsupported,
        };
        match cause.kind() {
            StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied | FileTooLarge
            | NotADirectory | Unsupported => Self::Disk,
            _ if is_disk_failure(cause) => Self::Disk,
            _ => Self::Failed,
        }
    }

    /// The code that a shell gives a command that it cannot start (POSIX, 2.8.2).
    pub fn of_start(cause: &io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::NotFound => Self::Command(127),
            _ => Self::Command(126),
        }
    }

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Integrity => 4,
            Self::Network => 5,
            Self::Busy => 6,
            Self::Disk => 7,
            Self::UpdatesAvailable => 100,
            Self::Command(code) => code,
        }
    }
}
