use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::domain::{Target, Tree, inventory::TreeOrigin};
use crate::table::every;

fn artifact(provider: &str, target: &str, needs: serde_json::Value) -> serde_json::Value {
    json!({
        "target": target, "provider": provider, "format": "raw", "needs": needs,
        "source": {"kind": "file", "url": "file:///x"},
        "integrity": {"kind": "pinned", "digest": format!("sha256:{}", "0".repeat(64))},
    })
}

fn linux(providers: &[&str]) -> Vec<serde_json::Value> {
    providers
        .iter()
        .map(|provider| artifact(provider, "x86_64-unknown-linux-gnu", json!({})))
        .collect()
}

fn component(group: &str, channel: &str, acceptance: &str, releases: serde_json::Value) -> serde_json::Value {
    // An executable belongs to one component.
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let executable = format!("program{number}");
    let requirement = if acceptance == "postgres" {
        json!("18")
    } else {
        json!(null)
    };
    json!({
        "summary": "s", "homepage": "h", "default": {"channel": channel, "requirement": requirement},
        "group": group, "default_install": true, "executables": [executable], "acceptance": acceptance, "releases": releases,
    })
}

fn registry() -> Registry {
    let release =
        |version: &str, artifacts| json!({"version": version, "channel": "stable", "artifacts": artifacts});
    let postgres = json!([
        release("17.10.0", linux(&["theseus"])),
        release("18.3.0", linux(&["theseus"])),
        release("18.4.0", linux(&["theseus", "zonky"])),
        release(
            "18.6.0",
            vec![artifact("theseus", "aarch64-apple-darwin", json!({}))]
        ),
        release(
            "19.0.0",
            vec![artifact(
                "theseus",
                "x86_64-unknown-linux-gnu",
                json!({"glibc": "3.0"})
            )]
        ),
    ]);
    let amp = json!([
        release("0.0.34", linux(&["amp"])),
        release("0.0.35", linux(&["amp"])),
        {"version": "0.0.36-nightly.1+abc", "channel": "nightly", "tags": ["nightly-abc"], "artifacts": linux(&["amp"])},
    ]);
    let document = json!({
        "schema": 1, "registry": "test", "serial": 1, "issued": "2026-01-01T00:00:00Z",
        "components": {
            "postgres": component("postgres", "stable", "postgres", postgres),
            "ampd": component("amp", "nightly", "version", amp.clone()),
            "ampctl": component("amp", "nightly", "version", amp),
        },
    });
    Registry::parse(document.to_string().as_bytes()).expect("a registry")
}

fn host() -> Host {
    Host {
        target: Some(Target::X86_64LinuxGnu),
        description: "linux x86_64".to_owned(),
        glibc: Some((2, 36)),
        macos: None,
        os_release: "ID=debian\n".to_owned(),
        missing: BTreeSet::new(),
    }
}

fn specs(texts: &[&str]) -> Vec<ComponentSpec> {
    texts.iter().map(|text| text.parse().expect("a spec")).collect()
}

/// An inventory of `component version provider` lines; the first of each component is active.
fn inventory(lines: &[&str]) -> Inventory {
    let mut inventory = Inventory {
        generation: Some(1),
        ..Inventory::default()
    };
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let name: ComponentName = words[0].parse().expect("a name");
        let version = Version::parse(words[1]).expect("a version");
        let digest = format!("sha256:{}", "0".repeat(64)).parse().expect("a digest");
        let origin = TreeOrigin {
            version: version.clone(),
            provider: words[2].parse().expect("a provider"),
            digest,
        };
        let plain = TreeName::new(version);
        let tree = match inventory.tree(&name, &plain) {
            Some(_) => TreeName::with_provider(plain.version(), &origin.provider),
            None => plain,
        };
        inventory
            .active
            .components
            .entry(name.clone())
            .or_insert_with(|| tree.clone());
        inventory.trees.entry(name).or_default().push(Tree {
            name: tree,
            origin: Some(origin),
        });
    }
    inventory
}

fn planned(inventory: &Inventory, texts: &[&str]) -> Result<Plan, ResolveError> {
    install(&registry(), inventory, &host(), &specs(texts))
}

fn versions(plan: &GroupPlan) -> Vec<String> {
    plan.candidates
        .iter()
        .map(|candidate| candidate.version.to_string())
        .collect()
}

#[test]
fn the_choices_are_what_fits_this_host_highest_first_within_one_major() {
    let plan = planned(&Inventory::default(), &["postgres@>=17,<20"]).expect("a plan");
    assert_eq!(versions(&plan.groups[0]), ["18.4.0", "18.3.0"]);
    assert_eq!(
        plan.groups[0].passed_over.len(),
        2,
        "{:?}",
        plan.groups[0].passed_over
    );
}

