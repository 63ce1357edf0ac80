//! `ampup doctor` answers whether `ampd solo` will work here: each fault alone is found alone, really stops ampd's own
//! command lines, and what is healthy gives no finding.

use std::{net::TcpListener, process::Command};

use camino::Utf8PathBuf;
use fs_err as fs;
use serde_json::Value;

use crate::support::{
    database::Build,
    home::{Home, Run, finish, program},
    table::every_named,
    world::{write, write_program},
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
    for _ in $(seq 40); do
        [ -S "$D/.s.PGSQL.5432" ] && break
        kill -0 $server 2>/dev/null || exit 1
        sleep 0.05
    done
    [ -S "$D/.s.PGSQL.5432" ] && psql "postgresql:///postgres?host=$D" -XtAc 'select 1' >>log 2>&1
    code=$?
    kill -QUIT $server
    wait $server
    exit $code
"#;

/// Runs them in a project; true if they work.
fn ampd_works(home: &Home, project: &str, change: impl FnOnce(&mut Command)) -> bool {
    let script = home.directory("scripts").join("ampd.sh");
    write_program(&script, format!("#!/bin/sh\n{AMPD}"));
    let mut command = within(home, home.as_the_user(&script), project);
    let data = home.directory(project).join(".amp/metadb");
    fs::create_dir_all(data.parent().expect("a parent")).expect("made");
    home.give(data.parent().expect("a parent"));
    command.env("D", data.as_str());
    change(&mut command);
    finish(command).code == 0
}

/// What a healthy host may be besides: variables, and what lies in the project.
type Healthy = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// Fifty healthy hosts and projects: a name, which is the project's directory, variables (`-` unsets one), and a shell's lines
/// that are run in the project before, with `ampup` on PATH.
const HEALTHY: [Healthy; 50] = [
    ("plain", &[], ""),
    ("größe", &[], ""),
    ("with space", &[], ""),
    ("quote's \"and\" $more", &[], ""),
    ("日本", &[], ""),
    ("deep/er/and/deeper/still", &[], ""),
    ("a;semicolon", &[], ""),
    ("percent%20", &[], ""),
    ("-dash", &[], ""),
    (".hidden", &[], ""),
    ("umask 022", &[], "umask 022"),
    ("umask 077", &[], "umask 077"),
    ("umask 002", &[], "umask 002"),
    ("umask 007", &[], "umask 007"),
    ("umask 000", &[], "umask 000"),
    ("tls garbage", &[("PGSSLMODE", "garbage")], ""),
    ("tls prefer", &[("PGSSLMODE", "prefer")], ""),
    ("tls disable", &[("PGSSLMODE", "disable")], ""),
    ("tls empty", &[("PGSSLMODE", "")], ""),
    ("default port", &[("PGPORT", "5432")], ""),
    ("no user", &[("PGUSER", "")], ""),
    ("no options", &[("PGOPTIONS", "")], ""),
    ("named session", &[("PGAPPNAME", "x")], ""),
    ("host", &[("PGHOST", "db.example.com")], ""),
    ("database", &[("PGDATABASE", "shop")], ""),
    ("password", &[("PGPASSWORD", "x"), ("PGPASSFILE", "/nowhere")], ""),
    ("service", &[("PGSERVICEFILE", "/nowhere")], ""),
    ("data", &[("PGDATA", "/nowhere")], ""),
    ("zone", &[("TZ", "Mars/Phobos"), ("PGTZ", "UTC")], ""),
    ("encoding", &[("PGCLIENTENCODING", "UTF8")], ""),
    ("locale", &[("LANG", "xx_YY.UTF-8"), ("LC_ALL", "C")], ""),
    ("another locale", &[("LC_ALL", "xx_YY.UTF-8")], ""),
    ("temporary", &[("TMPDIR", "/nowhere")], ""),
    ("libraries", &[("LD_LIBRARY_PATH", "/nowhere")], ""),
    (
        "python",
        &[("PYTHONPATH", "/nowhere"), ("VIRTUAL_ENV", "/nowhere")],
        "",
    ),
    (
        "terminal",
        &[("TERM", "dumb"), ("COLUMNS", "20"), ("NO_COLOR", "1")],
        "",
    ),
    ("machine", &[("CI", "true"), ("GITHUB_ACTIONS", "true")], ""),
    (
        "state",
        &[("XDG_STATE_HOME", "/nowhere"), ("XDG_CONFIG_HOME", "/nowhere")],
        "",
    ),
    ("no runtime", &[("XDG_RUNTIME_DIR", "/nowhere")], ""),
    ("without home", &[("HOME", "-"), ("AMPUP_HOME", "{home}")], ""),
    (
        "pool",
        &[("AMP_CONFIG_METADATA_DB__POOL_SIZE", "4"), ("AMP_LOG", "debug")],
        "",
    ),
    (
        "address",
        &[("AMP_CONFIG_METADATA_DB__URL", "postgresql://db.example.com/amp")],
        "",
    ),
    (
        "settings",
        &[],
        "mkdir .amp; printf 'max_mem_mb = 8\\n[metadata_db]\\npool_size = 3\\n' >.amp/config.toml",
    ),
    (
        "named settings",
        &[("AMP_CONFIG", "my.toml")],
        "echo 'keep_alive_interval = 60' >my.toml",
    ),
    ("elsewhere", &[("AMP_DIR", "{project}/state")], ""),
    ("stopped", &[], "ampup run true"),
    ("above/below", &[], "cd ..; ampup run true"),
    ("backed up", &[], "ampup run true; ampup db backup"),
    (
        "reset",
        &[],
        "ampup run true; ampup db reset reset; ampup run true",
    ),
    (
        "pinned",
        &[],
        "echo '[components]\npostgres = \"18\"' >ampup.toml",
    ),
];

#[test]
fn what_is_healthy_gives_no_finding() {
    let home = home();
    let attempt = |(name, variables, before): Healthy| {
        let project = home.directory(name);
        home.give(&project);
        let mut command = within(&home, home.as_the_user("/bin/sh".into()), name);
        let path = format!(
            "{}:{}:/usr/bin:/bin",
            home.path().join("bin"),
            program().parent().expect("a parent")
        );
        let doctor = format!("{before}\ncd \"$1\" && exec ampup --json doctor");
        command
            .env("PATH", path)
            .args(["-c", &doctor, "sh", project.as_str()]);
        elsewhere(&mut command);
        for (variable, value) in variables {
            let value = value
                .replace("{home}", home.path().as_str())
                .replace("{project}", project.as_str());
            match *value {
                ref unset if unset == "-" => command.env_remove(variable),
                ref value => command.env(variable, value),
            };
        }
        let mut run = finish(command);
        // What was run before has its say.
        run.stdout = run.stdout.split_off(run.stdout.find('{').unwrap_or_default());
        assert!(run.code == 0 && found(&run).is_empty(), "{name}: {run:#?}");
    };
    // Most of the time they wait for a disk.
    std::thread::scope(|scope| {
        for half in HEALTHY.chunks(HEALTHY.len() / 2) {
            let attempt = &attempt;
            scope.spawn(move || every_named(half, |row| row.0.to_owned(), |row| attempt(*row)));
        }
    });
}

/// A fault: variables, a shell's lines that bring it about in the project, what doctor says, at which level, and whether ampd's
/// own two command lines show it. (ampd's client reads PGSSLMODE on a socket too, and takes an empty address for one; psql does
/// not.)
type Fault = (
    &'static [(&'static str, &'static str)],
    &'static str,
    (&'static str, &'static str),
    Shown,
);

/// Who stumbles over a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// PostgreSQL's programs and psql.
    ByCommandLines,
    /// ampd itself.
    ByAmpd,
}
use Shown::{ByAmpd, ByCommandLines};

