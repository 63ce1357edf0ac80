//! `ampup update` and every other command, beside a published registry: a real server on loopback, keys of the tests' own,
//! and the same flow as the program's.

mod publisher;

use std::{net::TcpListener, thread};

use ampup::{
    commands::{RegistrySource, Session, check, how::How, install, requests::Request, self_update, update},
    exit::Exit,
    layout::Layout,
    registry::{
        Registry,
        keys::{Keyring, RegistryOrigin},
    },
    store::directories,
};
use fs_err as fs;
use serde_json::Value;

pub(crate) use self::publisher::Publisher;
#[cfg(target_os = "linux")]
pub(crate) use self::publisher::session_at;
use self::publisher::{DAYS_AGO_3, Page, issued, manifest};
use crate::support::{
    home::Home,
    signing::{Signer, comment},
    table::every,
};

#[test]
fn an_update_fetches_proves_keeps_and_then_asks_once_with_a_condition() {
    let publisher = Publisher::new();
    assert_eq!(
        publisher.publish(1007).in_use(),
        (Registry::embedded().serial, RegistrySource::BuiltIn)
    );
    assert!(publisher.site.asked().is_empty(), "only an update asks");
    publisher.update().expect("updated");
    assert_eq!(publisher.site.asked().len(), 2);
    assert_eq!(publisher.in_use(), (1007, RegistrySource::Fetched));
    let kept = publisher.kept();

    publisher.update().expect("updated");
    let asked = publisher.site.asked();
    assert!(
        matches!(&asked[..], [(path, Some(_))] if path == "/v1/registry.minisig"),
        "one conditional request: {asked:?}"
    );
    assert_eq!(publisher.kept(), kept);

    publisher.publish(1008).update().expect("updated");
    assert_eq!(publisher.in_use(), (1008, RegistrySource::Fetched));

    // A plan is made from what an update would know.
    let mut planned = update::Args::default();
    planned.how.dry_run = true;
    let session = publisher.publish(1009).session_with(|_| {});
    update::run(&planned, &session).expect("planned");
    assert_eq!(session.registry().expect("a registry").serial, 1009);
}

#[test]
fn an_update_of_ampup_itself_asks_first_and_refuses_what_is_not_proven() {
    let publisher = Publisher::new();
    publisher.publish(1007);
    directories::prepare(&Layout::new(publisher.home()), None).expect("made");
    let own = publisher.home().join("components/ampup/0.2.0/bin/ampup");
    fs::create_dir_all(own.parent().expect("a parent")).expect("made");
    fs::write(&own, "").expect("written");
    let update_itself = || {
        let session = publisher.session_with(|session| session.env = session.env.clone().of_program(&own));
        let args = self_update::Args {
            version: None,
            allow_downgrade: false,
            how: How::default(),
        };
        self_update::run(&args, &session)
    };
    // The registry has no ampup; what it has was asked for all the same.
    let _ = update_itself();
    assert_eq!(publisher.in_use(), (1007, RegistrySource::Fetched));
    let kept = publisher.kept();
    let document = manifest(1008, &issued(0));
    let forged = Signer::new(2).sign("amp", 1008, &document);
    publisher.publish(1008);
    publisher
        .site
        .put("registry.minisig", Page::Body(forged.into_bytes()));
    let error = update_itself().expect_err("forged");
    assert_eq!(error.exit_code(), Exit::Integrity, "{error}");
    assert_eq!(
        (publisher.kept(), publisher.in_use()),
        (kept, (1007, RegistrySource::Fetched))
    );
}

