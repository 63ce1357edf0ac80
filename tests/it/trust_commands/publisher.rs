//! A publisher of a registry: its server on loopback, its keys, and runs of the program's flow against it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use ampup::{
    commands::{Error, Options, Outcome, RegistrySource, Session, check, update},
    env::Env,
    event::{Event, Reporter},
    exit::Exit,
    registry::keys::{Keyring, RegistryOrigin},
};

use camino::{Utf8Path, Utf8PathBuf};

use fs_err as fs;

use crate::support::{postgres::World, signing::Signer};

/// The content that the server has at a path.
#[derive(Clone)]
pub(super) enum Page {
    Body(Vec<u8>),
    Status(u16),
    Endless,
}

#[derive(Default)]
pub(super) struct Site {
    pub(super) pages: Mutex<BTreeMap<String, Page>>,
    /// Path and `If-None-Match` of each request.
    pub(super) requests: Mutex<Vec<(String, Option<String>)>>,
}

impl Site {
    pub(super) fn put(&self, name: &str, page: Page) {
        self.pages
            .lock()
            .expect("held by nobody")
            .insert(format!("/v1/{name}"), page);
    }

    /// The requests since this was last asked.
    pub(super) fn asked(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.requests.lock().expect("held by nobody"))
    }

    pub(super) fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut path = String::new();
        let mut unless = None;
        for line in BufReader::new(stream).lines() {
            let line = line?;
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or("/").to_owned();
            } else if let Some(tag) = line.to_lowercase().strip_prefix("if-none-match: ") {
                unless = Some(tag.to_owned());
            } else if line.is_empty() {
                break;
            }
        }
        self.requests
            .lock()
            .expect("held by nobody")
            .push((path.clone(), unless.clone()));
        let page = self.pages.lock().expect("held by nobody").get(&path).cloned();
        let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{more}Connection: close\r\n\r\n");
        match page.unwrap_or(Page::Status(404)) {
            Page::Body(body) => {
                let tag = format!("\"{}\"", &crate::support::home::sha256(&body)[7..20]);
                if unless.as_ref() == Some(&tag) {
                    return stream.write_all(head("304 Not Modified", "").as_bytes());
                }
                let more = format!("Content-Length: {}\r\nETag: {tag}\r\n", body.len());
                stream.write_all(head("200 OK", &more).as_bytes())?;
                stream.write_all(&body)
            }
            Page::Status(code) => {
                stream.write_all(head(&format!("{code} No"), "Content-Length: 0\r\n").as_bytes())
            }
            Page::Endless => {
                stream.write_all(head("200 OK", "").as_bytes())?;
                loop {
                    stream.write_all(&[b'a'; 65_536])?;
                }
            }
        }
    }
}

#[derive(Default)]
pub(super) struct Lines(Mutex<Vec<String>>);

impl Reporter for Lines {
    fn report(&self, event: Event) {
        if let Event::Warning(text) | Event::Note(text) = event {
            self.0.lock().expect("held by nobody").push(text);
        }
    }
}

pub(crate) struct Publisher {
    pub(super) world: World,
    pub(super) site: Arc<Site>,
    pub(super) port: u16,
    pub(super) signer: Signer,
    pub(super) lines: Arc<Lines>,
}

pub(super) const DAYS_AGO_3: i64 = -72;

pub(super) fn issued(hours: i64) -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).to_string()
}

