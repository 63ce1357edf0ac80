//! Mirrors, files, and no network at all.

use ampup::{
    domain::Integrity,
    event::Event,
    fetch::{FetchError, Verdict},
};

use super::*;
use crate::support::{
    server::{Reply, Server},
    table::every,
};

#[test]
fn a_mirror_is_asked_for_the_digest_and_then_under_the_origins_host() {
    let bytes = content(10_000);
    let served = bytes.clone();
    let mirror = Server::start(move |request, _| match request.target.contains("/blobs/") {
        true => Reply::status(404),
        false => Reply::honest(&served, request),
    });
    let mut world = World::new();
    world.settings.mirror = Some(mirror.url("/ampup/").parse().expect("an address"));
    let artifact = sized("https://nowhere.invalid/a/thing%201", &bytes);
    assert_eq!(read(&world.fetch(&artifact).expect("fetched")), bytes);
    let asked: Vec<String> = mirror
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(
        asked,
        [
            blob("/ampup", &bytes),
            "/ampup/nowhere.invalid/a/thing%201".to_owned()
        ]
    );
}

/// Where bytes with this digest are below a mirror.
fn blob(mirror: &str, bytes: &[u8]) -> String {
    format!("{mirror}/blobs/sha256/{}", digest(bytes).hex())
}

/// Whatever source an artifact comes from, and with no network at all from a directory.
#[test]
fn what_a_mirror_has_by_digest_needs_no_other_source() {
    let bytes = content(10_000);
    let served = bytes.clone();
    let mirror = Server::start(move |request, _| match request.target.contains("/blobs/") {
        true => Reply::honest(&served, request),
        false => Reply::status(500),
    });
    let sources = [
        Source::Https {
            url: "https://nowhere.invalid/thing".to_owned(),
        },
        Source::Npm {
            package: "@x/y".to_owned(),
            version: "1.0.0".to_owned(),
        },
        Source::PyPi {
            package: "x".to_owned(),
            version: "1.0.0".to_owned(),
            platform: "any".to_owned(),
            wheel: digest(b"a wheel"),
        },
    ];
    for source in sources {
        let artifact = Artifact {
            source,
            ..sized("", &bytes)
        };
        let mut world = World::new();
        world.settings.mirror = Some(mirror.url("").parse().expect("an address"));
        assert_eq!(read(&world.fetch(&artifact).expect("from the mirror")), bytes);
        assert_eq!(mirror.requests().last().expect("asked").target, blob("", &bytes));

        let mut world = World::new();
        let file = Utf8PathBuf::from(blob(world.path().as_str(), &bytes));
        fs_err::create_dir_all(file.parent().expect("a parent")).expect("made");
        fs_err::write(&file, &bytes).expect("written");
        world.settings.mirror = url::Url::from_directory_path(world.path()).ok();
        world.settings.offline = Some(SetBy::Flag("--offline"));
        assert_eq!(read(&world.fetch(&artifact).expect("from the stick")), bytes);
    }
}

#[test]
fn a_mirror_that_has_it_not_or_wrong_is_passed_over() {
    let bytes = content(10_000);
    let rows = [
        (Reply::status(404), false, 2),
        (Reply::status(403), true, 2),
        (Reply::whole(&content(9_999)), true, 1),
        (
            Reply::whole(b"<html>").header("Content-Type", "text/html"),
            true,
            1,
        ),
        (Reply::redirect("file:///etc/passwd"), true, 1),
    ];
    every(rows, |(reply, warned, asked)| {
        for know_size in [true, false] {
            let served = bytes.clone();
            let origin = Server::start(move |request, _| Reply::honest(&served, request));
            let reply = reply.clone();
            let mirror = Server::start(move |_, _| reply.clone());
            let mut world = World::new();
            world.settings.mirror = Some(mirror.url("").parse().expect("an address"));
            let url = origin.url("/thing");
            let artifact = if know_size {
                sized(&url, &bytes)
            } else {
                artifact(&url, &bytes)
            };
            assert_eq!(read(&world.fetch(&artifact).expect("fetched")), bytes);
            assert_eq!(mirror.requests().len(), asked);
            assert!(
                origin.requests()[0].header("Range").is_none(),
                "nothing of the mirror's is gone on with"
            );
            let warnings = world
                .events()
                .into_iter()
                .filter(|event| matches!(event, Event::Warning(_)));
            assert_eq!(warnings.count(), usize::from(warned));
            assert_eq!(world.downloaded(), [digest(&bytes).file_name()]);
        }
    });
}

