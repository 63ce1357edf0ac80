//! The law of data safety as seen from the command line: no command removes or changes a cluster. The numbers are its
//! lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt as _,
    process::Command,
};

use ampup::cli::help;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

#[cfg(target_os = "linux")]
use crate::support::disk::SmallDisk;
use crate::{
    postgres_ampd::{ampds_server, serves},
    support::{
        home::{Run, finish},
        postgres::{copy_home, done, eventually, fingerprint, run_as},
        served::{Served, ampup_in, run_in},
    },
};

/// The words that a command is called with, beside the flag that is tried: its required arguments.
fn words(command: &str) -> &'static [&'static str] {
    match command {
        "info" | "why" => &["postgres"],
        "search" => &["post"],
        "use" => &["postgres@18.4.0"],
        "uninstall" => &["postgres"],
        "which" => &["postgres"],
        "completions" => &["bash"],
        "complete" => &["--", "ampup", "in"],
        "run" => &["true"],
        "db reset" => &["work"],
        "db psql" => &["-XtAc", ROWS],
        "db restore" => &["backup"],
        "db fork" => &["elsewhere"],
        "link" => &["postgres", "elsewhere"],
        "pin" => &["postgres@18"],
        "mirror" => &["elsewhere", "postgres@18.4.0", "--offline"],
        "registry check" => &["elsewhere"],
        "db import" => &["dump.sql"],
        _ => &[],
    }
}

/// A value for a flag that takes one. A flag that is not known here fails the test: say what it shall be tried with.
fn value(flag: &str, served: &Served) -> String {
    match flag {
        "color" | "progress" => "never".to_owned(),
        "home" => served.home.path().to_string(),
        "registry" => served.home.work().join("no-registry.json").to_string(),
        "registry_key" => served.home.work().join("no-key.pub").to_string(),
        "project" => served.home.work().to_string(),
        "with" => "postgres@18.4.0".to_owned(),
        "target" | "targets" => "x86_64-unknown-linux-gnu".to_owned(),
        "mirror" => "file:///nowhere".to_owned(),
        "lock_timeout" | "jobs" | "made" => "1".to_owned(),
        "line" => "ampup in".to_owned(),
        "components" | "component" => "postgres@18.4.0".to_owned(),
        "github_token" | "verify_self" | "repo" | "arch" | "platform" => "nothing".to_owned(),
        "amp_dir" => served.amp_dir().to_string(),
        // The worst that somebody could name.
        "kept" | "remove" => served.data().to_string(),
        "to" => "18".to_owned(),
        "run_as" => run_as().map_or_else(|| "nobody".to_owned(), |user| user.name),
        other => panic!("no value for `--{other}`"),
    }
}

/// Every command, as words: alone, and with each of its flags, those that all commands have included. Commands that start
/// the server, or copy a cluster, share their code for what all have (`Global::options`); there those are tried with `run`
/// alone, which saves a minute and a half.
fn every_command(served: &Served) -> Vec<Vec<String>> {
    fn walk(command: &clap::Command, path: &[String], served: &Served, found: &mut Vec<Vec<String>>) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let path = [path, &[verb.get_name().to_owned()]].concat();
            if verb.has_subcommands() {
                walk(verb, &path, served, found);
                continue;
            }
            let rest: Vec<String> = words(&path.join(" "))
                .iter()
                .map(|word| (*word).to_owned())
                .collect();
            found.push([path.clone(), rest.clone()].concat());
            for flag in verb.get_arguments().filter(|argument| !argument.is_positional()) {
                let id = flag.get_id().as_str();
                if ["help", "version", "follow"].contains(&id)
                    || flag.is_global_set()
                        && (starts_the_server(&path) || copies_a_cluster(&path))
                        && path[0] != "run"
                {
                    // `logs -f` goes on for ever; it reads as `logs` does.
                    continue;
                }
                let name = flag.get_long().map_or_else(
                    || format!("-{}", flag.get_short().expect("a flag has a name")),
                    |long| format!("--{long}"),
                );
                let mut words = path.clone();
                words.push(name);
                if flag.get_action().takes_values() {
                    words.push(value(id, served));
                }
                found.push([words, rest.clone()].concat());
            }
        }
    }
    let mut grammar = help::grammar();
    grammar.build();
    let mut found = Vec::new();
    walk(&grammar, &[], served, &mut found);
    found
}

/// Those that start the server on purpose: it writes in its own directory, so that the rows are compared.
fn starts_the_server(words: &[String]) -> bool {
    let [first, second] = [0, 1].map(|at| words.get(at).map_or("", String::as_str));
    first == "run" || first == "db" && ["start", "psql", "compact"].contains(&second)
}

/// Those that write a whole cluster, or read one, each in about a second.
fn copies_a_cluster(words: &[String]) -> bool {
    words.len() > 1 && words[0] == "db" && ["backup", "restore"].contains(&words[1].as_str())
}

const ROWS: &str = "select count(*) || ' ' || sum(x) from t";

