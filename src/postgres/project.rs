//! A project: a directory with an Amp directory, which is where ampd looks for it.

use std::io::{self, Write as _};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::user::User;
use crate::{
    env::Env,
    exit::{Exit, hint_of_io},
    fs::{link, node},
};

/// The name of the Amp directory in a project.
const AMP: &str = ".amp";

/// The paths of one project's Amp directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    amp_dir: Utf8PathBuf,
    note: Option<String>,
}

/// Why there is no project here.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The working directory is gone, or its path is no text.
    #[error("the working directory cannot be told, or its path is not UTF-8")]
    NoWorkingDirectory,
    /// `AMP_DIR` is no text.
    #[error("`AMP_DIR` is not UTF-8")]
    NotUtf8,
    /// An older ampup lives in that directory, and would be uninstalled with it.
    #[error("`{amp_dir}` is the home of an older ampup (it holds `{evidence}`), not a project's")]
    OlderHome {
        /// The directory.
        amp_dir: Utf8PathBuf,
        /// What tells.
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
    /// It is a file, or a directory of it cannot be made.
    #[error("cannot make the Amp directory `{amp_dir}`")]
    Make {
        /// The directory.
        amp_dir: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ProjectError {
    /// The next command to type.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoWorkingDirectory => Some("`cd` into the project, or name its directory with `--amp-dir`".to_owned()),
            Self::NotUtf8 => Some("name another directory with `--amp-dir`".to_owned()),
            Self::InCluster { .. } => Some("name the directory above it with `AMP_DIR` or `--amp-dir`".to_owned()),
            Self::OlderHome { .. } => Some(
                "run this in the project's own directory, or set `AMP_DIR` to the one that shall hold its data"
                    .to_owned(),
            ),
            Self::Make { source, .. } if source.kind() == io::ErrorKind::StorageFull => hint_of_io(source),
            Self::Make { .. } => Some("choose a directory that you can write to, with `AMP_DIR` or `--amp-dir`".to_owned()),
        }
    }

    /// How the program ends.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::NoWorkingDirectory | Self::NotUtf8 => Exit::Usage,
            Self::OlderHome { .. } | Self::InCluster { .. } => Exit::Failed,
            Self::Make { source, .. } => Exit::of_io(source),
        }
    }
}

impl Project {
    /// The project of this environment, as ampd finds it: `amp_dir`, else AMP_DIR, else `.amp` in the working
    /// directory. Nothing is made.
    ///
    /// # Errors
    /// When the environment does not say, or the directory is an older ampup's home.
    pub fn find(env: &Env, amp_dir: Option<&Utf8Path>) -> Result<Self, ProjectError> {
        let named = match (amp_dir, env.var_os("AMP_DIR")) {
            (Some(amp_dir), _) => Some(amp_dir),
            (None, Some(value)) => Some(Utf8Path::new(value.to_str().ok_or(ProjectError::NotUtf8)?)),
            (None, None) => None,
        };
        let here = || env.current_dir().ok_or(ProjectError::NoWorkingDirectory);
        match named {
            Some(absolute) if absolute.is_absolute() => Self::at(absolute),
            Some(relative) => Self::at(&here()?.join(relative)),
            None => {
                let here = here()?;
                let mut project = Self::at(&here.join(AMP))?;
                project.note = above(here);
                Ok(project)
            }
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
        Ok(Self { amp_dir, note: None })
    }

    /// The Amp directory: absolute, and without links as far as it is there.
    pub fn amp_dir(&self) -> &Utf8Path {
        &self.amp_dir
    }

    /// What is worth a line about how it was found.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
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

    /// Makes the directories that ampd and the server need, for `owner` when we are root. Does nothing where they are.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn prepare(&self, owner: Option<&User>) -> Result<(), ProjectError> {
        let failed = |source| ProjectError::Make {
            amp_dir: self.amp_dir.clone(),
            source,
        };
        // The last that is made: whoever is interrupted before it begins again.
        let is_new = self.logs().symlink_metadata().is_err();
        if let Some(parent) = self.amp_dir.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        make(&self.amp_dir, owner).map_err(failed)?;
        let ignore = self.amp_dir.join(".gitignore");
        // An empty one was cut between its making and its one line.
        let is_made = |found: std::fs::Metadata| !found.is_file() || found.len() > 0;
        if is_new && !ignore.symlink_metadata().is_ok_and(is_made) {
            put(&ignore, b"*\n").map_err(failed)?;
            give(&ignore, owner).map_err(failed)?;
        }
        for directory in ["data", "providers", "manifests", "log"] {
            make(&self.amp_dir.join(directory), owner).map_err(failed)?;
        }
        Ok(())
    }
}

