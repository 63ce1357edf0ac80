//! The ways to the database: what `db env` and `db psql` say, a port, and a database of the user's own.

use fs_err as fs;

use crate::support::{home::finish, postgres::sql, programs, served::Served, table::every};

#[test]
fn what_db_env_prints_leads_a_shells_programs_to_the_database() {
    let served = Served::new();
    served.ampup(&["db", "start"]).exits(0);
    let sh = served.ampup(&["db", "env", "sh"]).exits(0).stdout;
    let mut command = served.home.other_program("/bin/sh".into());
    command.args([
        "-c",
        &format!("{sh}\npsql -XtAc 'select 6*7'; psql -XtAc 'select 2' \"$AMP_CONFIG_METADATA_DB__URL\""),
    ]);
    finish(command).exits(0).prints("42\n2\n");
    let rows = [
        ("fish", "set -gx PGHOST '/"),
        ("powershell", "$env:PGHOST = '/"),
        ("nushell", "$env.PGHOST = \"/"),
    ];
    every(rows, |(shell, begin)| {
        served.ampup(&["db", "env", shell]).exits(0).prints_with(begin);
    });
    // One that there are no lines for is told so.
    every(["/bin/tcsh", "/usr/bin/xonsh", "/usr/sbin/nologin"], |shell| {
        let mut command = served.home.command(&["db", "env"]);
        command.env("SHELL", shell);
        finish(command)
            .exits(0)
            .prints_with("export PGHOST=")
            .says("is not supported: what follows is for sh");
    });
    // What is set and would lead away is unset.
    every(
        [("sh", "sh"), ("fish", "fish"), ("zsh", "zsh"), ("nushell", "nu")],
        |(shell, program)| {
            let Some(program) = programs::find(program) else {
                return;
            };
            let away = [
                ("PGSERVICE", "nowhere"),
                ("PGHOSTADDR", "127.0.0.9"),
                ("PGOPTIONS", "-c x"),
            ];
            let mut command = served.home.command(&["db", "env", shell]);
            command.envs(away);
            let text = finish(command).exits(0).stdout;
            let mut command = served.home.other_program(&program);
            command
                .envs(away)
                .args(["-c", &format!("{text}\npsql -XtAc 'select 6*7'")]);
            finish(command).exits(0).prints("42\n");
        },
    );
    // In such a shell the database is still the project's own.
    let mut command = served.home.other_program("/bin/sh".into());
    command.args([
        "-c",
        &format!("{sh}\n\"$0\" run true"),
        crate::support::home::program().as_str(),
    ]);
    if let Some(user) = crate::support::postgres::run_as() {
        use std::os::unix::process::CommandExt as _;
        command.uid(user.uid).gid(user.gid);
    }
    let run = finish(command).exits(0).says("using the running database");
    assert!(!run.stderr.contains("cleared"), "{run:?}");
}

#[test]
fn psql_is_the_components_or_the_systems_and_else_is_named() {
    let mut served = Served::new();
    assert_eq!(
        served.sql("select current_user = (select rolname from pg_roles where oid = 10)"),
        "t"
    );
    served
        .ampup(&["db", "psql", "--", "-XtAc", "select nonsense"])
        .exits(1);
    // Whatever is named is a database of this server, and not of one on the system's socket.
    let which = "select current_database(), current_setting('data_directory')";
    let expected = format!("template1|{}\n", served.data());
    let rows = [
        &["-d", "template1"][..],
        &["template1"],
        &["-d", "dbname=template1"],
    ];
    every(rows, |words| {
        let line = [&["db", "psql", "--"][..], words, &["-XtAc", which]].concat();
        served.ampup(&line).exits(0).prints(&expected);
    });
    assert!(!served.is_running(), "started for psql alone");
    let empty = served.home.directory("empty");
    let without = |served: &Served| {
        let mut command = served.home.command(&["db", "psql"]);
        command.env("PATH", &empty);
        finish(command)
            .exits(3)
            .says("no psql of PostgreSQL 18 is installed or in PATH")
    };
    without(&served).says("hint: `ampup install postgres@18.6+theseus`");
    let mut command = served.home.command(&["db", "start"]);
    command.env("PATH", &empty);
    finish(command)
        .exits(0)
        .says("there is no psql to open it; `ampup db url` prints its address");
    served.ampup(&["db", "stop"]).exits(0);
    // No build of this registry has it.
    served.home.offer("tool", "1.0.0");
    without(&served).says("\n  install the client programs of PostgreSQL 18");
    let own = served.home.path().join("components/postgres/18.4.0/bin/psql");
    fs::write(&own, "#!/bin/sh\necho \"own $*\"\n").expect("written");
    fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("made a program");
    served.ampup(&["db", "psql", "-X"]).exits(0).prints("own -X\n");
}

