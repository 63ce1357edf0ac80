//! Answers for machines, against the schemas in `docs/schemas/`: every answer of every test is compared.

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
                let mut one = json!({ "$ref": format!("#/$defs/{name}"), "$defs": output["$defs"] });
                close(&mut one);
                (
                    name.clone(),
                    jsonschema::draft202012::new(&one).expect("a schema"),
                )
            })
            .collect()
    })
}

/// The name of a command's schema: its verb, and the verb below it; that of ampup alone is `help`.
fn name_of(command: &Command) -> Option<String> {
    let words: Vec<&str> = command.get_args().filter_map(OsStr::to_str).collect();
    let known = |word: &&&str| validators().contains_key(**word) || ROOMS.contains(*word);
    let Some(at) = words.iter().position(|word| known(&word)) else {
        return Some("help".to_owned());
    };
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
    let words: Vec<&OsStr> = command.get_args().collect();
    let is_asked = |pair: &[&OsStr]| pair == ["--progress", "json"];
    if has("--progress=json") || words.windows(2).any(is_asked) {
        let mut schema: Value = serde_json::from_str(PROGRESS).expect("JSON");
        close(&mut schema);
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        for line in stderr.lines() {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {line}"));
            assert!(validator.is_valid(&event), "{event}");
        }
    }
}

/// Makes a schema refuse the fields that it does not name: those who read answers must expect new ones, but no test adds
/// one that the schema lacks.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if ["properties", "$ref", "anyOf", "allOf"]
        .iter()
        .any(|key| object.contains_key(*key))
    {
        object.insert("unevaluatedProperties".to_owned(), false.into());
    }
    close_below(schema);
}

/// The same for the fields of a schema that is only a part of one.
fn close_below(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    for (key, part) in object.iter_mut() {
        match key.as_str() {
            "properties" => part.as_object_mut().expect("fields").values_mut().for_each(close),
            "items" => close(part),
            "$defs" => part
                .as_object_mut()
                .expect("schemas")
                .values_mut()
                .for_each(close_below),
            "anyOf" | "allOf" => part
                .as_array_mut()
                .expect("schemas")
                .iter_mut()
                .for_each(close_below),
            _ => {}
        }
    }
}

#[test]
fn a_field_that_a_schema_lacks_is_refused_here() {
    let answer = |more: Value, row_more: Value| {
        let mut row = json!({"name": "postgres", "summary": "a database"});
        let mut answer = json!({"schema": 1, "exit": 0, "messages": []});
        row.as_object_mut()
            .expect("a row")
            .extend(row_more.as_object().expect("fields").clone());
        answer["components"] = json!([row]);
        answer
            .as_object_mut()
            .expect("an answer")
            .extend(more.as_object().expect("fields").clone());
        validators()["search"].is_valid(&answer)
    };
    assert!(answer(json!({}), json!({})));
    assert!(!answer(json!({"more": 1}), json!({})));
    assert!(!answer(json!({}), json!({"more": 1})));
}

#[test]
fn every_field_is_described() {
    fn walk(schema: &Value, path: &str, without: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                without.push(path.clone());
            }
            walk(field, &path, without);
        }
        let parts = ["anyOf", "allOf"].iter().flat_map(|key| schema[key].as_array());
        let defined = schema["$defs"]
            .as_object()
            .into_iter()
            .flat_map(|defined| defined.values());
        for part in parts.flatten().chain(defined).chain(schema.get("items")) {
            walk(part, path, without);
        }
    }
    let mut without = Vec::new();
    for text in [OUTPUT, PROGRESS] {
        walk(&serde_json::from_str(text).expect("JSON"), "", &mut without);
    }
    assert!(without.is_empty(), "{without:#?}");
}

/// Commands that print what is another program's.
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
