//! The record of what ampup made outside its home, so that uninstalling leaves nothing behind and takes nothing that
//! is not ours. Kept in the home as `shells.json`.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::start_files::Placement;
use crate::domain::checked::{self, CheckError};

/// The record of one home.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    schema: u32,
    /// Files outside the home that ampup wrote to, in that order.
    pub files: Vec<Touched>,
    /// Directories outside the home that ampup made, parents first. Each is removed when it is empty.
    pub directories: Vec<Utf8PathBuf>,
}

/// A file that ampup wrote to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Where it is.
    pub path: Utf8PathBuf,
    /// The form in which ampup is in it.
    pub place: Placement,
    /// It was not there before: it goes when nothing but ampup's is in it.
    pub made: bool,
    /// The text that was written: the line of the block, or the sha256 of the whole file. A file that differs was edited,
    /// and stays.
    pub content: String,
}

/// The reason a record is not understood.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON of a record.
    #[error("the record of what ampup made is damaged")]
    Damaged(#[source] CheckError),
    /// Written by a newer ampup.
    #[error("the record of what ampup made has schema {0}, and this ampup knows 1")]
    Newer(u32),
}

impl Record {
    const SCHEMA: u32 = 1;

    /// A record of nothing.
    pub fn new() -> Self {
        Self {
            schema: Self::SCHEMA,
            ..Self::default()
        }
    }

    /// Reads the JSON of a record.
    ///
    /// # Errors
    /// When it is none, or a newer one.
    pub fn parse(json: &[u8]) -> Result<Self, RecordError> {
        let record: Self = checked::read(json).map_err(RecordError::Damaged)?;
        if record.schema > Self::SCHEMA {
            return Err(RecordError::Newer(record.schema));
        }
        Ok(record)
    }

    /// Its JSON.
    pub fn to_json(&self) -> Vec<u8> {
        checked::written(self)
    }

    /// Notes that a file was written. What an earlier `init` made stays noted as made.
    pub fn touch(&mut self, touched: Touched) {
        match self.files.iter_mut().find(|known| known.path == touched.path) {
            Some(known) => {
                let made = known.made || touched.made;
                *known = Touched { made, ..touched };
            }
            None => self.files.push(touched),
        }
    }

    /// Notes that a directory was made; its parents were noted before it.
    pub fn make_directory(&mut self, path: &Utf8Path) {
        if !self.directories.iter().any(|known| known == path) {
            self.directories.push(path.to_owned());
        }
    }

    /// The directories as they are to be removed, children first.
    pub fn directories_to_remove(&self) -> impl Iterator<Item = &Utf8Path> {
        self.directories.iter().rev().map(Utf8PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_init_does_not_forget_what_the_first_made() {
        let touched = |made, content: &str| Touched {
            path: "/u/.bashrc".into(),
            place: Placement::Block,
            made,
            content: content.to_owned(),
        };
        let mut record = Record::new();
        record.touch(touched(true, "a"));
        record.make_directory("/u/.config".into());
        let mut again = Record::parse(&record.to_json()).expect("what we wrote");
        assert_eq!(again, record);
        again.touch(touched(false, "b"));
        again.make_directory("/u/.config".into());
        again.make_directory("/u/.config/fish".into());
        assert_eq!(again.files, [touched(true, "b")]);
        let removed: Vec<_> = again.directories_to_remove().collect();
        assert_eq!(removed, ["/u/.config/fish", "/u/.config"]);
    }

    #[test]
    fn a_record_that_is_not_understood_is_not_guessed_at() {
        assert!(matches!(
            Record::parse(b"{\"schema\":2,\"files\":[],\"directories\":[]}"),
            Err(RecordError::Newer(2))
        ));
        assert!(matches!(Record::parse(b"{"), Err(RecordError::Damaged(_))));
    }
}
