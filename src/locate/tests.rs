use super::*;
use crate::exit::Exit;
use crate::table::every;

/// A home with these trees of PostgreSQL, and one of them active.
fn home(trees: &[&str], active: Option<&str>) -> (tempfile::TempDir, Locator) {
    let world = tempfile::tempdir().expect("a directory");
    let layout = Layout::new(Utf8Path::from_path(world.path()).expect("UTF-8"));
    for tree in trees {
        let directory = layout.component(&postgres()).join(tree);
        fs::create_dir_all(directory.join("bin")).expect("made");
        let receipt = format!(
            r#"{{"schema":1,"component":"postgres","version":"{tree}","target":"x86_64-unknown-linux-gnu",
            "provider":"acme","source":{{"kind":"file","url":"file:///a"}},"digest":"sha256:{}",
            "executables":[],"installed":"2026-01-01T00:00:00Z","ampup":"0.2.0"}}"#,
            "0".repeat(64)
        );
        fs::write(directory.join(".receipt.json"), receipt).expect("written");
    }
    if let Some(active) = active {
        fs::create_dir_all(layout.generation(1)).expect("made");
        link::directory("generations/1".into(), &layout.active()).expect("linked");
        let target = Utf8PathBuf::from(format!("../../components/postgres/{active}"));
        link::directory(&target, &layout.active_tree(&postgres())).expect("linked");
    }
    (world, Locator::new(layout.home()))
}

#[test]
fn the_active_version_or_the_highest_of_another_major_is_found() {
    let trees = ["16.9.0", "16.14.0", "18.3.0", "18.4.0", "17.0.0-beta.1", "notes"];
    let (_world, locator) = home(&trees, Some("18.3.0"));
    let found = |major| locator.postgres(major).expect("found").name.to_string();
    assert_eq!(found(None), "18.3.0");
    assert_eq!(found(Some(18)), "18.3.0", "the active one wins over a higher one");
    assert_eq!(found(Some(16)), "16.14.0", "numbers, not text");
    let missing = locator.postgres(Some(17)).expect_err("a beta is not meant");
    assert_eq!(
        missing.hint().as_deref(),
        Some("`ampup install --no-activate postgres@17`")
    );
    let tree = locator.active(&postgres()).expect("found").tree;
    assert!(tree.ends_with("components/postgres/18.3.0"), "{tree}");
}

#[test]
fn of_two_builds_of_a_version_the_active_one_is_found_else_the_one_with_the_plus() {
    let trees = ["17.9.0", "18.4.0", "18.4.0+acme"];
    let rows = [
        ("17.9.0", "18.4.0+acme", ["18.4.0+acme", "18.4.0", "17.9.0"]),
        ("18.4.0", "18.4.0", ["18.4.0", "18.4.0+acme", "17.9.0"]),
    ];
    every(rows, |(active, expected, order)| {
        let (_world, locator) = home(&trees, Some(active));
        let found = locator.postgres(Some(18)).expect("found");
        assert_eq!(found.name.to_string(), expected, "{active}");
        let all = locator.every_postgres().expect("found").into_iter();
        assert_eq!(
            all.map(|one| one.name.to_string()).collect::<Vec<_>>(),
            order,
            "{active}"
        );
    });
}

#[test]
fn what_is_installed_and_not_active_is_said_to_be_so() {
    let (_world, locator) = home(&["17.9.0", "18.4.0"], None);
    every([locator.postgres(None), locator.active(&postgres())], |refused| {
        let refused = refused.expect_err("none is active");
        assert_eq!(refused.to_string(), "postgres 18.4 is installed but not active");
        assert_eq!(refused.hint().as_deref(), Some("`ampup use postgres@18.4`"));
    });
}

#[test]
fn what_nobody_vouches_for_is_not_run() {
    let (_world, locator) = home(&["16.1.0", "18.3.0", "18.4.0"], Some("18.4.0"));
    let tree = |name: &str| locator.layout().component(&postgres()).join(name);
    fs::write(tree("18.4.0").join(".receipt.json"), "{").expect("written");
    let damaged = locator.postgres(None).expect_err("damaged");
    assert_eq!(damaged.exit_code(), Exit::Integrity);
    assert_eq!(
        locator.postgres(Some(18)).expect("another").name.to_string(),
        "18.3.0"
    );
    fs::write(tree("18.3.0").join(".receipt.json"), "{").expect("written");
    let damaged = locator.postgres(Some(18)).expect_err("both are damaged");
    assert_eq!(damaged.exit_code(), Exit::Integrity);
    // A link to a whole tree elsewhere is none of ours.
    fs::create_dir(locator.layout().home().join("away")).expect("made");
    let away = locator.layout().home().join("away/16.1.0");
    fs::rename(tree("16.1.0"), &away).expect("moved");
    link::directory(&away, &tree("16.1.0")).expect("linked");
    assert!(locator.postgres(Some(16)).is_err());
}

#[test]
fn what_is_missing_is_said_with_the_command_that_brings_it() {
    let (_world, locator) = home(&[], None);
    let missing = locator.postgres(None).expect_err("nothing is installed");
    assert_eq!(missing.to_string(), "PostgreSQL 18 is not installed");
    assert_eq!(missing.hint().as_deref(), Some("`ampup install postgres`"));
    assert_eq!(missing.exit_code(), Exit::NotFound);
    let (_world, locator) = home(&["17.1.0"], Some("17.1.0"));
    let missing = locator.postgres(Some(18)).expect_err("another is active");
    assert_eq!(
        missing.to_string(),
        "PostgreSQL 18 is not installed (active: postgres 17.1)"
    );
    assert_eq!(
        missing.hint().as_deref(),
        Some("`ampup install --no-activate postgres@18`")
    );
    let (_world, locator) = home(&["17.1.0"], Some("18.4.0"));
    let gone = locator.postgres(None).expect_err("the tree is gone");
    assert!(matches!(gone, LocateError::Gone { .. }), "{gone}");
    assert_eq!(locator.postgres(Some(17)).expect("still there").major(), 17);
}
