//! ampup updates itself between two releases that were made as the workflow makes them, over HTTP.

use serde_json::{Value, json};

use super::*;
use crate::support::{home::TARGET, person::NEXT};

/// A person with the program under test from a release of its version; and its publisher.
fn installed(who: Who) -> (Person, Publisher) {
    let person = Person::new(who);
    let publisher = Publisher::new(&person);
    let files = publisher.publish_now();
    let mut person = person;
    person.install(&files, &[]).exits(0);
    offer(&mut person, &publisher, NOW);
    (person, publisher)
}

/// The registry has the release of this version, with the checksum that lies beside the program.
fn offer(person: &mut Person, publisher: &Publisher, version: &str) {
    let asset = format!("download/v{version}/ampup-{TARGET}");
    let releases = person.home.work().parent().expect("a world").join("releases");
    let sum = fs::read_to_string(releases.join(format!("{asset}.sha256"))).expect("a checksum");
    let digest = format!("sha256:{}", sum.split(' ').next().expect("a word"));
    let artifact: Value = json!({
        "target": TARGET, "provider": "amp", "format": "raw",
        "source": {"kind": "https", "url": format!("{}/{asset}", publisher.server.url())},
        "integrity": {"kind": "pinned", "digest": digest},
    });
    person.home.offer_artifacts("ampup", version, &[artifact]);
}

#[test]
fn self_update_installs_the_newer_release_and_undo_goes_back() {
    for who in Who::all() {
        let (mut person, publisher) = installed(who);
        person.ampup(&["self", "update"]).exits(0).says("is up to date");
        // Where its builder might have a newer one, nobody says so who has not asked.
        let registry = person.home.registry();
        let mut manifest: Value = serde_json::from_slice(&fs::read(&registry).expect("read")).expect("JSON");
        manifest["components"]["ampup"]["origins"] = json!([{
            "provider": "amp", "format": "raw", "targets": {TARGET: {"platform": "here"}},
            "index": {
                "kind": "github", "releases": "https://builder.invalid/releases", "tag": "v{version}", "asset": "ampup-{platform}",
            },
        }]);
        fs::write(&registry, manifest.to_string()).expect("written");
        person
            .ampup(&["self", "update", "--offline"])
            .exits(0)
            .says("stays: no newer build is known, and its builders were not asked (`--offline`)");
        publisher.publish_next();
        offer(&mut person, &publisher, NEXT);
        person.ampup(&["check", "ampup"]).exits(100);
        person.ampup(&["self", "update", "--dry-run"]).exits(0);
        person
            .ampup(&["--version"])
            .exits(0)
            .prints(&format!("ampup {NOW}\n"));
        person
            .ampup(&["self", "update"])
            .exits(0)
            .says(&format!("installed ampup {NEXT}"))
            .says("`ampup undo --include-ampup` goes back");
        person
            .ampup(&["--version"])
            .exits(0)
            .prints(&format!("ampup {NEXT}\n"));
        person.ampup(&["self", "update"]).exits(0).says("is up to date");
        let asked = publisher.server.requests();
        assert!(
            asked.contains(&format!("/download/v{NEXT}/ampup-{TARGET}")),
            "{asked:?}"
        );
        let manual = person.home.path().join("share/man/man1/ampup.1");
        assert!(
            fs::read_to_string(manual).expect("a page").contains(NEXT),
            "the manual is the new one's"
        );
        // Alone, undo leaves ampup where it is.
        person.ampup(&["undo"]).exits(3).says("--include-ampup");
        person
            .ampup(&["--version"])
            .exits(0)
            .prints(&format!("ampup {NEXT}\n"));
        person.ampup(&["undo", "--include-ampup"]).exits(0);
        person
            .ampup(&["--version"])
            .exits(0)
            .prints(&format!("ampup {NOW}\n"));
        person.ampup(&["self", "uninstall", "--yes"]).exits(0);
    }
}

#[test]
fn it_never_goes_lower_unless_told_to() {
    let (mut person, publisher) = installed(Who::Ordinary);
    let next = publisher.publish_next();
    offer(&mut person, &publisher, NEXT);
    person.ampup(&["self", "update", NEXT]).exits(0);
    person
        .ampup(&["self", "update", NOW])
        .exits(2)
        .says("--allow-downgrade");
    person
        .ampup(&["--version"])
        .exits(0)
        .prints(&format!("ampup {NEXT}\n"));
    // An old script is no reason to go back; one that is asked for an old version is.
    person.built(&["init"]).exits(0).says("which is newer");
    person
        .ampup(&["--version"])
        .exits(0)
        .prints(&format!("ampup {NEXT}\n"));
    person
        .ampup(&["self", "update", NOW, "--allow-downgrade"])
        .exits(0);
    person
        .ampup(&["--version"])
        .exits(0)
        .prints(&format!("ampup {NOW}\n"));
    person
        .install(&next, &[])
        .exits(0)
        .says(&format!("ampup {NOW} is installed in"));
    person
        .ampup(&["--version"])
        .exits(0)
        .prints(&format!("ampup {NEXT}\n"));
    let now = next.parent().expect("a parent").join(format!("v{NOW}"));
    person.install(&now, &["--version", NOW]).exits(0);
    person
        .ampup(&["--version"])
        .exits(0)
        .prints(&format!("ampup {NOW}\n"));
}

#[test]
fn a_newer_ampup_that_is_wrong_or_does_not_run_changes_nothing() {
    let (mut person, publisher) = installed(Who::Ordinary);
    let before = person.home.store();
    let files = publisher.publish(NEXT, "#!/bin/sh\necho ampup 1.1.1\n");
    offer(&mut person, &publisher, NEXT);
    let asset = files.join(format!("ampup-{TARGET}"));
    let program = fs::read(&asset).expect("read");
    fs::write(&asset, "#!/bin/sh\nevil\n").expect("written");
    person.ampup(&["self", "update"]).exits(4);
    fs::remove_file(&asset).expect("removed");
    let gone = person.ampup(&["self", "update"]);
    assert!(gone.code != 0 && gone.stderr.contains("error: "), "{gone:#?}");
    fs::write(&asset, program).expect("written");
    person
        .ampup(&["self", "update"])
        .exits(1)
        .says(&format!("expected {NEXT}"));
    assert_eq!(person.home.store(), before);
    person
        .ampup(&["--version"])
        .exits(0)
        .prints(&format!("ampup {NOW}\n"));
}

#[test]
fn an_ampup_from_elsewhere_is_left_to_whoever_put_it_there() {
    let person = Person::new(Who::Ordinary);
    let cargo = person.directory().join(".cargo/bin/ampup");
    fs::create_dir_all(cargo.parent().expect("a parent")).expect("made");
    fs::copy(crate::support::home::program(), &cargo).expect("copied");
    let update = |program: &Utf8Path| finish(person.command(program, &["self", "update"])).exits(1);
    update(&cargo)
        .says("was not installed by ampup")
        .says("hint: update it the way it was installed; or `ampup init`");
    // Also where a home has another one.
    person.built(&["init"]).exits(0);
    update(&cargo).says("was not installed by ampup");
    let run = finish(person.command(&cargo, &["self", "uninstall", "--yes"])).exits(0);
    run.says("was not installed by ampup, and stays");
    assert!(cargo.exists());
}
