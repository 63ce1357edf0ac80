//! Requests to end a command on Unix: signals, which are forwarded to it.

use std::{
    ffi::OsStr,
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use fs_err as fs;
pub(super) use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};

use crate::children;

/// The signals that go on to the command: whatever would end us and can be caught, but for what tells of a fault of our own
/// (ABRT, SEGV and their like, and PIPE, XCPU, XFSZ). Those of job control (STOP, TSTP, CONT) stop us and the command as one
/// group.
const PASSED_ON: &[Signal] = &[
    Signal::INT,
    Signal::TERM,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::WINCH,
    Signal::IO,
    #[cfg(target_os = "linux")]
    Signal::POWER,
];

/// The signals to a program.
pub(super) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = children::Ignored::at_start();
        let mut streams = Vec::new();
        for number in PASSED_ON.iter().copied() {
            let raw = number.as_raw();
            // What nohup, or a shell that starts a job in the background, has switched off stays so, for the command too.
            if !ignored.has(raw) {
                streams.push((number, unix::signal(SignalKind::from_raw(raw))?));
            }
        }
        Ok(Self(streams))
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            for (number, stream) in &mut self.0 {
                if stream.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// Passes a signal on to the command, unless it got it too.
pub(super) fn pass_on(signal: Signal, child: &tokio::process::Child) {
    // Ctrl-C, Ctrl-\ and the size of a terminal reach the command by themselves: twice would be once more than meant.
    let is_keyboard = matches!(signal, Signal::INT | Signal::QUIT | Signal::WINCH);
    let pid = child
        .id()
        .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    if let Some(pid) = pid
        && !(is_keyboard && has_terminal())
    {
        // It may have ended just now.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Returns true if a signal asks a program to end.
pub(super) fn asks_to_end(signal: Signal) -> bool {
    matches!(signal, Signal::INT | Signal::TERM | Signal::HUP | Signal::QUIT)
}

/// Returns the number to add to 128 when this signal ends a program.
pub(super) fn number(signal: Signal) -> u8 {
    u8::try_from(signal.as_raw()).unwrap_or_default()
}

/// The signal that ended a command without an exit code.
pub(super) fn ended_by(status: ExitStatus) -> u8 {
    status
        .signal()
        .and_then(|signal| u8::try_from(signal).ok())
        .unwrap_or_default()
}

/// The files that a name may mean in a directory.
pub(super) fn candidates(directory: &Path, name: &OsStr) -> Vec<PathBuf> {
    vec![directory.join(name)]
}

/// Returns true if a terminal sends its signals to us, and so to the command as well.
fn has_terminal() -> bool {
    let foreground = fs::File::open("/dev/tty")
        .ok()
        .and_then(|terminal| rustix::termios::tcgetpgrp(&terminal).ok());
    foreground == Some(rustix::process::getpgrp())
}
