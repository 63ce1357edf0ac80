//! Common ground of the package registries: an artifact comes through a client of the machine's own, so that the
//! registry, the proxy, the certificates and the credentials that its user has set up apply. What a client says about the
//! bytes is not believed: the digest is checked here. Whatever else goes wrong, the next source is tried.

mod client;

use std::{
    io,
    process::{Output, Stdio},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use is_executable::is_executable;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

pub use client::PackageClient;

use super::{
    FetchError, Wire,
    download::{self, Wanted},
    locked, partial,
    telling::Telling,
};
use crate::{
    children::{Enlisted, Interrupt},
    fs::{atomic, reason},
    verify::Verified,
};

/// A client lists every file of a package: 150 KiB for one that we know.
const OUTPUT_LIMIT: usize = 4 << 20;
/// Where the first sign of life is looked for.
const SIGNS: usize = 64 << 10;
/// At this pace even the largest artifact is here in time; what goes on for longer will never end.
const WHOLE: Duration = Duration::from_secs(4 * 60 * 60);

/// The reason a client brought nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such client on this machine.
    Missing,
    /// Its registry does not have the package.
    Gone(String),
    /// The package is not the promised one.
    Wrong(String),
    /// The disk.
    Disk { path: Utf8PathBuf, source: io::Error },
    /// All else, as the client says it.
    Other(String),
}

impl Failure {
    /// From a file operation on `path`.
    pub(super) fn disk(path: impl Into<Utf8PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }
}

/// The start of a download through a client, which is told once that client is found.
pub(super) struct Start<'a> {
    wire: &'a Wire,
    telling: Telling<'a>,
    size: Option<u64>,
    with: Option<PackageClient>,
}

impl Start<'_> {
    /// Tells that this client fetches.
    ///
    /// # Errors
    /// When it failed in this run already.
    pub(super) fn with(&mut self, client: PackageClient) -> Result<(), Failure> {
        self.with = Some(client);
        if let Some(why) = self.wire.failure_of(client) {
            return Err(Failure::Other(why));
        }
        self.telling.started_unmeasured(client.to_string(), self.size);
        Ok(())
    }
}

impl Wire {
    /// Fetches an artifact through a client: `bring` finds it, tells so, runs it in a private directory, and gives the path of
    /// the artifact's file there. `client` is the one that is missing where none is found, and `origin` is what messages call
    /// the package.
    pub(super) async fn fetch_package(
        &self,
        client: PackageClient,
        origin: &str,
        wanted: &Wanted<'_>,
        bring: impl AsyncFnOnce(&Room, &mut Start<'_>) -> Result<Utf8PathBuf, Failure>,
    ) -> Result<Verified, FetchError> {
        self.ensure_online(wanted.name, &client.to_string())?;
        if let Some(why) = self.failure_of(client) {
            return Err(of_client(client, Some(why)));
        }
        let staging = wanted.places.staging;
        let disk = || FetchError::disk(staging);
        atomic::make_directories(staging).map_err(disk())?;
        let prefix = format!("{client}-");
        let room = Room(atomic::private_directory(staging, &prefix).map_err(disk())?);
        if let Some(size) = wanted.size {
            download::ensure_space(staging, size)?;
        }
        let mut start = Start {
            wire: self,
            telling: Telling::new(&*self.reporter, wanted.name),
            size: wanted.size,
            with: None,
        };
        let brought = bring(&room, &mut start).await;
        let Start {
            mut telling, with, ..
        } = start;
        let brought = brought.map_err(|failure| self.of_failure(with.unwrap_or(client), origin, failure))?;
        let path = wanted.path();
        let disk = |cause| FetchError::disk(&path)(cause);
        move_file(&brought, &path).map_err(disk)?;
        let file = partial::open_whole(&path).map_err(disk)?;
        let file = file.ok_or_else(|| disk(io::ErrorKind::NotFound.into()))?;
        telling.finished(file.metadata().map_err(disk)?.len());
        let verified = self.verified(file, &path, origin, wanted).await;
        if verified.is_err() {
            partial::remove(&path).map_err(disk)?;
        }
        verified.map_err(|cause| match FetchError::of_verify(cause, false) {
            FetchError::WrongBytes { source, .. } => wrong(origin, source.to_string()),
            error => error,
        })
    }

    /// The error for a client that brought nothing.
    pub(super) fn of_failure(&self, client: PackageClient, origin: &str, failure: Failure) -> FetchError {
        match failure {
            Failure::Missing => self.client_failed(client, None),
            Failure::Other(why) => self.client_failed(client, Some(why)),
            Failure::Gone(why) => FetchError::Gone {
                origin: origin.to_owned(),
                why,
            },
            Failure::Wrong(why) => wrong(origin, why),
            Failure::Disk { path, source } => FetchError::Disk { path, source },
        }
    }

    /// Returns why a client failed in this run, if it did.
    fn failure_of(&self, client: PackageClient) -> Option<String> {
        locked(&self.failed_clients).get(&client).cloned().flatten()
    }

    /// Remembers that a client is of no use. Whoever asked says so.
    fn client_failed(&self, client: PackageClient, why: Option<String>) -> FetchError {
        locked(&self.failed_clients).insert(client, why.clone());
        of_client(client, why)
    }

    /// The first of these programs that stands in PATH and that `is_good` accepts.
    pub(super) fn program(&self, names: &[&str], is_good: impl Fn(&Utf8Path) -> bool) -> Option<Utf8PathBuf> {
        let directories = self.env.search_path();
        let find = |name: &&str| {
            directories
                .iter()
                // `.` in PATH would be whatever directory we were started in.
                .filter(|directory| directory.is_absolute())
                .map(|directory| directory.join(name))
                .find(|program| is_executable(program) && is_good(program))
        };
        names.iter().find_map(find)
    }

    /// The command that runs `program` in the room, with the user's environment.
    pub(super) fn command(&self, program: &Utf8Path, room: &Room) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.env.variables())
            .current_dir(&room.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command
    }
}

