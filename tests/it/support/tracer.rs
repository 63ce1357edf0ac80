//! Runs a program under ptrace, with all its threads and children; counts the system calls that change something; and
//! kills everything before one of them, or makes one fail. One thread of the test traces: a call is counted the moment
//! it is entered, whichever thread of whichever process makes it (`strace -e inject=…:when=N` counts per thread).

mod calls;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        ptrace,
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

pub(crate) use calls::Call;

/// The deed that is done to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Nothing.
    Watch,
    /// Everything is killed before the call of this number.
    KillBefore(usize),
    /// The signal is sent to the program before the call of this number.
    SignalBefore(usize, Signal),
    /// The call of this number fails so; with `on`, every later one too.
    Fail { number: usize, errno: Errno, on: bool },
    /// Every call of this name fails so; with a number, everything is killed before the call of that number.
    FailAll {
        name: &'static str,
        errno: Errno,
        killed_before: Option<usize>,
    },
    /// Every call of this name fails so whose path has this text.
    FailAt {
        name: &'static str,
        path: &'static str,
        errno: Errno,
    },
}

/// The end of a traced program, and its calls.
#[derive(Debug)]
pub(crate) struct Traced {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<Signal>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The calls that change something, in their order.
    pub(crate) calls: Vec<Call>,
    /// Processes that lived on after it.
    pub(crate) outlived: usize,
}

impl Traced {
    /// The number of calls that are counted.
    pub(crate) fn count(&self) -> usize {
        self.calls.iter().filter(|call| call.number.is_some()).count()
    }
}

/// Runs a command, as this user if one is named.
pub(crate) fn trace(command: &Command, user: Option<(u32, u32)>, deed: Deed) -> Traced {
    trace_with(command, user, deed, &mut |_| {})
}

/// The same; `before` is called before each call, while the thread that makes it stands still.
pub(crate) fn trace_with(
    command: &Command,
    user: Option<(u32, u32)>,
    deed: Deed,
    before: &mut dyn FnMut(&Call),
) -> Traced {
    let mut stopped = stopped(command, user);
    let child = stopped.spawn().expect("started");
    let root = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    let mut child = child;
    let (stdout, stderr) = (reading(child.stdout.take()), reading(child.stderr.take()));
    // It stops itself before it becomes the program, so that nothing of the program is missed.
    match waitpid(root, Some(WaitPidFlag::WUNTRACED)) {
        Ok(WaitStatus::Stopped(..)) => {}
        other => panic!("it should have stopped itself: {other:?}"),
    }
    let options = ptrace::Options::PTRACE_O_TRACESYSGOOD
        | ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_TRACEFORK
        | ptrace::Options::PTRACE_O_TRACEVFORK
        | ptrace::Options::PTRACE_O_TRACEEXEC
        | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::seize(root, options).expect("ptrace is allowed here");
    kill(root, Signal::SIGCONT).expect("continued");
    let mut tracing = Tracing {
        root,
        deed,
        begun: false,
        counted: 0,
        alive: BTreeSet::from([root]),
        in_call: BTreeSet::new(),
        interrupted: false,
        spoilt: BTreeMap::new(),
        calls: Vec::new(),
        ended: None,
        deadline: Instant::now() + Duration::from_secs(300),
        grace: None,
        outlived: 0,
        before,
    };
    tracing.run();
    let (code, signal) = tracing.ended.expect("the program ended");
    Traced {
        code,
        signal,
        stdout: stdout.join().expect("read"),
        stderr: stderr.join().expect("read"),
        calls: tracing.calls,
        outlived: tracing.outlived,
    }
}

/// The command, which first stops itself.
fn stopped(command: &Command, user: Option<(u32, u32)>) -> Command {
    let mut stopped = Command::new("/bin/sh");
    stopped
        .args(["-c", r#"kill -STOP $$; exec "$0" "$@""#])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            stopped.env(name, value);
        }
    }
    if let Some(directory) = command.get_current_dir() {
        stopped.current_dir(directory);
    }
    if let Some((uid, gid)) = user {
        use std::os::unix::process::CommandExt as _;
        stopped.uid(uid).gid(gid);
    }
    stopped
}

