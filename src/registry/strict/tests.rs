//! Mistakes, and what is said of each.

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
    let ours = mistakes(include_bytes!("../../../registry/manifest.json"));
    assert_eq!(ours, []);
}

#[test]
fn every_mistake_is_told_where_it_is_and_with_what_would_be_right() {
    let hello = "/components/hello";
    let release = "/components/hello/releases/0";
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
            hello,
            "default",
            json!({"channel": "nightly"}),
            "$.components.hello.default.channel: no release is of the channel `nightly`; there is `stable`",
        ),
        (
            hello,
            "summary",
            json!("\u{1b}[31mred"),
            "$.components.hello.summary: it holds the control character `\\u{1b}`",
        ),
        (
            hello,
            "acceptance",
            json!("postgres"),
            "$.components.hello.executables: the acceptance `postgres` runs `initdb`, which is missing here",
        ),
        (
            hello,
            "default",
            json!({"channel": "stable", "requirement": "2"}),
            "$.components.hello.default.requirement: no release of the channel `stable` is `2`; the newest is `1.0.0`",
        ),
        (
            hello,
            "lines",
            json!([{"major": 1}, {"major": 1}]),
            "$.components.hello.lines[1].major: the line of 1 is there already",
        ),
        (
            hello,
            "lines",
            json!([{"major": 1, "upstream": {"version": "2.0.0"}}]),
            "$.components.hello.lines[0].upstream.version: `2.0.0` is not of the line of 1",
        ),
        (
            hello,
            "lines",
            json!([{"major": 1, "upstream": {"version": "1.0.0-rc.1"}}]),
            "$.components.hello.lines[0].upstream.version: `1.0.0-rc.1` is older than the release `1.0.0`",
        ),
        (
            hello,
            "lines",
            json!([{"major": 1, "end_of_life": "2026-13-45"}]),
            "$.components.hello.lines[0].end_of_life: there is no such day as `2026-13-45`",
        ),
        (
            hello,
            "lines",
            json!([{"major": 1, "end_of_life": "soon"}]),
            "$.components.hello.lines[0].end_of_life: `soon` does not match",
        ),
        (
            release,
            "published",
            json!("2026-02-31"),
            "$.components.hello.releases[0].published: there is no such day as `2026-02-31`",
        ),
        (
            "",
            "issued",
            json!("2026-02-31T25:61:00Z"),
            "$.issued: there is no such time as `2026-02-31T25:61:00Z`",
        ),
        (
            release,
            "tags",
            json!(["stable"]),
            "$.components.hello.releases[0].tags[0]: a request for `stable` means the channel `stable`",
        ),
        (
            release,
            "tags",
            json!(["v1.0.0", "1.0.0"]),
            "$.components.hello.releases[0].tags[1]: it is the version itself",
        ),
        (
            release,
            "tags",
            json!(["2.0.0"]),
            "tags[0]: a request for `2.0.0` means the version 2.0.0",
        ),
        (
            artifact,
            "needs",
            json!({"macos": "12.0"}),
            "artifacts[0].needs.macos: only a target `…-apple-darwin` has it, and this is `x86_64-unknown-linux-gnu`",
        ),
        (
            artifact,
            "target",
            json!("aarch64-apple-darwin"),
            "artifacts[0].needs.glibc: only a target `…-linux-gnu` has it, and this is `aarch64-apple-darwin`",
        ),
        (
            artifact,
            "source",
            json!({"kind": "https", "url": "https://me:secret@hello.example/hello.tar.gz"}),
            "artifacts[0].source.url: it holds a user name or a password",
        ),
        (
            release,
            "version",
            json!("99999999999999999999.0.0"),
            "$.components.hello.releases[0].version: a client cannot read this release, and skips it: ",
        ),
        (
            hello,
            "origins",
            json!([{
                "provider": "me", "index": {"kind": "npm", "package": "hello", "version": "{version}"}, "format": "tar.gz",
                "targets": {"x86_64-unknown-linux-gnu": {}}, "excluded": [{"versions": "the first"}],
            }]),
            "$.components.hello.origins[0]: a client cannot read this origin, and skips it: ",
        ),
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

/// A client drops the whole component: the field is named, and nothing else is said.
#[test]
fn a_default_that_is_no_request_is_named() {
    for requirement in ["two", "1.x", "*", " 1", "1.0.0.0"] {
        let mut wrong = right();
        wrong["components"]["hello"]["default"]["requirement"] = json!(requirement);
        let found = of(&wrong);
        let expected =
            format!("$.components.hello.default.requirement: `{requirement}` is not a version (such as `18`");
        assert!(
            matches!(&found[..], [one] if one.starts_with(&expected)),
            "{found:#?}"
        );
    }
    for requirement in ["1", "1.0", "1.0.0", ">=1", "latest", "stable"] {
        let mut fine = right();
        fine["components"]["hello"]["default"]["requirement"] = json!(requirement);
        assert_eq!(of(&fine), [""; 0], "{requirement}");
    }
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
    // The newest stands first, and a tag names one release.
    let mut later = doubled;
    let releases = &mut later["components"]["hello"]["releases"];
    releases[0]["tags"] = json!(["stable-one"]);
    releases[1]["tags"] = json!(["stable-one"]);
    releases[1]["version"] = json!("1.1.0");
    assert_eq!(
        of(&later),
        [
            "$.components.hello.releases[1].version: `1.1.0` stands below `1.0.0`, which is older; the newest release comes first",
            "$.components.hello.releases[1].tags[0]: `1.0.0` has this tag already; a tag names one release",
        ]
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
    let mut ours = right();
    let component = ours["components"]["hello"].clone();
    ours["components"] = json!({"ampup": component});
    assert_eq!(
        of(&ours),
        [
            "$.components.ampup: only the registry `amp` provides ampup: remove this component, or give it another name"
        ]
    );
    // What is wrong with a root is said once.
    let mut rooted = right();
    rooted["components"]["hello"]["releases"][0]["artifacts"][0]["root"] = json!("/");
    let found = of(&rooted);
    assert!(
        matches!(&found[..], [one] if one.contains(".root: `/` does not match")),
        "{found:#?}"
    );
    let twice = br#"{"schema": 1, "schema": 1}"#;
    assert!(mistakes(twice)[0].text.contains("`schema` is there twice"));
}
