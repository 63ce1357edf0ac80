//! The projects that have a cluster or pins, so that `ampup db list` can name their databases, and what they need is spared.
//! Only a memory aid: whether there is a cluster, and what it is, is looked at.

use std::{collections::BTreeSet, io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::{
    env::Env,
    fs::{atomic, entries, lock::Lock},
    layout::Layout,
    postgres::{
        observe::decide::OLD,
        project::{AMP, PINS},
    },
    store::{claim, directories, shared_home},
};

/// The file is never larger.
const LIMIT: u64 = 16 << 20;
/// Another ampup holds its lock for the time of one small write.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    schema: u32,
    /// Amp directories.
    projects: BTreeSet<Utf8PathBuf>,
}

/// A cluster that needs a PostgreSQL of its major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedyCluster {
    /// Its project's Amp directory.
    pub amp_dir: Utf8PathBuf,
    /// Where it is.
    pub cluster: Utf8PathBuf,
    /// True if it was put aside.
    pub is_kept: bool,
}

impl NeedyCluster {
    /// The directory of its project.
    pub fn project(&self) -> &Utf8Path {
        let is_amp = self.amp_dir.file_name() == Some(AMP);
        let parent = self.amp_dir.parent().filter(|_| is_amp);
        parent.unwrap_or(&self.amp_dir)
    }
}

/// Where the projects of one user are written down: in ampup's home, or, where that is another user's, in the user's own
/// state directory.
#[derive(Debug, Clone)]
pub struct Projects {
    files: Vec<Utf8PathBuf>,
}

