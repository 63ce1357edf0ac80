//! Downloads that are cut and gone on with.

use ampup::{event::Event, exit::Exit, fetch::FetchError};

use super::*;
use crate::support::{
    server::{ETAG, End, Reply, Server},
    table::every,
};

#[test]
fn a_download_is_verified_kept_and_not_asked_for_again() {
    let bytes = content(300_000);
    let served = bytes.clone();
    let server = Server::start(move |request, _| Reply::honest(&served, request));
    let world = World::new();
    let artifact = sized(server.url("/thing"), &bytes);
    let verified = world.fetch(&artifact).expect("fetched");
    assert_eq!(read(&verified), bytes);
    assert_eq!(
        verified.path(),
        world.downloads().join(digest(&bytes).file_name())
    );
    assert_eq!(world.downloaded(), [digest(&bytes).file_name()]);
    drop(verified);

    let mut world = world;
    world.settings.offline = Some(SetBy::Flag("--offline"));
    assert_eq!(read(&world.fetch(&artifact).expect("here")), bytes);
    let asked = server.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("Accept-Encoding"), Some("identity"));
    assert!(
        asked[0]
            .header("User-Agent")
            .is_some_and(|name| name.starts_with("ampup/"))
    );
    assert!(matches!(
        &world.events()[0],
        Event::DownloadStarted {
            total: Some(300_000),
            resumed: 0,
            ..
        }
    ));
    assert!(matches!(
        &world.events()[1..],
        [
            ..,
            Event::DownloadFinished {
                received: 300_000,
                ..
            },
            _,
            _
        ]
    ));
}

#[test]
fn a_download_cut_anywhere_is_resumed_with_the_right_bytes() {
    let bytes = content(4_000);
    for end in [End::CutAfter as fn(usize) -> End, End::ChunkedCutAfter] {
        for cut in (0..=bytes.len()).step_by(250).chain([1, 3_999]) {
            let served = bytes.clone();
            let server = Server::start(move |request, nth| {
                let reply = Reply::honest(&served, request);
                if nth == 0 { reply.ending(end(cut)) } else { reply }
            });
            let world = World::new();
            let verified = quick(|| world.fetch(&sized(server.url("/thing"), &bytes))).expect("fetched");
            assert_eq!(read(&verified), bytes, "cut at {cut}");
            let asked = server.requests();
            if (1..4_000).contains(&cut) {
                assert_eq!(asked[1].header("Range"), Some(&*format!("bytes={cut}-")));
                assert_eq!(asked[1].header("If-Range"), Some(ETAG));
            }
        }
    }
}

#[test]
fn a_download_that_is_always_cut_fails_and_the_next_run_goes_on_with_it() {
    let bytes = content(10_000);
    let served = bytes.clone();
    let server = Server::start(move |request, nth| {
        let reply = Reply::honest(&served, request);
        if nth < 4 {
            reply.ending(End::CutAfter(1_000))
        } else {
            reply
        }
    });
    let world = World::new();
    let artifact = sized(server.url("/thing"), &bytes);
    let error = world.fetch(&artifact).expect_err("cut");
    assert!(
        matches!(&error, FetchError::Unreachable { why, .. } if why.contains("cut")),
        "{error}"
    );
    assert_eq!(fs_err::read(world.partial(&bytes)).expect("kept"), bytes[..4_000]);
    assert!(world.events().contains(&Event::DownloadStopped {
        name: "thing 1.0".to_owned()
    }));

    assert_eq!(read(&world.fetch(&artifact).expect("fetched")), bytes);
    assert_eq!(server.requests()[4].header("Range"), Some("bytes=4000-"));
    assert_eq!(world.downloaded(), [digest(&bytes).file_name()]);
}

/// The answer of the server when the rest is asked for.
type Answer = fn(&[u8]) -> Reply;

