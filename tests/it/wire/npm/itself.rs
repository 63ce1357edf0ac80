//! The npm of this machine, with a registry of ours.

use ampup::fetch::{FetchError, PackageClient, Verdict};

use super::{super::silence::black_hole, *};
use crate::support::server::{End, Reply, Server};

/// A world with the npm of this machine, whose registry is there; `None` where there is no npm.
fn real(registry: &str) -> Option<World> {
    let env = Env::capture();
    env.search_path().iter().find(|one| one.join("npm").exists())?;
    let mut world = World::new();
    for (name, value) in [
        ("PATH", env.var("PATH").expect("it has npm").to_owned()),
        ("HOME", world.path().join("user").into_string()),
        ("npm_config_cache", world.path().join("npm-cache").into_string()),
        ("npm_config_registry", registry.to_owned()),
    ] {
        world.variables.insert(name.to_owned(), value);
    }
    fs_err::create_dir(world.path().join("user")).expect("made");
    world.settings.limits.npm_answer = Duration::from_secs(25);
    Some(world)
}

/// A package as a registry has it.
fn packed() -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (path, text) in [
        (
            "package/package.json",
            &br#"{"name":"@x/y","version":"1.0.0","scripts":{"prepack":"exit 1"}}"#[..],
        ),
        ("package/blob", &content(100_000)),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text).expect("appended");
    }
    archive.into_inner().expect("closed").finish().expect("closed")
}

/// A registry with that one package; it answers for the bytes so.
fn registry(answer: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) -> Server {
    let bytes = packed();
    Server::start(move |request, _| {
        if request.target.ends_with(".tgz") {
            return answer(&bytes);
        }
        let host = request.header("Host").expect("HTTP/1.1");
        let dist = serde_json::json!({"tarball": format!("http://{host}/y-1.0.0.tgz")});
        let release = serde_json::json!({"name": "@x/y", "version": "1.0.0", "dist": dist});
        let document = serde_json::json!({
            "name": "@x/y", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": release},
        });
        Reply::whole(document.to_string().as_bytes())
    })
}

#[test]
fn a_package_comes_through_npm_and_a_project_above_staging_has_no_say() {
    let server = registry(Reply::whole);
    let Some(world) = real(&server.url("/")) else {
        return;
    };
    // The most hostile place for a home: inside a project that calls every directory its workspace.
    for directory in [world.path().to_owned(), world.path().join("staging")] {
        fs_err::create_dir_all(&directory).expect("made");
        fs_err::write(directory.join(".npmrc"), "registry=http://127.0.0.1:1/\n").expect("written");
        fs_err::write(
            directory.join("package.json"),
            r#"{"name":"a","workspaces":["**"]}"#,
        )
        .expect("written");
    }
    let mut world = world;
    let registry = world.variables.remove("npm_config_registry").expect("set");
    fs_err::write(world.path().join("user/.npmrc"), format!("registry={registry}\n")).expect("written");

    let bytes = packed();
    let verified = world.fetch(&package(&bytes)).expect("fetched");
    assert_eq!(read(&verified), bytes);
    assert_eq!(
        verified.path(),
        world.downloads().join(digest(&bytes).file_name())
    );
    let asked = server.requests().len();
    world.fetch(&package(&bytes)).expect("here");
    assert_eq!(server.requests().len(), asked);
    let left: Vec<_> = fs_err::read_dir(world.path().join("staging"))
        .expect("there")
        .collect();
    assert_eq!(left.len(), 2, "only the project's own files: {left:?}");
}

#[test]
fn npms_own_bytes_are_not_believed() {
    let server = registry(Reply::whole);
    let Some(world) = real(&server.url("/")) else {
        return;
    };
    let error = world
        .fetch(&Artifact {
            size: None,
            ..package(b"other")
        })
        .expect_err("wrong");
    assert_eq!(
        (error.verdict(), error.exit_code().code()),
        (Verdict::NextSource, 4)
    );
    let text = error.to_string();
    assert!(
        text.starts_with("`npm @x/y@1.0.0` is not the promised package: "),
        "{text}"
    );
    assert!(world.downloaded().is_empty());
}