#[test]
fn a_database_of_the_users_own_is_named_wherever_the_projects_is_shown() {
    let served = Served::new();
    served.sql("select 1");
    let config = served.amp_dir().join("config.toml");
    fs::write(&config, "[metadata_db]\nurl = \"postgresql://there/amp\"\n").expect("written");
    let word = "ampd does not use this database: `metadata_db.url` in `.amp/config.toml` names another";
    let rows = [
        &["db", "status"][..],
        &["db", "url"],
        &["db", "env", "sh"],
        &["db", "start"],
    ];
    every(rows, |words| {
        served.ampup(words).exits(0).says(word);
    });
    let status = served.ampup(&["--json", "db", "status"]).exits(0).json();
    assert_eq!(status["external"], format!("`metadata_db.url` in `{config}`"));
    served.ampup(&["db", "stop"]).exits(0);
    // Within `ampup run`, the variable names this one.
    fs::remove_file(&config).expect("removed");
    let line = format!(
        "{} db status 2>&1 >/dev/null | grep 'does not use'; echo ended",
        crate::support::home::program()
    );
    let mut run = served.running(&line);
    assert_eq!(run.line(), "ended", "nothing is said");
    assert_eq!(run.code(), 0);
}

#[test]
fn a_port_is_opened_only_when_asked_for_and_asks_for_a_password() {
    let served = Served::new();
    let started = served.ampup(&["db", "start", "--tcp"]).exits(0);
    let url = started.stdout.trim().to_owned();
    assert!(url.contains("@127.0.0.1:"), "{started:?}");
    assert_eq!(sql(&url, "select 7").expect("let in"), "7");
    let (who, place) = url.split_once('@').expect("a user");
    let (user, _) = who.rsplit_once(':').expect("a password");
    sql(&format!("{user}@{place}"), "select 1").expect_err("nobody comes without the password");
    served
        .ampup(&["db", "url", "--tcp"])
        .exits(0)
        .prints(&format!("{url}\n"));
    served
        .ampup(&["db", "status"])
        .exits(0)
        .prints_with("its address: `ampup db url --tcp`");
    let status = served.ampup(&["--json", "db", "status"]).exits(0).json();
    assert_eq!(status["tcp_url"], *url, "{status}");
    // The socket is there as ever, and a change that stops the server leaves it as it was.
    served.ampup(&["run", "true"]).exits(0);
    assert_eq!(served.sql("select 8"), "8");
    served.ampup(&["db", "backup"]).exits(0);
    assert_eq!(sql(&url, "select 9").expect("let in"), "9");
    served.ampup(&["db", "stop"]).exits(0);
    served
        .ampup(&["db", "start", "--tcp"])
        .exits(0)
        .prints(&format!("{url}\n"))
        .says("which stays if it is free and every start has `--tcp`");
    served.ampup(&["db", "stop"]).exits(0);
    served.ampup(&["db", "start"]).exits(0);
    sql(&url, "select 1").expect_err("it was not asked for");
    served
        .ampup(&["db", "url", "--tcp"])
        .exits(3)
        .says("hint: `ampup db stop`, then `ampup db start --tcp` gives it one");
    served
        .ampup(&["db", "start", "--tcp"])
        .exits(1)
        .says("runs already, without a port");
    served.ampup(&["db", "stop"]).exits(0);
    let told = served
        .ampup(&["db", "url", "--tcp"])
        .exits(3)
        .says("hint: `ampup db start --tcp` gives it one");
    assert!(!told.stderr.contains("`ampup db start` starts it"), "{told:?}");
    // Nor does it make a server stay that a run has started.
    let mut running = served.running("echo ready; read x");
    assert_eq!(running.line(), "ready");
    served.ampup(&["db", "start", "--tcp"]).exits(1);
    drop(running.child.stdin.take());
    running.code();
    assert!(!served.is_running());
}
