//! A time limit for servers that ampup did not start, and for programs that read a dump. A server that says nothing may have
//! much to do, or be gone: once it was silent for a while, it is asked in another session, and whoever waits is told. One that
//! does not answer there, or that does nothing for us any more, is given up.

use std::{
    io::{self, Read, Seek as _, Write as _},
    process::ExitStatus,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{Clients, DumpError, Running, Side};
use crate::{
    children::Enlisted,
    event::{Event, Reporter, sized},
    postgres::program,
};

/// So often in a row a server may say that none of our sessions does anything.
const IDLE: u32 = 3;
/// Asks whether one of our sessions works, and not only writes to us.
const WORKS: &str = "select count(*) from pg_catalog.pg_stat_activity \
    where application_name = pg_catalog.current_setting('application_name') and pid <> pg_catalog.pg_backend_pid() \
    and state = 'active' and wait_event_type is distinct from 'Client';\n";

/// The patience with one server.
#[derive(Clone, Copy)]
pub(crate) struct Patience<'a> {
    /// The psql that asks it.
    pub(crate) psql: &'a Clients,
    /// The server.
    pub(crate) side: &'a Side,
    /// Whoever is told that it takes long.
    pub(crate) reporter: &'a dyn Reporter,
}

/// The times at which a program was heard.
pub(crate) struct Pulse {
    began: Instant,
    /// Since when we wait for its next word, in milliseconds; [`BUSY`] while we do not.
    since: AtomicU64,
    /// The number of bytes that were heard.
    bytes: AtomicU64,
}

/// The answer of a server that was asked in another session.
enum Answer {
    /// It does something for us.
    Works,
    /// It does nothing for us, as far as it says.
    Idles,
    /// It does not answer.
    Silent,
}

const BUSY: u64 = u64::MAX;

impl Patience<'_> {
    /// Returns psql's output for these statements.
    pub(crate) fn ask(&self, statements: &str) -> Result<String, DumpError> {
        let Running {
            mut child,
            program,
            enlisted,
        } = self.psql.session(self.side, "")?;
        let output = self.over(&enlisted, |_| {
            if let Some(mut stdin) = child.stdin.take() {
                // A program that ends before it has read all of it tells why by itself.
                let _ = stdin.write_all(statements.as_bytes());
            }
            child.wait_with_output()
        })?;
        let output = output.map_err(|source| DumpError::Spawn {
            program: program.clone(),
            source,
        })?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(self.failed(program, output.status, &said))
        }
    }

    /// The failure of a program that was connected to the server.
    pub(crate) fn failed(&self, program: String, status: ExitStatus, said: &str) -> DumpError {
        match self.side {
            Side::Address { host, .. } => DumpError::failed_at(host, program, status, said),
            Side::Socket { .. } => DumpError::failed(program, status, said),
        }
    }

    /// Does what waits for the server through a program, and ends that program once the server is given up. Where no thread can
    /// be had, there is no limit.
    pub(crate) fn over<T>(&self, program: &Enlisted, work: impl FnOnce(&Pulse) -> T) -> Result<T, DumpError> {
        let pulse = &Pulse::begin();
        let Side::Address { host, limit, .. } = self.side else {
            return Ok(work(pulse));
        };
        let is_lost = |is_done: &mpsc::Receiver<()>| self.is_lost(pulse, is_done, host, *limit);
        watched(program, pulse, is_lost, work).map_err(|seconds| DumpError::Silent {
            host: host.clone(),
            seconds,
        })
    }

    /// Watches until the work is done, or the server is lost.
    fn is_lost(&self, pulse: &Pulse, is_done: &mpsc::Receiver<()>, host: &str, limit: Duration) -> bool {
        let (mut idle, mut next) = (0, limit);
        let (mut reported, mut read) = (Instant::now(), 0);
        loop {
            match is_done.recv_timeout(limit / 4) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return false,
            }
            let silence = pulse.silence();
            if silence < limit {
                (idle, next) = (0, limit);
                let now = pulse.bytes.load(Ordering::Relaxed);
                if now > read && reported.elapsed() >= limit {
                    self.tell(format!("read {} from {host}", sized(now)));
                    (reported, read) = (Instant::now(), now);
                }
                continue;
            }
            if silence < next {
                continue;
            }
            let seconds = silence.as_secs();
            match self.answer(limit) {
                _ if pulse.silence() < silence => {}
                Answer::Silent => return true,
                Answer::Idles if idle == IDLE => return true,
                Answer::Idles => {
                    idle += 1;
                    self.tell(format!(
                        "waiting for {host}, which has been silent for {seconds} s"
                    ));
                }
                Answer::Works => {
                    idle = 0;
                    self.tell(format!("{host} is still at work ({seconds} s)"));
                    next = silence;
                }
            }
            next += limit;
        }
    }

    fn tell(&self, text: String) {
        self.reporter.report(Event::Note(text));
    }

    fn answer(&self, limit: Duration) -> Answer {
        let asking = self.psql.psql(self.side, "");
        match program::run_within(asking, WORKS, limit, self.psql.interrupt()) {
            Ok(Ok(number)) if number.trim() == "0" => Answer::Idles,
            Ok(Ok(_)) => Answer::Works,
            // It is there, and takes no further session.
            Ok(Err(said)) if said.contains("FATAL:") => Answer::Works,
            Ok(Err(_)) | Err(_) => Answer::Silent,
        }
    }
}

