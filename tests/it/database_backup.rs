//! `ampup db backup` and `ampup db restore`, on real PostgreSQL.

mod damaged;

use std::os::unix::process::CommandExt as _;

use ampup::{
    event::Silent,
    postgres::{Purpose, Server, StartOptions},
};
use camino::Utf8Path;
use fs_err as fs;

use crate::support::{
    database::{Build, Ends},
    disk::SmallDisk,
    home::{Home, finish, program},
    postgres::{fingerprint, run_as, sql},
    programs,
    served::{Running, Served},
    table::every,
};

fn start(home: &Home, purpose: Purpose) -> Server {
    let start = StartOptions::default().purpose(purpose);
    home.cluster().start(&start, &Silent).expect("started")
}

fn ask(home: &Home, statement: &str) -> String {
    let server = start(home, Purpose::Session);
    let answer = sql(server.url(), statement).expect("answered");
    server.release(&Silent).expect("left");
    answer
}

#[test]
fn what_was_backed_up_is_restored_and_nothing_is_lost() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    home.db(&["backup"]).exits(3).says("there is no database");
    ask(
        &home,
        "create table much as select generate_series(1, 1500000) as x; drop table much; \
         create table t as select generate_series(1, 1000) as x",
    );
    // A long write-ahead log was not kept to be used again.
    assert_eq!(ask(&home, "select count(*) < 4 from pg_ls_waldir()"), "t");

    let file = home.work().join("b.tar.gz");
    home.db(&["backup", "b.tar.gz", "--amp-dir", ".amp"])
        .exits(0)
        .prints(&format!("{file}\n"))
        .says("`ampup db restore b.tar.gz --amp-dir .amp` restores it\n");
    home.db(&["backup", "b.tar.gz"]).exits(1).says("already exists");
    ask(&home, "delete from t");
    home.db(&["restore", "b.tar.gz", "--dry-run"])
        .exits(0)
        .says("nothing was")
        .says("what is there is kept as");
    assert_eq!(ask(&home, "select count(*) from t"), "0");
    home.db(&["restore", "b.tar.gz"])
        .exits(0)
        .says("the database that was there is kept: `ampup db restore ");
    assert_eq!(ask(&home, "select count(*) from t"), "1000");
    let kept = home.in_amp("metadb.old-");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].join("PG_VERSION").exists());
    assert!(home.in_amp("metadb.next").is_empty());

    // A running server is stopped and started again; one that somebody uses is not stopped.
    let used = start(&home, Purpose::Session);
    let who = if cfg!(target_os = "linux") {
        format!("is in use by process {} (`", std::process::id())
    } else {
        "is in use by an `ampup run`".to_owned()
    };
    home.db(&["backup"]).exits(6).says(&who);
    home.db(&["restore", "b.tar.gz"]).exits(6).says("is in use by");
    assert!(home.in_amp("metadb.next").is_empty());
    sql(used.url(), "select 1").expect("it serves on");
    used.release(&Silent).expect("left");
    let stays = start(&home, Purpose::Stay);
    let url = stays.url().to_owned();
    drop(stays);
    // What one that was killed left goes with the next.
    let left = home.work().join(".amp/backups/.new-left");
    fs::create_dir_all(left.parent().expect("it has one")).expect("made");
    home.give(left.parent().expect("it has one"));
    fs::write(&left, "half a backup").expect("written");
    for _ in 0..4 {
        home.db(&["backup"]).exits(0);
        assert!(!left.exists());
        sql(&url, "select 1").expect("it runs again");
    }
    assert_eq!(listed(&home).len(), 3);
    home.db(&["restore", "b.tar.gz"]).exits(0);
    assert_eq!(
        sql(&url, "select count(*) from t").expect("it runs again"),
        "1000"
    );

    // A copy of what does not start is no backup, and takes the place of none.
    home.db(&["stop"]).exits(0);
    let before = listed(&home);
    fs::rename(home.work().join(".amp/metadb/base"), home.work().join("base")).expect("moved");
    for arguments in [&["backup"][..], &["backup", "c.tar.gz"]] {
        home.db(arguments)
            .exits(1)
            .says("is damaged: it lacks `base`")
            .says("restore a backup with `ampup db restore`");
    }
    assert_eq!(listed(&home), before);
    assert!(!home.work().join("c.tar.gz").exists());
    home.db(&["restore", "b.tar.gz"]).exits(0);
    assert_eq!(ask(&home, "select count(*) from t"), "1000");
}

