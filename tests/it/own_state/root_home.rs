//! The home of root where others cannot enter root's own directory: one link, and everything behind it. As an ordinary
//! user there is no such home, and nothing to try.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    process::Command,
};

use ampup::{
    layout::Layout,
    store::shared_home::{directory_of, make},
};
use camino::Utf8PathBuf;
use fs_err as fs;
use serde_json::json;

use crate::support::{
    database::Build,
    home::{Home, Run, TARGET, finish, sha256},
    postgres::{done, run_as, unlink_from_others},
    table::every,
    tracer::{Deed, trace},
};

/// A world whose HOME is root's, and closed to others.
fn closed() -> Option<Home> {
    run_as()?;
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    close(&home, 0);
    Some(home)
}

fn close(home: &Home, uid: u32) {
    let user_home = home.path().parent().expect("HOME").to_owned();
    fs_err::os::unix::fs::chown(&user_home, Some(uid), Some(uid)).expect("given");
    fs::set_permissions(&user_home, std::fs::Permissions::from_mode(0o700)).expect("closed");
}

fn ampup(home: &Home, words: &[&str]) -> Run {
    finish(home.command_as_we_are(words))
}

/// Offers a PostgreSQL that is never fetched.
fn offer_postgres(home: &mut Home) {
    let artifact = json!({
        "target": TARGET, "provider": "acme", "format": "raw",
        "source": {"kind": "file", "url": "file:///nowhere/at/all"},
        "integrity": {"kind": "pinned", "digest": sha256(b"never")},
    });
    home.offer_artifacts("postgres", "18.4.0", &[artifact]);
}

#[test]
fn it_is_one_link_and_goes_with_what_it_leads_to() {
    let Some(home) = closed() else { return };
    let (link, place) = (home.path(), directory_of(&home.path()));
    fs::create_dir(&link).expect("an empty directory may be there");
    ampup(&home, &["init", "--dry-run"])
        .exits(0)
        .prints_with(&format!("becomes a link to `{place}`"));
    ampup(&home, &["install", "tool"]).exits(0);
    assert_eq!(link.read_link_utf8().expect("a link"), place);
    ampup(&home, &["self", "uninstall", "--dry-run"])
        .exits(0)
        .prints_with(&format!("(a link to `{place}`)"));
    every(["", "components/tool/1.0.0/bin", "staging", "cache"], |name| {
        let mode = fs::metadata(place.join(name)).expect("there").mode();
        assert_eq!(mode & 0o777, 0o755, "{name} {mode:o}");
    });
    // As they were in root's own directory.
    let projects = r#"{"schema":1,"projects":[]}"#;
    for (name, content) in [
        ("config.toml", ""),
        ("trust.json", ""),
        ("projects.json", projects),
    ] {
        fs::write(link.join(name), content).expect("written");
    }
    ampup(&home, &["install", "tool@1.0.0"]).exits(0);
    let rows = [
        "config.toml",
        "trust.json",
        "projects.json",
        "locks/store",
        "locks/tool-1.0.0",
    ];
    every(rows, |name| {
        let mode = fs::metadata(link.join(name)).expect("there").mode();
        assert_eq!(mode & 0o777, 0o600, "{name} {mode:o}");
    });
    fs::remove_file(link.join("config.toml")).expect("removed");
    ampup(&home, &["self", "uninstall", "--yes"]).exits(0);
    assert!(link.symlink_metadata().is_err() && place.symlink_metadata().is_err());
}

