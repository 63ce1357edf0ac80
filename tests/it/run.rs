//! `ampup run`: the database is there while the command runs, and the command's ending is its own.

use std::process::Command;

use fs_err as fs;
use rustix::process::Signal;

use crate::{
    postgres_ampd::{ampds_server, serves},
    support::{
        home::{Home, finish, program},
        postgres::{done, eventually, run_as, sql},
        programs,
        served::{Running, Served, ampup_in, run_in},
        table::every,
    },
};

const NONSENSE: &[(&str, &str)] = &[
    ("PGPORT", "1"),
    ("PGUSER", "zzz"),
    ("PGSSLMODE", "verify-full"),
    ("PGHOST", "nowhere.invalid"),
    ("PGOPTIONS", "-c nonsense=on"),
    ("PGSERVICE", "nothing"),
];

#[test]
fn a_command_gets_the_database_and_ends_as_it_would_alone() {
    let served = Served::new();
    let line = "psql -X \"$AMP_CONFIG_METADATA_DB__URL\" -qc 'create table t as select 42 as x' || exit 1\n\
                [ \"$AMP_DIR\" = \"$PWD/.amp\" ] || exit 2\nexit 7";
    let mut command = served.home.command(&["run", "sh", "-c", line]);
    command.envs(NONSENSE.iter().copied());
    let run = finish(command).exits(7).says("created the database");
    every(NONSENSE, |(name, _)| {
        assert!(run.stderr.contains(name), "`{name}` is told: {run:?}");
    });
    assert!(!served.is_running());
    for name in ["data", "providers", "manifests", "metadb", ".gitignore"] {
        assert!(served.amp_dir().join(name).exists(), "{name}");
    }
    let read = [
        "run",
        "--",
        "sh",
        "-c",
        "psql -XtA \"$AMP_CONFIG_METADATA_DB__URL\" -c 'select x from t'",
    ];
    served.ampup(&read).exits(0).prints("42\n");
    served.ampup(&["run", "sh", "-c", "kill -KILL $$"]).exits(137);
    served
        .ampup(&["run", "no-such-program"])
        .exits(127)
        .says("no-such-program");
    served
        .ampup(&["--json", "run", "echo", "mine"])
        .exits(0)
        .prints("mine\n");
    assert!(!served.is_running());
}

#[test]
fn a_client_in_rust_connects_with_nonsense_around_it() {
    let served = Served::new();
    let mut command = served.home.command(&[
        "run",
        "sh",
        "-c",
        "echo \"$AMP_CONFIG_METADATA_DB__URL\"; echo $(env | grep ^PG | cut -d= -f1 | sort); \
         psql -XtAc 'show data_directory'; read x",
    ]);
    command.envs(NONSENSE.iter().copied());
    let mut running = Running::begin(command);
    let url = running.line();
    assert_eq!(sql(&url, "select 1").expect("served"), "1");
    assert_eq!(running.line(), "PGDATABASE PGHOST PGPORT PGUSER");
    assert_eq!(running.line(), served.data(), "psql without an address");
    assert_eq!(running.code(), 1, "`read` found the end");
}

#[test]
fn without_postgresql_the_next_command_is_named() {
    let home = Home::new();
    let run = home.ampup(&["run", "true"]).exits(3);
    assert!(
        run.stderr.starts_with("error: PostgreSQL 18 is not installed\n")
            && run.stderr.ends_with("hint: `ampup install postgres`\n"),
        "{run:?}"
    );
    assert!(!home.work().join(".amp").exists());
    home.ampup(&["run", "--no-db", "sh", "-c", "exit 5"]).exits(5);
}

#[test]
fn an_explicit_address_means_that_nothing_is_started() {
    let home = Home::new();
    let mut command = home.command(&["run", "sh", "-c", "echo $AMP_CONFIG_METADATA_DB__URL $PGHOST"]);
    command
        .env("AMP_CONFIG_METADATA_DB__URL", "postgresql://there/amp")
        .env("PGHOST", "mine");
    finish(command)
        .exits(0)
        .prints("postgresql://there/amp mine\n")
        .says("is not started");
    let amp_dir = home.directory("work/.amp");
    for settings in [
        "[metadata_db]\nurl = \"postgresql://there/amp\"\n",
        "metadata_db_url = \"postgresql://there/amp\"\n",
    ] {
        fs::write(amp_dir.join("config.toml"), settings).expect("written");
        home.ampup(&["run", "true"]).exits(0).says("is not started");
    }
    fs::write(amp_dir.join("config.toml"), "[").expect("written");
    home.ampup(&["run", "true"]).exits(2).says("malformed");
    assert!(!amp_dir.join("metadb").exists());
}

