//! Leftovers of ampup outside of its home and of projects: directories for sockets, downloads of install scripts and of package
//! registries' clients that were killed, and homes of root whose link was removed.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::{LEFT, Waste};
use crate::{
    env::Env,
    fetch,
    fs::{atomic, identity::FileIdentity},
    layout::Layout,
    postgres::user::{self, current_uid},
    self_install,
    store::shared_home,
};

/// The words for a directory for sockets.
pub(super) const SOCKETS: &str = "directory for the socket of a server that is gone";

/// Lists what can go there: the sockets' directories of servers that are gone, and what killed commands left.
pub fn leftovers(layout: &Layout, env: &Env, amp_dirs: &BTreeSet<Utf8PathBuf>) -> Vec<Waste> {
    let mut found = Vec::new();
    #[cfg(unix)]
    found.extend(
        sockets::unused(env, amp_dirs)
            .into_iter()
            .map(|path| Waste::new(path, SOCKETS)),
    );
    #[cfg(not(unix))]
    let _ = amp_dirs;
    let ours = env.current_exe().unwrap_or(Utf8Path::new("/"));
    let left = self_install::left(layout, ours).into_iter().chain(rooms(env));
    found.extend(left.map(|path| Waste::new(path, LEFT)));
    found
}

/// Lists root's homes below `/var/lib/ampup` whose link was removed, so that no command finds them. They go only if they are
/// named, by root.
pub fn gone_homes(env: &Env) -> Vec<Waste> {
    let of_user = env.user_home().map(|home| home.join(".ampup"));
    let root = user::home_directory(0).ok().flatten();
    let of_root = root.map(|home| Utf8Path::new(&home).join(".ampup"));
    let homes: BTreeSet<Utf8PathBuf> = of_user
        .into_iter()
        .chain(of_root)
        .chain(shared_home::links())
        .collect();
    let left = homes.iter().filter_map(|home| shared_home::left_of(home));
    left.filter(|path| is_directory_of_ours(path))
        .map(|path| Waste::new(path, "home whose link was removed"))
        .collect()
}

/// The private directories of package registries' clients, where the system keeps what is temporary.
fn rooms(env: &Env) -> Vec<Utf8PathBuf> {
    let temporary = env.var("TMPDIR").unwrap_or("/tmp");
    let mut found = crate::fs::entries(Utf8Path::new(temporary));
    found.retain(|path| {
        let is_named = path.file_name().is_some_and(|name| name.starts_with(fetch::ROOM));
        is_named && is_directory_of_ours(path) && atomic::is_old(path)
    });
    found
}

fn is_directory_of_ours(path: &Utf8Path) -> bool {
    let is_directory = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    is_directory && FileIdentity::at(path).is_ok_and(|found| found.uid == current_uid())
}

#[cfg(unix)]
mod sockets {
    use std::{collections::BTreeSet, io, os::unix::net::UnixStream, time::Duration};

    use camino::{Utf8Path, Utf8PathBuf};

    use crate::{
        env::Env,
        fs::{atomic, entries, identity::FileIdentity},
        postgres::{
            Project,
            identity::servers_of,
            left,
            observe::{endpoint, files},
            user::{OsUser, current_uid},
        },
    };

    /// A project that nobody wrote down has started a server within this, or never.
    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// The directories for sockets that nobody uses.
    pub(super) fn unused(env: &Env, amp_dirs: &BTreeSet<Utf8PathBuf>) -> Vec<Utf8PathBuf> {
        let projects: Vec<Project> = amp_dirs
            .iter()
            .filter_map(|amp_dir| Project::at(amp_dir).ok())
            .collect();
        let mut found = Vec::new();
        for (top, owner) in tops(env) {
            for directory in entries(&top) {
                let is_named = directory.file_name().is_some_and(is_name);
                let is_directory = directory.symlink_metadata().is_ok_and(|found| found.is_dir());
                if is_named
                    && is_directory
                    && owner_of(&directory) == Some(owner)
                    && is_unused(&directory, &top, &projects)
                {
                    found.push(directory);
                }
            }
        }
        found
    }

    /// The directories that hold them, with whose they are: ours, and as root those of whoever runs our servers. (Anybody
    /// else might put a link in their place while root looks.)
    fn tops(env: &Env) -> Vec<(Utf8PathBuf, u32)> {
        let us = current_uid();
        let of_servers = OsUser::for_postgres().ok().flatten().map(|user| user.uid);
        let runtime = env.user_runtime().map(|runtime| (runtime.join("ampup"), us));
        let in_tmp = entries(Utf8Path::new("/tmp")).into_iter().filter_map(|path| {
            let uid: u32 = path.file_name()?.strip_prefix("ampup-")?.parse().ok()?;
            (uid == us || Some(uid) == of_servers).then_some((path, uid))
        });
        let is_theirs = |(top, uid): &(Utf8PathBuf, u32)| {
            top.symlink_metadata().is_ok_and(|found| found.is_dir()) && owner_of(top) == Some(*uid)
        };
        runtime.into_iter().chain(in_tmp).filter(is_theirs).collect()
    }

    fn owner_of(path: &Utf8Path) -> Option<u32> {
        FileIdentity::at(path).ok().map(|found| found.uid)
    }

    fn is_name(name: &str) -> bool {
        name.len() == 16 && name.bytes().all(|letter| letter.is_ascii_hexdigit())
    }

    /// Returns true if no server has its socket there, and none is about to. Of a project that is known, its lock says so; of
    /// another one, its age.
    fn is_unused(directory: &Utf8Path, top: &Utf8Path, projects: &[Project]) -> bool {
        let inside = entries(directory);
        let has_server = |data: &Utf8Path| servers_of(data).map_or(true, |servers| !servers.is_empty());
        let is_served = |path: &Utf8PathBuf| match path.extension() {
            // Its second line is the data directory.
            Some("lock") => {
                let text = files::text(path).ok().flatten().unwrap_or_default();
                text.lines()
                    .nth(1)
                    .is_some_and(|data| has_server(data.trim().into()))
            }
            _ => answers(path),
        };
        if inside.iter().any(is_served) {
            return false;
        }
        let whose = |project: &&Project| endpoint::elsewhere(top, &project.cluster()) == directory;
        match projects.iter().find(whose) {
            Some(project) => left::is_free(&project.lock()) && !has_server(&project.cluster()),
            None => atomic::is_older(directory, DAY),
        }
    }

    /// Returns true unless it is certain that nobody listens.
    fn answers(socket: &Utf8Path) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        match UnixStream::connect(socket) {
            Ok(_) => true,
            Err(cause) => !matches!(cause.kind(), ConnectionRefused | NotFound),
        }
    }
}
