//! Links, and what stands for them on Windows: a directory link is a junction there, an executable link a small shim.
//! Nothing outside this module knows the difference.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// An entry in a place of ours that is not ours. As the inner error of an `io::Error` it says what to do (`exit`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {what}")]
pub struct ForeignEntry {
    /// The place.
    pub path: Utf8PathBuf,
    /// The description of the entry, as the rest of a sentence.
    pub what: String,
}

impl ForeignEntry {
    /// Returns the entry that stands in the place of a file and is not one; a link is not followed.
    pub fn instead_of_file(path: &Utf8Path) -> Option<Self> {
        if path.symlink_metadata().ok()?.is_file() {
            return None;
        }
        let what = match read(path) {
            Ok(target) => format!("is a link to `{target}`; ampup makes none there, and follows none"),
            Err(_) => "is not a file".to_owned(),
        };
        Some(Self {
            path: path.to_owned(),
            what,
        })
    }

    /// Returns the command to type, so that ampup makes its own in that place. The target of a link is left alone.
    pub fn remedy(&self) -> String {
        let path = &self.path;
        let quoted = |path: &str| {
            let is_plain = |letter: char| letter.is_alphanumeric() || "-_./+@:".contains(letter);
            if path.chars().all(is_plain) {
                return path.to_owned();
            }
            // PowerShell has its own way to write one.
            let quote = if cfg!(windows) { "''" } else { r"'\''" };
            format!("'{}'", path.replace('\'', quote))
        };
        let typed = quoted(path.as_str());
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() && cfg!(windows) => format!("`rmdir \"{path}\"`"),
            Ok(metadata) if metadata.is_symlink() => format!("`rm {typed}`"),
            Ok(metadata) if metadata.is_dir() && super::is_empty(path) => format!("`rmdir {typed}`"),
            _ => format!("`mv {typed} {}`", quoted(&format!("{path}.old"))),
        }
    }
}

impl From<ForeignEntry> for io::Error {
    fn from(entry: ForeignEntry) -> Self {
        Self::new(io::ErrorKind::NotADirectory, entry)
    }
}

/// The path that this one leads to: absolute and without links.
///
/// Windows' own answer begins with `\\?\`, which PostgreSQL and many others do not take; here it does so only where the path
/// has no other name.
///
/// # Errors
/// When nothing is there, or the path is no text.
pub fn real(path: &Utf8Path) -> io::Result<Utf8PathBuf> {
    #[cfg(unix)]
    {
        path.canonicalize_utf8()
    }
    #[cfg(windows)]
    {
        let real = dunce::canonicalize(path)?;
        Utf8PathBuf::from_path_buf(real).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

/// Makes a link `link` to a directory. `target` is relative to the link's own directory.
///
/// # Errors
/// When it cannot be made; `AlreadyExists` when something has that name.
pub fn directory(target: &Utf8Path, link: &Utf8Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        fs_err::os::unix::fs::symlink(target, link)
    }
    #[cfg(windows)]
    {
        let parent = link.parent().expect("a link lies in a directory");
        junction::create(parent.join(target), link)
    }
}

/// Makes a link `link` to an executable. `target` is relative to the link's own directory.
///
/// # Errors
/// When it cannot be made; `AlreadyExists` when something has that name.
pub fn executable(target: &Utf8Path, link: &Utf8Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        fs_err::os::unix::fs::symlink(target, link)
    }
    #[cfg(windows)]
    {
        // cmd, PowerShell and CreateProcess through PATHEXT all find `name.cmd`. After `exit /b` cmd does not read on:
        // `ampup self uninstall` has deleted the file by then.
        let shim = executable_path(link);
        let target = target.as_str().replace('/', "\\");
        fs::write(shim, format!("@\"%~dp0{target}.exe\" %* & exit /b\r\n"))
    }
}

/// The path that `executable` makes.
pub fn executable_path(link: &Utf8Path) -> Utf8PathBuf {
    if cfg!(windows) {
        link.with_extension("cmd")
    } else {
        link.to_owned()
    }
}

/// Makes a link `link` as an archive holds it; what it points to need not exist. `target` is relative to the link's own
/// directory.
///
/// # Errors
/// When it cannot be made; `AlreadyExists` when something has that name. On Windows always `Unsupported`: links need a
/// privilege there, and no archive for Windows has any.
pub fn in_tree(target: &Utf8Path, link: &Utf8Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        fs_err::os::unix::fs::symlink(target, link)
    }
    #[cfg(windows)]
    {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("cannot make the symlink `{link}` to `{target}` on Windows"),
        ))
    }
}

/// Points the directory link `link` elsewhere, in one rename. Whoever follows it sees the old target or the new one. The
/// new link is made in `scratch`, a private directory on the same file system.
///
/// On Windows a junction cannot be replaced by a rename: it is removed and made anew, and readers try again (`read`).
///
/// # Errors
/// When the new link cannot be made or moved into place; the old one is then as it was.
pub fn replace_directory(target: &Utf8Path, link: &Utf8Path, scratch: &Utf8Path) -> io::Result<()> {
    let parent = link.parent().expect("a link lies in a directory");
    #[cfg(unix)]
    {
        let beside = scratch.join("link");
        match fs::remove_file(&beside) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => directory(target, &beside)?,
        }
        fs::rename(&beside, link)?;
    }
    #[cfg(windows)]
    {
        let _ = scratch;
        match fs::remove_dir(link) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => directory(target, link)?,
        }
    }
    super::flush::sync_directory(parent)
}

/// Where a link points, as it is written (on Windows: absolute).
///
/// # Errors
/// `NotFound` when nothing is there, `InvalidInput` when it is no link.
pub fn read(link: &Utf8Path) -> io::Result<Utf8PathBuf> {
    #[cfg(unix)]
    let target = fs::read_link(link)?;
    #[cfg(windows)]
    let target = read_with_retries(link)?;
    Utf8PathBuf::from_path_buf(target).map_err(|target| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{link}` points to `{}`, which is not UTF-8", target.display()),
        )
    })
}

/// A junction is away for a moment while it is replaced.
#[cfg(windows)]
fn read_with_retries(link: &Utf8Path) -> io::Result<std::path::PathBuf> {
    for _ in 0..20 {
        match junction::get_target(link) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            answer => return answer,
        }
    }
    junction::get_target(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_path_with_a_quotation_mark_can_be_typed() {
        let entry = ForeignEntry {
            path: "/h/it's".into(),
            what: String::new(),
        };
        if cfg!(unix) {
            assert_eq!(entry.remedy(), r"`mv '/h/it'\''s' '/h/it'\''s.old'`");
        }
    }

    #[test]
    fn a_link_is_replaced_whole_and_nothing_is_left_beside_it() {
        let world = tempfile::tempdir().expect("tempdir");
        let world = Utf8Path::from_path(world.path()).expect("UTF-8");
        fs::create_dir(world.join("a")).expect("made");
        fs::create_dir(world.join("b")).expect("made");
        fs::create_dir(world.join("scratch")).expect("made");
        let link = world.join("link");
        every(["a", "b", "a"], |target| {
            replace_directory(target.into(), &link, &world.join("scratch")).expect("replaced");
            assert_eq!(read(&link).expect("a link").file_name(), Some(target));
        });
        assert_eq!(fs::read_dir(world.join("scratch")).expect("listed").count(), 0);
        assert_eq!(
            read(&world.join("none")).expect_err("missing").kind(),
            io::ErrorKind::NotFound
        );
    }
}
