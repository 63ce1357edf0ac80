//! Requests to end a command on Windows: they come from the console, which notifies every program in it.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, ctrl_break, ctrl_c, ctrl_close};

/// An event of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Break, or its window is closed.
    End,
}

/// The words of the console that ask a program to end.
pub(super) struct Signals {
    interrupt: CtrlC,
    pause: CtrlBreak,
    close: CtrlClose,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            pause: ctrl_break()?,
            close: ctrl_close()?,
        })
    }

    /// The next of them.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.pause.recv() => Signal::End,
            _ = self.close.recv() => Signal::End,
        }
    }
}

/// The command is in the same console and was told too.
pub(super) fn pass_on(_: Signal, _: &tokio::process::Child) {}

/// Every event does.
pub(super) fn asks_to_end(_: Signal) -> bool {
    true
}

/// Returns the number to add to 128: the one that a signal of this meaning has elsewhere.
pub(super) fn number(signal: Signal) -> u8 {
    match signal {
        Signal::Interrupt => 2,
        Signal::End => 15,
    }
}

/// Every program has an exit code here.
pub(super) fn ended_by(_: ExitStatus) -> u8 {
    0
}

/// The files that a name may mean in a directory: what it says, or, where it says no kind, what Windows runs. A file without
/// a kind is a script for other systems.
pub(super) fn candidates(directory: &Path, name: &OsStr) -> Vec<PathBuf> {
    if Path::new(name).extension().is_some() {
        return vec![directory.join(name)];
    }
    ["exe", "cmd", "bat"]
        .iter()
        .map(|kind| directory.join(name).with_extension(kind))
        .collect()
}
