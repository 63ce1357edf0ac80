//! `ampup update` and every other command, beside a published registry: a real server on loopback, keys of the tests' own,
//! and the same flow as the program's.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use ampup::{
    commands::{Error, Options, Outcome, RegistrySource, Session, installation, self_update, update},
    env::Env,
    event::{Event, Reporter},
    exit::Exit,
    layout::Layout,
    registry::{
        Registry,
        keys::{Keyring, RegistryOrigin},
    },
    store::directories,
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::support::{
    postgres::World,
    signing::{Signer, comment},
    table::every,
};

/// What the server has at a path.
#[derive(Clone)]
enum Page {
    Body(Vec<u8>),
    Status(u16),
    Endless,
}

#[derive(Default)]
struct Site {
    pages: Mutex<BTreeMap<String, Page>>,
    /// Path and `If-None-Match` of each request.
    requests: Mutex<Vec<(String, Option<String>)>>,
}

impl Site {
    fn put(&self, name: &str, page: Page) {
        self.pages
            .lock()
            .expect("held by nobody")
            .insert(format!("/v1/{name}"), page);
    }

    /// The requests since this was last asked.
    fn asked(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.requests.lock().expect("held by nobody"))
    }

    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
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
struct Told(Mutex<Vec<String>>);

impl Reporter for Told {
    fn report(&self, event: Event) {
        if let Event::Warning(text) | Event::Note(text) = event {
            self.0.lock().expect("held by nobody").push(text);
        }
    }
}

pub(crate) struct Publisher {
    world: World,
    site: Arc<Site>,
    port: u16,
    signer: Signer,
    told: Arc<Told>,
}

const DAYS_AGO_3: i64 = -72;

fn issued(hours: i64) -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).to_string()
}

fn manifest(serial: u64, issued: &str) -> Vec<u8> {
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
fn signer() -> Signer {
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
            told: Arc::default(),
        }
    }

    pub(crate) fn publish(&self, serial: u64) -> &Self {
        self.publish_issued(serial, &issued(DAYS_AGO_3))
    }

    fn publish_issued(&self, serial: u64, issued: &str) -> &Self {
        let document = manifest(serial, issued);
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

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn home(&self) -> Utf8PathBuf {
        self.world.path().join("home")
    }

    fn session(&self) -> Session {
        self.session_with(|_| {})
    }

    fn session_with(&self, change: impl FnOnce(&mut Session)) -> Session {
        let mut session = session_at(self.world.path(), self.port, Arc::clone(&self.told) as _);
        change(&mut session);
        session
    }

    pub(crate) fn update(&self) -> Result<Outcome, Error> {
        update::run(&update::Args::default(), &self.session())
    }

    /// The serial that any command uses now, and where it came from.
    fn in_use(&self) -> (u64, RegistrySource) {
        let session = self.session();
        let (registry, source) = session.registry_and_source().expect("a registry");
        (registry.serial, source.clone())
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.0.lock().expect("held by nobody"))
    }

    /// All that is kept of registries.
    fn kept(&self) -> Vec<Option<Vec<u8>>> {
        ["trust.json", "cache/registry-amp.signed"]
            .iter()
            .map(|name| fs::read(self.home().join(name)).ok())
            .collect()
    }

    /// Fails the test unless `update` fails with exit 4, keeps what was kept, and the one before goes on.
    #[track_caller]
    fn refuses(&self, what: &str) {
        let (kept, in_use) = (self.kept(), self.in_use());
        let error = self.update().expect_err(what);
        assert_eq!(error.exit_code(), Exit::Integrity, "{what}: {error}");
        assert_eq!(self.kept(), kept, "{what}");
        assert_eq!(self.in_use(), in_use, "{what}");
        assert!(error.hint().is_some(), "{what}");
    }
}