/// The names of the backups in the default place.
fn listed(home: &Home) -> Vec<String> {
    let directory = home.work().join(".amp/backups").read_dir_utf8().expect("listed");
    let mut names: Vec<String> = directory
        .map(|entry| entry.expect("an entry").file_name().to_owned())
        .collect();
    names.sort();
    names
}

/// On a small file system, which only root can make.
#[test]
fn without_room_nothing_is_begun_or_nothing_is_left() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let amp = home.work().join(".amp");
    fs::create_dir(&amp).expect("made");
    let Some(disk) = SmallDisk::mount(&amp, 400 << 20) else {
        return;
    };
    let _ends = Ends(&home);
    ask(
        &home,
        "create table t as select repeat(md5(x::text), 30) as x from generate_series(1, 60000) as x",
    );
    home.db(&["backup", "b.tar.gz"])
        .exits(0)
        .says("`ampup db restore b.tar.gz` restores it\n");

    disk.leave(20 << 20);
    let before = fingerprint(&amp.join("metadb"));
    home.db(&["restore", "b.tar.gz"]).exits(7).says("has 20 MiB free");
    assert_eq!(fingerprint(&amp.join("metadb")), before);
    home.db(&["compact"]).exits(7).says("its largest table has");

    // How large a backup will be, nobody knows. The server that was stopped for it runs again.
    let stays = start(&home, Purpose::Stay);
    let url = stays.url().to_owned();
    drop(stays);
    disk.leave(1 << 20);
    home.db(&["backup"]).exits(7).says("No space left on device");
    assert_eq!(amp.join("backups").read_dir_utf8().expect("listed").count(), 0);
    disk.grow();
    assert_eq!(
        sql(&url, "select count(*) from t").expect("it runs again"),
        "60000"
    );
    home.db(&["compact"]).exits(0);
    home.db(&["restore", "b.tar.gz"]).exits(0);
}

#[test]
fn what_a_project_keeps_goes_only_when_it_is_named() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    ask(&home, "create table t (x int)");
    home.db(&["backup"]).exits(0);
    home.db(&["reset", "work"]).exits(0);
    ask(&home, "select 1");
    let amp = home.work().join(".amp");
    fs::write(amp.join("log/postgres-20260101T000000Z.log"), "old\n").expect("written");
    home.give(&amp.join("log"));
    let only = |directory: &Utf8Path, begin: &str| {
        let entries = directory.read_dir_utf8().expect("listed").flatten();
        let mut found = entries.filter(|entry| entry.file_name().starts_with(begin));
        found.next().expect("one is there").into_path()
    };
    let kept = [
        only(&amp, "metadb.old-"),
        only(&amp.join("backups"), "metadb-"),
        only(&amp.join("log"), "postgres-"),
    ];
    let link = home.work().join("link");
    fs_err::os::unix::fs::symlink(&kept[0], &link).expect("linked");

    let listed = home.ampup(&["prune"]).exits(0);
    for path in &kept {
        assert!(listed.stderr.contains(&home.shown(path)), "{listed:?}");
    }
    let rows = [
        ".amp/metadb",
        ".amp/log/postgres.log",
        ".amp",
        "link",
        "/etc/hostname",
        ".amp/metadb.old-x",
    ];
    every(rows, |other| {
        home.ampup(&["prune", "--kept", other])
            .exits(3)
            .says("is not an old database");
    });
    for (index, path) in kept.iter().enumerate() {
        assert!(kept[index..].iter().all(|path| path.exists()), "{path}");
        home.ampup(&["prune", "--dry-run", "--kept", path.as_str()])
            .exits(0);
        assert!(path.exists());
        let pruned = home.ampup(&["prune", "--kept", path.as_str()]).exits(0);
        assert!(!path.exists());
        // The others have been seen by whoever names one.
        assert!(!pruned.stderr.contains("kept: "), "{pruned:?}");
    }
    ask(&home, "select 1");
}

