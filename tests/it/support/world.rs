//! A directory for one test, and what lies in it.

use camino::{Utf8Path, Utf8PathBuf};

/// A directory of the test's own, gone with it.
pub(crate) struct World {
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).expect("UTF-8")
    }

    pub(crate) fn join(&self, name: &str) -> Utf8PathBuf {
        self.path().join(name)
    }
}

/// Writes a file and the directories above it.
pub(crate) fn write(path: &Utf8Path, content: impl AsRef<[u8]>) {
    fs_err::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs_err::write(path, content).expect("written");
}

/// Writes a file that can be run.
#[cfg(unix)]
pub(crate) fn write_program(path: &Utf8Path, content: impl AsRef<[u8]>) {
    use std::os::unix::fs::PermissionsExt as _;
    write(path, content);
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permitted");
}

/// Everything below a directory: its path, kind, permissions and content (of a long file its digest), one line each.
#[cfg(target_os = "linux")]
pub(crate) fn snapshot(top: &Utf8Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut lines = Vec::new();
    let mut pending = vec![top.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in directory.read_dir_utf8().expect("listed") {
            let path = entry.expect("an entry").into_path();
            let metadata = fs_err::symlink_metadata(&path).expect("there");
            let name = path.strip_prefix(top).expect("below");
            let mode = metadata.permissions().mode();
            if metadata.is_symlink() {
                lines.push(format!("{name} -> {}", path.read_link_utf8().expect("a link")));
            } else if metadata.is_dir() {
                lines.push(format!("{name}/ {mode:o}"));
                pending.push(path);
            } else {
                let content = fs_err::read(&path).expect("read");
                let content = if content.len() > 10_000 {
                    super::home::sha256(&content)
                } else {
                    content.escape_ascii().to_string()
                };
                lines.push(format!("{name} {mode:o} {content}"));
            }
        }
    }
    lines.sort();
    lines
}
