//! The examples under the help of each command.

/// Command lines that work, with what they do.
pub(super) type Examples = &'static [(&'static str, &'static str)];

/// The examples of each command.
pub(super) const EXAMPLES: &[(&str, Examples)] = &[
    (
        "install",
        &[
            ("ampup install", "ampd, ampctl and PostgreSQL"),
            ("ampup install 0.0.35", "this version of ampd and ampctl"),
            (
                "ampup install postgres@17",
                "the newest PostgreSQL 17, unless one is installed",
            ),
            ("ampup install --dry-run", "show what would be installed"),
        ],
    ),
    (
        "list",
        &[
            ("ampup list", "what is installed"),
            ("ampup list --available", "what can be installed on this host"),
            ("ampup list --available --all", "every version, older ones too"),
        ],
    ),
    (
        "check",
        &[
            ("ampup check", "all active components"),
            ("ampup check postgres", "one of them"),
        ],
    ),
    (
        "info",
        &[
            ("ampup info postgres", "its versions for this host"),
            ("ampup info postgres --json", "the same for programs"),
        ],
    ),
    (
        "search",
        &[
            ("ampup search postgres", "by name"),
            ("ampup search client", "by a word of the summary"),
        ],
    ),
    (
        "update",
        &[
            ("ampup update", "all active components"),
            ("ampup update postgres", "one of them"),
            (
                "ampup update postgres --allow-major",
                "also to a new major of PostgreSQL",
            ),
        ],
    ),
    (
        "use",
        &[
            ("ampup use postgres@17", "an installed PostgreSQL 17"),
            ("ampup use 0.0.35", "an installed version of ampd and ampctl"),
        ],
    ),
    (
        "uninstall",
        &[
            ("ampup uninstall postgres@17.5", "one version"),
            (
                "ampup uninstall ampd ampctl",
                "where one version of each is installed",
            ),
        ],
    ),
    (
        "undo",
        &[
            ("ampup undo", "undo the last change"),
            ("ampup undo --include-ampup", "ampup's own update too"),
        ],
    ),
    (
        "history",
        &[
            ("ampup history", "the last ten changes"),
            ("ampup history --json", "the same for programs"),
        ],
    ),
    (
        "which",
        &[
            ("ampup which postgres", "the path of the server"),
            (
                "ampup which --dir pg_dump",
                "the directory of the version that has it",
            ),
        ],
    ),
    (
        "run",
        &[
            ("ampup run ampd solo", "ampd on the project's database"),
            ("ampup run cargo test", "any command, with the database's address"),
            ("ampup run --ephemeral cargo test", "on a fast database for tests"),
            ("ampup run --no-db ampd --version", "without a database"),
        ],
    ),
    (
        "db",
        &[
            ("ampup db psql", "open the project's database"),
            ("ampup db backup", "copy it into a file"),
            ("ampup db import dump.sql", "load a dump"),
        ],
    ),
    (
        "db start",
        &[
            ("ampup db start", "it runs until `ampup db stop`"),
            (
                "ampup db start --ephemeral",
                "faster, for tests: a crash may lose data",
            ),
        ],
    ),
    (
        "db stop",
        &[
            ("ampup db stop", "asks first if it has sessions"),
            ("ampup db stop --json", "the same for programs"),
        ],
    ),
    (
        "db status",
        &[
            ("ampup db status", "version, size, address and problems"),
            ("ampup db status --json", "the same for programs"),
        ],
    ),
    (
        "db url",
        &[
            ("ampup db url", "for libpq, sqlx and tokio-postgres"),
            ("psql \"$(ampup db url)\"", "in another program"),
        ],
    ),
    (
        "db env",
        &[
            ("eval \"$(ampup db env sh)\"", "sh, bash and zsh"),
            ("ampup db env fish | source", "fish"),
        ],
    ),
    (
        "db psql",
        &[
            ("ampup db psql", "an interactive session"),
            ("ampup db psql -c 'select 1'", "one statement"),
            ("ampup db psql -q -v x=1 -f schema.sql", "everything goes to psql"),
        ],
    ),
    (
        "db logs",
        &[
            ("ampup db logs", "the current log"),
            ("ampup db logs --follow", "keep printing as it grows"),
        ],
    ),
    (
        "db list",
        &[
            ("ampup db list", "of projects used since ampup was installed"),
            ("ampup db list --json", "the same for programs"),
        ],
    ),
    (
        "db compact",
        &[
            ("ampup db compact", "rewrite every table"),
            ("ampup db status", "the size before and after"),
        ],
    ),
    (
        "db reset",
        &[
            ("ampup db reset", "asks for the project's name first"),
            (
                "ampup db reset shop",
                "in the directory `shop`: without the question",
            ),
        ],
    ),
    (
        "db backup",
        &[
            ("ampup db backup", "into .amp/backups, which keeps three"),
            ("ampup db backup before.tar.zst", "into a file of yours"),
        ],
    ),
    (
        "db restore",
        &[
            ("ampup db restore", "list what could be restored"),
            ("ampup db restore before.tar.zst", "a backup"),
            (
                "ampup db restore --amp-dir ../copy/.amp b.tar.zst",
                "into another project",
            ),
        ],
    ),
    (
        "db fork",
        &[
            ("ampup db fork ../main", "a copy of another project's database"),
            ("ampup db fork ../main --json", "the same for programs"),
        ],
    ),
    (
        "db import",
        &[
            ("ampup db import postgresql://localhost:5432/amp", "from a server"),
            (
                "ampup db import dump.sql --replace",
                "keep what is there under another name",
            ),
        ],
    ),
    (
        "db upgrade",
        &[
            ("ampup db upgrade", "to the active major of PostgreSQL"),
            ("ampup db upgrade --to 18", "to this one"),
        ],
    ),
    (
        "doctor",
        &[
            ("ampup doctor", "exit code 1 when there is a problem"),
            ("ampup doctor --json", "the same for programs"),
        ],
    ),
    (
        "why",
        &[
            ("ampup why postgres", "who asked for it, and where it came from"),
            ("ampup why ampd --json", "the same for programs"),
        ],
    ),
    (
        "prune",
        &[
            ("ampup prune --dry-run", "list what is unused"),
            ("ampup prune", "remove it"),
            (
                "ampup prune --remove .amp/metadb.old-*",
                "and these old databases",
            ),
            ("ampup prune postgres", "also PostgreSQL's inactive versions"),
        ],
    ),
    (
        "verify",
        &[
            ("ampup verify", "all that is installed"),
            ("ampup verify --repair", "and reinstall what is damaged"),
        ],
    ),
    (
        "pin",
        &[
            ("ampup pin", "everything that is active"),
            (
                "ampup pin postgres@18 0.0.35",
                "0.0.35 is ampd's; unpin by deleting a line",
            ),
        ],
    ),
    (
        "link",
        &[
            ("ampup link ampd target/release/ampd", "use a build of yours"),
            (
                "ampup link ampd target/release --dry-run",
                "show what would be linked",
            ),
        ],
    ),
    (
        "mirror",
        &[
            ("ampup mirror /srv/amp postgres@18", "fetch it for this host"),
            ("ampup mirror /srv/amp --check", "check every file"),
        ],
    ),
    (
        "env",
        &[
            ("eval \"$(ampup env sh)\"", "sh, bash and zsh"),
            ("ampup env fish | source", "fish"),
        ],
    ),
    (
        "completions",
        &[
            (
                "ampup completions bash",
                "the first line says where the script goes",
            ),
            ("ampup completions zsh", "for zsh"),
        ],
    ),
    (
        "init",
        &[
            ("ampup init --dry-run", "list the files that would be changed"),
            ("ampup init", "set up or repair ampup"),
            (
                "ampup init --no-modify-path",
                "do not change the shells' startup files",
            ),
        ],
    ),
    (
        "registry",
        &[
            ("ampup registry check manifest.json", "name every mistake"),
            ("ampup --registry manifest.json list --available", "what it has"),
        ],
    ),
    (
        "registry check",
        &[
            ("ampup registry check manifest.json", "name every mistake"),
            ("ampup --registry manifest.json install", "install from it"),
        ],
    ),
    (
        "self",
        &[
            ("ampup self update", "to the newest version"),
            ("ampup self uninstall", "remove ampup; projects stay"),
        ],
    ),
    (
        "self update",
        &[
            ("ampup self update", "to the newest version"),
            ("ampup self update 0.2.0", "to this version"),
        ],
    ),
    (
        "self uninstall",
        &[
            ("ampup self uninstall --dry-run", "list what would be removed"),
            ("ampup self uninstall", "remove it; projects stay"),
        ],
    ),
    (
        "self version",
        &[
            ("ampup self version", "this ampup's version"),
            ("ampup --version", "the same"),
        ],
    ),
    (
        "help",
        &[
            ("ampup help install", "the same as `ampup install --help`"),
            ("ampup help db psql", "of a command of the project's database"),
        ],
    ),
];
