//! Findings of doctor's about a place: each is told once, with a remedy that helps there.

use std::process::Command;

use camino::Utf8Path;

use super::{doctor, found, home, within};
use crate::support::{
    disk::SmallDisk,
    home::{Home, Run, finish},
    postgres::run_as,
    programs,
    table::every,
    world::write,
};

fn own(user: &str, path: &Utf8Path) {
    let status = Command::new("chown").args(["-hR", user, path.as_str()]).status();
    assert!(status.expect("started").success());
}

fn close(path: &Utf8Path, mode: &str) {
    let status = Command::new("chmod").args([mode, path.as_str()]).status();
    assert!(status.expect("started").success());
}

/// The one problem of a project, as it is said, and its remedy.
fn only(home: &Home, project: &str) -> (String, String) {
    of(&doctor(home, project, |_| {}).exits(1))
}

fn of(run: &Run) -> (String, String) {
    let all = found(run);
    assert!(matches!(&all[..], [(level, _)] if level == "problem"), "{all:#?}");
    let json = run.json();
    let findings = json["findings"].as_array().expect("a list");
    let of_it = findings.iter().find(|finding| finding["level"] == "problem");
    let remedy = of_it.and_then(|finding| finding["remedy"].as_str());
    (all[0].1.clone(), remedy.unwrap_or_default().to_owned())
}

#[test]
fn what_is_anothers_or_read_only_or_full_is_one_problem_with_a_remedy_for_that_place() {
    if run_as().is_none() {
        programs::skip("only root can give something away, or mount it");
        return;
    }
    let home = home();
    // A database of somebody else's, and a directory.
    let foreign = home.directory("foreign");
    home.give(&foreign);
    finish(within(&home, home.command(&["run", "true"]), "foreign")).exits(0);
    // One file of it, as `sudo` leaves it.
    let cluster = foreign.join(".amp/metadb");
    every(["postgresql.conf", "base/5/1259", "base/5"], |name| {
        own("54321", &cluster.join(name));
        let (text, remedy) = only(&home, "foreign");
        assert!(
            text.contains(&format!("{name}` belongs to user 54321, and the server")),
            "{text}"
        );
        assert!(remedy.starts_with("as root, `chown -R "), "{remedy}");
        home.give(&foreign);
    });
    every(["data", "manifests", "providers"], |name| {
        let place = foreign.join(".amp").join(name);
        own("54321", &place);
        let (text, remedy) = only(&home, "foreign");
        assert!(
            text.contains("belongs to user 54321, and ampd, which runs as"),
            "{text}"
        );
        assert!(remedy.ends_with(&format!(" {place}`")), "{remedy}");
        home.give(&foreign);
    });
    own("54321", &foreign);
    let (text, remedy) = only(&home, "foreign");
    assert!(text.contains("belongs to user 54321"), "{text}");
    assert!(remedy.starts_with("run this as user 54321"), "{remedy}");
    let closed = home.directory("closed");
    own("0", &closed);
    close(&closed, "755");
    let from_elsewhere = |project: &Utf8Path| {
        let run = doctor(&home, "elsewhere", |command| {
            command.args(["--project", project.as_str()]);
        });
        of(&run.exits(1))
    };
    let (text, remedy) = from_elsewhere(&closed);
    assert!(text.ends_with("is not yours to write to"), "{text}");
    assert!(remedy.starts_with("work in a directory of yours"), "{remedy}");

    let place = home.directory("disk");
    let Some(disk) = SmallDisk::mount(&place, 200 << 20) else {
        return;
    };
    disk.leave(8 << 20);
    let (text, remedy) = only(&home, "disk");
    assert!(
        text.starts_with("space: `") && text.contains("are needed"),
        "{text}"
    );
    assert!(
        remedy.starts_with("free disk space there") && !remedy.contains("prune"),
        "{remedy}"
    );
    disk.grow();
    finish(within(&home, home.command(&["run", "true"]), "disk")).exits(0);
    // A backup has no room there either: nothing of ampup's home is on that disk.
    disk.leave(64 << 10);
    let run = finish(within(&home, home.command(&["db", "backup"]), "disk")).exits(7);
    assert!(
        run.stderr.contains("hint: free disk space there") && !run.stderr.contains("prune"),
        "{run:#?}"
    );
    disk.grow();
    disk.close();
    let (text, remedy) = from_elsewhere(&place);
    assert!(text.ends_with("mounted read-only"), "{text}");
    assert!(remedy.starts_with("mount it writable"), "{remedy}");
}

