//! The refusal of a command line, in the form of every other error: what is wrong, and the line that was meant.

mod synonyms;

use std::ffi::OsString;

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::help;
use crate::{
    commands::Error,
    domain::{ComponentName, Requirement, programs},
    nearest::nearest,
    shell,
};

/// Returns the error that a refused command line is.
pub(super) fn error(refusal: &clap::Error, words: &[OsString]) -> Error {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut grammar = help::grammar();
    grammar.build();
    let (verb, path) = verb(&grammar, &words);
    let context = |kind| match refusal.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let usual = || Error::Usage {
        message: first_paragraph(refusal),
        hint: format!("`{}`", asks_for_help(&path)),
    };
    match (
        refusal.kind(),
        context(ContextKind::InvalidSubcommand),
        context(ContextKind::InvalidArg),
    ) {
        (ErrorKind::InvalidSubcommand, Some(wrong), _) => {
            let at = words.iter().position(|word| word == wrong).unwrap_or(words.len());
            let (group, path) = match self::verb(&grammar, &words[..at]) {
                (help, _) if help.get_name() == "help" => (&grammar, "ampup".to_owned()),
                found => found,
            };
            Error::Usage {
                message: format!("there is no command `{path} {wrong}`"),
                hint: meant_verb(&grammar, group, at, &words)
                    .unwrap_or_else(|| format!("`{}` lists the commands", asks_for_help(&path))),
            }
        }
        (ErrorKind::UnknownArgument, _, Some(wrong)) if wrong.starts_with("--") => {
            let flags: Vec<String> = verb
                .get_arguments()
                .filter(|argument| !argument.is_hide_set())
                .filter_map(|argument| Some(format!("--{}", argument.get_long()?)))
                .collect();
            let name = wrong.split('=').next().unwrap_or(wrong);
            Error::Usage {
                message: format!("`{path}` has no option `{name}`"),
                hint: meant(name, flags.iter().map(String::as_str), &words)
                    .unwrap_or_else(|| format!("`{}` lists the options", asks_for_help(&path))),
            }
        }
        (ErrorKind::UnknownArgument, _, Some(word)) if verb.get_name() == "upgrade" => Error::Usage {
            message: first_paragraph(refusal),
            hint: meant_exactly(word, &format!("--to {word}"), &words).unwrap_or_default(),
        },
        (ErrorKind::UnknownArgument, _, Some(version)) if takes_versions(verb) => {
            let joined = joined(version, &words);
            Error::Usage {
                message: match &joined {
                    Some((spec, _)) => {
                        format!("the version of a component is joined to its name: `{spec}`")
                    }
                    None => first_paragraph(refusal),
                },
                hint: joined.map_or_else(|| format!("`{}`", asks_for_help(&path)), |(_, line)| line),
            }
        }
        (ErrorKind::UnknownArgument, _, Some(word)) => {
            unwanted_version(word, &path, &words).unwrap_or_else(usual)
        }
        (ErrorKind::ValueValidation, _, Some(argument)) if !argument.starts_with('-') => {
            let word = context(ContextKind::InvalidValue);
            word.and_then(|word| {
                unwanted_version(word, &path, &words)
                    .or_else(|| program_of_component(word, &words))
                    .or_else(|| item_to_remove(word, &path, &words))
            })
            .unwrap_or_else(usual)
        }
        _ => usual(),
    }
}

/// The command that a line names, and how it is typed.
fn verb<'a>(grammar: &'a Command, words: &[String]) -> (&'a Command, String) {
    let mut verb = grammar;
    let mut path = "ampup".to_owned();
    for word in words.iter().skip(1).take_while(|word| *word != "--") {
        if let Some(below) = verb.find_subcommand(word) {
            verb = below;
            path = format!("{path} {}", below.get_name());
        }
    }
    (verb, path)
}

fn asks_for_help(path: &str) -> String {
    match path.strip_prefix("ampup ") {
        Some(verb) => format!("ampup help {verb}"),
        None => "ampup --help".to_owned(),
    }
}