pub(super) fn manifest(serial: u64, issued: &str) -> Vec<u8> {
    format!(r#"{{"schema":1,"registry":"amp","serial":{serial},"issued":"{issued}","components":{{}}}}"#)
        .into_bytes()
}

/// A session with the home in a directory, that asks the publisher at a port.
pub(crate) fn session_at(world: &Utf8Path, port: u16, reporter: Arc<dyn Reporter>) -> Session {
    let home = world.join("home");
    let env = Env::from_variables([("AMPUP_HOME", home.as_str())], world.as_std_path());
    let mut session =
        Session::new(env, Options::default(), reporter, "ampup update".to_owned()).expect("a session");
    session.origin = RegistryOrigin {
        id: "amp".to_owned(),
        base: Some(format!("http://127.0.0.1:{port}")),
        keyring: Keyring::new(&[&signer().public()], "").expect("a key"),
    };
    session
}

/// The publisher's key, which is the same in every process.
pub(super) fn signer() -> Signer {
    Signer::new(1)
}

impl Publisher {
    pub(crate) fn new() -> Self {
        let site = Arc::new(Site::default());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let serving = Arc::clone(&site);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let site = Arc::clone(&serving);
                // A client that goes away is the test's own doing.
                thread::spawn(move || site.answer(&stream).ok());
            }
        });
        Self {
            world: World::new(),
            site,
            port,
            signer: signer(),
            lines: Arc::default(),
        }
    }

    pub(crate) fn publish(&self, serial: u64) -> &Self {
        self.publish_issued(serial, &issued(DAYS_AGO_3))
    }

    pub(super) fn publish_issued(&self, serial: u64, issued: &str) -> &Self {
        self.publish_document(serial, manifest(serial, issued))
    }

    pub(super) fn publish_document(&self, serial: u64, document: Vec<u8>) -> &Self {
        let pointer = self.signer.sign("amp", serial, &document);
        self.site
            .put(&format!("registry-{serial}.json"), Page::Body(document));
        self.site
            .put("registry.minisig", Page::Body(pointer.into_bytes()));
        self
    }

    pub(crate) fn world(&self) -> &Utf8Path {
        self.world.path()
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn home(&self) -> Utf8PathBuf {
        self.world.path().join("home")
    }

    pub(super) fn session(&self) -> Session {
        self.session_with(|_| {})
    }

    pub(super) fn session_with(&self, change: impl FnOnce(&mut Session)) -> Session {
        let mut session = session_at(self.world.path(), self.port, Arc::clone(&self.lines) as _);
        change(&mut session);
        session
    }

    pub(crate) fn update(&self) -> Result<Outcome, Error> {
        update::run(&update::Args::default(), &self.session())
    }

    /// The serial that any command uses now, and where it came from.
    pub(super) fn in_use(&self) -> (u64, RegistrySource) {
        let session = self.session();
        let (registry, source) = session.registry_and_source().expect("a registry");
        (registry.serial, source.clone())
    }

    pub(super) fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.0.lock().expect("held by nobody"))
    }

    /// All that is kept of registries.
    pub(super) fn kept(&self) -> Vec<Option<Vec<u8>>> {
        ["trust.json", "cache/registry-amp.signed"]
            .iter()
            .map(|name| fs::read(self.home().join(name)).ok())
            .collect()
    }

    /// Fails the test unless `update` fails with exit 4, keeps what was kept, and the one before goes on, which `check` does
    /// with a warning.
    #[track_caller]
    pub(super) fn refuses(&self, what: &str) {
        let (kept, in_use) = (self.kept(), self.in_use());
        let error = self.update().expect_err(what);
        assert_eq!(error.exit_code(), Exit::Integrity, "{what}: {error}");
        assert_eq!(self.kept(), kept, "{what}");
        assert_eq!(self.in_use(), in_use, "{what}");
        assert!(error.hint().is_some(), "{what}");
        self.lines();
        let checked = check::run(&check::Args { names: Vec::new() }, &self.session()).expect(what);
        assert_eq!(checked.exit, Exit::Done, "{what}");
        let told = self.lines();
        let goes_on = format!("; continuing with number {}", in_use.0);
        assert!(
            told.iter().any(|line| line.ends_with(&goes_on)),
            "{what}: {told:?}"
        );
        assert_eq!((self.kept(), self.in_use()), (kept, in_use), "{what}");
    }
}
