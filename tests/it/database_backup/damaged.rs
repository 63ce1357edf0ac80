//! Backups that were cut, changed or forged.

use fs_err as fs;

use serde_json::json;

use super::ask;
use crate::{
    run_data::stamps,
    support::{
        archives::{TarEntry, tar_gz},
        database::{Build, Ends},
        home::{Home, sha256},
        postgres::fingerprint,
        table::every,
    },
};

#[test]
fn what_is_no_whole_backup_changes_nothing() {
    let mut home = Home::with_postgres(&[Build::Npm(18)]);
    ask(&home, "create table t (x int)");
    let before = stamps(&home.work().join(".amp/metadb"));
    for name in ["b.tar.gz", "b.tar.zst"] {
        home.db(&["backup", name]).exits(0);
        let whole = fs::read(home.work().join(name)).expect("read");
        assert_eq!(whole.starts_with(&[0x1f, 0x8b]), name.ends_with("gz"), "{name}");
        let refused = |bytes: &[u8], what: &str| {
            fs::write(home.work().join("bad"), bytes).expect("written");
            home.db(&["restore", "bad"])
                .exits(4)
                .says("is not a complete backup")
                .says("hint: `ampup db restore` without a file lists");
            let after = stamps(&home.work().join(".amp/metadb"));
            assert_eq!(after, before, "{name}: {what}");
            assert!(home.in_amp("metadb.next").is_empty(), "{name}: {what}");
        };
        refused(b"", "empty");
        refused(b"select 1;", "text");
        every([1, 50, 99], |part| {
            refused(&whole[..whole.len() * part / 100], "cut off");
        });
        refused(&whole[..whole.len() - 3], "all but its checksum");
        refused(&[&whole, &b"\n"[..]].concat(), "a byte follows");
        refused(&[&whole[..], &whole].concat(), "another one follows");
        every([3, 60, 95], |part| {
            let mut flipped = whole.clone();
            flipped[whole.len() * part / 100] ^= 0x40;
            refused(&flipped, "one bit is wrong");
        });
    }
    fs::write(home.work().join("text"), "select 1;").expect("written");
    home.db(&["restore", "text"])
        .exits(4)
        .says("`text` is not a complete backup: it was not made by `ampup db backup`");
    home.db(&["restore", "absent"]).exits(3).says("absent");
    // What a backup would be written into.
    for words in [&["backup", "nodir/x"][..], &["backup", "nodir/x", "--dry-run"]] {
        home.db(words)
            .exits(7)
            .says("there is no directory `nodir`")
            .says("hint: `mkdir -p nodir`, or name another file");
    }
    home.db(&["backup", "/proc/x"])
        .exits(1)
        .says("cannot write `/proc/x`")
        .says("\n  no file can be made in that directory: name another file, or none");
    home.db(&["restore", "."])
        .exits(3)
        .says("there is no database")
        .says("hint: `ampup db restore` without a file lists");

    // Programs of its major are needed.
    home.withdraw("postgres", "18.4.0");
    home.offer_postgres(Build::Npm(17));
    home.ampup(&["install", "--component", "postgres@17"]).exits(0);
    // By hand: `uninstall` would not, while a project needs it.
    fs::remove_dir_all(home.path().join("components/postgres/18.4.0")).expect("removed");
    home.db(&["restore", "b.tar.gz"])
        .exits(3)
        .says("was created by PostgreSQL 18")
        .says("hint: `ampup self update` may know a build of it");
}

/// An archive with these entries, and a list that fits them.
fn forged(header: &serde_json::Value, entries: &[TarEntry], change: fn(&mut serde_json::Value)) -> Vec<u8> {
    let (mut files, mut directories) = (serde_json::Map::new(), Vec::new());
    for entry in entries {
        let name = String::from_utf8_lossy(&entry.name).replacen("metadb/", "", 1);
        if entry.kind == b'5' {
            directories.push(name);
        } else {
            let digest = sha256(&entry.content).replace("sha256:", "");
            files.insert(name, json!([entry.content.len(), digest]));
        }
    }
    let mut list = json!({ "files": files, "directories": directories });
    change(&mut list);
    let header = TarEntry::file("ampup-backup.json", &header.to_string());
    let list = TarEntry::file("ampup-digests.json", &list.to_string());
    tar_gz(&[&[header], entries, &[list]].concat())
}