fn make(directory: &Utf8Path, owner: Option<&User>) -> io::Result<()> {
    match fs::create_dir(directory) {
        Ok(()) => give(directory, owner),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// Makes a small file of which a part, or none, does no harm. It is written in its place: nobody sweeps an Amp directory,
/// and a second file would stay if we were killed. A link in its place is replaced, not followed.
pub(super) fn put(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    match fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(content),
        // Another ampup came first, with the same content.
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// Gives a path to a user, if one is named. Only what was made a moment ago is ever given away.
pub(crate) fn give(path: &Utf8Path, owner: Option<&User>) -> io::Result<()> {
    match owner {
        Some(user) => node::give(path, user.uid, user.gid),
        None => Ok(()),
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

/// What an ampup before 0.2 keeps in its home, which was `~/.amp`.
fn older_home(amp_dir: &Utf8Path) -> Option<&'static str> {
    ["versions", "bin/ampup"]
        .into_iter()
        .find(|name| amp_dir.join(name).symlink_metadata().is_ok())
}

/// A project further up is not meant (ampd does not look there either), but perhaps thought of.
fn above(here: &Utf8Path) -> Option<String> {
    if here.join(AMP).symlink_metadata().is_ok() {
        return None;
    }
    let found = here
        .ancestors()
        .skip(1)
        .map(|parent| parent.join(AMP))
        .find(|amp_dir| amp_dir.join("metadb").is_dir() && older_home(amp_dir).is_none())?;
    Some(format!(
        "`{found}` belongs to a directory above and is not used here; `AMP_DIR={found}` uses it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> (tempfile::TempDir, Utf8PathBuf) {
        let world = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(world.path()).expect("UTF-8");
        let path = path.canonicalize_utf8().expect("there");
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
        assert_eq!(find(&[("AMP_DIR", "/x/y")], None), "/x/y");
        assert_eq!(find(&[("AMP_DIR", "state")], None), here.join("state"));
        assert_eq!(find(&[("AMP_DIR", "/x")], Some("/z")), "/z");
    }

    #[test]
    fn a_project_above_is_named_and_not_used() {
        let (_world, here) = world();
        let below = here.join("below");
        fs::create_dir_all(here.join(".amp/metadb")).expect("made");
        fs::create_dir(&below).expect("made");
        let env = Env::from_variables([("A", "b")], below.as_std_path());
        let project = Project::find(&env, None).expect("found");
        assert_eq!(project.amp_dir(), below.join(".amp"));
        assert!(
            project
                .note()
                .expect("a note")
                .contains(here.join(".amp").as_str())
        );
    }

    #[test]
    fn the_home_of_an_older_ampup_is_left_alone() {
        for evidence in ["versions", "bin/ampup"] {
            let (_world, here) = world();
            fs::create_dir_all(here.join(".amp").join(evidence)).expect("made");
            let refused = Project::at(&here.join(".amp")).expect_err("an older home");
            assert!(refused.to_string().contains(evidence), "{refused}");
        }
    }

    #[test]
    fn preparing_makes_what_ampd_needs_and_changes_nothing_that_is_there() {
        let (_world, here) = world();
        let project = Project::at(&here.join("a/.amp")).expect("a project");
        project.prepare(None).expect("prepared");
        let ignore = project.amp_dir().join(".gitignore");
        assert_eq!(fs::read_to_string(&ignore).expect("read"), "*\n");
        for name in ["data", "providers", "manifests", "log"] {
            assert!(project.amp_dir().join(name).is_dir(), "{name}");
        }
        assert!(!project.cluster().exists(), "a cluster is whole or absent");
        fs::remove_file(&ignore).expect("removed");
        project.prepare(None).expect("prepared again");
        assert!(!ignore.exists(), "removed on purpose");
    }
}
