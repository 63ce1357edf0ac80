//! An upgrade that fails: the old cluster serves every row, and a second run finishes once the cause is gone.

use ampup::event::Silent;
use std::{process::Command, thread, time::Duration};

use ampup::postgres::Purpose;
use camino::Utf8PathBuf;
use fs_err as fs;

use super::{has_every_row, home, major, start, with_16};
use crate::support::{
    database::{Build, Ends},
    disk::SmallDisk,
    home::{Home, finish},
    postgres::{done, fingerprint, sql},
    table::every,
    world::write_program,
};

/// A server that stays, which an upgrade stops and starts again.
fn stays(home: &Home) -> String {
    let server = start(home, Purpose::Stay);
    server.url().to_owned()
}

/// The old cluster serves again, and nothing of the new one is left.
#[track_caller]
fn is_as_before(home: &Home, url: &str) {
    assert_eq!(major(home), 15);
    has_every_row(url);
    assert!(home.in_amp("metadb.next").is_empty());
    assert!(home.in_amp("metadb.old-").is_empty());
}

#[test]
fn what_fails_on_the_way_leaves_the_old_cluster_running() {
    let home = with_16(home());
    let _ends = Ends(&home);
    let url = stays(&home);
    // A function that the new server cannot make.
    let function = "create function g() returns int language internal as 'int4pl'";
    sql(&url, function).expect("made");
    let absent = "update pg_proc set prosrc = 'no_such_function' where proname = 'g'";
    sql(&url, absent).expect("changed");
    home.db(&["upgrade"]).exits(1).says("no_such_function");
    is_as_before(&home, &url);
    sql(&url, "drop function g()").expect("dropped");
    // One of PostgreSQL's own that has other arguments there.
    for statement in [
        "set allow_system_table_mods = on; create function pg_catalog.gone() returns int language sql as 'select 1'",
        "revoke execute on function pg_catalog.gone() from public",
    ] {
        sql(&url, statement).expect("made");
    }
    home.db(&["upgrade"])
        .exits(1)
        .says("function pg_catalog.gone() does not exist")
        .says("or not at all: `ampup db psql -c 'GRANT ALL ON FUNCTION pg_catalog.gone() TO PUBLIC'` takes");
    is_as_before(&home, &url);
    sql(&url, "grant all on function pg_catalog.gone() to public").expect("taken back");

    // Programs that fail: at once, in the middle of what they write, and in the middle of what they read. One that does not
    // even say its version is passed over.
    const VERSION: &str = "case \"$*\" in *--version) exec $0.real --version;; esac";
    let old = format!("postgres/{}", Build::Debian15.version());
    let rows = [
        ("postgres/16.2.0", "postgres", "exit 3", "exit code 3"),
        (old.as_str(), "pg_dumpall", "exit 3", "exit code 3"),
        (
            &old,
            "pg_dump",
            "$0.real \"$@\" | head -c 3000; exit 1",
            "pg_dumpall",
        ),
        (&old, "psql", "head -c 3000 >/dev/null; exit 1", "psql"),
    ];
    every(rows, |(tree, name, script, said)| {
        let program = home.path().join("components").join(tree).join("bin").join(name);
        let real = Utf8PathBuf::from(format!("{program}.real"));
        fs::rename(&program, &real).expect("moved");
        let version = if name == "postgres" { "" } else { VERSION };
        write_program(&program, format!("#!/bin/sh\n{version}\n{script}\n"));
        home.db(&["upgrade"]).exits(1).says(said);
        is_as_before(&home, &url);
        fs::rename(&real, &program).expect("moved back");
    });
    let done = home.db(&["upgrade"]).exits(0);
    assert!(!done.stderr.contains("settings"), "nobody changed any: {done:?}");
    assert_eq!(major(&home), 16);
    has_every_row(&url);
}

/// On a small file system of its own, which only root can make.
#[test]
fn a_disk_that_is_full_is_said_and_nothing_is_lost() {
    let home = with_16(home());
    let _ends = Ends(&home);
    let url = stays(&home);
    let rows = "insert into s.\"odd | name\" select generate_series(3, 600002)";
    sql(&url, rows).expect("written");
    home.db(&["stop"]).exits(0);
    let (amp, original) = (home.work().join(".amp"), home.work().join("original"));
    fs::rename(&amp, &original).expect("moved");
    fs::create_dir(&amp).expect("made");
    // Enough for two clusters.
    let Some(disk) = SmallDisk::mount(&amp, 600 << 20) else {
        return;
    };
    done(Command::new("cp").args(["-aT", original.as_str(), amp.as_str()]));

    // What is needed is asked for first.
    disk.leave(150 << 20);
    let before = fingerprint(&amp.join("metadb"));
    home.db(&["upgrade"])
        .exits(7)
        .says("a second cluster needs about");
    assert_eq!(fingerprint(&amp.join("metadb")), before, "no server was started");

    // It goes while rows are copied.
    disk.grow();
    let command = home.command(&["db", "upgrade"]);
    let next = amp.join("metadb.next/metadb/base");
    let running = thread::spawn(|| finish(command));
    while !next.read_dir_utf8().is_ok_and(|databases| databases.count() > 3) {
        assert!(!running.is_finished(), "{:?}", running.join());
        thread::sleep(Duration::from_millis(1));
    }
    disk.leave(1 << 20);
    running
        .join()
        .expect("ended")
        .exits(7)
        .says("No space left on device");
    assert!(home.in_amp("metadb.next").is_empty());
    disk.grow();
    let server = start(&home, Purpose::Session);
    let all = "select count(*) from s.\"odd | name\"";
    assert_eq!(sql(server.url(), all).expect("answered"), "600002");
    server.release(&Silent).expect("stopped");
    assert_eq!(major(&home), 15);
    home.db(&["upgrade"]).exits(0).says("605002 rows");
}
