//! `ampup db backup` and `ampup db restore`, on real PostgreSQL.

use ampup::{
    event::Silent,
    postgres::{Purpose, Server, Start},
};
use fs_err as fs;

use crate::support::{
    database::{Build, Ends},
    home::Home,
    postgres::{fingerprint, sql},
};

fn start(home: &Home, purpose: Purpose) -> Server {
    let start = Start {
        purpose,
        ..Start::default()
    };
    home.cluster().start(&start, &Silent).expect("started")
}

fn ask(home: &Home, statement: &str) -> String {
    let server = start(home, Purpose::Session);
    let answer = sql(server.url(), statement).expect("answered");
    server.stop().expect("left");
    answer
}

#[test]
fn what_was_backed_up_is_restored_and_nothing_is_lost() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    home.db(&["backup"]).exits(3).says("there is no cluster");
    ask(&home, "create table t as select generate_series(1, 1000) as x");

    let file = home.work().join("b.tar.gz");
    home.db(&["backup", "b.tar.gz"])
        .exits(0)
        .prints(&format!("{file}\n"));
    home.db(&["backup", "b.tar.gz"]).exits(1).says("is there already");
    ask(&home, "delete from t");
    home.db(&["restore", "b.tar.gz"])
        .exits(0)
        .says("what was there is kept in");
    assert_eq!(ask(&home, "select count(*) from t"), "1000");
    let kept = home.in_amp("metadb.old-");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].join("PG_VERSION").exists());
    assert!(home.in_amp("metadb.next").is_empty());

    // A running server is stopped and started again; one that somebody uses is not stopped.
    let used = start(&home, Purpose::Session);
    home.db(&["backup"]).exits(6).says("is in use by");
    home.db(&["restore", "b.tar.gz"]).exits(6).says("is in use by");
    assert!(home.in_amp("metadb.next").is_empty());
    sql(used.url(), "select 1").expect("it serves on");
    used.stop().expect("left");
    let stays = start(&home, Purpose::Stay);
    let url = stays.url().to_owned();
    drop(stays);
    for _ in 0..4 {
        home.db(&["backup"]).exits(0);
        sql(&url, "select 1").expect("it runs again");
    }
    let backups = home
        .work()
        .join(".amp/backups")
        .read_dir_utf8()
        .expect("listed")
        .count();
    assert_eq!(backups, 3);
    home.db(&["restore", "b.tar.gz"]).exits(0);
    assert_eq!(
        sql(&url, "select count(*) from t").expect("it runs again"),
        "1000"
    );
}

#[test]
fn what_is_no_whole_backup_changes_nothing() {
    let mut home = Home::with_postgres(&[Build::Npm(18)]);
    ask(&home, "create table t (x int)");
    home.db(&["backup", "b.tar.gz"]).exits(0);
    let before = fingerprint(&home.work().join(".amp/metadb"));
    let whole = fs::read(home.work().join("b.tar.gz")).expect("read");
    let bad = home.work().join("bad.tar.gz");
    let refused = |octets: &[u8], what: &str| {
        fs::write(&bad, octets).expect("written");
        home.db(&["restore", "bad.tar.gz"])
            .exits(4)
            .says("is no whole backup");
        assert_eq!(fingerprint(&home.work().join(".amp/metadb")), before, "{what}");
        assert!(home.in_amp("metadb.next").is_empty(), "{what}");
    };
    refused(b"", "empty");
    refused(b"select 1;", "text");
    for part in [1, 2, 50, 90, 99] {
        refused(&whole[..whole.len() * part / 100], "cut off");
    }
    refused(&whole[..whole.len() - 9], "all but gzip's checksum");
    for part in [3, 30, 60, 95] {
        let mut flipped = whole.clone();
        flipped[whole.len() * part / 100] ^= 0x40;
        refused(&flipped, "one bit is wrong");
    }
    home.db(&["restore", "absent"]).exits(3).says("absent");
    home.db(&["restore", "."]).exits(4).says("it is not a file");

    // Programs of its major are needed.
    home.withdraw("postgres", "18.4.0");
    home.offer_postgres(Build::Npm(17));
    home.ampup(&["install", "--component", "postgres@17"]).exits(0);
    // By hand: `uninstall` would not, while a project needs it.
    fs::remove_dir_all(home.path().join("components/postgres/18.4.0")).expect("removed");
    home.db(&["restore", "b.tar.gz"])
        .exits(3)
        .says("is a backup of PostgreSQL 18")
        .says("hint: `ampup install --component postgres`");
}
