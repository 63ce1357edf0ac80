//! The way back: every file and directory outside of the home as it was before ampup.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{LIMIT, SetupError, is_own, read_record, rewrite, sha256, whole};
use crate::{
    fs::{atomic, remove_if_empty},
    layout::Layout,
    shell::{
        Setting,
        block::{self, Removal},
        record::{Record, Touched},
        start_files::{Placement, ShellUser},
    },
};

/// The removal of one thing that ampup made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// Which file or directory.
    pub path: Utf8PathBuf,
    /// The action to take.
    pub action: Undo,
}

/// The action that restores the earlier state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// The file goes: ampup made it, and nothing else is in it.
    Delete,
    /// The file loses what comes after this many bytes.
    Truncate(usize),
    /// The file becomes this: lines of the user follow the block.
    Rewrite(Vec<u8>),
    /// The directory goes, if it is empty by then.
    DeleteDirectory,
    /// It stays as it is, for this reason.
    Stays(String),
}

/// Lists the changes to take back; reads only. Without a record (an ampup that was killed, a home that was edited) the
/// start files of `user` are searched for the line of `setting`.
///
/// # Errors
/// When the record is there and not understood, or a file that it names cannot be read.
pub fn plan(user: &ShellUser, setting: &Setting, layout: &Layout) -> Result<Vec<Return>, SetupError> {
    let mut record = read_record(layout)?;
    let known: Vec<Utf8PathBuf> = record.files.iter().map(|file| file.path.clone()).collect();
    let unknown = user.start_files(|path| fs::symlink_metadata(path).is_ok());
    for file in unknown.into_iter().filter(|file| !known.contains(&file.path)) {
        let line = setting.line(file.shell);
        record.touch(match file.place {
            Placement::Block => Touched {
                path: file.path,
                place: Placement::Block,
                made: false,
                content: line,
            },
            Placement::Whole => Touched {
                path: file.path,
                place: Placement::Whole,
                made: true,
                content: sha256(&whole(&line)),
            },
        });
    }
    returns(&record, &known, &setting.known_lines())
}

/// Carries it out, in this order.
///
/// # Errors
/// When something cannot be taken back: what comes after it is not done, and is when this is called again.
pub fn apply(returns: &[Return]) -> Result<(), SetupError> {
    returns.iter().try_for_each(|one| {
        carry_out(one).map_err(|source| SetupError::NotTakenBack {
            path: one.path.clone(),
            source,
        })
    })
}

fn returns(record: &Record, known: &[Utf8PathBuf], lines: &[String]) -> Result<Vec<Return>, SetupError> {
    let mut all = Vec::new();
    for touched in record.files.iter().rev() {
        let path = touched.path.clone();
        match undo(touched, lines) {
            Ok(None) => {}
            Ok(Some(action)) => all.push(Return { path, action }),
            // What is no file holds no line; and what nobody wrote to is not ours to complain of.
            Err(cause) if cause.kind() == io::ErrorKind::InvalidData || !known.contains(&path) => {
                let action = Undo::Stays(cause.to_string());
                all.push(Return { path, action });
            }
            Err(source) => return Err(SetupError::NotTakenBack { path, source }),
        }
    }
    let directories = record
        .directories_to_remove()
        .filter(|path| path.is_dir())
        .map(|path| Return {
            path: path.to_owned(),
            action: Undo::DeleteDirectory,
        });
    all.extend(directories);
    Ok(all)
}

/// The fate of one file, which may have the line of its record, or one that another machine's ampup wrote. `None`: nothing
/// of ampup is there.
fn undo(touched: &Touched, lines: &[String]) -> io::Result<Option<Undo>> {
    let content = match atomic::read(&touched.path, LIMIT) {
        Ok(content) => content,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause),
    };
    let goes_empty = touched.made || touched.place == Placement::Whole;
    Ok(match touched.place {
        Placement::Whole if !block::is_all_of(&content) => Some(Undo::Stays("it was edited".to_owned())),
        Placement::Block | Placement::Whole => {
            match block::remove(&content, &|line| is_own(line, lines, Some(touched))) {
                Removal::Absent => None,
                Removal::Foreign(line) => Some(Undo::Stays(format!("its block has another line: `{line}`"))),
                Removal::Truncate(0) if goes_empty => Some(Undo::Delete),
                Removal::Truncate(length) => Some(Undo::Truncate(length)),
                Removal::Rewrite(content) => Some(Undo::Rewrite(content)),
            }
        }
    })
}

fn carry_out(one: &Return) -> io::Result<()> {
    let path: &Utf8Path = &one.path;
    match &one.action {
        Undo::Stays(_) => Ok(()),
        Undo::Delete => fs::remove_file(path),
        Undo::Truncate(length) => {
            let file = fs::OpenOptions::new().write(true).open(path)?;
            file.set_len(*length as u64)?;
            file.sync_all()
        }
        Undo::Rewrite(content) => rewrite(path, content),
        // Something of the user's may lie in it by now; that is as it should be.
        Undo::DeleteDirectory => remove_if_empty(path),
    }
}
