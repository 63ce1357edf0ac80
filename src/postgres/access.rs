//! Who may do what: whom the server runs as, and whether it can reach its cluster. Refusals come before anything is made.

use camino::{Utf8Path, Utf8PathBuf};

use super::user::{OsUser, UserError};
use crate::fs::mounts::{self, Lack};

/// The reason a cluster is left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Only root can become somebody else.
    #[error("only root can run the server as another user")]
    NotRoot,
    /// Root was asked to run the server as root.
    #[error("PostgreSQL does not run as root")]
    AsRoot,
    /// The cluster is another's.
    #[error("`{cluster}` belongs to user {owner}, and this is user {us}")]
    OfAnother {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// Its owner.
        owner: u32,
        /// We.
        us: u32,
    },
    /// A volume in the cluster's place that is another's, and that only its owner can close.
    #[error("the volume `{volume}` belongs to user {owner}, and PostgreSQL wants one of user {us}'s own")]
    Volume {
        /// Where it is mounted.
        volume: Utf8PathBuf,
        /// Its owner.
        owner: u32,
        /// We.
        us: u32,
    },
    /// The server would run as one user on a cluster of another.
    #[error("`{cluster}` belongs to user {owner}, so the server cannot run as user {asked}")]
    OwnerDiffers {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// Its owner.
        owner: u32,
        /// Who was asked for.
        asked: u32,
    },
    /// The cluster is root's.
    #[error("`{cluster}` belongs to root, and PostgreSQL does not run as root")]
    OfRoot {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// Who was asked for, or whose project it is.
        wanted: Option<u32>,
    },
    /// Root's files would end up in somebody's project, or somebody's database be run by another.
    #[error("`{project}` belongs to user {owner}, and sudo was called by user {caller}")]
    SudoForAnother {
        /// The project.
        project: Utf8PathBuf,
        /// Its owner.
        owner: u32,
        /// Who called sudo.
        caller: u32,
    },
    /// Others can look into it.
    #[error("`{cluster}` has the permissions {mode:04o}; PostgreSQL wants 0700")]
    OpenToOthers {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file system cannot hold a cluster.
    #[error("the file system of `{path}`{} keeps no {lack}, which a cluster needs", in_brackets(.kind))]
    FileSystem {
        /// Where it would lie.
        path: Utf8PathBuf,
        /// Its kind, where the system says so.
        kind: Option<String>,
        /// The thing that it does not keep.
        lack: Lack,
    },
    /// It is somewhere else.
    #[error("`{path}` is a link to `{target}`; a cluster must be where its project is")]
    Link {
        /// The link.
        path: Utf8PathBuf,
        /// Where it points.
        target: String,
    },
    /// A directory above is closed.
    #[error("user `{user}` cannot enter `{closed}`, which is on the way to `{path}`")]
    Closed {
        /// Whom the server would run as.
        user: String,
        /// The directory that forbids it.
        closed: Utf8PathBuf,
        /// The path that it must reach.
        path: Utf8PathBuf,
        /// A directory that it could use instead.
        instead: Option<Utf8PathBuf>,
    },
}

impl AccessError {
    /// The error of a cluster at this path, whose file system does not keep this.
    pub(crate) fn of_file_system(path: &Utf8Path, lack: Lack) -> Self {
        Self::FileSystem {
            path: path.to_owned(),
            kind: mounts::kind_of(path),
            lack,
        }
    }
}

fn in_brackets(kind: &Option<String>) -> String {
    kind.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default()
}

/// The name of a project, as far as it can be typed.
#[cfg(feature = "cli")]
pub(crate) fn project_name(path: &Utf8Path) -> &str {
    let is_plain = |name: &&str| {
        name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    };
    path.components()
        .rev()
        .map(|part| part.as_str())
        .find(|name| is_plain(name) && !["metadb", "amp"].contains(name))
        .unwrap_or("project")
}