/// A mirror's wrong bytes say more than that nobody else could be asked.
#[test]
fn wrong_bytes_of_a_mirror_count_where_no_other_source_is_left() {
    let bytes = content(10_000);
    let mirror = Server::start(move |_, _| Reply::whole(&content(9_999)));
    let mut world = World::new();
    world.settings.mirror = Some(mirror.url("").parse().expect("an address"));
    let error = world
        .fetch(&sized("https://nowhere.invalid/thing", &bytes))
        .expect_err("nobody has it");
    assert!(matches!(error, FetchError::WrongMirror { .. }), "{error:?}");
    assert_eq!(error.verdict(), Verdict::NextSource);
    assert_eq!(error.exit_code(), ampup::exit::Exit::Integrity);
}

/// The sources of one artifact have one digest.
#[test]
fn a_mirror_is_asked_for_a_digest_once_in_a_run() {
    let bytes = content(10_000);
    let npm = Source::Npm {
        package: "@x/y".to_owned(),
        version: "1.0.0".to_owned(),
    };
    let rows = [(Reply::status(404), false), (Reply::whole(&content(9_999)), true)];
    every(rows, |(reply, is_wrong)| {
        let mirror = Server::start(move |_, _| reply.clone());
        let mut world = World::new();
        world.settings.mirror = Some(mirror.url("").parse().expect("an address"));
        let wire = world.wire();
        for _ in 0..2 {
            let artifact = Artifact {
                source: npm.clone(),
                ..sized("", &bytes)
            };
            let error = world.fetch_with(&wire, &artifact).expect_err("nobody has it");
            let is_of_mirror = matches!(error, FetchError::WrongMirror { .. });
            assert_eq!(is_of_mirror, is_wrong, "{error:?}");
        }
        let asked: Vec<String> = mirror
            .requests()
            .into_iter()
            .map(|request| request.target)
            .collect();
        assert_eq!(asked, [blob("", &bytes)]);
    });
}

#[test]
fn a_mirror_can_be_a_directory_also_without_a_network() {
    let bytes = content(10_000);
    let mut world = World::new();
    let file = world.path().join("mirror dir/nowhere.invalid/a/thing 1");
    fs_err::create_dir_all(file.parent().expect("a parent")).expect("made");
    fs_err::write(&file, &bytes).expect("written");
    let mirror = url::Url::from_directory_path(world.path().join("mirror dir")).expect("absolute");
    world.settings.mirror = Some(mirror);
    world.settings.offline = Some(SetBy::Flag("--offline"));
    let artifact = sized("https://nowhere.invalid/a/thing%201", &bytes);
    assert_eq!(read(&world.fetch(&artifact).expect("fetched")), bytes);

    fs_err::write(&file, "damaged").expect("written");
    let error = world.fetch(&artifact).expect_err("damaged, and no network");
    assert!(matches!(error, FetchError::WrongMirror { .. }), "{error:?}");
    assert!(
        world.lines()[0].contains("expected 10000 bytes, got 7"),
        "{:?}",
        world.lines()
    );
    assert!(file.exists(), "a person's own file is never removed");
}