#[test]
fn a_person_is_asked_for_the_name_before_a_reset() {
    let Some(script) = programs::find("script") else {
        return;
    };
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    ask(&home, "create table t (x int)");
    let answer = |word: &str| {
        // A terminal of its own for the program; what is typed comes from a file.
        let mut command = home.other_program(&script);
        command.args(["-qec", &format!("{} db reset", program()), "/dev/null"]);
        if let Some(user) = run_as() {
            command.uid(user.uid).gid(user.gid);
        }
        let typed = home.work().join("typed");
        fs::write(&typed, word).expect("written");
        command.stdin(fs::File::open(&typed).expect("there").into_parts().0);
        finish(command)
    };
    every(["\n", "yes\n", "other\n", "\u{4}"], |word| {
        let run = answer(word);
        assert!([1, 2].contains(&run.code), "{word:?}: {run:?}");
        assert!(run.stdout.contains("Type `work` to continue:"), "{run:?}");
        assert!(home.in_amp("metadb.old-").is_empty());
    });
    let run = answer("work\n").exits(0);
    assert!(
        run.stdout.contains("the next start creates an empty database"),
        "{run:?}"
    );
    assert_eq!(home.in_amp("metadb.old-").len(), 1);
}

/// The address of the running server for the role `other`.
fn as_other_at(home: &Home, me: &str) -> String {
    let stays = start(home, Purpose::Stay);
    stays.url().replace(&format!("user={me}"), "user=other")
}

/// The superuser of a cluster has its maker's name, and whoever restores it may have another.
#[test]
fn a_database_that_another_user_made_is_refused_clearly_and_restored_as_ones_own() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let stays = start(&home, Purpose::Stay);
    let (url, me) = (stays.url().to_owned(), stays.evidence().user.clone());
    drop(stays);
    sql(&url, "create table t as select 7 as x").expect("made");
    sql(&url, "create role other superuser login").expect("made");
    let as_other = url.replace(&format!("user={me}"), "user=other");
    sql(&as_other, &format!("alter role \"{me}\" rename to maker")).expect("renamed");
    home.db(&["stop"]).exits(0);

    for words in [&["start"][..], &["psql", "-c", "select 1"]] {
        home.db(words)
            .exits(1)
            .says(&format!("role \"{me}\" does not exist"))
            .says("\n  another user made it: `ampup db backup FILE`");
        let left = ampup::postgres::identity::servers_of(&home.work().join(".amp/metadb")).expect("listed");
        assert!(
            left.is_empty(),
            "a server that nobody can use is not left: {left:?}"
        );
    }
    // Nor is one stopped that cannot be asked who uses it.
    let place = home.work().join(".amp/metadb");
    let mut ampd = crate::postgres_ampd::ampds_server(&place);
    crate::support::postgres::eventually("ampd's server serves", || sql(&as_other, "select 1").is_ok());
    home.db(&["backup", "b.tar.zst"])
        .exits(6)
        .says("a server that another program started");
    sql(&as_other, "select 1").expect("it serves on");
    home.db(&["stop"]).exits(0);
    ampd.wait().expect("ended");
    home.db(&["backup", "b.tar.zst"]).exits(0);
    home.db(&["restore", "b.tar.zst"])
        .exits(0)
        .says(&format!("`{me}` is a superuser of the restored database too"));
    assert_eq!(ask(&home, "select x from t"), "7");
    // The name may be there, and not be a superuser's.
    sql(
        &as_other_at(&home, &me),
        &format!("alter role \"{me}\" nosuperuser nologin"),
    )
    .expect("altered");
    home.db(&["stop"]).exits(0);
    home.db(&["start"]).exits(1).says("pg_hba.conf");
    home.db(&["backup", "d.tar.zst"]).exits(0);
    home.db(&["restore", "d.tar.zst"])
        .exits(0)
        .says(&format!("`{me}` is a superuser of the restored database too"));
    assert_eq!(ask(&home, "select x from t"), "7");
    // What came by a restore is a project as any other.
    home.db(&["backup", "c.tar.zst"]).exits(0);
    fs::create_dir(home.work().join("fresh")).expect("made");
    home.give(&home.work().join("fresh"));
    let run = home
        .ampup(&["db", "restore", "c.tar.zst", "--amp-dir", "fresh/.amp"])
        .exits(0);
    assert!(!run.stderr.contains("too"), "{run:?}");
    home.ampup(&["db", "list"]).exits(0).prints_with("fresh/.amp");
}