/// 6
#[test]
fn signals_go_on_to_the_command_and_the_database_is_stopped() {
    let served = Served::new();
    for (signal, patient) in [
        (Signal::INT, true),
        (Signal::TERM, true),
        (Signal::HUP, true),
        (Signal::TERM, false),
    ] {
        if !programs::is_heard(signal.as_raw()) {
            continue;
        }
        let line = if patient {
            "trap 'exit 3' INT TERM HUP; echo ready; while :; do sleep 0.05; done"
        } else {
            "echo ready; exec sleep 600"
        };
        let mut running = served.running(line);
        assert_eq!(running.line(), "ready");
        assert!(served.is_running());
        running.signal(signal);
        assert_eq!(running.code(), if patient { 3 } else { 143 }, "{signal:?}");
        assert!(!served.is_running(), "{signal:?}");
    }
    // No requests to end: the command says what it does.
    let mut running =
        served.running("trap 'echo one' USR1; trap 'exit 4' USR2; echo ready; while :; do sleep 0.05; done");
    assert_eq!(running.line(), "ready");
    running.signal(Signal::USR1);
    assert_eq!(running.line(), "one");
    running.signal(Signal::USR2);
    assert_eq!(running.code(), 4);
    assert!(!served.is_running());
}

/// 6
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_on_a_terminal_reaches_the_command_once() {
    let Some(script) = programs::find("script") else {
        return;
    };
    if !programs::is_heard(Signal::INT.as_raw()) {
        return;
    }
    let served = Served::new();
    served.sql("select 1");
    let counting = served.home.work().join("counting.sh");
    fs::write(
        &counting,
        "n=0; trap 'n=$((n+1))' INT; echo ready\nwhile [ $n = 0 ]; do sleep 0.1; done\nsleep 0.5; echo times=$n; exit 4\n",
    )
    .expect("written");
    let plain = served.home.command(&["run", "sh", counting.as_str()]);
    let words: Vec<_> = std::iter::once(plain.get_program())
        .chain(plain.get_args())
        .map(|word| word.to_str().expect("UTF-8"))
        .collect();
    let mut command = served.home.other_program(&script);
    if let Some(user) = run_as() {
        use std::os::unix::process::CommandExt as _;
        command.uid(user.uid).gid(user.gid);
    }
    command.args(["-qec", &format!("exec {}", words.join(" ")), "/dev/null"]);
    let mut running = Running::begin(command);
    while running.line() != "ready" {}
    running.say("\u{3}");
    let mut lines = Vec::new();
    loop {
        let line = running.line();
        if line.contains("times=") {
            lines.push(line);
            break;
        }
    }
    assert!(lines[0].contains("times=1"), "{lines:?}");
    assert_eq!(running.code(), 4);
    eventually("the database is stopped", || !served.is_running());
}

#[test]
fn of_two_runs_the_last_stops_the_database() {
    let served = Served::new();
    let line = "psql -Xqc 'create table if not exists t (x int)' \"$AMP_CONFIG_METADATA_DB__URL\"; echo ready; read x; \
                psql -Xqc \"insert into t values ($x)\" \"$AMP_CONFIG_METADATA_DB__URL\"";
    let mut first = served.running(line);
    assert_eq!(first.line(), "ready");
    let mut second = served.running(line);
    assert_eq!(second.line(), "ready");
    first.say("1");
    assert_eq!(first.code(), 0);
    assert!(served.is_running());
    second.say("2");
    assert_eq!(second.code(), 0, "the second still writes");
    assert!(!served.is_running());
    served.ampup(&["db", "start"]).exits(0);
    assert_eq!(served.sql("select count(*) from t"), "2");
    assert!(served.is_running(), "`run` started it not, so it stays");
}

/// 6
#[test]
fn what_a_killed_run_leaves_is_named_and_taken_over() {
    let served = Served::new();
    let mut running = served.running("echo ready; read x");
    assert_eq!(running.line(), "ready");
    running.signal(Signal::KILL);
    running.code();
    assert!(served.is_running());
    if cfg!(target_os = "linux") {
        let list = served.ampup(&["db", "list"]).exits(0);
        assert!(list.stdout.contains("left behind by a run"), "{list:?}");
    }
    served
        .ampup(&["run", "true"])
        .exits(0)
        .says("using the running database");
    assert!(!served.is_running());
}

