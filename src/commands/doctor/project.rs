//! The project's database: would `ampup run ampd solo` find one that it can start, and plain `ampd solo`?

use camino::Utf8Path;
use fs_err as fs;

use super::{Finding, refused, server};
#[cfg(unix)]
use crate::doctor::owners;
use crate::{
    commands::{
        Error, Session, database,
        external::External,
        installed::unused_with,
        next,
        pinned::{self, Chosen, PlainWord},
        serving,
    },
    doctor::Level,
    domain::ComponentName,
    locate::{self, Locator},
    postgres::{
        Cluster, ClusterError, Contents, Project, ServerState, enclosing,
        identity::{is_suspended, servers_of},
        observe::{files, pid_file::PidFile},
        project::ProjectError,
        user::current_uid,
    },
    store::directories,
};

/// Looks at what the project here would be served by, and at its database. Where there is no ampd, no remedy is to run it.
pub(super) fn check(session: &Session) -> Vec<Finding> {
    let mut findings: Vec<Finding> = daemon(session).into_iter().collect();
    findings.extend(project(session));
    if !next::has_ampd(session) {
        let runs_it = |remedy: &mut String| remedy.starts_with("`ampup run ampd solo`");
        for finding in &mut findings {
            finding.remedy.take_if(runs_it);
        }
    }
    findings
}

fn project(session: &Session) -> Vec<Finding> {
    let mut findings = Vec::new();
    let project = match Project::find(&session.env, None) {
        Ok(project) => project,
        Err(error) => {
            findings.push(refused("project", &ClusterError::from(error).into()));
            return findings;
        }
    };
    // A file there is told with the file system.
    let is_in_the_way = project.amp_dir().symlink_metadata().is_ok() && !project.amp_dir().is_dir();
    if is_in_the_way || !is_known(&locate::postgres(), session) {
        return findings;
    }
    let cluster = database::open(&project, session);
    // `ampup run` finds one above, too.
    let found = enclosing::find(&session.env, None).map(|(found, _)| database::open(&found, session));
    let used = found.unwrap_or_else(|_| cluster.clone());
    let external = External::find(used.project(), None, &session.env).ok().flatten();
    let is_led_there = external.as_ref().is_some_and(|external| external.is_of(&used));
    if let Some(external) = external.filter(|_| !is_led_there) {
        if let Some(fault) = external.fault() {
            let text = format!("ampd takes {external} for an address, and it is none: {fault}");
            findings.push(Finding::problem("database", text, external.removal()));
            return findings;
        }
        findings.push(Finding {
            level: Level::Note,
            ..Finding::warning(
                "database",
                format!("ampd uses another database than the project's: {external} names it"),
                external.removal(),
            )
        });
        return findings;
    }
    #[cfg(unix)]
    if let Some(finding) = owners::finding(used.project()) {
        findings.push(finding);
        return findings;
    }
    let (chosen, found) = match pinned::chosen_for(Some(used.clone()), &[], session) {
        Ok((chosen, cluster)) => {
            let cluster = cluster.unwrap_or_else(|| used.clone());
            let mut found = served(&cluster, session);
            found.extend(lacking(&cluster, &chosen, session));
            (Some(chosen), found)
        }
        Err(error @ (Error::Refused { .. } | Error::Cluster(_))) => {
            let error = database::with_remedy(error, session);
            (None, vec![refused("database", &error)])
        }
        // A pin that is not installed, or cannot be read, is told with the pins.
        Err(_) => (None, Vec::new()),
    };
    // Whoever cannot serve it at all is told what helps both.
    let is_served = chosen.is_some() && found.iter().all(|finding| finding.level < Level::Problem);
    let is_other = used.project() != cluster.project();
    findings.extend(found);
    // In `ampup run` ampd is led to the server that serves.
    if is_led_there && matches!(used.status(), Ok(status) if matches!(status.server, ServerState::Serves(_)))
    {
        return findings;
    }
    findings.extend(by_plain_ampd(&cluster, is_served || is_other, session));
    if !is_other {
        findings.extend(chosen.and_then(|chosen| unlike_the_pin(&cluster, &chosen, session)));
    }
    findings.extend(server(&cluster));
    findings
}

