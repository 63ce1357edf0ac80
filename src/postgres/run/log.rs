//! The server's log: a file that it appends to.

use std::{
    io::{self, Read as _, Seek as _, SeekFrom},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::postgres::{
    error::ClusterError, ownership::give_file, program::last_lines, project::Project, user::OsUser,
};

/// A log of this size is put aside when a server starts. Not every start gets a file of its own: `ampup run` starts one
/// many times a day.
pub(crate) const FULL: u64 = 1 << 20;
/// The action that fails where it cannot be opened.
pub(crate) const OPEN: &str = "open the log";
/// The size of the end that is read for an error message.
const END: u64 = 16 << 10;

/// The log of one server, from where that server began to write.
#[derive(Debug, Clone)]
pub struct Log {
    path: Utf8PathBuf,
    begin: u64,
}

impl Log {
    /// The log of a server that started before we looked.
    pub fn of(project: &Project) -> Self {
        Self {
            path: project.log(),
            begin: 0,
        }
    }

    /// Opens the log for a server that is about to start, after putting a full one aside under the time of day. Old logs
    /// are never deleted here.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn begin(project: &Project, owner: Option<&OsUser>) -> io::Result<(Self, fs::File)> {
        let path = project.log();
        if fs::symlink_metadata(&path).is_ok_and(|found| found.len() >= FULL) {
            let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
            fs::rename(&path, project.logs().join(format!("postgres-{now}.log")))?;
        }
        let mut options = fs::OpenOptions::new();
        options.append(true);
        #[cfg(unix)]
        {
            use fs_err::os::unix::fs::OpenOptionsExt as _;
            // Root may write in a directory of somebody who put a link there. 0600: queries hold data.
            options
                .mode(0o600)
                .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        }
        let file = match options.clone().create_new(true).open(&path) {
            Ok(file) => {
                give_file(file.file(), owner)?;
                file
            }
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => options.open(&path)?,
            Err(cause) => return Err(cause),
        };
        let begin = file.metadata()?.len();
        Ok((Self { path, begin }, file))
    }

    /// Where it is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Returns its length now: it grows while the server makes progress, and since PostgreSQL 15 also every ten seconds
    /// of a long recovery (<https://www.postgresql.org/docs/current/runtime-config-logging.html>,
    /// `log_startup_progress_interval`).
    pub fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |found| found.len())
    }

    /// The end of what this server wrote.
    pub fn end(&self) -> String {
        let read = || {
            let mut file = fs::File::open(&self.path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.begin.max(length.saturating_sub(END))))?;
            let mut text = Vec::new();
            file.take(END).read_to_end(&mut text)?;
            io::Result::Ok(String::from_utf8_lossy(&text).into_owned())
        };
        read().unwrap_or_default()
    }

    /// The error of a server that does not go on. One that another program started does not write here.
    pub(crate) fn stuck(&self, what: String, standstill: Duration, is_of_ampup: bool) -> ClusterError {
        ClusterError::Stuck {
            what,
            seconds: standstill.as_secs(),
            log: is_of_ampup.then(|| self.path.clone()),
            last_lines: self.last_lines(),
        }
    }

    /// The last lines of it that say something.
    pub fn last_lines(&self) -> Vec<String> {
        last_lines(&self.end())
    }
}
