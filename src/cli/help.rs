//! The help: the commands in groups, examples under each, and the options of every command in one place.

mod examples;

use std::{ffi::OsString, mem};

use clap::{
    ArgMatches, Args as _, Command, CommandFactory as _, Subcommand as _, builder::StyledStr,
    error::ErrorKind,
};
use console::Term;

use self::examples::{EXAMPLES, Examples};
use super::args::{Cli, Command as Verb, Global};

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

/// The whole command line: what completions, the manual and the reference are made of.
pub fn grammar() -> Command {
    with_examples(Cli::command(), "", usize::MAX)
}

/// Reads a command line. To make the help and all the commands takes longer than many a command, and only who is refused or asks
/// for it sees them.
///
/// # Errors
/// When it is refused, or is answered by the help or the version.
pub(super) fn read(words: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let read = narrow(words).try_get_matches_from(words);
    read.or_else(|refusal| match refusal.kind() {
        ErrorKind::DisplayVersion => Err(refusal),
        _ => parsed().try_get_matches_from(words),
    })
}

/// The command line with the one command that is named first. What it takes, the whole one takes in the same way: it has no words
/// of its own before a command.
fn narrow(words: &[OsString]) -> Command {
    let top = Command::new("ampup").version(env!("CARGO_PKG_VERSION"));
    let top = Global::augment_args(top).disable_help_subcommand(true);
    let mut all = Verb::augment_subcommands(Command::new("ampup"));
    let mut words = words.iter().skip(1);
    match words.find_map(|word| all.find_subcommand_mut(word).map(mem::take)) {
        Some(verb) => top.subcommand(verb),
        None => top,
    }
}

/// The command line with all its help: that of a command has its own options only.
pub(super) fn parsed() -> Command {
    let full = with_help(&summary(), true);
    let command = Cli::command()
        .mut_args(|argument| {
            let is_global = argument.is_global_set();
            argument.hide(is_global)
        })
        .override_help(full);
    built(with_pointer(with_examples(command, "", width()), true))
}

/// Builds the command line. `help`, which clap makes, has words of ours, and the examples that every command has.
fn built(mut command: Command) -> Command {
    command.build();
    command.mut_subcommand("help", |help| {
        let help = help
            .about("Print the help of a command")
            .override_usage("ampup help [COMMAND]...")
            .help_template("{about-with-newline}\n{usage-heading} {usage}{after-help}");
        with_pointer(with_examples(help, "help", width()), false)
    })
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
        filled(POINTER, width(), 0) + "\n"
    };
    let heading = if is_full {
        heading("Options") + "\n"
    } else {
        String::new()
    };
    format!("{summary}{heading}{rest}").into()
}

/// Where the options of every command are.
const POINTER: &str = "Options of every command (--json, --quiet, --home, …): `ampup --help`";

/// The commands, each with its line.
fn summary() -> String {
    let command = built(Cli::command());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let width = width();
    let about = filled(&about, width, 0);
    let mut text = format!("{about}\n\n{} ampup [OPTIONS] <COMMAND>\n\n", heading("Usage"));
    let literal = command.get_styles().get_literal().to_owned();
    for (group, verbs) in GROUPS {
        text += &format!("{}\n", heading(group));
        for verb in *verbs {
            let about = command.find_subcommand(verb).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let about = filled(&about, width.saturating_sub(BEFORE).max(NARROWEST), BEFORE);
            text += &format!("  {literal}{verb:11}{literal:#}  {about}\n");
        }
        text.push('\n');
    }
    text
}

/// The columns before what a command does.
const BEFORE: usize = 15;
/// In fewer columns a text is not read any more, and the terminal may break its lines.
const NARROWEST: usize = 15;
/// Where there is no terminal, the width of the first ones.
const USUAL: usize = 80;

/// The width of the terminal that the help is printed on.
fn width() -> usize {
    let size = Term::stdout().size_checked();
    size.map_or(USUAL, |(_, columns)| usize::from(columns))
}