/// The line with the word that was probably meant.
fn meant<'a>(wrong: &str, known: impl Iterator<Item = &'a str>, words: &[String]) -> Option<String> {
    let near = nearest(wrong, known);
    meant_exactly(wrong, near.first()?, words)
}

fn meant_exactly(wrong: &str, right: &str, words: &[String]) -> Option<String> {
    let line: Vec<String> = words
        .iter()
        .skip(1)
        .map(|word| match word.strip_prefix(wrong) {
            Some(rest) if rest.is_empty() || rest.starts_with('=') => format!("{right}{rest}"),
            _ => shell::typed(word),
        })
        .collect();
    Some(format!("did you mean `ampup {}`?", line.join(" ")))
}

/// The line with the verb that was probably meant by the word at this place: of this group, or of `ampup db` by `ampup status`.
fn meant_verb(grammar: &Command, group: &Command, at: usize, words: &[String]) -> Option<String> {
    let wrong = words.get(at)?.as_str();
    if let Some(instead) = synonyms::instead_of(wrong).or_else(|| programs::meant_by(wrong)) {
        return Some(instead.to_owned());
    }
    let own: Vec<&str> = names(group).collect();
    let mut known = synonyms::SYNONYMS.iter();
    if let Some((_, right)) = known.find(|(words, right)| words.contains(&wrong) && own.contains(right)) {
        return Some(match (wrong, words.get(at + 1)) {
            (_, None) if *right == "restore" => {
                let line = did_you_mean(&[&words[1..at], &[(*right).to_owned()]].concat());
                format!(
                    "{}, which lists what can be brought back?",
                    line.trim_end_matches('?')
                )
            }
            // Another database of the same server.
            ("create" | "new", Some(name)) if !name.starts_with('-') => {
                let statement = shell::typed(&format!("create database {name}"));
                format!("did you mean `ampup db psql -c {statement}`?")
            }
            _ => did_you_mean(&[&words[1..at], &[(*right).to_owned()], &words[at + 1..]].concat()),
        });
    }
    let is_top = group.get_name() == grammar.get_name();
    if !is_top {
        // `ampup db run` is `ampup run`.
        if names(grammar).any(|verb| verb == wrong) {
            return Some(did_you_mean(&[&words[1..at - 1], &words[at..]].concat()));
        }
        return meant(wrong, own.into_iter(), words);
    }
    let before = words.get(at + 1).and_then(|next| grammar.find_subcommand(next));
    if before.is_some_and(|verb| names(verb).any(|name| name == wrong) || is_of_component(wrong)) {
        let mut words = words.to_vec();
        words.swap(at, at + 1);
        return Some(did_you_mean(&words[1..]));
    }
    let database = grammar.find_subcommand("db");
    let of_database: Vec<&str> = database.into_iter().flat_map(names).collect();
    if is_of_component(wrong) && !of_database.contains(&wrong) {
        return meant_exactly(wrong, &format!("run {wrong}"), words);
    }
    let near = nearest(wrong, own.iter().chain(&of_database).copied());
    match *near.first()? {
        right if own.contains(&right) => meant_exactly(wrong, right, words),
        right => meant_exactly(wrong, &format!("db {right}"), words),
    }
}

/// Returns true if this is a program, or a component at a version or not, that is known without a registry.
fn is_of_component(word: &str) -> bool {
    let name = word.split('@').next().unwrap_or_default();
    [programs::POSTGRES, programs::AMP].concat().contains(&name)
}

fn did_you_mean(words: &[String]) -> String {
    let line: Vec<String> = words.iter().map(|word| shell::typed(word)).collect();
    format!("did you mean `ampup {}`?", line.join(" "))
}

fn names(group: &Command) -> impl Iterator<Item = &str> {
    let verbs = group.get_subcommands().filter(|verb| !verb.is_hide_set());
    verbs.map(Command::get_name)
}

/// Returns true if this verb is about a component at a version.
fn takes_versions(verb: &Command) -> bool {
    let mut names = verb
        .get_positionals()
        .flat_map(|argument| argument.get_value_names());
    names.any(|names| names.iter().any(|name| name.contains("@VERSION")))
}

