//! Names of programs that people type where a component is meant.

/// Amp's.
pub const AMP: &[&str] = &["ampctl", "ampd"];

/// PostgreSQL's, as its makers release them; a build may have fewer.
pub const POSTGRES: &[&str] = &[
    "clusterdb",
    "createdb",
    "createuser",
    "dropdb",
    "dropuser",
    "initdb",
    "pg_basebackup",
    "pg_config",
    "pg_controldata",
    "pg_ctl",
    "pg_dump",
    "pg_dumpall",
    "pg_isready",
    "pg_resetwal",
    "pg_restore",
    "pg_upgrade",
    "pg_verifybackup",
    "pg_waldump",
    "pgbench",
    "postgres",
    "psql",
    "reindexdb",
    "vacuumdb",
];

/// Words that people type for Amp, and that are neither a program nor a component, with what they mean.
const MEANT: &[(&str, &str)] = &[
    ("amp", "`ampup install` installs Amp: ampd, ampctl and PostgreSQL"),
    ("solo", "`ampup run ampd solo` runs Amp"),
];

/// The command that somebody means by a word for Amp, in words.
pub fn meant_by(word: &str) -> Option<&'static str> {
    let found = MEANT.iter().find(|(known, _)| *known == word);
    found.map(|(_, meaning)| *meaning)
}