#[test]
fn an_update_fetches_proves_keeps_and_then_asks_once_with_a_condition() {
    let publisher = Publisher::new();
    assert_eq!(
        publisher.publish(1007).in_use(),
        (Registry::embedded().serial, RegistrySource::BuiltIn)
    );
    assert!(publisher.site.asked().is_empty(), "only an update asks");
    publisher.update().expect("updated");
    assert_eq!(publisher.site.asked().len(), 2);
    assert_eq!(publisher.in_use(), (1007, RegistrySource::Fetched));
    let kept = publisher.kept();

    publisher.update().expect("updated");
    let asked = publisher.site.asked();
    assert!(
        matches!(&asked[..], [(path, Some(_))] if path == "/v1/registry.minisig"),
        "one conditional request: {asked:?}"
    );
    assert_eq!(publisher.kept(), kept);

    publisher.publish(1008).update().expect("updated");
    assert_eq!(publisher.in_use(), (1008, RegistrySource::Fetched));
}

#[test]
fn an_update_of_ampup_itself_asks_first_and_refuses_what_is_not_proven() {
    let publisher = Publisher::new();
    publisher.publish(1007);
    directories::prepare(&Layout::new(publisher.home()), None).expect("made");
    let own = publisher.home().join("components/ampup/0.2.0/bin/ampup");
    fs::create_dir_all(own.parent().expect("a parent")).expect("made");
    fs::write(&own, "").expect("written");
    let update_itself = || {
        let session = publisher.session_with(|session| session.env = session.env.clone().of_program(&own));
        let args = self_update::Args {
            version: None,
            allow_downgrade: false,
            how: installation::How::default(),
        };
        self_update::run(&args, &session)
    };
    // The registry has no ampup; what it has was asked for all the same.
    let _ = update_itself();
    assert_eq!(publisher.in_use(), (1007, RegistrySource::Fetched));
    let kept = publisher.kept();
    let document = manifest(1008, &issued(0));
    let forged = Signer::new(2).sign("amp", 1008, &document);
    publisher.publish(1008);
    publisher
        .site
        .put("registry.minisig", Page::Body(forged.into_bytes()));
    let error = update_itself().expect_err("forged");
    assert_eq!(error.exit_code(), Exit::Integrity, "{error}");
    assert_eq!(
        (publisher.kept(), publisher.in_use()),
        (kept, (1007, RegistrySource::Fetched))
    );
}

#[test]
fn a_refused_file_changes_nothing_and_the_next_good_one_works() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let document = manifest(1009, &issued(0));
    let other = Signer::new(2);
    let good = publisher.signer.sign("amp", 1009, &document);
    let pointers: Vec<(&str, Page)> = vec![
        ("missing", Page::Status(404)),
        ("gone", Page::Status(410)),
        ("empty", Page::Body(Vec::new())),
        (
            "a web page",
            Page::Body(b"<!doctype html><html><body>Sign in</body></html>".to_vec()),
        ),
        ("endless", Page::Endless),
        ("too long", Page::Body([good.as_bytes(), &[b' '; 5000]].concat())),
        (
            "an unknown key",
            Page::Body(other.sign("amp", 1009, &document).into()),
        ),
        (
            "another under our id",
            Page::Body(publisher.signer.impostor().sign("amp", 1009, &document).into()),
        ),
        (
            "a legacy signature",
            Page::Body(
                publisher
                    .signer
                    .sign_legacy(&comment("amp", 1009, &document), &document)
                    .into(),
            ),
        ),
        (
            "another registry",
            Page::Body(publisher.signer.sign("other", 1009, &document).into()),
        ),
        (
            "another serial",
            Page::Body(publisher.signer.sign("amp", 1010, &document).into()),
        ),
        (
            "a huge serial",
            Page::Body(publisher.signer.sign("amp", u64::MAX, &document).into()),
        ),
    ];
    publisher
        .site
        .put("registry-1009.json", Page::Body(document.clone()));
    publisher
        .site
        .put("registry-1010.json", Page::Body(document.clone()));
    for (what, page) in pointers {
        publisher.site.put("registry.minisig", page);
        publisher.refuses(what);
    }
    publisher.site.put("registry.minisig", Page::Body(good.into()));
    let mut flipped = document.clone();
    flipped[40] ^= 1;
    let documents: Vec<(&str, Page)> = vec![
        ("missing manifest", Page::Status(404)),
        ("empty manifest", Page::Body(Vec::new())),
        ("a web page", Page::Body(b"<html>".to_vec())),
        ("endless manifest", Page::Endless),
        (
            "cut manifest",
            Page::Body(document[..document.len() - 1].to_vec()),
        ),
        ("flipped manifest", Page::Body(flipped)),
    ];
    for (what, page) in documents {
        publisher.site.put("registry-1009.json", page);
        publisher.refuses(what);
    }
    publisher.site.put("registry-1009.json", Page::Body(document));
    publisher.update().expect("the next good one works");
    assert_eq!(publisher.in_use(), (1009, RegistrySource::Fetched));
}

