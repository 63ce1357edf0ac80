//! Unpacking real archives: every rule with an archive that breaks it, and archives of many makers that pass.

mod any;
mod honest;
mod hostile;
mod room;

use std::{collections::BTreeMap, error::Error, fs::File, os::unix::fs::PermissionsExt as _};

use ampup::{
    domain::{Algorithm, FileRecord, Format},
    fs::space::SpaceNeed,
    unpack::{Shape, Staged, UnpackError, unpack},
    verify::{Verified, digest_of, verify},
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// A directory to unpack into, and beside it what must stay as it is.
struct World {
    _directory: tempfile::TempDir,
    top: Utf8PathBuf,
    into: Utf8PathBuf,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("made");
        let top = Utf8Path::from_path(directory.path()).expect("UTF-8").to_owned();
        let into = top.join("into");
        fs::create_dir(&into).expect("made");
        fs::create_dir(top.join("canary")).expect("made");
        fs::write(top.join("canary/file"), "sings").expect("written");
        Self {
            _directory: directory,
            top,
            into,
        }
    }

    fn unpack(&self, shape: &Shape<'_>, archive: &[u8]) -> Result<Staged, UnpackError> {
        unpack(&self.verified(archive), shape, &self.into)
    }

    fn verified(&self, archive: &[u8]) -> Verified {
        let path = self.top.join("archive");
        fs::write(&path, archive).expect("written");
        proven(&path)
    }

    /// Nothing was left in the staging directory, and nothing changed outside.
    fn assert_untouched(&self, name: &str) {
        let left = fs::read_dir(&self.into).expect("listed").count();
        assert_eq!(left, 0, "{name}: something is left");
        let all = snapshot(&self.top);
        let names: Vec<&str> = all.keys().map(|path| path.as_str()).collect();
        assert_eq!(names, ["archive", "canary", "canary/file", "into"], "{name}");
        assert!(all[Utf8Path::new("canary/file")].ends_with("sings"), "{name}");
    }
}

/// The file with its own digest as the promised one: here the content matters, not where it came from.
fn proven(path: &Utf8Path) -> Verified {
    let open = || File::open(path).expect("opened");
    let (digest, size) = digest_of(&mut open(), Algorithm::Sha256).expect("read");
    verify(open(), path, "a test", &digest, Some(size)).expect("verified")
}

fn shape(format: Format) -> Shape<'static> {
    Shape {
        format,
        root: None,
        links: None,
        moved: BTreeMap::new(),
        unpacked_size: None,
        executable: "program".to_owned(),
        beside: SpaceNeed::default(),
    }
}

/// The whole message: the error, and its causes.
fn full_message(error: &UnpackError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// Everything below a directory, in one line each: mode and content, or where the link points.
fn snapshot(top: &Utf8Path) -> BTreeMap<Utf8PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![top.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in directory.read_dir_utf8().expect("listed") {
            let path = entry.expect("an entry").into_path();
            let metadata = fs::symlink_metadata(&path).expect("read");
            let line = if metadata.is_symlink() {
                format!("-> {}", path.read_link_utf8().expect("a link"))
            } else if metadata.is_dir() {
                ahead.push(path.clone());
                format!("{:o}", metadata.permissions().mode() & 0o7777)
            } else {
                let content = fs::read(&path).expect("read");
                let mode = metadata.permissions().mode() & 0o7777;
                format!("{mode:o} {}", String::from_utf8_lossy(&content))
            };
            found.insert(path.strip_prefix(top).expect("below").to_owned(), line);
        }
    }
    found
}

/// The list that unpacking made, against what is on disk.
fn assert_listed(staged: &Staged) {
    let mut listed = 0;
    for (path, line) in snapshot(staged.path()) {
        let is_directory = !line.contains(' ');
        match staged.files().get(&path) {
            None => assert!(is_directory, "{path} is not listed"),
            Some(FileRecord::Link { target }) => assert_eq!(line, format!("-> {target}")),
            Some(FileRecord::File {
                digest,
                size,
                executable,
            }) => {
                let mut file = fs::File::open(staged.path().join(&path)).expect("opened");
                let (actual, length) = digest_of(&mut file, Algorithm::Sha256).expect("read");
                assert_eq!((&actual, length), (digest, *size), "{path}");
                let mode = if *executable { "755 " } else { "644 " };
                assert!(line.starts_with(mode), "{path}: {line:.4}");
            }
        }
        listed += usize::from(!is_directory);
    }
    assert_eq!(listed, staged.files().len());
}
