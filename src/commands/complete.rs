//! `ampup complete`: the words that could stand at the end of a command line. Asked by the scripts of `ampup completions`.

use std::{collections::BTreeMap, ffi::OsStr, sync::Arc};

use clap_complete::{ArgValueCompleter, CompletionCandidate, engine};
use serde_json::json;

use super::{Error, Outcome, Session};
use crate::{domain::Inventory, shell::Shell};

/// Arguments of `ampup complete`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The line up to the cursor, in place of its words
    #[arg(long, allow_hyphen_values = true)]
    line: Option<String>,
    /// The words up to the cursor, `ampup` first; the last one is completed
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// One word a line, a tab before its description.
///
/// # Errors
/// When the home or the registry cannot be read.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let words = args.line.as_deref().map_or_else(|| args.words.clone(), split);
    let Some(last) = words.len().checked_sub(1) else {
        return Ok(Outcome::answer("", json!({ "words": [] })));
    };
    let mut grammar = with_names(session.grammar(), &Names::of(session)?);
    let current = session.env.current_dir().map(camino::Utf8Path::as_std_path);
    let asks_for_flag = words[last].starts_with('-');
    let words = words.into_iter().map(Into::into).collect();
    let found = engine::complete(&mut grammar, words, last, current).unwrap_or_default();
    let mut data = String::new();
    let mut rows = Vec::new();
    let is_flag = |candidate: &CompletionCandidate| {
        let word = candidate.get_value().to_str();
        word.is_none_or(|word| word.starts_with('-'))
    };
    // Whoever wants a flag begins with its hyphen, unless there is nothing else.
    let only_flags = found.iter().all(is_flag);
    for candidate in found
        .iter()
        .filter(|candidate| !candidate.is_hide_set() && (only_flags || asks_for_flag || !is_flag(candidate)))
    {
        let Some(word) = candidate.get_value().to_str() else {
            continue;
        };
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default().to_owned();
        data += word;
        if !help.is_empty() {
            data += &format!("\t{help}");
        }
        data.push('\n');
        rows.push(json!({ "word": word, "help": help }));
    }
    Ok(Outcome::answer(data, json!({ "words": rows })))
}

/// A line as words, as far as quotes and backslashes go; what the cursor stands in is the last, and may be empty.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut letters = line.trim_start().chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(end), letter) if letter == end => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None | Some('"'), '\\') => word.extend(letters.next()),
            (None, letter) if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(letter),
        }
    }
    words.push(word);
    words
}

/// Words, each with the versions that may follow an `@`, newest first, and what it is.
type Known = BTreeMap<String, (Vec<String>, String)>;

/// The names that can be given on the command line.
struct Names {
    /// The components and versions that the registry has.
    available: Known,
    /// The components and versions that are installed.
    installed: Known,
    /// The programs of active components.
    programs: Vec<String>,
}

impl Names {
    fn of(session: &Session) -> Result<Self, Error> {
        let registry = session.registry()?;
        let inventory = session.inventory()?;
        let mut available = BTreeMap::new();
        for component in registry.components.values() {
            let style = component.version_style;
            let mut versions: Vec<String> = component
                .releases
                .iter()
                .map(|release| style.show(&release.version))
                .collect();
            versions.push("latest".to_owned());
            available.insert(component.name.to_string(), (versions, component.summary.clone()));
        }
        let mut installed = BTreeMap::new();
        for (name, trees) in &inventory.trees {
            let trees = trees.iter().rev();
            let versions = trees.map(|tree| session.shown(name, &tree.name, &inventory));
            let summary = registry
                .component(name)
                .map_or_else(String::new, |component| component.summary.clone());
            installed.insert(name.to_string(), (versions.collect::<Result<_, _>>()?, summary));
        }
        Ok(Self {
            available,
            installed,
            programs: programs(&inventory, session),
        })
    }
}

fn programs(inventory: &Inventory, session: &Session) -> Vec<String> {
    let mut names = Vec::new();
    for (component, tree) in &inventory.active.components {
        let bin = session.layout.tree(component, tree).join("bin");
        let entries = bin.read_dir_utf8().into_iter().flatten().flatten();
        names.extend(entries.map(|entry| entry.file_name().to_owned()));
    }
    names
}

/// The grammar, knowing what its arguments may name.
fn with_names(grammar: clap::Command, names: &Names) -> clap::Command {
    let available = Arc::new(names.available.clone());
    let installed = Arc::new(names.installed.clone());
    let words = |words: Vec<String>| -> Arc<Known> {
        let word = |word| (word, (Vec::new(), String::new()));
        Arc::new(words.into_iter().map(word).collect())
    };
    let programs = words(names.programs.clone());
    let shells = words(Shell::ALL.iter().map(ToString::to_string).collect());
    let completer = |known: &Arc<Known>| {
        let known = Arc::clone(known);
        ArgValueCompleter::new(move |word: &OsStr| specs(&known, word))
    };
    grammar.mut_subcommands(|verb| {
        let name = verb.get_name().to_owned();
        verb.mut_args(|arg| match (name.as_str(), arg.get_id().as_str()) {
            ("install" | "init", "what" | "components") | ("info", "name") => arg.add(completer(&available)),
            ("env", "shell") => arg.add(completer(&shells)),
            ("which", "executable") => arg.add(completer(&programs)),
            (_, "spec" | "specs" | "name" | "names") => arg.add(completer(&installed)),
            _ => arg,
        })
    })
}

/// Names, and after an `@` the versions.
fn specs(known: &Known, word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_str().unwrap_or_default();
    let candidate = |text: String, help: &str| {
        let help = (!help.is_empty()).then(|| help.to_owned().into());
        CompletionCandidate::new(text).help(help)
    };
    if let Some((name, _)) = word.split_once('@') {
        let versions = known.get(name).map_or(&[][..], |(versions, _)| versions);
        return versions
            .iter()
            .map(|version| format!("{name}@{version}"))
            .filter(|spec| spec.starts_with(word))
            .enumerate()
            .map(|(rank, spec)| candidate(spec, "").display_order(Some(rank)))
            .collect();
    }
    known
        .iter()
        .filter(|(name, _)| name.starts_with(word))
        .map(|(name, (_, summary))| candidate(name.clone(), summary))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_in_the_word_that_is_completed() {
        assert_eq!(split("ampup install po"), ["ampup", "install", "po"]);
        assert_eq!(split("ampup install "), ["ampup", "install", ""]);
        assert_eq!(split("ampup --home 'a b"), ["ampup", "--home", "a b"]);
        assert_eq!(split(r#"ampup "a \"b" c\ d"#), ["ampup", r#"a "b"#, "c d"]);
        assert_eq!(split(""), [""]);
    }
}
