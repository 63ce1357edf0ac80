//! What machines read, against the schemas in `docs/schemas/`: every answer of every test is compared.

use std::{collections::BTreeMap, ffi::OsStr, process::Command, sync::OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

const OUTPUT: &str = include_str!("../../../docs/schemas/output.json");
const PROGRESS: &str = include_str!("../../../docs/schemas/progress.json");

/// The verbs that have verbs below them.
const ROOMS: &[&str] = &["db", "self", "registry"];

fn validators() -> &'static BTreeMap<String, Validator> {
    static ALL: OnceLock<BTreeMap<String, Validator>> = OnceLock::new();
    ALL.get_or_init(|| {
        let output: Value = serde_json::from_str(OUTPUT).expect("JSON");
        let names = output["$defs"].as_object().expect("schemas").keys();
        names
            .map(|name| {
                let one = json!({ "$ref": format!("#/$defs/{name}"), "$defs": output["$defs"] });
                (
                    name.clone(),
                    jsonschema::draft202012::new(&one).expect("a schema"),
                )
            })
            .collect()
    })
}

/// The name of a command's schema: its verb, and the verb below it.
fn name_of(command: &Command) -> Option<String> {
    let words: Vec<&str> = command.get_args().filter_map(OsStr::to_str).collect();
    let known = |word: &&&str| validators().contains_key(**word) || ROOMS.contains(*word);
    let at = words.iter().position(|word| known(&word))?;
    if !ROOMS.contains(&words[at]) {
        return Some(words[at].to_owned());
    }
    let below = words[at + 1..].iter().find(|word| !word.starts_with('-'))?;
    Some(format!("{}-{below}", words[at]))
}

/// Fails the test unless what a command printed for machines is what the schemas promise.
#[track_caller]
pub(crate) fn ensure_promised(command: &Command, stdout: &str, stderr: &str) {
    let has = |flag: &str| command.get_args().any(|word| word == flag);
    if !command.get_program().to_string_lossy().ends_with("ampup") {
        return;
    }
    if has("--json")
        && let Ok(answer) = serde_json::from_str::<Value>(stdout)
    {
        let name = match answer.get("messages") {
            Some(_) => name_of(command),
            None => Some("error".to_owned()),
        };
        let name = name.unwrap_or_else(|| panic!("`{command:?}` has no schema"));
        let validator = validators()
            .get(&name)
            .unwrap_or_else(|| panic!("`{name}` has no schema"));
        let errors: Vec<String> = validator
            .iter_errors(&answer)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "`{name}`: {errors:#?}\n{answer:#}");
    }
    if has("--progress=json") || command.get_args().any(|word| word == "json") {
        let validator = jsonschema::draft202012::new(&serde_json::from_str(PROGRESS).expect("JSON"));
        let validator = validator.expect("a schema");
        for line in stderr.lines().filter(|line| line.starts_with('{')) {
            let event: Value = serde_json::from_str(line).expect("JSON");
            assert!(validator.is_valid(&event), "{event}");
        }
    }
}

/// What these print is another program's.
const OF_OTHERS: &[&str] = &["run", "db-psql"];

#[test]
fn every_command_that_answers_has_a_schema() {
    use clap::CommandFactory as _;
    let grammar = ampup::cli::args::Cli::command();
    let mut without = Vec::new();
    for verb in grammar.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let below: Vec<String> = verb
            .get_subcommands()
            .map(|below| format!("{}-{}", verb.get_name(), below.get_name()))
            .collect();
        let names = if below.is_empty() {
            vec![verb.get_name().to_owned()]
        } else {
            below
        };
        without.extend(
            names
                .into_iter()
                .filter(|name| !OF_OTHERS.contains(&name.as_str()) && !validators().contains_key(name)),
        );
    }
    assert!(without.is_empty(), "{without:?}");
}
