//! The PyPI source: with pip itself where it is on this machine, and with scripts in its place for what it may say.
#![cfg(unix)]

use std::io::Write as _;

use ampup::fetch::{FetchError, PackageClient, Verdict};

use super::{npm::with_program, *};
use crate::support::{
    server::{Reply, Server},
    table::every,
};

const WHEEL: &str = "x_y-1.0.0-py3-none-manylinux_2_17_x86_64.whl";

/// A wheel with these files.
pub(crate) fn wheel(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let metadata = b"Metadata-Version: 2.1\nName: x-y\nVersion: 1.0.0\nRequires-Python: >=3.12\n";
    let tags = b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-manylinux_2_17_x86_64\n";
    let own: [(&str, &[u8]); 3] = [
        ("x_y-1.0.0.dist-info/METADATA", metadata),
        ("x_y-1.0.0.dist-info/WHEEL", tags),
        ("x_y-1.0.0.dist-info/RECORD", b""),
    ];
    for (name, text) in files.iter().chain(&own) {
        archive
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .expect("started");
        archive.write_all(text).expect("written");
    }
    archive.finish().expect("closed").into_inner()
}

/// The artifact with this content, in this wheel.
fn artifact_in(wheel: &[u8], content: &[u8]) -> Artifact {
    Artifact {
        source: Source::PyPi {
            package: "x-y".to_owned(),
            version: "1.0.0".to_owned(),
            platform: "manylinux_2_17_x86_64".to_owned(),
            wheel: digest(wheel),
        },
        ..sized("", content)
    }
}

/// An index with that one wheel.
fn index(wheel: &[u8]) -> Server {
    let bytes = wheel.to_vec();
    Server::start(move |request, _| match request.target.as_str() {
        "/simple/x-y/" => {
            let page = format!("<!DOCTYPE html><html><body><a href=\"/{WHEEL}\">{WHEEL}</a></body></html>");
            Reply::whole(page.as_bytes()).header("Content-Type", "text/html")
        }
        target if target == format!("/{WHEEL}") => Reply::whole(&bytes),
        _ => Reply::status(404),
    })
}

/// A world with the Python of this machine, whose index is there; `None` where there is no pip.
fn real(index: &str) -> Option<World> {
    let env = Env::capture();
    let mut world = World::new();
    let has_pip = |directory: &Utf8PathBuf| {
        let pip = std::process::Command::new(directory.join("python3"))
            .args(["-m", "pip", "--version"])
            .output();
        pip.is_ok_and(|output| output.status.success())
    };
    let directory = env.search_path().into_iter().find(has_pip)?;
    for (name, value) in [
        ("PATH", format!("{directory}:/usr/bin:/bin")),
        ("HOME", world.path().join("user").into_string()),
        ("PIP_INDEX_URL", index.to_owned()),
    ] {
        world.variables.insert(name.to_owned(), value);
    }
    Some(world)
}

fn left_in_staging(world: &World) -> usize {
    fs_err::read_dir(world.path().join("staging")).map_or(0, Iterator::count)
}

/// A `pip.py` of the working directory, a `platform` of another system, a virtual environment that is demanded, no HOME.
#[test]
fn an_archive_comes_out_of_its_wheel_through_pip() {
    let bytes = content(100_000);
    let wheel = wheel(&[("x_y/x-1.0.0.tar.gz", &bytes), ("x_y/__init__.py", b"")]);
    let server = index(&wheel);
    let Some(mut world) = real(&server.url("/simple/")) else {
        return;
    };
    let config = world.path().join("pip.conf");
    fs_err::write(
        &config,
        "[global]\nplatform = win_amd64\nrequire-virtualenv = true\npython = /nowhere/python\nrequirement = /nowhere/a\n\
         [download]\nrequirement = /nowhere/b\n",
    )
    .expect("written");
    for (name, value) in [
        ("PIP_CONFIG_FILE", config.as_str()),
        ("PIP_REQUIRE_VIRTUALENV", "1"),
        ("PIP_PLATFORM", "win_amd64"),
        ("PIP_REQUIREMENT", "/nowhere"),
    ] {
        world.variables.insert(name.to_owned(), value.to_owned());
    }
    let verified = world.fetch(&artifact_in(&wheel, &bytes)).expect("fetched");
    assert_eq!(read(&verified), bytes);
    assert_eq!(
        verified.path(),
        world.downloads().join(digest(&bytes).file_name())
    );
    assert_eq!(
        (left_in_staging(&world), world.path().join("user").exists()),
        (0, false)
    );
    let asked = server.requests().len();
    world.fetch(&artifact_in(&wheel, &bytes)).expect("here");
    assert_eq!(server.requests().len(), asked);
}

