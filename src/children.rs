//! Being interrupted: the programs that we start and wait for, and what must be put back before we end. They are written
//! down in an `Interrupt`, the value through which whoever runs us ends us: none of these programs outlives us. (A project's
//! server does, and is not one of them.)

#[cfg(unix)]
use std::time::Instant;
use std::{
    collections::BTreeSet,
    io,
    process::{Child, Command, ExitStatus},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// The end of a program that failed, as people call it: `exit code 2`, `signal 9 (SIGKILL)`.
pub fn ended(status: &ExitStatus) -> String {
    let text = status.to_string().replace("exit status: ", "exit code ");
    text.replace(": ", " ")
}

/// The handle through which a run is interrupted. Its clones are one handle; the default is one that nobody uses.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<Known>,
    /// The number of `Unfinished` values.
    unfinished: AtomicUsize,
    /// The user is asked something.
    is_asking: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    /// The groups of the programs that live.
    groups: BTreeSet<u32>,
    /// No more may be started.
    is_ending: bool,
}

/// A child that was written down. Dropped when it was waited for.
#[derive(Debug)]
pub struct Enlisted {
    interrupt: Interrupt,
    group: Option<u32>,
}

/// Something of a project that must be put back before we end, such as a server that was stopped for a while. Whoever ends
/// us waits for it.
#[derive(Debug)]
pub struct Unfinished(Interrupt);

impl Interrupt {
    /// Starts a program that is to be waited for, as the first of a process group of its own, and writes it down.
    ///
    /// # Errors
    /// The start's own; `Interrupted` when we are ending.
    pub fn start(&self, command: &mut Command) -> io::Result<(Child, Enlisted)> {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            // So that it can be ended with all that it started.
            command.process_group(0);
        }
        self.enlist(|| command.spawn(), |child| Some(child.id()))
    }

    /// Writes down a child that `start` starts as the first of a process group of its own.
    ///
    /// # Errors
    /// The start's own; `Interrupted` when we are ending.
    pub fn enlist<C>(
        &self,
        start: impl FnOnce() -> io::Result<C>,
        id: impl FnOnce(&C) -> Option<u32>,
    ) -> io::Result<(C, Enlisted)> {
        let mut known = self.known();
        if known.is_ending {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = start()?;
        let group = id(&child);
        known.groups.extend(group);
        let interrupt = self.clone();
        Ok((child, Enlisted { interrupt, group }))
    }

    /// Says that something must be put back, until the value is dropped.
    pub fn begin_unfinished(&self) -> Unfinished {
        self.0.unfinished.fetch_add(1, Ordering::AcqRel);
        Unfinished(self.clone())
    }

    /// Returns true if there is something to put back.
    pub fn is_unfinished(&self) -> bool {
        self.0.unfinished.load(Ordering::Acquire) > 0
    }

    /// Waits for the answer to a question, before which nothing was begun.
    pub fn asking<T>(&self, ask: impl FnOnce() -> T) -> T {
        self.0.is_asking.store(true, Ordering::Release);
        let answer = ask();
        self.0.is_asking.store(false, Ordering::Release);
        answer
    }

    /// Returns true while the user is asked something.
    #[cfg(unix)]
    pub fn is_asking(&self) -> bool {
        self.0.is_asking.load(Ordering::Acquire)
    }

    /// Returns true if we are ending, so that nothing is begun any more and the end of a child needs no message.
    pub fn is_ending(&self) -> bool {
        self.known().is_ending
    }

    /// Fails if we are ending; not with a kind that is tried again.
    ///
    /// # Errors
    /// Then.
    pub fn ensure_not_ending(&self) -> io::Result<()> {
        if self.is_ending() {
            return Err(io::Error::other("it was interrupted"));
        }
        Ok(())
    }

    /// Ends all programs with all that they started: first asked, so that they can tidy up, and after `grace` not asked.
    pub fn end(&self, grace: Duration) {
        let groups = {
            let mut known = self.known();
            known.is_ending = true;
            known.groups.clone()
        };
        #[cfg(unix)]
        {
            use rustix::process::Signal;
            signal(&groups, Signal::TERM);
            let began = Instant::now();
            while !self.known().groups.is_empty() && began.elapsed() < grace {
                thread::sleep(Duration::from_millis(5));
            }
            // Those that they left behind, too.
            signal(&groups, Signal::KILL);
        }
        #[cfg(not(unix))]
        {
            let _ = (groups, grace);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.0.unfinished.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Enlisted {
    /// Ends the child with all that it started, without asking. Nobody may have waited for it yet: after that its number
    /// may be another's.
    pub fn end(&self) {
        let Some(group) = self.group else { return };
        #[cfg(unix)]
        signal(&BTreeSet::from([group]), rustix::process::Signal::KILL);
        #[cfg(windows)]
        {
            use std::process::Stdio;
            // There are no groups; only taskkill knows who belongs to whom.
            let _ = Command::new("taskkill")
                .args(["/T", "/F", "/PID", &group.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
    }
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            self.interrupt.known().groups.remove(&group);
        }
    }
}

/// Fails where no thread can be started: the user's processes, or those of a container, are at their limit.
///
/// # Errors
/// The system's.
pub fn ensure_thread() -> io::Result<()> {
    thread::Builder::new().spawn(|| {}).map(|thread| {
        let _ = thread.join();
    })
}

/// Fails where this process may open only a few more files: others than the one that needs them would be blamed for it.
///
/// # Errors
/// The system's.
#[cfg(unix)]
pub fn ensure_files() -> io::Result<()> {
    /// A command that starts a server has so many at once, beside those that it was given.
    const FEW: usize = 16;
    let all: Vec<_> = (0..FEW)
        .map(|_| std::fs::File::open("/dev/null"))
        .collect::<Result<_, _>>()
        .or_else(|cause| {
            if crate::fs::is_out_of_files(&cause) {
                Err(cause)
            } else {
                Ok(Vec::new())
            }
        })?;
    drop(all);
    Ok(())
}

/// The signals that were set to be ignored when we were started, by nohup or a shell's background job. Our children ignore
/// them then, too.
#[cfg(unix)]
#[derive(Debug, Clone, Copy)]
pub struct Ignored(u64);

#[cfg(unix)]
impl Ignored {
    /// Those that were ignored when this was first asked, where the system says so (proc(5), `SigIgn`: signal 1 is bit 0).
    /// It is asked before we set any.
    pub fn at_start() -> Self {
        static KNOWN: std::sync::OnceLock<Ignored> = std::sync::OnceLock::new();
        *KNOWN.get_or_init(Self::now)
    }

    fn now() -> Self {
        let status = crate::fs::atomic::read("/proc/self/status".into(), 1 << 16).unwrap_or_default();
        let status = String::from_utf8_lossy(&status);
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        Self(mask.unwrap_or_default())
    }

    /// Returns true if this signal, by its number, is one of them.
    pub fn has(self, signal: i32) -> bool {
        self.0 >> (signal - 1) & 1 == 1
    }
}

#[cfg(unix)]
fn signal(groups: &BTreeSet<u32>, signal: rustix::process::Signal) {
    let pids = groups.iter().filter_map(|group| i32::try_from(*group).ok());
    for group in pids.filter_map(rustix::process::Pid::from_raw) {
        // It may have ended by itself a moment ago.
        let _ = rustix::process::kill_process_group(group, signal);
    }
}