/// Who asks, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Who we are.
    pub us: u32,
    /// Who called sudo, if that is how we came to be root.
    pub sudo_caller: Option<u32>,
    /// Whom the server was asked to run as.
    pub requested: Option<u32>,
    /// The project, and who owns it.
    pub project: (&'a Utf8Path, u32),
    /// The cluster, and who owns it, where there is one.
    pub cluster: Option<(&'a Utf8Path, u32)>,
}

/// Whom the server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// We do it ourselves.
    Ourselves,
    /// This user.
    Uid(u32),
    /// The owner of a project that has no cluster yet; where it has no name here, an ordinary user of the system's.
    ProjectOwner(u32),
    /// An ordinary user of the system's, whichever there is.
    Unprivileged,
}

impl RunAs {
    /// The user; `None` for ourselves.
    ///
    /// # Errors
    /// When there is no such user, also when we have no passwd entry ourselves: PostgreSQL needs one.
    pub fn user(self) -> Result<Option<OsUser>, UserError> {
        match self {
            Self::Ourselves => OsUser::current().map(|_| None),
            Self::Uid(uid) => OsUser::by_uid(uid).map(Some),
            // The files of a host, in a container that does not know its users.
            Self::ProjectOwner(uid) => match OsUser::by_uid(uid) {
                Err(UserError::NoEntry(_)) => OsUser::unprivileged().map(Some),
                answer => answer.map(Some),
            },
            Self::Unprivileged => OsUser::unprivileged().map(Some),
        }
    }
}

/// Decides whom the server runs as. A cluster's owner is the only one who can, and PostgreSQL refuses root.
///
/// # Errors
/// When nobody may.
pub fn run_as(asking: &Asking<'_>) -> Result<RunAs, AccessError> {
    let Asking {
        us,
        requested,
        project: (project, project_owner),
        ..
    } = *asking;
    if us != 0 {
        return match (requested, asking.cluster) {
            (Some(other), _) if other != us => Err(AccessError::NotRoot),
            (_, Some((cluster, owner))) if owner != us => Err(AccessError::OfAnother {
                cluster: cluster.to_owned(),
                owner,
                us,
            }),
            _ => Ok(RunAs::Ourselves),
        };
    }
    if let Some(caller) = asking.sudo_caller
        && project_owner != 0
        && caller != project_owner
    {
        return Err(AccessError::SudoForAnother {
            project: project.to_owned(),
            owner: project_owner,
            caller,
        });
    }
    match (requested, asking.cluster) {
        (Some(0), _) => Err(AccessError::AsRoot),
        (asked, Some((cluster, 0))) => Err(AccessError::OfRoot {
            cluster: cluster.to_owned(),
            wanted: asked.or(Some(project_owner).filter(|owner| *owner != 0)),
        }),
        (Some(asked), Some((cluster, owner))) if asked != owner => Err(AccessError::OwnerDiffers {
            cluster: cluster.to_owned(),
            owner,
            asked,
        }),
        (_, Some((_, owner))) => Ok(RunAs::Uid(owner)),
        (Some(asked), None) => Ok(RunAs::Uid(asked)),
        (None, None) if project_owner != 0 => Ok(RunAs::ProjectOwner(project_owner)),
        (None, None) => Ok(RunAs::Unprivileged),
    }
}

/// A directory, as far as entering it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its path.
    pub path: Utf8PathBuf,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions.
    pub mode: u32,
}

impl Gate {
    fn lets(&self, user: &OsUser) -> bool {
        let class = if self.uid == user.uid {
            6
        } else if self.gid == user.gid {
            3
        } else {
            0
        };
        user.uid == 0 || (self.mode >> class) & 1 == 1
    }
}