#[test]
fn a_mirrors_user_and_password_are_sent_and_not_shown() {
    let origin = Server::start(|_, _| Reply::whole(b"abc"));
    let mirror = Server::start(|_, _| Reply::whole(b"abd"));
    let mut world = World::new();
    let address = mirror.url("").replace("http://", "http://user:secret@");
    world.settings.mirror = Some(address.parse().expect("an address"));
    world
        .fetch(&artifact(origin.url("/thing"), b"abc"))
        .expect("fetched");
    assert!(mirror.requests()[0].header("Authorization").is_some());
    assert!(origin.requests()[0].header("Authorization").is_none());
    assert!(!format!("{:?}", world.events()).contains("secret"));
}

#[test]
fn a_digest_never_comes_from_the_mirror() {
    let mirror = Server::start(|_, _| Reply::whole(b"abd"));
    let origin = Server::start(|request, _| match request.target.as_str() {
        "/thing.sha256" => Reply::whole(digest(b"abc").hex().as_bytes()),
        _ => Reply::whole(b"abc"),
    });
    let mut world = World::new();
    world.settings.mirror = Some(mirror.url("").parse().expect("an address"));
    let artifact = Artifact {
        integrity: Integrity::ChecksumFile {
            algorithm: Algorithm::Sha256,
            url: origin.url("/thing.sha256"),
        },
        ..artifact(origin.url("/thing"), b"")
    };
    assert_eq!(read(&world.fetch(&artifact).expect("fetched")), b"abc");
    assert_eq!(mirror.requests().len(), 1);
}

#[test]
fn a_file_is_used_where_it_lies() {
    let bytes = content(10_000);
    let mut world = World::new();
    world.settings.offline = Some(SetBy::Flag("--offline"));
    let path = world.path().join("a file");
    fs_err::write(&path, &bytes).expect("written");
    let at = |path: &Utf8Path| Artifact {
        source: Source::File {
            url: url::Url::from_file_path(path).expect("absolute").to_string(),
        },
        ..artifact("", &bytes)
    };
    let verified = world.fetch(&at(&path)).expect("there");
    assert_eq!((read(&verified), verified.path()), (bytes.clone(), &*path));
    assert!(world.downloaded().is_empty());

    let error = world.fetch(&at(&world.path().join("none"))).expect_err("missing");
    assert!(matches!(error, FetchError::Gone { .. }));
    let error = world.fetch(&at(world.path())).expect_err("a directory");
    assert_eq!(error.verdict(), Verdict::NextSource);
    fs_err::write(&path, "other").expect("written");
    let error = world.fetch(&at(&path)).expect_err("other bytes");
    assert_eq!((error.verdict(), error.exit_code().code()), (Verdict::Fatal, 4));
    assert!(path.exists(), "a person's own file is never removed");
}

#[test]
fn offline_touches_no_network() {
    let server = Server::start(|_, _| Reply::whole(b"abc"));
    let mut world = World::new();
    world.settings.offline = Some(SetBy::Flag("--offline"));
    world.settings.mirror = Some(server.url("/mirror").parse().expect("an address"));
    let web = artifact(server.url("/thing"), b"abc");
    let published = Artifact {
        integrity: Integrity::ChecksumFile {
            algorithm: Algorithm::Sha256,
            url: server.url("/thing.sha256"),
        },
        ..web.clone()
    };
    let npm = Artifact {
        source: Source::Npm {
            package: "@x/y".to_owned(),
            version: "1.0.0".to_owned(),
        },
        ..web.clone()
    };
    let rows = [
        (web, server.host()),
        (published, server.host()),
        (npm, "npm".to_owned()),
    ];
    every(rows, |(artifact, host)| {
        let error = world.fetch(&artifact).expect_err("offline");
        assert_eq!(
            (error.verdict(), error.exit_code().code()),
            (Verdict::NextSource, 5)
        );
        let text = error.to_string();
        assert!(
            text.contains("thing 1.0") && text.contains(&host) && text.contains("--offline"),
            "{text}"
        );
    });
    let error = block_on(world.wire().get_small(&server.url("/small"), 10, None)).expect_err("offline");
    assert!(matches!(error, FetchError::Offline { .. }));
    assert!(server.requests().is_empty());
}
