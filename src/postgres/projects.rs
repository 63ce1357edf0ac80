//! The projects that have a cluster or pins, so that `ampup db list` can name their databases, and what they need is spared.
//! Only a memory aid: whether there is a cluster, and what it is, is looked at. A record that cannot be read is never written
//! over, and whoever relies on it is told.

use std::{collections::BTreeSet, fmt, io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::{
    env::Env,
    fs::{atomic, entries, identity::FileIdentity, lock::Lock, reason},
    layout::Layout,
    postgres::{
        observe::decide::OLD,
        project::{AMP, PINS},
        user::current_uid,
    },
    store::{claim, directories, shared_home},
};

/// The file is never larger.
const LIMIT: u64 = 16 << 20;
/// Another ampup holds its lock for the time of one small write.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The version of the record that is understood.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    schema: u32,
    /// Amp directories.
    projects: BTreeSet<Utf8PathBuf>,
}

/// A record that is there and cannot be read: nobody knows which projects it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadRecord {
    /// The file.
    pub file: Utf8PathBuf,
    /// The reason, as it follows the file's name.
    pub why: String,
    /// True if it is another user's, who has closed it, as root does in a home that others may use.
    pub is_closed: bool,
}

impl fmt::Display for UnreadRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.file, self.why)
    }
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
        self.files.iter().flat_map(|file| known(file)).collect()
    }

    /// The records that are there and cannot be read: of what they name, `read` gives nothing.
    pub fn unread(&self) -> Vec<UnreadRecord> {
        self.files.iter().filter_map(|file| read(file).err()).collect()
    }

    /// Every Amp directory that was written down and has no database any more, in use or kept, nor its project pins.
    pub fn gone(&self) -> BTreeSet<Utf8PathBuf> {
        let is_gone =
            |amp_dir: &Utf8PathBuf| !has_databases(amp_dir) && is_gone(&amp_dir.with_file_name(PINS));
        self.read().into_iter().filter(is_gone).collect()
    }

    /// Drops Amp directories from the record.
    ///
    /// # Errors
    /// When a file that has one of them cannot be written.
    pub fn forget(&self, amp_dirs: &BTreeSet<Utf8PathBuf>) -> io::Result<()> {
        for (number, file) in self.files.iter().enumerate() {
            if !known(file).is_disjoint(amp_dirs) {
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

    /// Writes an Amp directory down, in the first place that takes it. ampup's home is not made for it.
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

/// The projects that a record names, as far as it can be read.
fn known(file: &Utf8Path) -> BTreeSet<Utf8PathBuf> {
    read(file).unwrap_or_default()
}

/// Reads a record; one that is missing names no projects.
fn read(file: &Utf8Path) -> Result<BTreeSet<Utf8PathBuf>, UnreadRecord> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    let unread = |why: String, is_closed| UnreadRecord {
        file: file.to_owned(),
        why,
        is_closed,
    };
    let content = match atomic::read(file, LIMIT) {
        Err(cause) if matches!(cause.kind(), NotFound | NotADirectory) => return Ok(BTreeSet::new()),
        Err(cause) => {
            let is_ours = FileIdentity::at(file).is_ok_and(|found| found.uid == current_uid());
            let is_closed = cause.kind() == PermissionDenied && !is_ours;
            return Err(unread(format!("cannot be read: {}", reason(&cause)), is_closed));
        }
        Ok(content) => content,
    };
    match serde_json::from_slice::<Document>(&content) {
        Ok(document) if document.schema == SCHEMA => Ok(document.projects),
        Ok(document) => Err(unread(
            format!(
                "is of another ampup: it has schema {}, and this one reads {SCHEMA}",
                document.schema
            ),
            false,
        )),
        Err(cause) => Err(unread(format!("is damaged: {cause}"), false)),
    }
}

/// Returns true if an Amp directory may have a database: one in use, one that is being exchanged, or one that was kept.
pub fn has_databases(amp_dir: &Utf8Path) -> bool {
    let places = ["metadb", "metadb.next", "backups"];
    places.iter().any(|name| !is_gone(&amp_dir.join(name))) || !kept_clusters(amp_dir).is_empty()
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
    let _lock = Lock::acquire(&lock, TIMEOUT, |_, _| {}).map_err(io::Error::other)?;
    let parent = file.parent().expect("a file in a directory");
    // In the home it is `staging/` that is swept.
    is_beside.then_some(parent).into_iter().for_each(atomic::sweep);
    // What is in one that cannot be read may be mended, unless it is written over.
    let unread = |unread: UnreadRecord| io::Error::new(io::ErrorKind::InvalidData, unread.to_string());
    let mut projects = read(file).map_err(unread)?;
    change(&mut projects);
    let document = Document {
        schema: SCHEMA,
        projects,
    };
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
        for damaged in ["{", "", "x", r#"{"schema":9,"projects":[]}"#] {
            fs::write(layout.projects(), damaged).expect("damaged");
            projects.add("/c/.amp".into()).expect("written beside it");
            // The one in the damaged file is not known now.
            assert_eq!(projects.read().len(), 3);
            let unread = projects.unread();
            let files: Vec<_> = unread.iter().map(|unread| &unread.file).collect();
            assert_eq!(files, [&layout.projects()], "{damaged}");
            assert_eq!(
                fs::read_to_string(layout.projects()).expect("read"),
                damaged,
                "it is never written over"
            );
        }
        fs::remove_file(layout.projects()).expect("removed");
        projects.add("/b/.amp".into()).expect("written");
        assert_eq!(projects.unread(), []);
        // One without a database is as good as gone.
        let there = world.join("there");
        fs::create_dir_all(there.join("log")).expect("made");
        projects.add(&there).expect("written");
        assert_eq!(projects.gone().len(), 5);
        fs::create_dir(there.join("metadb.old-20260101T000000Z")).expect("made");
        projects.add(&there).expect("written");
        assert_eq!(projects.gone().len(), 4);
        projects
            .forget(&projects.gone())
            .expect("forgotten in both files");
        assert_eq!(projects.read(), BTreeSet::from([there]));
    }
}
