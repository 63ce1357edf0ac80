//! Homes in odd places and under odd circumstances: each works, or says clearly why it does not.

use std::{
    os::unix::{ffi::OsStringExt as _, fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
};

use ampup::postgres::user::{OsUser, home_directory};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::oracle::{Store, leftovers};
use crate::support::{
    home::{Home, finish},
    postgres::run_as,
    programs,
    table::every,
};

fn home() -> Home {
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("tool", "2.0.0");
    home
}

/// The main verbs, in this home of ampup's.
fn works(home: &Home, place: &Utf8Path) {
    let ampup = |words: &[&str]| {
        let mut command = home.command(words);
        command.env("AMPUP_HOME", place);
        finish(command).exits(0)
    };
    ampup(&["install", "tool@1.0.0"]);
    ampup(&["install", "tool@2.0.0"]);
    ampup(&["undo"]);
    ampup(&["list"]).prints("tool 2.0.0\ntool 1.0.0 (active)\n");
    assert_eq!(
        finish(Command::new(place.join("bin/tool"))).stdout,
        "tool 1.0.0\n"
    );
    ampup(&["uninstall", "tool@2.0.0"]);
    let which = ampup(&["which", "tool"]).stdout;
    assert_eq!(finish(Command::new(which.trim())).stdout, "tool 1.0.0\n");
    assert_eq!(leftovers(place, true), Vec::<Utf8PathBuf>::new());
}

/// A service of systemd's, or a job of a container, often has no HOME.
#[test]
fn without_home_the_system_says_where_the_user_lives() {
    let home = home();
    let user = run_as().unwrap_or_else(|| OsUser::current().expect("a user"));
    let own = home_directory(user.uid).expect("read").expect("an entry");
    for value in [None, Some("")] {
        let mut command = home.command(&["doctor", "--json"]);
        command
            .env_remove("HOME")
            .envs(value.map(|value| ("HOME", value)));
        let found = finish(command).stdout;
        let place = format!("{}/.ampup", own.trim_end_matches('/'));
        assert!(found.contains(&place), "HOME={value:?}: {found}");
    }
}

#[test]
fn a_user_without_a_home_directory_is_told_what_to_set() {
    if run_as().is_none() {
        return programs::skip("only root can be another user");
    }
    let home = home();
    for words in [&["list"][..], &["install", "tool"]] {
        let mut command = home.command_as_we_are(words);
        command.env_remove("HOME").uid(54_321).gid(54_321);
        finish(command)
            .exits(2)
            .says("error: neither `AMPUP_HOME` nor `HOME` is set, and this user has no home directory")
            .says("  set `AMPUP_HOME` to an absolute path, or use `--home`");
    }
}

#[test]
fn a_home_that_is_not_utf_8_is_a_clear_error() {
    let home = home();
    let odd = std::ffi::OsString::from_vec(b"/tmp/h\xffme".to_vec());
    for variable in ["HOME", "AMPUP_HOME"] {
        let mut command = home.command(&["install", "tool"]);
        command.env(variable, &odd);
        finish(command).exits(2).says("which is not UTF-8").says(variable);
    }
    let mut command = home.command(&["list", "--home"]);
    command.arg(&odd);
    finish(command).exits(2).says("error:");
}

#[test]
fn spaces_and_letters_of_the_world_are_fine() {
    let home = home();
    works(
        &home,
        &home
            .directory("user")
            .join("höme with späces/日本 'quoted' \"twice\" $(x)"),
    );
}

#[test]
fn a_home_may_be_a_link_and_lie_behind_links() {
    let home = home();
    let real = home.directory("real");
    let link = home.directory("user").join("link");
    fs_err::os::unix::fs::symlink(&real, &link).expect("linked");
    works(&home, &link);
    let home = self::home();
    let real = home.directory("real");
    fs_err::os::unix::fs::symlink(&real, home.directory("work").join("behind")).expect("linked");
    works(&home, &home.directory("work").join("behind/it"));
}

#[test]
fn a_home_may_lie_on_another_file_system() {
    let home = home();
    let Ok(elsewhere) = tempfile::Builder::new().prefix("ampup-").tempdir_in("/dev/shm") else {
        return;
    };
    let elsewhere = Utf8Path::from_path(elsewhere.path()).expect("UTF-8");
    own(elsewhere);
    works(&home, &elsewhere.join("home"));
}

fn own(directory: &Utf8Path) {
    fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).expect("opened");
    if let Some(user) = run_as() {
        fs_err::os::unix::fs::chown(directory, Some(user.uid), Some(user.gid)).expect("given away");
    }
}

#[test]
fn a_home_that_cannot_be_written_is_read_and_refused_with_its_path() {
    let home = home();
    let user = home.directory("user");
    let close = |path: &Utf8Path, mode| {
        let mut command = Command::new("chmod");
        command.args(["-R", mode]).arg(path);
        finish(command).exits(0);
    };
    close(&user, "a-w");
    let run = home.ampup(&["install", "tool"]).exits(7).says("`~/.ampup");
    assert_eq!(run.stderr.matches("error:").count(), 1, "{run:?}");
    close(&user, "u+w");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    let before = Store::read(&home.path());
    close(&home.path(), "a-w");
    home.ampup(&["list"])
        .exits(0)
        .prints("tool 2.0.0 (active)\ntool 1.0.0\n");
    home.ampup(&["which", "tool"]).exits(0);
    home.ampup(&["history"]).exits(0);
    assert_eq!(
        finish(Command::new(home.path().join("bin/tool"))).stdout,
        "tool 2.0.0\n"
    );
    let rows = [
        &["use", "tool@1.0.0"][..],
        &["undo"],
        &["uninstall", "tool@1.0.0"],
    ];
    every(rows, |words| {
        let run = home.ampup(words).exits(7).says("`~/.ampup").says("hint: ");
        assert_eq!(run.stderr.matches("error:").count(), 1, "{run:?}");
    });
    close(&home.path(), "u+w");
    assert_eq!(Store::read(&home.path()), before);
    home.ampup(&["use", "tool@1.0.0"]).exits(0);
}