/// A project with rows, a backup of it, and the commands to try there.
fn project_to_try(is_tried: impl Fn(&[String]) -> bool) -> (Served, Vec<Vec<String>>) {
    let served = Served::new();
    served.sql("create table t as select generate_series(1, 1000) as x");
    served.ampup(&["db", "backup", "backup"]).exits(0);
    fs::write(
        served.home.work().join("dump.sql"),
        "create table other as select 1 as x;\n",
    )
    .expect("written");
    copy_home(&served.home.path(), &spare(&served));
    let mut commands = every_command(&served);
    commands.retain(|words| is_tried(words));
    (served, commands)
}

/// The home as it was, for commands that come after one that removed it.
fn spare(served: &Served) -> Utf8PathBuf {
    served.home.work().parent().expect("a world").join("spare")
}

fn try_one(served: &Served, words: &[String]) -> Run {
    let home = served.home.path();
    if !home.join("active/postgres/bin/postgres").exists() {
        done(Command::new("rm").args(["-rf", home.as_str()]));
        copy_home(&spare(served), &home);
    }
    let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = served.home.command(&arguments);
    command.env("AMPUP_OFFLINE", "1").env("AMPUP_YES", "1");
    let run = finish(command);
    assert!(run.code >= 0 && run.code != 101, "{words:?}: {run:?}");
    run
}

/// 10. `reset`, `restore` and an `import` that was told to put another cluster in its place, and keep this one as it was.
#[test]
fn no_command_with_any_flag_removes_or_changes_a_cluster() {
    let (served, commands) = project_to_try(|words| !starts_the_server(words));
    let verbs: BTreeSet<&str> = commands.iter().map(|words| words[0].as_str()).collect();
    assert!(commands.len() > 200 && verbs.contains("prune"), "{verbs:?}");
    let (content, before) = (fingerprint(&served.data()), stamps(&served.data()));
    for words in &commands {
        let run = try_one(&served, words);
        let puts_aside = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["db", "reset" | "restore", ..] => true,
            ["db", "import", ref flags @ ..] => flags.contains(&"--replace"),
            _ => false,
        };
        if puts_aside && !words.iter().any(|word| word == "--dry-run") {
            let aside = aside(&served.amp_dir());
            assert!(run.code == 0 && aside.len() == 1, "{words:?}: {run:?} {aside:?}");
            if words[1] != "reset" {
                fs::remove_dir_all(served.data()).expect("the new one away");
            }
            fs::rename(&aside[0], served.data()).expect("back");
        }
        let now = stamps(&served.data());
        assert!(now == before, "{words:?}: {run:?}\n{before:#?}\n{now:#?}");
    }
    assert_eq!(fingerprint(&served.data()), content);
}

/// 10
#[test]
fn no_command_that_starts_the_server_loses_a_row() {
    let (served, commands) = project_to_try(starts_the_server);
    let verbs: BTreeSet<&str> = commands.iter().map(|words| words[0].as_str()).collect();
    assert!(commands.len() > 20 && verbs.len() == 2, "{commands:?}");
    for words in &commands {
        let run = try_one(&served, words);
        assert_eq!(served.sql(ROWS), "1000 500500", "{words:?}: {run:?}");
        let is_planned = words.iter().any(|word| word == "--dry-run");
        let starts = words[1] == "start" && !is_planned;
        assert_eq!(served.is_running(), starts, "{words:?}: {run:?}");
        finish(served.home.command(&["db", "stop"])).exits(0);
    }
}

/// The stamps of the file system on everything in a directory. Whatever writes to a file changes the time of its last change,
/// which no program can set, so that this shows more than the contents would, and in a hundredth of the time. (Of
/// directories it is left out: a rename changes it.)
pub(crate) fn stamps(directory: &Utf8Path) -> BTreeMap<Utf8PathBuf, [i64; 7]> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        let is = fs::symlink_metadata(&path).expect("there");
        let changed = if is.is_dir() {
            open.extend(
                path.read_dir_utf8()
                    .expect("listed")
                    .map(|entry| entry.expect("an entry").into_path()),
            );
            [0; 2]
        } else {
            [is.ctime(), is.ctime_nsec()]
        };
        let numbers = [
            is.mode().into(),
            is.uid().into(),
            is.ino().cast_signed(),
            is.mtime(),
            is.mtime_nsec(),
        ];
        let name = path.strip_prefix(directory).expect("below").to_owned();
        let [mode, uid, inode, modified, nanoseconds] = numbers;
        found.insert(
            name,
            [mode, uid, inode, modified, nanoseconds, changed[0], changed[1]],
        );
    }
    found
}

fn aside(amp_dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    amp_dir
        .read_dir_utf8()
        .expect("listed")
        .map(|entry| entry.expect("an entry").into_path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.starts_with("metadb.old-"))
        })
        .collect()
}