/// npm hands its command line down to the scripts that it runs, and ampup may be one of them.
#[test]
fn settings_that_change_what_npm_does_or_says_have_no_say() {
    let server = registry(Reply::whole);
    let bytes = packed();
    let mut faults = Vec::new();
    for (variables, npmrc) in [
        (&[("npm_config_dry_run", "true")][..], ""),
        (&[("NPM_CONFIG_DRY_RUN", "true")], ""),
        (
            &[
                ("npm_config_workspace", "packages/a"),
                ("npm_config_include_workspace_root", "true"),
            ],
            "",
        ),
        (&[("npm_config_workspaces", "true")], ""),
        (
            &[("npm_config_global", "true"), ("npm_config_location", "global")],
            "",
        ),
        (
            &[("npm_config_json", "false"), ("npm_config_loglevel", "silent")],
            "",
        ),
        (&[("npm_config_pack_destination", "/nowhere")], ""),
        (&[], "usage=true\nversion=true\nversions=true\n"),
        (&[], "workspace=packages/a\ninclude-workspace-root=true\n"),
        (&[], "workspaces=true\n"),
        (&[], "workspaces=false\nprefix=/nowhere\n"),
        (&[("npm_config_workspaces", "false")], "workspace=packages/a\n"),
        (
            &[],
            "dry-run=true\nheading=other\ncolor=always\nparseable=true\nlong=true\n",
        ),
    ] {
        let Some(mut world) = real(&server.url("/")) else {
            return;
        };
        fs_err::write(world.path().join("user/.npmrc"), npmrc).expect("written");
        for (name, value) in variables {
            world.variables.insert((*name).to_owned(), (*value).to_owned());
        }
        if let Err(error) = world.fetch(&package(&bytes)) {
            faults.push(format!("{variables:?} {npmrc:?}: {error}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_registry_that_is_silent_or_drops_packets_is_given_up() {
    let silent = Server::start(|_, _| Reply::status(200).ending(End::SilentBefore));
    let in_between = registry(|bytes| Reply::whole(bytes).ending(End::SilentAfter(100)));
    let hole = black_hole();
    std::thread::scope(|scope| {
        for (url, answer, idle) in [
            (silent.url("/"), 25, 1),
            (in_between.url("/"), 25, 1),
            (format!("http://{}/", hole.address), 3, 1),
        ] {
            scope.spawn(move || {
                let Some(mut world) = real(&url) else { return };
                world.settings.limits.npm_answer = Duration::from_secs(answer);
                world.settings.limits.npm_idle = Duration::from_secs(idle);
                let error = quick(|| world.fetch(&package(b"abc"))).expect_err("silent");
                assert!(
                    matches!(
                        &error,
                        FetchError::Client {
                            client: PackageClient::Npm,
                            ..
                        }
                    ),
                    "{error}"
                );
                // Whoever carries the plan out says it.
                assert_eq!(world.lines().len(), 0);
            });
        }
    });
}

/// `sudo npm` leaves files of root's in a user's cache; a home may be read-only.
#[test]
fn a_cache_that_npm_cannot_use_is_passed_over() {
    let server = registry(Reply::whole);
    let Some(mut world) = real(&server.url("/")) else {
        return;
    };
    let cache = world.path().join("no-directory");
    fs_err::write(&cache, "").expect("written");
    let below = cache.join("npm");
    world
        .variables
        .insert("npm_config_cache".to_owned(), below.to_string());
    let bytes = packed();
    assert_eq!(read(&world.fetch(&package(&bytes)).expect("fetched")), bytes);
    let lines = world.lines();
    assert!(
        lines.len() == 1 && lines[0].contains("npm cannot use `") && lines[0].contains(cache.as_str()),
        "{lines:?}"
    );
    assert_eq!(
        fs_err::read_dir(world.path().join("staging"))
            .expect("there")
            .count(),
        0
    );
}