/// A sign on stderr that the registry answers, and how long it is waited for.
pub(super) struct Sign {
    pub(super) within: Duration,
    pub(super) is_there: fn(&[u8]) -> bool,
}

/// Runs a client to its end.
pub(super) async fn run(
    mut command: Command,
    sign: Option<Sign>,
    interrupt: &Interrupt,
) -> Result<Output, Failure> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let failed =
        |cause: io::Error| Failure::Other(format!("`{program}` does not start ({})", reason(&cause)));
    let (child, enlisted) = interrupt.enlist(|| command.spawn(), Child::id).map_err(failed)?;
    let mut family = Family {
        child,
        has_ended: false,
        enlisted,
    };
    let stdout = family.child.stdout.take().expect("it was asked to be piped");
    let stderr = family.child.stderr.take().expect("it was asked to be piped");
    let (alive, mut answered) = watch::channel(sign.is_none());
    let ended = async {
        let (stdout, stderr, status) = tokio::join!(
            bounded(stdout, |_| {}),
            bounded(stderr, |text| {
                if let Some(sign) = &sign
                    && (sign.is_there)(&text[..text.len().min(SIGNS)])
                {
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
        let within = sign.as_ref().map_or(WHOLE, |sign| sign.within);
        if timeout(within, answered.wait_for(|alive| *alive)).await.is_err() {
            return within;
        }
        tokio::time::sleep(WHOLE).await;
        WHOLE
    };
    let output = tokio::select! {
        biased;
        ended = ended => ended.map_err(failed)?,
        limit = silent => {
            let why = format!("its registry did not answer within {} s", limit.as_secs());
            return Err(Failure::Other(why));
        }
    };
    family.has_ended = true;
    Ok(output)
}

/// The beginning of the name of a room that lies where the system keeps what is temporary.
pub(crate) const ROOM: &str = "ampup-room-";

/// A private directory that is removed when nobody needs it any more.
pub(super) struct Room(Utf8PathBuf);

impl Room {
    /// A room where the system keeps what is temporary.
    pub(super) fn temporary() -> Result<Self, FetchError> {
        let made = tempfile::Builder::new().prefix(ROOM).tempdir();
        let path = made
            .map(tempfile::TempDir::keep)
            .and_then(|path| Utf8PathBuf::try_from(path).map_err(io::Error::other));
        path.map(Self).map_err(FetchError::disk("a temporary directory"))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Utf8Path {
        &self.0
    }

    /// Writes a small file in it.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.0.join(name);
        fs::write(&path, text).map_err(Failure::disk(&path))
    }

    /// An empty directory in it.
    pub(super) fn empty(&self, name: &str) -> Result<Utf8PathBuf, Failure> {
        let path = self.0.join(name);
        match fs::remove_dir_all(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => fs::create_dir(&path),
        }
        .map_err(Failure::disk(&path))?;
        Ok(path)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What stays in staging is swept by a later command.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client and whatever it started; all of them end with this value.
struct Family {
    child: Child,
    has_ended: bool,
    enlisted: Enlisted,
}

impl Drop for Family {
    fn drop(&mut self) {
        // npm.cmd is a shell that started node.
        if !self.has_ended {
            self.enlisted.end();
        }
    }
}

pub(super) fn of_client(client: PackageClient, why: Option<String>) -> FetchError {
    match why {
        Some(why) => FetchError::Client { client, why },
        None => FetchError::NoClient { client },
    }
}

fn wrong(origin: &str, why: String) -> FetchError {
    FetchError::WrongPackage {
        origin: origin.to_owned(),
        why,
    }
}

/// Reads to the end and keeps the first bytes; `seen` is shown all that is kept so far, when there is more.
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

/// The beginning of what a client says, safe to print.
pub(super) fn quoted(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    line.chars()
        .take(300)
        .flat_map(char::escape_debug)
        .collect::<String>()
        .replace("\\'", "'")
        .replace("\\\"", "\"")
}

/// The one file of a directory.
pub(super) fn only_file(directory: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let disk = || Failure::disk(directory);
    let mut found = None;
    for entry in fs::read_dir(directory).map_err(disk())? {
        let entry = entry.map_err(disk())?;
        let name = entry.file_name();
        match (
            name.to_str(),
            entry.file_type().map_err(disk())?.is_file(),
            &found,
        ) {
            (Some(name), true, None) => found = Some(directory.join(name)),
            _ => return Err(not_one()),
        }
    }
    found.ok_or_else(not_one)
}

fn not_one() -> Failure {
    Failure::Other("it ended without an error, but did not leave exactly one file".to_owned())
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
