//! Faults of a host that PostgreSQL meets, told by the call that failed and the system's own text for why. A text alone does not
//! say: "No space left on device" is a full disk, a full `/dev/shm`, or no further id of shared memory.

use std::{io, process::ExitStatus};

/// The number of SIGBUS.
const BUS: i32 = if cfg!(target_os = "linux") { 7 } else { 10 };
/// The system's texts where a file system has no sockets.
const NO_SOCKETS: [&str; 4] = [
    ": Operation not permitted",
    ": Operation not supported",
    ": Function not implemented",
    ": Invalid argument",
];

/// The system's texts where a sandbox forbids a call.
const FORBIDDEN: [&str; 2] = [": Operation not permitted", ": Function not implemented"];
/// The beginnings of lines on calls that a system allows everybody.
const CALLS: [&str; 4] = [
    "could not create shared memory segment: ",
    "could not get shared memory segment: ",
    "could not create semaphores: ",
    "could not fork ",
];

/// Something other than the disk that the host refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostFault {
    /// A segment in `/dev/shm`: it is missing, full, or closed to us.
    DevShm,
    /// An id of the kernel's shared memory (`shmget`), or memory behind it.
    MemoryId,
    /// A semaphore.
    Semaphore,
    /// Memory.
    Memory,
    /// Huge pages, which the cluster's settings ask for and this system does not have.
    HugePages,
    /// Memory that was promised and is not there: of huge pages, or of `/dev/shm`.
    BackedMemory,
    /// Memory of the container or the host: its kernel ended a process.
    Killed,
    /// An open file.
    OpenFile,
    /// A file that may not grow any more.
    FileSize,
    /// A socket in a directory: the file system has none.
    Socket,
    /// A process.
    Process,
    /// A stack of the usual size.
    Stack,
    /// A directory that is closed to others: the file system keeps no permissions.
    Permissions,
    /// A time zone, of which the host has no file.
    TimeZone,
    /// A system call that a sandbox forbids.
    Forbidden,
}

impl HostFault {
    /// Finds it in the way in which a program of PostgreSQL ended, and in its last lines.
    pub(crate) fn of_end(status: ExitStatus, lines: &[String]) -> Option<Self> {
        let by_signal = || {
            #[cfg(unix)]
            {
                use std::os::unix::process::ExitStatusExt as _;
                Self::of_signal(status.signal()?)
            }
            #[cfg(not(unix))]
            {
                let _ = status;
                None
            }
        };
        Self::find(lines).or_else(by_signal)
    }

    /// Finds it in the system's refusal to start a program.
    pub(crate) fn of_start(cause: &io::Error) -> Option<Self> {
        match cause.kind() {
            _ if crate::fs::is_forbidden_call(cause) => Some(Self::Forbidden),
            io::ErrorKind::WouldBlock => Some(Self::Process),
            io::ErrorKind::OutOfMemory => Some(Self::Memory),
            _ => crate::fs::is_out_of_files(cause).then_some(Self::OpenFile),
        }
    }

    /// Finds it in the last lines of a program of PostgreSQL.
    pub(crate) fn find(lines: &[String]) -> Option<Self> {
        lines
            .iter()
            .enumerate()
            .find_map(|(number, line)| Self::of_line(line, &lines[number + 1..]))
    }

    /// The signals by which a kernel ends a process for want of memory.
    fn of_signal(number: i32) -> Option<Self> {
        match number {
            9 => Some(Self::Killed),
            BUS => Some(Self::BackedMemory),
            _ => None,
        }
    }

