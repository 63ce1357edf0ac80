//! Making the directories of a home, and where its large ones lie.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    fs::{
        atomic,
        link::{self, ForeignEntry},
        node::{self, Node},
    },
    layout::Layout,
};

/// Unfinished work beside what it becomes, where `staging/` is on another file system.
const BESIDE: &str = ".staging";

/// Makes the directories that a command which writes needs. Does nothing where they are.
///
/// As root, where others cannot enter the home (`/root` is 0700), `components`, `staging` and `cache` are made as links
/// into `/var/lib/ampup/<16 hex>`, so that an unprivileged user can run what is installed: PostgreSQL refuses root.
///
/// # Errors
/// When one cannot be made, or something that is not ours stands in its place; `Unsupported` when the file system has no
/// symbolic links.
pub fn prepare(layout: &Layout) -> io::Result<()> {
    make_home(layout)?;
    for directory in [layout.generations(), layout.locks()] {
        make_own(&directory, layout)?;
    }
    for directory in large(layout) {
        if let Some(place) = elsewhere_for(&directory, layout)? {
            let target = place.join(directory.file_name().expect("Layout joins a name"));
            make(&target)?;
            make_link(&target, &directory)?;
        }
        make_own(&directory, layout)?;
    }
    make_own(&layout.downloads(), layout)?;
    make_own(&layout.templates(), layout)?;
    if layout.bin().symlink_metadata().is_err() {
        make_link("active/bin".into(), &layout.bin())?;
    }
    Ok(())
}

/// The directories that lie elsewhere where others cannot enter the home.
fn large(layout: &Layout) -> [Utf8PathBuf; 3] {
    [layout.components(), layout.staging(), layout.cache()]
}

/// Every directory of the home with a name that is known beforehand. Not all of them exist.
pub(super) fn directories(layout: &Layout) -> Vec<Utf8PathBuf> {
    let mut all = vec![layout.generations(), layout.locks()];
    all.extend(large(layout));
    all.extend([layout.downloads(), layout.templates()]);
    all.extend([layout.components(), layout.generations()].map(|directory| directory.join(BESIDE)));
    all.push(layout.manual());
    all
}

/// What stands in the place of a directory of the home, or of one above it, and is no directory of ours: a file, or a link.
///
/// `components` may be a link to anywhere but another home's place; `staging` and `cache` to the place that this home has
/// elsewhere (`prepare`).
/// What any other link leads to is somebody else's: it is neither written to nor emptied.
pub fn foreign_entry(directory: &Utf8Path, layout: &Layout) -> Option<ForeignEntry> {
    let below = |path: &&Utf8Path| *path != layout.home();
    let mut way: Vec<&Utf8Path> = directory.ancestors().take_while(below).collect();
    way.reverse();
    way.into_iter()
        .find_map(|path| instead_of_directory(path, layout))
}

/// The first foreign entry in the place of a directory that `prepare` makes, as an error.
///
/// # Errors
/// When there is one.
pub fn check_all(layout: &Layout) -> io::Result<()> {
    let mut made = directories(layout);
    made.retain(|directory| *directory != layout.manual() && !directory.ends_with(BESIDE));
    made.iter().try_for_each(|directory| check(directory, layout))
}

/// The same for one directory.
///
/// # Errors
/// When there is a foreign entry.
pub fn check(directory: &Utf8Path, layout: &Layout) -> io::Result<()> {
    foreign_entry(directory, layout).map_or(Ok(()), |entry| Err(entry.into()))
}

fn instead_of_directory(directory: &Utf8Path, layout: &Layout) -> Option<ForeignEntry> {
    if directory.symlink_metadata().ok()?.is_dir() {
        return None;
    }
    let may_be_kept_elsewhere = large(layout).iter().any(|large| large == directory);
    let place = place_behind(directory).filter(|_| may_be_kept_elsewhere);
    let is_free = directory == layout.components() && place.is_none() && directory.is_symlink();
    // Asked before the link is read: on Windows it may be of a kind that ampup does not make.
    if is_free && directory.is_dir() {
        return None;
    }
    let is_away = is_free && !directory.exists();
    let what = match (link::read(directory), place) {
        (Err(_), _) => "is no directory".to_owned(),
        // Where it is not there, `prepare` makes it.
        (Ok(target), Some(place)) if is_ours(&place, layout) && !target.is_symlink() => return None,
        (Ok(target), _) if !directory.exists() => format!("is a link to `{target}`, which is not there"),
        (Ok(target), _) if !directory.is_dir() => format!("is a link to `{target}`, which is no directory"),
        (Ok(target), Some(_)) => format!("is a link to `{target}`, which belongs to another home"),
        (Ok(target), None) => format!("is a link to `{target}`; ampup makes none there, and follows none"),
    };
    Some(ForeignEntry {
        path: directory.to_owned(),
        what,
        is_away,
    })
}

