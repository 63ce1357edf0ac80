//! Advisory locks on files that are never deleted.
//!
//! A lock ends with its process, however that ends. It is not inherited, because the standard library opens files
//! close-on-exec, unless a child is given a `handle`: then it lasts as long as the last process that has one. The holder
//! writes down who it is (`lock/holder.rs`), so that whoever waits can say for whom.

mod holder;

use std::{
    fs::TryLockError,
    io::{self, Seek as _, Write as _},
    thread,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

pub use self::holder::{ANOTHER_PROCESS, holder, holder_is_gone, holders, is_held};
use super::{link::ForeignEntry, reason};

/// A lock that is held until this value is dropped.
#[derive(Debug)]
pub struct Lock {
    file: fs::File,
    /// The message for the user if the file system has no locks and this one holds nothing.
    warning: Option<String>,
}

/// The reason a lock could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process held it for the whole time.
    #[error("`{path}` is held by {holder}, and was for {seconds} s")]
    Busy {
        /// The lock file.
        path: Utf8PathBuf,
        /// The holder, in words.
        holder: String,
        /// The time that was waited.
        seconds: u64,
    },
    /// The lock file cannot be opened or locked.
    #[error("cannot lock `{path}`")]
    Io {
        /// The lock file.
        path: Utf8PathBuf,
        /// The cause.
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
    /// Takes the lock, waiting for at most `timeout`. `waiting` is called with the holder, and how long it was waited for, when
    /// that takes longer than a second, and every ten seconds after that.
    ///
    /// Where the file system has no locks (ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL), a lock that holds nothing is given, with a
    /// `warning`.
    ///
    /// # Errors
    /// `Busy` after `timeout`, `Io` when the file cannot be made or opened.
    pub fn acquire(
        path: &Utf8Path,
        timeout: Duration,
        mut waiting: impl FnMut(&str, Duration),
    ) -> Result<Self, LockError> {
        let began = Instant::now();
        let mut next_word = Duration::from_secs(1);
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            if began.elapsed() >= timeout {
                return Err(LockError::Busy {
                    path: path.to_owned(),
                    holder: holder(path),
                    seconds: timeout.as_secs(),
                });
            }
            let waited = began.elapsed();
            if waited >= next_word {
                waiting(&holder(path), waited);
                next_word = waited + Duration::from_secs(10);
            }
            thread::sleep(Duration::from_millis(25));
        }
    }

    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    /// When the file cannot be made or opened.
    pub fn try_acquire(path: &Utf8Path) -> Result<Option<Self>, LockError> {
        let taken = Self::try_lock(path, std::fs::File::try_lock)?;
        if let Some(lock) = &taken {
            lock.name_holder(std::process::id(), &holder::command_line());
        }
        Ok(taken)
    }

    /// Takes a lock that others may share, if nobody holds it alone.
    ///
    /// # Errors
    /// When the file cannot be made or opened.
    pub fn try_share(path: &Utf8Path) -> Result<Option<Self>, LockError> {
        Self::try_lock(path, std::fs::File::try_lock_shared)
    }

    fn try_lock(
        path: &Utf8Path,
        take: impl Fn(&std::fs::File) -> Result<(), TryLockError>,
    ) -> Result<Option<Self>, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open(path).map_err(failed)?;
        let taken = loop {
            match take(file.file()) {
                Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Interrupted => {}
                taken => break taken,
            }
        };
        match taken {
            Ok(()) => Ok(Some(Self { file, warning: None })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) if has_no_locks(&cause) => {
                let directory = path.parent().unwrap_or(path);
                let warning = format!(
                    "the file system of `{directory}` has no locks ({}); do not run two ampup at once",
                    reason(&cause)
                );
                Ok(Some(Self {
                    file,
                    warning: Some(warning),
                }))
            }
            Err(TryLockError::Error(cause)) => Err(failed(cause)),
        }
    }

    /// A further handle of the lock, to be a child's stdin: the child, and whoever it starts, then hold the lock too.
    ///
    /// # Errors
    /// When the system has no more handles.
    pub fn handle(&self) -> io::Result<std::fs::File> {
        self.file.file().try_clone()
    }

    /// Lets every program that this process runs from here on hold the lock too, until it ends or the lock is released.
    ///
    /// # Errors
    /// When the system does not let us, as Windows does not: there a lock is its process's.
    pub fn hand_on(&self) -> io::Result<()> {
        #[cfg(unix)]
        {
            // An open file is inherited unless it says otherwise, and the lock is the open file's.
            Ok(rustix::io::fcntl_setfd(
                self.file.file(),
                rustix::io::FdFlags::empty(),
            )?)
        }
        #[cfg(windows)]
        {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Gives the lock back at once, also where a `handle` of it is left. Merely dropping it may take a moment longer:
    /// while another thread starts a process, that process has a copy of every open file until it becomes its program.
    pub fn release(self) {
        // The drop releases it too.
        let _ = self.file.file().unlock();
    }

    /// Writes down who holds the lock. Only a courtesy to whoever waits: a full disk must not keep us from working.
    pub fn name_holder(&self, pid: u32, command: &str) {
        let write = |mut file: &fs::File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(holder::record(pid, command).as_bytes())
        };
        let _: io::Result<()> = write(&self.file);
    }

    /// Returns the warning about this lock: the same for each in its directory.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Returns true if it keeps others away: without locks in the file system, it does not.
    pub fn is_effective(&self) -> bool {
        self.warning.is_none()
    }
}

