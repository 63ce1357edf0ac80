//! The maintainers' program, as its command line runs it: what it writes, what it refuses, and that a client believes what
//! it published.

mod bytes;
mod package_indexes;
mod publishing;
mod refreshing;

use ampup::env::Env;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::{Value, json};

use crate::support::world::{World, write};
use crate::tool::{self, Answer, Cli, Failure};

/// The beginning of a recipe: the component, before its origins.
const COMPONENT: &str = r#"
component = "tool"
summary = "A tool"
homepage = "https://tool.example"
group = "tool"
default_install = false
version_style = "plain"
acceptance = "version"
executables = ["tool"]

[default]
channel = "stable"

[versions]
"#;

/// A registry's directory.
struct Directory {
    world: World,
    variables: Vec<(String, String)>,
}

impl Directory {
    /// A directory with one recipe and a manifest without components.
    fn new(recipe: &str) -> Self {
        let directory = Self {
            world: World::new(),
            variables: Vec::new(),
        };
        write(&directory.path().join("tool.toml"), recipe);
        write(
            &directory.path().join("distributions.toml"),
            include_str!("../../registry/distributions.toml"),
        );
        write(&directory.path().join("keys/revoked"), "");
        directory.state(&json!({
            "schema": 1, "registry": "amp", "serial": 1007, "issued": "2026-11-28T12:00:00Z", "components": {},
        }));
        directory
    }

    fn path(&self) -> Utf8PathBuf {
        self.world.join("registry")
    }

    fn manifest_path(&self) -> Utf8PathBuf {
        self.path().join("manifest.json")
    }

    /// Makes this the manifest.
    fn state(&self, manifest: &Value) {
        write(&self.manifest_path(), ampup::registry::written::written(manifest));
    }

    fn text(&self) -> String {
        fs::read_to_string(self.manifest_path()).expect("read")
    }

    fn manifest(&self) -> Value {
        serde_json::from_str(&self.text()).expect("JSON")
    }

    /// Runs the program.
    fn run(&self, words: &[&str]) -> Result<Answer, Failure> {
        let path = self.path();
        let all = [&["registry", "--json", "--directory", path.as_str()][..], words].concat();
        let cli = Cli::read(all).expect("a command line");
        let ours = self
            .variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let env = Env::from_variables(ours, self.world.path().as_std_path());
        let answer = tool::run(&cli, &env)?;
        assert_eq!(cli.shown(&answer), format!("{}\n", answer.json), "one object");
        Ok(answer)
    }

    #[track_caller]
    fn done(&self, words: &[&str]) -> Answer {
        let answer = self
            .run(words)
            .unwrap_or_else(|failure| panic!("{words:?}: {failure}"));
        assert!(answer.is_well, "{words:?}: {answer:?}");
        answer
    }

    #[track_caller]
    fn fails(&self, words: &[&str], says: &str) {
        let failure = self.run(words).expect_err("it fails").to_string();
        assert!(failure.contains(says), "{words:?}: {failure}");
    }
}

/// The lines of one text that another one does not have.
fn lines_without<'a>(text: &'a str, other: &str) -> Vec<&'a str> {
    let others: Vec<&str> = other.lines().collect();
    text.lines().filter(|line| !others.contains(line)).collect()
}

fn list(value: &Value) -> Vec<&str> {
    let items = value.as_array().expect("a list");
    items.iter().map(|item| item.as_str().expect("text")).collect()
}

fn is_private(path: &Utf8Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).expect("there").permissions().mode() & 0o077 == 0
}