impl Projects {
    /// Those of this home and environment.
    pub fn new(layout: &Layout, env: &Env) -> Self {
        Self {
            files: [
                Some(layout.projects()),
                env.user_state().map(|state| state.join("ampup/projects.json")),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }

    /// Every Amp directory that was written down, whether it is still there or not.
    pub fn read(&self) -> BTreeSet<Utf8PathBuf> {
        self.files.iter().flat_map(|file| read(file)).collect()
    }

    /// Every Amp directory that was written down and is not there any more, nor its project's pins.
    pub fn gone(&self) -> BTreeSet<Utf8PathBuf> {
        self.read()
            .into_iter()
            .filter(|amp_dir| is_gone(amp_dir) && is_gone(&amp_dir.with_file_name(PINS)))
            .collect()
    }

    /// Drops Amp directories from the record.
    ///
    /// # Errors
    /// When a file that has one of them cannot be written.
    pub fn forget(&self, amp_dirs: &BTreeSet<Utf8PathBuf>) -> io::Result<()> {
        for (number, file) in self.files.iter().enumerate() {
            if !read(file).is_disjoint(amp_dirs) {
                change(file, number > 0, |projects| {
                    projects.retain(|project| !amp_dirs.contains(project));
                })?;
            }
        }
        Ok(())
    }

    /// The clusters of this major, as far as we may read them: they need a PostgreSQL of it. Those in use come before those
    /// that were put aside.
    pub fn of_major(&self, major: u64) -> Vec<NeedyCluster> {
        let is_of_major = |cluster: &Utf8PathBuf| {
            let version = atomic::read(&cluster.join("PG_VERSION"), 64).unwrap_or_default();
            String::from_utf8_lossy(&version).trim().parse() == Ok(major)
        };
        let amp_dirs = self.read();
        let in_use = amp_dirs
            .iter()
            .map(|amp_dir| (amp_dir, amp_dir.join("metadb"), false));
        let kept = amp_dirs.iter().flat_map(|amp_dir| {
            kept_clusters(amp_dir)
                .into_iter()
                .map(move |path| (amp_dir, path, true))
        });
        in_use
            .chain(kept)
            .filter(|(_, cluster, _)| is_of_major(cluster))
            .map(|(amp_dir, cluster, is_kept)| NeedyCluster {
                amp_dir: amp_dir.clone(),
                cluster,
                is_kept,
            })
            .collect()
    }

    /// Writes down the project that has this file of pins, where there is a home.
    ///
    /// # Errors
    /// When there is none, what is beside the file is no project's, or none of the places can be written to.
    #[cfg(feature = "cli")]
    pub fn add_pinned(&self, pins: &Utf8Path) -> io::Result<()> {
        use crate::postgres::project::Project;
        let home = self.files[0].parent().expect("a file in a directory");
        if !claim::is_made(&Layout::new(home)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let project = Project::at(&pins.with_file_name(AMP)).map_err(io::Error::other)?;
        self.add(project.amp_dir())
    }

    /// Writes an Amp directory down. ampup's home is not made for it.
    ///
    /// # Errors
    /// When none of the places can be written to.
    pub fn add(&self, amp_dir: &Utf8Path) -> io::Result<()> {
        if self.read().contains(amp_dir) {
            return Ok(());
        }
        let mut result = Ok(());
        for (number, file) in self.files.iter().enumerate() {
            let parent = file.parent().expect("a file in a directory");
            if number > 0 {
                atomic::make_directories(parent)?;
            }
            if number == 0 && !claim::is_made(&Layout::new(parent)) {
                result = Err(io::ErrorKind::NotFound.into());
                continue;
            }
            result = change(file, number > 0, |projects| {
                projects.insert(amp_dir.to_owned());
            });
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

/// The clusters in an Amp directory that others took the place of, by the names that ampup gives them, oldest first.
pub fn kept_clusters(amp_dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = entries(amp_dir);
    found.retain(|path| {
        let time = path.file_name().and_then(|name| name.strip_prefix(OLD));
        let is_directory = || path.symlink_metadata().is_ok_and(|found| found.is_dir());
        time.is_some_and(begins_with_time) && is_directory()
    });
    found
}

/// Returns true if a text begins with a time as the names have it: `20260101T000000Z`.
fn begins_with_time(text: &str) -> bool {
    let is_like = |(letter, like): (u8, u8)| match like {
        b'0' => letter.is_ascii_digit(),
        like => letter == like,
    };
    const LIKE: &[u8] = b"00000000T000000Z";
    text.len() >= LIKE.len() && text.bytes().zip(LIKE.iter().copied()).all(is_like)
}

/// A file that is missing or damaged names no projects: they are found again when they are used.
fn read(file: &Utf8Path) -> BTreeSet<Utf8PathBuf> {
    atomic::read(file, LIMIT)
        .ok()
        .and_then(|content| serde_json::from_slice::<Document>(&content).ok())
        .map(|document| document.projects)
        .unwrap_or_default()
}

/// Returns true if nothing has that name. One that cannot be looked at may be there.
pub(crate) fn is_gone(path: &Utf8Path) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(path.symlink_metadata(), Err(cause) if matches!(cause.kind(), NotFound | NotADirectory))
}

fn change(
    file: &Utf8Path,
    is_beside: bool,
    change: impl FnOnce(&mut BTreeSet<Utf8PathBuf>),
) -> io::Result<()> {
    let lock = file.with_extension("json.lock");
    let _lock = Lock::acquire(&lock, TIMEOUT, |_| {}).map_err(io::Error::other)?;
    let parent = file.parent().expect("a file in a directory");
    // In the home it is `staging/` that is swept.
    is_beside.then_some(parent).into_iter().for_each(atomic::sweep);
    let mut projects = read(file);
    change(&mut projects);
    let document = Document { schema: 1, projects };
    let text = serde_json::to_vec_pretty(&document).map_err(io::Error::other)?;
    let layout = Layout::new(parent);
    match directories::foreign_entry(&layout.staging(), &layout) {
        // A home that was not prepared: what a link in it leads to is not ours to write to.
        Some(_) => atomic::write(file, &text),
        None => shared_home::write_state(&layout, file, &text),
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::env::HOME;

    #[test]
    fn projects_are_written_into_the_home_or_beside_it() {
        let world = tempfile::tempdir().expect("a directory");
        let world = Utf8Path::from_path(world.path()).expect("UTF-8");
        let env = Env::from_variables([(HOME, world.join("user").as_str())], world.as_std_path());
        let layout = Layout::new(world.join("home"));
        let projects = Projects::new(&layout, &env);
        projects.add("/a/.amp".into()).expect("written");
        assert!(!layout.home().exists(), "a home is made by an installation");
        fs::create_dir(layout.home()).expect("made");
        projects.add("/d/.amp".into()).expect("written");
        assert!(!layout.projects().exists(), "an empty directory is no home yet");
        directories::prepare(&layout, None).expect("made");
        projects.add("/b/.amp".into()).expect("written");
        projects.add("/b/.amp".into()).expect("known");
        assert!(
            fs::read_to_string(layout.projects())
                .expect("read")
                .contains("/b/.amp")
        );
        let all: Vec<_> = projects.read().into_iter().collect();
        assert_eq!(all, ["/a/.amp", "/b/.amp", "/d/.amp"]);
        fs::write(layout.projects(), "{").expect("damaged");
        projects.add("/c/.amp".into()).expect("written");
        assert_eq!(projects.read().len(), 3);
        let there = world.join("there");
        fs::create_dir(&there).expect("made");
        projects.add(&there).expect("written");
        assert_eq!(projects.gone().len(), 3);
        projects
            .forget(&projects.gone())
            .expect("forgotten in both files");
        assert_eq!(projects.read(), BTreeSet::from([there]));
    }
}