#[test]
fn a_serial_never_goes_down() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    publisher.publish(1006);
    publisher.refuses("a lower serial");
    // The same serial with other content.
    publisher.publish_issued(1007, &issued(DAYS_AGO_3 - 1));
    publisher.refuses("the same serial with other bytes");
    // Ours is so young that the network may not have it yet.
    publisher
        .publish_issued(1008, &issued(-1))
        .update()
        .expect("updated");
    let kept = publisher.kept();
    publisher.told();
    publisher.publish(1006).update().expect("a note, and no error");
    assert!(
        publisher
            .told()
            .iter()
            .any(|line| line.contains("still number 1006"))
    );
    assert_eq!((publisher.kept(), publisher.in_use().0), (kept, 1008));
}

#[test]
fn the_built_in_one_is_used_when_it_is_newer_than_the_fetched() {
    let publisher = Publisher::new();
    publisher.publish(0).update().expect("updated");
    assert!(publisher.kept()[1].is_some());
    assert_eq!(
        publisher.in_use(),
        (Registry::embedded().serial, RegistrySource::BuiltIn)
    );
}

#[test]
fn without_a_key_or_a_network_what_is_here_goes_on() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    publisher.site.asked();
    let built_in = publisher.session_with(|session| session.origin = RegistryOrigin::built_in());
    update::run(&update::Args::default(), &built_in).expect("nothing is asked");
    assert_eq!(
        built_in.registry_and_source().expect("a registry").1,
        &RegistrySource::BuiltIn
    );
    let offline = publisher.session_with(|session| session.options.offline = true);
    update::run(&update::Args::default(), &offline).expect("nothing is asked");
    assert_eq!(offline.registry().expect("a registry").serial, 1007);
    assert!(publisher.site.asked().is_empty());
    // A server that is gone.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let unreachable =
        publisher.session_with(|session| session.origin.base = Some(format!("http://127.0.0.1:{port}")));
    update::run(&update::Args::default(), &unreachable).expect("the copy goes on");
    assert_eq!(unreachable.registry().expect("a registry").serial, 1007);
}

#[test]
fn a_revoked_key_invalidates_the_copy() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let revoked = publisher.session_with(|session| {
        let (ours, other) = (publisher.signer.public(), Signer::new(2).public());
        session.origin.keyring = Keyring::new(&[&ours, &other], &publisher.signer.id()).expect("keys");
    });
    assert_eq!(
        revoked.registry_and_source().expect("a registry").1,
        &RegistrySource::BuiltIn
    );
    assert!(publisher.told().iter().any(|line| line.contains("was revoked")));
    assert!(publisher.kept()[1].is_none(), "the copy is removed");
}

#[test]
fn a_damaged_copy_is_removed_and_fetched_again() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let copy = publisher.home().join("cache/registry-amp.signed");
    let whole = fs::read(&copy).expect("kept");
    let kept = publisher.kept();
    publisher.told();
    for at in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        fs::write(&copy, &damaged).expect("written");
        let (serial, source) = publisher.in_use();
        let told = publisher.told();
        if source == RegistrySource::Fetched {
            // The untrusted comment.
            assert!(at < 40 && serial == 1007, "byte {at}");
        } else {
            assert_eq!(told.len(), 1, "byte {at}: {told:?}");
            assert!(!copy.exists(), "byte {at}");
        }
        fs::write(&copy, &whole[..at]).expect("written");
        assert_eq!(publisher.in_use().1, RegistrySource::BuiltIn, "cut at {at}");
        publisher.told();
    }
    publisher.update().expect("fetched again");
    assert_eq!(
        (publisher.kept(), publisher.in_use()),
        (kept, (1007, RegistrySource::Fetched))
    );
}

