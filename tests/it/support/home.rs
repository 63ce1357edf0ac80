//! A home of its own for each test, and the program run in it as an ordinary user would run it.

use std::{
    io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use ampup::{
    domain::{Algorithm, Digest},
    verify::digest_of,
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::{Value, json};

use super::{
    postgres::{World, kept, run_as},
    schemas::ensure_promised,
};

/// A home, a working directory and a registry.
pub(crate) struct Home {
    world: World,
    releases: Vec<(String, Value)>,
}

/// The end of a run of the program.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Paths as the program shows them: what one begins with, and what stands for that.
    pub(crate) shortened: Vec<(String, &'static str)>,
}

/// Returns true for a line below an error that says what helps: with a command to type, or in words alone.
#[cfg(target_os = "linux")]
pub(crate) fn is_advice(line: &str) -> bool {
    line.starts_with("hint: ") || line.starts_with("  ")
}

impl Run {
    /// A text with its quoted paths as the program shows them: from the working directory, or from the user's home.
    pub(crate) fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (whole, short) in &self.shortened {
            text = text.replace(&format!("`{whole}/"), &format!("`{short}"));
        }
        text
    }

    /// Fails the test unless the program ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Fails the test unless stderr has this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let text = self.shown(text);
        assert!(self.stderr.contains(&text), "no `{text}` in {self:#?}");
        self
    }

    /// Fails the test unless stdout is exactly this.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "{self:#?}");
        self
    }

    /// Fails the test unless stdout has this text.
    #[track_caller]
    pub(crate) fn prints_with(self, text: &str) -> Self {
        let is_there = self.stdout.contains(text) || self.stdout.contains(&self.shown(text));
        assert!(is_there, "no `{text}` in {self:#?}");
        self
    }

    /// The JSON that `--json` printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON in {self:#?}"));
        assert_eq!(value["schema"], 1, "{self:#?}");
        value
    }
}

impl Home {
    /// A home that does not exist yet, in a world that an ordinary user can write to.
    pub(crate) fn new() -> Self {
        let home = Self::of_a_new_world();
        // What earlier runs of the tests left in `/tmp` is no test's to meet.
        static PRUNED: OnceLock<()> = OnceLock::new();
        PRUNED.get_or_init(|| drop(home.ampup(&["prune"])));
        home
    }

    fn of_a_new_world() -> Self {
        let home = Self {
            world: World::new(),
            releases: Vec::new(),
        };
        home.world.directory("user");
        home.world.directory("work");
        home
    }

    /// A directory of this world that belongs to whoever runs the program.
    pub(crate) fn directory(&self, name: &str) -> Utf8PathBuf {
        self.world.directory(name)
    }

    /// ampup's home.
    pub(crate) fn path(&self) -> Utf8PathBuf {
        self.world.path().join("user/.ampup")
    }

    /// A path as messages have it: from the working directory, or from the user's home.
    pub(crate) fn shown(&self, path: &Utf8Path) -> String {
        if let Ok(below) = path.strip_prefix(self.work()) {
            return below.to_string();
        }
        match path.strip_prefix(self.world.path().join("user")) {
            Ok(below) => format!("~/{below}"),
            Err(_) => path.to_string(),
        }
    }

    /// The working directory of the program.
    pub(crate) fn work(&self) -> Utf8PathBuf {
        self.world.path().join("work")
    }

    /// The entries of the Amp directory that begin so.
    pub(crate) fn in_amp(&self, begin: &str) -> Vec<Utf8PathBuf> {
        let mut found: Vec<_> = self
            .work()
            .join(".amp")
            .read_dir_utf8()
            .expect("listed")
            .flatten()
            .filter(|entry| entry.file_name().starts_with(begin))
            .map(|entry| entry.path().to_owned())
            .collect();
        found.sort();
        found
    }