#[test]
fn an_exact_version_is_never_replaced_by_a_lower_one() {
    let plan = planned(&Inventory::default(), &["postgres@18.4.0"]).expect("a plan");
    assert_eq!(versions(&plan.groups[0]), ["18.4.0"]);
    let none = planned(&Inventory::default(), &["postgres@18.6.0"]).expect_err("no build");
    assert!(
        matches!(&none, ResolveError::NoBuild { targets, .. } if *targets == [Target::Aarch64Darwin]),
        "{none}"
    );
    assert_eq!(none.exit_code(), crate::exit::Exit::NotFound);
}

#[test]
fn a_provider_is_asked_for_with_a_plus() {
    let plan = planned(&Inventory::default(), &["postgres@18.4.0+zonky"]).expect("a plan");
    let Action::Acquire(artifacts) = &plan.groups[0].candidates[0].steps[0].action else {
        panic!("acquired")
    };
    assert_eq!(
        artifacts
            .iter()
            .map(|one| one.provider.as_str())
            .collect::<Vec<_>>(),
        ["zonky"]
    );
    let here = inventory(&["postgres 18.4.0 theseus"]);
    let plan = planned(&here, &["postgres@18.4.0+zonky"]).expect("a plan");
    assert!(matches!(
        plan.groups[0].candidates[0].steps[0].action,
        Action::Acquire(_)
    ));
    let none = planned(&here, &["postgres@18.4.0+acme"]).expect_err("nobody");
    assert!(matches!(none, ResolveError::NoProvider { .. }), "{none}");
}

#[test]
fn of_two_builds_of_a_version_the_active_one_is_taken_else_the_one_with_the_plus() {
    let builds = ["postgres 18.4.0 zonky", "postgres 18.4.0 theseus"];
    let beside = ["postgres 17.1.0 zonky", builds[0], builds[1]];
    let [mut second, other] = [&builds[..], &beside].map(inventory);
    let first = second.clone();
    let postgres: ComponentName = "postgres".parse().expect("a name");
    let plus: TreeName = "18.4.0+theseus".parse().expect("a name");
    second.active.components.insert(postgres, plus);
    let rows = [
        (&first, "18.4.0"),
        (&second, "18.4.0+theseus"),
        (&other, "18.4.0+theseus"),
    ];
    let texts = ["postgres@18", "postgres@18.4", "postgres@18.4.0"];
    for (here, expected) in rows {
        every(texts, |text| {
            let specs = specs(&[text]);
            let plans = [install, install_beside].map(|plan| plan(&registry(), here, &host(), &specs));
            for plan in plans {
                let plan = plan.expect("a plan");
                let (Action::Keep(tree) | Action::Activate(tree)) =
                    &plan.groups[0].candidates[0].steps[0].action
                else {
                    panic!("{text}: it is installed")
                };
                assert_eq!(tree.to_string(), expected, "{text}");
            }
            let trees = pinned(&registry(), here, &specs[0]).expect("known");
            assert_eq!(trees[0].1.to_string(), expected, "{text}");
        });
    }
}

#[test]
fn the_host_is_only_looked_at_for_builds_that_may_be_chosen() {
    let (registry, kind) = (registry(), host());
    let asks = |inventory: &Inventory, spec: &str| -> Vec<Option<String>> {
        let specs = specs(&[spec]);
        let needs = needs(&registry, inventory, &kind, &specs).expect("known");
        needs.into_iter().map(|needs| needs.glibc.clone()).collect()
    };
    let nothing = Inventory::default();
    let newest = Some("3.0".to_owned());
    assert_eq!(
        asks(&nothing, "postgres@18"),
        [None, None, None],
        "not of another system"
    );
    assert_eq!(asks(&nothing, "postgres@19"), [newest]);
    let here = inventory(&["postgres 18.4.0 theseus"]);
    assert_eq!(asks(&here, "postgres@18").len(), 0, "what is installed is enough");
    assert_eq!(asks(&here, "postgres@latest").len(), 5);
    let newer = |version: &str| {
        let here = inventory(&[version]);
        let needs = needs_of_newer(&registry, &here, &kind, &["postgres".parse().expect("a name")]);
        needs.len()
    };
    assert_eq!(
        [newer("postgres 18.3.0 theseus"), newer("postgres 19.0.0 theseus")],
        [3, 0]
    );
}

#[test]
fn what_is_installed_and_matches_is_enough() {
    let here = inventory(&["postgres 18.3.0 theseus", "postgres 18.4.0 theseus"]);
    every(
        [("postgres", "18.3.0", true), ("postgres@18.4", "18.4.0", false)],
        |(spec, version, kept)| {
            let plan = planned(&here, &[spec]).expect("a plan");
            assert_eq!(versions(&plan.groups[0]), [version], "{spec}");
            let action = &plan.groups[0].candidates[0].steps[0].action;
            assert_eq!(matches!(action, Action::Keep(_)), kept, "{action:?}");
        },
    );
    let plan = planned(&here, &["postgres@latest"]);
    assert!(
        matches!(plan, Err(ResolveError::Unfit { .. }))
            || versions(&plan.expect("a plan").groups[0])[0] == "18.4.0"
    );
}

