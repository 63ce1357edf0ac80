//! Whose a directory is. A home has a mark, the first file that is written into it, which says what ampup calls its own
//! there: a name is claimed only while nothing has it, so that whatever has it later is ampup's. Where there is no mark,
//! nothing is changed as long as somebody has one of those names.

use std::{collections::BTreeSet, io, thread, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{pointer, receipt::Receipt};
use crate::{
    domain::{ComponentName, TreeName, checked},
    fs::{atomic, flush, link::ForeignEntry},
    layout::{Layout, RECEIPT},
};

/// Every name that ampup uses at the top of its home. `config.toml` is not among them: it is the user's, also before
/// there is a home.
const NAMES: [&str; 16] = [
    "active",
    "bin",
    "cache",
    "components",
    "env",
    "env.fish",
    "env.nu",
    "env.ps1",
    "generations",
    "locks",
    "projects.json",
    "projects.json.lock",
    "share",
    "shells.json",
    "staging",
    "trust.json",
];

/// No mark is larger, in bytes.
const LIMIT: u64 = 64 << 10;

/// The number of further looks at a home that seems to be somebody else's, and the time between them.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The content of the mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    schema: u64,
    /// The names of the entries in this directory that are ampup's.
    names: BTreeSet<String>,
    /// The directory was there before, so that it is not ampup's to remove.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    found: bool,
    /// The link that leads to the directory, where ampup made it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<Utf8PathBuf>,
}

/// A directory that may be, or is, ampup's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It has the mark, or what ampup alone writes: these names are ampup's.
    Made(BTreeSet<String>),
    /// Nothing in it has a name that ampup uses.
    Free,
    /// This was there before ampup.
    Foreign(ForeignEntry),
}

/// Looks whose the home's directory is.
///
/// # Errors
/// When it cannot be read.
pub fn read(layout: &Layout) -> io::Result<Claim> {
    settled(|| look(layout))
}

/// Looks again where something seems to be somebody else's: another ampup may be making the home, whose mark was not there yet,
/// or not whole, when it was looked for, while what followed was there when that was.
fn settled(mut look: impl FnMut() -> io::Result<Claim>) -> io::Result<Claim> {
    let mut claim = look()?;
    for _ in 0..LOOKS {
        if !matches!(claim, Claim::Foreign(_)) {
            break;
        }
        thread::sleep(BETWEEN_LOOKS);
        claim = look()?;
    }
    Ok(claim)
}

