//! Running a PostgreSQL program of a tree: in a known environment, as a known user, watched while it works, and with an
//! error that says why it failed.

mod watch;

use std::{
    io,
    process::{Command, ExitStatus},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};

use self::watch::{Finished, Limit, text, watch};
pub(crate) use self::watch::{cannot_spawn, last_lines, run_within};
use super::{host_fault::HostFault, loading::LoadFailure, user::OsUser};
use crate::children::{Interrupt, ended};

/// A program that says nothing for so long is ended. A wait is bounded by silence and not by a total, because initdb
/// takes minutes on a slow disk, and says so line by line.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The reason a PostgreSQL program failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The system cannot load it.
    #[error("`{program}` does not run here: {failure}")]
    DoesNotLoad {
        /// The program.
        program: Utf8PathBuf,
        /// The message of the loader.
        failure: LoadFailure,
    },
    /// It cannot be started at all.
    #[error("cannot run `{program}`")]
    Spawn {
        /// The program.
        program: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It ended badly.
    #[error("`{program}` failed ({}){}", ended(.status), indented(.last_lines))]
    Failed {
        /// The program.
        program: Utf8PathBuf,
        /// The exit status.
        status: ExitStatus,
        /// The last lines of its output.
        last_lines: Vec<String>,
    },
    /// It ended well and said something else than expected.
    #[error("`{program}` gave an unexpected answer{}", indented(.last_lines))]
    UnexpectedAnswer {
        /// The program.
        program: Utf8PathBuf,
        /// The last lines of its output.
        last_lines: Vec<String>,
    },
    /// It was silent for too long and was ended.
    #[error("`{program}` said nothing for {seconds} s and was ended{}", indented(.last_lines))]
    Silent {
        /// The program.
        program: Utf8PathBuf,
        /// The time, in seconds.
        seconds: u64,
        /// The last lines of its output.
        last_lines: Vec<String>,
    },
}

impl ProgramError {
    /// The fault of the host that it met, whatever build it is of.
    pub(crate) fn host_fault(&self) -> Option<HostFault> {
        match self {
            Self::Failed {
                status, last_lines, ..
            } => HostFault::of_end(*status, last_lines),
            Self::Spawn { source, .. } => HostFault::of_start(source),
            Self::DoesNotLoad { .. } | Self::UnexpectedAnswer { .. } | Self::Silent { .. } => None,
        }
    }
}

#[cfg(feature = "cli")]
impl ProgramError {
    /// Returns true if another build would fail alike on this host.
    pub fn is_of_host(&self) -> bool {
        match self {
            Self::DoesNotLoad { failure, .. } => matches!(failure, LoadFailure::UnreachableLibrary(_)),
            Self::Spawn { .. } | Self::Failed { .. } => self.host_fault().is_some(),
            Self::UnexpectedAnswer { .. } | Self::Silent { .. } => false,
        }
    }
}

/// Returns the disk's refusal, recognized by the system's messages, which PostgreSQL's programs pass on. Whatever
/// else was refused with such a text is not the disk's.
pub(crate) fn disk_in(lines: &[String]) -> Option<io::Error> {
    /// A text of the system's, and the error that it stands for.
    type Text = (&'static str, fn() -> io::Error);
    const TEXTS: [Text; 5] = [
        ("No space left on device", || io::ErrorKind::StorageFull.into()),
        ("Disk quota exceeded", || io::ErrorKind::QuotaExceeded.into()),
        ("Read-only file system", || {
            io::ErrorKind::ReadOnlyFilesystem.into()
        }),
        ("Permission denied", || io::ErrorKind::PermissionDenied.into()),
        ("Input/output error", || io::Error::other("(os error 5)")),
    ];
    if HostFault::find(lines).is_some() {
        return None;
    }
    let is_said = |text: &str| lines.iter().any(|line| line.contains(text));
    let said = TEXTS.into_iter().find(|(text, _)| is_said(text));
    said.map(|(_, error)| error())
}

/// A program of a tree, and whom it runs as.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// The tree, an absolute path.
    pub tree: &'a Utf8Path,
    /// Its name in `bin/`.
    pub name: &'a str,
    /// Whom it runs as; `None`: ourselves.
    pub run_as: Option<&'a OsUser>,
    /// The handle that ends it.
    pub interrupt: &'a Interrupt,
}

