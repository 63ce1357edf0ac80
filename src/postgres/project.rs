//! A project: a directory with an Amp directory, which is where ampd looks for it.

use std::io;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    observe::files,
    ownership::{give_directory, open_way, put},
    user::{OsUser, current_uid},
};
use crate::{
    env::{Env, PathError},
    fs::{directory::Directory, identity::FileIdentity, link},
};

/// The name of the Amp directory in a project.
pub(crate) const AMP: &str = ".amp";

/// The file of a project's pins, beside it.
pub(super) const PINS: &str = "ampup.toml";

/// The names in it that ampd or ampup gives, beside `metadb` and what begins so.
const OURS: &[&str] = &[
    ".gitignore",
    "backups",
    "config.toml",
    "data",
    "log",
    "manifests",
    "providers",
];

/// The directories in it that ampd and the server need.
pub(super) const DIRECTORIES: [&str; 4] = ["data", "providers", "manifests", "log"];

/// The paths of one project's Amp directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    amp_dir: Utf8PathBuf,
}

/// The reason there is no project here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The working directory is gone, or its path is no text.
    #[error("cannot determine the working directory, or its path is not UTF-8")]
    NoWorkingDirectory,
    /// `AMP_DIR` names no directory.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An older ampup lives in that directory, and would be uninstalled with it.
    #[error("`{amp_dir}` is the home of an older ampup (it holds `{evidence}`), not a project's")]
    OlderHome {
        /// The directory.
        amp_dir: Utf8PathBuf,
        /// The evidence.
        evidence: &'static str,
    },
    /// PostgreSQL's files are not to be mixed with anything.
    #[error("`{amp_dir}` lies in the database `{cluster}`, in which nothing else may be")]
    InCluster {
        /// The directory.
        amp_dir: Utf8PathBuf,
        /// The cluster.
        cluster: Utf8PathBuf,
    },
    /// Whoever made it would have root write where it leads.
    #[error("`{link}` is a link that user {owner} may have made, and root does not write where it leads")]
    Link {
        /// The link.
        link: Utf8PathBuf,
        /// Whose project it is, or whose link.
        owner: u32,
    },
    /// Something else is in the place of a directory.
    #[error("`{path}` is {}", other_than_directory(.target))]
    NoDirectory {
        /// The place.
        path: Utf8PathBuf,
        /// Where it leads, if it is a link; nothing is there.
        target: Option<Utf8PathBuf>,
    },
    /// A directory of it cannot be made.
    #[error("cannot make the Amp directory `{amp_dir}`")]
    Make {
        /// The directory.
        amp_dir: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Project {
    /// The project of this environment, as ampd finds it: `amp_dir`, else AMP_DIR, else `.amp` in the working
    /// directory. Nothing is made.
    ///
    /// # Errors
    /// When the environment does not say, or the directory is an older ampup's home.
    pub fn find(env: &Env, amp_dir: Option<&Utf8Path>) -> Result<Self, ProjectError> {
        let named = match amp_dir {
            Some(amp_dir) => Some(amp_dir.to_owned()),
            None => env.path("AMP_DIR")?,
        };
        let here = || env.current_dir().ok_or(ProjectError::NoWorkingDirectory);
        match named {
            Some(absolute) if absolute.is_absolute() => Self::at(&absolute),
            Some(relative) => Self::at(&here()?.join(relative)),
            None => Self::at(&here()?.join(AMP)),
        }
    }

    /// The project with this Amp directory, an absolute path.
    ///
    /// # Errors
    /// When it is an older ampup's home, or lies in a cluster.
    pub fn at(amp_dir: &Utf8Path) -> Result<Self, ProjectError> {
        let amp_dir = resolved(amp_dir);
        if let Some(evidence) = older_home(&amp_dir) {
            return Err(ProjectError::OlderHome { amp_dir, evidence });
        }
        let is_cluster = |path: &&Utf8Path| path.join("PG_VERSION").is_file();
        if let Some(cluster) = amp_dir.ancestors().find(is_cluster) {
            let cluster = cluster.to_owned();
            return Err(ProjectError::InCluster { amp_dir, cluster });
        }
        Ok(Self { amp_dir })
    }

    /// The Amp directory: absolute, and without links as far as it is there.
    pub fn amp_dir(&self) -> &Utf8Path {
        &self.amp_dir
    }

    /// The directory of the project, which has the Amp directory in it; that itself, where it has another name.
    pub fn directory(&self) -> &Utf8Path {
        let parent = self
            .amp_dir
            .parent()
            .filter(|_| self.amp_dir.file_name() == Some(AMP));
        parent.unwrap_or(&self.amp_dir)
    }

    /// Its cluster, where ampd has it too.
    pub fn cluster(&self) -> Utf8PathBuf {
        self.amp_dir.join("metadb")
    }

    /// The lock that is held as long as a server of the cluster lives.
    pub fn lock(&self) -> Utf8PathBuf {
        self.amp_dir.join("metadb.lock")
    }

    /// The lock that all who use the server share.
    pub fn users(&self) -> Utf8PathBuf {
        self.amp_dir.join("metadb.users")
    }

    /// The lock of whoever changes the cluster.
    pub(crate) fn change_lock(&self) -> Utf8PathBuf {
        self.amp_dir.join("metadb.change")
    }

    /// Says which server stays when its last user leaves.
    pub fn keep(&self) -> Utf8PathBuf {
        self.amp_dir.join("metadb.keep")
    }

    /// The superuser's password, where the cluster is reached with one.
    pub fn password(&self) -> Utf8PathBuf {
        self.amp_dir.join("metadb.password")
    }

    /// The directory of logs.
    pub fn logs(&self) -> Utf8PathBuf {
        self.amp_dir.join("log")
    }

    /// The server's log.
    pub fn log(&self) -> Utf8PathBuf {
        self.logs().join("postgres.log")
    }

    /// ampd's settings.
    pub fn config(&self) -> Utf8PathBuf {
        self.amp_dir.join("config.toml")
    }

    /// Makes the directories that ampd and the server need; does nothing where they are. What root makes is the project's
    /// owner's, also where the server runs as somebody else, whose only the cluster is then.
    ///
    /// # Errors
    /// When one cannot be made, or, as root, a link is in its place.
    pub fn prepare(&self, run_as: Option<&OsUser>) -> Result<(), ProjectError> {
        let failed = self.failed();
        let owner = self.owner(run_as)?;
        let owner = owner.as_ref();
        // The last that is made: whoever is interrupted before it begins again.
        let is_new = self.logs().symlink_metadata().is_err();
        if let Some(parent) = self.amp_dir.parent() {
            fs::create_dir_all(parent).map_err(&failed)?;
        }
        let is_anothers = run_as.is_some_and(|user| owner.is_none_or(|owner| owner.uid != user.uid));
        self.make(&self.amp_dir, owner, is_anothers)?;
        let ignore = self.amp_dir.join(".gitignore");
        // An empty one was cut between its making and its one line.
        let is_whole = |found: std::fs::Metadata| !found.is_file() || found.len() > 0;
        if is_new && !ignore.symlink_metadata().is_ok_and(is_whole) && self.is_ours_alone() {
            put(&ignore, b"*\n", owner).map_err(&failed)?;
        }
        for directory in DIRECTORIES {
            self.make(&self.amp_dir.join(directory), owner, false)?;
        }
        Ok(())
    }

    /// Returns true if the Amp directory holds only files of ampd and ampup: one that holds anything else, such as a
    /// project's sources, must not be ignored by git.
    fn is_ours_alone(&self) -> bool {
        let Ok(entries) = self.amp_dir.read_dir_utf8() else {
            return false;
        };
        entries.into_iter().all(|entry| {
            entry.is_ok_and(|entry| {
                let name = entry.file_name();
                OURS.contains(&name) || name == "metadb" || name.starts_with("metadb.")
            })
        })
    }

    /// Makes a directory that others cannot enter, as `prepare` makes others.
    ///
    /// # Errors
    /// As `prepare`.
    pub fn make_closed(&self, name: &str, run_as: Option<&OsUser>) -> Result<Utf8PathBuf, ProjectError> {
        let directory = self.amp_dir.join(name);
        match Directory::make(&directory).and_then(|made| give_directory(&made, run_as)) {
            Ok(()) => Ok(directory),
            Err(cause) => self
                .found(&directory, self.owner(run_as)?.as_ref(), cause)
                .map(|()| directory),
        }
    }

    /// Makes a directory of this owner's; if it `is_way`, somebody else may pass through it.
    fn make(&self, directory: &Utf8Path, owner: Option<&OsUser>, is_way: bool) -> Result<(), ProjectError> {
        let made = fs::create_dir(directory).and_then(|()| {
            if owner.is_none() && !is_way {
                return Ok(());
            }
            let made = Directory::made(directory)?;
            if is_way {
                open_way(&made, directory)?;
            }
            give_directory(&made, owner)
        });
        made.or_else(|cause| self.found(directory, owner, cause))
    }

    /// Uses what exists already, except a link that somebody else could have made, if root would follow it: it leads
    /// where they want root to write.
    fn found(
        &self,
        directory: &Utf8Path,
        owner: Option<&OsUser>,
        cause: io::Error,
    ) -> Result<(), ProjectError> {
        if cause.kind() != io::ErrorKind::AlreadyExists {
            return Err(self.failed()(cause));
        }
        let is_link = directory.symlink_metadata().is_ok_and(|found| found.is_symlink());
        let maker = match owner {
            Some(owner) => owner.uid,
            None => FileIdentity::at(directory).map_err(self.failed())?.uid,
        };
        if is_link && maker != 0 && current_uid() == 0 {
            let link = directory.to_owned();
            return Err(ProjectError::Link { link, owner: maker });
        }
        if directory.is_dir() {
            return Ok(());
        }
        let target = directory.read_link_utf8().ok();
        let path = directory.to_owned();
        Err(ProjectError::NoDirectory { path, target })
    }

    /// Who gets what root makes here, if not root.
    fn owner(&self, run_as: Option<&OsUser>) -> Result<Option<OsUser>, ProjectError> {
        let Some(user) = run_as else { return Ok(None) };
        let uid = files::project_owner(&self.amp_dir).map_err(self.failed())?;
        if uid == user.uid {
            return Ok(Some(user.clone()));
        }
        let mut above = self.amp_dir.ancestors().map(FileIdentity::at);
        let found = above.find_map(|found| found.ok().filter(|found| found.uid == uid && uid != 0));
        // Nothing is given to a name.
        Ok(found.map(|found| OsUser {
            name: uid.to_string(),
            uid,
            gid: found.gid,
        }))
    }

    fn failed(&self) -> impl Fn(io::Error) -> ProjectError {
        let amp_dir = self.amp_dir.clone();
        move |source| ProjectError::Make {
            amp_dir: amp_dir.clone(),
            source,
        }
    }
}

fn other_than_directory(target: &Option<Utf8PathBuf>) -> String {
    match target {
        Some(target) => format!("a link to `{target}`, which is no directory"),
        None => "no directory".to_owned(),
    }
}

/// The path without links and dots, as far as it exists: one project must have one name, because a socket's place and
/// the identity of a server are derived from it.
fn resolved(path: &Utf8Path) -> Utf8PathBuf {
    let mut missing = Vec::new();
    let mut there = path.to_owned();
    loop {
        if let Ok(real) = link::real(&there) {
            return missing.into_iter().rev().fold(real, |path, name| path.join(name));
        }
        let Some(Utf8Component::Normal(name)) = there.components().next_back() else {
            return path.to_owned();
        };
        missing.push(name.to_owned());
        there.pop();
    }
}

/// Returns an entry that an ampup before 0.2 keeps in its home, which was `~/.amp`.
fn older_home(amp_dir: &Utf8Path) -> Option<&'static str> {
    ["versions", "bin/ampup"]
        .into_iter()
        .find(|name| amp_dir.join(name).symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    fn world() -> (tempfile::TempDir, Utf8PathBuf) {
        let world = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(world.path()).expect("UTF-8");
        let path = link::real(path).expect("there");
        (world, path)
    }

    #[test]
    fn the_amp_directory_is_found_as_ampd_finds_it() {
        let (_world, here) = world();
        let find = |variables: &[(&str, &str)], amp_dir: Option<&str>| {
            let env = Env::from_variables(variables.iter().copied(), here.as_std_path());
            let project = Project::find(&env, amp_dir.map(Utf8Path::new)).expect("found");
            project.amp_dir().to_owned()
        };
        assert_eq!(find(&[], None), here.join(".amp"));
        let [named, other] = ["x/y", "z"].map(|path| here.join(path));
        let variable = [("AMP_DIR", named.as_str())];
        assert_eq!(find(&variable, None), named);
        assert_eq!(find(&variable, Some("state")), here.join("state"));
        assert_eq!(find(&variable, Some(other.as_str())), other);
    }

    #[test]
    fn the_home_of_an_older_ampup_is_left_alone() {
        every(["versions", "bin/ampup"], |evidence| {
            let (_world, here) = world();
            fs::create_dir_all(here.join(".amp").join(evidence)).expect("made");
            let refused = Project::at(&here.join(".amp")).expect_err("an older home");
            assert!(refused.to_string().contains(evidence), "{refused}");
        });
    }

    #[test]
    fn preparing_makes_what_ampd_needs_and_changes_nothing_that_is_there() {
        let (_world, here) = world();
        let project = Project::at(&here.join("a/.amp")).expect("a project");
        project.prepare(None).expect("prepared");
        let ignore = project.amp_dir().join(".gitignore");
        assert_eq!(fs::read_to_string(&ignore).expect("read"), "*\n");
        every(["data", "providers", "manifests", "log"], |name| {
            assert!(project.amp_dir().join(name).is_dir(), "{name}");
        });
        assert!(!project.cluster().exists(), "a cluster is whole or absent");
        fs::remove_file(&ignore).expect("removed");
        project.prepare(None).expect("prepared again");
        assert!(!ignore.exists(), "removed on purpose");
    }

    #[test]
    fn git_is_told_to_pass_over_a_directory_that_holds_nothing_of_the_users() {
        let rows = [
            (&[][..], true),
            (&["data", "metadb"], true),
            (&["config.toml", "metadb.new-1", "metadb.lock"], true),
            (&["src"], false),
            (&["data", "README.md"], false),
        ];
        every(rows, |(there, is_written)| {
            let (_world, here) = world();
            let project = Project::at(&here.join("a")).expect("a project");
            for name in there {
                fs::create_dir_all(project.amp_dir().join(name)).expect("made");
            }
            project.prepare(None).expect("prepared");
            let is_there = project.amp_dir().join(".gitignore").exists();
            assert_eq!(is_there, is_written, "{there:?}");
        });
    }
}
