//! Words of other programs, and what they are here.

/// Verbs of other programs that nothing is to be typed for.
const INSTEAD: &[(&str, &str)] = &[
    ("restart", "`ampup db stop`, then `ampup db start`"),
    (
        "unpin",
        "to remove a pin, delete its line in the project's `ampup.toml`",
    ),
];

/// Words of other programs for a verb, and verbs of ampup for the one of `ampup db` that does the same to a database.
pub(super) const SYNONYMS: &[(&[&str], &str)] = &[
    (&["create", "init", "new", "up"], "start"),
    (&["down", "kill", "shutdown"], "stop"),
    (&["connect", "console", "open", "shell", "sql"], "psql"),
    (&["dump", "export", "save", "snapshot"], "backup"),
    (
        &["backups", "history", "list-backups", "revert", "rollback", "undo"],
        "restore",
    ),
    (&["revert", "rollback"], "undo"),
    (
        &["clear", "delete", "drop", "remove", "rm", "uninstall", "wipe"],
        "reset",
    ),
    (&["clone", "copy"], "fork"),
    (&["info", "show", "version"], "status"),
    (&["update"], "upgrade"),
];

/// Returns what is to be done in place of a verb.
pub(super) fn instead_of(word: &str) -> Option<&'static str> {
    let found = INSTEAD.iter().find(|(known, _)| *known == word);
    found.map(|(_, instead)| *instead)
}
