//! Faults of a host that PostgreSQL meets, told by the call that failed and the system's own text for why. A text alone does not say:
//! "No space left on device" is a full disk, a full `/dev/shm`, or no further id of shared memory.

/// Something other than the disk that the host refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostFault {
    /// A segment in `/dev/shm`: it is missing, full, or closed to us.
    DevShm,
    /// An id of the kernel's shared memory (`shmget`), or memory behind it.
    MemoryId,
    /// A semaphore.
    Semaphore,
    /// Memory, or huge pages.
    Memory,
    /// A process.
    Process,
    /// A stack of the usual size.
    Stack,
    /// A directory that is closed to others: the file system keeps no permissions.
    Permissions,
}

impl HostFault {
    /// Finds it in the last lines of a program of PostgreSQL.
    pub(crate) fn find(lines: &[String]) -> Option<Self> {
        lines
            .iter()
            .enumerate()
            .find_map(|(number, line)| Self::of_line(line, &lines[number + 1..]))
    }

    fn of_line(line: &str, after: &[String]) -> Option<Self> {
        let call = |name: &str| {
            let of_kernel = format!("Failed system call was {name}(");
            after.iter().take(2).any(|detail| detail.contains(&of_kernel))
        };
        // POSIX names begin with a slash; those of files in the cluster do not, and there the disk is meant.
        if line.contains("shared memory segment \"/PostgreSQL.") {
            Some(Self::DevShm)
        } else if line.contains("could not map anonymous shared memory") {
            Some(Self::Memory)
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
        } else if line.contains("data directory \"") && line.contains("has invalid permissions") {
            Some(Self::Permissions)
        } else {
            None
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
                "free some memory, or raise the limit: `ulimit -v`, the container's `--memory`, `sysctl vm.nr_hugepages` where \
                 `postgresql.conf` has `huge_pages = on`"
            }
            Self::Process => {
                "end some processes, or raise the limit: `ulimit -u`, or the container's `--pids-limit`"
            }
            Self::Stack => "raise the limit: `ulimit -s 8192`",
            Self::Permissions => {
                "this file system keeps no permissions, as PostgreSQL wants them: choose a directory on a file system of this system's \
                 own, with `AMP_DIR` or `--amp-dir`"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_says_what_was_refused_and_not_the_text_alone() {
        let find = |text: &str| HostFault::find(&text.lines().map(str::to_owned).collect::<Vec<_>>());
        for (text, fault) in [
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
                "FATAL:  data directory \"/p\" has invalid permissions",
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
        ] {
            assert_eq!(find(text), fault, "{text}");
        }
    }
}
