//! The manifest as text, always the same for the same content, so that a change of it is a small diff: keys in the order in
//! which a person reads them, what holds no object on one line.

use serde_json::{Map, Value};

/// Keys in their order. One list does for every object of a manifest; names that are data come after, by the alphabet.
const ORDER: &[&str] = &[
    "kind",
    "schema",
    "registry",
    "serial",
    "issued",
    "distributions",
    "components",
    "title",
    "summary",
    "homepage",
    "licence",
    "default",
    "group",
    "default_install",
    "version_style",
    "executables",
    "acceptance",
    "lines",
    "origins",
    "target",
    "provider",
    "source",
    "index",
    "package",
    "version",
    "channel",
    "requirement",
    "tags",
    "published",
    "security",
    "format",
    "root",
    "links",
    "bin",
    "checksum",
    "integrity",
    "size",
    "unpacked_size",
    "platform",
    "sha256",
    "needs",
    "glibc",
    "libraries",
    "recommended",
    "files",
    "macos",
    "major",
    "end_of_life",
    "upstream",
    "cves",
    "severity",
    "releases",
    "release",
    "tag",
    "asset",
    "nightly",
    "metadata",
    "algorithm",
    "url",
    "digest",
    "link",
    "install",
    "packages",
    "ended",
    "targets",
    "artifacts",
    "file",
    "base",
];

/// The text of a manifest.
pub fn written(manifest: &Value) -> String {
    let mut text = String::new();
    write(manifest, 0, &mut text);
    text + "\n"
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let has_objects = match value {
        Value::Object(fields) => fields.values().any(has_object),
        Value::Array(items) => items.iter().any(has_object),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            let lines = ordered(fields).into_iter().map(|(name, value)| {
                let mut line = format!("{}: ", Value::from(name));
                write(value, depth + 1, &mut line);
                line
            });
            enclose(('{', '}'), lines, has_objects.then_some(depth), text);
        }
        Value::Array(items) => {
            let lines = items.iter().map(|value| {
                let mut line = String::new();
                write(value, depth + 1, &mut line);
                line
            });
            enclose(('[', ']'), lines, has_objects.then_some(depth), text);
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// Writes lines between brackets: each on its own at this depth, or all on one.
fn enclose(
    (open, close): (char, char),
    lines: impl Iterator<Item = String>,
    depth: Option<usize>,
    text: &mut String,
) {
    let lines: Vec<String> = lines.collect();
    text.push(open);
    match depth {
        Some(depth) => {
            let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
            text.push('\n');
            text.push_str(&inner);
            text.push_str(&lines.join(&format!(",\n{inner}")));
            text.push('\n');
            text.push_str(&outer);
        }
        None => text.push_str(&lines.join(", ")),
    }
    text.push(close);
}

fn has_object(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(has_object),
        _ => false,
    }
}

fn ordered(fields: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut fields: Vec<(&str, &Value)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    fields.sort_by_key(|field| (rank(field.0), field.0));
    fields
}

fn rank(name: &str) -> usize {
    let known = ORDER.iter().position(|known| *known == name);
    known.unwrap_or(ORDER.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_manifest_is_as_it_is_written() {
        let text = include_str!("../../registry/manifest.json");
        let manifest: Value = serde_json::from_str(text).expect("JSON");
        let again = written(&manifest);
        let differs = text.lines().zip(again.lines()).find(|(one, other)| one != other);
        assert_eq!(differs, None);
        assert_eq!(text.len(), again.len());
    }
}
