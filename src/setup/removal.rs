//! The way back: every file and directory outside of the home as it was before ampup.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{LIMIT, SetupError, read_record, rewrite, sha256};
use crate::{
    fs::atomic,
    layout::Layout,
    shell::{
        Placement, Setting, ShellUser,
        block::{self, Removal},
        record::{Record, Touched},
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
/// When the record is there and not understood.
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
                content: sha256(format!("{}\n", block::render(&line)).as_bytes()),
            },
        });
    }
    Ok(returns(&record))
}

/// Carries it out. What cannot be taken back becomes `Stays`; the rest is done all the same.
pub fn apply(mut returns: Vec<Return>) -> Vec<Return> {
    for one in &mut returns {
        if let Err(cause) = carry_out(one) {
            one.action = Undo::Stays(cause.to_string());
        }
    }
    returns
}

fn returns(record: &Record) -> Vec<Return> {
    let files = record.files.iter().rev().filter_map(|touched| {
        Some(Return {
            path: touched.path.clone(),
            action: undo(touched)?,
        })
    });
    let directories = record
        .directories_to_remove()
        .filter(|path| path.is_dir())
        .map(|path| Return {
            path: path.to_owned(),
            action: Undo::DeleteDirectory,
        });
    files.chain(directories).collect()
}

/// `None`: nothing of ampup is there.
fn undo(touched: &Touched) -> Option<Undo> {
    let content = match atomic::read(&touched.path, LIMIT) {
        Ok(content) => content,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return None,
        Err(cause) => return Some(Undo::Stays(cause.to_string())),
    };
    match touched.place {
        Placement::Whole if sha256(&content) == touched.content => Some(Undo::Delete),
        Placement::Whole => Some(Undo::Stays("it was edited".to_owned())),
        Placement::Block => match block::remove(&content, &touched.content) {
            Removal::Absent => None,
            Removal::Foreign(line) => Some(Undo::Stays(format!("its block has another line: `{line}`"))),
            Removal::Truncate(0) if touched.made => Some(Undo::Delete),
            Removal::Truncate(length) => Some(Undo::Truncate(length)),
            Removal::Rewrite(content) => Some(Undo::Rewrite(content)),
        },
    }
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
        Undo::DeleteDirectory => match fs::remove_dir(path) {
            // Something of the user's lies in it by now; that is as it should be.
            Err(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
                ) =>
            {
                Ok(())
            }
            other => other,
        },
    }
}