#[test]
fn a_half_made_cluster_that_others_can_enter_is_put_aside_like_any_other() {
    let home = home();
    let project = home.directory("half");
    home.give(&project);
    let mut made = within(&home, home.as_the_user("/bin/sh".into()), "half");
    made.args(["-c", "umask 022; mkdir -p .amp/metadb/base"]);
    finish(made).exits(0);
    let all = found(&doctor(&home, "half", |_| {}).exits(0));
    assert!(
        matches!(&all[..], [(level, text)] if level == "warning" && text.contains("was not finished")),
        "{all:#?}"
    );
    let status = within(&home, home.command(&["db", "status"]), "half");
    finish(status).exits(0).prints_with("unfinished: the next start");
    finish(within(&home, home.command(&["run", "true"]), "half"))
        .exits(0)
        .says("an unfinished cluster, in which no data can be, was moved to");
    assert!(found(&doctor(&home, "half", |_| {})).is_empty());
    // A whole one is not opened.
    let cluster = project.join(".amp/metadb");
    close(&cluster, "755");
    finish(within(&home, home.command(&["run", "true"]), "half"))
        .exits(7)
        .says("hint: `chmod 700");
    close(&cluster, "700");
}

/// The words of `run`, `db start` and `db status` where PostgreSQL's own say nothing of what helps.
#[test]
fn what_keeps_a_server_from_starting_is_told_with_what_brings_the_database_back() {
    let home = home();
    let project = home.directory("lost");
    home.give(&project);
    finish(within(&home, home.command(&["run", "true"]), "lost")).exits(0);
    finish(within(
        &home,
        home.command(&["db", "backup", "b.tar.zst"]),
        "lost",
    ))
    .exits(0);
    let cluster = project.join(".amp/metadb");
    let ampup = |words: &[&str]| finish(within(&home, home.command(words), "lost"));
    let remedy = "hint: restore a backup with `ampup db restore`, or start over with `ampup db reset`";
    fs_err::remove_dir_all(cluster.join("pg_wal")).expect("removed");
    for words in [&["run", "true"][..], &["db", "start"]] {
        ampup(words)
            .exits(1)
            .says("is damaged: it lacks `pg_wal`")
            .says(remedy);
    }
    ampup(&["db", "status"])
        .exits(0)
        .prints_with("damaged")
        .says("it lacks `pg_wal`")
        .says(remedy);
    ampup(&["db", "restore", "b.tar.zst"]).exits(0);
    ampup(&["run", "true"]).exits(0);
    fs_err::remove_dir_all(cluster.join("base/5")).expect("removed");
    ampup(&["db", "status"])
        .exits(0)
        .prints_with("stopped")
        .says("lacks the database `postgres`")
        .says("hint: `ampup db start` makes it again, empty, if it was dropped");
    // One that only the server itself can tell.
    write(&cluster.join("global/pg_control"), vec![0; 8192]);
    home.give(&cluster);
    ampup(&["run", "true"])
        .exits(1)
        .says("database files are incompatible with server")
        .says(remedy);
    ampup(&["db", "restore", "b.tar.zst"]).exits(0);
    write(&cluster.join("postgresql.auto.conf"), "foo = bar\n");
    home.give(&cluster);
    ampup(&["run", "true"])
        .exits(1)
        .says("unrecognized configuration parameter")
        .says("correct what it names");
}
