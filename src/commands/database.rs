//! The project that a command is about, and its database started with a word to the user. Not a verb itself.

use std::{sync::mpsc, thread, time::Duration};

use camino::Utf8PathBuf;
use semver::Version;

use super::{Error, Session, advice::mended, pinned, requests, unbuilt};
use crate::{
    backup::BackupError,
    domain::component::Acceptance,
    dump::DumpError,
    event::{Event, Reporter},
    fs::{identity::is_same, link},
    hindrance::{self, Hindrance},
    locate::{self, LocateError, Located, Locator},
    postgres::{
        Cluster, ClusterError, Contents, Project, Released, Server, ServerOrigin, StartOptions,
        enclosing::{self, Surprise},
        observe::{files, purpose::StartedBy},
        program::ProgramError,
        projects::Projects,
        user::OsUser,
    },
};

/// A start that takes longer is worth a line before it is done.
const A_WHILE: Duration = Duration::from_secs(3);

/// Which project.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Selected {
    /// The project's Amp directory [default: .amp] [env: AMP_DIR]
    #[arg(long, value_name = "DIR", value_parser = requests::path(), value_hint = clap::ValueHint::DirPath)]
    pub amp_dir: Option<Utf8PathBuf>,
}

impl Selected {
    /// The project, with a word about how it was found where that is worth one.
    ///
    /// # Errors
    /// When there is no working directory, or it is an older ampup's home.
    pub(super) fn find(&self, session: &Session) -> Result<Project, Error> {
        let found = enclosing::find(&session.env, self.amp_dir.as_deref());
        let (project, surprise) = found.map_err(ClusterError::from)?;
        let directory = project.directory();
        match surprise {
            None => {}
            Some(Surprise::Above) => {
                session.note(format!(
                    "using the project in `{directory}`, above this directory"
                ));
            }
            Some(Surprise::Variable) => {
                session.note(format!(
                    "using the project in `{directory}`, which `AMP_DIR` names; `unset AMP_DIR` to use the one here"
                ));
            }
        }
        Ok(project)
    }

    /// Its cluster, to be served by what the project pins.
    ///
    /// # Errors
    /// As `find`, and when what is pinned is not installed or cannot serve it.
    pub(super) fn served(&self, session: &Session) -> Result<Cluster, Error> {
        let cluster = self.cluster(session)?;
        let (_, cluster) = pinned::chosen_for(Some(cluster), &[], session)?;
        Ok(cluster.expect("one was given"))
    }

    /// Ensures that the database is meant, where the command would make one.
    ///
    /// # Errors
    /// When it would be in the user's home directory, which nobody named, and is not meant.
    pub(super) fn ensure_meant(&self, cluster: &Cluster, session: &Session) -> Result<(), Error> {
        if self.amp_dir.is_some() || session.env.path("AMP_DIR")?.is_some() {
            return Ok(());
        }
        ensure_meant_in_home_directory(cluster, session)
    }

    /// Its cluster, as it is.
    ///
    /// # Errors
    /// As `find`, and where one would be made in ampup's home.
    pub(super) fn cluster(&self, session: &Session) -> Result<Cluster, Error> {
        let cluster = open(&self.find(session)?, session);
        ensure_outside_of_home(&cluster, session)?;
        Ok(cluster)
    }
}

/// Ensures that a database that would be made in the user's home directory itself, where a terminal begins and nobody keeps a
/// project, is meant there. Where nobody is there to answer, it is said.
fn ensure_meant_in_home_directory(cluster: &Cluster, session: &Session) -> Result<(), Error> {
    let project = cluster.project();
    let home = session.env.user_home();
    let is_home = home.is_some_and(|home| is_same(home, project.directory()));
    let is_new = matches!(
        cluster.contents()?,
        Contents::Absent | Contents::Empty | Contents::Unfinished
    );
    // Who pins versions there means a project.
    if !is_home || !is_new || session.pins()?.is_some() {
        return Ok(());
    }
    let place = project.cluster();
    let question =
        format!("This is your home directory, not a project's. Create a database in it, `{place}`?");
    match session.ask(&question, false) {
        Some(true) => Ok(()),
        Some(false) => Err(Error::Refused {
            message: "no database was created in your home directory".to_owned(),
            hint: "`cd` into a project's directory".to_owned(),
        }),
        None => {
            session.warn(format!(
                "creating a database in your home directory itself, `{place}`; `cd` into a project's directory first, if you meant one"
            ));
            Ok(())
        }
    }
}