#[test]
fn whatever_the_server_answers_for_the_rest_the_bytes_are_right() {
    let bytes = content(5_000);
    let answers: [(&str, Answer); 11] = [
        ("200, the whole", |all| Reply::whole(all)),
        ("200, the whole, another ETag", |all| {
            Reply::whole(all).header("ETag", "\"v2\"")
        }),
        ("206, shifted", |all| Reply::part(all, 1_999)),
        ("206, from 0", |all| Reply::part(all, 0)),
        ("206, shifted, and it does not say so", |all| {
            Reply::part(all, 2_001).header("Content-Range", "bytes 2000-4999/5000")
        }),
        ("206, no range", |all| {
            Reply::part(all, 2_000).without("Content-Range")
        }),
        ("206, not to the end", |all| {
            Reply::part(all, 2_000).header("Content-Range", "bytes 2000-4000/5000")
        }),
        ("206, of another size", |all| {
            Reply::part(all, 2_000).header("Content-Range", "bytes 2000-5000/5001")
        }),
        ("206, of another file", |all| {
            Reply::part(all, 2_000).header("ETag", "\"v2\"")
        }),
        ("416, of another size", |_| {
            Reply::status(416).header("Content-Range", "bytes */1999")
        }),
        ("416, and it does not say", |_| Reply::status(416)),
    ];
    for (name, answer) in answers {
        for know_size in [true, false] {
            let served = bytes.clone();
            let server = Server::start(move |request, _| match request.header("Range") {
                Some(_) => answer(&served),
                None => Reply::whole(&served),
            });
            let world = World::new();
            let url = server.url("/thing");
            world.leave_partial(&bytes, &bytes[..2_000], &url, ETAG);
            let artifact = if know_size {
                sized(&url, &bytes)
            } else {
                artifact(&url, &bytes)
            };
            let verified = quick(|| world.fetch(&artifact)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(read(&verified), bytes, "{name}");
            assert_eq!(world.downloaded(), [digest(&bytes).file_name()], "{name}");
            assert!(server.requests()[0].header("Range").is_some(), "{name}");
        }
    }
}

#[test]
fn a_partial_download_that_is_complete_or_too_long_or_wrong_is_no_trap() {
    let bytes = content(5_000);
    let long = content(5_001);
    let wrong = vec![0; 2_000];
    every([&bytes[..], &long, &wrong, &[]], |left| {
        for know_size in [true, false] {
            let served = bytes.clone();
            let server = Server::start(move |request, _| Reply::honest(&served, request));
            let world = World::new();
            let url = server.url("/thing");
            world.leave_partial(&bytes, left, &url, ETAG);
            let artifact = if know_size {
                sized(&url, &bytes)
            } else {
                artifact(&url, &bytes)
            };
            assert_eq!(read(&quick(|| world.fetch(&artifact)).expect("fetched")), bytes);
            assert_eq!(world.downloaded(), [digest(&bytes).file_name()]);
            assert!(server.requests().len() <= 2);
        }
    });
}

#[test]
fn nothing_is_resumed_without_a_validator_that_holds() {
    let bytes = content(5_000);
    let rows = [
        &[("ETag", "W/\"v1\"")][..],
        &[],
        &[
            ("ETag", "W/\"v1\""),
            ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ],
    ];
    every(rows, |headers| {
        let served = bytes.clone();
        let server = Server::start(move |request, nth| {
            let mut reply = Reply::honest(&served, request).without("ETag");
            for (name, value) in headers {
                reply = reply.header(name, *value);
            }
            if nth == 0 {
                reply.ending(End::CutAfter(1_000))
            } else {
                reply
            }
        });
        let world = World::new();
        assert_eq!(
            read(
                &world
                    .fetch(&sized(server.url("/thing"), &bytes))
                    .expect("fetched")
            ),
            bytes
        );
        let asked = server.requests();
        assert_eq!(asked[1].header("If-Range"), headers.get(1).map(|(_, date)| *date));
        assert_eq!(asked[1].header("Range").is_some(), headers.len() == 2);
    });
}

#[test]
fn what_lies_in_the_place_of_a_download_is_replaced_and_never_written_through() {
    let bytes = content(5_000);
    let served = bytes.clone();
    let server = Server::start(move |request, _| Reply::honest(&served, request));
    let artifact = sized(server.url("/thing"), &bytes);
    let place: [fn(&Utf8Path, &Utf8Path); 3] = [
        |path, _| fs_err::create_dir_all(path.join("inside")).expect("made"),
        #[cfg(unix)]
        |path, foreign| fs_err::os::unix::fs::symlink(foreign, path).expect("made"),
        |path, _| fs_err::write(path, "damaged").expect("written"),
    ];
    for put in place {
        every(["", ".partial", ".partial.json"], |suffix| {
            let world = World::new();
            fs_err::create_dir_all(world.downloads()).expect("made");
            let foreign = world.path().join("foreign");
            fs_err::write(&foreign, "foreign").expect("written");
            let path = world
                .downloads()
                .join(format!("{}{suffix}", digest(&bytes).file_name()));
            put(&path, &foreign);
            assert_eq!(read(&world.fetch(&artifact).expect("fetched")), bytes, "{path}");
            assert_eq!(
                fs_err::read_to_string(&foreign).expect("there"),
                "foreign",
                "{path}"
            );
            assert_eq!(world.downloaded(), [digest(&bytes).file_name()], "{path}");
        });
    }
}

#[test]
fn two_downloads_of_one_file_at_once_do_not_meet() {
    let bytes = content(200_000);
    let served = bytes.clone();
    let server = Server::start(move |request, _| Reply::honest(&served, request));
    let artifact = sized(server.url("/thing"), &bytes);
    let world = World::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(read(&world.fetch(&artifact).expect("fetched")), bytes));
        }
    });
    assert_eq!(world.downloaded(), [digest(&bytes).file_name()]);
}