#[test]
fn a_forged_backup_changes_nothing() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    ask(&home, "create table t (x int)");
    // Whoever took a lock last is named in it.
    let state = || {
        let all = fingerprint(&home.work());
        let of_locks =
            |line: &&str| line.contains("/.amp/metadb.lock ") || line.contains("/.amp/metadb.users ");
        let kept: Vec<&str> = all.lines().filter(|line| !of_locks(line)).collect();
        kept.join("\n")
    };
    let before = state();
    let bad = home.work().join("bad.tar.gz");
    let refused = |bytes: &[u8], code: i32, why: &str| {
        fs::write(&bad, bytes).expect("written");
        home.db(&["restore", "bad.tar.gz"]).exits(code).says(why);
        fs::remove_file(&bad).expect("removed");
        let _ = fs::remove_file(home.work().join(".amp/metadb.change"));
        assert_eq!(state(), before, "{why}");
    };

    let head = |schema: u32, major: u32, bytes: u32| json!({ "schema": schema, "major": major, "created": "2026-01-01T00:00:00Z", "bytes": bytes });
    let (header, same) = (head(1, 18, 1_000), |_: &mut serde_json::Value| {});
    let version = TarEntry::file("metadb/PG_VERSION", "18\n");
    let with = |entries: &[TarEntry]| [std::slice::from_ref(&version), entries].concat();
    let file = |name: &str| TarEntry::file(name, "evil");
    let rows = [
        (with(&[file("metadb/../evil")]), "it holds `metadb/../evil`"),
        (with(&[file("/evil")]), "it holds `/evil`"),
        (with(&[file("evil")]), "it holds `evil`"),
        (with(&[file("metadb/.")]), "it holds `metadb/.`"),
        (
            with(&[TarEntry::symlink("metadb/base", "/etc")]),
            "neither a file nor a directory",
        ),
        (
            with(&[TarEntry::hard_link("metadb/a", "metadb/PG_VERSION")]),
            "neither a file nor a directory",
        ),
        (
            with(&[TarEntry::new(b'3', "metadb/device")]),
            "neither a file nor a directory",
        ),
        (
            with(&[file("metadb/a"), file("metadb/a")]),
            "is more than it says",
        ),
        (
            with(&[TarEntry::file("metadb/a", &"x".repeat(1_000))]),
            "is more than it says",
        ),
        (with(&[file("metadb/absent/a")]), "is not a complete backup"),
        (
            with(&[TarEntry::directory("metadb/a"), file("metadb/a")]),
            "is not a complete backup",
        ),
        (vec![file("metadb/a")], "it holds no cluster"),
        (Vec::new(), "it holds no cluster"),
        // All is as it says, and that is not enough.
        (with(&[]), "it holds no cluster of PostgreSQL 18"),
    ];
    every(rows, |(entries, why)| {
        refused(&forged(&header, &entries, same), 4, why);
    });
    // The header as it was before 0.2.0 was out.
    let mut older = header.clone();
    let fields = older.as_object_mut().expect("an object");
    let bytes = fields.remove("bytes").expect("it is there");
    fields.insert("octets".to_owned(), bytes);
    refused(
        &forged(&older, &with(&[]), same),
        4,
        "it holds no cluster of PostgreSQL 18",
    );
    let rows = [
        (
            (|list| list["files"]["PG_VERSION"][1] = json!("0")) as fn(&mut serde_json::Value),
            "`PG_VERSION` is not what",
        ),
        (
            |list| list["files"]["PG_VERSION"][0] = json!(4),
            "`PG_VERSION` is not what",
        ),
        (
            |list| list["files"]["more"] = json!([0, "0"]),
            "`more` is not what",
        ),
        (|list| list["files"] = json!({}), "it holds what was not written"),
        (
            |list| list["directories"] = json!(["base"]),
            "it holds what was not written",
        ),
        (|list| *list = json!([]), "is not a complete backup"),
    ];
    every(rows, |(change, why)| {
        refused(&forged(&header, &with(&[]), change), 4, why);
    });
    let rows = [
        (head(2, 18, 1_000), 4, "a newer ampup made it"),
        (head(1, 99, 1_000), 3, "was created by PostgreSQL 99"),
        (
            head(1, 14, 1_000),
            3,
            "\n  install PostgreSQL 14 from your system's packages, such as Debian's `postgresql-14`, and run the same command again",
        ),
        (head(1, 18, 2), 4, "is more than it says"),
        (json!({}), 4, "is not a complete backup"),
    ];
    every(rows, |(header, code, why)| {
        refused(&forged(&header, &with(&[]), same), code, why);
    });
    let after = [
        TarEntry::file("ampup-backup.json", &header.to_string()),
        TarEntry::file("ampup-digests.json", "{}"),
        version.clone(),
    ];
    refused(&tar_gz(&after), 4, "is not a complete backup");
    refused(&tar_gz(&[version]), 4, "it was not made by `ampup db backup`");
}
