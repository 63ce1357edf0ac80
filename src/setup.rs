//! Puts ampup into the files that a user's shells read, and takes it out again so that nothing tells it was there.
//!
//! A user's file is only ever appended to. Where that is not possible (a link, a file without write permission, UTF-16) it
//! is left alone, and the line for it is told.

pub mod removal;
pub mod windows;

use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    domain::digest::{Algorithm, Hasher},
    fs::{atomic, flush, link},
    layout::Layout,
    shell::{
        Setting, Shell,
        block::{self, Insertion},
        record::{Record, RecordError, Touched},
        start_files::{Placement, ShellUser, StartFile},
    },
};

/// A start file larger than this is nobody's.
const LIMIT: u64 = 16 << 20;

/// The change to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Which file.
    pub file: StartFile,
    /// The line that makes the shell find ampup.
    pub line: String,
    /// The action to take.
    pub action: Action,
}

/// The way in which a file gets its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It has it.
    Nothing,
    /// The file is made, with this content, and before it these directories, parents first.
    Make(Vec<u8>, Vec<Utf8PathBuf>),
    /// These bytes are added at its end.
    Append(Vec<u8>),
    /// Its content becomes this: only ampup's own line differs.
    Rewrite(Vec<u8>),
    /// It is left alone for this reason; the user may add the line.
    ByHand(String),
    /// It should have the line and cannot get it, for this reason.
    Failed(io::ErrorKind, String),
}

impl Action {
    fn failed(cause: &io::Error) -> Self {
        Self::Failed(cause.kind(), cause.to_string())
    }
}

/// The reason the record of the files that ampup wrote to cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The home, or the record in it, cannot be read or written.
    #[error("cannot keep the record of what is made outside of the home")]
    Record(#[source] io::Error),
    /// The record is not understood; without it nothing outside of the home is touched.
    #[error("cannot read `{path}`")]
    Unreadable {
        /// The record.
        path: Utf8PathBuf,
        /// The cause.
        source: RecordError,
    },
    /// A shell's file that should have ampup's line.
    #[error("cannot add ampup's line to `{path}`")]
    NotAdded {
        /// The file.
        path: Utf8PathBuf,
        /// The line.
        line: String,
        /// The cause.
        source: io::Error,
    },
    /// A shell's file that has ampup's line.
    #[error("cannot take ampup's line out of `{path}`")]
    NotTakenBack {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The changes that make every shell of `user` find ampup. Looks, and changes nothing.
pub fn plan(user: &ShellUser, setting: &Setting, layout: &Layout) -> Vec<FileChange> {
    // One that is not understood is an error before anything is changed.
    let record = read_record(layout).unwrap_or_else(|_| Record::new());
    let known = setting.known_lines();
    let mut directories = Vec::new();
    let is_there = |path: &Utf8Path| fs::symlink_metadata(path).is_ok();
    user.start_files(is_there)
        .into_iter()
        .map(|file| {
            let line = setting.line(file.shell);
            let touched = record.files.iter().find(|touched| touched.path == file.path);
            let is_ours = |line: &str| is_own(line, &known, touched);
            let mut action = decide(&file, setting, &is_ours);
            if let Action::Make(_, missing) = &mut action {
                missing.retain(|directory| !directories.contains(directory));
                directories.extend(missing.iter().cloned());
            }
            FileChange { file, line, action }
        })
        .collect()
}

/// Carries the changes out, and writes the generated files. What cannot be written becomes `Failed`; what was done is as
/// it was planned.
///
/// # Errors
/// When the home cannot be written, or its record is not understood. Then nothing outside of the home was touched.
pub fn apply(
    mut changes: Vec<FileChange>,
    setting: &Setting,
    layout: &Layout,
) -> Result<Vec<FileChange>, SetupError> {
    let mut record = read_record(layout)?;
    write_env_files(setting, layout).map_err(SetupError::Record)?;
    for change in &changes {
        note(change, setting, &mut record);
    }
    // First the record, then the deed: whatever a kill leaves behind is known.
    write_record(&record, layout).map_err(SetupError::Record)?;
    for change in &mut changes {
        if let Err(cause) = carry_out(change) {
            change.action = Action::failed(&cause);
        }
    }
    Ok(changes)
}

/// The files of the home that the shells' lines read.
///
/// # Errors
/// When one cannot be written.
pub fn write_env_files(setting: &Setting, layout: &Layout) -> io::Result<()> {
    for shell in Shell::ALL {
        let path = layout.home().join(shell.env_file());
        atomic::write_state(&path, setting.env_text(shell).as_bytes())?;
    }
    Ok(())
}

/// The record of a home; an empty one where there is none, or a damaged one.
///
/// # Errors
/// When it cannot be read, or a newer ampup wrote it.
pub fn read_record(layout: &Layout) -> Result<Record, SetupError> {
    Ok(read_or_damage(layout)?.unwrap_or_else(|_| Record::new()))
}

/// Describes the damage of a record, if there is any.
pub fn damage(layout: &Layout) -> Option<String> {
    let damage = read_or_damage(layout).ok()?.err()?;
    Some(format!(
        "{damage}; the shells' files are searched for ampup's lines instead"
    ))
}

fn read_or_damage(layout: &Layout) -> Result<Result<Record, String>, SetupError> {
    let path = layout.shells();
    match atomic::read_own(&path, LIMIT) {
        Ok(json) => match Record::parse(&json) {
            Ok(record) => Ok(Ok(record)),
            Err(RecordError::Damaged(_)) => Ok(Err(format!("`{path}` is damaged"))),
            Err(source @ RecordError::Newer(_)) => Err(SetupError::Unreadable { path, source }),
        },
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Ok(Record::new())),
        // A link, a directory, or more than any record is.
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => Ok(Err(cause.to_string())),
        Err(cause) => Err(SetupError::Record(cause)),
    }
}

/// Writes the record of a home. A directory in its place is moved aside.
///
/// # Errors
/// When it cannot be written.
pub fn write_record(record: &Record, layout: &Layout) -> io::Result<()> {
    let path = layout.shells();
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        fs::rename(&path, format!("{path}.old"))?;
    }
    atomic::write_state(&path, &record.to_json())
}