#[test]
fn a_download_that_is_dropped_leaves_what_came() {
    let bytes = content(50_000);
    let served = bytes.clone();
    let server = Server::start(move |request, nth| {
        let reply = Reply::honest(&served, request);
        if nth == 0 {
            reply.ending(End::SilentAfter(20_000))
        } else {
            reply
        }
    });
    let mut world = World::new();
    world.settings.limits.window = Duration::from_secs(60);
    let (wire, artifact) = (world.wire(), sized(server.url("/thing"), &bytes));
    let (downloads, staging) = (world.downloads(), world.path().join("staging"));
    let places = FetchContext {
        downloads: &downloads,
        staging: &staging,
        open_wheel: ampup::unpack::open_wheel,
    };
    let partial = world.partial(&bytes);
    block_on(async {
        let came = async {
            while fs_err::metadata(&partial).map_or(0, |partial| partial.len()) < 20_000 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = wire.fetch("thing 1.0", &artifact, &places) => panic!("it does not end"),
            () = came => {}
        }
    });
    assert_eq!(
        fs_err::read(world.partial(&bytes)).expect("kept"),
        bytes[..20_000]
    );
    assert_eq!(read(&world.fetch(&artifact).expect("fetched")), bytes);
    assert_eq!(server.requests()[1].header("Range"), Some("bytes=20000-"));
}

#[test]
fn a_disk_that_is_not_ours_to_write_is_told_as_such() {
    let server = Server::start(|_, _| Reply::whole(b"x"));
    let world = World::new();
    fs_err::write(world.downloads(), "a file in the place of a directory").expect("written");
    let error = world
        .fetch(&artifact(server.url("/thing"), b"x"))
        .expect_err("no place");
    assert!(matches!(&error, FetchError::Disk { .. }), "{error:?}");
    assert_ne!(error.exit_code(), Exit::Network);
    assert!(server.requests().is_empty());
}