#[test]
fn the_umask_decides_who_may_look_into_a_home_and_nothing_else() {
    let mut stores = Vec::new();
    every(["022", "077", "000", "0777", "0377"], |umask| {
        let home = home();
        let plain = home.command(&["install", "tool@1.0.0"]);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!(r#"umask {umask}; exec "$0" "$@""#)]);
        command
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(home.work())
            .env_clear();
        for (name, value) in plain.get_envs() {
            command.env(name, value.expect("set"));
        }
        if let Some(user) = run_as() {
            use std::os::unix::process::CommandExt as _;
            command.uid(user.uid).gid(user.gid);
        }
        finish(command).exits(0);
        let mode = fs::metadata(home.path()).expect("made").permissions().mode() & 0o777;
        assert_eq!(
            mode,
            if umask.ends_with("77") { 0o700 } else { 0o755 },
            "umask {umask}"
        );
        let find = finish({
            let mut command = Command::new("find");
            command
                .arg(home.path())
                .args(["-perm", "/022", "-not", "-type", "l"]);
            command
        });
        assert_eq!(find.stdout, "", "others may write with umask {umask}");
        stores.push(Store::read(&home.path()));
        home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
    });
    // The receipts name the test's own directory, and so differ; modes must not.
    assert!(
        stores[0].modes().contains(&"bin/tool 755"),
        "{:?}",
        stores[0].modes()
    );
    assert_eq!(stores[0].modes(), stores[1].modes());
    assert_eq!(stores[0].modes(), stores[2].modes());
}

/// `sudo ampup` with HOME still the user's: it works, and says that root's files come into a user's home.
#[test]
fn root_in_the_home_of_another_user_is_warned() {
    if run_as().is_none() {
        return;
    }
    let home = home();
    let run = finish(home.command_as_we_are(&["install", "tool@1.0.0"])).exits(0);
    assert_eq!(run.stderr.matches("warning:").count(), 1, "{run:?}");
    let run = run.says("`~/.ampup").says("belongs to user").says("--home");
    // What is the user's is named, and it is not the home that root makes.
    let theirs = home.path().parent().expect("HOME").to_owned();
    let run = run.says(&format!("will be root's, in `{theirs}`, which belongs to user "));
    assert!(!run.stderr.contains("`~/.ampup` belongs"), "{run:?}");
    // Its owner reads it, and is told clearly when it cannot be changed.
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
    assert_eq!(
        finish(Command::new(home.path().join("bin/tool"))).stdout,
        "tool 1.0.0\n"
    );
    home.ampup(&["install", "tool@2.0.0"]).exits(7).says("`~/.ampup");
    // Where nobody else is concerned, nothing is said: as in a job of root's, whose checkout is another user's.
    let run = finish(home.command_as_we_are(&["list"])).exits(0);
    assert!(!run.stderr.contains("warning:"), "{run:?}");
    let checkout = home.directory("checkout");
    home.give(&checkout);
    let mut job = home.command_as_we_are(&["install", "tool@1.0.0"]);
    let in_checkout = checkout.join(".ampup");
    job.env("AMPUP_HOME", &in_checkout).current_dir(&checkout);
    let run = finish(job).exits(0);
    assert!(!run.stderr.contains("warning:"), "{run:?}");
    // A home that is there and another user's is told of wherever it is.
    home.give(&in_checkout);
    let mut job = home.command_as_we_are(&["install", "tool@2.0.0"]);
    job.env("AMPUP_HOME", &in_checkout);
    finish(job)
        .exits(0)
        .says(&format!("`{in_checkout}` belongs to user "));
}

/// An installation of root's is first run as somebody else, who cannot enter a home that is its owner's alone.
#[test]
fn root_in_a_home_that_is_closed_is_told_who_can_install_there() {
    let (Some(runner), Ok(owner)) = (run_as(), OsUser::by_name("nobody")) else {
        return;
    };
    if runner.uid == owner.uid {
        return;
    }
    let home = home();
    let closed = home.path().parent().expect("the user's directory").to_owned();
    fs_err::os::unix::fs::chown(&closed, Some(owner.uid), Some(owner.gid)).expect("given");
    fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).expect("closed");
    let as_owner = |words: &[&str]| {
        let mut command = home.command_as_we_are(words);
        command.uid(owner.uid).gid(owner.gid);
        finish(command).exits(0)
    };
    as_owner(&["install", "tool@1.0.0"]);
    let before = home.store();
    finish(home.command_as_we_are(&["install", "tool@2.0.0"]))
        .exits(7)
        .says(&format!(
            "as `{}`: `{closed}` is closed to other users",
            runner.name
        ))
        .says("\n  run ampup as `nobody`, or choose another home");
    assert_eq!(home.store(), before);
    as_owner(&["install", "tool@2.0.0"]);
}