/// The first of these directories that `user` cannot enter. (Only its own group counts: a server that root starts has no
/// others.)
pub fn first_closed<'a>(user: &OsUser, way: &'a [Gate]) -> Option<&'a Gate> {
    way.iter().find(|gate| !gate.lets(user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    const PROJECT: &str = "/p";

    fn asking(us: u32, project_owner: u32) -> Asking<'static> {
        Asking {
            us,
            sudo_caller: None,
            requested: None,
            project: (PROJECT.as_ref(), project_owner),
            cluster: None,
        }
    }

    #[test]
    fn an_ordinary_user_serves_what_is_its_own() {
        let cluster = |owner| Some((Utf8Path::new("/p/.amp/metadb"), owner));
        assert_eq!(run_as(&asking(7, 7)), Ok(RunAs::Ourselves));
        assert_eq!(
            run_as(&Asking {
                requested: Some(7),
                ..asking(7, 7)
            }),
            Ok(RunAs::Ourselves)
        );
        assert_eq!(
            run_as(&Asking {
                requested: Some(8),
                ..asking(7, 7)
            }),
            Err(AccessError::NotRoot)
        );
        assert!(matches!(
            run_as(&Asking {
                cluster: cluster(8),
                ..asking(7, 7)
            }),
            Err(AccessError::OfAnother { owner: 8, us: 7, .. })
        ));
    }

    #[test]
    fn root_serves_as_the_owner_or_as_nobody_in_particular() {
        let cluster = |owner| Some((Utf8Path::new("/p/.amp/metadb"), owner));
        assert_eq!(run_as(&asking(0, 0)), Ok(RunAs::Unprivileged));
        assert_eq!(run_as(&asking(0, 7)), Ok(RunAs::ProjectOwner(7)));
        assert_eq!(
            run_as(&Asking {
                requested: Some(8),
                ..asking(0, 7)
            }),
            Ok(RunAs::Uid(8))
        );
        assert_eq!(
            run_as(&Asking {
                requested: Some(0),
                ..asking(0, 7)
            }),
            Err(AccessError::AsRoot)
        );
        assert_eq!(
            run_as(&Asking {
                cluster: cluster(9),
                ..asking(0, 0)
            }),
            Ok(RunAs::Uid(9))
        );
        assert!(matches!(
            run_as(&Asking {
                cluster: cluster(9),
                requested: Some(8),
                ..asking(0, 0)
            }),
            Err(AccessError::OwnerDiffers {
                owner: 9,
                asked: 8,
                ..
            })
        ));
        let rows = [
            (0, None, "chown -R postgres /p/"),
            (7, None, "chown -R 7 /p/"),
            (7, Some(8), "chown -R 8 /p/"),
        ];
        every(rows, |(project_owner, requested, to)| {
            let refused = run_as(&Asking {
                cluster: cluster(0),
                requested,
                ..asking(0, project_owner)
            })
            .expect_err("PostgreSQL refuses root");
            assert!(refused.to_string().contains("belongs to root"), "{refused}");
            assert!(refused.hint().expect("a hint").contains(to), "{refused:?}");
        });
        assert_eq!(
            run_as(&Asking {
                sudo_caller: Some(7),
                ..asking(0, 7)
            }),
            Ok(RunAs::ProjectOwner(7))
        );
        assert!(matches!(
            run_as(&Asking {
                sudo_caller: Some(8),
                ..asking(0, 7)
            }),
            Err(AccessError::SudoForAnother { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn an_owner_without_a_name_is_replaced_where_there_is_no_cluster_yet() {
        const NAMELESS: u32 = 3_999_999_999;
        let user = RunAs::ProjectOwner(NAMELESS).user().expect("a user");
        assert_eq!(user, Some(OsUser::unprivileged().expect("a user")));
        let refused = RunAs::Uid(NAMELESS).user().expect_err("its cluster");
        assert!(matches!(refused, UserError::NoEntry(NAMELESS)), "{refused}");
    }

    #[test]
    fn the_directory_that_is_closed_is_named() {
        let gate = |path: &str, uid, gid, mode| Gate {
            path: path.into(),
            uid,
            gid,
            mode,
        };
        let user = OsUser {
            name: "x".to_owned(),
            uid: 7,
            gid: 70,
        };
        let open = [
            gate("/", 0, 0, 0o755),
            gate("/a", 7, 0, 0o700),
            gate("/a/b", 0, 70, 0o710),
        ];
        assert_eq!(first_closed(&user, &open), None);
        // The owner's bits count for the owner, even where everybody else has more.
        let closed = [
            gate("/", 0, 0, 0o755),
            gate("/root", 0, 0, 0o700),
            gate("/srv/p", 7, 70, 0o077),
        ];
        assert_eq!(
            first_closed(&user, &closed).map(|gate| gate.path.as_str()),
            Some("/root")
        );
        assert!(first_closed(&user, &closed[2..]).is_some());
    }
}