#[test]
fn what_is_installed_serves_also_when_the_registry_has_dropped_it() {
    let here = inventory(&["postgres 18.1.0 theseus"]);
    let plan = planned(&here, &["postgres@18.1.0"]).expect("a plan");
    assert!(matches!(
        plan.groups[0].candidates[0].steps[0].action,
        Action::Keep(_)
    ));
}

#[test]
fn a_group_moves_together() {
    let plan = planned(&Inventory::default(), &["ampd@0.0.35", "ampctl"]).expect("a plan");
    assert_eq!(plan.groups.len(), 1);
    assert_eq!(versions(&plan.groups[0]), ["0.0.35"]);
    assert_eq!(plan.groups[0].candidates[0].steps.len(), 2);
    let both = planned(&Inventory::default(), &["ampd@0.0.35", "ampctl@0.0.34"]);
    assert!(matches!(both, Err(ResolveError::Contradiction { .. })));
}

#[test]
fn the_default_channel_is_followed_and_a_tag_is_understood() {
    let rows = [
        "ampd",
        "ampd@nightly",
        "ampd@latest",
        "ampd@nightly-abc",
        "ampd@0.0.36-nightly.1+abc",
    ];
    every(rows, |spec| {
        let plan = planned(&Inventory::default(), &[spec]).expect("a plan");
        assert_eq!(versions(&plan.groups[0]), ["0.0.36-nightly.1+abc"], "{spec}");
    });
    let plan = planned(&Inventory::default(), &["ampd@stable"]).expect("a plan");
    assert_eq!(versions(&plan.groups[0]), ["0.0.35", "0.0.34"]);
}

#[test]
fn what_does_not_exist_is_answered_with_what_does() {
    let unknown = planned(&Inventory::default(), &["postgre"]).expect_err("unknown");
    assert!(
        unknown
            .hint()
            .expect("a hint")
            .contains("did you mean `postgres`")
    );
    let program = planned(&Inventory::default(), &["psql"]).expect_err("a program");
    assert_eq!(
        program.to_string(),
        "there is no component `psql`; it is a program of postgres"
    );
    assert_eq!(program.hint().as_deref(), Some("did you mean `postgres`?"));
    let none = planned(&Inventory::default(), &["postgres@17.3"]).expect_err("no version");
    assert!(none.to_string().contains("it has 17.10.0, 19.0.0"), "{none}");
    assert_eq!(none.exit_code(), crate::exit::Exit::NotFound);
}

#[test]
fn an_update_follows_the_request_and_stays_within_a_postgresql_major() {
    let found = |here: &Inventory, allow_major| {
        update(&registry(), here, &host(), &[], allow_major).expect("an answer")
    };
    let mut here = inventory(&["postgres 17.10.0 theseus"]);
    here.active.requests.insert(
        "postgres".parse().expect("a name"),
        "17".parse().expect("a requirement"),
    );
    assert!(
        matches!(&found(&here, false)[0], Update::UpToDate { newer_major: Some(major), .. } if major.major == 18)
    );
    let Update::Available { plan, .. } = &found(&here, true)[0] else {
        panic!("available")
    };
    assert_eq!(
        (versions(plan), plan.request.clone()),
        (vec!["18.4.0".to_owned()], Some(Requirement::Prefix(18, None)))
    );

    let mut here = inventory(&["postgres 18.3.0 theseus"]);
    assert!(
        matches!(&found(&here, false)[0], Update::Available { plan, .. } if versions(plan) == ["18.4.0"])
    );
    here.active.requests.insert(
        "postgres".parse().expect("a name"),
        "18.3.0".parse().expect("a requirement"),
    );
    assert!(matches!(&found(&here, false)[0], Update::Pinned { .. }));
}

#[test]
fn an_update_of_what_is_not_installed_says_so() {
    let names = ["postgres".parse().expect("a name")];
    let answer = update(&registry(), &Inventory::default(), &host(), &names, false);
    assert!(matches!(answer, Err(ResolveError::NotInstalled { .. })));
}

#[test]
fn a_component_without_a_release_says_so() {
    let error = ResolveError::NoSuchVersion {
        component: "ampup".parse().expect("a name"),
        requirement: "stable".to_owned(),
        versions: Vec::new(),
        further: 0,
    };
    assert_eq!(error.to_string(), "the registry has no version of ampup yet");
    assert!(error.hint().expect("a hint").contains("ampup update"));
}
