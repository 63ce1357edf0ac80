//! Limits that this process and its children have: those of the process (`ulimit`), and the memory of the container or
//! service (cgroup) that it runs in.

use std::fmt;

use camino::Utf8Path;
use rustix::process::{Resource, getrlimit};

use crate::fs::space::sized_down;

/// Something that is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// The memory of each process (`ulimit -v`).
    Memory,
    /// The memory of each process that is its own (`ulimit -d`).
    Data,
    /// The memory of all processes of a container or a service together.
    GroupMemory,
    /// The files that a process may have open (`ulimit -n`).
    OpenFiles,
    /// The size of a file (`ulimit -f`).
    FileSize,
    /// The stack of each process (`ulimit -s`).
    Stack,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "the memory of a process",
            Self::Data => "the data of a process",
            Self::GroupMemory => "the memory of this container or service",
            Self::OpenFiles => "the number of open files of a process",
            Self::FileSize => "the size of a file",
            Self::Stack => "the stack of a process",
        })
    }
}

impl Limited {
    /// The least that PostgreSQL needs.
    fn least(self) -> u64 {
        match self {
            Self::Memory => 64 << 20,
            // 12 was enough for initdb of PostgreSQL 15, and 8 was not.
            Self::Data => 12 << 20,
            // Only what is used counts.
            Self::GroupMemory => 32 << 20,
            // It keeps 48 for itself, and has some open when it counts.
            Self::OpenFiles => 64,
            // A segment of the write-ahead log.
            Self::FileSize => 16 << 20,
            // The lowest `max_stack_depth`, and what it keeps beside (`STACK_DEPTH_SLOP`).
            Self::Stack => (100 + 512) << 10,
        }
    }

    fn current(self) -> Option<u64> {
        match self {
            Self::Memory => getrlimit(Resource::As).current,
            Self::Data => getrlimit(Resource::Data).current,
            Self::OpenFiles => getrlimit(Resource::Nofile).current,
            Self::FileSize => getrlimit(Resource::Fsize).current,
            Self::Stack => getrlimit(Resource::Stack).current,
            Self::GroupMemory => {
                let groups = fs_err::read_to_string("/proc/self/cgroup").ok()?;
                of_group(&groups, |file| fs_err::read_to_string(file).ok())
            }
        }
    }

    fn shown(self, number: u64) -> String {
        match self {
            Self::OpenFiles => number.to_string(),
            Self::Memory | Self::Data | Self::GroupMemory | Self::FileSize | Self::Stack => {
                sized_down(number)
            }
        }
    }
}

/// A limit that is too low for PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LowLimit {
    /// The resource that it limits.
    pub what: Limited,
    /// The limit.
    pub limit: u64,
}

impl fmt::Display for LowLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, limit } = *self;
        let (limit, least) = (what.shown(limit), what.shown(what.least()));
        write!(
            f,
            "{what} is limited to {limit}, and PostgreSQL needs at least {least}"
        )
    }
}

/// The limits that are too low.
pub(super) fn low() -> impl Iterator<Item = LowLimit> {
    let all = [
        Limited::Memory,
        Limited::Data,
        Limited::GroupMemory,
        Limited::OpenFiles,
        Limited::FileSize,
        Limited::Stack,
    ];
    all.into_iter().filter_map(|what| {
        let limit = what.current().filter(|limit| *limit < what.least())?;
        Some(LowLimit { what, limit })
    })
}

/// The lowest limit of these groups (cgroups(7): `0::/path`, or `4:memory:/path` of version 1) and of those above them. In a
/// container the path may be the host's, and its own group is at the top.
fn of_group(groups: &str, read: impl Fn(&Utf8Path) -> Option<String>) -> Option<u64> {
    let mut lowest = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (roots, file) = if controllers.is_empty() {
            (&["/sys/fs/cgroup", "/sys/fs/cgroup/unified"][..], "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            (&["/sys/fs/cgroup/memory"][..], "memory.limit_in_bytes")
        } else {
            continue;
        };
        for root in roots {
            let own = Utf8Path::new(root).join(path.trim_start_matches('/'));
            let above = own.ancestors().take_while(|group| group.starts_with(root));
            let limits = above.filter_map(|group| read(&group.join(file))?.trim().parse::<u64>().ok());
            lowest = limits.chain(lowest).min();
        }
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn the_lowest_limit_on_the_way_counts() {
        let files = [
            ("/sys/fs/cgroup/memory.max", "max\n"),
            ("/sys/fs/cgroup/a.slice/memory.max", "8388608\n"),
            ("/sys/fs/cgroup/a.slice/b.service/memory.max", "16777216\n"),
            (
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            (
                "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
                "4194304\n",
            ),
        ];
        let read = |path: &Utf8Path| {
            let found = files.iter().find(|(name, _)| path == *name)?;
            Some(found.1.to_owned())
        };
        let rows = [
            ("0::/a.slice/b.service\n", Some(8 << 20)),
            ("0::/\n", None),
            ("0::/elsewhere\n", None),
            (
                "5:devices:/a.slice\n4:cpu,memory:/docker/1\n0::/\n",
                Some(4 << 20),
            ),
            ("4:memory:/of/the/host\n", Some(9_223_372_036_854_771_712)),
            ("nonsense\n", None),
        ];
        every(rows, |(groups, limit)| {
            assert_eq!(of_group(groups, read), limit, "{groups}");
        });
    }
}
