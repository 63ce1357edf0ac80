//! Advisory locks on files that are never deleted.
//!
//! A lock ends with its process, however that ends. It is never inherited: the standard library opens files
//! close-on-exec. The holder writes its process id and command into the file, so that whoever waits can say for whom.

use std::{
    fs::TryLockError,
    io::{self, Seek as _, Write as _},
    thread,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// A lock that is held until this value is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: fs::File,
    /// What to tell the user when the file system knows no locks and this one holds nothing.
    warning: Option<String>,
}

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process held it for the whole time.
    #[error("`{path}` is held by {holder} since before {seconds} s ago")]
    Busy {
        /// The lock file.
        path: Utf8PathBuf,
        /// The process id and command of the holder, as it wrote them.
        holder: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The lock file cannot be opened or locked.
    #[error("cannot lock `{path}`")]
    Io {
        /// The lock file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<LockError> for io::Error {
    fn from(error: LockError) -> Self {
        let kind = match &error {
            LockError::Busy { .. } => io::ErrorKind::ResourceBusy,
            LockError::Io { source, .. } => source.kind(),
        };
        Self::new(kind, error)
    }
}

impl Lock {
    /// Takes the lock, waiting for at most `patience`. `waiting` is called once, with the holder, when that takes
    /// longer than a second.
    ///
    /// Where the file system has no locks (ENOLCK, ENOSYS, EOPNOTSUPP), a lock that holds nothing is given, with a
    /// `warning`.
    ///
    /// # Errors
    /// `Busy` after `patience`, `Io` when the file cannot be made or opened.
    pub fn acquire(
        path: &Utf8Path,
        patience: Duration,
        mut waiting: impl FnMut(&str),
    ) -> Result<Self, LockError> {
        let began = Instant::now();
        let mut told = false;
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            if began.elapsed() >= patience {
                return Err(LockError::Busy {
                    path: path.to_owned(),
                    holder: holder(path),
                    seconds: patience.as_secs(),
                });
            }
            if !told && began.elapsed() >= Duration::from_secs(1) {
                told = true;
                waiting(&holder(path));
            }
            thread::sleep(Duration::from_millis(25));
        }
    }

    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    /// When the file cannot be made or opened.
    pub fn try_acquire(path: &Utf8Path) -> Result<Option<Self>, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        let locked = loop {
            match file.file().try_lock() {
                Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Interrupted => {}
                locked => break locked,
            }
        };
        match locked {
            Ok(()) => {
                // Only a courtesy to whoever waits: a full disk must not keep us from working.
                let _ = write_holder(&file);
                Ok(Some(Self {
                    _file: file,
                    warning: None,
                }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) if has_no_locks(&cause) => {
                let warning = format!(
                    "the file system of `{path}` has no locks ({cause}); do not run two ampup at once"
                );
                Ok(Some(Self {
                    _file: file,
                    warning: Some(warning),
                }))
            }
            Err(TryLockError::Error(cause)) => Err(failed(cause)),
        }
    }

    /// What the user must know about this lock.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

fn write_holder(mut file: &fs::File) -> io::Result<()> {
    let command: Vec<String> = std::env::args_os()
        .take(6)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let text = format!("{} {}\n", std::process::id(), command.join(" "));
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// The holder's process id and command, as it wrote them.
fn holder(path: &Utf8Path) -> String {
    let text = super::atomic::read(path, 4096)
        .ok()
        .and_then(|text| String::from_utf8(text).ok())
        .unwrap_or_default();
    match text.trim().split_once(' ') {
        Some((pid, command)) => format!("process {pid} (`{}`)", command.escape_debug()),
        None => "another process".to_owned(),
    }
}

fn has_no_locks(cause: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP]
            .iter()
            .any(|errno| cause.raw_os_error() == Some(errno.raw_os_error()))
    }
    #[cfg(not(unix))]
    {
        cause.kind() == io::ErrorKind::Unsupported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_it_and_gets_it_after() {
        let world = tempfile::tempdir().expect("tempdir");
        let path = Utf8Path::from_path(world.path()).expect("UTF-8").join("lock");
        let first = Lock::try_acquire(&path).expect("opened").expect("free");
        let refused = Lock::acquire(&path, Duration::ZERO, |_| {}).expect_err("held");
        assert!(
            refused
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        drop(first);
        assert!(Lock::try_acquire(&path).expect("opened").is_some());
        assert!(path.exists(), "lock files are never deleted");
    }
}
