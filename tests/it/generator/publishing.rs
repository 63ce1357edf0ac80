//! `keygen`, `sign`, `site` and `verify`, and a client that is served what they wrote: in every order in which the files of a deploy
//! may arrive, and through the life of its keys. This is the rehearsal that registry/README.md tells of.

use std::{process::Command, sync::Arc};

use ampup::{
    commands::{Error, Options, Outcome, Session, update},
    event::Silent,
    exit::Exit,
    registry::keys::{Keyring, RegistryOrigin},
};

use super::*;
use crate::support::{
    programs,
    server::{Reply, Server},
};

/// A maintainer's machine: a registry, keys, and a directory that is published.
struct Publisher {
    directory: Directory,
}

impl Publisher {
    fn new() -> Self {
        let directory = Directory::new("");
        let mut manifest = directory.manifest();
        manifest["components"]["tool"] = json!({
            "summary": "A tool", "homepage": "https://tool.example", "default": {"channel": "stable"}, "group": "tool",
            "default_install": false, "version_style": "plain", "executables": ["tool"], "acceptance": "version",
            "releases": [],
        });
        directory.state(&manifest);
        for key in ["release", "offline"] {
            let [secret, public] = directory.key(key);
            directory.done(&["keygen", "--secret", &secret, "--public", &public]);
        }
        Self { directory }
    }

    /// Signs the manifest under a serial, into a directory of its own.
    fn sign(&self, serial: u64, key: &str) -> Utf8PathBuf {
        let mut manifest = self.directory.manifest();
        manifest["serial"] = serial.into();
        self.directory.state(&manifest);
        let out = self.directory.world.join(&format!("out-{serial}-{key}"));
        let [secret, _] = self.directory.key(key);
        let base = "https://registry.example";
        let words = ["site", "--base", base, "--secret", &secret, out.as_str()];
        self.directory.done(&words);
        out
    }

    fn public(&self, key: &str) -> String {
        let [_, public] = self.directory.key(key);
        fs::read_to_string(public).expect("read")
    }

    /// The id of a key, as minisign shows it.
    fn id(&self, key: &str) -> String {
        let public = self.public(key);
        let first = public.lines().next().expect("a line");
        first.rsplit(' ').next().expect("a word").to_owned()
    }
}

impl Directory {
    fn key(&self, name: &str) -> [String; 2] {
        let secret = self.world.join(&format!("secret/{name}.key"));
        fs::create_dir_all(secret.parent().expect("a parent")).expect("made");
        let public = self.path().join(format!("keys/{name}.pub"));
        [secret.into_string(), public.into_string()]
    }
}

/// A client with a home of its own, that knows these keys.
struct Client {
    world: World,
    server: Server,
    keys: Vec<String>,
    revoked: String,
}

impl Client {
    /// A client of whatever lies in `site`, at this moment.
    fn new(site: &Utf8Path, keys: &[String]) -> Self {
        let site = site.to_owned();
        let server = Server::start(move |request, _| {
            match fs::read(site.join(request.target.trim_start_matches('/'))) {
                Ok(content) => Reply::whole(&content).header("ETag", format!("\"{}\"", content.len())),
                Err(_) => Reply::status(404),
            }
        });
        Self {
            world: World::new(),
            server,
            keys: keys.to_vec(),
            revoked: String::new(),
        }
    }

    fn session(&self) -> Session {
        let home = self.world.join("home");
        let env = Env::from_variables([("AMPUP_HOME", home.as_str())], self.world.path().as_std_path());
        let mut session = Session::new(
            env,
            Options::default(),
            Arc::new(Silent),
            "ampup update".to_owned(),
        )
        .expect("a session");
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        session.origin = RegistryOrigin {
            id: "amp".to_owned(),
            base: Some(self.server.url("")),
            keyring: Keyring::new(&keys, &self.revoked).expect("keys"),
        };
        session
    }

    fn update(&self) -> Result<Outcome, Error> {
        update::run(&update::Args::default(), &self.session())
    }

    /// The serial in use; 0 with the built-in registry.
    fn serial(&self) -> u64 {
        let session = self.session();
        let (registry, source) = session.registry_and_source().expect("a registry");
        match source {
            ampup::commands::RegistrySource::Fetched => registry.serial,
            _ => 0,
        }
    }
}

fn copy(from: &Utf8Path, file: &str, site: &Utf8Path) {
    let to = site.join("v1").join(file);
    write(&to, fs::read(from.join("v1").join(file)).expect("read"));
}

