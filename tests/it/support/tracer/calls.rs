//! Which system calls change something, what they are called, and how to make one fail.

use std::os::unix::fs::FileExt as _;

use nix::{errno::Errno, libc, sys::ptrace, unistd::Pid};

/// A system call, as it was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its number among those that change something.
    pub(crate) number: Option<usize>,
    pub(crate) name: &'static str,
    /// The paths that it names, or those of its descriptors; for a write to no file, what is written.
    pub(crate) text: String,
    /// True if it changes something on disk. The others are writes to pipes and terminals.
    pub(crate) changes: bool,
    /// True if the program itself made it, and no child of it.
    pub(crate) of_program: bool,
    /// True if it was made to fail.
    pub(crate) failed: bool,
}

impl Call {
    /// Returns true if POSIX lets it be interrupted; of the others only strange file systems think of that.
    pub(crate) fn is_interruptible(&self) -> bool {
        const NAMES: [&str; 13] = [
            "open",
            "openat",
            "creat",
            "write",
            "pwrite",
            "writev",
            "pwritev",
            "fsync",
            "fdatasync",
            "ftruncate",
            "flock",
            "fallocate",
            "fchmod",
        ];
        NAMES.contains(&self.name)
    }
}

/// The registers of a thread that entered a system call: one small interface to two kinds of processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registers(libc::user_regs_struct);

impl Registers {
    pub(super) fn of(pid: Pid) -> nix::Result<Self> {
        ptrace::getregs(pid).map(Self)
    }

    #[cfg(target_arch = "x86_64")]
    fn call(&self) -> (i64, [u64; 6]) {
        let it = &self.0;
        (
            it.orig_rax.cast_signed(),
            [it.rdi, it.rsi, it.rdx, it.r10, it.r8, it.r9],
        )
    }

    #[cfg(target_arch = "aarch64")]
    fn call(&self) -> (i64, [u64; 6]) {
        let it = &self.0.regs;
        (it[8].cast_signed(), [it[0], it[1], it[2], it[3], it[4], it[5]])
    }

    /// Lets the thread make no call at all.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn spoil(self, pid: Pid) -> nix::Result<()> {
        let mut spoilt = self.0;
        spoilt.orig_rax = u64::MAX;
        ptrace::setregs(pid, spoilt)
    }

    /// Lets the thread make a call that can do nothing: no descriptor is -1 and no path lies at -1. (Its number cannot be
    /// changed through these registers.)
    #[cfg(target_arch = "aarch64")]
    pub(super) fn spoil(self, pid: Pid) -> nix::Result<()> {
        let mut spoilt = self.0;
        spoilt.regs[..6].fill(u64::MAX);
        ptrace::setregs(pid, spoilt)
    }

    /// Lets the thread find, when it comes back, everything as before, and the error.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn answer(self, pid: Pid, errno: Errno) -> nix::Result<()> {
        let mut registers = self.0;
        registers.rax = (-i64::from(errno as i32)).cast_unsigned();
        ptrace::setregs(pid, registers)
    }

    /// Lets the thread find, when it comes back, everything as before, and the error.
    #[cfg(target_arch = "aarch64")]
    pub(super) fn answer(self, pid: Pid, errno: Errno) -> nix::Result<()> {
        let mut registers = self.0;
        registers.regs[0] = (-i64::from(errno as i32)).cast_unsigned();
        ptrace::setregs(pid, registers)
    }
}

