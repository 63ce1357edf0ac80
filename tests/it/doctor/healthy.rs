//! Hosts and projects that nothing is wrong with.

use super::{elsewhere, found, home, within};
use crate::support::{
    home::{finish, program},
    table::every_named,
};

/// A healthy host that is not as all others: variables, and what lies in the project.
type Healthy = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// Healthy hosts and projects: a name, which is the project's directory, variables (`-` unsets one), and a shell's lines
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
    ("options", &[("PGOPTIONS", "-c work_mem=64MB")], ""),
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
    ("within run", &[], "exec ampup run -- ampup --json doctor"),
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
        for half in HEALTHY.chunks(HEALTHY.len().div_ceil(2)) {
            let attempt = &attempt;
            scope.spawn(move || every_named(half, |row| row.0.to_owned(), |row| attempt(*row)));
        }
    });
}