/// The registry in use has such a component: one of somebody's own need not have Amp's.
fn is_known(name: &ComponentName, session: &Session) -> bool {
    session
        .registry()
        .is_ok_and(|registry| registry.component(name).is_some())
}

/// The project pins such a component: that nothing of it is installed is told with the pins.
fn is_pinned(name: &ComponentName, session: &Session) -> bool {
    let pins = session.pins().ok().flatten();
    pins.is_some_and(|pins| pins.of(name).is_some())
}

/// Says that there is no ampd to run: a note, since PostgreSQL alone is a choice, too.
fn daemon(session: &Session) -> Option<Finding> {
    let name: ComponentName = "ampd".parse().expect("a valid name");
    if !is_known(&name, session) || next::has_ampd(session) || is_pinned(&name, session) {
        return None;
    }
    let inactive = session.inventory().ok().and_then(|inventory| {
        let (component, tree) = unused_with(name.as_str(), &inventory, session)?;
        let shown = session.shown(component, tree, &inventory).ok()?;
        Some((
            format!("{component} {shown}"),
            session.use_command(component, tree, &inventory).ok()?,
        ))
    });
    if let Some((version, use_it)) = inactive {
        return Some(Finding::problem(
            "ampd",
            format!("{version} is installed and not active: `ampup run ampd solo` does not find it"),
            use_it,
        ));
    }
    // With pins, `ampup install` takes those alone.
    let remedy = match session.pins() {
        Ok(Some(pins)) if !pins.pins.is_empty() => "`ampup install ampd` adds it",
        Ok(_) | Err(_) => "`ampup install` adds it",
    };
    let text = "not installed; PostgreSQL and the project's database work without it";
    Some(Finding::note("ampd", text, remedy))
}

/// Looks for what keeps `ampup run` from serving the database.
fn served(cluster: &Cluster, session: &Session) -> Vec<Finding> {
    let amp_dir = cluster.project().amp_dir();
    // Who may not serve it at all is told with the server.
    if cluster.run_as(None).is_ok() {
        match cluster.ensure_startable() {
            // What is closed is told with the file system.
            Ok(()) | Err(ClusterError::Project(ProjectError::Make { .. })) => {}
            Err(_) if amp_dir.is_dir() && !directories::is_open(amp_dir) => {}
            Err(error) => return vec![refused("project", &error.into())],
        }
    }
    match cluster.programs() {
        Ok(programs) => server::check(cluster, &programs, session),
        Err(error) => {
            let error = database::with_remedy(error.into(), session);
            vec![refused("database", &error)]
        }
    }
}

/// The security fixes that the PostgreSQL lacks which serves the database, or would. What is active or pinned is told with
/// that.
fn lacking(cluster: &Cluster, chosen: &[Chosen], session: &Session) -> Vec<Finding> {
    let Ok(status) = cluster.status() else {
        return Vec::new();
    };
    let version = serving::version(cluster, &status);
    let is_pinned = |chosen: &Chosen| {
        chosen.component == locate::postgres() && version.as_ref() == Some(chosen.tree.version())
    };
    if chosen.iter().any(is_pinned) {
        return Vec::new();
    }
    let concerns = serving::concerns(cluster, &status, chosen, session).unwrap_or_default();
    concerns
        .into_iter()
        .filter(|(concern, _)| concern.is_dangerous())
        .map(|(concern, remedy)| Finding {
            remedy,
            ..Finding::warning("security", concern.to_string(), "")
        })
        .collect()
}

/// A database that plain `ampd solo` would make here, and that the project's pin could not serve.
fn unlike_the_pin(cluster: &Cluster, chosen: &[Chosen], session: &Session) -> Option<Finding> {
    let is_new = matches!(
        cluster.contents(),
        Ok(Contents::Absent | Contents::Empty | Contents::Unfinished)
    );
    let (programs, by) = pinned::postgres(chosen, session).ok()?.filter(|_| is_new)?;
    let word = PlainWord::of(by, programs.major(), session)?;
    let text = format!("{word}: `ampup run` refuses the database that it would make");
    Some(Finding::warning("pins", text, word.remedy()))
}

