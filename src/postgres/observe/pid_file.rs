//! `postmaster.pid`: what a server says of itself. It is never believed alone.
//!
//! Its lines are: process id, data directory, start time, port, first socket directory, first TCP address, shared
//! memory key, status (<https://www.postgresql.org/docs/current/storage-file-layout.html>; the order is that of
//! PostgreSQL's `pidfile.h`).

/// The lock file of a data directory.
pub const NAME: &str = "postmaster.pid";
/// The words for reading it, as an error has them.
pub(crate) const READ: &str = "read the pid file of";
/// The words for removing one that is nobody's.
pub(crate) const REMOVE: &str = "remove a stale lock file of";

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PidFile {
    /// There is none.
    Absent,
    /// It has no process id that a process could have. PostgreSQL refuses to start beside such a file.
    Damaged,
    /// It names a process.
    Names(PidFileEntry),
}

/// The entry of an undamaged file; lines after the first may not be written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PidFileEntry {
    /// The process.
    pub pid: u32,
    /// It is a single process without a socket (initdb's, or single-user mode), which writes its id negative.
    pub single: bool,
    /// When it started, in seconds since 1970.
    pub started: Option<u64>,
    /// The number in the socket's name.
    pub port: Option<u16>,
    /// Where its socket is.
    pub socket_directory: Option<String>,
    /// The address that it listens on, if it listens on one.
    pub address: Option<String>,
    /// It says that it is starting: it recovers the cluster, and refuses every session with a line in its log.
    pub is_starting: bool,
}

impl PidFile {
    /// Reads the content of a file.
    pub fn parse(content: &str) -> Self {
        let mut lines = content.lines();
        let Some(number) = lines
            .next()
            .and_then(|line| line.trim().parse::<i64>().ok())
            .filter(|number| (1..=i64::from(i32::MAX)).contains(&number.abs()))
        else {
            return Self::Damaged;
        };
        let lines: Vec<&str> = lines.collect();
        let line = |number: usize| {
            lines
                .get(number - 2)
                .map(|line| line.trim())
                .filter(|line| !line.is_empty())
        };
        Self::Names(PidFileEntry {
            pid: u32::try_from(number.unsigned_abs()).expect("at most i32::MAX"),
            single: number < 0,
            started: line(3).and_then(|text| text.parse().ok()),
            port: line(4).and_then(|text| text.parse().ok()),
            socket_directory: line(5).map(str::to_owned),
            address: line(6).map(str::to_owned),
            // The seventh line is written before the socket is there, the eighth just after.
            is_starting: line(8).map_or(line(7).is_some(), |status| status == "starting"),
        })
    }

    /// Returns its entry, if it names a process.
    pub fn entry(&self) -> Option<&PidFileEntry> {
        match self {
            Self::Names(entry) => Some(entry),
            Self::Absent | Self::Damaged => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_whole_file_and_the_beginning_of_one_are_read() {
        let whole = "4711\n/p/.amp/metadb\n1790000000\n5432\n/p/.amp/metadb\n\n  1234 0\nready   \n";
        let PidFile::Names(entry) = PidFile::parse(whole) else {
            panic!("it names a process")
        };
        assert_eq!((entry.pid, entry.single, entry.port), (4711, false, Some(5432)));
        assert_eq!(entry.started, Some(1_790_000_000));
        assert_eq!(entry.socket_directory.as_deref(), Some("/p/.amp/metadb"));
        assert_eq!((entry.address, entry.is_starting), (None, false));
        for begun in [
            whole.replace("ready   ", "starting"),
            whole.replace("ready   \n", ""),
        ] {
            let starting = PidFile::parse(&begun);
            assert_eq!(
                starting.entry().map(|entry| entry.is_starting),
                Some(true),
                "{begun}"
            );
        }
        let on_loopback = "4711\n/p\n1790000000\n49152\n\n127.0.0.1\n";
        assert_eq!(
            PidFile::parse(on_loopback)
                .entry()
                .and_then(|entry| entry.address.as_deref()),
            Some("127.0.0.1")
        );
        let begun = PidFile::parse("-12\n/p\n");
        assert_eq!(
            begun.entry().map(|entry| (entry.pid, entry.single)),
            Some((12, true))
        );
    }

    #[test]
    fn what_no_process_can_have_is_damage() {
        let rows = [
            "",
            "\n",
            "0\n",
            "-0\n",
            "2147483648\n",
            "-2147483649\n",
            "text\n",
            "12x\n",
        ];
        every(rows, |text| {
            assert_eq!(PidFile::parse(text), PidFile::Damaged, "{text:?}");
        });
    }
}