/// Ensures that no database is made inside ampup's home, which is removed as a whole.
///
/// # Errors
/// When it would be.
pub(super) fn ensure_outside_of_home(cluster: &Cluster, session: &Session) -> Result<(), Error> {
    let home = session.layout.home();
    let home = link::real(home).unwrap_or_else(|_| home.to_owned());
    if !cluster.project().amp_dir().starts_with(&home)
        || !matches!(cluster.contents()?, Contents::Absent | Contents::Empty)
    {
        return Ok(());
    }
    Err(Error::Refused {
        message: format!("no project can be in ampup's home, `{}`", session.layout.home()),
        hint: "`cd` into a project's directory".to_owned(),
    })
}

/// The cluster of a project, served by what is installed in this home.
pub(super) fn open(project: &Project, session: &Session) -> Cluster {
    Cluster::open(project.clone(), Locator::new(session.layout.home()), &session.env)
        .interrupted_by(&session.options.interrupt)
}

/// The projects that are known, with a warning for each record of them that cannot be read.
pub(super) fn projects(session: &Session) -> Projects {
    let projects = Projects::new(&session.layout, &session.env);
    for unread in projects.unread().iter().filter(|unread| !unread.is_closed) {
        session.warn(format!("{unread}; the projects that it names are not known"));
        session.note(mended(unread));
    }
    projects
}

/// The user of this name.
///
/// # Errors
/// When there is none.
pub(super) fn user(name: Option<&str>) -> Result<Option<OsUser>, Error> {
    let user = name.map(OsUser::by_name).transpose();
    Ok(user.map_err(ClusterError::from)?)
}

/// Starts the database, or finds it running, and says what came of it. A start that takes longer than three seconds is
/// announced.
///
/// # Errors
/// As `Cluster::start`.
pub(super) fn start(
    cluster: &Cluster,
    start: &StartOptions,
    reporter: &dyn Reporter,
) -> Result<Server, ClusterError> {
    let (done, is_done) = mpsc::channel::<()>();
    let server = thread::scope(|scope| {
        let announce = move || {
            if is_done.recv_timeout(A_WHILE) == Err(mpsc::RecvTimeoutError::Timeout) {
                reporter.report(Event::Note("starting the project's database…".to_owned()));
            }
        };
        // Where no thread can be had, it is not announced.
        let _ = thread::Builder::new().spawn_scoped(scope, announce);
        let server = cluster.start(start, reporter);
        drop(done);
        server
    })?;
    for event in events_of(cluster, start, &server) {
        reporter.report(event);
    }
    Ok(server)
}

/// The events worth a line about a server that serves now.
fn events_of(cluster: &Cluster, start: &StartOptions, server: &Server) -> Vec<Event> {
    let evidence = server.evidence();
    let place = &evidence.data_directory;
    let version = &evidence.version;
    let runs_as = match cluster.run_as(start.run_as.as_ref()) {
        Ok(Some(user)) if evidence.origin == ServerOrigin::Started => {
            format!(", running as `{}`", user.name)
        }
        Ok(_) | Err(_) => String::new(),
    };
    let line = match (evidence.made, evidence.origin) {
        (Some(_), _) => format!("created the database `{place}` (PostgreSQL {version}{runs_as})"),
        (None, ServerOrigin::Started) => {
            format!("started the database `{place}` (PostgreSQL {version}{runs_as})")
        }
        (None, ServerOrigin::Found) => {
            let next = other_next(cluster, version);
            let next = next.map(|next| format!("; {next} after `ampup db stop`"));
            format!(
                "using the running database `{place}` (PostgreSQL {version}{})",
                next.unwrap_or_default()
            )
        }
    };
    let mut events = vec![Event::Note(line)];
    if evidence.made.is_some() && start.run_as.is_none() {
        events.extend(in_place_of_nameless_owner(cluster));
    }
    if !evidence.is_durable {
        let why = if start.ephemeral && evidence.made.is_some() {
            "as asked"
        } else {
            "fsync, full_page_writes or synchronous_commit is off"
        };
        events.push(Event::Warning(format!(
            "a crash of this machine may cost this database its data: {why}"
        )));
    }
    events
}

/// The PostgreSQL that serves a cluster from its next start on, if it is a release and not somebody's own build.
pub(super) fn of_release(cluster: &Cluster) -> Option<Located> {
    let programs = cluster.programs().ok()?;
    (programs.component == locate::postgres() && programs.name.version().pre.is_empty()).then_some(programs)
}

/// The release that a server names as its version.
pub(super) fn release(version: &str) -> Option<Version> {
    let number = version.split(' ').next().unwrap_or_default();
    Version::parse(&format!("{number}.0")).ok()
}

