//! `--registry https://… --registry-key FILE`: a registry of somebody's own, published and signed as the default one is, and
//! believed as far as its key.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use camino::Utf8PathBuf;
use fs_err as fs;
use serde_json::json;

use crate::support::{
    home::{Home, Run, TARGET, script, sha256},
    server::{Reply, Server},
    signing::Signer,
};

/// Somebody who publishes a registry.
struct Publisher {
    server: Server,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    signer: Signer,
    home: Home,
}

impl Publisher {
    fn new() -> Self {
        let files: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let served = files.clone();
        let server =
            Server::start(
                move |request, _| match served.lock().expect("no panic").get(&request.target) {
                    Some(file) => Reply::whole(file).header("ETag", format!("\"{}\"", &sha256(file)[7..20])),
                    None => Reply::status(404),
                },
            );
        let publisher = Self {
            server,
            files,
            signer: Signer::new(7),
            home: Home::new(),
        };
        fs::write(publisher.key(), publisher.signer.public()).expect("written");
        publisher
    }

    fn key(&self) -> Utf8PathBuf {
        self.home.registry().with_file_name("acme.pub")
    }

    /// The manifest of this id, with this version of `tool`, and an ampup that nobody asked for.
    fn manifest(&self, id: &str, serial: u64, version: &str) -> Vec<u8> {
        let component = |name: &str| {
            let content = script(name, version);
            let path = format!("/files/{name}-{version}");
            let mut files = self.files.lock().expect("no panic");
            files.insert(path.clone(), content.clone().into_bytes());
            json!({
                "summary": "s", "homepage": "https://acme.example", "default": {"channel": "stable"}, "group": name,
                "default_install": false, "version_style": "plain", "executables": [name], "acceptance": "version",
                "releases": [{"version": version, "channel": "stable", "artifacts": [{
                    "target": TARGET, "provider": "acme", "format": "raw",
                    "source": {"kind": "https", "url": self.server.url(&path)},
                    "integrity": {"kind": "pinned", "digest": sha256(content.as_bytes())},
                }]}],
            })
        };
        json!({
            "schema": 1, "registry": id, "serial": serial, "issued": jiff::Timestamp::now().to_string(),
            "components": {"tool": component("tool"), "ampup": component("ampup")},
        })
        .to_string()
        .into_bytes()
    }

    fn publish(&self, serial: u64, version: &str) {
        self.publish_as("acme", serial, version, &self.signer);
    }

    fn publish_as(&self, id: &str, serial: u64, version: &str, signer: &Signer) {
        let document = self.manifest(id, serial, version);
        let pointer = signer.sign(id, serial, &document);
        let mut files = self.files.lock().expect("no panic");
        files.insert(format!("/v1/registry-{serial}.json"), document);
        files.insert("/v1/registry.minisig".to_owned(), pointer.into_bytes());
    }

    /// Runs the program with this registry.
    fn ampup(&self, words: &[&str]) -> Run {
        let (address, key) = (self.server.url(""), self.key());
        let named = ["--registry", address.as_str(), "--registry-key", key.as_str()];
        self.home.ampup(&[&named[..], words].concat())
    }

    fn asked(&self) -> usize {
        let requests = self.server.requests();
        requests
            .iter()
            .filter(|request| request.target.starts_with("/v1/"))
            .count()
    }
}

#[test]
fn a_registry_at_an_address_is_believed_by_its_key_and_works_offline_after() {
    let publisher = Publisher::new();
    publisher.publish(1, "1.0.0");
    publisher
        .ampup(&["install", "tool"])
        .exits(0)
        .says("installed tool 1.0.0 (built by acme)");
    let asked = publisher.asked();
    publisher
        .ampup(&["list", "--available", "--offline"])
        .exits(0)
        .prints_with("tool");
    publisher.ampup(&["info", "tool"]).exits(0);
    assert_eq!(publisher.asked(), asked, "only `update` and `check` ask again");
    // It never provides ampup.
    publisher.ampup(&["install", "ampup"]).exits(3);

    publisher.publish(2, "2.0.0");
    publisher.ampup(&["check"]).exits(100);
    publisher.ampup(&["update"]).exits(0).says("installed tool 2.0.0");
    // It has a floor of its own, beside the default registry's.
    let trust: serde_json::Value =
        serde_json::from_slice(&fs::read(publisher.home.path().join("trust.json")).expect("read"))
            .expect("JSON");
    let names: Vec<&String> = trust["registries"].as_object().expect("fields").keys().collect();
    assert!(
        matches!(&names[..], [name] if name.starts_with("acme-") && name.len() == "acme-".len() + 16),
        "{names:?}"
    );
    publisher.publish(1, "1.0.0");
    let _ = publisher.ampup(&["update"]);
    publisher
        .ampup(&["list"])
        .exits(0)
        .prints_with("tool 2.0.0 (active)\n");
    // Without it, the home is as usual.
    publisher
        .home
        .ampup(&["list", "--available"])
        .exits(0)
        .prints_with("postgres");
}

#[test]
fn a_registry_at_an_address_that_is_not_proven_is_not_used() {
    let publisher = Publisher::new();
    let address = publisher.server.url("");
    publisher
        .home
        .ampup(&["--registry", &address, "list", "--available"])
        .exits(2)
        .says("is believed only with the public key of whoever signs it")
        .says("--registry-key FILE");
    fs::write(publisher.key(), "no key").expect("written");
    publisher
        .ampup(&["list", "--available"])
        .exits(2)
        .says("is not a public key of minisign's");
    fs::write(publisher.key(), publisher.signer.public()).expect("written");
    // Nothing is published, or by somebody else, or under the name of the default registry.
    publisher.ampup(&["list", "--available"]).exits(4);
    publisher.publish_as("acme", 1, "1.0.0", &Signer::new(8));
    publisher
        .ampup(&["install", "tool"])
        .exits(4)
        .says("which is not the one that you named")
        .says("\n  get the publisher's new public key, and name it with `--registry-key FILE`");
    publisher.publish_as("amp", 1, "1.0.0", &publisher.signer);
    publisher
        .ampup(&["install", "tool"])
        .exits(4)
        .says("it calls itself `amp`, which is the default registry")
        .says("\n  whoever publishes it gives it an id of its own");
    publisher.ampup(&["install", "tool", "--offline"]).exits(5);
    assert!(!publisher.home.path().join("trust.json").exists());
    // Another registry by the same key does not take the place of the one that was accepted.
    publisher.publish(1, "1.0.0");
    publisher.ampup(&["install", "tool"]).exits(0);
    publisher.publish_as("other", 2, "2.0.0", &publisher.signer);
    publisher
        .ampup(&["update"])
        .exits(4)
        .says("it is the registry `other`, not `acme`");
    publisher.ampup(&["doctor"]).prints_with("registry");
}
