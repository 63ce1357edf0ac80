//! A manifest held to `registry/schema.json`.

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::Mistake;

const SCHEMA: &str = include_str!("../../../registry/schema.json");

/// Every mistake by the schema.
pub(super) fn mistakes(manifest: &Value) -> Vec<Mistake> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("a test reads it");
    let mut reading = Reading {
        schema: &schema,
        mistakes: Vec::new(),
    };
    reading.value(manifest, &schema, "$");
    reading.mistakes
}

/// The manifest as it is held to the schema.
struct Reading<'a> {
    schema: &'a Value,
    mistakes: Vec<Mistake>,
}

impl<'a> Reading<'a> {
    fn wrong(&mut self, path: &str, text: impl Into<String>) {
        self.mistakes.push(Mistake::at(path, text));
    }

    /// Holds a value to a schema; only the words of JSON Schema that `registry/schema.json` uses are known.
    fn value(&mut self, value: &Value, schema: &'a Value, path: &str) {
        let Some(rules) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                self.wrong(path, "it may not be there");
            }
            return;
        };
        if let Some(name) = rules.get("$ref").and_then(Value::as_str) {
            self.value(value, self.definition(name), path);
        }
        if let Some(text) = kind_fault(value, rules).or_else(|| scalar_fault(value, rules)) {
            self.wrong(path, text + &about(rules));
            return;
        }
        match value {
            Value::Object(fields) => self.object(fields, rules, path),
            Value::Array(items) => self.array(items, rules, path),
            _ => {}
        }
        if let Some(branches) = rules.get("oneOf").and_then(Value::as_array) {
            self.one_of(value, branches, path);
        }
        for condition in rules.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(when), Some(then)) = (condition.get("if"), condition.get("then"))
                && self.conforms(value, when)
            {
                self.value(value, then, path);
            }
        }
        if let Some(not) = rules.get("not")
            && self.conforms(value, not)
        {
            self.wrong(path, format!("{value} is not allowed{}", about(rules)));
        }
    }

    fn definition(&self, reference: &str) -> &'a Value {
        let pointer = reference.strip_prefix('#').unwrap_or(reference);
        self.schema.pointer(pointer).unwrap_or(&Value::Bool(true))
    }

    /// Returns true if a value conforms to a schema.
    fn conforms(&self, value: &Value, schema: &'a Value) -> bool {
        let mut reading = Self {
            schema: self.schema,
            mistakes: Vec::new(),
        };
        reading.value(value, schema, "");
        reading.mistakes.is_empty()
    }

    fn object(&mut self, fields: &Map<String, Value>, rules: &'a Map<String, Value>, path: &str) {
        let empty = Map::new();
        let known = rules.get("properties").and_then(Value::as_object);
        for name in rules
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = name.as_str().unwrap_or_default();
            if !fields.contains_key(name) {
                let about = known
                    .and_then(|known| known.get(name)?.as_object())
                    .map(about)
                    .unwrap_or_default();
                self.wrong(path, format!("`{name}` is missing{about}"));
            }
        }
        if rules.get("minProperties").and_then(Value::as_u64) > Some(fields.len() as u64) {
            self.wrong(
                path,
                format!("it is empty; leave it out, or fill it{}", about(rules)),
            );
        }
        for (name, value) in fields {
            let inner = format!("{path}.{name}");
            if let Some(names) = rules.get("propertyNames")
                && !self.conforms(&Value::String(name.clone()), names)
            {
                self.wrong(
                    &inner,
                    format!("`{name}` cannot be a name here{}", self.wanted(names)),
                );
            }
            match (
                known.and_then(|known| known.get(name)),
                rules.get("additionalProperties"),
            ) {
                (Some(schema), _) => self.value(value, schema, &inner),
                (None, Some(Value::Bool(false))) => {
                    let text = unknown(name, known.unwrap_or(&empty));
                    self.wrong(&inner, text);
                }
                (None, Some(schema)) => self.value(value, schema, &inner),
                (None, None) => {}
            }
        }
    }

    fn array(&mut self, items: &[Value], rules: &'a Map<String, Value>, path: &str) {
        if rules.get("minItems").and_then(Value::as_u64) > Some(items.len() as u64) {
            self.wrong(path, format!("it is empty{}", about(rules)));
        }
        let is_set = rules.get("uniqueItems") == Some(&Value::Bool(true));
        for (index, item) in items.iter().enumerate() {
            let inner = format!("{path}[{index}]");
            if is_set && items[..index].contains(item) {
                self.wrong(&inner, format!("{item} is there twice"));
            }
            if let Some(schema) = rules.get("items") {
                self.value(item, schema, &inner);
            }
        }
    }

    /// The branches differ by their `kind`.
    fn one_of(&mut self, value: &Value, branches: &'a [Value], path: &str) {
        let kinds = |branch: &'a Value| -> Vec<&'a str> {
            let kind = branch.pointer("/properties/kind");
            let one = kind.and_then(|kind| kind.get("const")).and_then(Value::as_str);
            let several = kind.and_then(|kind| kind.get("enum")).and_then(Value::as_array);
            let several = several.into_iter().flatten().filter_map(Value::as_str);
            one.into_iter().chain(several).collect()
        };
        let kind = value.get("kind").and_then(Value::as_str);
        let found = branches
            .iter()
            .find(|branch| kind.is_some_and(|kind| kinds(branch).contains(&kind)));
        match found {
            Some(branch) => self.value(value, branch, path),
            None => {
                let known: Vec<&str> = branches.iter().flat_map(kinds).collect();
                self.wrong(
                    &format!("{path}.kind"),
                    format!(
                        "it is one of {}{}",
                        quoted(&known),
                        near(kind.unwrap_or_default(), &known)
                    ),
                );
            }
        }
    }

    /// Describes the texts that a schema allows.
    fn wanted(&self, schema: &'a Value) -> String {
        let name = schema.get("$ref").and_then(Value::as_str);
        let rules = name.map_or(schema, |name| self.definition(name));
        let one_of = rules.get("enum").and_then(Value::as_array).map(|values| {
            let words: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            format!("; it is one of {}", quoted(&words))
        });
        let pattern = || Some(format!("; it matches `{}`", rules.get("pattern")?.as_str()?));
        one_of.or_else(pattern).unwrap_or_default()
    }
}

