//! Watching a program until it ends: what it says is kept, and one that is silent for too long is ended.

use std::{
    io::{self, Read, Write as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{LoadFailure, ProgramError};
use crate::{
    children::{Enlisted, Interrupt},
    machine,
};

/// More of a program's output than this is of no use to anybody; the end of it is kept.
const OUTPUT_LIMIT: usize = 1 << 20;

/// A program that we have just written is no longer busy after this.
const NO_LONGER_BUSY: Duration = Duration::from_secs(10);

/// A program that came to its end.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Finished {
    pub(super) fn last_lines(&self) -> Vec<String> {
        let stderr = last_lines(&text(&self.stderr));
        if stderr.is_empty() {
            last_lines(&text(&self.stdout))
        } else {
            stderr
        }
    }
}

/// Fails where the header of a program says that it was built for another machine.
fn ensure_runs_here(program: &Utf8Path) -> Result<(), ProgramError> {
    // What cannot be read may be run all the same, and then it says why.
    let Ok(header) = machine::header(program) else {
        return Ok(());
    };
    LoadFailure::of_header(&header).map_or(Ok(()), |failure| {
        Err(ProgramError::DoesNotLoad {
            program: program.to_owned(),
            failure,
        })
    })
}

/// Starts a command. A file that we have just written may be busy for a moment (ETXTBSY): a child that another thread
/// starts meanwhile holds it open until it becomes its own program (<https://github.com/golang/go/issues/22315>).
fn spawn(command: &mut Command, interrupt: &Interrupt) -> io::Result<(Child, Enlisted)> {
    let began = Instant::now();
    loop {
        match interrupt.start(command) {
            Err(cause)
                if cause.kind() == io::ErrorKind::ExecutableFileBusy && began.elapsed() < NO_LONGER_BUSY =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            spawned => return spawned,
        }
    }
}

/// The time that a program has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// Between two of its words.
    Silence(Duration),
    /// To its end, whatever it says meanwhile.
    Whole(Duration),
}

impl Limit {
    fn left(self, began: Instant) -> Duration {
        match self {
            Self::Silence(limit) => limit,
            Self::Whole(limit) => limit.saturating_sub(began.elapsed()),
        }
    }

    fn seconds(self) -> u64 {
        let (Self::Silence(limit) | Self::Whole(limit)) = self;
        limit.as_secs()
    }
}

/// Runs a command that may never answer, with `input` on its stdin, and gives its stdout; where it fails, its stderr.
///
/// # Errors
/// When it does not start, or has not ended in time.
pub(crate) fn run_within(
    command: Command,
    input: &str,
    timeout: Duration,
    interrupt: &Interrupt,
) -> Result<Result<String, String>, ProgramError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let finished = watch(program.into(), command, input, Limit::Whole(timeout), interrupt)?;
    Ok(if finished.status.success() {
        Ok(text(&finished.stdout))
    } else {
        Err(text(&finished.stderr))
    })
}

/// Runs a command and reads all that it says, until both its streams are closed, or its time is over.
pub(super) fn watch(
    program: Utf8PathBuf,
    mut command: Command,
    input: &str,
    limit: Limit,
    interrupt: &Interrupt,
) -> Result<Finished, ProgramError> {
    ensure_runs_here(&program)?;
    let began = Instant::now();
    command
        .stdin(if input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (mut child, enlisted) =
        spawn(&mut command, interrupt).map_err(|cause| cannot_spawn(&program, cause))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read all of it tells why by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let heard = mpsc::channel();
    let listening = listen(child.stdout.take(), Stream::Out, heard.0.clone())
        .and_then(|()| listen(child.stderr.take(), Stream::Err, heard.0));
    if let Err(source) = listening {
        enlisted.end();
        let _ = child.wait();
        return Err(ProgramError::Spawn { program, source });
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match heard.1.recv_timeout(limit.left(began)) {
            Ok((Stream::Out, more)) => keep_end(&mut stdout, &more),
            Ok((Stream::Err, more)) => keep_end(&mut stderr, &more),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                // What initdb started would go on writing into a directory that is removed.
                enlisted.end();
                let _ = child.wait();
                stderr.extend(stdout);
                return Err(ProgramError::Silent {
                    program,
                    seconds: limit.seconds(),
                    last_lines: last_lines(&text(&stderr)),
                });
            }
        }
    }
    match child.wait() {
        Ok(status) => Ok(Finished {
            status,
            stdout,
            stderr,
        }),
        Err(source) => Err(ProgramError::Spawn { program, source }),
    }
}

pub(crate) fn cannot_spawn(program: &Utf8Path, source: io::Error) -> ProgramError {
    let program = program.to_owned();
    // It is opened before the program is: what is missing may be that.
    let has_null = !cfg!(unix) || Utf8Path::new("/dev/null").exists();
    if has_null && let Some(failure) = LoadFailure::of_start(&program, &source) {
        return ProgramError::DoesNotLoad { program, failure };
    }
    ProgramError::Spawn { program, source }
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

fn listen(
    from: Option<impl Read + Send + 'static>,
    stream: Stream,
    to: mpsc::Sender<(Stream, Vec<u8>)>,
) -> io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let read = move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.send((stream, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().spawn(read).map(drop)
}

fn keep_end(kept: &mut Vec<u8>, more: &[u8]) {
    kept.extend_from_slice(more);
    if kept.len() > OUTPUT_LIMIT {
        kept.drain(..kept.len() - OUTPUT_LIMIT / 2);
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last lines of a text that say something.
pub(crate) fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..]
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}
