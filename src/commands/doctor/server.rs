//! The server that `ampup run` would start: its programs are asked whether they run here, and whether they take the settings of
//! the project's cluster. `postgres -C` reads them as a start does, takes no lock, and writes nothing; what is read later in a
//! start, a rehearsal goes through.

use camino::{Utf8Path, Utf8PathBuf};

use super::{Finding, refused};
#[cfg(unix)]
use crate::doctor::{Level, rehearsal};
use crate::{
    commands::{Error, Session, advice::remedy_of_end, database},
    doctor::{client_rules::refusal, complaint, recovery},
    fs::{atomic, link},
    locate::{self, Located},
    postgres::{
        Cluster, ClusterError, Contents, ServerState,
        observe::endpoint::PORT,
        program::{Program, ProgramError},
        user::{OsUser, SUPERUSER, current_uid},
    },
    store::{check, directories},
};

/// No `pg_hba.conf` is longer, in bytes.
const LIMIT: u64 = 1 << 20;

/// Looks for what keeps these programs from serving a cluster that nobody serves.
pub(super) fn check(cluster: &Cluster, programs: &Located, session: &Session) -> Vec<Finding> {
    let run_as = match cluster.run_as(None) {
        Ok(run_as) => run_as,
        Err(error) => return vec![refused("database", &Error::from(error))],
    };
    let postgres = Program {
        tree: &programs.tree,
        name: "postgres",
        run_as: run_as.as_ref(),
        interrupt: &session.options.interrupt,
    };
    if let Some(finding) = does_not_run(&postgres, programs, session) {
        return vec![finding];
    }
    // What cannot be looked at is told elsewhere.
    let Ok(status) = cluster.status() else {
        return Vec::new();
    };
    if !matches!(status.server, ServerState::Stopped) || !matches!(status.contents, Contents::Cluster { .. })
    {
        return Vec::new();
    }
    let directory = cluster.project().cluster();
    let settings = Settings {
        postgres,
        major: programs.major(),
        cluster: &directory,
    };
    let mut findings: Vec<Finding> = status
        .socket
        .iter()
        .filter_map(|socket| in_the_way(&socket.path()?))
        .collect();
    let roles = [status.user.as_deref().unwrap_or(SUPERUSER), SUPERUSER];
    match settings.findings(&roles) {
        Ok(found) => findings.extend(found),
        // One that another program started meanwhile is no fault.
        Err(_) if !is_stopped(cluster) => {}
        Err(error) => findings.push(does_not_start(&directory, error)),
    }
    findings
}

/// The version's own files: what is gone, or the reason that it does not run. Where files are damaged, that is why.
fn does_not_run(postgres: &Program<'_>, programs: &Located, session: &Session) -> Option<Finding> {
    let (component, name) = (&programs.component, &programs.name);
    let shown = locate::shown(component, name);
    let damaged = |what: String| {
        let remedy = format!("`ampup verify --repair {component}`");
        Finding::problem("components", format!("{component} {shown} {what}"), remedy)
    };
    if let Some(lost) = check::lost_directory(&session.layout, component, name) {
        return Some(damaged(format!("lacks its `{lost}/`")));
    }
    let error = postgres.version().err()?;
    let damages = check::check(&session.layout, component, name);
    Some(match damages.first() {
        Some(damage) => damaged(format!("does not run: {damage}")),
        None => {
            let error = Error::from(ClusterError::from(error));
            refused("components", &database::with_remedy(error, session))
        }
    })
}

fn is_stopped(cluster: &Cluster) -> bool {
    cluster
        .status()
        .is_ok_and(|status| matches!(status.server, ServerState::Stopped))
}

/// The words of a server that does not start.
fn does_not_start(cluster: &Utf8Path, error: ProgramError) -> Finding {
    let ProgramError::Failed {
        status, last_lines, ..
    } = &error
    else {
        return refused("database", &Error::from(ClusterError::from(error)));
    };
    let lines = || last_lines.iter().map(String::as_str);
    let said = complaint::first(lines(), complaint::OF_SETTINGS).unwrap_or_else(|| last_lines.join(", "));
    let detail = complaint::detail(lines()).map(|detail| format!(" ({detail})"));
    Finding::problem(
        "database",
        format!(
            "the server of `{cluster}` does not start: {said}{}",
            detail.unwrap_or_default()
        ),
        remedy_of_end(*status, last_lines)
            .unwrap_or_else(|| format!("mend that; its settings are in `{cluster}/postgresql.conf`")),
    )
}

/// A directory where the server makes its socket, or that socket's lock file.
fn in_the_way(socket: &Utf8Path) -> Option<Finding> {
    let lock = Utf8PathBuf::from(format!("{socket}.lock"));
    let directory = [socket.to_owned(), lock].into_iter().find(|path| path.is_dir())?;
    Some(Finding::problem(
        "database",
        format!("`{directory}` is a directory, and the server makes its socket there"),
        format!("move it away: `mv {directory} {directory}.old`"),
    ))
}