/// Does what waits for a program, and ends that program once `is_lost` says so, which waits for the end of the work. Gives the
/// seconds of silence after which the program was given up.
fn watched<T>(
    program: &Enlisted,
    pulse: &Pulse,
    is_lost: impl FnOnce(&mpsc::Receiver<()>) -> bool + Send,
    work: impl FnOnce(&Pulse) -> T,
) -> Result<T, u64> {
    let given_up_after = &AtomicU64::new(0);
    let (done, is_done) = mpsc::channel::<()>();
    let worked = thread::scope(|scope| {
        let watch = move || {
            if is_lost(&is_done) {
                let silence = pulse.silence().as_secs().max(1);
                given_up_after.store(silence, Ordering::Release);
                program.end();
            }
        };
        let _ = thread::Builder::new().spawn_scoped(scope, watch);
        let worked = work(pulse);
        drop(done);
        worked
    });
    match given_up_after.load(Ordering::Acquire) {
        0 => Ok(worked),
        seconds => Err(seconds),
    }
}

/// A dump that a program reads: where it reads is known here too.
#[derive(Debug)]
pub(crate) struct DumpFile {
    path: Utf8PathBuf,
    /// Shares its position with the program's stdin.
    file: fs::File,
}

/// A program that neither reads on in a dump nor says anything is in a loop: in one that is damaged, it may search for ever.
const STUCK: Duration = Duration::from_secs(60);

impl DumpFile {
    /// Opens a dump.
    pub(crate) fn open(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: fs::File::open(path)?,
        })
    }

    /// The dump as a program's input.
    pub(crate) fn as_input(&self) -> io::Result<std::fs::File> {
        self.file.file().try_clone()
    }

    /// Does what waits for a program that reads the dump, and ends that program once it makes no progress. Where no thread can
    /// be had, there is no limit.
    pub(crate) fn over<T>(&self, program: &Enlisted, work: impl FnOnce(&Pulse) -> T) -> Result<T, DumpError> {
        let pulse = &Pulse::begin();
        let is_lost = |is_done: &mpsc::Receiver<()>| self.is_stuck(pulse, is_done, STUCK);
        watched(program, pulse, is_lost, work).map_err(|seconds| DumpError::Refused {
            message: format!(
                "reading `{}` came to nothing for {seconds} s: it is damaged, most likely",
                self.path
            ),
            hint: "dump it again, best with `pg_dump --format=custom`".to_owned(),
        })
    }

    /// Watches until the work is done, or the program makes no progress for so long. One that goes back makes none.
    fn is_stuck(&self, pulse: &Pulse, is_done: &mpsc::Receiver<()>, limit: Duration) -> bool {
        let (mut farthest, mut since) = (0, Instant::now());
        loop {
            match is_done.recv_timeout(limit / 8) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return false,
            }
            let at = self.file.file().stream_position().unwrap_or(0);
            if at > farthest || pulse.silence() < limit / 8 {
                (farthest, since) = (at.max(farthest), Instant::now());
            } else if since.elapsed() >= limit {
                return true;
            }
        }
    }
}

impl Pulse {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            since: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// The time for which we have been waiting for its next word.
    fn silence(&self) -> Duration {
        match self.since.load(Ordering::Acquire) {
            BUSY => Duration::ZERO,
            since => self.began.elapsed().saturating_sub(Duration::from_millis(since)),
        }
    }

    pub(crate) fn listen(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or_default();
        self.since.store(now, Ordering::Release);
    }

    fn go_on(&self) {
        self.since.store(BUSY, Ordering::Release);
    }
}

/// The output of a program, with the times at which it is waited for.
pub(crate) struct Heard<'a, R> {
    /// Its output.
    pub(crate) said: R,
    /// Where they are written down.
    pub(crate) pulse: &'a Pulse,
}

impl<R: Read> Read for Heard<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pulse.listen();
        let read = self.said.read(buffer);
        self.pulse.go_on();
        let bytes = *read.as_ref().unwrap_or(&0) as u64;
        self.pulse.bytes.fetch_add(bytes, Ordering::Relaxed);
        read
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::children::Interrupt;

    #[test]
    fn a_program_that_makes_no_progress_in_a_dump_is_ended_and_one_that_does_is_not() {
        let world = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(world.path()).expect("UTF-8").join("dump");
        fs::write(&path, "0123456789").expect("written");
        let limit = Duration::from_millis(800);
        let ended = |script: &str| {
            let dump = DumpFile::open(&path).expect("opened");
            let mut command = Command::new("/bin/sh");
            command
                .args(["-c", script])
                .stdin(dump.as_input().expect("shared"));
            let (mut child, enlisted) = Interrupt::default().start(&mut command).expect("started");
            let pulse = Pulse::begin();
            let is_lost = |is_done: &mpsc::Receiver<()>| dump.is_stuck(&pulse, is_done, limit);
            let worked = watched(&enlisted, &pulse, is_lost, |pulse| {
                pulse.listen();
                child.wait().expect("ended").success()
            });
            worked.ok()
        };
        assert_eq!(ended("exec sleep 600"), None);
        assert_eq!(
            ended("dd bs=1 count=10 2>/dev/null >/dev/null; exec sleep 600"),
            None
        );
        assert_eq!(
            ended(
                "for i in 1 2 3 4 5 6 7 8 9 10; do dd bs=1 count=1 2>/dev/null >/dev/null; sleep 0.1; done"
            ),
            Some(true)
        );
    }
}