#[test]
fn what_is_signed_is_proven_as_a_client_proves_it() {
    let publisher = Publisher::new();
    let directory = &publisher.directory;
    let [secret, public] = directory.key("release");
    assert!(is_private(Utf8Path::new(&secret)));
    directory.fails(
        &["keygen", "--secret", &secret, "--public", &public],
        "is there already; a key is never replaced",
    );
    let out = publisher.sign(1008, "release");
    assert_eq!(
        fs::read_to_string(out.join("v1/registry-1008.json")).expect("read"),
        directory.text(),
        "exactly the bytes that were signed"
    );
    let answer = directory.done(&["verify", out.as_str()]);
    assert_eq!(answer.json["serial"], 1008);
    // Whoever has the key needs nothing else of the registry.
    let elsewhere = directory.world.join("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    let named = [
        "verify",
        "--public",
        &public,
        out.as_str(),
        "--directory",
        elsewhere.as_str(),
    ];
    assert_eq!(directory.done(&named).json["serial"], 1008);
    // minisign itself believes it.
    if let Some(minisign) = programs::find("minisign") {
        let ended = Command::new(minisign)
            .args(["-V", "-q", "-p", &public, "-x"])
            .arg(out.join("v1/registry.minisig"))
            .arg("-m")
            .arg(out.join("v1/registry-1008.json"))
            .output()
            .expect("it runs");
        assert!(ended.status.success(), "{ended:?}");
    }

    // Another file under the same serial is never published.
    let mut manifest = directory.manifest();
    manifest["issued"] = json!("2026-11-28T13:00:00Z");
    directory.state(&manifest);
    directory.fails(
        &["sign", "--secret", &secret, out.as_str()],
        "is published with other content; raise the serial",
    );
    // Nor is one with a mistake.
    manifest["isued"] = json!("x");
    directory.state(&manifest);
    directory.fails(&["sign", "--secret", &secret, out.as_str()], "is not signed: ");

    // What was changed after it was signed is refused, and so is another's signature.
    let [_, offline] = directory.key("offline");
    directory.fails(
        &["verify", "--public", &offline, out.as_str()],
        "which this ampup does not know",
    );
    let document = out.join("v1/registry-1008.json");
    let text = fs::read_to_string(&document).expect("read");
    fs::write(&document, text.replace("12:00:00", "12:00:01")).expect("written");
    directory.fails(&["verify", out.as_str()], "is not valid");
    // A damaged secret key signs nothing.
    let text = fs::read_to_string(&secret).expect("read");
    let (comment, key) = text.split_once('\n').expect("two lines");
    let other = if &key[100..101] == "A" { "B" } else { "A" };
    let changed = format!("{comment}\n{}{other}{}", &key[..100], &key[101..]);
    fs::write(&secret, changed).expect("written");
    directory.fails(&["sign", "--secret", &secret, out.as_str()], "is damaged");
}

/// trust.md: the document first, then the pointer. Whatever arrives when, a client has the old one or the new one.
#[test]
fn a_client_is_served_whole_in_every_order_of_a_deploy() {
    let publisher = Publisher::new();
    let (old, new) = (publisher.sign(1008, "release"), publisher.sign(1009, "release"));
    let site = publisher.directory.world.join("site");
    let keys = [publisher.public("release"), publisher.public("offline")];
    copy(&old, "registry-1008.json", &site);
    copy(&old, "registry.minisig", &site);
    let client = Client::new(&site, &keys);
    client.update().expect("updated");
    assert_eq!(client.serial(), 1008);

    // The document is there, and nothing points to it yet.
    copy(&new, "registry-1009.json", &site);
    client.update().expect("nothing new");
    assert_eq!(client.serial(), 1008);

    // In the wrong order: the pointer is there, and the document is not, or only half of it.
    let document = site.join("v1/registry-1009.json");
    let whole = fs::read(&document).expect("read");
    fs::remove_file(&document).expect("removed");
    copy(&new, "registry.minisig", &site);
    assert!(client.update().is_err());
    assert_eq!(client.serial(), 1008);
    fs::write(&document, &whole[..whole.len() / 2]).expect("written");
    let refused = client.update().expect_err("half of it");
    assert_eq!(refused.exit_code(), Exit::Integrity, "{refused}");
    assert_eq!(client.serial(), 1008);

    // Both are there.
    fs::write(&document, &whole).expect("written");
    client.update().expect("updated");
    assert_eq!(client.serial(), 1009);
    let fresh = Client::new(&site, &keys);
    fresh.update().expect("updated");
    assert_eq!(fresh.serial(), 1009);

    // A network that still has the old pointer takes nobody back.
    copy(&old, "registry.minisig", &site);
    let _ = client.update();
    assert_eq!(client.serial(), 1009);
}

/// The steps of registry/README.md, from the first key to the day on which one must be revoked.
#[test]
fn the_life_of_a_key_was_rehearsed() {
    let publisher = Publisher::new();
    let site = publisher.directory.world.join("site");
    let deploy = |serial: u64, key: &str| {
        let out = publisher.sign(serial, key);
        copy(&out, &format!("registry-{serial}.json"), &site);
        copy(&out, "registry.minisig", &site);
    };
    let (release, offline) = (publisher.public("release"), publisher.public("offline"));
    deploy(1008, "release");
    let mut client = Client::new(&site, &[release.clone(), offline.clone()]);
    client.update().expect("updated");
    assert_eq!(client.serial(), 1008);

    // Any one of the keys may sign.
    deploy(1009, "offline");
    client.update().expect("updated");
    assert_eq!(client.serial(), 1009);

    // The release key is in wrong hands, and signs.
    deploy(1010, "release");
    client.update().expect("it is not known yet");
    assert_eq!(client.serial(), 1010);
    // A new ampup revokes it: what it signed is not used any more, nor is the copy that a client has.
    client.keys = vec![offline.clone()];
    client.revoked = format!("{} # stolen\n", publisher.id("release"));
    assert_eq!(client.serial(), 0, "the built-in one");
    let refused = client.update().expect_err("it is still published");
    assert_eq!(refused.exit_code(), Exit::Integrity, "{refused}");
    // The offline key signs a serial above all that the other one may have signed.
    deploy(1020, "offline");
    client.update().expect("updated");
    assert_eq!(client.serial(), 1020);
    // An ampup that knows neither says so, and goes on with what it has.
    let stranger = Client::new(&site, &[release]);
    assert!(stranger.update().is_err());
    assert_eq!(stranger.serial(), 0);
}
