//! Starting a server process. Waiting for it is `start`'s, ending it `stop`'s.

use std::process::{Child, ExitStatus};

use camino::Utf8Path;

use crate::{
    children::Interrupt,
    fs::lock::Lock,
    postgres::{
        error::ClusterError,
        observe::{
            endpoint::{LOOPBACK, Socket},
            purpose::Purpose,
        },
        program::{Program, cannot_spawn},
        project::Project,
        run::{
            log::{self, Log},
            tether::Tether,
        },
        user::OsUser,
    },
};

/// The server to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Launch<'a> {
    /// Whose server.
    pub(crate) project: &'a Project,
    /// The tree that serves.
    pub(crate) tree: &'a Utf8Path,
    /// Whom it runs as.
    pub(crate) run_as: Option<&'a OsUser>,
    /// Where its socket goes.
    pub(crate) socket: &'a Socket,
    /// The rules of its port of 127.0.0.1, if it has one beside its socket.
    pub(crate) rules: Option<&'a Utf8Path>,
    /// Nothing that is committed may be lost.
    pub(crate) durable: bool,
    /// The purpose of the start.
    pub(crate) purpose: Purpose,
    /// The kind of dynamic shared memory, where that of the cluster's settings does not work here.
    pub(crate) memory: Option<&'static str>,
    /// The tether, if the server is to end with us.
    pub(crate) tether: Option<&'a Tether>,
    /// The handle that ends pg_ctl, where that starts it.
    pub(crate) interrupt: &'a Interrupt,
}

/// Starts a server, which then holds `lock` as long as any of its processes lives.
pub(crate) fn spawn(launch: &Launch<'_>, lock: &Lock) -> Result<(Child, Log), ClusterError> {
    let project = launch.project;
    let cluster = project.cluster();
    let failed = |action, path: &Utf8Path| {
        let path = path.to_owned();
        move |source| ClusterError::Io { action, path, source }
    };
    let (log, file) = Log::begin(project, launch.run_as).map_err(failed(log::OPEN, &project.log()))?;
    let host = launch.socket.host.as_str();
    let (addresses, directories) = match &launch.socket.password {
        Some(_) => (host, ""),
        None if launch.rules.is_some() => (LOOPBACK, host),
        None => ("", host),
    };
    let settings = settings(launch, addresses);
    let options = ["-k", directories]
        .into_iter()
        .chain(settings.iter().flat_map(|setting| ["-c", setting.as_str()]));
    let (program, mut command) = system::command(launch, &cluster, options.collect(), &log);
    system::equip(&mut command, lock, file).map_err(failed("hand on what is open in", project.amp_dir()))?;
    let child = command.spawn().map_err(|source| cannot_spawn(&program, source))?;
    lock.name_holder(child.id(), &format!("postgres -D {cluster}"));
    Ok((child, log))
}

/// Returns true if the process that was started has ended as it should while its server serves.
pub(crate) fn has_done_its_part(status: ExitStatus) -> bool {
    cfg!(windows) && status.success()
}

/// The server is our child, and has our lock.
#[cfg(unix)]
mod system {
    use std::{io, os::unix::process::CommandExt as _, process::Command};

    use camino::{Utf8Path, Utf8PathBuf};
    use fs_err as fs;

    use super::{Launch, Lock, Log, Program};

    pub(super) fn command(
        launch: &Launch<'_>,
        cluster: &Utf8Path,
        options: Vec<&str>,
        _: &Log,
    ) -> (Utf8PathBuf, Command) {
        let postgres = Program {
            tree: launch.tree,
            name: "postgres",
            run_as: launch.run_as,
            interrupt: launch.interrupt,
        };
        let mut command = postgres.command();
        command.args(["-D", cluster.as_str()]).args(options);
        // Some builds' extensions look for libpq elsewhere, and would find the host's, which may be older.
        #[cfg(target_os = "linux")]
        command.env("LD_LIBRARY_PATH", launch.tree.join("lib"));
        // Ctrl-C is for the command that the terminal runs, not for a database that others may use.
        command.process_group(0);
        (postgres.path(), command)
    }