#[test]
fn a_refused_file_changes_nothing_and_the_next_good_one_works() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let document = manifest(1009, &issued(0));
    let other = Signer::new(2);
    let good = publisher.signer.sign("amp", 1009, &document);
    let pointers: Vec<(&str, Page)> = vec![
        ("missing", Page::Status(404)),
        ("gone", Page::Status(410)),
        ("empty", Page::Body(Vec::new())),
        (
            "a web page",
            Page::Body(b"<!doctype html><html><body>Sign in</body></html>".to_vec()),
        ),
        ("endless", Page::Endless),
        ("too long", Page::Body([good.as_bytes(), &[b' '; 5000]].concat())),
        (
            "an unknown key",
            Page::Body(other.sign("amp", 1009, &document).into()),
        ),
        (
            "another under our id",
            Page::Body(publisher.signer.impostor().sign("amp", 1009, &document).into()),
        ),
        (
            "a legacy signature",
            Page::Body(
                publisher
                    .signer
                    .sign_legacy(&comment("amp", 1009, &document), &document)
                    .into(),
            ),
        ),
        (
            "another registry",
            Page::Body(publisher.signer.sign("other", 1009, &document).into()),
        ),
        (
            "another serial",
            Page::Body(publisher.signer.sign("amp", 1010, &document).into()),
        ),
        (
            "a huge serial",
            Page::Body(publisher.signer.sign("amp", u64::MAX, &document).into()),
        ),
    ];
    publisher
        .site
        .put("registry-1009.json", Page::Body(document.clone()));
    publisher
        .site
        .put("registry-1010.json", Page::Body(document.clone()));
    for (what, page) in pointers {
        publisher.site.put("registry.minisig", page);
        publisher.refuses(what);
    }
    publisher.site.put("registry.minisig", Page::Body(good.into()));
    let mut flipped = document.clone();
    flipped[40] ^= 1;
    let documents: Vec<(&str, Page)> = vec![
        ("missing manifest", Page::Status(404)),
        ("empty manifest", Page::Body(Vec::new())),
        ("a web page", Page::Body(b"<html>".to_vec())),
        ("endless manifest", Page::Endless),
        (
            "cut manifest",
            Page::Body(document[..document.len() - 1].to_vec()),
        ),
        ("flipped manifest", Page::Body(flipped)),
    ];
    for (what, page) in documents {
        publisher.site.put("registry-1009.json", page);
        publisher.refuses(what);
    }
    publisher.site.put("registry-1009.json", Page::Body(document));
    publisher.update().expect("the next good one works");
    assert_eq!(publisher.in_use(), (1009, RegistrySource::Fetched));
}

#[test]
fn a_serial_never_goes_down() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    publisher.publish(1006);
    publisher.refuses("a lower serial");
    // The same serial with other content.
    publisher.publish_issued(1007, &issued(DAYS_AGO_3 - 1));
    publisher.refuses("the same serial with other bytes");
    // Ours is so young that the network may not have it yet.
    publisher
        .publish_issued(1008, &issued(-1))
        .update()
        .expect("updated");
    let kept = publisher.kept();
    publisher.lines();
    publisher.publish(1006).update().expect("a note, and no error");
    assert!(
        publisher
            .lines()
            .iter()
            .any(|line| line.contains("still number 1006"))
    );
    assert_eq!((publisher.kept(), publisher.in_use().0), (kept, 1008));
}

#[test]
fn the_built_in_one_is_used_when_it_is_newer_than_the_fetched() {
    let publisher = Publisher::new();
    publisher.publish(0).update().expect("updated");
    assert!(publisher.kept()[1].is_some());
    assert_eq!(
        publisher.in_use(),
        (Registry::embedded().serial, RegistrySource::BuiltIn)
    );
}

#[test]
fn without_a_key_or_a_network_what_is_here_goes_on() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    publisher.site.asked();
    let built_in = publisher.session_with(|session| session.origin = RegistryOrigin::built_in());
    update::run(&update::Args::default(), &built_in).expect("nothing is asked");
    assert_eq!(
        built_in.registry_and_source().expect("a registry").1,
        &RegistrySource::BuiltIn
    );
    let offline = publisher.session_with(|session| session.options.offline = true);
    update::run(&update::Args::default(), &offline).expect("nothing is asked");
    assert_eq!(offline.registry().expect("a registry").serial, 1007);
    assert!(publisher.site.asked().is_empty());
    // A server that is gone.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let unreachable =
        publisher.session_with(|session| session.origin.base = Some(format!("http://127.0.0.1:{port}")));
    update::run(&update::Args::default(), &unreachable).expect("the copy goes on");
    assert_eq!(unreachable.registry().expect("a registry").serial, 1007);
}

