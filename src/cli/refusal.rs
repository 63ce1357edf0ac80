//! The refusal of a command line, in the form of every other error: what is wrong, and the line that was meant.

mod synonyms;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    num::{IntErrorKind, ParseIntError},
};

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::help;
use crate::{
    commands::{Error, requests},
    domain::{Requirement, programs},
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
    let (verb, path, _) = verb(&grammar, &words);
    let context = |kind| match refusal.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let usual = || Error::Usage {
        message: said(refusal, context(ContextKind::InvalidValue)),
        hint: format!("`{}`", asks_for_help(&path)),
    };
    match (
        refusal.kind(),
        context(ContextKind::InvalidSubcommand),
        context(ContextKind::InvalidArg),
    ) {
        (ErrorKind::InvalidSubcommand, Some(wrong), _) => {
            let at = words.iter().position(|word| word == wrong).unwrap_or(words.len());
            let (mut before, behind) = (words[..at].to_vec(), &words[at..]);
            before.retain(|word| word != HELP);
            let (group, path, _) = self::verb(&grammar, &before);
            if before.len() < at {
                // `ampup db help` is `ampup help db`.
                before = path.split(' ').map(str::to_owned).collect();
                before.insert(1, HELP.to_owned());
            }
            let (at, words) = (before.len(), [&before, behind].concat());
            Error::Usage {
                message: format!("there is no command `{path} {wrong}`"),
                hint: meant_verb(&grammar, group, at, &words)
                    .unwrap_or_else(|| format!("`{}` lists the commands", asks_for_help(&path))),
            }
        }
        (ErrorKind::UnknownArgument, _, Some(wrong)) if wrong.starts_with("--") => {
            let name = wrong.split('=').next().unwrap_or(wrong);
            before_its_command(name, &grammar, &words).unwrap_or_else(|| Error::Usage {
                message: format!("`{path}` has no option `{name}`"),
                hint: meant_option(name, verb, &words)
                    .unwrap_or_else(|| format!("`{}` lists the options", asks_for_help(&path))),
            })
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

/// The command that prints the help of another.
const HELP: &str = "help";

/// The command that a line names, how it is typed, and the place behind it.
fn verb<'a>(grammar: &'a Command, words: &[String]) -> (&'a Command, String, usize) {
    let mut verb = grammar;
    let mut path = "ampup".to_owned();
    let mut end = words.len().min(1);
    let own = words.iter().enumerate().skip(1);
    for (at, word) in own.take_while(|(_, word)| *word != "--") {
        if let Some(below) = verb.find_subcommand(word) {
            verb = below;
            path = format!("{path} {}", below.get_name());
            end = at + 1;
        }
    }
    (verb, path, end)
}

fn asks_for_help(path: &str) -> String {
    match path.strip_prefix("ampup ") {
        Some(verb) => format!("ampup help {verb}"),
        None => "ampup --help".to_owned(),
    }
}

/// The refusal of an option that stands before the command that takes it.
fn before_its_command(name: &str, grammar: &Command, words: &[String]) -> Option<Error> {
    let is_it = |word: &String| {
        word.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    let at = words.iter().position(is_it)?;
    let (verb, path, end) = verb(grammar, words);
    let mut options = verb.get_arguments();
    let option = options.find(|option| option.get_long() == name.strip_prefix("--"))?;
    let has_value = option.get_action().takes_values() && words[at] == name;
    let rest = at + 1 + usize::from(has_value);
    if rest >= end {
        return None;
    }
    let line = [&words[1..at], &words[rest..end], &words[at..rest], &words[end..]].concat();
    Some(Error::Usage {
        message: format!("`{name}` is an option of `{path}`, and comes after it"),
        hint: did_you_mean(&line),
    })
}

/// The line with the option that was probably meant.
fn meant_option(name: &str, verb: &Command, words: &[String]) -> Option<String> {
    let options = verb.get_arguments().filter(|option| !option.is_hide_set());
    let near = nearest(
        name.trim_start_matches('-'),
        options.filter_map(|option| option.get_long()),
    );
    meant_exactly(name, &format!("--{}", near.first()?), words)
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
        let known = component_of(wrong);
        let right = match wrong.contains('@') {
            _ if words.get(1).is_some_and(|word| word == HELP) => "run".to_owned(),
            true => format!("install {wrong}"),
            false => format!("run {known}"),
        };
        return meant_exactly(wrong, &right, words);
    }
    let near = nearest(wrong, own.iter().chain(&of_database).copied());
    match *near.first()? {
        right if own.contains(&right) => meant_exactly(wrong, right, words),
        right => meant_exactly(wrong, &format!("db {right}"), words),
    }
}

/// Returns true if this is a program, or a component at a version or not, that is known without a registry.
fn is_of_component(word: &str) -> bool {
    let name = component_of(word);
    [programs::POSTGRES, programs::AMP]
        .concat()
        .contains(&name.as_str())
}

/// The name in front of a version, as it is known here.
fn component_of(word: &str) -> String {
    let name = word.split('@').next().unwrap_or_default().to_lowercase();
    requests::known_as(&name).to_owned()
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
    requests::name(name).ok()?;
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
            requests::name(name).ok()?;
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

/// The mistake: of a value, in the words of whoever read it, who may name it already.
fn said(refusal: &clap::Error, value: Option<&str>) -> String {
    let text = first_paragraph(refusal);
    let (Some(cause), Some(value)) = (std::error::Error::source(refusal), value) else {
        return text;
    };
    let why = cause.to_string();
    let plain = match cause.downcast_ref::<ParseIntError>().map(ParseIntError::kind) {
        Some(IntErrorKind::PosOverflow) => "it is too large",
        Some(_) => "it is not a number from 0 up",
        None if why.contains(&format!("`{value}`")) => return why,
        None => return text,
    };
    text.replace(&why, plain)
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
