//! The kind of memory that PostgreSQL's processes share later on (`dynamic_shared_memory_type`). A cluster's settings have the
//! one that worked where it was made; where that does not work, another does.

use crate::postgres::host_fault::HostFault;

/// The kinds that can stand in for `/dev/shm`, in the order in which they are tried: the kernel's ids, and files in the cluster.
pub(crate) const INSTEAD: [&str; 2] = ["sysv", "mmap"];

/// The kind that a server is started with.
#[derive(Debug, Default)]
pub(crate) struct SharedMemory {
    tried: usize,
}

impl SharedMemory {
    /// The kind; `None`: that of the cluster's settings.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        INSTEAD.get(self.tried.checked_sub(1)?).copied()
    }

    /// Takes another kind for a server that failed with these lines, if it was for want of this one. Gives whether there is one.
    pub(crate) fn is_other_after(&mut self, last_lines: &[String]) -> bool {
        let is_missed = match HostFault::find(last_lines) {
            Some(HostFault::DevShm) => true,
            // The ids that stood in for it.
            Some(HostFault::MemoryId | HostFault::Forbidden) => self.tried > 0,
            _ => false,
        };
        let takes = is_missed && self.tried < INSTEAD.len();
        self.tried += usize::from(takes);
        takes
    }
}
