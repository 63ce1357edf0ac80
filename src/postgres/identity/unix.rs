//! Signals of Unix, and on Linux process descriptors (`pidfd_open(2)`).

use std::io;

use rustix::process::{Pid, Signal, kill_process};

/// Sends a signal to a process that is still there. Gives whether it was.
pub(super) fn send(
    pid: u32,
    signal: Signal,
    is_still_there: impl Fn() -> io::Result<bool>,
) -> io::Result<bool> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(false);
    };
    match deliver(pid, signal, is_still_there) {
        Err(cause) if cause.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(false),
        sent => sent,
    }
}

/// Sends through a descriptor that was opened before the process was looked at, so that no other process can have taken
/// its id in between.
#[cfg(target_os = "linux")]
fn deliver(pid: Pid, signal: Signal, is_still_there: impl Fn() -> io::Result<bool>) -> io::Result<bool> {
    use rustix::{
        io::Errno,
        process::{PidfdFlags, pidfd_open, pidfd_send_signal},
    };

    let descriptor = pidfd_open(pid, PidfdFlags::empty());
    if !is_still_there()? {
        return Ok(false);
    }
    match descriptor {
        Ok(descriptor) => pidfd_send_signal(&descriptor, signal)?,
        // Kernels before 5.3, and sandboxes.
        Err(Errno::NOSYS | Errno::PERM) => kill_process(pid, signal)?,
        Err(cause) => return Err(cause.into()),
    }
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn deliver(pid: Pid, signal: Signal, is_still_there: impl Fn() -> io::Result<bool>) -> io::Result<bool> {
    if !is_still_there()? {
        return Ok(false);
    }
    kill_process(pid, signal)?;
    Ok(true)
}