/// Says what is wrong where a value is of another kind.
fn kind_fault(value: &Value, rules: &Map<String, Value>) -> Option<String> {
    let wanted = rules.get("type")?.as_str()?;
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    (wanted != found).then(|| format!("it is a JSON {found}, and should be a JSON {wanted}"))
}

/// Says what is wrong with a text, a number or a constant.
fn scalar_fault(value: &Value, rules: &Map<String, Value>) -> Option<String> {
    if let Some(constant) = rules.get("const")
        && constant != value
    {
        return Some(format!("it is {value}, and should be {constant}"));
    }
    if let Some(values) = rules.get("enum").and_then(Value::as_array)
        && !values.contains(value)
    {
        let known: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        let near = near(value.as_str().unwrap_or_default(), &known);
        return Some(format!(
            "{value} is not known; it is one of {}{near}",
            quoted(&known)
        ));
    }
    let number = |name: &str| rules.get(name).and_then(Value::as_u64);
    if let (Some(least), Some(found)) = (number("minimum"), value.as_i64())
        && found < i64::try_from(least).unwrap_or(i64::MAX)
    {
        return Some(format!("{found} is less than {least}"));
    }
    let text = value.as_str()?;
    let length = text.chars().count() as u64;
    if number("minLength").is_some_and(|least| length < least) {
        return Some("it is empty".to_owned());
    }
    if let Some(most) = number("maxLength").filter(|most| length > *most) {
        return Some(format!(
            "it has {length} characters, and at most {most} are shown"
        ));
    }
    let pattern = rules.get("pattern")?.as_str()?;
    let is_right = Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
    (!is_right).then(|| format!("`{}` does not match `{pattern}`", text.escape_debug()))
}

/// Says what the schema says of a value.
fn about(rules: &Map<String, Value>) -> String {
    let description = rules.get("description").and_then(Value::as_str);
    description
        .map(|description| format!(" ({description})"))
        .unwrap_or_default()
}

fn unknown(name: &str, known: &Map<String, Value>) -> String {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let near = near(name, &names);
    if near.is_empty() {
        return format!("the field `{name}` is not known; there are {}", quoted(&names));
    }
    format!("the field `{name}` is not known{near}")
}

/// Asks after the nearest of the words that are known.
fn near(word: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|other| (strsim::damerau_levenshtein(word, other), *other))
        .filter(|(distance, _)| *distance <= 3 && *distance < word.chars().count())
        .min();
    nearest
        .map(|(_, nearest)| format!("; did you mean `{nearest}`?"))
        .unwrap_or_default()
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