/// Looks for what stops plain `ampd solo` alone.
fn by_plain_ampd(cluster: &Cluster, is_servable: bool, session: &Session) -> Vec<Finding> {
    let mut findings = Vec::new();
    let directory = cluster.project().cluster();
    if current_uid() == 0 {
        findings.push(Finding::warning(
            "user",
            "you are root, whom PostgreSQL refuses: plain `ampd solo` cannot start a database",
            "`ampup run ampd solo`, which runs the server as another user",
        ));
    }
    let active = Locator::new(session.layout.home()).postgres(None).ok();
    if let (Ok(Contents::Cluster { major }), Some(active)) = (cluster.contents(), active)
        && active.major() != major
        && is_servable
    {
        findings.push(Finding::warning(
            "database",
            format!(
                "`{directory}` is of PostgreSQL {major}, and {} is active: plain `ampd solo` cannot serve it",
                locate::shown(&active.component, &active.name)
            ),
            format!("`ampup run ampd solo`, or `ampup use postgres@{major}`"),
        ));
    }
    if cfg!(target_os = "linux") && !is_writable_directory(Utf8Path::new("/dev/shm")) {
        findings.push(Finding::warning(
            "host",
            "`/dev/shm` is missing or closed to you: the PostgreSQL of plain `ampd solo` does not start",
            "`ampup run ampd solo`, which does without, or mount a tmpfs there",
        ));
    }
    findings
}

/// The server that is there, or seems to be.
fn server(cluster: &Cluster) -> Vec<Finding> {
    let directory = cluster.project().cluster();
    let status = match cluster.status() {
        Ok(status) => status,
        Err(error) => return vec![refused("database", &Error::from(error))],
    };
    match status.server {
        ServerState::Serves(serving) => {
            let process = serving.pid.map(|pid| format!(" (process {pid})"));
            vec![Finding::warning(
                "database",
                format!(
                    "a server of `{directory}` runs{}: plain `ampd solo` would take it for a leftover and kill it",
                    process.unwrap_or_default()
                ),
                "`ampup run ampd solo`, which joins it, or `ampup db stop` before",
            )]
        }
        ServerState::Stopped => stale_pid_file(&directory).into_iter().collect(),
        ServerState::Busy { pid: Some(pid), .. } if is_suspended(pid) => {
            let cluster = directory;
            vec![refused(
                "database",
                &Error::from(ClusterError::Suspended { cluster, pid }),
            )]
        }
        ServerState::Busy { .. } | ServerState::OutOfReach { .. } => Vec::new(),
    }
}

/// A pid file that names a living process which is no server of this database: plain ampd kills that, unseen.
fn stale_pid_file(directory: &Utf8Path) -> Option<Finding> {
    let file = files::pid_file(directory).ok()?;
    let PidFile::Names(entry) = &file else { return None };
    if !files::exists(entry.pid) || !servers_of(directory).is_ok_and(|servers| servers.is_empty()) {
        return None;
    }
    let name = fs::read_to_string(format!("/proc/{}/comm", entry.pid)).unwrap_or_default();
    Some(Finding::warning(
        "database",
        format!(
            "`{}` is a leftover, and its process id {} is `{}` now, which plain `ampd solo` would kill",
            directory.join("postmaster.pid"),
            entry.pid,
            name.trim()
        ),
        "`ampup run ampd solo`, or `ampup db start` once, which replaces it",
    ))
}

/// Writes nothing: the system is asked whether this user could.
#[cfg(unix)]
fn is_writable_directory(path: &Utf8Path) -> bool {
    use rustix::fs::{Access, access};
    path.is_dir() && access(path.as_std_path(), Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable_directory(path: &Utf8Path) -> bool {
    path.is_dir()
}