/// The umask says who may look into a new home; nobody but its owner may write to it.
fn make_home(layout: &Layout) -> io::Result<()> {
    let home = layout.home();
    if home.is_dir() {
        return Ok(());
    }
    if home.symlink_metadata().is_ok() {
        let what = match link::read(home) {
            Ok(target) => format!("`{home}` is a link to `{target}`, which is not there"),
            Err(_) => format!("`{home}` is no directory"),
        };
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    fs::create_dir_all(home)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(home)?.permissions().mode();
        if mode & 0o022 != 0 {
            fs::set_permissions(home, std::fs::Permissions::from_mode(mode & 0o755))?;
        }
    }
    Ok(())
}

/// The user to whom the home belongs (or the directory in which it will be made), when this is root and it is not
/// root's.
pub fn foreign_owner(layout: &Layout) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let there = layout
            .home()
            .ancestors()
            .find_map(|path| fs::metadata(path).ok())?;
        Some(there.uid()).filter(|owner| *owner != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = layout;
        None
    }
}

/// Where unfinished work lies: in `staging/`, unless `components` is a link into another file system, from which a
/// rename could not come. The path is resolved, so that another user who may not enter the home can enter it.
///
/// # Errors
/// When neither can be asked about, or the directory cannot be made.
pub fn staging_root(layout: &Layout) -> io::Result<Utf8PathBuf> {
    beside(&layout.components(), layout)
}

/// Where generations are made and links are replaced: in `staging/`, unless that is on another file system.
///
/// # Errors
/// When neither can be asked about, or the directory cannot be made.
pub fn generations_scratch(layout: &Layout) -> io::Result<Utf8PathBuf> {
    beside(&layout.generations(), layout)
}

fn beside(directory: &Utf8Path, layout: &Layout) -> io::Result<Utf8PathBuf> {
    check(&layout.staging(), layout)?;
    if same_file_system(&layout.staging(), directory)? {
        return link::real(&layout.staging());
    }
    let root = directory.join(BESIDE);
    make_own(&root, layout)?;
    link::real(&root)
}

/// Every directory that may hold unfinished work. Not all of them exist.
pub fn staging_roots(layout: &Layout) -> Vec<Utf8PathBuf> {
    let beside = [layout.components(), layout.generations()].map(|directory| directory.join(BESIDE));
    std::iter::once(layout.staging())
        .chain(beside)
        .filter(|root| root.is_dir() && foreign_entry(root, layout).is_none())
        .collect()
}

/// What lies in a directory of the home, sorted; nothing where it cannot be read, or a foreign entry is in its place.
pub fn entries(directory: &Utf8Path, layout: &Layout) -> Vec<Utf8PathBuf> {
    match foreign_entry(directory, layout) {
        Some(_) => Vec::new(),
        None => crate::fs::entries(directory),
    }
}

/// A directory of the home.
fn make_own(directory: &Utf8Path, layout: &Layout) -> io::Result<()> {
    match atomic::make_directory(directory) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => check(directory, layout),
        made => made,
    }
}

fn make(directory: &Utf8Path) -> io::Result<()> {
    match atomic::make_directory(directory) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        made => made,
    }
}

fn make_link(target: &Utf8Path, link: &Utf8Path) -> io::Result<()> {
    match link::directory(target, link) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // vfat, exfat and some network file systems answer EPERM.
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied && writable(link) => {
            Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("the file system of `{link}` has no symbolic links, which ampup's home needs"),
            ))
        }
        made => made,
    }
}

/// Whether the directory of `path` takes new files at all.
fn writable(path: &Utf8Path) -> bool {
    path.parent()
        .is_some_and(|parent| tempfile::tempfile_in(parent).is_ok())
}

#[cfg(unix)]
fn same_file_system(one: &Utf8Path, other: &Utf8Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(fs::metadata(one)?.dev() == fs::metadata(other)?.dev())
}

#[cfg(not(unix))]
fn same_file_system(_: &Utf8Path, _: &Utf8Path) -> io::Result<bool> {
    Ok(true)
}

/// The place that a large directory is to lie in as a link, and does not yet.
fn elsewhere_for(directory: &Utf8Path, layout: &Layout) -> io::Result<Option<Utf8PathBuf>> {
    let place = match place_behind(directory) {
        Some(place) if !is_ours(&place, layout) => return Ok(None),
        Some(place) => place,
        None if directory.symlink_metadata().is_ok() || !is_closed(layout)? => return Ok(None),
        None => new_place(layout)?,
    };
    if let Some(parent) = place.parent() {
        make(parent)?;
    }
    make(&place)?;
    if owner(&place).as_deref() != Some(layout.home()) {
        atomic::write(&place.join(OWNER), layout.home().as_str().as_bytes())?;
    }
    Ok(Some(place))
}