/// The version that a cluster's next start takes, if its server is a release of another version.
fn other_next(cluster: &Cluster, version: &str) -> Option<String> {
    let running = release(version)?;
    let next = of_release(cluster)?;
    (*next.name.version() != running).then(|| locate::shown(&next.component, &next.name))
}

/// Whose a new database is where the project's owner, who would have it, has no name on this system.
fn in_place_of_nameless_owner(cluster: &Cluster) -> Option<Event> {
    let user = cluster.run_as(None).ok()??;
    let project = cluster.project();
    let owner = files::project_owner(project.amp_dir()).ok()?;
    (owner != 0 && owner != user.uid).then(|| {
        Event::Note(format!(
            "user {owner}, who owns `{}`, has no name on this system: the database belongs to `{}`",
            project.directory(),
            user.name
        ))
    })
}

/// The next command to type for an error of a cluster, with what the registry knows.
pub(super) fn hint(error: &ClusterError, session: &Session) -> Option<String> {
    let unbuilt = missing_major(error).and_then(|major| unbuilt::hint(major, session));
    unbuilt.or_else(|| error.hint())
}

/// The same error, with what helps where the registry has no build of the PostgreSQL that is missing; or the hindrance of this
/// host that it comes from, as `install` and `doctor` name it.
pub(super) fn with_remedy(error: Error, session: &Session) -> Error {
    if let Some(hindrance) = hindrance_behind(&error, session) {
        return hindrance.into();
    }
    let remedy = match &error {
        Error::Cluster(error)
        | Error::Dump(DumpError::Cluster(error))
        | Error::Backup(BackupError::Cluster(error)) => {
            missing_major(error).and_then(|major| unbuilt::hint(major, session))
        }
        Error::Dump(DumpError::Downgrade {
            from,
            is_served: false,
            ..
        }) => unbuilt::hint(*from, session),
        Error::Backup(BackupError::OtherMajor { source, .. }) => {
            not_installed(source).and_then(|major| unbuilt::hint_to_restore(major, session))
        }
        _ => None,
    };
    match remedy {
        Some(hint) => Error::NotFound {
            message: error.to_string(),
            hint,
        },
        None => error,
    }
}

/// The hindrance of this host where one of PostgreSQL's programs cannot be run, or no process be seen.
fn hindrance_behind(error: &Error, session: &Session) -> Option<Hindrance> {
    let (Error::Cluster(error)
    | Error::Dump(DumpError::Cluster(error))
    | Error::Backup(BackupError::Cluster(error))) = error
    else {
        return None;
    };
    let seen = |place| hindrance::seen(place, Acceptance::Postgres).into_iter();
    match error {
        ClusterError::Program(
            ProgramError::Spawn { program, .. } | ProgramError::DoesNotLoad { program, .. },
        ) => seen(program.parent()?).next(),
        // Processes are listed there.
        ClusterError::Io { .. } => {
            seen(session.layout.home()).find(|found| matches!(found, Hindrance::NoProc))
        }
        _ => None,
    }
}

/// The major of PostgreSQL that would have to be installed.
fn missing_major(error: &ClusterError) -> Option<u64> {
    match error {
        ClusterError::Locate(missing) => not_installed(missing),
        ClusterError::MajorDiffers { data, .. } => Some(*data),
        _ => None,
    }
}

fn not_installed(missing: &LocateError) -> Option<u64> {
    match missing {
        LocateError::NotInstalled { component, major, .. } if *component == locate::postgres() => *major,
        _ => None,
    }
}

/// Says in a line what became of the database, where that is not as it was found or as it is always.
pub(super) fn farewell(left: Released, origin: ServerOrigin, cluster: &Cluster) -> Option<String> {
    let place = cluster.project().cluster();
    if let (Released::InUse | Released::Stays, Ok(Some(StartedBy::Living(starter)))) =
        (left, cluster.started_by())
    {
        return Some(format!(
            "the database `{place}` keeps running until {starter}, which started it, ends"
        ));
    }
    match (left, origin) {
        (Released::Stopped, _) | (Released::InUse | Released::Stays, ServerOrigin::Found) => None,
        (Released::InUse, ServerOrigin::Started) => Some(format!(
            "the database `{place}` keeps running: others are using it"
        )),
        (Released::Stays, ServerOrigin::Started) => Some(format!(
            "the database `{place}` keeps running: `ampup db stop` stops it"
        )),
        (Released::WasGone, _) => Some(format!("the database `{place}` was stopped meanwhile")),
    }
}
