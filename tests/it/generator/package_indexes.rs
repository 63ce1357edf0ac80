//! `refresh` with package registries: what npm and a Python index state of a package that was published is compared again,
//! through the machine's own npm and pip.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256, Sha512};

use super::*;
use crate::{
    support::{
        archives::{TarEntry, tar_gz},
        home::sha256,
        server::{Reply, Server},
    },
    wire::pypi::wheel,
};

const RECIPE: &str = r#"
[[origin]]
provider = "acme"
source = "{kind}"
package = "{package}"
package_version = "{version}"
format = "tar.gz"
root = "{root}"

[origin.targets]
x86_64-unknown-linux-gnu = { platform = "manylinux_2_17_x86_64" }
"#;

/// The bytes that a registry serves for its one package.
type Served = Arc<Mutex<Vec<u8>>>;

/// A registry's directory whose recipe names this package, with the clients of this machine; `None` where one is missing.
fn directory(kind: &str, package: &str, root: &str, server: &Server) -> Option<Directory> {
    let env = Env::capture();
    let mut path = env.search_path().into_iter();
    match kind {
        "npm" => drop(path.find(|directory| directory.join("npm").exists())?),
        _ => {
            let has_pip = |directory: &Utf8PathBuf| {
                let mut pip = std::process::Command::new(directory.join("python3"));
                let output = pip.args(["-m", "pip", "--version"]).output();
                output.is_ok_and(|output| output.status.success())
            };
            path.find(has_pip)?;
        }
    }
    let recipe = format!("{COMPONENT}{RECIPE}")
        .replace("{kind}", kind)
        .replace("{package}", package);
    let mut directory = Directory::new(&recipe.replace("{root}", root));
    let home = directory.world.join("user");
    fs::create_dir_all(&home).expect("made");
    let path = env.var("PATH").expect("it has a client").to_owned();
    directory.variables = [
        ("PATH", path),
        ("HOME", home.into_string()),
        ("npm_config_registry", server.url("/")),
        ("npm_config_cache", directory.world.join("npm").into_string()),
        ("PIP_INDEX_URL", server.url("/simple/")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    Some(directory)
}

/// An archive with this program in `bin/`, below `top`.
fn archive(top: &str, more: &[TarEntry]) -> Vec<u8> {
    let program = TarEntry {
        mode: 0o755,
        content: fs::read("/bin/true").expect("a program"),
        ..TarEntry::file(&format!("{top}/bin/tool"), "")
    };
    let own = [
        TarEntry::directory(top),
        TarEntry::directory(&format!("{top}/bin")),
        program,
    ];
    tar_gz(&[&own[..], more].concat())
}

/// Refreshes, has the registry serve other bytes of the same version, and refreshes again.
fn is_shown_and_nothing_written(directory: &Directory, served: &Served, other: Vec<u8>, says: &str) {
    let answer = directory.done(&["refresh"]);
    assert_eq!(list(&answer.json["added"]).len(), 1, "{answer:?}");
    let again = directory.done(&["refresh"]);
    assert_eq!(again.json["changed"], false, "{again:?}");
    let written = directory.text();
    *served.lock().expect("no panic") = other;
    directory.fails(
        &["refresh"],
        &format!(
            "an origin states another digest than the one that was published; nothing is written:\n  {says}"
        ),
    );
    assert_eq!(directory.text(), written);
}

#[test]
fn a_package_of_npm_whose_digest_changed_stops_the_run() {
    let served = Served::default();
    let bytes = served.clone();
    let server = Server::start(move |request, _| {
        let bytes = bytes.lock().expect("no panic");
        if request.target.ends_with(".tgz") {
            return Reply::whole(&bytes);
        }
        let host = request.header("Host").expect("HTTP/1.1");
        let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(&*bytes)));
        let dist = json!({"tarball": format!("http://{host}/tool-1.0.0.tgz"), "integrity": integrity});
        let release = json!({"name": "tool", "version": "1.0.0", "dist": dist});
        let document = json!({
            "name": "tool", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": release},
        });
        Reply::whole(document.to_string().as_bytes())
    });
    let Some(directory) = directory("npm", "tool", "package", &server) else {
        return;
    };
    let package = TarEntry::file("package/package.json", r#"{"name":"tool","version":"1.0.0"}"#);
    *served.lock().expect("no panic") = archive("package", std::slice::from_ref(&package));
    let other = archive("package", &[package, TarEntry::file("package/more", "x")]);
    // npm keeps what it was told of a package.
    let is_fresh = directory.world.join("user/.npmrc");
    fs::write(&is_fresh, "prefer-online=true\n").expect("written");
    is_shown_and_nothing_written(
        &directory,
        &served,
        other,
        "tool 1.0.0 x86_64-unknown-linux-gnu by acme from npm: sha512:",
    );
}

#[test]
fn a_wheel_whose_digest_changed_stops_the_run() {
    const WHEEL: &str = "x_y-1.0.0-py3-none-manylinux_2_17_x86_64.whl";
    let served = Served::default();
    let bytes = served.clone();
    let server = Server::start(move |request, _| {
        let bytes = bytes.lock().expect("no panic");
        let digest = hex::encode(Sha256::digest(&*bytes));
        match request.target.as_str() {
            "/simple/x-y/" => {
                let page = format!("<!DOCTYPE html><a href=\"/{WHEEL}#sha256={digest}\">{WHEEL}</a>");
                Reply::whole(page.as_bytes()).header("Content-Type", "text/html")
            }
            target if target == format!("/{WHEEL}") => Reply::whole(&bytes),
            _ => Reply::status(404),
        }
    });
    let Some(directory) = directory("pypi", "x-y", "tool", &server) else {
        return;
    };
    let archive = archive("tool", &[]);
    // Its makers' digest of the archive is known; the index states that of the wheel alone.
    let mut manifest = directory.manifest();
    manifest["components"]["tool"]["releases"] = json!([{"version": "1.0.0", "channel": "stable", "artifacts": [{
        "target": "x86_64-unknown-linux-gnu", "provider": "acme", "format": "tar.gz", "root": "tool",
        "source": {"kind": "https", "url": "https://tool.invalid/tool.tar.gz"},
        "integrity": {"kind": "pinned", "digest": sha256(&archive)},
    }]}]);
    directory.state(&manifest);
    *served.lock().expect("no panic") = wheel(&[("x_y/x.tar.gz", &archive)]);
    let other = wheel(&[("x_y/x.tar.gz", &archive), ("x_y/more", b"x")]);
    is_shown_and_nothing_written(
        &directory,
        &served,
        other,
        "tool 1.0.0 x86_64-unknown-linux-gnu by acme from pypi: sha256:",
    );
}