/// Whether this is root, and others cannot enter the home.
#[cfg(unix)]
fn is_closed(layout: &Layout) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    if !rustix::process::geteuid().is_root() {
        return Ok(false);
    }
    for directory in link::real(layout.home())?.ancestors() {
        if fs::metadata(directory)?.mode() & 0o001 == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(not(unix))]
fn is_closed(_: &Layout) -> io::Result<bool> {
    Ok(false)
}

/// Where homes have their places.
const PLACES: &str = "/var/lib/ampup";
/// The file in a place that says whose it is: the path of the home.
const OWNER: &str = "home";

/// The place that this home has elsewhere; else the first that nobody has anything in. Another home may have lain at the
/// same path, and was moved: its links still lead to the place of that path.
fn new_place(layout: &Layout) -> io::Result<Utf8PathBuf> {
    let is_empty = |directory: Utf8PathBuf| match directory.read_dir_utf8() {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(cause) => Err(cause),
    };
    let mut count = 0;
    loop {
        // Looked for each time, because another process may have made it just now.
        if let Some(place) = elsewhere(layout) {
            return Ok(place);
        }
        let name = match count {
            0 => layout.home().to_owned(),
            count => format!("{}\0{count}", layout.home()).into(),
        };
        let place = elsewhere_of(&name);
        let names =
            large(layout).map(|directory| place.join(directory.file_name().expect("Layout joins a name")));
        let empty: io::Result<Vec<bool>> = names.into_iter().map(is_empty).collect();
        if empty?.into_iter().all(|empty| empty) {
            return Ok(place);
        }
        count += 1;
    }
}

/// The place outside of the home that belongs to it, when there is one.
pub fn elsewhere(layout: &Layout) -> Option<Utf8PathBuf> {
    let places = large(layout).into_iter().filter_map(|link| place_behind(&link));
    places.into_iter().find(|place| is_ours(place, layout))
}

/// The place that a link leads to as `prepare` makes it.
fn place_behind(link: &Utf8Path) -> Option<Utf8PathBuf> {
    if !link.is_symlink() {
        return None;
    }
    let target = link::read(link).ok()?;
    let place = target.parent()?;
    let name = place.file_name()?;
    let is_place = target.file_name() == link.file_name()
        && place.parent() == Some(Utf8Path::new(PLACES))
        && name.len() == 16
        && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_place.then(|| place.to_owned())
}

/// Whether a place to which a link of this home leads is this home's: root made it, and may have given it away with the
/// home, and no other home that it is said to belong to has links there. One that was moved has; one that was copied has
/// not, as long as the first is there.
fn is_ours(place: &Utf8Path, layout: &Layout) -> bool {
    let is_home_owners = |uid| Node::of(layout.home()).is_ok_and(|home| home.uid == uid);
    match Node::at(place) {
        Ok(found) if !(found.uid == 0 || is_home_owners(found.uid)) || !place.is_dir() => return false,
        _ => {}
    }
    let Some(owner) = owner(place) else {
        return true;
    };
    let leads_there = |link: &Utf8PathBuf| place_behind(link).as_deref() == Some(place);
    owner == layout.home()
        || node::is_same(&owner, layout.home())
        || !large(&Layout::new(owner)).iter().any(leads_there)
}

/// The home that a place belongs to; one that an older ampup made does not say it.
fn owner(place: &Utf8Path) -> Option<Utf8PathBuf> {
    let text = atomic::read_own(&place.join(OWNER), 64 << 10).ok()?;
    String::from_utf8(text).ok().map(Utf8PathBuf::from)
}

/// The place under `/var/lib` that the first home at this path gets: named by the path's SHA-256, so that homes do not
/// meet.
pub fn elsewhere_of(home: &Utf8Path) -> Utf8PathBuf {
    use crate::domain::{Algorithm, digest::Hasher};
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(home.as_str().as_bytes());
    Utf8Path::new(PLACES).join(&hasher.finish().hex()[..16])
}

/// Whether this process may write to the home (or could make it).
///
/// # Errors
/// Never for a missing home; only when asking fails in an unexpected way.
pub fn is_writable(layout: &Layout) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, access};
        let mut place = layout.home();
        loop {
            match access(place.as_std_path(), Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => return Ok(true),
                Err(rustix::io::Errno::NOENT) => match place.parent() {
                    Some(parent) => place = parent,
                    None => return Ok(false),
                },
                Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS | rustix::io::Errno::PERM) => {
                    return Ok(false);
                }
                Err(cause) => return Err(cause.into()),
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = layout;
        Ok(true)
    }
}
