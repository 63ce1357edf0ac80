//! The wire, through real sockets: each fault ends in the right bytes or in the right kind of failure, in bounded time.

mod answers;
mod https;
mod mirror;
mod npm;
mod published;
pub(crate) mod pypi;
mod resume;
mod silence;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use ampup::{
    domain::{Algorithm, Artifact, Digest, Format, Integrity, Provider, Source, Target},
    env::Env,
    event::{Event, Reporter},
    fetch::{FetchContext, FetchError, FetchOptions, Limits, Wire},
    settings::SetBy,
    verify::{Verified, digest_of},
};
use camino::{Utf8Path, Utf8PathBuf};

/// A place for downloads, and what was reported.
struct World {
    directory: tempfile::TempDir,
    settings: FetchOptions,
    variables: BTreeMap<String, String>,
    events: Arc<Recorder>,
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl Reporter for Recorder {
    fn report(&self, event: Event) {
        self.0.lock().expect("no panic").push(event);
    }
}

impl World {
    fn new() -> Self {
        let settings = FetchOptions {
            limits: Limits {
                connect: Duration::from_secs(5),
                first_byte: Duration::from_secs(5),
                window: Duration::from_secs(5),
                back_off: Duration::from_millis(4),
                npm_answer: Duration::from_secs(4),
                ..Limits::default()
            },
            ..FetchOptions::default()
        };
        Self {
            directory: tempfile::tempdir().expect("tempdir"),
            settings,
            variables: BTreeMap::new(),
            events: Arc::default(),
        }
    }

    fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).expect("UTF-8")
    }

    fn downloads(&self) -> Utf8PathBuf {
        self.path().join("downloads")
    }

    fn wire(&self) -> Wire {
        let env = Env::from_variables(self.variables.clone(), "/");
        Wire::new(self.settings.clone(), &env, self.events.clone())
    }

    /// One run that fetches one artifact.
    fn fetch(&self, artifact: &Artifact) -> Result<Verified, FetchError> {
        self.fetch_with(&self.wire(), artifact)
    }

    fn fetch_with(&self, wire: &Wire, artifact: &Artifact) -> Result<Verified, FetchError> {
        let places = FetchContext {
            downloads: &self.downloads(),
            staging: &self.path().join("staging"),
            open_wheel: ampup::unpack::open_wheel,
        };
        block_on(wire.fetch("thing 1.0", artifact, &places))
    }

    fn events(&self) -> Vec<Event> {
        self.events.0.lock().expect("no panic").clone()
    }

    /// The notes and warnings.
    fn lines(&self) -> Vec<String> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Note(line) | Event::Warning(line) => Some(line),
                _ => None,
            })
            .collect()
    }

    /// The clients and servers that were said to fetch.
    fn clients(&self) -> Vec<String> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::DownloadStarted { source, .. } => Some(source),
                _ => None,
            })
            .collect()
    }

    /// The files in `downloads`, by name.
    fn downloaded(&self) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.downloads()) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("listed").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    fn partial(&self, content: &[u8]) -> Utf8PathBuf {
        let name = digest(content).file_name();
        self.downloads().join(format!("{name}.partial"))
    }

    /// Leaves what an earlier run left when it was cut.
    fn leave_partial(&self, content: &[u8], left: &[u8], url: &str, validator: &str) {
        fs_err::create_dir_all(self.downloads()).expect("made");
        let partial = self.partial(content);
        fs_err::write(&partial, left).expect("written");
        let note = serde_json::json!({"url": url, "value": validator});
        fs_err::write(format!("{partial}.json"), note.to_string()).expect("written");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn digest(content: &[u8]) -> Digest {
    digest_of(&mut &*content, Algorithm::Sha256).expect("memory").0
}

/// An artifact with this content at this address.
fn artifact(url: impl Into<String>, content: &[u8]) -> Artifact {
    Artifact {
        target: Target::X86_64LinuxGnu,
        provider: "tests".parse::<Provider>().expect("a name"),
        source: Source::Https { url: url.into() },
        format: Format::Raw,
        root: None,
        links: None,
        bin: std::collections::BTreeMap::new(),
        integrity: Integrity::Pinned {
            digest: digest(content),
        },
        size: None,
        unpacked_size: None,
        needs: ampup::domain::Needs::default(),
    }
}

fn sized(url: impl Into<String>, content: &[u8]) -> Artifact {
    Artifact {
        size: Some(content.len() as u64),
        ..artifact(url, content)
    }
}

/// Content that differs at every byte from itself shifted.
fn content(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    })
    .take(length)
    .collect()
}

fn read(verified: &Verified) -> Vec<u8> {
    use std::io::{Read as _, Seek as _};
    let mut file = verified.file();
    file.rewind().expect("a file");
    let mut content = Vec::new();
    file.read_to_end(&mut content).expect("read");
    content
}

/// Fails the test if it took much longer than it should.
fn quick<T>(what: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let outcome = what();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    outcome
}
