//! A manifest read strictly, for whoever writes one: every mistake, where it is, and what would be right. Clients are lenient
//! and skip what they do not know; here nothing is skipped. The rules are those of `registry/schema.json`, and the few that
//! it cannot say.

use std::{collections::BTreeMap, fmt};

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::unique;

const SCHEMA: &str = include_str!("../../registry/schema.json");

/// One mistake of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where: a JSON path, such as `$.components.hello.releases[0].version`.
    pub path: String,
    /// The text, which says what is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

/// Every mistake of a manifest; none when it is right.
pub fn mistakes(document: &[u8]) -> Vec<Mistake> {
    let top = |text: String| {
        vec![Mistake {
            path: "$".to_owned(),
            text,
        }]
    };
    if let Err(cause) = unique::ensure_unique(document) {
        return top(format!("it is not JSON that every reader reads alike: {cause}"));
    }
    let manifest: Value = match serde_json::from_slice(document) {
        Ok(manifest) => manifest,
        Err(cause) => return top(format!("it is not JSON: {cause}")),
    };
    let schema: Value = serde_json::from_str(SCHEMA).expect("a test reads it");
    let mut reading = Reading {
        schema: &schema,
        mistakes: Vec::new(),
    };
    reading.value(&manifest, &schema, "$");
    reading.executables(&manifest);
    reading.releases(&manifest);
    reading.mistakes
}

/// The manifest as it is held to the schema.
struct Reading<'a> {
    schema: &'a Value,
    mistakes: Vec<Mistake>,
}

impl<'a> Reading<'a> {
    fn wrong(&mut self, path: &str, text: impl Into<String>) {
        self.mistakes.push(Mistake {
            path: path.to_owned(),
            text: text.into(),
        });
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
                && self.holds(value, when)
            {
                self.value(value, then, path);
            }
        }
        if let Some(not) = rules.get("not")
            && self.holds(value, not)
        {
            self.wrong(path, format!("{value} is not allowed{}", about(rules)));
        }
    }

    fn definition(&self, reference: &str) -> &'a Value {
        let pointer = reference.strip_prefix('#').unwrap_or(reference);
        self.schema.pointer(pointer).unwrap_or(&Value::Bool(true))
    }

    /// Returns true if a value conforms to a schema.
    fn holds(&self, value: &Value, schema: &'a Value) -> bool {
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
                && !self.holds(&Value::String(name.clone()), names)
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

    /// An executable belongs to one component, and `ampup` to ampup.
    fn executables(&mut self, manifest: &Value) {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, component) in components(manifest) {
            let listed = component.get("executables").and_then(Value::as_array);
            let listed: Vec<&str> = listed.into_iter().flatten().filter_map(Value::as_str).collect();
            for (index, executable) in listed.iter().enumerate() {
                let path = format!("$.components.{name}.executables[{index}]");
                if *executable == "ampup" && name != "ampup" {
                    self.wrong(&path, "`ampup` belongs to the component ampup alone");
                }
                if let Some(owner) = owners.insert(executable, name).filter(|owner| *owner != name) {
                    self.wrong(
                        &path,
                        format!("`{executable}` belongs to `{owner}` already; an executable belongs to one component"),
                    );
                }
            }
        }
    }

    /// A version is there once, and so is an artifact of one target, provider and kind of source.
    fn releases(&mut self, manifest: &Value) {
        for (name, component) in components(manifest) {
            let mut versions = Vec::new();
            for (index, release) in list(component, "releases").enumerate() {
                let path = format!("$.components.{name}.releases[{index}]");
                let version = release.get("version");
                if versions.contains(&version) {
                    self.wrong(&format!("{path}.version"), "this version is there already");
                }
                versions.push(version);
                self.artifacts(release, component, &path);
            }
        }
    }

    fn artifacts(&mut self, release: &Value, component: &Value, path: &str) {
        let mut known = Vec::new();
        for (index, artifact) in list(release, "artifacts").enumerate() {
            let path = format!("{path}.artifacts[{index}]");
            let key = ["/target", "/provider", "/source/kind"].map(|part| artifact.pointer(part));
            if known.contains(&key) {
                self.wrong(
                    &path,
                    "an artifact of this target, provider and kind of source is there already",
                );
            }
            known.push(key);
            let root = artifact.get("root").and_then(Value::as_str);
            let bin = artifact.get("bin").and_then(Value::as_object);
            for (executable, at) in bin.into_iter().flatten() {
                let at = at.as_str().unwrap_or_default();
                let is_below =
                    root.is_none_or(|root| at.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')));
                let inner = format!("{path}.bin.{executable}");
                if !is_below {
                    let root = root.unwrap_or_default();
                    self.wrong(
                        &inner,
                        format!("`{at}` lies outside the root `{root}`; it is `{root}/…`"),
                    );
                }
                if !list(component, "executables").any(|one| one == executable.as_str()) {
                    self.wrong(
                        &inner,
                        format!(
                            "`{executable}` is not among the component's `executables`, so it cannot be found"
                        ),
                    );
                }
            }
        }
    }
}

