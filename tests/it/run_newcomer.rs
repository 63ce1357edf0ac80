//! `run` and `db` as somebody meets them who reads each line: what they say, which project they mean, and what psql gets.

use fs_err as fs;

use crate::support::{
    home::{Run, finish, program},
    served::Served,
    table::every,
};

#[test]
fn a_run_says_one_line_and_means_the_project_that_its_user_does() {
    let served = Served::new();
    let work = served.home.work();
    // A machine that is slow says so before.
    let lines = |run: &Run| {
        run.stderr
            .lines()
            .filter(|line| *line != "starting the project's database…" && !line.starts_with("waiting for "))
            .count()
    };
    let first = served.ampup(&["run", "true"]).exits(0);
    assert_eq!(lines(&first), 1, "{first:#?}");
    first.says("created the database `.amp/metadb` (PostgreSQL 18.4");
    let second = served.ampup(&["run", "true"]).exits(0);
    assert_eq!(lines(&second), 1, "{second:#?}");
    second.says("started the database `.amp/metadb`");
    assert!(!served.is_running());

    // Below it, where ampd would begin another.
    let below = work.join("src/deep");
    fs::create_dir_all(&below).expect("made");
    served.home.give(&work.join("src"));
    let here = |words: &[&str]| {
        let mut command = served.home.command(words);
        command.current_dir(&below);
        finish(command)
    };
    let amp_dir = served.amp_dir();
    let run = here(&["run", "sh", "-c", "echo $AMP_DIR"]).exits(0);
    assert_eq!(run.stdout.trim(), amp_dir, "{run:#?}");
    let note = format!("using the project in `{work}`, above this directory");
    assert_eq!(
        run.stderr.lines().filter(|line| *line == note).count(),
        1,
        "{run:#?}"
    );
    let url = here(&["db", "url"]).exits(0).says(&note).stdout;
    assert_eq!(url, served.ampup(&["db", "url"]).exits(0).stdout);
    here(&["doctor"]).prints_with("plain `ampd solo` would begin another");
    assert!(!below.join(".amp").exists());

    // What is in ampup's home goes with it.
    every([&["run", "true"][..], &["db", "start"]], |words| {
        let mut command = served.home.command(words);
        command.current_dir(served.home.path());
        finish(command)
            .exits(1)
            .says("no project can be in ampup's home, `~/.ampup`");
    });
    assert!(!served.home.path().join(".amp").exists());

    // From another project's `db env`.
    let other = served.home.directory("other");
    let mut command = served.home.command(&["run", "--no-db", "true"]);
    command.env("AMP_DIR", &amp_dir).current_dir(&other);
    finish(command)
        .exits(0)
        .says(&format!("using the project in `{work}`, which `AMP_DIR` names"));
    let mut command = served.home.command(&["run", "--no-db", "true"]);
    command.env("AMP_DIR", &amp_dir);
    let silent = finish(command).exits(0);
    assert_eq!(silent.stderr, "", "it names what is used anyway");
    // Whoever asks while it is used is told for how long it runs.
    let status = format!("{} db status", program());
    served
        .ampup(&["run", "sh", "-c", &status])
        .exits(0)
        .prints_with("until        the last `ampup run` or `ampup db psql` that uses it ends\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_database_in_the_home_directory_itself_is_asked_about() {
    let served = Served::new();
    let user = served.home.directory("user");
    let place = user.join(".amp");
    let in_user = |mut command: std::process::Command| {
        command.current_dir(&user);
        finish(command)
    };
    let on_a_terminal = |words: &str, answer: &str| {
        let mut command = served.home.as_the_user("sh".into());
        let line = format!(
            "printf '{answer}\\n' | script -qec '{} {words}' /dev/null",
            program()
        );
        command.args(["-c", &line]).env("TERM", "xterm");
        in_user(command)
    };
    let question =
        "This is your home directory, not a project's. Create a database in it, `~/.amp/metadb`? [y/N]";
    every(["run true", "db psql -c \"select 1\"", "db start"], |words| {
        on_a_terminal(words, "n")
            .exits(1)
            .prints_with(question)
            .prints_with("no database was created in your home directory");
        assert!(!place.join("metadb").exists(), "nothing was made");
    });
    on_a_terminal("run true", "y").exits(0).prints_with(question);
    assert!(place.join("metadb").exists());
    // It is there now.
    let run = on_a_terminal("run true", "n").exits(0);
    assert!(!run.stdout.contains("home directory"), "{run:#?}");

    // Where nobody answers, it is said before; not of one that was named.
    fs::remove_dir_all(&place).expect("removed");
    let named = ["run", "--amp-dir", place.as_str(), "true"];
    let run = in_user(served.home.command(&named)).exits(0);
    assert!(!run.stderr.contains("home directory"), "{run:#?}");
    fs::remove_dir_all(&place).expect("removed");
    let run = in_user(served.home.command(&["run", "true"])).exits(0);
    let warned = run
        .stderr
        .find("warning: creating a database in your home directory itself, `~/.amp/metadb`;");
    assert!(warned < run.stderr.find("created the database"), "{run:#?}");
    assert!(warned.is_some(), "{run:#?}");
}

#[test]
fn no_database_is_made_in_ampups_own_home() {
    let served = Served::new();
    served.sql("select 1");
    served.ampup(&["db", "backup", "a.backup"]).exits(0);
    let work = served.home.work();
    let backup = work.join("a.backup");
    let home = served.home.path();
    let refused = [
        &["db", "psql", "-c", "select 1"][..],
        &["db", "start"],
        &["db", "start", "--dry-run"],
        &["db", "status"],
        &["db", "restore", backup.as_str()],
        &["db", "import", backup.as_str()],
        &["db", "fork", work.as_str()],
        &["run", "true"],
    ];
    let places = [home.clone(), home.join("components/postgres")];
    every(
        places
            .iter()
            .flat_map(|place| refused.map(|words| (place, words))),
        |(place, words)| {
            let mut command = served.home.command(words);
            command.current_dir(place);
            finish(command)
                .exits(1)
                .says("no project can be in ampup's home, `~/.ampup`\n  `cd` into a project's directory");
            assert!(!place.join(".amp").exists(), "nothing was made");
        },
    );
    let mut command = served.home.command(&["run", "--no-db", "true"]);
    command.current_dir(&home);
    finish(command).exits(0);
}

#[test]
fn psql_gets_every_word_and_a_kept_database_comes_back_by_its_path() {
    let served = Served::new();
    let work = served.home.work();
    fs::write(
        work.join("q.sql"),
        "create table t as select :x as x;\nselect x from t;\n",
    )
    .expect("written");
    let asked = served.ampup(&["db", "psql", "-q", "-v", "x=7", "-XtA", "-f", "q.sql"]);
    assert_eq!(asked.exits(0).stdout, "7\n");
    served
        .ampup(&["db", "psql", "--help"])
        .exits(0)
        .prints_with("psql is the PostgreSQL interactive terminal");
    served
        .ampup(&["help", "db", "psql"])
        .exits(0)
        .prints_with("ampup db psql");

    served
        .ampup(&["db", "backup"])
        .exits(0)
        .says(" MiB, in a file of ")
        // This build has no pg_dump, and that of the host is too old.
        .says("each compared with its original; after `")
        .says("`ampup install postgres@18.")
        .says("+theseus`, `ampup run -- pg_dumpall -f all.sql` makes one that other majors read\n");
    // The database is newer than its backup.
    served.sql("select 1");
    served.ampup(&["db", "reset", "work"]).exits(0);
    let kept = served.home.in_amp("metadb.old-");
    let [kept] = kept.as_slice() else {
        panic!("one is kept: {kept:?}");
    };
    served
        .ampup(&["prune"])
        .exits(0)
        .says("  old database ")
        .says("`.amp/metadb.old-");
    // What could come back is listed.
    let name = kept.file_name().expect("it has one");
    let time = name.trim_start_matches("metadb.old-").trim_end_matches('Z');
    let as_json = served.ampup(&["--json", "db", "restore"]).exits(0).stdout;
    let digits = as_json.replace([':', '-'], "");
    assert!(digits.contains(&format!("\"{time}Z\"")), "{name}: {as_json}");
    let listed = served.ampup(&["db", "restore"]).exits(0);
    assert_eq!(listed.stdout.lines().count(), 2, "{listed:#?}");
    listed
        .prints_with("  PostgreSQL 18  ")
        .says("`ampup db restore .amp/metadb.old-")
        .says("` brings back what was put aside last\n");
    served
        .ampup(&["db", "restore", "--amp-dir", "elsewhere/.amp"])
        .exits(0)
        .says("there is nothing to restore in `elsewhere/.amp`\n")
        .says("a backup with a name of your own is not listed; `ampup db restore --amp-dir elsewhere/.amp FILE` restores it\n");
    served.sql("create table other as select 1 as x");
    let run = served.ampup(&["db", "restore", kept.as_str()]).exits(0);
    assert!(run.stderr.starts_with("restored the database of 2"), "{run:#?}");
    assert_eq!(served.sql("select x from t"), "7");
    assert!(kept.exists(), "it is a copy");
    // What that put aside is what somebody wanted to be rid of.
    served.ampup(&["db", "restore"]).exits(0).says(
        "` restores the newest one in `.amp/backups`\na backup with a name of your own is not listed; ",
    );
    let run = served.ampup(&["db", "reset", "work"]).exits(0);
    assert!(
        run.stderr.contains("ampup db restore .amp/metadb.old-"),
        "{run:#?}"
    );
    served
        .ampup(&["db", "restore", "nothing-here"])
        .exits(3)
        .says("cannot read `nothing-here`\n  No such file or directory\n")
        .says("hint: `ampup db restore` without a file lists");
    served.sql("select 1");
    served.ampup(&["db", "backup", "before.backup"]).exits(0);
    fs::write(served.home.work().join("before.backu"), "none").expect("written");
    served
        .ampup(&["db", "restore", "before1.backup"])
        .exits(3)
        .says("\n  did you mean `before.backup`?\n");
}

#[test]
fn another_active_postgres_leaves_the_database_that_is_there_and_says_so() {
    let served = Served::new();
    let active = || served.ampup(&["use", "postgres@18"]).exits(0).stderr;
    served.ampup(&["run", "true"]).exits(0);
    let now = active();
    assert!(!now.contains("the database in"), "{now}");
    let version = served.data().join("PG_VERSION");
    let rows = [
        (
            "17",
            "stays with PostgreSQL 17, and new ones use 18; `ampup db upgrade` moves it\n",
        ),
        ("19", "stays with PostgreSQL 19, and new ones use 18\n"),
    ];
    every(rows, |(major, words)| {
        fs::write(&version, format!("{major}\n")).expect("written");
        let now = active();
        assert!(now.contains(words), "{now}");
    });
}