/// What is refused there is somebody else's to remove, and nobody's place for a lock.
#[test]
fn a_copy_behind_a_link_of_somebody_elses_is_left_alone() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let outside = publisher.world().join("outside");
    for name in ["cache", "locks"] {
        let path = publisher.home().join(name);
        fs::rename(&path, &outside).expect("moved");
        fs_err::os::unix::fs::symlink(&outside, &path).expect("linked");
        let copy = publisher.home().join("cache/registry-amp.signed");
        let whole = fs::read(&copy).expect("kept");
        fs::write(&copy, &whole[..20]).expect("written");
        let list = || fs::read_dir(&outside).expect("listed").count();
        let before = list();
        assert_eq!(publisher.in_use().1, RegistrySource::BuiltIn, "{name}");
        assert_eq!(fs::read(&copy).expect("there"), &whole[..20], "{name}");
        assert_eq!(list(), before, "{name}");
        fs::write(&copy, whole).expect("written");
        fs::remove_file(&path).expect("removed");
        fs::rename(&outside, &path).expect("moved back");
    }
}

/// Readers take no lock: what they judge must not be what another command wrote meanwhile.
#[test]
fn no_reader_removes_the_copy_that_an_update_has_just_written() {
    let publisher = Publisher::new();
    publisher.publish(1002).update().expect("updated");
    publisher.told();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for serial in 1003..1030 {
                publisher.publish(serial).update().expect("updated");
            }
        });
        while !writer.is_finished() {
            assert_eq!(publisher.in_use().1, RegistrySource::Fetched);
        }
    });
    let told = publisher.told();
    assert!(!told.iter().any(|line| line.contains("is not used")), "{told:?}");
}

#[test]
fn an_old_copy_and_a_damaged_floor_do_not_lower_what_was_accepted() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let (trust, copy) = (
        publisher.home().join("trust.json"),
        publisher.home().join("cache/registry-amp.signed"),
    );
    let old = fs::read(&copy).expect("kept");
    publisher.publish(1008).update().expect("updated");
    let (floor, new) = (fs::read(&trust).expect("kept"), fs::read(&copy).expect("kept"));
    // Somebody put the old copy back.
    fs::write(&copy, &old).expect("written");
    assert_eq!(publisher.in_use().1, RegistrySource::BuiltIn);
    // Without a readable floor, the copy says what was accepted, and the floor is made anew.
    fs::write(&copy, &new).expect("written");
    every([&floor[..floor.len() / 2], b"", b"[]"], |damaged| {
        fs::write(&trust, damaged).expect("written");
        publisher.told();
        assert_eq!(publisher.in_use(), (1008, RegistrySource::Fetched));
        assert_eq!(publisher.told().len(), 1);
        publisher.publish(1007);
        publisher.update().expect_err("lower than the copy");
        publisher.publish(1008);
        let lines: Vec<&[u8]> = new.split_inclusive(|byte| *byte == b'\n').take(4).collect();
        let (pointer, document) = new.split_at(lines.iter().map(|line| line.len()).sum());
        publisher
            .site
            .put("registry.minisig", Page::Body(pointer.to_vec()));
        publisher
            .site
            .put("registry-1008.json", Page::Body(document.to_vec()));
        publisher.update().expect("the same again");
        assert_eq!(fs::read(&trust).expect("kept"), floor);
    });
}

#[test]
fn an_old_registry_is_named_and_goes_on() {
    let publisher = Publisher::new();
    publisher
        .publish_issued(1007, &issued(-100 * 24))
        .update()
        .expect("updated");
    assert!(
        publisher
            .told()
            .iter()
            .any(|line| line.contains("is 100 days old"))
    );
    assert_eq!(publisher.in_use().0, 1007);
}