/// Returns true if the block with this line is this home's: it has a line of this home's, or one that this home wrote where
/// it lay before.
fn is_own(line: &str, known: &[String], touched: Option<&Touched>) -> bool {
    let is_recorded = |touched: &Touched| touched.content == line || touched.content == sha256(&whole(line));
    known.iter().any(|known| known == line) || touched.is_some_and(is_recorded)
}

fn decide(file: &StartFile, setting: &Setting, is_ours: &dyn Fn(&str) -> bool) -> Action {
    let path = &file.path;
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return match missing_parents(path) {
                Ok(missing) => Action::Make(new_content(file, setting), missing),
                Err(cause) => Action::failed(&cause),
            };
        }
        Err(cause) => return Action::failed(&cause),
    };
    if metadata.is_symlink() {
        return Action::ByHand(format!(
            "`{path}` is a link, and may be shared with other machines"
        ));
    }
    let content = match atomic::read(path, LIMIT) {
        Ok(content) => content,
        Err(cause) => return Action::failed(&cause),
    };
    let insertion = match file.place {
        // A file that should be ampup's alone, and that is not, is the user's.
        Placement::Whole if !block::is_all_of(&content) => Insertion::NotText,
        Placement::Block | Placement::Whole => block::insert(&content, &setting.line(file.shell), is_ours),
    };
    match insertion {
        Insertion::Present => Action::Nothing,
        Insertion::NotText => Action::ByHand(format!("`{path}` is not a text that ampup can add a line to")),
        // Root could write it all the same; who took the permission away did not want that.
        _ if metadata.permissions().readonly() => Action::ByHand(format!("`{path}` is read-only")),
        Insertion::Append(added) => Action::Append(added),
        Insertion::Rewrite(content) => Action::Rewrite(content),
    }
}

/// Returns true if a file has line ends of which a shell of the POSIX kind takes the CR for a part of the line.
pub fn has_windows_line_ends(path: &Utf8Path) -> bool {
    atomic::read(path, LIMIT).is_ok_and(|content| content.windows(2).any(|pair| pair == b"\r\n"))
}

fn new_content(file: &StartFile, setting: &Setting) -> Vec<u8> {
    whole(&setting.line(file.shell))
}

/// The content of a file that is one block with this line.
fn whole(line: &str) -> Vec<u8> {
    format!("{}\n", block::render(line)).into_bytes()
}

/// The directories above `path` that are not there, parents first.
fn missing_parents(path: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
    let mut missing = Vec::new();
    for directory in path.ancestors().skip(1) {
        match fs::metadata(directory) {
            Ok(_) => break,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => missing.push(directory.to_owned()),
            Err(cause) => return Err(cause),
        }
    }
    missing.reverse();
    Ok(missing)
}

