//! The list of files in a tree: the content of its `.files.json`.

use std::collections::BTreeMap;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::Digest;

/// Every file and link of a tree, by its path from the tree's top, in the order of the paths. Directories follow from
/// them.
///
/// No path is absolute and none holds `..`, also in a list that was read back: joined to a tree, each stays in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct FileList(BTreeMap<Utf8PathBuf, FileRecord>);

/// One file or link of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum FileRecord {
    /// A regular file.
    File {
        /// The digest of its content.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// True if its mode is 0755; otherwise it is 0644.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// The target, as it is written.
        target: String,
    },
}

/// A path that would leave the tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path within a tree")]
pub struct NotWithinTree(Utf8PathBuf);

#[derive(Serialize, Deserialize)]
struct Document {
    files: BTreeMap<Utf8PathBuf, FileRecord>,
}

impl FileList {
    /// A list of these entries.
    ///
    /// # Errors
    /// When a path is empty, absolute, or holds `.` or `..`.
    pub fn new(entries: BTreeMap<Utf8PathBuf, FileRecord>) -> Result<Self, NotWithinTree> {
        match entries.keys().find(|path| !is_within(path)) {
            Some(path) => Err(NotWithinTree(path.clone())),
            None => Ok(Self(entries)),
        }
    }

    /// The entries, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&Utf8Path, &FileRecord)> {
        self.0.iter().map(|(path, record)| (path.as_path(), record))
    }

    /// The entry at a path.
    pub fn get(&self, path: impl AsRef<Utf8Path>) -> Option<&FileRecord> {
        self.0.get(path.as_ref())
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all files together.
    pub fn size(&self) -> u64 {
        let sizes = self.0.values().map(|record| match record {
            FileRecord::File { size, .. } => *size,
            FileRecord::Link { .. } => 0,
        });
        sizes.fold(0, u64::saturating_add)
    }
}

fn is_within(path: &Utf8Path) -> bool {
    let normal = |part| matches!(part, Utf8Component::Normal(_));
    // `components` hides a `.` that is not the first; the comparison does not.
    !path.as_str().is_empty()
        && path.components().all(normal)
        && path
            .as_str()
            .split('/')
            .all(|part| part != "." && !part.is_empty())
}

impl TryFrom<Document> for FileList {
    type Error = NotWithinTree;

    fn try_from(document: Document) -> Result<Self, Self::Error> {
        Self::new(document.files)
    }
}

impl From<FileList> for Document {
    fn from(list: FileList) -> Self {
        Self { files: list.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    const TEXT: &str = concat!(
        r#"{"files":{"bin/a":{"kind":"file","#,
        r#""digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","#,
        r#""size":3,"executable":true},"lib/b":{"kind":"link","target":"../bin/a"}}}"#
    );

    #[test]
    fn a_list_is_read_back_as_it_was_written() {
        let list: FileList = serde_json::from_str(TEXT).expect("read");
        assert_eq!(list.len(), 2);
        assert_eq!(list.size(), 3);
        assert_eq!(serde_json::to_string(&list).expect("written"), TEXT);
    }

    #[test]
    fn a_damaged_list_never_names_a_file_outside_the_tree() {
        every(
            ["/bin/a", "../a", "bin/../../a", "./a", "bin//a", "bin/./a", ""],
            |bad| {
                let text = TEXT.replace("bin/a\":", &format!("{bad}\":"));
                assert!(serde_json::from_str::<FileList>(&text).is_err(), "{bad}");
            },
        );
    }
}