/// The component and its version, where they were typed as two words, and the line with the one word.
fn joined(version: &str, words: &[String]) -> Option<(String, String)> {
    version.parse::<Requirement>().ok()?;
    let at = words.iter().rposition(|word| word == version)?;
    let name = words[..at].last()?;
    name.parse::<ComponentName>().ok()?;
    let spec = format!("{name}@{version}");
    let (before, after) = (&words[1..at - 1], &words[at + 1..]);
    let line = did_you_mean(&[before, std::slice::from_ref(&spec), after].concat());
    Some((spec, line))
}

/// The refusal of a version, joined to its component's name or behind it, by a verb that takes names alone.
fn unwanted_version(word: &str, path: &str, words: &[String]) -> Option<Error> {
    let (spec, line) = match word.split_once('@') {
        Some((name, version)) => {
            version.parse::<Requirement>().ok()?;
            name.parse::<ComponentName>().ok()?;
            (word.to_owned(), meant_exactly(word, name, words)?)
        }
        None => {
            let (spec, _) = joined(word, words)?;
            let at = words.iter().rposition(|one| one == word)?;
            (spec, did_you_mean(&[&words[1..at], &words[at + 1..]].concat()))
        }
    };
    Some(Error::Usage {
        message: format!("`{path}` takes the name of a component without a version"),
        hint: match path {
            "ampup update" => format!("`ampup install {spec}`"),
            _ => line,
        },
    })
}

/// The refusal of a program's name, where its component's is meant. (A name that a component can have is the registry's to refuse.)
fn program_of_component(word: &str, words: &[String]) -> Option<Error> {
    let is_program = programs::POSTGRES.contains(&word);
    is_program.then_some(())?;
    Some(Error::Usage {
        message: format!("there is no component `{word}`; it is a program of postgres"),
        hint: meant_exactly(word, "postgres", words)?,
    })
}

/// The refusal of a path, behind `ampup prune`, which takes those of items after an option.
fn item_to_remove(word: &str, path: &str, words: &[String]) -> Option<Error> {
    (path == "ampup prune" && word.contains(['.', '/'])).then_some(())?;
    let at = words.iter().position(|one| one == word)?;
    Some(Error::Usage {
        message: format!("`{word}` is not the name of a component"),
        hint: did_you_mean(&[&words[1..at], &["--remove".to_owned()], &words[at..]].concat()),
    })
}

