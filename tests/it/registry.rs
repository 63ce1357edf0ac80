//! The committed manifest: valid by its schema, and read whole.

use std::collections::BTreeSet;

use ampup::{
    domain::{ComponentName, Target},
    registry::{Registry, builds},
};

fn manifest() -> serde_json::Value {
    serde_json::from_str(include_str!("../../registry/manifest.json")).expect("JSON")
}

#[test]
fn the_manifest_is_valid_by_its_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../registry/schema.json")).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let faults: Vec<String> = validator
        .iter_errors(&manifest())
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Readers skip what they do not know; in our own manifest nothing may be skipped.
#[test]
fn every_artifact_of_the_manifest_is_understood() {
    let document = manifest();
    let registry = Registry::embedded();
    for (name, component) in document["components"].as_object().expect("components") {
        let read = registry
            .component(&name.parse::<ComponentName>().expect("a name"))
            .expect("read");
        let written = component["releases"].as_array().expect("releases");
        assert_eq!(read.releases.len(), written.len(), "{name}");
        for release in written {
            let same = read
                .releases
                .iter()
                .find(|one| Some(one.version.to_string().as_str()) == release["version"].as_str());
            let same = same.unwrap_or_else(|| panic!("{name} {} is read", release["version"]));
            assert_eq!(
                same.artifacts.len(),
                release["artifacts"].as_array().expect("artifacts").len()
            );
        }
    }
}

#[test]
fn the_manifest_has_no_key_twice() {
    Registry::parse(include_bytes!("../../registry/manifest.json")).expect("read strictly");
}

/// A host that cannot reach one place has another one, as long as enough pairs have two.
#[test]
fn the_readme_prints_the_matrix_of_postgres_and_most_of_it_has_two_places() {
    let registry = Registry::embedded();
    let postgres = registry.component(&"postgres".parse::<ComponentName>().expect("a name"));
    let postgres = postgres.expect("described");
    let pairs = builds::pairs_with_two_places(postgres);
    assert!(
        pairs >= 54,
        "only {pairs} pairs of version and target have two places"
    );
    let matrix = builds::matrix(postgres);
    let readme = include_str!("../../registry/README.md");
    assert!(readme.contains(&matrix), "the README should have:\n{matrix}");
    let counted = format!("{pairs} pairs of version and target have two places or more");
    assert!(readme.contains(&counted), "the README should say: {counted}");
}

#[test]
fn no_release_of_ampup_is_offered_before_this_project_has_one() {
    let registry = Registry::embedded();
    let ampup = registry
        .component(&"ampup".parse::<ComponentName>().expect("a name"))
        .expect("described");
    assert!(ampup.releases.is_empty());
}

#[test]
fn the_default_components_are_the_daemon_its_client_and_its_database() {
    let registry = Registry::embedded();
    let defaults: BTreeSet<&str> = registry
        .components
        .values()
        .filter(|one| one.default_install)
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(defaults, BTreeSet::from(["ampctl", "ampd", "postgres"]));
}

/// The workflow builds it, the scripts ask for it, and the recipe leads to it: one name for each target.
#[test]
fn a_release_of_ampup_has_the_same_names_everywhere() {
    let recipe: toml::Table = include_str!("../../registry/ampup.toml").parse().expect("TOML");
    let origin = &recipe["origin"][0];
    let url = origin["url"].as_str().expect("text");
    assert!(
        url.ends_with("/releases/download/{tag}/ampup-{platform}"),
        "{url}"
    );
    let workflow = include_str!("../../.github/workflows/release.yml");
    let built = workflow
        .lines()
        .filter_map(|line| line.split_once("{ target: ")?.1.split_once(','));
    let built: BTreeSet<&str> = built.map(|(target, _)| target).collect();
    let all: BTreeSet<&str> = Target::ALL.iter().map(|target| target.as_str()).collect();
    assert_eq!(built, all);
    for target in Target::ALL {
        let platform = origin["targets"][target.as_str()]["platform"].as_str();
        let suffix = if target == Target::X86_64Windows {
            ".exe"
        } else {
            ""
        };
        assert_eq!(platform, Some(format!("{target}{suffix}").as_str()));
    }
    let script = include_str!("../../install.sh");
    assert!(script.contains("asset=ampup-$target\n"));
    let releases = url.split("/download/").next().expect("a part");
    assert!(script.contains(&format!("RELEASES='{releases}'")));
    let floor = recipe["needs"][0]["glibc"].as_str().expect("text");
    assert!(script.contains(&format!("GLIBC_FLOOR='{floor}'")));
    let script = include_str!("../../install.ps1");
    assert!(script.contains("$asset = \"ampup-$target.exe\""));
    assert!(script.contains(&format!("$Releases = '{releases}'")));
}