/// The settings of a cluster, as its own programs read them.
struct Settings<'a> {
    postgres: Program<'a>,
    #[cfg_attr(not(unix), expect(dead_code, reason = "nothing is rehearsed there"))]
    major: u64,
    cluster: &'a Utf8Path,
}

impl Settings<'_> {
    /// # Errors
    /// When no server starts with them.
    fn findings(&self, roles: &[&str]) -> Result<Vec<Finding>, ProgramError> {
        let mut findings = self.rules(&self.path("hba_file")?, roles);
        let port = self.value("port")?;
        if port != PORT.to_string() {
            findings.push(Finding::warning(
                "database",
                format!(
                    "the settings of `{}` have the port {port}: plain `ampd solo` waits for {PORT}",
                    self.cluster
                ),
                "`ampup run ampd solo`, or remove `port` from its `postgresql.conf`",
            ));
        }
        findings.extend(self.elsewhere()?);
        if self.value("default_transaction_read_only")? == "on" {
            findings.push(Finding::problem(
                "database",
                format!(
                    "the settings of `{}` have `default_transaction_read_only = on`: ampd's tables cannot be made",
                    self.cluster
                ),
                "remove that from its `postgresql.conf`",
            ));
        }
        findings.extend(self.log()?);
        findings.extend(recovery::finding(self.cluster, || {
            self.value("restore_command").unwrap_or_default()
        }));
        #[cfg(unix)]
        if findings.iter().all(|finding| finding.level < Level::Problem) {
            rehearsal::rehearse(&self.postgres, self.major, self.cluster, &self.libraries()?)?;
        }
        Ok(findings)
    }

    /// A log of the server's own that plain ampd's could not write; `ampup run` has it write elsewhere.
    fn log(&self) -> Result<Option<Finding>, ProgramError> {
        if self.value("logging_collector")? != "on" {
            return Ok(None);
        }
        let directory = self.path("log_directory")?;
        // PostgreSQL makes the directory itself, and none above it.
        let place = if directory.exists() {
            Some(directory.as_path())
        } else {
            directory.parent()
        };
        let is_open = place.is_some_and(|place| place.is_dir() && directories::is_open(place));
        Ok((!is_open).then(|| {
            Finding::warning(
                "database",
                format!(
                    "the settings of `{}` have `log_directory` at `{directory}`, where the server of plain `ampd solo` cannot write",
                    self.cluster
                ),
                "`ampup run ampd solo`, or remove `logging_collector` from its `postgresql.conf`",
            )
        }))
    }

    /// The data that the settings name, where that is not the cluster's.
    fn elsewhere(&self) -> Result<Option<Finding>, ProgramError> {
        let named = self.path("data_directory")?;
        let is_same =
            matches!((link::real(&named), link::real(self.cluster)), (Ok(one), Ok(other)) if one == other);
        Ok((!is_same).then(|| {
            Finding::problem(
                "database",
                format!(
                    "the settings of `{}` have its data in `{named}`, and `ampup run` serves only what is here",
                    self.cluster
                ),
                "remove `data_directory` from its `postgresql.conf`",
            )
        }))
    }

    /// The libraries that a server or a session of it loads before anything else, if a session loads any.
    #[cfg(unix)]
    fn libraries(&self) -> Result<String, ProgramError> {
        let of_sessions = [
            self.value("session_preload_libraries")?,
            self.value("local_preload_libraries")?,
        ];
        if of_sessions.iter().all(String::is_empty) {
            return Ok(String::new());
        }
        let mut all = vec![self.value("shared_preload_libraries")?];
        all.extend(of_sessions);
        all.retain(|names| !names.is_empty());
        Ok(all.join(","))
    }

    fn value(&self, name: &str) -> Result<String, ProgramError> {
        let mut command = self.postgres.command();
        command.args(["-C", name, "-D", self.cluster.as_str()]);
        self.postgres.run(command, "").map(|line| line.trim().to_owned())
    }

    fn path(&self, name: &str) -> Result<Utf8PathBuf, ProgramError> {
        Ok(self.cluster.join(self.value(name)?))
    }

    /// The rules that decide who is let in.
    fn rules(&self, path: &Utf8Path, roles: &[&str]) -> Vec<Finding> {
        let text = match atomic::read(path, LIMIT) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(cause) => {
                return vec![Finding::problem(
                    "database",
                    format!("its server cannot read `{path}`: {cause}"),
                    "restore that file from a backup, or `echo 'local all all trust'` into it",
                )];
            }
        };
        let system_user = OsUser::by_uid(current_uid()).ok();
        let refusal = refusal(&text, roles, system_user.as_ref().map(|user| user.name.as_str()));
        let finding = refusal.map(|refusal| {
            let place = match refusal.line {
                Some(line) => format!("line {line} of `{path}`"),
                None => format!("`{path}`"),
            };
            Finding::problem(
                "database",
                format!("{place} {}", refusal.why),
                "`local all all trust` as its first line lets in whoever can enter the directory",
            )
        });
        finding.into_iter().collect()
    }
}