/// 15
#[test]
fn a_copy_started_with_ampds_own_line_leaves_the_originals_rows_alone() {
    let served = Served::new();
    served.sql("create table t as select 'original' as x");
    served.ampup(&["db", "start"]).exits(0);
    let copy = served.home.work().parent().expect("a world").join("copy");
    done(Command::new("cp").args(["-a", served.home.work().as_str(), copy.as_str()]));
    let data = copy.join(".amp/metadb");
    // The copied pid file names the original's living server: PostgreSQL refuses, or serves the copy; both are right.
    let mut ampds = ampds_server(&data);
    let mut is_over = false;
    eventually("ampd's server serves the copy, or has refused", || {
        is_over = ampds.try_wait().expect("asked").is_some();
        let own = ampup::postgres::identity::servers_of(&data).expect("listed");
        is_over || !own.is_empty() && data.join(".s.PGSQL.5432").exists()
    });
    let change = ["db", "psql", "-Xqc", "update t set x = 'copy'"];
    run_in(&served, &copy, &change).exits(0);
    run_in(&served, &copy, &["db", "stop"]).exits(0);
    ampds.wait().expect("ended");
    assert!(served.is_running(), "the original was never touched");
    assert_eq!(served.sql("select x from t"), "original");
    let mut ampds = ampds_server(&data);
    serves(&data);
    assert_eq!(served.sql("select x from t"), "original");
    finish(ampup_in(
        &served,
        &copy,
        &["db", "psql", "-XtAc", "select x from t"],
    ))
    .exits(0)
    .prints("copy\n");
    run_in(&served, &copy, &["db", "stop"]).exits(0);
    ampds.wait().expect("ended");
}

/// 8. On a small file system of its own, which only root can make.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_refused_and_nothing_is_lost() {
    let served = Served::new();
    let disk = served.home.directory("disk");
    let Some(_small) = SmallDisk::mount(&disk, 140 << 20) else {
        return;
    };
    let psql = |statement: &str| run_in(&served, &disk, &["db", "psql", "-XtAc", statement]);
    psql("create table t as select 1 as x")
        .exits(0)
        .says("MiB are free");
    psql("create unlogged table big as select repeat('x', 1000) from generate_series(1, 1000000)")
        .exits(1)
        .says("No space left on device");
    let filler = disk.join("filler");
    let mut filled = fs::File::create(&filler).expect("made");
    std::io::copy(&mut std::io::repeat(0), &mut filled).expect_err("full");
    let refused = psql("select 1");
    // It may still serve: reading needs no room. If it cannot, it says why.
    assert!(refused.code == 0 || refused.code == 7, "{refused:?}");
    run_in(&served, &disk, &["db", "status"])
        .exits(0)
        .says("are free for the database");
    // A file that is open keeps its room.
    drop(filled);
    fs::remove_file(&filler).expect("removed");
    psql("select x from t").exits(0).prints("1\n");
}

/// Sorting for an index takes more room than the table and its indexes.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_while_it_is_compacted_is_told_as_such() {
    let served = Served::new();
    let disk = served.home.directory("disk");
    let Some(small) = SmallDisk::mount(&disk, 400 << 20) else {
        return;
    };
    let psql = |statement: &str| run_in(&served, &disk, &["db", "psql", "-XtAqc", statement]);
    psql("alter system set maintenance_work_mem = '1MB'").exits(0);
    // Without a write-ahead log, so that it is the table's own room that is not there.
    psql(
        "create unlogged table t as select repeat(md5(i::text), 12) as x from generate_series(1, 50000) as i; \
         create index on t (x)",
    )
    .exits(0);
    small.leave(48 << 20);
    let run = run_in(&served, &disk, &["db", "compact"]).exits(7);
    let run = run.says(" (53100)\n").says("hint: free disk space");
    assert_eq!(run.stderr.matches("refused").count(), 1, "{run:?}");
    small.grow();
    psql("select count(*) from t").exits(0).prints("50000\n");
    run_in(&served, &disk, &["db", "compact"]).exits(0);
}

/// 8. What is written first is the log of `pg_wal`: where that has no room a server crashes, and is left at once.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_under_a_run_loses_no_acknowledged_row_and_leaves_no_server() {
    let served = Served::new();
    let disk = served.home.directory("disk");
    let Some(small) = SmallDisk::mount(&disk, 400 << 20) else {
        return;
    };
    let psql = |statement: &str| run_in(&served, &disk, &["db", "psql", "-XtAc", statement]);
    psql("create table t (x int)").exits(0);
    let fill = "i=0; while psql -Xqc \"insert into t values ($i); \
                select pg_logical_emit_message(true, 'x', repeat('x', 8000000))\" \
                \"$AMP_CONFIG_METADATA_DB__URL\" >out 2>&1; do i=$((i+1)); done; echo $i; cat out >&2";
    let mut acknowledged = 0;
    for _ in 0..2 {
        small.leave(40 << 20);
        let run = run_in(&served, &disk, &["run", "sh", "-c", fill]).exits(0);
        acknowledged += run.stdout.trim().parse::<u64>().expect("a number");
        assert!(run.stderr.contains("No space left on device"), "{run:?}");
        let data = disk.join(".amp/metadb");
        assert!(
            ampup::postgres::identity::servers_of(&data)
                .expect("listed")
                .is_empty(),
            "{run:?}"
        );
        small.grow();
        let rows: u64 = psql("select count(*) from t")
            .exits(0)
            .stdout
            .trim()
            .parse()
            .expect("a number");
        assert!(rows >= acknowledged, "{rows} of {acknowledged}");
        acknowledged = rows;
    }
}