/// A command that runs a program of PostgreSQL as this user; `None`: as ourselves. Paths among its arguments must be
/// absolute.
///
/// Nothing of our environment reaches it: PG* would change port, data directory, user and options; LD_LIBRARY_PATH
/// and DYLD_* are searched before the tree's own `lib/` (conda and HPC modules bring another libcrypto); LD_PRELOAD
/// is loaded into the server; the host's locale must decide nothing, and macOS makes a server without LC_ALL
/// multi-threaded, which it refuses to be. It works in `/`, which everyone can enter: initdb gives up where it
/// cannot look at its working directory, and a server must keep no directory busy but its own.
pub fn bare_command(program: &Utf8Path, run_as: Option<&OsUser>) -> Command {
    let mut command = Command::new(program);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .current_dir("/");
        if let Some(user) = run_as {
            // When we are root, the standard library drops our supplementary groups too.
            command.uid(user.uid).gid(user.gid);
        }
    }
    #[cfg(windows)]
    {
        // There are no other users to run it as. Windows programs need SystemRoot and its like, so here only what does harm
        // is taken away.
        let _ = run_as;
        for name in [
            "PGDATA",
            "PGDATABASE",
            "PGHOST",
            "PGHOSTADDR",
            "PGOPTIONS",
            "PGPASSWORD",
            "PGPORT",
            "PGSERVICE",
            "PGSSLMODE",
            "PGUSER",
        ] {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C");
    command
}

impl Program<'_> {
    /// Its path.
    pub fn path(&self) -> Utf8PathBuf {
        self.tree
            .join("bin")
            .join(format!("{}{}", self.name, std::env::consts::EXE_SUFFIX))
    }

    /// A command that runs it, as `bare_command` does.
    pub fn command(&self) -> Command {
        bare_command(&self.path(), self.run_as)
    }

    /// Runs a command made by `command` to its end, with `input` on its stdin, and gives its stdout.
    ///
    /// # Errors
    /// When it does not start, fails, or is silent for five minutes.
    pub fn run(&self, command: Command, input: &str) -> Result<String, ProgramError> {
        let finished = watch(
            self.path(),
            command,
            input,
            Limit::Silence(TIMEOUT),
            self.interrupt,
        )?;
        if finished.status.success() {
            return Ok(text(&finished.stdout));
        }
        Err(self.failure(&finished))
    }

    /// The version line that it prints: `postgres (PostgreSQL) 18.4`.
    ///
    /// # Errors
    /// When it does not run here.
    pub fn version(&self) -> Result<String, ProgramError> {
        let mut command = self.command();
        command.arg("--version");
        self.run(command, "").map(|line| line.trim().to_owned())
    }

    fn failure(&self, finished: &Finished) -> ProgramError {
        let stderr = text(&finished.stderr);
        if let Some(failure) = LoadFailure::find(&stderr) {
            return ProgramError::DoesNotLoad {
                program: self.path(),
                failure: failure.in_tree(self.tree),
            };
        }
        // initdb says this of a postgres that is there and cannot be loaded (it only sees that `postgres -V` gave no
        // line), so postgres itself is asked.
        let misleading = stderr.contains("program \"postgres\" is needed by") && self.name != "postgres";
        if misleading
            && let Err(real) = (Program {
                name: "postgres",
                ..*self
            })
            .version()
        {
            return real;
        }
        ProgramError::Failed {
            program: self.path(),
            status: finished.status,
            last_lines: finished.last_lines(),
        }
    }

    /// The error that it ended well and did not say what it must.
    pub(super) fn unexpected(&self, answer: &str) -> ProgramError {
        ProgramError::UnexpectedAnswer {
            program: self.path(),
            last_lines: last_lines(answer),
        }
    }
}

/// Lines below a message.
pub(super) fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    #[cfg(target_os = "linux")]
    use std::{thread, time::Instant};

    use super::*;
    use crate::table::every;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_silent_program_is_ended_with_what_it_started() {
        let program = Utf8PathBuf::from("/bin/sh");
        let mut command = bare_command(&program, None);
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let refused = {
            let interrupt = Interrupt::default();
            watch(
                program,
                command,
                "",
                Limit::Silence(Duration::from_millis(500)),
                &interrupt,
            )
        }
        .map(|finished| finished.status);
        let Err(ProgramError::Silent { last_lines, .. }) = refused else {
            panic!("{refused:?}");
        };
        let began = Instant::now();
        // Whoever inherits it may take a moment to wait for it.
        let is_there = || match fs_err::read_to_string(format!("/proc/{}/stat", last_lines[0])) {
            Ok(stat) => !stat.contains(") Z "),
            Err(_) => false,
        };
        while is_there() && began.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(!is_there(), "{last_lines:?} lives");
    }

    #[test]
    fn a_program_that_only_talks_ends_with_its_time() {
        let program = Utf8PathBuf::from("/bin/sh");
        let mut command = bare_command(&program, None);
        command.args(["-c", "while :; do echo x; sleep 0.05; done"]);
        let limit = Limit::Whole(Duration::from_millis(300));
        let ended = watch(program, command, "", limit, &Interrupt::default());
        let ended = ended.map(|finished| finished.status);
        assert!(matches!(ended, Err(ProgramError::Silent { .. })), "{ended:?}");
    }

    #[test]
    fn what_the_disk_refuses_a_program_ends_as_it_does_for_us() {
        let rows = [
            ("initdb: error: could not write \"a\": No space left on device", 7),
            ("FATAL:  could not create lock file: Read-only file system", 7),
            (
                "initdb: error: could not create directory \"a\": Permission denied",
                7,
            ),
            ("initdb: error: could not write \"a\": Disk quota exceeded", 7),
            ("initdb: error: invalid locale name \"x\"", 1),
        ];
        every(rows, |(line, code)| {
            let failed = ProgramError::Failed {
                program: "/p/bin/initdb".into(),
                status: ExitStatus::from_raw(256),
                last_lines: vec![line.to_owned()],
            };
            assert_eq!(failed.exit_code().code(), code, "{line}");
            assert_eq!(failed.hint().is_some(), code == 7, "{line}");
        });
    }
}