/// Where a call has what.
enum Form {
    /// A descriptor in the first argument.
    Descriptor,
    /// A descriptor in the first argument, that only counts if it is a file; what is written is at the second.
    Write,
    /// Paths in these arguments.
    Paths(&'static [usize]),
    /// A path, and flags in the argument after it.
    Open(usize),
    /// The address of a socket. One that has no path is of no interest, and none is counted.
    Address,
    /// No path: it makes a thread or a process.
    Child,
}

fn form(number: i64) -> Option<(&'static str, Form)> {
    use Form::{Address, Child, Descriptor, Open, Paths, Write};
    #[cfg(target_arch = "x86_64")]
    {
        let old = match number {
            libc::SYS_open => Some(("open", Open(0))),
            libc::SYS_creat => Some(("creat", Paths(&[0]))),
            libc::SYS_rename => Some(("rename", Paths(&[0, 1]))),
            libc::SYS_link => Some(("link", Paths(&[0, 1]))),
            libc::SYS_symlink => Some(("symlink", Paths(&[0, 1]))),
            libc::SYS_unlink => Some(("unlink", Paths(&[0]))),
            libc::SYS_mkdir => Some(("mkdir", Paths(&[0]))),
            libc::SYS_rmdir => Some(("rmdir", Paths(&[0]))),
            libc::SYS_chmod => Some(("chmod", Paths(&[0]))),
            libc::SYS_chown => Some(("chown", Paths(&[0]))),
            libc::SYS_lchown => Some(("lchown", Paths(&[0]))),
            libc::SYS_mknod => Some(("mknod", Paths(&[0]))),
            libc::SYS_utime => Some(("utime", Paths(&[0]))),
            libc::SYS_utimes => Some(("utimes", Paths(&[0]))),
            _ => None,
        };
        if old.is_some() {
            return old;
        }
    }
    Some(match number {
        libc::SYS_openat => ("openat", Open(1)),
        libc::SYS_renameat => ("renameat", Paths(&[1, 3])),
        libc::SYS_renameat2 => ("renameat2", Paths(&[1, 3])),
        libc::SYS_linkat => ("linkat", Paths(&[1, 3])),
        libc::SYS_symlinkat => ("symlinkat", Paths(&[0, 2])),
        libc::SYS_unlinkat => ("unlinkat", Paths(&[1])),
        libc::SYS_mkdirat => ("mkdirat", Paths(&[1])),
        libc::SYS_fchmodat => ("fchmodat", Paths(&[1])),
        libc::SYS_fchownat => ("fchownat", Paths(&[1])),
        libc::SYS_mknodat => ("mknodat", Paths(&[1])),
        libc::SYS_utimensat => ("utimensat", Paths(&[1])),
        libc::SYS_truncate => ("truncate", Paths(&[0])),
        libc::SYS_write => ("write", Write),
        libc::SYS_pwrite64 => ("pwrite", Write),
        libc::SYS_writev => ("writev", Form::Write),
        libc::SYS_pwritev => ("pwritev", Form::Write),
        libc::SYS_ftruncate => ("ftruncate", Descriptor),
        libc::SYS_fchmod => ("fchmod", Descriptor),
        libc::SYS_fchown => ("fchown", Descriptor),
        libc::SYS_fsync => ("fsync", Descriptor),
        libc::SYS_fdatasync => ("fdatasync", Descriptor),
        libc::SYS_syncfs => ("syncfs", Descriptor),
        libc::SYS_bind => ("bind", Address),
        libc::SYS_connect => ("connect", Address),
        libc::SYS_flock => ("flock", Descriptor),
        libc::SYS_clone3 => ("clone3", Child),
        libc::SYS_fallocate => ("fallocate", Descriptor),
        libc::SYS_sendfile => ("sendfile", Descriptor),
        libc::SYS_copy_file_range => ("copy_file_range", Descriptor),
        _ => return None,
    })
}

/// The call that a thread entered, if it changes something or says something.
pub(super) fn read(pid: Pid, registers: &Registers) -> Option<Call> {
    let (number, arguments) = registers.call();
    let (name, form) = form(number)?;
    let (text, changes) = match form {
        Form::Open(at) => {
            let flags = arguments[at + 1];
            let writes = (libc::O_CREAT | libc::O_TRUNC | libc::O_WRONLY | libc::O_RDWR) as u64;
            if flags & writes == 0 {
                return None;
            }
            let path = path_at(pid, name, &arguments, at);
            if path.starts_with("/dev/") || path.starts_with("/proc/") {
                return None;
            }
            (path, true)
        }
        Form::Paths(at) => {
            let paths: Vec<String> = at.iter().map(|at| path_at(pid, name, &arguments, *at)).collect();
            (paths.join(" "), true)
        }
        Form::Descriptor => (descriptor(pid, arguments[0]), true),
        Form::Address => {
            // The family comes first (unix(7)).
            let path = text_at(pid, arguments[1] + 2);
            if !path.starts_with('/') {
                return None;
            }
            (path, false)
        }
        Form::Child => (String::new(), false),
        Form::Write => {
            let target = descriptor(pid, arguments[0]);
            let is_file = target.starts_with("/")
                && !target.starts_with("/memfd:")
                && !target.starts_with("/dev/")
                && !target.starts_with("/proc/");
            let is_talk = target.starts_with("pipe:") && arguments[0] <= 2;
            match (is_file, is_talk && name == "write") {
                (true, _) => (target, true),
                (false, true) => (text_at(pid, arguments[1]), false),
                (false, false) => return None,
            }
        }
    };
    Some(Call {
        number: None,
        name,
        text,
        changes,
        of_program: true,
        failed: false,
    })
}

fn descriptor(pid: Pid, number: u64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "descriptors are ints")]
    let number = number as i32;
    fs_err::read_link(format!("/proc/{pid}/fd/{number}"))
        .map(|path| path.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The path in this argument: in front of it some calls have the descriptor of the directory that it is relative to.
fn path_at(pid: Pid, name: &str, arguments: &[u64; 6], at: usize) -> String {
    let path = text_at(pid, arguments[at]);
    let is_relative = !path.is_empty() && !path.starts_with('/');
    match at.checked_sub(1) {
        Some(before) if is_relative && (name.ends_with("at") || name == "renameat2") => {
            let directory = descriptor(pid, arguments[before]);
            if directory.is_empty() {
                path
            } else {
                format!("{directory}/{path}")
            }
        }
        _ => path,
    }
}

/// The text at an address, to its NUL or for 4096 bytes.
fn text_at(pid: Pid, address: u64) -> String {
    let mut text = vec![0; 4096];
    let read = fs_err::File::open(format!("/proc/{pid}/mem")).and_then(|memory| {
        // A text may end shortly before a page that is not there.
        match memory.file().read_at(&mut text, address) {
            Ok(length) => Ok(length),
            Err(_) => memory
                .file()
                .read_at(&mut text[..(4096 - (address & 4095)) as usize], address),
        }
    });
    text.truncate(read.unwrap_or(0));
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end]).into_owned()
}