#[test]
fn two_projects_have_two_databases_at_once() {
    let served = Served::new();
    let other = served.home.directory("other");
    let mut one = served.running("echo \"$AMP_CONFIG_METADATA_DB__URL\"; read x");
    let mut two = Running::begin(ampup_in(
        &served,
        &other,
        &["run", "sh", "-c", "echo \"$AMP_CONFIG_METADATA_DB__URL\"; read x"],
    ));
    let (first, second) = (one.line(), two.line());
    assert_ne!(first, second);
    sql(&first, "create table t ()").expect("made");
    sql(&second, "select * from t").expect_err("another database");
    let list = served.ampup(&["db", "list"]).exits(0).stdout;
    assert_eq!(list.matches("running").count(), 2, "{list}");
    one.code();
    sql(&second, "select 1").expect("goes on");
    two.code();
}

/// 13
#[test]
fn as_root_the_server_is_the_projects_owners_or_whoever_is_named() {
    let Some(user) = run_as() else { return };
    let served = Served::new();
    let whole = [
        "run",
        "sh",
        "-c",
        "id -u; psql -XtAc 'select current_user' \"$AMP_CONFIG_METADATA_DB__URL\"",
    ];
    let run = finish(served.home.command_as_we_are(&whole)).exits(0);
    assert_eq!(run.stdout, format!("0\n{}\n", user.name), "{run:?}");
    run.says(&format!("running as `{}`", user.name));
    // It is theirs: they go on with it.
    served.ampup(&["run", "true"]).exits(0);

    let roots = served.home.work().parent().expect("a world").join("roots");
    fs::create_dir(&roots).expect("made");
    let mut command = served
        .home
        .command_as_we_are(&["run", "--run-as", &user.name, "true"]);
    command.current_dir(&roots);
    finish(command)
        .exits(0)
        .says(&format!("running as `{}`", user.name));
    // Whatever root's umask, the server's user gets to its cluster.
    let strict = roots.join("strict");
    fs::create_dir(&strict).expect("made");
    let line = format!("umask 077; exec {} run true", crate::support::home::program());
    let mut command = served.home.other_program("/bin/sh".into());
    command.args(["-c", &line]).current_dir(&strict);
    finish(command).exits(0);
    let mut command = served
        .home
        .command_as_we_are(&["run", "--run-as", "no-such-user", "true"]);
    command.current_dir(&roots);
    finish(command).exits(1).says("no-such-user");
    run_in(&served, &served.home.work(), &["run", "--run-as", "root", "true"])
        .exits(2)
        .says("only root can run the server as another user");
}

#[test]
fn ampds_own_line_works_before_after_and_beside() {
    let served = Served::new();
    served.sql("create table t as select 'ours' as x");
    let mut ampds = ampds_server(&served.data());
    serves(&served.data());
    // Beside: adopted, and left as it was found.
    served
        .ampup(&["run", "true"])
        .exits(0)
        .says("using the running database")
        .says("fsync");
    assert_eq!(served.sql("select x from t"), "ours");
    assert!(served.is_running());
    done(Command::new("kill").args(["-9", &ampds.id().to_string()]));
    ampds.wait().expect("ended");
    // ampd was killed, and its next start serves; then it is ours again.
    eventually("its processes are gone", || !served.is_running());
    let mut ampds = ampds_server(&served.data().join("data"));
    serves(&served.data().join("data"));
    served.ampup(&["db", "stop"]).exits(0);
    ampds.wait().expect("ended");
    let mut running = served.running("echo ready; read x");
    assert_eq!(running.line(), "ready");
    assert!(
        !ampds_server(&served.data()).wait().expect("ended").success(),
        "one server"
    );
    running.code();
    assert_eq!(served.sql("select x from t"), "ours");
}

#[test]
fn without_a_database_a_command_runs_also_where_the_working_directory_is_gone() {
    let served = Served::new();
    let gone = |line: &str| {
        let mut shell = served.home.as_the_user("/bin/sh".into());
        let script = format!("mkdir gone && cd gone && rmdir ../gone && exec \"$A\" {line}");
        shell.args(["-c", &script]).env("A", program());
        finish(shell)
    };
    gone("run --no-db -- echo here").exits(0).prints("here\n");
    gone("run -- true")
        .exits(2)
        .says("cannot determine the working directory")
        .says("\n  `cd` into the project");
}
