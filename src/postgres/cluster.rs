//! A project's cluster, whatever state it is in. Its state is read when it is asked for, and never remembered.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    access::{self, AccessError, Asking, RunAs},
    error::ClusterError,
    identity::{self, Process, postmaster},
    observe::decide::{Contents, Seen, SocketAnswer},
    observe::endpoint::{self, LOOPBACK, Password, Socket},
    observe::files,
    observe::pid_file::PidFile,
    observe::session::{self, Answer, NO_ENTRY, Session},
    project::{Project, give},
    projects::Projects,
    user::{User, current_uid},
};
use crate::{
    env::Env,
    fs::{
        atomic,
        node::{Node, is_same},
    },
    locate::{Located, Locator},
    store::receipt::Receipt,
};

/// How long a server may take for its next word. One that is stopped (SIGSTOP) never says it.
const ANSWER: Duration = Duration::from_secs(5);

/// A project's cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub(super) project: Project,
    pub(super) directory: Utf8PathBuf,
    pub(super) locator: Locator,
    pub(super) projects: Projects,
    /// Its project is one that people know.
    pub(super) is_known: bool,
    given: Option<Located>,
    /// What its superuser is called, where that was said.
    pub(super) named_superuser: Option<String>,
    pub(super) reach: Reach,
    /// Where the superuser's password is written down, if the cluster is reached with one.
    password: Utf8PathBuf,
    runtime: Option<Utf8PathBuf>,
    sudo_caller: Option<u32>,
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Through a socket in a directory of the user's.
    Socket,
    /// Through a port that every user of the machine can connect to, and so with a password.
    Loopback,
}

/// What was seen of a cluster's server, and the session that was opened to see it.
#[derive(Debug)]
pub(crate) struct Look {
    pub(super) seen: Seen,
    pub(super) socket: Socket,
    pub(super) role: String,
    pub(super) session: Result<Session, (String, String)>,
}

impl Cluster {
    /// The cluster of a project, served by what is installed in the locator's home. Nothing is looked at or made yet.
    pub fn open(project: Project, locator: Locator, env: &Env) -> Self {
        Self {
            directory: project.cluster(),
            password: project.password(),
            project,
            projects: Projects::new(locator.layout(), env),
            reach: if cfg!(windows) {
                Reach::Loopback
            } else {
                Reach::Socket
            },
            locator,
            is_known: true,
            given: None,
            named_superuser: None,
            runtime: env
                .var("XDG_RUNTIME_DIR")
                .map(Utf8PathBuf::from)
                .filter(|directory| directory.is_absolute()),
            sudo_caller: env.var("SUDO_UID").and_then(|uid| uid.parse().ok()),
        }
    }

    /// The same, served by these programs and no others.
    #[must_use]
    pub fn with_programs(self, programs: Located) -> Self {
        Self {
            given: Some(programs),
            ..self
        }
    }

    /// The same, with a superuser of this name, also when it is made now.
    #[must_use]
    pub fn with_superuser(self, name: String) -> Self {
        Self {
            named_superuser: Some(name),
            ..self
        }
    }

    /// The same, reached as on Windows, which has no Unix sockets for PostgreSQL to count on: through a port of the
    /// loopback interface that is free when the server starts, with a password that lies beside the cluster. A cluster
    /// that was made the one way is not served the other.
    #[must_use]
    pub fn on_loopback(self) -> Self {
        Self {
            reach: Reach::Loopback,
            ..self
        }
    }

    /// The cluster of another Amp directory, which is ours alone. It gets this one's password, because it may come to its
    /// place.
    pub(super) fn of_project(&self, project: Project) -> Self {
        Self {
            directory: project.cluster(),
            project,
            is_known: false,
            given: None,
            ..self.clone()
        }
    }

    /// What is installed.
    pub fn locator(&self) -> &Locator {
        &self.locator
    }