#[test]
fn a_revoked_key_invalidates_the_copy() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let revoked = publisher.session_with(|session| {
        let (ours, other) = (publisher.signer.public(), Signer::new(2).public());
        session.origin.keyring = Keyring::new(&[&ours, &other], &publisher.signer.id()).expect("keys");
    });
    assert_eq!(
        revoked.registry_and_source().expect("a registry").1,
        &RegistrySource::BuiltIn
    );
    assert!(publisher.lines().iter().any(|line| line.contains("was revoked")));
    assert!(publisher.kept()[1].is_none(), "the copy is removed");
}

#[test]
fn a_damaged_copy_is_removed_and_fetched_again() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let copy = publisher.home().join("cache/registry-amp.signed");
    let whole = fs::read(&copy).expect("kept");
    let kept = publisher.kept();
    publisher.lines();
    for at in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        fs::write(&copy, &damaged).expect("written");
        let (serial, source) = publisher.in_use();
        let lines = publisher.lines();
        if source == RegistrySource::Fetched {
            // The untrusted comment.
            assert!(at < 40 && serial == 1007, "byte {at}");
        } else {
            assert_eq!(lines.len(), 1, "byte {at}: {lines:?}");
            assert!(!copy.exists(), "byte {at}");
        }
        fs::write(&copy, &whole[..at]).expect("written");
        assert_eq!(publisher.in_use().1, RegistrySource::BuiltIn, "cut at {at}");
        publisher.lines();
    }
    publisher.update().expect("fetched again");
    assert_eq!(
        (publisher.kept(), publisher.in_use()),
        (kept, (1007, RegistrySource::Fetched))
    );
}

/// An entry that is refused there is somebody else's to remove, and nobody's place for a lock.
#[test]
fn a_copy_behind_a_link_of_somebody_elses_is_left_alone() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let outside = publisher.world().join("outside");
    for name in ["cache", "locks"] {
        let path = publisher.home().join(name);
        fs::rename(&path, &outside).expect("moved");
        fs_err::os::unix::fs::symlink(&outside, &path).expect("linked");
        let copy = publisher.home().join("cache/registry-amp.signed");
        let whole = fs::read(&copy).expect("kept");
        fs::write(&copy, &whole[..20]).expect("written");
        let list = || fs::read_dir(&outside).expect("listed").count();
        let before = list();
        assert_eq!(publisher.in_use().1, RegistrySource::BuiltIn, "{name}");
        assert_eq!(fs::read(&copy).expect("there"), &whole[..20], "{name}");
        assert_eq!(list(), before, "{name}");
        fs::write(&copy, whole).expect("written");
        fs::remove_file(&path).expect("removed");
        fs::rename(&outside, &path).expect("moved back");
    }
}

/// Readers take no lock: what they judge must not be what another command wrote meanwhile.
#[test]
fn no_reader_removes_the_copy_that_an_update_has_just_written() {
    let publisher = Publisher::new();
    publisher.publish(1002).update().expect("updated");
    publisher.lines();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for serial in 1003..1030 {
                publisher.publish(serial).update().expect("updated");
            }
        });
        while !writer.is_finished() {
            assert_eq!(publisher.in_use().1, RegistrySource::Fetched);
        }
    });
    let lines = publisher.lines();
    assert!(
        !lines.iter().any(|line| line.contains("is not used")),
        "{lines:?}"
    );
}

