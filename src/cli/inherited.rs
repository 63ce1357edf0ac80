//! Leftovers of a parent that nobody shall depend on: children that vanish unseen, signals that never come,
//! a small stack, a umask that takes from the owner. Signals that are ignored stay so, but for that one: `nohup` means it.

use std::{process::ExitCode, thread};

use nix::sys::signal::SigSet;
use rustix::{
    fs::Mode,
    process::{Resource, Signal, getrlimit, umask},
};
use tokio::signal::unix::{SignalKind, signal};

use crate::children;

/// Parsing a command line takes some; with less than this we bring our own.
const LEAST_STACK: u64 = 1 << 20;
/// The size that most systems give.
const STACK: usize = 8 << 20;

/// Runs the program without what its parent left.
/// `run` is told the umask, which others who start there get.
pub(super) fn without(run: impl FnOnce(Option<u32>) -> ExitCode + Send + Copy) -> ExitCode {
    // What its owner cannot read or write is of no use to anybody.
    let left = umask(Mode::empty());
    umask(left & Mode::from_raw_mode(0o077));
    // Blocked, a signal would neither end us nor be passed on.
    let _ = SigSet::all().thread_unblock();
    // Where no file can be opened, which is said a little later, tokio would panic.
    if children::Ignored::at_start().has(Signal::CHILD.as_raw()) && children::ensure_files().is_ok() {
        handle(SignalKind::child());
    }
    // A file that grows too large is an error, which is told, and not our end.
    if getrlimit(Resource::Fsize).current.is_some() && children::ensure_files().is_ok() {
        handle(SignalKind::from_raw(Signal::XFSZ.as_raw()));
    }
    let is_small = getrlimit(Resource::Stack)
        .current
        .is_some_and(|limit| limit < LEAST_STACK);
    if is_small {
        let apart = thread::scope(|scope| {
            let thread = thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, move || run(Some(bits(left))))
                .ok()?;
            thread.join().ok()
        });
        if let Some(code) = apart {
            return code;
        }
    }
    run(Some(bits(left)))
}

/// Takes back what a signal would do to us: where SIGCHLD is ignored, the system forgets what a child ended with (wait(2)), and
/// SIGXFSZ ends a process. A handler is the one way to that without unsafe code, and a program that we start does not get it.
fn handle(kind: SignalKind) {
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
        let _entered = runtime.enter();
        // It stays when its stream goes.
        let _ = signal(kind);
    }
}

/// The bits of a mode, which is narrower on macOS.
#[cfg_attr(
    target_os = "linux",
    expect(clippy::useless_conversion, reason = "it is as wide on Linux")
)]
fn bits(mode: Mode) -> u32 {
    mode.bits().into()
}