fn look(layout: &Layout) -> io::Result<Claim> {
    match atomic::read_own(&layout.mark(), LIMIT) {
        // One that is damaged says nothing: what lies beside it is judged as if there were none.
        Ok(text) => {
            if let Ok(mark) = checked::read::<Mark>(&text) {
                return Ok(Claim::Made(mark.names));
            }
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {}
        Err(cause) if cause.kind() == io::ErrorKind::NotADirectory => {}
        Err(cause) => return Err(cause),
    }
    if is_from_before_marks(layout) {
        return Ok(Claim::Made(every_name()));
    }
    let taken = NAMES.iter().map(|name| layout.home().join(name));
    for path in taken {
        match path.symlink_metadata() {
            Ok(_) if path == layout.cache() && is_cache_of_ours(layout) => {}
            Ok(_) => return Ok(Claim::Foreign(foreign(path, layout))),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotADirectory => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(Claim::Free)
}

/// Makes the directory ampup's, which somebody else may have made: with its mark, before anything else is written into it.
///
/// # Errors
/// When something in it was there before ampup, or the mark cannot be written.
#[cfg(feature = "cli")]
pub(super) fn stake(layout: &Layout, is_found: bool, link: Option<&Utf8Path>) -> io::Result<()> {
    if let Claim::Foreign(entry) = read(layout)? {
        return Err(entry.into());
    }
    let path = layout.mark();
    match path.symlink_metadata() {
        Ok(found) if found.is_file() && mark(layout).is_some() => return Ok(()),
        // One that was cut, or damaged since.
        Ok(found) if found.is_file() => match fs::remove_file(&path) {
            // Another ampup was faster.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        },
        Ok(_) => return Err(foreign(path, layout).into()),
        Err(_) => {}
    }
    write(layout, is_found, link)
}

/// Writes the mark in its place, and not beside it first: one that was cut is written again, and nothing else may be left in
/// a directory that is not ampup's yet.
#[cfg(feature = "cli")]
fn write(layout: &Layout, found: bool, link: Option<&Utf8Path>) -> io::Result<()> {
    let names = every_name();
    let text = checked::written(&Mark {
        schema: 1,
        names,
        found,
        link: link.map(Utf8Path::to_owned),
    });
    match atomic::write_unflushed(&layout.mark(), &text) {
        // Another ampup was faster.
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    // Windows flushes no file that was opened for reading alone.
    let mark = fs::OpenOptions::new().write(true).open(layout.mark())?;
    mark.sync_all()?;
    flush::sync_directory(layout.home())
}

/// Returns true if the home's directory was there before it became one.
#[cfg(feature = "cli")]
pub fn was_found(layout: &Layout) -> bool {
    mark(layout).is_some_and(|mark| mark.found)
}

/// The link that ampup made to a home.
#[cfg(feature = "cli")]
pub fn link(layout: &Layout) -> Option<Utf8PathBuf> {
    mark(layout)?.link
}

#[cfg(feature = "cli")]
fn mark(layout: &Layout) -> Option<Mark> {
    checked::read(&atomic::read_own(&layout.mark(), LIMIT).ok()?).ok()
}

/// Returns true if files beside the store may be written into the home: into a directory that was made for it.
pub fn is_made(layout: &Layout) -> bool {
    matches!(read(layout), Ok(Claim::Made(_)))
}

fn every_name() -> BTreeSet<String> {
    NAMES.map(str::to_owned).into()
}

fn foreign(path: Utf8PathBuf, layout: &Layout) -> ForeignEntry {
    ForeignEntry {
        what: format!("is not ampup's: `{}` cannot be its home", layout.home()),
        path,
    }
}

/// Returns true if a home without a mark is recognized by what only ampup writes: the link to a generation that has its
/// record, or a version with its receipt.
fn is_from_before_marks(layout: &Layout) -> bool {
    let has_generation = || {
        let number = pointer::active(layout).ok()??;
        let record = layout.generation(number).join(pointer::RECORD);
        record.symlink_metadata().ok().filter(std::fs::Metadata::is_file)
    };
    has_generation().is_some() || has_receipt(&layout.components())
}

/// Returns true if nothing is in `cache/` but what ampup keeps there by its digest: a volume of a container or of a build,
/// which is mounted before there is a home around it, and may come from another one.
fn is_cache_of_ours(layout: &Layout) -> bool {
    let is_directory = |path: &Utf8Path| path.symlink_metadata().is_ok_and(|found| found.is_dir());
    // One that cannot be read is not known to be ours.
    let names = |directory: &Utf8Path| -> Option<Vec<String>> {
        let entries = directory.read_dir_utf8().ok()?;
        entries
            .map(|entry| Some(entry.ok()?.file_name().to_owned()))
            .collect()
    };
    let has_digests_alone = |directory: &Utf8Path| {
        is_directory(directory)
            && names(directory).is_some_and(|names| names.iter().all(|name| is_by_digest(name)))
    };
    let is_ours = |name: &String| {
        let path = layout.cache().join(name);
        match name.as_str() {
            "lost+found" => true,
            _ if [layout.downloads(), layout.templates()].contains(&path) => has_digests_alone(&path),
            name => name.starts_with("registry-") && name.ends_with(".signed"),
        }
    };
    is_directory(&layout.cache()) && names(&layout.cache()).is_some_and(|names| names.iter().all(is_ours))
}

/// Returns true if a name begins with a digest, as those of downloads and templates do.
fn is_by_digest(name: &str) -> bool {
    [("sha256-", 64), ("sha512-", 128)].iter().any(|(begin, length)| {
        let digits = name.strip_prefix(begin).and_then(|rest| rest.get(..*length));
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

fn has_receipt(components: &Utf8Path) -> bool {
    let directories = |directory: &Utf8Path| {
        let mut found = crate::fs::entries(directory);
        found.retain(|path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()));
        found
    };
    directories(components).iter().any(|component| {
        let Some(Ok(name)) = component.file_name().map(str::parse::<ComponentName>) else {
            return false;
        };
        directories(component).iter().any(|tree| {
            let version = tree.file_name().and_then(|name| name.parse::<TreeName>().ok());
            version.is_some_and(|version| {
                fs::symlink_metadata(tree.join(RECEIPT)).is_ok()
                    && Receipt::read(tree, &name, version.version()).is_ok()
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::Shell;
    use crate::table::every;

    #[test]
    fn what_ampup_writes_at_the_top_of_its_home_is_among_the_names() {
        let layout = Layout::new("/h");
        let top = [
            layout.active(),
            layout.bin(),
            layout.cache(),
            layout.components(),
            layout.generations(),
            layout.locks(),
            layout.projects(),
            layout.shells(),
            layout.staging(),
            layout.trust(),
        ];
        let shells = Shell::ALL.map(|shell| layout.home().join(shell.env_file()));
        for path in top.iter().chain(&shells) {
            assert!(NAMES.contains(&path.file_name().expect("a name")), "{path}");
        }
    }

    #[test]
    fn a_cache_that_was_mounted_before_there_was_a_home_is_accepted() {
        let world = tempfile::tempdir().expect("a directory");
        let home = Utf8Path::from_path(world.path()).expect("UTF-8");
        let layout = Layout::new(home);
        let digest = format!("sha256-{}", "0a".repeat(32));
        let free = || matches!(read(&layout).expect("read"), Claim::Free);
        fs::create_dir(layout.cache()).expect("made");
        assert!(free(), "an empty one");
        for directory in [layout.downloads(), layout.templates()] {
            fs::create_dir(&directory).expect("made");
        }
        fs::write(layout.downloads().join(format!("{digest}.partial")), "").expect("written");
        fs::write(layout.registry_copy("amp"), "").expect("written");
        fs::create_dir(layout.templates().join(format!("{digest}-ann"))).expect("made");
        assert!(free(), "one of another home");
        let rows = [
            "cache/mine",
            "cache/downloads/mine",
            "cache/templates/sha256-12",
            "staging",
        ];
        every(rows, |foreign| {
            fs::write(home.join(foreign), "").expect("written");
            assert!(!free(), "{foreign}");
            fs::remove_file(home.join(foreign)).expect("removed");
        });
        assert!(free());
    }

    #[test]
    fn a_directory_is_taken_by_its_mark_alone() {
        let world = tempfile::tempdir().expect("a directory");
        let home = Utf8Path::from_path(world.path()).expect("UTF-8");
        let layout = Layout::new(home);
        fs::create_dir(home.join("lost+found")).expect("made");
        fs::write(home.join("notes"), "mine").expect("written");
        assert_eq!(read(&layout).expect("read"), Claim::Free);
        for name in NAMES {
            fs::write(home.join(name), "mine").expect("written");
            let Claim::Foreign(entry) = read(&layout).expect("read") else {
                panic!("{name}");
            };
            assert_eq!(entry.path, home.join(name));
            assert!(stake(&layout, false, None).is_err() && !layout.mark().exists());
            fs::remove_file(home.join(name)).expect("removed");
        }
        assert!(!was_found(&layout));
        stake(&layout, true, None).expect("free");
        assert!(was_found(&layout));
        fs::create_dir(layout.cache()).expect("made");
        assert_eq!(read(&layout).expect("read"), Claim::Made(every_name()));
        // A damaged mark claims nothing, and is written again where nothing is in the way.
        every(["", "mine", "{}", "{\"schema\":1,"], |text| {
            fs::write(layout.mark(), text).expect("damaged");
            assert_eq!(read(&layout).expect("read"), Claim::Free, "{text}");
            fs::write(layout.cache().join("mine"), "").expect("written");
            assert!(matches!(read(&layout), Ok(Claim::Foreign(_))), "{text}");
            assert!(stake(&layout, true, None).is_err(), "{text}");
            assert_eq!(fs::read_to_string(layout.mark()).expect("read"), text);
            fs::remove_file(layout.cache().join("mine")).expect("removed");
            stake(&layout, true, None).expect("free");
            assert_eq!(read(&layout).expect("read"), Claim::Made(every_name()), "{text}");
        });
    }

    /// A home that another ampup is making has entries before this one sees its mark.
    #[test]
    fn what_seems_foreign_is_looked_at_again() {
        let layout = Layout::new("/h");
        let after = |looks: u32| {
            let mut done = 0;
            settled(|| {
                done += 1;
                Ok(match done > looks {
                    true => Claim::Made(every_name()),
                    false => Claim::Foreign(foreign(layout.staging(), &layout)),
                })
            })
        };
        every([0, 1, LOOKS], |looks| {
            assert!(matches!(after(looks), Ok(Claim::Made(_))), "{looks}");
        });
        assert!(matches!(after(LOOKS + 1), Ok(Claim::Foreign(_))), "it is");
    }
}