const FAULTS: &[Fault] = &[
    (&[("PGPORT", "5433")], "", ("warning", "PGPORT: "), ByCommandLines),
    (&[("PGPORT", "")], "", ("warning", "PGPORT: "), ByCommandLines),
    (&[("PGUSER", "zzz")], "", ("warning", "PGUSER: "), ByCommandLines),
    (
        &[("PGOPTIONS", "-c nonsense=on")],
        "",
        ("warning", "PGOPTIONS: "),
        ByCommandLines,
    ),
    (
        &[("PGSSLMODE", "require")],
        "",
        ("warning", "PGSSLMODE: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG_METADATA_DB__URL", "")],
        "",
        ("warning", "AMP_CONFIG_METADATA_DB__URL: "),
        ByAmpd,
    ),
    (
        &[("PGDATESTYLE", "garbage")],
        "",
        ("warning", "trial: "),
        ByCommandLines,
    ),
    (
        &[("PGCLIENTENCODING", "garbage")],
        "",
        ("warning", "trial: "),
        ByCommandLines,
    ),
    (
        &[("AMP_DIR", "state")],
        "",
        ("problem", "project: `AMP_DIR` is `state`"),
        ByCommandLines,
    ),
    (
        &[("AMP_DIR", "")],
        "",
        ("problem", "project: `AMP_DIR` is set and empty"),
        ByAmpd,
    ),
    (
        &[("PATH", "/usr/bin:/bin")],
        "",
        ("warning", "PATH: "),
        ByCommandLines,
    ),
    (
        &[("PATH", "{project}/shadow:{home}/bin:/usr/bin:/bin")],
        "mkdir shadow; printf '#!/bin/sh\\nexit 1\\n' >shadow/postgres; chmod +x shadow/postgres",
        ("warning", "PATH: "),
        ByCommandLines,
    ),
    (
        &[],
        "umask 0777",
        ("warning", "umask: it is 0777"),
        ByCommandLines,
    ),
    (&[], "umask 0400", ("warning", "umask: it is 0400"), ByAmpd),
    (&[], "chmod 0555 .", ("problem", "project: "), ByCommandLines),
    (
        &[("AMP_DIR", "{project}/a,b")],
        "",
        ("warning", "project: "),
        ByCommandLines,
    ),
    (&[], "touch .amp", ("problem", "project: "), ByCommandLines),
    (
        &[],
        "mkdir -p .amp/metadb; touch .amp/metadb/notes",
        ("problem", "database: "),
        ByCommandLines,
    ),
    (
        &[],
        "ampup run true; rm .amp/metadb/PG_VERSION .amp/metadb/global/pg_control",
        ("problem", "database: "),
        ByCommandLines,
    ),
    (
        &[],
        "ampup run true; rmdir .amp/metadb/pg_notify",
        ("problem", "project: "),
        ByCommandLines,
    ),
    (
        &[],
        "ampup run --with postgres@17 true",
        ("warning", "database: "),
        ByCommandLines,
    ),
    (
        &[],
        "ampup db start",
        ("warning", "database: a server of "),
        ByAmpd,
    ),
    (&[], "echo 'a = ' >ampup.toml", ("problem", "pins: "), ByAmpd),
    (
        &[],
        "mkdir .amp; echo '[metadata_db' >.amp/config.toml",
        ("problem", "settings: "),
        ByAmpd,
    ),
    (
        &[],
        "mkdir .amp; echo 'max_mem_mb = \"x\"' >.amp/config.toml",
        ("problem", "settings: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG", "nowhere.toml")],
        "",
        ("problem", "AMP_CONFIG: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG_METADATA_DB__POOL_SIZE", "many")],
        "",
        ("problem", "settings: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG_JSONL_ADDR", "localhost")],
        "",
        ("problem", "ports: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG_JSONL_ADDR", "")],
        "",
        ("problem", "ports: "),
        ByAmpd,
    ),
];