/// The text of clap's, without the usage and the tips that follow it.
fn first_paragraph(refusal: &clap::Error) -> String {
    let text = refusal.to_string();
    let lines: Vec<&str> = text
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .collect();
    lines.join(" ").trim_start_matches("error: ").replace('\'', "`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    fn refusal_of(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let refusal = help::parsed().try_get_matches_from(&words).expect_err("refused");
        error(&refusal, &words).lines().join("\n")
    }

    #[test]
    fn a_refused_line_is_answered_with_the_one_that_was_meant() {
        let rows = [
            (
                "ampup instal postgres@18",
                "error: there is no command `ampup instal`\nhint: did you mean `ampup install postgres@18`?",
            ),
            (
                "ampup status",
                "error: there is no command `ampup status`\nhint: did you mean `ampup db status`?",
            ),
            (
                "ampup restore x",
                "error: there is no command `ampup restore`\nhint: did you mean `ampup db restore x`?",
            ),
            (
                "ampup ampd solo",
                "error: there is no command `ampup ampd`\nhint: did you mean `ampup run ampd solo`?",
            ),
            (
                "ampup solo",
                "error: there is no command `ampup solo`\nhint: `ampup run ampd solo` runs Amp",
            ),
            (
                "ampup amp",
                "error: there is no command `ampup amp`\nhint: `ampup install` installs Amp: ampd, ampctl and PostgreSQL",
            ),
            (
                "ampup pg_dump -Fc",
                "error: there is no command `ampup pg_dump`\nhint: did you mean `ampup run pg_dump -Fc`?",
            ),
            (
                "ampup psql db",
                "error: there is no command `ampup psql`\nhint: did you mean `ampup db psql`?",
            ),
            (
                "ampup --offline start db --tcp",
                "error: there is no command `ampup start`\nhint: did you mean `ampup --offline db start --tcp`?",
            ),
            (
                "ampup postgres@17 install",
                "error: there is no command `ampup postgres@17`\nhint: did you mean `ampup install postgres@17`?",
            ),
            (
                "ampup ampd run solo",
                "error: there is no command `ampup ampd`\nhint: did you mean `ampup run ampd solo`?",
            ),
            (
                "ampup db run psql",
                "error: there is no command `ampup db run`\nhint: did you mean `ampup run psql`?",
            ),
            (
                "ampup help psql",
                "error: there is no command `ampup psql`\nhint: did you mean `ampup help db psql`?",
            ),
            (
                "ampup help frobnicate",
                "error: there is no command `ampup frobnicate`\nhint: `ampup --help` lists the commands",
            ),
            (
                "ampup unpin postgres",
                "error: there is no command `ampup unpin`\n  to remove a pin, delete its line in the project's `ampup.toml`",
            ),
            (
                "ampup info postgres@18",
                "error: `ampup info` takes the name of a component without a version\nhint: did you mean `ampup info postgres`?",
            ),
            (
                "ampup check postgres 18 --offline",
                "error: `ampup check` takes the name of a component without a version\nhint: did you mean `ampup check postgres --offline`?",
            ),
            (
                "ampup update postgres 18",
                "error: `ampup update` takes the name of a component without a version\nhint: `ampup install postgres@18`",
            ),
            (
                "ampup info pg_dump",
                "error: there is no component `pg_dump`; it is a program of postgres\nhint: did you mean `ampup info postgres`?",
            ),
            (
                "ampup frobnicate",
                "error: there is no command `ampup frobnicate`\nhint: `ampup --help` lists the commands",
            ),
            (
                "ampup db strat",
                "error: there is no command `ampup db strat`\nhint: did you mean `ampup db start`?",
            ),
            (
                "ampup install --dry-rum",
                "error: `ampup install` has no option `--dry-rum`\nhint: did you mean `ampup install --dry-run`?",
            ),
            (
                "ampup use postgres 17 --dry-run",
                "error: the version of a component is joined to its name: `postgres@17`\nhint: did you mean `ampup use postgres@17 --dry-run`?",
            ),
            (
                "ampup db upgrade 17",
                "error: unexpected argument `17` found\nhint: did you mean `ampup db upgrade --to 17`?",
            ),
            (
                "ampup db create shop",
                "error: there is no command `ampup db create`\nhint: did you mean `ampup db psql -c 'create database shop'`?",
            ),
            (
                "ampup db create",
                "error: there is no command `ampup db create`\nhint: did you mean `ampup db start`?",
            ),
            (
                "ampup db undo",
                "error: there is no command `ampup db undo`\nhint: did you mean `ampup db restore`, which lists what can be brought back?",
            ),
            (
                "ampup db rollback before.tar.zst",
                "error: there is no command `ampup db rollback`\nhint: did you mean `ampup db restore before.tar.zst`?",
            ),
            (
                "ampup rollback",
                "error: there is no command `ampup rollback`\nhint: did you mean `ampup undo`?",
            ),
            (
                "ampup db uninstall",
                "error: there is no command `ampup db uninstall`\nhint: did you mean `ampup db reset`?",
            ),
            (
                "ampup prune .amp/metadb.old-1 .amp/metadb.old-2",
                "error: `.amp/metadb.old-1` is not the name of a component\nhint: did you mean `ampup prune --remove .amp/metadb.old-1 .amp/metadb.old-2`?",
            ),
            (
                "ampup list --fast",
                "error: `ampup list` has no option `--fast`\nhint: `ampup help list` lists the options",
            ),
            (
                "ampup info",
                "error: the following required arguments were not provided: <NAME>\nhint: `ampup help info`",
            ),
            (
                "ampup --color blue list",
                "error: invalid value `blue` for `--color <WHEN>` [possible values: auto, always, never]\nhint: `ampup help list`",
            ),
        ];
        every(rows, |(line, expected)| {
            assert_eq!(refusal_of(line), expected, "{line}");
        });
    }
}