#[test]
fn an_old_copy_and_a_damaged_floor_do_not_lower_what_was_accepted() {
    let publisher = Publisher::new();
    publisher.publish(1007).update().expect("updated");
    let (trust, copy) = (
        publisher.home().join("trust.json"),
        publisher.home().join("cache/registry-amp.signed"),
    );
    let old = fs::read(&copy).expect("kept");
    publisher.publish(1008).update().expect("updated");
    let (floor, new) = (fs::read(&trust).expect("kept"), fs::read(&copy).expect("kept"));
    // Somebody put the old copy back.
    fs::write(&copy, &old).expect("written");
    assert_eq!(publisher.in_use().1, RegistrySource::BuiltIn);
    // Without a readable floor, the copy says what was accepted, and the floor is made anew.
    fs::write(&copy, &new).expect("written");
    every([&floor[..floor.len() / 2], b"", b"[]"], |damaged| {
        fs::write(&trust, damaged).expect("written");
        publisher.lines();
        assert_eq!(publisher.in_use(), (1008, RegistrySource::Fetched));
        assert_eq!(publisher.lines().len(), 1);
        publisher.publish(1007);
        publisher.update().expect_err("lower than the copy");
        publisher.publish(1008);
        let lines: Vec<&[u8]> = new.split_inclusive(|byte| *byte == b'\n').take(4).collect();
        let (pointer, document) = new.split_at(lines.iter().map(|line| line.len()).sum());
        publisher
            .site
            .put("registry.minisig", Page::Body(pointer.to_vec()));
        publisher
            .site
            .put("registry-1008.json", Page::Body(document.to_vec()));
        publisher.update().expect("the same again");
        assert_eq!(fs::read(&trust).expect("kept"), floor);
    });
}

#[test]
fn an_old_registry_is_named_and_goes_on() {
    let publisher = Publisher::new();
    publisher
        .publish_issued(1007, &issued(-100 * 24))
        .update()
        .expect("updated");
    assert!(
        publisher
            .lines()
            .iter()
            .any(|line| line.contains("is 100 days old"))
    );
    assert_eq!(publisher.in_use().0, 1007);
}

/// Nobody can say that a version is the newest by a registry that is old, or that was not refreshed.
#[test]
fn what_a_stale_registry_knows_is_not_called_up_to_date() {
    let publisher = Publisher::new();
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let tool: Value = serde_json::from_slice(&fs::read(home.registry()).expect("read")).expect("JSON");
    let publish = |serial, hours| {
        let mut document: Value = serde_json::from_slice(&manifest(serial, &issued(hours))).expect("JSON");
        document["components"] = tool["components"].clone();
        publisher.publish_document(serial, document.to_string().into_bytes());
    };
    publish(1007, DAYS_AGO_3);
    publisher.update().expect("updated");
    let install = install::Args {
        what: vec![Request::Component("tool".parse().expect("a spec"))],
        ..install::Args::default()
    };
    install::run(&install, &publisher.session()).expect("installed");
    let answers = |session: &Session| {
        let checked = check::run(&check::Args { names: Vec::new() }, session).expect("checked");
        let updated = update::run(&update::Args::default(), session).expect("updated");
        (checked.data, updated.talk.join("\n"))
    };
    let (checked, updated) = answers(&publisher.session());
    assert_eq!(checked, "tool - up to date: 1.0.0\n");
    assert_eq!(updated, "tool 1.0.0 is up to date");
    let in_doubt = |what: &str, session: &Session, why: &str| {
        let (checked, updated) = answers(session);
        assert_eq!(checked, "tool - no newer build known than 1.0.0\n", "{what}");
        assert_eq!(
            updated,
            format!("tool 1.0.0 stays: no newer build is known, and {why}"),
            "{what}"
        );
        let (told, why) = (publisher.lines(), why.trim_start_matches("the registry "));
        assert!(told.iter().any(|line| line.contains(why)), "{what}: {told:?}");
    };
    let offline = publisher.session_with(|session| session.options.offline = true);
    in_doubt("offline", &offline, "the registry was not refreshed");
    publish(1008, -100 * 24);
    in_doubt("old", &publisher.session(), "the registry is 100 days old");
    // What `update` would end with holds back what is known already.
    home.offer("tool", "2.0.0");
    let text = fs::read_to_string(home.registry()).expect("read");
    let mut newer: Value = serde_json::from_str(&text).expect("JSON");
    (newer["registry"], newer["serial"]) = ("amp".into(), 1009.into());
    publisher.publish_document(1009, newer.to_string().into_bytes());
    let checked = || check::run(&check::Args { names: Vec::new() }, &publisher.session()).expect("checked");
    assert_eq!(checked().exit, Exit::UpdatesAvailable);
    publisher.site.put("registry.minisig", Page::Status(404));
    let checked = checked();
    assert_eq!(checked.exit, Exit::Done);
    assert!(checked.data.contains("held back"), "{}", checked.data);
}
