//! The help: the commands in groups, examples under each, and the options of every command in one place.

use clap::{Command, CommandFactory as _, builder::StyledStr};

use super::args::Cli;

/// The commands as the help groups them.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Install",
        &[
            "install",
            "list",
            "check",
            "update",
            "use",
            "undo",
            "uninstall",
            "pin",
            "link",
            "history",
            "info",
            "search",
            "which",
            "why",
        ],
    ),
    ("Project database", &["run", "db"]),
    ("Care", &["doctor", "verify", "prune", "mirror", "registry"]),
    ("Shells", &["env", "completions"]),
    ("ampup itself", &["self", "init", "help"]),
];

/// Command lines that work, with what they do.
type Examples = &'static [(&'static str, &'static str)];

/// The examples of each command.
const EXAMPLES: &[(&str, Examples)] = &[
    (
        "install",
        &[
            ("ampup install", "ampd, ampctl and PostgreSQL"),
            ("ampup install 0.0.35", "this version of ampd and ampctl"),
            ("ampup install postgres@17", "the newest PostgreSQL 17"),
            ("ampup install --dry-run", "show what would be installed"),
        ],
    ),
    (
        "list",
        &[
            ("ampup list", "what is installed"),
            ("ampup list --available", "what can be installed on this host"),
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
            ("ampup undo", "take the last change back"),
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
            ("ampup db stop", "once its sessions have ended"),
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
            ("ampup db logs --follow", "go on as it grows"),
        ],
    ),
    (
        "db list",
        &[
            ("ampup db list", "the databases of all projects"),
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
            ("ampup db reset shop", "the project in a directory `shop`"),
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
                "from a file, in place of what is there",
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
            ("ampup prune postgres", "also the inactive versions of PostgreSQL"),
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
            ("ampup pin postgres@18 0.0.35", "these"),
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
            ("ampup mirror /srv/amp --check", "prove every file"),
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
            ("ampup init --no-modify-path", "leave the shells' files alone"),
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
];

/// The whole command line: what completions, the manual and the reference are made of.
pub fn grammar() -> Command {
    with_examples(Cli::command(), "")
}

/// The command line as it is parsed: the help of a command has its own options only.
pub(super) fn parsed() -> Command {
    let full = with_help(&summary(), true);
    let command = Cli::command()
        .mut_args(|argument| {
            let is_global = argument.is_global_set();
            argument.hide(is_global)
        })
        .override_help(full);
    with_pointer(with_examples(command, ""), true)
}

/// The answer to `ampup` alone: the commands and their options in a line.
pub(super) fn short() -> String {
    with_help(&summary(), false).ansi().to_string()
}

fn with_help(summary: &str, is_full: bool) -> StyledStr {
    let command = Cli::command().disable_help_subcommand(true);
    let rest = if is_full {
        // clap's own: aligned, and wrapped at the terminal's width.
        let template = "{options}{after-help}";
        command.help_template(template).render_help().ansi().to_string()
    } else {
        POINTER.to_owned() + "\n"
    };
    let heading = if is_full {
        heading("Options") + "\n"
    } else {
        String::new()
    };
    format!("{summary}{heading}{rest}").into()
}

/// Where the options of every command are.
const POINTER: &str = "Options of every command (--json, --quiet, --offline, --home, …): `ampup --help`";

/// The commands, each with its line.
fn summary() -> String {
    let mut command = Cli::command();
    command.build();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("{about}\n\n{} ampup [OPTIONS] <COMMAND>\n\n", heading("Usage"));
    let literal = command.get_styles().get_literal().to_owned();
    for (group, verbs) in GROUPS {
        text += &format!("{}\n", heading(group));
        for verb in *verbs {
            let about = command.find_subcommand(verb).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text += &format!("  {literal}{verb:11}{literal:#}  {about}\n");
        }
        text.push('\n');
    }
    text
}

fn heading(word: &str) -> String {
    let style = clap::builder::Styles::styled().get_header().to_owned();
    format!("{style}{word}:{style:#}")
}

fn examples_of(path: &str) -> Examples {
    EXAMPLES
        .iter()
        .find(|(of, _)| *of == path)
        .map_or(&[], |(_, examples)| examples)
}

/// Puts its examples under each command.
fn with_examples(command: Command, path: &str) -> Command {
    let examples = examples_of(path);
    let width = examples
        .iter()
        .map(|(line, _)| line.chars().count())
        .max()
        .unwrap_or(0);
    let lines: Vec<String> = examples
        .iter()
        .map(|(line, what)| format!("  {line:width$}  # {what}"))
        .collect();
    let command = if lines.is_empty() {
        command
    } else {
        command.after_help(StyledStr::from(format!(
            "{}\n{}",
            heading("Examples"),
            lines.join("\n")
        )))
    };
    command.mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name());
        with_examples(below, path.trim_start())
    })
}

/// Ends the help of each command with the place of the options that it has not.
fn with_pointer(command: Command, is_top: bool) -> Command {
    let command = match command.get_after_help().cloned() {
        _ if is_top => command,
        Some(text) => command.after_help(StyledStr::from(format!("{}\n\n{POINTER}", text.ansi()))),
        None => command.after_help(POINTER),
    };
    command.mut_subcommands(|below| with_pointer(below, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::handed_on;

    /// The commands that do something, as they are typed.
    fn verbs(command: &Command, path: &str, found: &mut Vec<String>) {
        let below = command.get_subcommands().filter(|below| !below.is_hide_set());
        let below: Vec<_> = below.filter(|below| below.get_name() != "help").collect();
        if below.is_empty() {
            found.push(path.to_owned());
        }
        for verb in below {
            verbs(verb, format!("{path} {}", verb.get_name()).trim_start(), found);
        }
    }

    #[test]
    fn every_command_is_in_a_group_and_has_examples_that_can_be_typed() {
        let grammar = grammar();
        let mut all = Vec::new();
        verbs(&grammar, "", &mut all);
        let listed: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| *verbs).copied().collect();
        let mut wrong = Vec::new();
        for verb in &all {
            let first = verb.split(' ').next().unwrap_or_default();
            if !listed.contains(&first) {
                wrong.push(format!("`{first}` is in no group"));
            }
            if !(2..=4).contains(&examples_of(verb).len()) {
                wrong.push(format!("`{verb}` has not two to four examples"));
            }
        }
        for (verb, examples) in EXAMPLES {
            if !all.iter().any(|known| known == verb) {
                wrong.push(format!("there is no command `{verb}`"));
            }
            for (line, _) in *examples {
                let begin = line.find("ampup ").unwrap_or(0);
                let end = line[begin..]
                    .find([')', '|'])
                    .map_or(line.len(), |end| begin + end);
                let words = line[begin..end].replace('\'', "");
                let words = words.split_whitespace().filter(|word| !word.starts_with('#'));
                let words = handed_on::marked(words.map(Into::into).collect());
                if line.chars().count() > 60 {
                    wrong.push(format!("`{line}` is too long"));
                }
                match grammar.clone().try_get_matches_from(words) {
                    Err(refusal) if refusal.use_stderr() => wrong.push(format!("`{line}`: {refusal}")),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        for verb in listed
            .iter()
            .filter(|verb| grammar.find_subcommand(verb).is_none() && **verb != "help")
        {
            wrong.push(format!("there is no command `{verb}`"));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