    /// The program, as an ordinary user, with nothing in its environment but PATH, HOME and what npm and TLS need.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.as_the_user(program());
        command.args(arguments);
        command
    }

    /// Another program in the same place, as an ordinary user.
    pub(crate) fn as_the_user(&self, program: &Utf8Path) -> Command {
        let mut command = self.other_program(program);
        if let Some(user) = run_as() {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// The same as whoever runs the tests.
    pub(crate) fn command_as_we_are(&self, arguments: &[&str]) -> Command {
        let mut command = self.other_program(program());
        command.args(arguments);
        command
    }

    /// Another program in the same place, as whoever runs the tests.
    pub(crate) fn other_program(&self, program: &Utf8Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        for (name, value) in inherited() {
            command.env(name, value);
        }
        command
            .env("HOME", self.world.path().join("user"))
            .current_dir(self.work())
            .stdin(Stdio::null());
        if !self.releases.is_empty() {
            command.env("AMPUP_REGISTRY", self.registry());
        }
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn ampup(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments))
    }

    /// Gives everything in a directory to whoever runs the program.
    pub(crate) fn give(&self, directory: &Utf8Path) {
        if let Some(user) = run_as() {
            let owner = format!("{}:{}", user.uid, user.gid);
            let status = Command::new("chown")
                .args(["-hR", &owner, directory.as_str()])
                .status();
            assert!(status.expect("started").success());
        }
    }

    /// Offers a release of `tool`, a script that prints its version, from a file.
    pub(crate) fn offer(&mut self, component: &str, version: &str) -> &mut Self {
        let script = script(component, version);
        self.offer_script(component, version, &script)
    }

    /// Offers a release whose executable is this script.
    pub(crate) fn offer_script(&mut self, component: &str, version: &str, script: &str) -> &mut Self {
        self.offer_raw(component, version, script.as_bytes())
    }

    /// Offers a release whose one artifact is this file.
    pub(crate) fn offer_raw(&mut self, component: &str, version: &str, content: &[u8]) -> &mut Self {
        let path = self.world.path().join(format!("{component}-{version}"));
        fs::write(&path, content).expect("written");
        let artifact = json!({
            "target": TARGET, "provider": "acme", "format": "raw",
            "source": {"kind": "file", "url": format!("file://{path}")},
            "integrity": {"kind": "pinned", "digest": sha256(content)},
        });
        self.offer_artifacts(component, version, &[artifact])
    }

    /// Offers a release with these artifacts.
    pub(crate) fn offer_artifacts(
        &mut self,
        component: &str,
        version: &str,
        artifacts: &[Value],
    ) -> &mut Self {
        let channel = if version.contains('-') {
            "nightly"
        } else {
            "stable"
        };
        let release = json!({"version": version, "channel": channel, "artifacts": artifacts});
        self.releases.push((component.to_owned(), release));
        self.write_registry();
        self
    }

    /// Takes every release of a component back.
    pub(crate) fn withdraw(&mut self, component: &str, version: &str) {
        self.releases
            .retain(|(name, release)| name != component || release["version"] != version);
        self.write_registry();
    }

    pub(crate) fn registry(&self) -> Utf8PathBuf {
        self.world.path().join("manifest.json")
    }

    fn write_registry(&self) {
        let mut components = serde_json::Map::new();
        for (name, release) in &self.releases {
            let group = if ["ampd", "ampctl"].contains(&name.as_str()) {
                "amp"
            } else {
                name
            };
            let postgres = name == "postgres";
            let component = components.entry(name.clone()).or_insert_with(|| {
                json!({
                    "summary": format!("{name} for tests"), "homepage": "https://example.com",
                    "default": if postgres { json!({"channel": "stable", "requirement": "18"}) } else { json!({"channel": "stable"}) },
                    "group": group, "default_install": true,
                    "version_style": if postgres { "postgres" } else if group == "amp" { "v" } else { "plain" },
                    "executables": if postgres { json!(["initdb", "postgres"]) } else { json!([name]) },
                    "acceptance": if postgres { "postgres" } else { "version" }, "releases": [],
                })
            });
            component["releases"]
                .as_array_mut()
                .expect("an array")
                .push(release.clone());
        }
        let document = json!({
            "schema": 1, "registry": "test", "serial": 1, "issued": "2099-01-01T00:00:00Z", "components": components,
        });
        fs::write(self.registry(), document.to_string()).expect("written");
    }

    /// Every file, directory and link of the home, sorted, each with its content or target: what a command may or may
    /// not have changed. Locks, staging and cache are left out.
    pub(crate) fn store(&self) -> Vec<String> {
        let mut found = Vec::new();
        for part in ["active", "bin", "components", "generations"] {
            walk(&self.path(), &self.path().join(part), &mut found);
        }
        found.sort();
        found
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What root's home has elsewhere is not below the world.
        let _ = fs::remove_dir_all(ampup::store::shared_home::directory_of(&self.path()));
    }
}