/// A cache of a build saved the link alone; or somebody removed the link alone.
#[test]
fn half_of_it_is_made_whole_again() {
    let Some(home) = closed() else { return };
    let (link, place) = (home.path(), directory_of(&home.path()));
    symlink(&place, &link).expect("linked");
    ampup(&home, &["list"]).exits(0).prints("");
    ampup(&home, &["install", "tool"]).exits(0);
    ampup(&home, &["list"]).exits(0).prints("tool 1.0.0 (active)\n");
    fs::remove_file(&link).expect("removed");
    ampup(&home, &["use", "tool@1.0.0"]);
    ampup(&home, &["install", "tool"]).exits(0).says("already");
    assert_eq!(link.read_link_utf8().expect("a link"), place);
    // Uninstalled up to its last step.
    fs::remove_dir_all(&place).expect("removed");
    ampup(&home, &["self", "uninstall", "--yes"]).exits(3);
    assert!(link.symlink_metadata().is_err());
}

#[test]
fn it_is_gone_on_with_when_it_was_half_made() {
    let Some(home) = closed() else { return };
    let (link, place) = (home.path(), directory_of(&home.path()));
    let last = (1..60).find(|number| {
        let words = ["install", "tool@1.0.0"];
        trace(&home.command_as_we_are(&words), None, Deed::KillBefore(*number));
        let is_made = link.join("bin").is_symlink();
        ampup(&home, &words).exits(0);
        assert_eq!(link.read_link_utf8().expect("a link"), place, "{number}");
        ampup(&home, &["self", "uninstall", "--yes"]).exits(0);
        assert!(
            link.symlink_metadata().is_err() && place.symlink_metadata().is_err(),
            "{number}"
        );
        is_made
    });
    assert!(last > Some(8), "{last:?}");
}

/// A pinned version is run from behind the link, as an active one is.
#[test]
fn a_pinned_postgresql_serves_a_project_of_roots() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let (link, place) = (home.path(), directory_of(&home.path()));
    unlink_from_others(&link);
    done(Command::new("chown").args(["-R", "0:0", link.as_str()]));
    let aside = home.work().join("aside");
    fs::rename(&link, &aside).expect("moved");
    close(&home, 0);
    make(&Layout::new(link.clone()), link.parent()).expect("linked");
    done(Command::new("mv").args(["-T", aside.as_str(), place.as_str()]));
    fs::write(
        home.work().join("ampup.toml"),
        "[components]\npostgres = \"18.4.0\"\n",
    )
    .expect("written");
    done(Command::new("chown").args(["-R", "0:0", home.work().as_str()]));
    ampup(&home, &["install", "--locked"]).exits(0);
    let rows: [&[&str]; 4] = [
        &["run", "--", "cat", ".amp/metadb/PG_VERSION"],
        &["run", "--with", "postgres@18.4.0", "--", "true"],
        &["db", "start"],
        &["db", "stop"],
    ];
    every(rows, |words| drop(ampup(&home, words).exits(0)));
    ampup(&home, &["self", "uninstall", "--yes"]).exits(0);
}

/// Where the link is not made, PostgreSQL is refused before it is fetched, and the rest is installed.
#[test]
fn a_home_that_others_cannot_enter_is_refused_for_postgres() {
    let Some(mut home) = closed() else { return };
    offer_postgres(&mut home);
    let user_home = home.path().parent().expect("HOME").to_owned();
    let named = user_home.join("named");
    let refused = |home: Utf8PathBuf, run: Run, closed: &str| {
        let run = run.exits(7);
        run.says("is closed to other users")
            .says(&format!("`chmod o+x '{closed}'`, or `AMPUP_HOME=/opt/ampup`"));
        assert!(!home.is_symlink(), "{home}");
    };
    let at = |words: &[&str]| {
        let mut command = home.command_as_we_are(words);
        command.env("AMPUP_HOME", &named);
        finish(command)
    };
    refused(named.clone(), at(&["install", "postgres"]), user_home.as_str());
    at(&["install", "tool"]).exits(0);
    at(&["self", "uninstall", "--yes"]).exits(0);
    // A directory with something in it, such as a mount point.
    fs::create_dir(home.path()).expect("made");
    fs::create_dir(home.path().join("lost+found")).expect("made");
    refused(
        home.path(),
        ampup(&home, &["install", "postgres"]),
        user_home.as_str(),
    );
    ampup(&home, &["install", "tool"]).exits(0);
}

