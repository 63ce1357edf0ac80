//! The server that `ampup run` would start: its programs are asked whether they run here, and whether they take the settings of
//! the project's cluster. `postgres -C` reads them as a start does, takes no lock, and writes nothing; it is asked for what the
//! cluster's files set. What is read later in a start, a rehearsal goes through.

#[cfg(unix)]
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Finding, refused};
#[cfg(unix)]
use crate::doctor::{Level, rehearsal};
use crate::{
    commands::{Error, Session, advice::remedy_of_end, database},
    doctor::{
        client_rules::refusal, complaint, installed, lost_files, named_settings::NamedSettings, recovery,
    },
    fs::{atomic, link, reason},
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
    if let Some(finding) = installed::lacking(&programs.component, &programs.name, &session.layout) {
        return vec![finding];
    }
    // What cannot be looked at is told elsewhere.
    let stopped = cluster.status().ok().filter(|status| {
        matches!(status.server, ServerState::Stopped) && matches!(status.contents, Contents::Cluster { .. })
    });
    let Some(status) = stopped else {
        return does_not_run(&postgres, programs, session).into_iter().collect();
    };
    let directory = cluster.project().cluster();
    let settings = Settings {
        postgres,
        major: programs.major(),
        cluster: &directory,
        named: NamedSettings::of(&directory),
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
        Err(error) => match does_not_run(&postgres, programs, session) {
            Some(finding) => return vec![finding],
            None => findings.push(does_not_start(&directory, error)),
        },
    }
    findings
}

/// The reason that the version does not run. Where files are damaged, that is why.
fn does_not_run(postgres: &Program<'_>, programs: &Located, session: &Session) -> Option<Finding> {
    let error = postgres.version().err()?;
    let damages = check::check(&session.layout, &programs.component, &programs.name);
    Some(match damages.first() {
        Some(damage) => damaged(programs, &format!("does not run: {damage}")),
        None => {
            let error = Error::from(ClusterError::from(error));
            refused("components", &database::with_remedy(error, session))
        }
    })
}

fn damaged(programs: &Located, what: &str) -> Finding {
    let component = &programs.component;
    let shown = locate::shown(component, &programs.name);
    let remedy = format!("`ampup verify --repair {component}`");
    Finding::problem("components", format!("{component} {shown} {what}"), remedy)
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
    named: NamedSettings,
}

impl Settings<'_> {
    /// # Errors
    /// When no server starts with them.
    fn findings(&self, roles: &[&str]) -> Result<Vec<Finding>, ProgramError> {
        // A build may have another one of its own. Whether the settings can be read is seen here, too.
        let port = self.value("port")?;
        let rules = self
            .path("hba_file")?
            .unwrap_or_else(|| self.cluster.join("pg_hba.conf"));
        let mut findings = self.rules(&rules, roles);
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
        if self.set("default_transaction_read_only")?.as_deref() == Some("on") {
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
        findings.extend(lost_files::finding(self.cluster).filter(|_| findings.is_empty()));
        #[cfg(unix)]
        findings.extend(self.socket()?);
        #[cfg(unix)]
        if findings.iter().all(|finding| finding.level < Level::Problem) {
            rehearsal::rehearse(&self.postgres, self.major, self.cluster, &self.libraries()?)?;
        }
        Ok(findings)
    }

    /// A log of the server's own that plain ampd's could not write; `ampup run` has it write elsewhere.
    fn log(&self) -> Result<Option<Finding>, ProgramError> {
        if self.set("logging_collector")?.as_deref() != Some("on") {
            return Ok(None);
        }
        let directory = self.cluster.join(self.value("log_directory")?);
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
        let Some(named) = self.path("data_directory")? else {
            return Ok(None);
        };
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
            self.set("session_preload_libraries")?,
            self.set("local_preload_libraries")?,
        ];
        if of_sessions.iter().all(Option::is_none) {
            return Ok(String::new());
        }
        let mut all = vec![self.set("shared_preload_libraries")?];
        all.extend(of_sessions);
        let all: Vec<String> = all.into_iter().flatten().collect();
        Ok(all.join(","))
    }

    /// A socket that is closed to whoever starts the server, or that the server could not give to the group that is named.
    #[cfg(unix)]
    fn socket(&self) -> Result<Option<Finding>, ProgramError> {
        let problem = |what: String, setting: &str| {
            let text = format!("the settings of `{}` have {what}", self.cluster);
            Finding::problem(
                "database",
                text,
                format!("remove `{setting}` from its `postgresql.conf`"),
            )
        };
        // `-C` prints it as any other number.
        let permissions = self
            .set("unix_socket_permissions")?
            .and_then(|mode| mode.parse().ok());
        let is_closed = |mode: &u32| mode & 0o200 == 0;
        if let Some(mode) = permissions.filter(|mode| current_uid() != 0 && is_closed(mode)) {
            let what = format!("`unix_socket_permissions = {mode:04o}`: its own user cannot open a session");
            return Ok(Some(problem(what, "unix_socket_permissions")));
        }
        let Some(group) = self.set("unix_socket_group")? else {
            return Ok(None);
        };
        let is_a_member = is_member(&group, self.postgres.run_as);
        Ok((is_a_member == Some(false)).then(|| {
            let what = format!(
                "`unix_socket_group = {group}`, to which its user does not belong: it does not start"
            );
            problem(what, "unix_socket_group")
        }))
    }

    /// The value that the cluster's files give a setting, if they do, and it is not empty.
    fn set(&self, name: &str) -> Result<Option<String>, ProgramError> {
        if !self.named.may_have(name) {
            return Ok(None);
        }
        Ok(Some(self.value(name)?).filter(|value| !value.is_empty()))
    }

    fn value(&self, name: &str) -> Result<String, ProgramError> {
        let mut command = self.postgres.command();
        command.args(["-C", name, "-D", self.cluster.as_str()]);
        self.postgres.run(command, "").map(|line| line.trim().to_owned())
    }

    fn path(&self, name: &str) -> Result<Option<Utf8PathBuf>, ProgramError> {
        Ok(self.set(name)?.map(|value| self.cluster.join(value)))
    }

    /// The rules that decide who is let in.
    fn rules(&self, path: &Utf8Path, roles: &[&str]) -> Vec<Finding> {
        let text = match atomic::read(path, LIMIT) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(cause) => {
                return vec![Finding::problem(
                    "database",
                    format!("its server cannot read `{path}`: {}", reason(&cause)),
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

/// Returns true if whoever the server runs as belongs to a group, by name or number; `None` where nobody can say.
#[cfg(unix)]
fn is_member(group: &str, run_as: Option<&OsUser>) -> Option<bool> {
    // As somebody else it has that user's own group alone.
    let (names, numbers) = match run_as {
        Some(user) => (vec!["-gn", &user.name], vec!["-g", &user.name]),
        None => (vec!["-Gn"], vec!["-G"]),
    };
    let mut known = Vec::new();
    for arguments in [names, numbers] {
        let asked = Command::new("id")
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        // Without a name for each, names stand for nothing.
        if !asked.status.success() {
            return None;
        }
        let words = String::from_utf8_lossy(&asked.stdout).into_owned();
        known.extend(words.split_whitespace().map(str::to_owned));
    }
    let is_one_word = !group.contains(char::is_whitespace);
    is_one_word.then(|| known.iter().any(|one| one == group))
}