fn walk(top: &Utf8Path, path: &Utf8Path, found: &mut Vec<String>) {
    let Ok(metadata) = path.symlink_metadata() else {
        return;
    };
    let name = path.strip_prefix(top).expect("below");
    if metadata.is_symlink() {
        found.push(format!("{name} -> {}", path.read_link_utf8().expect("a link")));
    } else if metadata.is_dir() {
        found.push(format!("{name}/"));
        for entry in path.read_dir_utf8().expect("listed") {
            walk(top, entry.expect("an entry").path(), found);
        }
    } else {
        found.push(format!("{name} {}", sha256(&fs::read(path).expect("read"))));
    }
}

/// This host, as the tests' artifacts name it.
pub(crate) const TARGET: &str = if cfg!(target_os = "macos") {
    if cfg!(target_arch = "aarch64") {
        "aarch64-apple-darwin"
    } else {
        "x86_64-apple-darwin"
    }
} else if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-gnu"
} else {
    "x86_64-unknown-linux-gnu"
};

/// A program that prints its version.
pub(crate) fn script(component: &str, version: &str) -> String {
    format!("#!/bin/sh\necho \"{component} {version}\"\n")
}

/// The digest of some bytes, as a manifest states it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let (digest, _): (Digest, u64) = digest_of(&mut &*bytes, Algorithm::Sha256).expect("memory can be read");
    digest.to_string()
}

/// Runs a command to its end. A program that a test has just written may be busy for a moment: a child that another test starts
/// meanwhile holds it open until it becomes its own program.
#[track_caller]
pub(crate) fn finish(mut command: Command) -> Run {
    let output = loop {
        match command.output() {
            Err(cause) if cause.kind() == io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(5));
            }
            ended => break ended.unwrap_or_else(|cause| panic!("{command:?}: {cause}")),
        }
    };
    let place = |path: Option<&std::path::Path>| path.and_then(std::path::Path::to_str).map(str::to_owned);
    let home = command.get_envs().find(|(name, _)| *name == "HOME");
    let home = home.and_then(|(_, value)| place(value.map(std::path::Path::new)));
    let work = place(command.get_current_dir());
    let run = Run {
        shortened: [(work, ""), (home, "~/")]
            .into_iter()
            .filter_map(|(path, short)| Some((path?, short)))
            .collect(),
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    };
    ensure_promised(&command, &run.stdout, &run.stderr);
    run
}

/// The program under test, where every user can run it, without what only a debugger reads: many tests copy and hash it.
pub(crate) fn program() -> &'static Utf8Path {
    static PROGRAM: OnceLock<Utf8PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let is_long = ampup::env::Env::capture().var("AMPUP_TORTURE").is_some();
        let directory = if is_long {
            // A torture run takes long; nobody must wait for it with the next build.
            let directory = tempfile::Builder::new().prefix("ampup-bin-").tempdir();
            let directory =
                Utf8PathBuf::from_path_buf(directory.expect("a directory").keep()).expect("UTF-8");
            strip_into(&directory);
            directory
        } else {
            kept("program", strip_into)
        };
        directory.join("ampup")
    })
}

/// Puts the program into a directory that every user can enter.
fn strip_into(directory: &Utf8Path) {
    fs::create_dir_all(directory).expect("made");
    fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).expect("opened");
    let copy = directory.join("ampup");
    fs::copy(BUILT, &copy).expect("copied");
    // Where there is no such program, the copy stays large.
    let _ = Command::new("strip").arg(&copy).output();
}

/// The program as it was built.
pub(crate) const BUILT: &str = env!("CARGO_BIN_EXE_ampup");

/// The variables that a program needs of our environment to find its tools and to reach a registry.
fn inherited() -> impl Iterator<Item = (String, String)> {
    #[expect(clippy::disallowed_methods, reason = "the tests' own environment")]
    std::env::vars().filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        name == "path"
            || name.ends_with("_proxy")
            || name.starts_with("npm_config_")
            || name.starts_with("node_extra_ca")
            || name.starts_with("ssl_cert_")
    })
}