#[test]
fn a_home_whose_link_was_removed_is_known_to_prune() {
    let Some(home) = closed() else { return };
    ampup(&home, &["install", "tool"]).exits(0);
    let place = directory_of(&home.path());
    let another = home.directory("another");
    let elsewhere = |words: &[&str]| {
        let mut command = home.command_as_we_are(words);
        command
            .env("HOME", &another)
            .env("AMPUP_HOME", another.join("ampup"));
        finish(command)
    };
    assert!(
        !elsewhere(&["prune"]).exits(0).stderr.contains(place.as_str()),
        "it is used"
    );
    let name = place.file_name().expect("a name");
    elsewhere(&["prune", "--remove", name]).exits(3);
    fs::remove_file(home.path()).expect("removed");
    elsewhere(&["prune"])
        .exits(0)
        .says(&format!("home whose link was removed  `{place}`"));
    assert!(place.is_dir());
    if run_as().is_some() {
        let mut of_another = home.command(&["prune"]);
        of_another
            .env("HOME", &another)
            .env("AMPUP_HOME", another.join("ampup"));
        let run = finish(of_another).exits(0);
        assert!(
            !run.stderr.contains("/var/lib/ampup"),
            "only root can remove it: {run:#?}"
        );
    }
    elsewhere(&["prune", "--remove", name]).exits(0);
    assert!(!place.exists());
}

#[test]
fn in_another_users_directory_there_is_no_link() {
    let (Some(user), Some(home)) = (run_as(), closed()) else {
        return;
    };
    close(&home, user.uid);
    ampup(&home, &["install", "tool"]);
    assert!(home.path().is_dir() && !home.path().is_symlink());
    assert!(directory_of(&home.path()).symlink_metadata().is_err());
}

#[test]
fn a_directory_in_its_place_that_others_can_change_is_refused() {
    let Some(home) = closed() else { return };
    let place = directory_of(&home.path());
    fs::create_dir_all(&place).expect("made");
    every(["owner", "mode", "foreign"], |damage| {
        fs_err::os::unix::fs::chown(&place, Some(0), Some(0)).expect("taken");
        fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).expect("set");
        match damage {
            "owner" => fs_err::os::unix::fs::chown(&place, Some(1), Some(1)).expect("given"),
            "mode" => fs::set_permissions(&place, std::fs::Permissions::from_mode(0o777)).expect("set"),
            _ => fs::write(place.join("env"), "precious").expect("written"),
        }
        let run = ampup(&home, &["install", "tool"]);
        assert_eq!(run.code, 7, "{damage}: {run:#?}");
        run.says(place.as_str());
        assert!(home.path().symlink_metadata().is_err(), "{damage}");
    });
}

/// A home of an unreleased ampup, laid out over three links.
#[test]
fn a_home_over_three_links_is_refused_with_one_line() {
    let Some(home) = closed() else { return };
    let place = directory_of(&home.path());
    fs::create_dir(home.path()).expect("made");
    for name in ["components", "staging", "cache"] {
        fs::create_dir_all(place.join(name)).expect("made");
        symlink(place.join(name), home.path().join(name)).expect("linked");
    }
    fs::create_dir_all(home.path().join("generations/1")).expect("made");
    fs::write(home.path().join("generations/1/generation.json"), "{}").expect("written");
    symlink("generations/1", home.path().join("active")).expect("linked");
    let run = ampup(&home, &["install", "tool"]).exits(7).says(&format!(
        "`{}/components` is a link to `{place}/components`; no directory in ampup's home may be one",
        home.path()
    ));
    assert_eq!(
        run.stderr
            .lines()
            .filter(|line| line.starts_with("error:"))
            .count(),
        1,
        "{run:#?}"
    );
}