fn reading(from: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<String> {
    let mut from = from.expect("it was asked to be piped");
    thread::spawn(move || {
        let mut text = Vec::new();
        // A pipe that breaks with its program has said what it had to say.
        let _ = from.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

struct Tracing<'a> {
    root: Pid,
    deed: Deed,
    /// True if the program itself runs, and not the shell before it.
    begun: bool,
    counted: usize,
    alive: BTreeSet<Pid>,
    /// Threads that are in a system call: its beginning and its end stop them alike, in turn (ptrace(2)). Which of the two it
    /// is can be asked too, but not with every C library.
    in_call: BTreeSet<Pid>,
    /// True if the last call that may be interrupted was.
    interrupted: bool,
    /// Threads in a call that fails: their registers as they were, and the error.
    spoilt: BTreeMap<Pid, (calls::Registers, Errno)>,
    calls: Vec<Call>,
    ended: Option<(Option<i32>, Option<Signal>)>,
    deadline: Instant,
    /// When those who outlive the program are ended.
    grace: Option<Instant>,
    outlived: usize,
    before: &'a mut dyn FnMut(&Call),
}

impl Tracing<'_> {
    fn run(&mut self) {
        loop {
            let mut flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            if self.grace.is_some() {
                flags |= WaitPidFlag::WNOHANG;
            }
            match waitpid(None, Some(flags)) {
                Err(Errno::ECHILD) => return,
                Err(Errno::EINTR) => {}
                Err(cause) => panic!("cannot wait: {cause}"),
                Ok(WaitStatus::StillAlive) => self.wait_for_the_rest(),
                Ok(status) => self.happened(status),
            }
            if Instant::now() > self.deadline {
                self.kill_all();
                panic!("it did not end: {:?}", self.calls.last());
            }
        }
    }

    fn wait_for_the_rest(&mut self) {
        if self.grace.is_some_and(|grace| Instant::now() > grace) {
            self.outlived = self.alive.len();
            self.grace = Some(Instant::now() + Duration::from_secs(3600));
            self.kill_all();
        }
        thread::sleep(Duration::from_millis(1));
    }

    fn happened(&mut self, status: WaitStatus) {
        match status {
            WaitStatus::Exited(pid, code) => self.ended(pid, Some(code), None),
            WaitStatus::Signaled(pid, signal, _) => self.ended(pid, None, Some(signal)),
            WaitStatus::PtraceSyscall(pid) => self.system_call(pid),
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.alive.insert(pid);
                if event == libc::PTRACE_EVENT_EXEC {
                    // Whichever thread becomes another program, it leaves the call as its process.
                    self.in_call.insert(pid);
                    self.begun |= pid == self.root;
                }
                go_on(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => {
                self.alive.insert(pid);
                go_on(pid, Some(signal));
            }
            _ => {}
        }
    }

    fn ended(&mut self, pid: Pid, code: Option<i32>, signal: Option<Signal>) {
        self.alive.remove(&pid);
        self.in_call.remove(&pid);
        self.spoilt.remove(&pid);
        if pid == self.root {
            self.ended = Some((code, signal));
            self.grace = Some(Instant::now() + Duration::from_secs(2));
        }
    }

    fn system_call(&mut self, pid: Pid) {
        self.alive.insert(pid);
        if self.in_call.remove(&pid) {
            self.left(pid);
        } else {
            self.in_call.insert(pid);
            if self.begun {
                self.entered(pid);
            }
        }
        go_on(pid, None);
    }

    fn entered(&mut self, pid: Pid) {
        let Ok(registers) = calls::Registers::of(pid) else {
            return;
        };
        let Some(mut call) = calls::read(pid, &registers) else {
            return;
        };
        call.of_program = self.is_of_program(pid);
        if let Deed::FailAt { name, path, errno } = self.deed
            && call.name == name
            && call.text.contains(path)
            && registers.spoil(pid).is_ok()
        {
            call.failed = true;
            self.spoilt.insert(pid, (registers, errno));
        }
        if !call.changes {
            (self.before)(&call);
            self.calls.push(call);
            return;
        }
        self.counted += 1;
        call.number = Some(self.counted);
        let name = call.name;
        let fails = match self.deed {
            Deed::Fail {
                number,
                errno,
                on: false,
            } => (number == self.counted).then_some(errno),
            // Only some calls are ever interrupted, and those are made again: so every other one of them is.
            Deed::Fail {
                number,
                errno: Errno::EINTR,
                on: true,
            } => (self.counted >= number && call.is_interruptible())
                .then(|| {
                    self.interrupted = !self.interrupted;
                    self.interrupted
                })
                .filter(|now| *now)
                .map(|_| Errno::EINTR),
            Deed::Fail {
                number,
                errno,
                on: true,
            } => (self.counted >= number).then_some(errno),
            Deed::FailAll { name: all, errno, .. } => (name == all).then_some(errno),
            Deed::Watch | Deed::KillBefore(_) | Deed::SignalBefore(..) | Deed::FailAt { .. } => None,
        };
        call.failed |= fails.is_some();
        (self.before)(&call);
        self.calls.push(call);
        match self.deed {
            Deed::KillBefore(number)
            | Deed::FailAll {
                killed_before: Some(number),
                ..
            } if number == self.counted => self.kill_all(),
            Deed::SignalBefore(number, signal) if number == self.counted => {
                let _ = kill(self.root, signal);
            }
            _ => {}
        }
        if let Some(errno) = fails
            && registers.spoil(pid).is_ok()
        {
            self.spoilt.insert(pid, (registers, errno));
        }
    }

    fn left(&mut self, pid: Pid) {
        if let Some((registers, errno)) = self.spoilt.remove(&pid) {
            // It may have been killed meanwhile.
            let _ = registers.answer(pid, errno);
        }
    }

    fn is_of_program(&self, pid: Pid) -> bool {
        pid == self.root || fs_err::metadata(format!("/proc/{}/task/{pid}", self.root)).is_ok()
    }

    fn kill_all(&self) {
        for pid in &self.alive {
            let _ = kill(*pid, Signal::SIGKILL);
        }
    }
}

fn go_on(pid: Pid, signal: Option<Signal>) {
    // ESRCH: it was killed.
    let _ = ptrace::syscall(pid, signal);
}
