//! A release as the workflow publishes it, made by the same script, with any program in the place of ampup.

use std::process::Command;

use ampup::domain::Target;
use camino::{Utf8Path, Utf8PathBuf};

use super::{home::TARGET, world::write_program};

/// The version that a test's release has unless it says another.
pub(crate) const VERSION: &str = "9.9.9";

/// A program that stands for ampup: it says how it was called, and what its stdin is.
pub(crate) const STAND_IN: &str = r#"#!/bin/sh
if [ "${1-}" = --version ]; then echo 'ampup 9.9.9'; exit; fi
for word; do printf '<%s>' "$word"; done
if [ -t 0 ]; then echo; echo 'stdin: a terminal'; else echo; echo "stdin: <$(cat)>"; fi
case $0 in */.bootstrap-*/ampup-*) echo 'in: the home' ;; *.bootstrap-*/ampup-*) echo 'beside the home' ;; esac
"#;

/// A directory with `latest/download` and `download/v<VERSION>`, as the release page has them.
pub(crate) struct Release {
    directory: Utf8PathBuf,
}

impl Release {
    /// Puts a release of `program` for every target below `directory`. `releases` is where it will be found; `variables`
    /// are for `release/assemble`.
    pub(crate) fn assemble(
        directory: &Utf8Path,
        program: impl AsRef<[u8]>,
        releases: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let release = Self {
            directory: directory.to_owned(),
        };
        for target in Target::ALL {
            write_program(&release.asset(target), &program);
        }
        let output = Command::new("sh")
            .arg(repository().join("release/assemble"))
            .args([release.files().as_str(), VERSION])
            .env("RELEASES", releases)
            .envs(variables.iter().copied())
            .output()
            .expect("started");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs_err::create_dir_all(directory.join("latest")).expect("made");
        fs_err::os::unix::fs::symlink(
            format!("../download/v{VERSION}"),
            directory.join("latest/download"),
        )
        .expect("linked");
        release
    }

    /// A release of the program that the tests were built with, or of `program`, which says that it is this version; for
    /// this machine alone. It becomes the latest one.
    pub(crate) fn of_this_machine(
        directory: &Utf8Path,
        version: &str,
        program: impl AsRef<[u8]>,
        releases: &str,
    ) -> Utf8PathBuf {
        let files = directory.join(format!("download/v{version}"));
        write_program(&files.join(format!("ampup-{TARGET}")), &program);
        let output = Command::new("sh")
            .arg(repository().join("release/assemble"))
            .args([files.as_str(), version])
            .env("RELEASES", releases)
            .output()
            .expect("started");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs_err::create_dir_all(directory.join("latest")).expect("made");
        let latest = directory.join("latest/download");
        let _ = fs_err::remove_file(&latest);
        fs_err::os::unix::fs::symlink(format!("../download/v{version}"), latest).expect("linked");
        files
    }

    /// Where the release's files lie.
    pub(crate) fn files(&self) -> Utf8PathBuf {
        self.directory.join(format!("download/v{VERSION}"))
    }

    /// The script with the checksums in it.
    pub(crate) fn script(&self) -> Utf8PathBuf {
        self.files().join("install.sh")
    }

    pub(crate) fn asset(&self, target: Target) -> Utf8PathBuf {
        let suffix = if target == Target::X86_64Windows {
            ".exe"
        } else {
            ""
        };
        self.files().join(format!("ampup-{target}{suffix}"))
    }

    /// Every asset becomes another program; the checksums stay.
    pub(crate) fn replace_programs(&self, program: impl AsRef<[u8]>) {
        for target in Target::ALL {
            write_program(&self.asset(target), &program);
        }
    }
}

/// The top of the repository.
pub(crate) fn repository() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
}
