//! The server that `ampup run` would start: its programs are asked whether they run here, and whether they take the settings of
//! the project's cluster. `postgres -C` reads them as a start does, takes no lock, and writes nothing.

use camino::{Utf8Path, Utf8PathBuf};

use super::{Finding, refused};
use crate::{
    commands::{Error, Session},
    doctor::{client_rules::refusal, complaint},
    fs::{atomic, identity::FileIdentity},
    locate::{self, Located},
    postgres::{
        Cluster, ClusterError, Contents, ServerState,
        observe::endpoint::PORT,
        program::{Program, ProgramError},
        user::{OsUser, SUPERUSER, current_uid},
    },
    store::check,
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
        Err(ProgramError::Failed { last_lines, .. }) => {
            let said = complaint::first(last_lines.iter().map(String::as_str), complaint::OF_SETTINGS);
            let said = said.unwrap_or_else(|| last_lines.join(", "));
            findings.push(Finding::problem(
                "database",
                format!("the server of `{directory}` does not start with its settings: {said}"),
                "mend that line",
            ));
        }
        Err(error) => findings.push(refused("database", &Error::from(ClusterError::from(error)))),
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
        None => refused("components", &Error::from(ClusterError::from(error))),
    })
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
    cluster: &'a Utf8Path,
}

impl Settings<'_> {
    /// # Errors
    /// When no server starts with them.
    fn findings(&self, roles: &[&str]) -> Result<Vec<Finding>, ProgramError> {
        let mut findings = self.rules(&self.path("hba_file")?, roles);
        if self.value("ssl")? == "on" {
            findings.extend(self.certificate()?);
        }
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
        Ok(findings)
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

    /// The files that TLS needs.
    fn certificate(&self) -> Result<Option<Finding>, ProgramError> {
        let missing = |path: Utf8PathBuf| {
            FileIdentity::of(&path).is_err().then(|| {
                Finding::problem(
                    "database",
                    format!(
                        "the settings of `{}` have `ssl = on`, and `{path}` does not exist",
                        self.cluster
                    ),
                    "make that file, or remove `ssl` from its `postgresql.conf`",
                )
            })
        };
        Ok(missing(self.path("ssl_cert_file")?).or(missing(self.path("ssl_key_file")?)))
    }
}