#[test]
fn a_fork_is_a_copy_and_the_other_project_keeps_its_own() {
    let served = Served::new();
    served
        .ampup(&["run", "--", "sh", "-c", &psql("create table t as select 7 as x")])
        .exits(0);
    let work = served.home.directory("fork");
    let here = |arguments: &[&str]| {
        let mut command = served.home.command(arguments);
        command.current_dir(&work);
        finish(command)
    };
    let from = served.home.work();
    here(&["db", "fork", from.as_str(), "--dry-run"])
        .exits(0)
        .says("nothing was")
        .says("a copy of `");
    assert!(!work.join(".amp").exists(), "nothing was made");
    here(&["db", "fork", from.as_str()]).exits(0).says("is a copy of");
    let read = ["run", "--", "sh", "-c", &psql("select x from t")];
    here(&read).exits(0).prints("7\n");
    here(&["run", "--", "sh", "-c", &psql("insert into t values (8)")]).exits(0);
    served.ampup(&read).exits(0).prints("7\n");
    // Once more: what is here is kept.
    here(&["db", "fork", from.as_str()])
        .exits(0)
        .says("is kept: `ampup db restore ");
    here(&read).exits(0).prints("7\n");
    let left = work.join(".amp").read_dir_utf8().expect("listed").flatten();
    assert!(
        left.filter(|entry| entry.file_name().starts_with("metadb.fork-"))
            .count()
            == 0
    );
    here(&["db", "fork", "."]).exits(2).says("this project's own");
    here(&["db", "fork", "nowhere"])
        .exits(3)
        .says("hint: `ampup db list` shows the projects that have a database");
}

/// A server is stopped for a copy: that is said, and nobody is cut off for it who was not asked about.
#[test]
fn whatever_restarts_a_server_cuts_nobody_off_without_a_word() {
    let served = Served::new();
    served.ampup(&["db", "start"]).exits(0);
    let (work, from) = (served.home.directory("fork"), served.home.work());
    let fork = |more: &[&str]| {
        let mut command = served.home.command(&["db", "fork", from.as_str()]);
        command.args(more).current_dir(&work);
        finish(command)
    };
    served.ampup(&["db", "backup", "x"]).exits(0);
    fs::write(from.join("x.dump"), "create table x (x int);\n").expect("written");
    let url = served.ampup(&["db", "url"]).exits(0).stdout;
    let mut client = served.home.as_the_user("/bin/sh".into());
    client.args([
        "-c",
        "exec psql -Xq -c '\\! echo 1' -c 'select pg_sleep(600)' \"$0\" 2>/dev/null",
        url.trim(),
    ]);
    let mut client = Running::begin(client);
    assert_eq!(client.line(), "1");
    for more in [&[][..], &["--dry-run"]] {
        let run = fork(more).exits(6).says("is in use by psql of user ");
        assert!(
            run.stderr
                .contains("`ampup db import \"$(ampup db url --amp-dir "),
            "{run:?}"
        );
    }
    let rows: [&[&str]; 4] = [
        &["backup"],
        &["reset", "work"],
        &["restore", "x"],
        &["import", "x.dump"],
    ];
    every(rows, |words| {
        let run = served.ampup(&[&["db"], words].concat()).exits(6);
        run.says("is in use by psql of user ")
            .says(&format!("`ampup db {} --yes` ends it", words.join(" ")));
    });
    // Nobody is told to end sessions for what cannot be done.
    every(["restore", "import", "fork"], |verb| {
        served.ampup(&["db", verb, "nowhere"]).exits(3).says("nowhere");
    });
    served
        .ampup(&["db", "backup", "--dry-run"])
        .exits(0)
        .says("is cut off: the server is stopped for this");
    served
        .ampup(&["db", "backup", "--yes"])
        .exits(0)
        .says("was stopped for this, and runs again");
    assert_ne!(client.code(), 0, "its session ended");
    fork(&["--dry-run"])
        .exits(0)
        .says("is stopped for the copy, and started again");
    fork(&[])
        .exits(0)
        .says(".amp/metadb` was stopped for this, and runs again");
    assert!(served.is_running());
}

fn psql(line: &str) -> String {
    format!("psql -XtAq \"$AMP_CONFIG_METADATA_DB__URL\" -c '{line}'")
}