/// Returns true if nobody holds or shares the lock. Nothing is made, and nothing is written down.
///
/// # Errors
/// When the file cannot be opened.
pub fn is_available(path: &Utf8Path) -> Result<bool, LockError> {
    let tried = tried(path)?;
    Ok(!matches!(tried, Some(Err(TryLockError::WouldBlock))))
}

/// Returns true if the lock is there, and whoever held it is gone. Where the file system has no locks, nobody knows.
pub fn is_left(path: &Utf8Path) -> bool {
    matches!(tried(path), Ok(Some(Ok(()))))
}

/// The answer of a lock that is there, which is given back at once.
fn tried(path: &Utf8Path) -> Result<Option<Result<(), TryLockError>>, LockError> {
    let opened = options().open(path).or_else(|cause| read_only(path, cause));
    match opened {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LockError::Io {
            path: path.to_owned(),
            source,
        }),
        Ok(file) => Ok(Some(file.file().try_lock())),
    }
}

fn options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        // Whoever can open it can hold it. Root may lock in a directory of somebody who put a link there; what it leads to is not
        // to be written to.
        options
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    options
}

/// A lock file of another user, or on a read-only file system, can be locked without writing to it.
fn read_only(path: &Utf8Path, cause: io::Error) -> io::Result<fs::File> {
    match cause.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            fs::File::open(path).or(Err(cause))
        }
        io::ErrorKind::NotFound => Err(cause),
        _ => Err(ForeignEntry::instead_of_file(path).map_or(cause, io::Error::from)),
    }
}

fn open(path: &Utf8Path) -> io::Result<fs::File> {
    match options().create(true).truncate(false).open(path) {
        Err(cause) => read_only(path, cause),
        Ok(file) => {
            #[cfg(unix)]
            give_to_owner(&file, path);
            close_to_others(&file);
            Ok(file)
        }
    }
}

/// Gives a lock file that root made to whoever owns its directory, who could not take the lock otherwise. A file that has
/// another name elsewhere stays root's.
#[cfg(unix)]
fn give_to_owner(file: &fs::File, path: &Utf8Path) {
    use std::os::unix::fs::MetadataExt as _;
    let Some(Ok(directory)) = path.parent().map(fs::metadata) else {
        return;
    };
    let is_roots = |found: std::fs::Metadata| found.uid() == 0 && found.nlink() == 1;
    if directory.uid() != 0 && file.metadata().is_ok_and(is_roots) {
        let (owner, group) = (
            rustix::fs::Uid::from_raw(directory.uid()),
            rustix::fs::Gid::from_raw(directory.gid()),
        );
        let _ = rustix::fs::fchown(file.file(), Some(owner), Some(group));
    }
}

/// Takes away from everybody else what an older ampup gave them. Only the owner can.
fn close_to_others(file: &fs::File) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let is_open = file
            .metadata()
            .is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
        if is_open {
            let _ = file.set_permissions(std::fs::Permissions::from_mode(0o600));
        }
    }
    #[cfg(not(unix))]
    let _ = file;
}

fn has_no_locks(cause: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL]
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
        let refused = Lock::acquire(&path, Duration::ZERO, |_, _| {}).expect_err("held");
        assert!(
            refused
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        #[cfg(unix)]
        {
            let named = || holder(&path);
            let me = std::process::id();
            let record = |pid| holder::record(pid, "ampup run");
            let rows = [
                (record(me), true),
                // As an older ampup wrote it.
                (record(me).lines().take(1).collect(), true),
                (record(i32::MAX.cast_unsigned()), false),
                (String::new(), false),
                #[cfg(target_os = "linux")]
                // Another process has its id since.
                (record(me).replacen('\n', "\n1", 1), false),
                #[cfg(target_os = "linux")]
                // It lives, and the lock is not its any more.
                (record(std::os::unix::process::parent_id()), false),
            ];
            for (record, is_named) in rows {
                fs::write(&path, &record).expect("written");
                assert_eq!(named().starts_with("process "), is_named, "{record:?}");
                assert_eq!(named() == "another process", !is_named, "{record:?}");
            }
        }
        #[cfg(target_os = "linux")]
        {
            let mut ended = std::process::Command::new("/bin/sh")
                .args(["-c", "read line"])
                .stdin(std::process::Stdio::piped())
                .spawn()
                .expect("started");
            fs::write(&path, holder::record(ended.id(), "sh")).expect("written");
            assert!(!holder_is_gone(&path));
            drop(ended.stdin.take());
            // It stays in the process table until it is waited for.
            let began = std::time::Instant::now();
            while !holder_is_gone(&path) {
                assert!(began.elapsed() < Duration::from_secs(60), "it has ended");
                std::thread::sleep(Duration::from_millis(10));
            }
            assert_eq!(holder(&path), "another process");
            ended.wait().expect("waited for");
        }
        drop(first);
        assert!(Lock::try_acquire(&path).expect("opened").is_some());
        assert!(path.exists(), "lock files are never deleted");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o777;
            assert_eq!(mode(), 0o600, "whoever can open it can hold it");
            fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
            assert!(Lock::try_acquire(&path).expect("opened").is_some());
            assert_eq!(mode(), 0o600, "also one of an older ampup");
        }
    }
}