    /// Its project.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// What its directory is.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn contents(&self) -> Result<Contents, ClusterError> {
        files::look(&self.directory).map_err(self.failed("look at"))
    }

    /// The programs that serve it: those of its own major, which is read before any of them runs, because what they say
    /// of another major's data misleads ("control file appears to be corrupt"). A cluster that is still to be made gets
    /// the active version.
    ///
    /// # Errors
    /// When they are not installed, or the given ones are of another major.
    pub fn programs(&self) -> Result<Located, ClusterError> {
        let major = match self.contents()? {
            Contents::Absent | Contents::Empty | Contents::Unfinished => None,
            Contents::Cluster { major } => Some(major),
            Contents::Damaged { lacks } => {
                let cluster = self.directory.clone();
                return Err(ClusterError::Damaged { cluster, lacks });
            }
            Contents::Foreign { entry } => {
                let cluster = self.directory.clone();
                return Err(ClusterError::Foreign { cluster, entry });
            }
        };
        match (&self.given, major) {
            (Some(given), Some(data)) if given.major() != data => Err(ClusterError::MajorDiffers {
                cluster: self.directory.clone(),
                data,
                programs: given.major(),
            }),
            (Some(given), _) => Ok(given.clone()),
            (None, major) => Ok(self.locator.postgres(major)?),
        }
    }

    /// Whom its server runs as (`None`: ourselves), after everything that forbids it was looked for.
    ///
    /// # Errors
    /// When this user may not serve this cluster.
    pub fn run_as(&self, requested: Option<&User>) -> Result<Option<User>, ClusterError> {
        let exists = match files::is_link(&self.directory).map_err(self.failed("look at"))? {
            Some(Ok(())) => true,
            Some(Err(link)) => return Err(link.into()),
            None => false,
        };
        let is_cluster = exists && !matches!(self.contents()?, Contents::Empty);
        let owner = |path| files::owner(path).map_err(self.failed("look at"));
        let asking = Asking {
            us: current_uid(),
            sudo_caller: self.sudo_caller,
            requested: requested.map(|user| user.uid),
            project: (
                self.project.amp_dir(),
                files::project_owner(self.project.amp_dir()).map_err(self.failed("look at"))?,
            ),
            cluster: if is_cluster {
                Some((&self.directory, owner(&self.directory)?))
            } else {
                None
            },
        };
        let user = access::run_as(&asking)?;
        if is_cluster {
            files::is_private(&self.directory).map_err(self.failed("look at"))??;
        }
        let user = match (user, requested) {
            (RunAs::Uid(uid), Some(requested)) if requested.uid == uid => Some(requested.clone()),
            (user, _) => user.user()?,
        };
        if let Some(user) = &user {
            self.is_open_to(user, self.project.amp_dir())?;
        }
        Ok(user)
    }

    /// That this user can come as far as this path.
    pub(super) fn is_open_to(&self, user: &User, path: &Utf8Path) -> Result<(), AccessError> {
        let way = files::way_to(path);
        let Some(closed) = access::first_closed(user, &way) else {
            return Ok(());
        };
        let name = self.project.amp_dir().parent().and_then(Utf8Path::file_name);
        let instead = Utf8Path::new("/var/lib/amp").join(name.unwrap_or("project"));
        let is_open = access::first_closed(user, &files::way_to(&instead)).is_none();
        Err(AccessError::Closed {
            user: user.name.clone(),
            closed: closed.path.clone(),
            path: path.to_owned(),
            instead: is_open.then_some(instead),
        })
    }

    /// The template that an installation left for this user's clusters.
    pub(super) fn template(&self, programs: &Located, owner: &str) -> Option<Utf8PathBuf> {
        let receipt = Receipt::read(&programs.tree, &programs.component, programs.name.version()).ok()?;
        Some(self.locator.layout().template(&receipt.digest, owner))
    }

    /// Where the socket of a server that runs as this user goes: into the cluster, or into a short directory where its
    /// path does not do. It is made.
    pub(super) fn make_socket(&self, run_as: Option<&User>) -> Result<Socket, ClusterError> {
        if self.reach == Reach::Loopback {
            let password = self.password().ok_or_else(|| ClusterError::NoPassword {
                cluster: self.directory.clone(),
                file: self.password.clone(),
            })?;
            let port = free_port(self.last_port()?).map_err(self.failed("find a port for the server of"))?;
            return Ok(Socket::on_loopback(port, password));
        }
        let socket = self.socket_of(run_as.map_or_else(current_uid, |user| user.uid));
        #[cfg(unix)]
        if socket.host != self.directory {
            let owner = run_as.map(|user| (user.uid, user.gid));
            let above = socket.host.parent().expect("made below a runtime directory");
            for directory in [above, &socket.host] {
                endpoint::make_private(directory, owner).map_err(|source| ClusterError::Io {
                    action: "use the runtime directory",
                    path: directory.to_owned(),
                    source,
                })?;
            }
        }
        Ok(socket)
    }

    fn socket_of(&self, uid: u32) -> Socket {
        if endpoint::fits(&self.directory) {
            return Socket::new(self.directory.clone());
        }
        // What `su` or a container hands on may be another user's, or nowhere.
        let is_ours = |runtime: &&Utf8PathBuf| {
            uid == current_uid() && files::owner(runtime).is_ok_and(|owner| owner == uid)
        };
        let ours = self.runtime.as_ref().filter(is_ours);
        let short = ours
            .map(|runtime| endpoint::elsewhere(&runtime.join("ampup"), &self.directory))
            .filter(|directory| endpoint::fits(directory));
        // Not TMPDIR: macOS's is long, and every ampup of this user must find the same.
        let everyones = Utf8PathBuf::from(format!("/tmp/ampup-{uid}"));
        Socket::new(short.unwrap_or_else(|| endpoint::elsewhere(&everyones, &self.directory)))
    }

    /// The password that is written down for the superuser; one is made where there is none. Only for a cluster that is
    /// about to be made: no other one would know it.
    pub(super) fn make_password(&self, run_as: Option<&User>) -> Result<Password, ClusterError> {
        if let Some(password) = self.password() {
            return Ok(password);
        }
        let failed = self.failed("make a password for");
        let password = Password::random().map_err(&failed)?;
        let text = format!("{}\n", password.reveal());
        atomic::write_private(&self.password, text.as_bytes()).map_err(&failed)?;
        give(&self.password, run_as).map_err(&failed)?;
        Ok(password)
    }

    fn password(&self) -> Option<Password> {
        Password::parse(&files::text(&self.password).ok()??)
    }

    /// The file that holds it, for initdb.
    pub(super) fn password_file(&self) -> Option<&Utf8Path> {
        (self.reach == Reach::Loopback).then_some(&self.password)
    }

    /// The port that the last server had: addresses that people wrote down stay true where that is possible.
    fn last_port(&self) -> Result<Option<u16>, ClusterError> {
        let options = files::last_options(&self.directory).map_err(self.failed("read the options of"))?;
        let words = options.split(['"', ' ', '\n']);
        Ok(words
            .filter_map(|word| word.strip_prefix("port=")?.parse().ok())
            .next_back())
    }

    /// Looks at the server: its processes, its socket, its pid file.
    pub(super) fn look(&self, lock_is_ours: bool) -> Result<Look, ClusterError> {
        // The process list comes first: a server that ends while we look is then still seen, and waited for.
        let processes = identity::servers_of(&self.directory);
        let pid_file = files::pid_file(&self.directory).map_err(self.failed("read the pid file of"))?;
        let owner = files::owner(&self.directory).unwrap_or_else(|_| current_uid());
        let sockets = self.sockets(&pid_file, owner);
        let (mut answer, mut found) = (SocketAnswer::Nobody, None);
        for candidate in &sockets {
            if let Some((what, look)) = self.ask(candidate, owner, &processes)? {
                (answer, found) = (what, Some((candidate.clone(), look)));
                break;
            }
        }
        let ours = match (self.reach, self.password()) {
            (Reach::Loopback, Some(password)) => {
                Socket::on_loopback(self.last_port()?.unwrap_or_default(), password)
            }
            _ => self.socket_of(owner),
        };
        let locks = files::lock_files(&self.directory, &ours);
        let named_process_exists = locks
            .iter()
            .filter_map(|path| files::lock_file(path).ok()?.entry().map(|entry| entry.pid))
            .any(files::exists);
        let (socket, (role, session)) = found.unwrap_or((
            ours,
            (String::new(), Err((String::new(), "nobody listens".to_owned()))),
        ));
        Ok(Look {
            seen: Seen {
                lock_is_ours,
                processes,
                answer,
                pid_file,
                named_process_exists,
            },
            socket,
            role,
            session,
        })
    }

    /// Where a server of this cluster may listen: where its pid file says, else where we would put it.
    fn sockets(&self, pid_file: &PidFile, owner: u32) -> Vec<Socket> {
        if self.reach == Reach::Loopback {
            let entry = pid_file
                .entry()
                .filter(|entry| entry.address.as_deref() == Some(LOOPBACK));
            let port = entry.and_then(|entry| entry.port);
            return port
                .zip(self.password())
                .map(|(port, password)| Socket::on_loopback(port, password))
                .into_iter()
                .collect();
        }
        let mut sockets = Vec::new();
        if let Some(entry) = pid_file.entry()
            && let Some(directory) = &entry.socket_directory
        {
            let mut socket = Socket::new(directory.clone());
            socket.port = entry.port.unwrap_or(socket.port);
            sockets.push(socket);
        }
        for socket in [Socket::new(self.directory.clone()), self.socket_of(owner)] {
            if !sockets.contains(&socket) {
                sockets.push(socket);
            }
        }
        sockets
    }

    /// Asks one socket. `None` where nobody is, or somebody else.
    #[expect(clippy::type_complexity, reason = "the halves of a Look")]
    fn ask(
        &self,
        socket: &Socket,
        owner: u32,
        processes: &[Process],
    ) -> Result<Option<(SocketAnswer, (String, Result<Session, (String, String)>))>, ClusterError> {
        let is_inside = is_same(&socket.host, &self.directory);
        let is_seen = postmaster(processes).is_some();
        let mut refused = None;
        for role in self.roles(owner) {
            match session::connect(socket, &role, ANSWER) {
                Answer::Nobody => return Ok(None),
                Answer::NotYet(message) => {
                    let counts = is_inside || is_seen;
                    let session = Err((String::new(), message));
                    return Ok(counts.then_some((SocketAnswer::NotYet, (role, session))));
                }
                Answer::Ready(mut session) => {
                    return Ok(match self.serves_this(&mut session, is_inside, is_seen) {
                        Some(true) => Some((SocketAnswer::Serves, (role, Ok(session)))),
                        Some(false) => None,
                        None => {
                            return Err(ClusterError::OtherCluster {
                                socket: socket.to_string(),
                                cluster: self.directory.clone(),
                            });
                        }
                    });
                }
                // Whoever is not let in is tried under another name; the first refusal is the one to tell, before any but
                // one that is not about names.
                Answer::Refused { code, message } => {
                    let is_about_names = code == NO_ENTRY;
                    if refused.is_none() || !is_about_names {
                        refused = Some((role, (code, message)));
                    }
                    if !is_about_names {
                        break;
                    }
                }
            }
        }
        let counts = is_inside || is_seen;
        Ok(refused
            .filter(|_| counts)
            .map(|(role, refusal)| (SocketAnswer::Serves, (role, Err(refusal)))))
    }

    /// Whether the server behind a session serves this directory. A project that was copied while its server ran holds a
    /// pid file that leads to the original's socket. `None`: a server of another directory listens in ours.
    fn serves_this(&self, session: &mut Session, is_inside: bool, is_seen: bool) -> Option<bool> {
        let directory = session.value("select current_setting('data_directory')").ok();
        // From within another container its path may mean nothing here.
        let there = directory.and_then(|directory| Node::of(directory.as_str().into()).ok());
        let here = Node::of(&self.directory).ok();
        match (here, there) {
            (Some(here), Some(there)) if here.id == there.id => Some(true),
            (_, None) => Some(is_inside || is_seen),
            _ if is_inside => None,
            _ => Some(false),
        }
    }

    /// What a failed look at the cluster means: another's is closed to us, which is to be said so.
    pub(super) fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> ClusterError {
        let path = self.directory.clone();
        move |source| {
            let us = current_uid();
            match files::owner(&path) {
                Ok(owner) if owner != us && source.kind() == io::ErrorKind::PermissionDenied => {
                    let cluster = path.clone();
                    AccessError::OfAnother { cluster, owner, us }.into()
                }
                _ => ClusterError::Io {
                    action,
                    path: path.clone(),
                    source,
                },
            }
        }
    }
}

/// A port that nobody listens on: this one, if it can be. Somebody may take it before the server does, which then says so.
fn free_port(wanted: Option<u16>) -> io::Result<u16> {
    let wanted = wanted.and_then(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    let listener = match wanted {
        Some(listener) => listener,
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
    };
    Ok(listener.local_addr()?.port())
}