fn note(change: &FileChange, setting: &Setting, record: &mut Record) {
    if matches!(change.action, Action::ByHand(_) | Action::Failed(..)) {
        return;
    }
    let made = match &change.action {
        Action::Make(_, directories) => {
            for directory in directories {
                record.make_directory(directory);
            }
            true
        }
        _ => false,
    };
    let content = match change.file.place {
        Placement::Block => change.line.clone(),
        Placement::Whole => sha256(&new_content(&change.file, setting)),
    };
    record.touch(Touched {
        path: change.file.path.clone(),
        place: change.file.place,
        made,
        content,
    });
}

/// The form in which a record knows a whole file.
pub fn sha256(content: &[u8]) -> String {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(content);
    hasher.finish().hex()
}

fn carry_out(change: &FileChange) -> io::Result<()> {
    let path = &change.file.path;
    match &change.action {
        Action::Nothing | Action::ByHand(_) | Action::Failed(..) => Ok(()),
        Action::Make(content, directories) => {
            for directory in directories {
                match fs::create_dir(directory) {
                    Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
                    _ => {}
                }
            }
            let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
            let written = file.write_all(content).and_then(|()| file.sync_all());
            if written.is_err() {
                let _ = fs::remove_file(path);
            }
            written
        }
        Action::Append(added) => {
            let mut file = fs::OpenOptions::new().append(true).open(path)?;
            let length = file.metadata()?.len();
            let written = file.write_all(added).and_then(|()| file.sync_all());
            if written.is_err() {
                // A full disk must not leave half a line in somebody's file.
                let _ = file.set_len(length);
            }
            written
        }
        Action::Rewrite(content) => rewrite(path, content),
    }
}

/// Replaces a user's file whole, with the permissions and the owner it has. It is made beside it, because a home directory
/// may lie on another file system than ampup's; under one name, so that what a kill leaves there goes with the next change
/// of that file.
fn rewrite(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    // Through a link: what it points to is replaced, not the link.
    let path = link::real(path)?;
    let name = path.file_name().expect("a file has a name");
    let beside = path.with_file_name(format!(".{name}.ampup-new"));
    match fs::remove_file(&beside) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let replaced = write_like(&path, content, &beside).and_then(|()| fs::rename(&beside, &path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    match replaced {
        // Ours to write, and not to give to its owner; or its directory is not ours.
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => rewrite_in_place(&path, content),
        Err(cause) => Err(cause),
        Ok(()) => flush::sync_directory(path.parent().expect("a file lies in a directory")),
    }
}

/// The same without another file: owner, group and permissions stay. One write from the first byte that differs, as long as
/// the file was, then a cut: killed in between, it has empty lines at its end.
fn rewrite_in_place(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom};
    let now = atomic::read(path, LIMIT)?;
    let same = now
        .iter()
        .zip(content)
        .take_while(|(now, new)| now == new)
        .count();
    let mut rest = content[same..].to_vec();
    rest.resize(rest.len().max(now.len() - same), b'\n');
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(same as u64))?;
    file.write_all(&rest)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
}

/// Makes a file with this content, and the permissions and the owner of another.
fn write_like(other: &Utf8Path, content: &[u8], path: &Utf8Path) -> io::Result<()> {
    let metadata = fs::metadata(other)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.set_permissions(metadata.permissions())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let ours = file.metadata()?;
        if (ours.uid(), ours.gid()) != (metadata.uid(), metadata.gid()) {
            std::os::unix::fs::fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
            // A change of owner takes special bits away.
            file.set_permissions(metadata.permissions())?;
        }
    }
    file.sync_all()
}

/// A program that is found before ampup's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: Utf8PathBuf,
    /// True if it will still come first in a new shell, as far as the current PATH tells.
    pub is_lasting: bool,
}

/// Which of `names` a shell with this PATH finds elsewhere than in `bin`.
pub fn shadows(search_path: &[Utf8PathBuf], bin: &Utf8Path, names: &[&str]) -> Vec<Shadow> {
    let is_lasting = search_path.iter().any(|directory| directory == bin);
    let mut found = Vec::new();
    for name in names {
        let first = search_path
            .iter()
            .take_while(|directory| *directory != bin)
            .map(|directory| directory.join(name))
            .find(|path| path.is_file());
        if let Some(path) = first {
            found.push(Shadow {
                name: (*name).to_owned(),
                path,
                is_lasting,
            });
        }
    }
    found
}