fn components(manifest: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let components = manifest.get("components").and_then(Value::as_object);
    components
        .into_iter()
        .flatten()
        .map(|(name, component)| (name.as_str(), component))
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
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
        .map(|description| format!(". ({description})"))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A registry without a mistake.
    fn right() -> Value {
        json!({
            "schema": 1, "registry": "mine", "serial": 1, "issued": "2026-11-28T12:00:00Z",
            "components": {"hello": {
                "summary": "Says hello", "homepage": "https://hello.example", "default": {"channel": "stable"},
                "group": "hello", "default_install": false, "version_style": "plain", "executables": ["hello"],
                "acceptance": "version",
                "releases": [{"version": "1.0.0", "channel": "stable", "artifacts": [{
                    "target": "x86_64-unknown-linux-gnu", "provider": "me",
                    "source": {"kind": "https", "url": "https://hello.example/hello.tar.gz"}, "format": "tar.gz",
                    "root": "hello-1.0.0", "bin": {"hello": "hello-1.0.0/hello-linux"},
                    "integrity": {"kind": "pinned", "digest": format!("sha256:{}", "0".repeat(64))},
                    "needs": {"glibc": "2.31"},
                }]}],
            }},
        })
    }

    fn of(value: &Value) -> Vec<String> {
        let found = mistakes(value.to_string().as_bytes());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn our_own_manifest_and_a_right_one_have_no_mistake() {
        assert_eq!(of(&right()), [""; 0]);
        let ours = mistakes(include_bytes!("../../registry/manifest.json"));
        assert_eq!(ours, []);
    }

    #[test]
    fn every_mistake_is_told_where_it_is_and_with_what_would_be_right() {
        let hello = "/components/hello";
        let artifact = "/components/hello/releases/0/artifacts/0";
        let cases = [
            (
                hello,
                "sumary",
                json!("x"),
                "$.components.hello.sumary: the field `sumary` is not known; did you mean `summary`?",
            ),
            (
                hello,
                "summary",
                json!(7),
                "$.components.hello.summary: it is a JSON integer, and should be a JSON string",
            ),
            (
                hello,
                "executables",
                json!([]),
                "$.components.hello.executables: it is empty",
            ),
            (
                hello,
                "executables",
                json!(["hello", "hello"]),
                "$.components.hello.executables[1]: \"hello\" is there twice",
            ),
            (
                hello,
                "executables",
                json!(["hello", "ampup"]),
                "`ampup` belongs to the component ampup alone",
            ),
            (
                hello,
                "acceptance",
                json!("versions"),
                "\"versions\" is not known; it is one of `version`, `postgres`; did you mean `version`?",
            ),
            (
                artifact,
                "root",
                json!(""),
                "$.components.hello.releases[0].artifacts[0].root: `` does not match",
            ),
            (
                artifact,
                "root",
                json!("/"),
                "artifacts[0].root: `/` does not match",
            ),
            (
                artifact,
                "root",
                json!("other"),
                "`hello-1.0.0/hello-linux` lies outside the root `other`",
            ),
            (
                artifact,
                "target",
                json!("x86_64-linux"),
                "artifacts[0].target: \"x86_64-linux\" is not known",
            ),
            (
                artifact,
                "needs",
                json!({"glib": "2.31"}),
                "artifacts[0].needs.glib: the field `glib` is not known; did you mean `glibc`?",
            ),
            (
                artifact,
                "source",
                json!({"kind": "http", "url": "x"}),
                "artifacts[0].source.kind: it is one of `https`, `npm`, `pypi`, `file`; did you mean `https`?",
            ),
            (
                artifact,
                "integrity",
                json!({"kind": "pinned", "digest": "sha256:00"}),
                "artifacts[0].integrity.digest: `sha256:00` does not match",
            ),
            (
                artifact,
                "bin",
                json!({"goodbye": "hello-1.0.0/x"}),
                "`goodbye` is not among the component's `executables`",
            ),
            (artifact, "size", json!(0), "artifacts[0].size: 0 is less than 1"),
            (
                "",
                "serial",
                json!(null),
                "$.serial: it is a JSON null, and should be a JSON integer",
            ),
        ];
        let mut silent = Vec::new();
        for (place, field, value, expected) in cases {
            let mut wrong = right();
            wrong.pointer_mut(place).expect("a place")[field] = value;
            let found = of(&wrong);
            if !found.iter().any(|one| one.contains(expected)) {
                silent.push(format!("{expected}\n  in {found:#?}"));
            }
        }
        assert!(silent.is_empty(), "{}", silent.join("\n"));
    }

    #[test]
    fn what_no_schema_says_is_told_too() {
        let mut doubled = right();
        let release = doubled["components"]["hello"]["releases"][0].clone();
        let list = doubled["components"]["hello"]["releases"]
            .as_array_mut()
            .expect("a list");
        list.push(release);
        assert_eq!(
            of(&doubled),
            ["$.components.hello.releases[1].version: this version is there already"]
        );
        let mut two = right();
        let mut other = two["components"]["hello"].clone();
        other["group"] = json!("other");
        two["components"]["other"] = other;
        assert_eq!(
            of(&two),
            [
                "$.components.other.executables[0]: `hello` belongs to `hello` already; an executable belongs to one component"
            ]
        );
        let twice = br#"{"schema": 1, "schema": 1}"#;
        assert!(mistakes(twice)[0].text.contains("`schema` is there twice"));
    }
}