/// The text in lines of at most `width` columns; those after the first are indented.
fn filled(text: &str, width: usize, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
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

/// Puts its examples under each command, with what each does beside it, or above it where there is no room.
fn with_examples(command: Command, path: &str, width: usize) -> Command {
    let examples = examples_of(path);
    let longest = |of: fn(&(&str, &str)) -> usize| examples.iter().map(of).max().unwrap_or(0);
    let column = longest(|(line, _)| line.chars().count());
    let is_beside = column + longest(|(_, what)| what.chars().count()) + "    # ".len() <= width;
    let lines: Vec<String> = examples
        .iter()
        .map(|(line, what)| match is_beside {
            true => format!("  {line:column$}  # {what}"),
            false => format!("  # {what}\n  {line}"),
        })
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
        with_examples(below, path.trim_start(), width)
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
    use clap::FromArgMatches as _;

    use super::*;
    use crate::{cli::handed_on, table::every};

    /// The commands, and the groups of them, as they are typed.
    fn verbs(command: &Command, path: &str, found: &mut Vec<String>) {
        let below = command.get_subcommands().filter(|below| !below.is_hide_set());
        let below: Vec<_> = below.filter(|below| below.get_name() != "help").collect();
        if !path.is_empty() {
            found.push(path.to_owned());
        }
        for verb in below {
            verbs(verb, format!("{path} {}", verb.get_name()).trim_start(), found);
        }
    }

    /// The words of the ampup in an example.
    fn typed(line: &str) -> Vec<OsString> {
        let begin = line.find("ampup ").unwrap_or(0);
        let end = line[begin..]
            .find([')', '|'])
            .map_or(line.len(), |end| begin + end);
        let words = line[begin..end].replace('\'', "");
        let words = words.split_whitespace().filter(|word| !word.starts_with('#'));
        handed_on::marked(words.map(Into::into).collect())
    }

    #[test]
    fn a_line_is_read_as_with_all_commands() {
        let examples = EXAMPLES.iter().flat_map(|(_, examples)| *examples);
        let lines = examples.map(|(line, _)| *line).chain([
            "ampup",
            "ampup --version",
            "ampup --home list",
            "ampup --home list check",
            "ampup --home list which psql",
            "ampup list which psql",
            "ampup which list",
            "ampup -q rm postgres@17 --json",
            "ampup --mirror file:///a db --yes stop",
            "ampup db stop --version",
            "ampup self --color never version",
            "ampup list --quiet --verbose",
            "ampup run -- ampup list",
            "ampup -- list",
            "ampup help list",
            "ampup list help",
            "ampup build --release",
            "ampup use",
            "ampup frobnicate",
        ]);
        every(lines, |line| {
            let words = typed(line);
            let meant = |read: Result<ArgMatches, clap::Error>| {
                let cli = read.and_then(|matches| Cli::from_arg_matches(&matches));
                cli.map(|cli| format!("{cli:?}"))
                    .map_err(|refusal| refusal.kind())
            };
            let among_all = grammar().try_get_matches_from(&words);
            assert_eq!(meant(read(&words)), meant(among_all), "{line}");
        });
    }

    #[test]
    fn every_command_is_in_a_group_and_has_examples_that_can_be_typed() {
        let grammar = grammar();
        let mut all = Vec::new();
        verbs(&grammar, "", &mut all);
        all.push("help".to_owned());
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
                if line.chars().count() > 60 {
                    wrong.push(format!("`{line}` is too long"));
                }
                match grammar.clone().try_get_matches_from(typed(line)) {
                    Err(refusal) if refusal.use_stderr() => wrong.push(format!("`{line}`: {refusal}")),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        for verb in listed
            .iter()
            .filter(|verb| !all.iter().any(|known| known == *verb))
        {
            wrong.push(format!("there is no command `{verb}`"));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