    fn of_line(line: &str, after: &[String]) -> Option<Self> {
        let by_signal = || {
            let (_, number) = line.split_once("was terminated by signal ")?;
            Self::of_signal(number.split(':').next()?.trim().parse().ok()?)
        };
        let call = |name: &str| {
            let of_kernel = format!("Failed system call was {name}(");
            after.iter().take(2).any(|detail| detail.contains(&of_kernel))
        };
        let is_forbidden = FORBIDDEN.iter().any(|text| line.trim_end().ends_with(text));
        // POSIX names begin with a slash; those of files in the cluster do not, and there the disk is meant.
        if line.contains("shared memory segment \"/PostgreSQL.") {
            Some(Self::DevShm)
        } else if line.contains("could not map anonymous shared memory") {
            Some(Self::Memory)
        } else if line.contains("huge pages not supported") || line.contains("huge_page_size must be 0") {
            Some(Self::HugePages)
        } else if line.contains(": Too many open files")
            || line.contains("insufficient file descriptors available")
        {
            Some(Self::OpenFile)
        } else if line.trim_end().ends_with(": File too large") {
            Some(Self::FileSize)
        } else if (line.contains("could not bind Unix address \"")
            || line.contains("could not set permissions of file \"") && line.contains("/.s.PGSQL."))
            && NO_SOCKETS.iter().any(|text| line.trim_end().ends_with(text))
        {
            Some(Self::Socket)
        } else if is_forbidden && CALLS.iter().any(|text| line.contains(text)) {
            Some(Self::Forbidden)
        } else if line.contains("could not create shared memory segment: ")
            || line.contains("could not get shared memory segment: ")
            || call("shmget")
        {
            Some(Self::MemoryId)
        } else if line.contains("could not create semaphores: ") || call("semget") {
            Some(Self::Semaphore)
        } else if line.contains("FATAL:  out of memory") || line.contains(": Cannot allocate memory") {
            Some(Self::Memory)
        } else if line.contains("could not fork ") || line.contains(": Resource temporarily unavailable") {
            Some(Self::Process)
        } else if line.contains("max_stack_depth") {
            Some(Self::Stack)
        } else if line.contains("data directory \"") && line.contains("has invalid permissions")
            || line.contains("could not change permissions of directory \"")
                && line.trim_end().ends_with(": Operation not permitted")
        {
            Some(Self::Permissions)
        } else if ["TimeZone", "log_timezone"]
            .iter()
            .any(|name| line.contains(&format!("invalid value for parameter \"{name}\"")))
        {
            Some(Self::TimeZone)
        } else {
            by_signal()
        }
    }