/// As with a mirror: the next source is tried, and the exit code is 4 if none is left.
#[test]
fn a_wheel_that_is_not_as_promised_is_passed_over() {
    let bytes = content(1_000);
    let good = wheel(&[("x_y/x.tar.gz", &bytes)]);
    let mut faults = Vec::new();
    for (case, served, promised, says) in [
        (
            "another wheel",
            wheel(&[("x_y/x.tar.gz", b"other")]),
            &good,
            "its digest is not the one",
        ),
        ("no archive", wheel(&[]), &wheel(&[]), "this one has none"),
        (
            "two archives",
            wheel(&[("x_y/x.tar.gz", &bytes), ("x_y/x.zip", &bytes)]),
            &wheel(&[("x_y/x.tar.gz", &bytes), ("x_y/x.zip", &bytes)]),
            "this one has more",
        ),
        (
            "another archive",
            wheel(&[("x_y/x.tar.gz", b"other")]),
            &wheel(&[("x_y/x.tar.gz", b"other")]),
            "size mismatch for",
        ),
        ("no zip", b"broken".to_vec(), &b"broken".to_vec(), ""),
    ] {
        let server = index(&served);
        let Some(world) = real(&server.url("/simple/")) else {
            return;
        };
        let error = world.fetch(&artifact_in(promised, &bytes)).expect_err(case);
        let text = error.to_string();
        let seen = (
            error.verdict(),
            text.contains(says),
            world.downloaded().len(),
            left_in_staging(&world),
        );
        let code = error.exit_code().code();
        // What is no zip pip itself refuses.
        if seen != (Verdict::NextSource, true, 0, 0) || (code != 4 && case != "no zip") {
            faults.push(format!("{case}: {seen:?} {code} {text}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// pip is left out where it would be believed: the wheel is proven here, whatever pip lets through.
#[test]
fn pips_own_check_is_not_believed() {
    let bytes = content(1_000);
    let other = wheel(&[("x_y/x.tar.gz", &bytes)]);
    let world = World::new();
    let file = world.path().join("other.whl");
    fs_err::write(&file, &other).expect("written");
    let world = with_program(world, "python3", &format!("{DEST}\ncp '{file}' \"$dest/x.whl\""));
    let error = world.fetch(&artifact_in(b"promised", &bytes)).expect_err("other");
    assert!(
        matches!(&error, FetchError::WrongPackage { why, .. } if why.contains("expected")),
        "{error}"
    );
    assert!(world.downloaded().is_empty());
}

/// Sets `dest` to the directory that pip is told.
const DEST: &str =
    r#"[ "$1" = -m ] || exit; for word; do [ "$last" = --dest ] && dest=$word; last=$word; done"#;

#[test]
fn pip_is_started_as_the_design_says() {
    let bytes = content(1_000);
    let wheel = wheel(&[("x_y/x.tar.gz", &bytes)]);
    let world = World::new();
    let file = world.path().join("x.whl");
    fs_err::write(&file, &wheel).expect("written");
    let script = format!(
        r#"{DEST}
        printf '%s\n' "$@" > "$0.arguments"; ls -A > "$0.here"; cat requirements.txt > "$0.requirements"
        echo "$PIP_PLATFORM $PIP_REQUIRE_VIRTUALENV $PIP_REQUIREMENT" > "$0.variables"; [ "$TMPDIR" = "$PWD/tmp" ] || exit 1
        cp '{file}' "$dest/x.whl""#
    );
    let world = with_program(world, "python3", &script);
    assert_eq!(
        read(&world.fetch(&artifact_in(&wheel, &bytes)).expect("fetched")),
        bytes
    );
    let noted =
        |name: &str| fs_err::read_to_string(world.path().join(format!("bin/python3.{name}"))).expect("noted");
    let arguments = noted("arguments");
    let expected = "-m\npip\ndownload\n--no-deps\n--only-binary=:all:\n--python-version\n3.99\n--platform\nmanylinux_2_17_x86_64\n\
        --no-input\n--no-cache-dir\n--disable-pip-version-check\n--retries\n1\n--timeout\n15\n--log\npip.log\n--dest\n";
    let rest = arguments.strip_prefix(expected).expect(&arguments);
    assert!(rest.ends_with("/out\n"), "{rest}");
    assert_eq!(noted("here"), "out\nrequirements.txt\ntmp\n");
    assert_eq!(noted("variables"), "manylinux_2_17_x86_64 0 requirements.txt\n");
    assert_eq!(
        noted("requirements"),
        format!("x-y==1.0.0 --hash=sha256:{}\n", digest(&wheel).hex())
    );
}

#[test]
fn whatever_pip_says_is_quoted_and_the_next_source_is_tried() {
    let log = "echo '2026-11-28T10:00:00,1 Could not fetch URL https://i.example/simple/x-y/: no route - skipping' > pip.log";
    let none = "echo 'ERROR: No matching distribution found for x-y==1.0.0' >&2";
    let mut faults = Vec::new();
    let rows = [
        (
            format!("{log}; {none}"),
            "pip failed: Could not fetch URL https://i.example/simple/x-y/: no route - skipping",
            Verdict::NextSource,
            5,
        ),
        (
            none.to_owned(),
            "`PyPI x-y==1.0.0` was not found (No matching distribution found for x-y==1.0.0)",
            Verdict::NextSource,
            5,
        ),
        (
            "echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.' >&2".to_owned(),
            "`PyPI x-y==1.0.0` is not the promised package: its digest is not the one that the manifest states",
            Verdict::NextSource,
            4,
        ),
        ("echo 'ERROR: of some kind' >&2".to_owned(), "pip failed: of some kind", Verdict::NextSource, 5),
        ("echo Killed >&2".to_owned(), "pip failed: Killed", Verdict::NextSource, 5),
        (
            "echo 'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device' >&2"
                .to_owned(),
            "cannot use `",
            Verdict::Fatal,
            7,
        ),
        (
            "echo '/usr/bin/python3: No module named pip' >&2".to_owned(),
            "there is no pip on this machine",
            Verdict::NextSource,
            5,
        ),
    ];
    every(rows, |(said, text, verdict, exit)| {
        let mut world = with_program(World::new(), "python3", &format!("{said}; exit 1"));
        // No uv of this machine.
        world
            .variables
            .insert("PATH".to_owned(), format!("{}:/bin", world.path().join("bin")));
        let error = world.fetch(&artifact_in(b"wheel", b"abc")).expect_err(&said);
        let seen = (error.to_string(), error.verdict(), error.exit_code().code());
        if !seen.0.starts_with(text) || (seen.1, seen.2) != (verdict, exit) || left_in_staging(&world) != 0 {
            faults.push(format!("{said}: {seen:?}"));
        }
    });
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn where_uv_is_and_pip_is_not_uv_is_asked_with_the_same_restrictions() {
    let bytes = content(1_000);
    every(
        [("a.tar.gz", false), ("a.tar.gz b.zip", true), ("a.txt", true)],
        |(files, wrong)| {
            let world = World::new();
            let file = world.path().join("archive");
            fs_err::write(&file, &bytes).expect("written");
            let script = format!(
                r#"for word; do [ "$last" = --target ] && target=$word; last=$word; done
            printf '%s\n' "$@" > "$0.arguments"; [ "$UV_PYTHON_DOWNLOADS" = never ] || exit 1
            mkdir -p "$target/x_y"; for name in {files}; do cp '{file}' "$target/x_y/$name"; done"#
            );
            let mut world = with_program(world, "uv", &script);
            world
                .variables
                .insert("PATH".to_owned(), format!("{}:/bin", world.path().join("bin")));
            let world = match world.path().join("/bin/python3").exists() {
                true => with_program(
                    world,
                    "python3",
                    "echo 'python3: No module named pip' >&2; exit 1",
                ),
                false => world,
            };
            let outcome = world.fetch(&artifact_in(b"wheel", &bytes));
            assert_eq!(world.clients(), ["uv"], "only whoever fetches is named");
            if wrong {
                let error = outcome.expect_err(files);
                assert!(
                    matches!(&error, FetchError::WrongPackage { .. }),
                    "{files}: {error}"
                );
            } else {
                assert_eq!(read(&outcome.expect("fetched")), bytes);
            }
            let arguments = fs_err::read_to_string(world.path().join("bin/uv.arguments")).expect("noted");
            let rows = [
                "--no-deps\n",
                "--only-binary\n:all:\n",
                "--require-hashes\n",
                "-r\nrequirements.txt\n",
                "--python-platform\nx86_64-manylinux_2_17\n",
            ];
            every(rows, |wanted| {
                assert!(arguments.contains(wanted), "{arguments}");
            });
        },
    );
}

#[test]
fn a_uv_that_finds_no_python_is_told_and_the_next_source_is_tried() {
    let script = r#"echo x >> "$0.runs"
        echo 'error: No interpreter found in virtual environments, managed installations, or search path' >&2; exit 2"#;
    let mut world = with_program(World::new(), "uv", script);
    let path = world.path().join("bin").into_string();
    world.variables.insert("PATH".to_owned(), path);
    let wire = world.wire();
    for _ in 0..2 {
        let error = world
            .fetch_with(&wire, &artifact_in(b"wheel", b"abc"))
            .expect_err("no Python");
        assert_eq!(
            (
                error.to_string().as_str(),
                error.verdict(),
                error.exit_code().code()
            ),
            (
                "uv failed: it finds no Python, which it needs to read a wheel",
                Verdict::NextSource,
                5
            )
        );
    }
    let runs = fs_err::read_to_string(world.path().join("bin/uv.runs")).expect("noted");
    assert_eq!(runs, "x\n");
    // Nobody is named who is not there.
    let mut nobody = World::new();
    nobody
        .variables
        .insert("PATH".to_owned(), nobody.path().join("bin").into_string());
    let error = nobody.fetch(&artifact_in(b"wheel", b"abc")).expect_err("nobody");
    assert_eq!(error.to_string(), "there is no pip on this machine");
    assert_eq!(nobody.clients(), [""; 0]);
}

#[test]
fn a_pip_that_failed_is_told_once_and_not_started_again() {
    let world = with_program(
        World::new(),
        "python3",
        r#"[ "$1" = -m ] || exit; echo x >> "$0.runs"; echo 'ERROR: none' >&2; exit 1"#,
    );
    let wire = world.wire();
    for _ in 0..2 {
        let error = world
            .fetch_with(&wire, &artifact_in(b"wheel", b"abc"))
            .expect_err("none");
        assert!(matches!(
            error,
            FetchError::Client {
                client: PackageClient::Pip,
                ..
            }
        ));
    }
    assert_eq!(world.lines(), [""; 0], "whoever asked says so");
    let runs = fs_err::read_to_string(world.path().join("bin/python3.runs")).expect("noted");
    assert_eq!(runs, "x\n");
}
