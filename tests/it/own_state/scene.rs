//! A home with everything that ampup writes for itself, and commands that read it.

use std::{
    os::unix::process::CommandExt as _,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use ampup::{
    commands::{Error, Options, Outcome, Session, check, doctor, history, list, prune, verify, which, why},
    env::Env,
    event::Silent,
    exit::Exit,
    registry::keys::{Keyring, RegistryOrigin},
};

use camino::Utf8PathBuf;

use fs_err as fs;

use super::FILES;
use crate::support::{
    home::{Home, sha256},
    postgres::run_as,
    signing::Signer,
};

/// The longest that a command may take on this, on a busy machine.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Scene {
    pub(super) home: Home,
    pub(super) signer: Signer,
    pub(super) copy: Utf8PathBuf,
    pub(super) precious: Utf8PathBuf,
}

impl Scene {
    /// A home in which every such file is there, and a copy of it.
    pub(super) fn new() -> Self {
        let mut home = Home::new();
        home.offer("tool", "1.0.0").offer("tool", "2.0.0");
        home.ampup(&["install", "tool@1.0.0"]).exits(0);
        home.ampup(&["install", "tool@2"]).exits(0);
        let signer = Signer::new(1);
        let manifest = fs::read_to_string(home.registry()).expect("read");
        let manifest = manifest
            .replace("\"registry\":\"test\"", "\"registry\":\"amp\"")
            .replace("\"serial\":1", "\"serial\":7");
        let digest = sha256(manifest.as_bytes());
        let write = |name: &str, content: &str| fs::write(home.path().join(name), content).expect("written");
        write(
            "cache/registry-amp.signed",
            &format!("{}{manifest}", signer.sign("amp", 7, manifest.as_bytes())),
        );
        let (issued, etag) = ("2026-01-01T00:00:00Z", "\"x\"");
        let check = sha256(format!("amp\n7\n{digest}\n{issued}\n{etag}\n").as_bytes());
        let trust = serde_json::json!({"schema": 1, "registries": {"amp": {
            "serial": 7, "sha256": digest, "issued": issued, "etag": etag, "check": check,
        }}});
        write("trust.json", &trust.to_string());
        write("config.toml", "jobs = 3\nlock_timeout = 5\n");
        write("cache/downloads/sha256-00.partial", "a part of it");
        write(
            "cache/downloads/sha256-00.partial.json",
            r#"{"url":"https://example.com/a","value":"\"1\""}"#,
        );
        write("projects.json", r#"{"schema":1,"projects":["/nowhere/.amp"]}"#);
        write("shells.json", r#"{"schema":1,"files":[],"directories":[]}"#);
        home.give(&home.path());
        let copy = home.work().join("copy");
        let precious = home.work().join("precious");
        fs::write(&precious, "precious").expect("written");
        home.give(&home.work());
        let scene = Self {
            home,
            signer,
            copy,
            precious,
        };
        run("cp", &["-a", scene.home.path().as_str(), scene.copy.as_str()]);
        for name in FILES {
            assert!(scene.home.path().join(name).is_file(), "{name}");
        }
        scene
    }

    /// Makes the home as it was.
    pub(super) fn restore(&self) {
        fs::remove_dir_all(self.home.path()).expect("removed");
        run("cp", &["-a", self.copy.as_str(), self.home.path().as_str()]);
    }

    pub(super) fn session(&self) -> Result<Session, Error> {
        let (home, user) = (self.home.path(), self.home.directory("user"));
        let env = Env::from_variables(
            [
                ("AMPUP_HOME", home.as_str()),
                ("HOME", user.as_str()),
                ("PATH", "/usr/bin:/bin"),
            ],
            self.home.work().as_std_path(),
        );
        let mut session = Session::new(env, Options::default(), Arc::new(Silent), "ampup".to_owned())?;
        session.origin = RegistryOrigin {
            id: "amp".to_owned(),
            base: None,
            keyring: Keyring::new(&[&self.signer.public()], "").expect("a key"),
        };
        Ok(session)
    }

    /// Runs what only reads, all of it or what starts no other program; gives how each ended.
    pub(super) fn read(&self, what: &str, all: bool) -> Vec<Exit> {
        type Reader = fn(&Session) -> Result<Outcome, Error>;
        let readers: [(&str, Reader); 8] = [
            ("list", |session| {
                list::run(
                    &list::Args {
                        names: Vec::new(),
                        available: false,
                        all: true,
                    },
                    session,
                )
            }),
            ("which", |session| {
                let executable = "tool".to_owned();
                which::run(
                    &which::Args {
                        executable,
                        dir: false,
                    },
                    session,
                )
            }),
            ("history", |session| history::run(&history::Args {}, session)),
            ("why", |session| {
                why::run(
                    &why::Args {
                        name: "tool".parse().expect("a name"),
                    },
                    session,
                )
            }),
            ("verify", |session| verify::run(&verify::Args::default(), session)),
            ("check", |session| {
                check::run(&check::Args { names: Vec::new() }, session)
            }),
            ("doctor", |session| doctor::run(&doctor::Args::default(), session)),
            ("prune", |session| {
                prune::run(
                    &prune::Args {
                        names: Vec::new(),
                        dry_run: true,
                        kept: Vec::new(),
                    },
                    session,
                )
            }),
        ];
        let count = if all { readers.len() } else { 5 };
        let mut exits = Vec::new();
        for (name, reader) in readers.into_iter().take(count) {
            let began = Instant::now();
            exits.push(match self.session().and_then(|session| reader(&session)) {
                Ok(outcome) => outcome.exit,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    error.exit_code()
                }
            });
            assert!(
                began.elapsed() < TIMEOUT,
                "{what}: `{name}` took {:?}",
                began.elapsed()
            );
        }
        exits
    }
}

pub(super) fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect("started");
    assert!(status.success(), "{program} {arguments:?}");
}

/// The same command with less memory than a file of 1 GiB would take.
pub(super) fn bounded(command: &Command, home: &Home) -> Command {
    let mut bounded = Command::new("prlimit");
    bounded
        .arg("--as=800000000")
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(home.work());
    if let Some(user) = run_as() {
        bounded.uid(user.uid).gid(user.gid);
    }
    bounded
}