    /// The lock: an open file is the one thing that every process of a server inherits, and stdin is the one that the
    /// standard library hands on. A server does not read it.
    pub(super) fn equip(command: &mut Command, lock: &Lock, log: fs::File) -> io::Result<()> {
        let copy = log.try_clone()?;
        command
            .stdin(lock.handle()?)
            .stdout(log.into_parts().0)
            .stderr(copy.into_parts().0);
        Ok(())
    }
}

/// The server is started by pg_ctl, which puts off administrative rights first: with them PostgreSQL does not run, and only
/// unsafe code can put them off (<https://www.postgresql.org/docs/current/app-pg-ctl.html>). It ends when the server serves,
/// or has ended. Locks are not inherited here; PostgreSQL's own keeps two servers apart, since all processes of one Windows
/// see each other.
#[cfg(windows)]
mod system {
    use std::{
        io,
        os::windows::process::CommandExt as _,
        process::{Command, Stdio},
    };

    use camino::{Utf8Path, Utf8PathBuf};
    use fs_err as fs;

    use super::{Launch, Lock, Log, Program};
    use crate::postgres::run::shell_names::names_in;

    /// Process creation flags (<https://learn.microsoft.com/windows/win32/procthread/process-creation-flags>): Ctrl-C is
    /// for the command that the console runs, and a server has no window.
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    /// The time limit for pg_ctl: the wait is decided here, not there.
    const A_DAY: &str = "86400";

    pub(super) fn command(
        launch: &Launch<'_>,
        cluster: &Utf8Path,
        options: Vec<&str>,
        log: &Log,
    ) -> (Utf8PathBuf, Command) {
        let pg_ctl = Program {
            tree: launch.tree,
            name: "pg_ctl",
            run_as: launch.run_as,
            interrupt: launch.interrupt,
        };
        // pg_ctl gives them to a shell. None has a space or a quote; one may be empty.
        let options: Vec<String> = options
            .iter()
            .map(|option| match *option {
                "" => "\"\"".to_owned(),
                option => option.to_owned(),
            })
            .collect();
        let mut command = pg_ctl.command();
        command
            .args([
                "start",
                "--wait",
                "--silent",
                "--timeout",
                A_DAY,
                "-D",
                cluster.as_str(),
            ])
            .args(["-l", log.path().as_str(), "-o", &options.join(" ")])
            .creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
        for name in names_in([launch.tree.as_str(), cluster.as_str(), log.path().as_str()]) {
            command.env(name, format!("%{name}%"));
        }
        (pg_ctl.path(), command)
    }

    /// The server opens the log itself.
    pub(super) fn equip(command: &mut Command, _: &Lock, _: fs::File) -> io::Result<()> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(())
    }
}

fn settings(launch: &Launch<'_>, addresses: &str) -> Vec<String> {
    let mut settings = vec![
        // No TCP where there is a socket and nobody asked for it, whatever postgresql.conf says.
        format!("listen_addresses={addresses}"),
        format!("port={}", launch.socket.port),
        // Our log, whatever it says.
        "logging_collector=off".to_owned(),
        "log_destination=stderr".to_owned(),
        // A write-ahead log that was long once would stay so, and be in every backup.
        "wal_recycle=off".to_owned(),
        launch.purpose.setting(),
    ];
    settings.extend(
        launch
            .memory
            .map(|memory| format!("dynamic_shared_memory_type={memory}")),
    );
    settings.extend(launch.rules.map(|rules| format!("hba_file={rules}")));
    settings.extend(launch.tether.map(|tether| tether.setting().to_owned()));
    if launch.purpose == Purpose::Change {
        settings.push("default_transaction_read_only=on".to_owned());
    }
    if launch.durable {
        settings.extend(["fsync=on", "full_page_writes=on", "synchronous_commit=on"].map(str::to_owned));
    }
    settings
}
