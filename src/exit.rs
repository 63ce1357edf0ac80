//! The exit codes, one for each kind of ending that a script may want to tell apart.

use std::io;

/// How a command ends. The numbers are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed, or what was installed does not run here.
    Failed = 1,
    /// The command line was wrong.
    Usage = 2,
    /// No such component or version, or it is not installed.
    NotFound = 3,
    /// A digest, a signature, an archive or an installed tree is not what it should be.
    Integrity = 4,
    /// The network.
    Network = 5,
    /// Something is busy or in use.
    Busy = 6,
    /// The disk is full, read-only or not permitted.
    Disk = 7,
    /// There are updates (`check` alone).
    UpdatesAvailable = 100,
}

impl Exit {
    /// The code of a file operation's failure: 7 where the disk or its permissions are the reason, else 1.
    pub fn of_io(cause: &io::Error) -> Self {
        use io::ErrorKind::{
            FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, Unsupported,
        };
        match cause.kind() {
            StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied | FileTooLarge
            | Unsupported => Self::Disk,
            _ => Self::Failed,
        }
    }

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// What to type after a file operation failed, where the kind of failure says it.
pub fn hint_of_io(cause: &io::Error) -> Option<String> {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, Unsupported};
    let hint = match cause.kind() {
        StorageFull | QuotaExceeded => {
            "make room (`ampup prune` lists what can go) and run the same command again"
        }
        ReadOnlyFilesystem | PermissionDenied | Unsupported => {
            "choose a home that you can write to, with `AMPUP_HOME` or `--home`"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