    /// The remedy.
    #[cfg(feature = "cli")]
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::DevShm => {
                "make `/dev/shm` a tmpfs that everybody can write to and that has room: `mount -t tmpfs -o mode=1777 tmpfs /dev/shm` \
                 as root, or `--shm-size=256m` for a container"
            }
            Self::MemoryId => {
                "this is no matter of the disk: `ipcs -m` lists the shared memory that is in use, and `sysctl kernel.shmmni \
                 kernel.shmall` its limits"
            }
            Self::Semaphore => {
                "this is no matter of the disk: `ipcs -s` lists the semaphores that are in use, and `sysctl kernel.sem` their limits"
            }
            Self::Memory => {
                "free some memory, or raise the limit: `ulimit -v`, `ulimit -d`, the container's `--memory`, or, where `postgresql.conf` has \
                 `huge_pages = on`, `sysctl vm.nr_hugepages`"
            }
            Self::HugePages => {
                "set `huge_pages = try` and `huge_page_size = 0` in the cluster's `postgresql.conf`"
            }
            Self::BackedMemory => {
                "memory that was promised is not there: set `huge_pages = off` in the cluster's `postgresql.conf`, or give the \
                 container its share (`hugetlb` limits, `--shm-size=256m`)"
            }
            Self::Killed => {
                "if nobody ended that process, the host or the container had no memory left for it: raise the container's \
                 `--memory` (the service's `MemoryMax=`), or free some"
            }
            Self::FileSize => {
                "raise the limit of a file's size: `ulimit -f unlimited`, or the service's `LimitFSIZE=`"
            }
            Self::OpenFile => "raise the limit of open files: `ulimit -n 1024`",
            Self::Socket => {
                "set `XDG_RUNTIME_DIR` to a directory of yours on a file system of this system's own, where sockets can be made"
            }
            Self::Process => {
                "end some processes, or raise the limit: `ulimit -u`, or the container's `--pids-limit`"
            }
            Self::Stack => "raise the limit: `ulimit -s 8192`",
            Self::Permissions => {
                "this file system keeps no permissions, as PostgreSQL wants them: choose a directory on a file system of this system's \
                 own, with `AMP_DIR` or `--amp-dir`"
            }
            Self::Forbidden => {
                "a sandbox forbids this system call: for a container, a newer container engine, `--security-opt seccomp=unconfined`, or a \
                 profile that allows it"
            }
            Self::TimeZone => {
                "this host has no such time zone: install its time zones (the package `tzdata`), or set another one in the cluster's \
                 `postgresql.conf`"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn the_call_says_what_was_refused_and_not_the_text_alone() {
        let find = |text: &str| HostFault::find(&text.lines().map(str::to_owned).collect::<Vec<_>>());
        let rows = [
            (
                "FATAL:  could not open shared memory segment \"/PostgreSQL.123\": Permission denied",
                Some(HostFault::DevShm),
            ),
            (
                "FATAL:  could not open shared memory segment \"/PostgreSQL.123\": No such file or directory",
                Some(HostFault::DevShm),
            ),
            (
                "FATAL:  could not resize shared memory segment \"/PostgreSQL.1\" to 26976 bytes: No space left on device",
                Some(HostFault::DevShm),
            ),
            (
                "FATAL:  could not create shared memory segment: No space left on device\n\
                 DETAIL:  Failed system call was shmget(key=1, size=56, 03600).",
                Some(HostFault::MemoryId),
            ),
            (
                "FATAL:  could not create shared memory segment: Operation not permitted\n\
                 DETAIL:  Failed system call was shmget(key=1, size=56, 03600).",
                Some(HostFault::Forbidden),
            ),
            (
                "LOG:  could not fork checkpointer process: Function not implemented",
                Some(HostFault::Forbidden),
            ),
            (
                "LOG:  invalid value for parameter \"TimeZone\": \"Etc/UTC\"\nFATAL:  configuration file contains errors",
                Some(HostFault::TimeZone),
            ),
            ("LOG:  invalid value for parameter \"work_mem\": \"UTC\"", None),
            (
                "FATAL:  could not create semaphores: No space left on device\n\
                 DETAIL:  Failed system call was semget(1, 17, 03600).",
                Some(HostFault::Semaphore),
            ),
            (
                "FATAL:  could not map anonymous shared memory: Cannot allocate memory\nHINT:  huge pages",
                Some(HostFault::Memory),
            ),
            (
                "LOG:  could not fork autovacuum launcher process: Resource temporarily unavailable",
                Some(HostFault::Process),
            ),
            (
                "FATAL:  failed to initialize max_stack_depth to 100",
                Some(HostFault::Stack),
            ),
            (
                "FATAL:  huge pages not supported on this platform",
                Some(HostFault::HugePages),
            ),
            (
                "child process was terminated by signal 9: Killed",
                Some(HostFault::Killed),
            ),
            #[cfg(target_os = "linux")]
            (
                "child process was terminated by signal 7: Bus error",
                Some(HostFault::BackedMemory),
            ),
            (
                "child process was terminated by signal 11: Segmentation fault",
                None,
            ),
            (
                "FATAL:  could not open file \"global/pg_control\": Too many open files",
                Some(HostFault::OpenFile),
            ),
            (
                "FATAL:  insufficient file descriptors available to start server process\n\
                 DETAIL:  System allows 19, server needs at least 64.",
                Some(HostFault::OpenFile),
            ),
            (
                "LOG:  could not bind Unix address \"/p/.s.PGSQL.5432\": Operation not supported\n\
                 FATAL:  could not create any Unix-domain sockets",
                Some(HostFault::Socket),
            ),
            (
                "FATAL:  could not set permissions of file \"/p/.s.PGSQL.5432\": Operation not permitted",
                Some(HostFault::Socket),
            ),
            (
                "LOG:  could not bind Unix address \"/p/.s.PGSQL.5432\": Address already in use\n\
                 FATAL:  could not create any Unix-domain sockets",
                None,
            ),
            (
                "FATAL:  data directory \"/p\" has invalid permissions",
                Some(HostFault::Permissions),
            ),
            (
                "initdb: error: could not change permissions of directory \"/p\": Operation not permitted",
                Some(HostFault::Permissions),
            ),
            // The disk.
            (
                "FATAL:  could not write lock file \"postmaster.pid\": No space left on device",
                None,
            ),
            (
                "FATAL:  could not resize shared memory segment \"pg_dynshmem/mmap.1\" to 26976 bytes: No space left on device",
                None,
            ),
            (
                "FATAL:  could not create lock file \"x\": Permission denied",
                None,
            ),
        ];
        every(rows, |(text, fault)| {
            assert_eq!(find(text), fault, "{text}");
        });
    }
}