#[test]
fn each_fault_alone_is_found_alone_and_stops_ampd() {
    let home = home();
    assert!(ampd_works(&home, "sound", |_| {}), "without a fault it works");
    let attempt = |(number, fault): (usize, &Fault)| {
        let (variables, before, (level, said), shown) = fault;
        let name = format!("fault {number}");
        let project = home.directory(&name);
        home.give(&project);
        let in_fault = |command: &mut Command, line: &str| {
            elsewhere(command);
            let text = format!("{before}\n{line}");
            command.args(["-c", &text, "sh"]).env("A", program());
            let first = home.path().join("bin");
            command.env(
                "PATH",
                format!("{first}:{}:/usr/bin:/bin", program().parent().expect("a parent")),
            );
            for (variable, value) in *variables {
                let value = value
                    .replace("{home}", home.path().as_str())
                    .replace("{project}", project.as_str());
                command.env(variable, value);
            }
        };
        let mut doctor = within(&home, home.as_the_user("/bin/sh".into()), &name);
        in_fault(&mut doctor, "exec \"$A\" --json doctor");
        let mut run = finish(doctor);
        run.stdout = run.stdout.split_off(run.stdout.find('{').unwrap_or_default());
        let all = found(&run);
        let is_alone = matches!(&all[..], [(found, text)] if found == level && text.starts_with(said));
        assert!(
            is_alone && run.code == i32::from(*level == "problem"),
            "{fault:?}: {all:#?}\n{}",
            run.stderr
        );
        if *shown == ByCommandLines {
            let mut ampd = within(&home, home.as_the_user("/bin/sh".into()), &name);
            in_fault(&mut ampd, &format!("D=${{AMP_DIR:-$PWD/.amp}}/metadb\n{AMPD}"));
            assert_ne!(finish(ampd).code, 0, "{fault:?} does not stop ampd");
        }
        // What was started ends, and what was closed can be removed.
        let mut after = within(&home, home.as_the_user("/bin/sh".into()), &name);
        after
            .args(["-c", "chmod 755 .; \"$A\" db stop --yes"])
            .env("A", program());
        finish(after);
    };
    every_named(
        FAULTS.iter().enumerate(),
        |(_, fault)| format!("{fault:?}"),
        attempt,
    );

    // The library of somebody else's that comes first, as conda and module systems have it.
    let foreign = home.directory("foreign");
    for library in ["libcrypto.so.1.1", "libicuuc.so.60", "libicuuc.so.68"] {
        write(&foreign.join(library), "not a library");
    }
    let breaks = |command: &mut Command| {
        command.env("LD_LIBRARY_PATH", &foreign);
    };
    let stops = !ampd_works(&home, "libraries", breaks);
    let run = doctor(&home, "libraries", breaks);
    assert_eq!(
        stops,
        found(&run).iter().any(|(_, text)| text.starts_with("trial")),
        "{:#?}",
        found(&run)
    );
    let strict = doctor(&home, "faulty", |command| {
        command.env("PGPORT", "1").arg("--strict");
    });
    strict.exits(1);
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
fn what_is_not_installed_is_a_problem_and_damaged_files_are_found_on_request() {
    let mut home = Home::new();
    home.offer("ampd", "1.0.0").offer_postgres(Build::Npm(18));
    let all = found(&doctor(&home, "empty", |_| {}).exits(1));
    let texts: Vec<&str> = all.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        texts.iter().any(|text| text.contains("ampd is not installed"))
            && texts
                .iter()
                .any(|text| text.contains("PostgreSQL 18 is not installed")),
        "{all:#?}"
    );
    home.ampup(&["install", "ampd", "postgres"]).exits(0);
    assert!(found(&doctor(&home, "empty", |_| {})).is_empty());
    let installed = home.path().join("components/ampd/1.0.0/bin/ampd");
    write(&installed, "#!/bin/sh\n");
    home.give(&installed);
    let run = doctor(&home, "empty", |command| {
        command.arg("--files");
    });
    run.exits(1).prints_with("bin/ampd` was altered");
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
}
