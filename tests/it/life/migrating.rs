//! Versions of an ampup 0.1 are copied, and its home stays as it is.

use super::*;
use crate::support::home::script;

/// A home of ampup 0.1 with these versions, the first one current.
fn old(person: &Person, tags: &[&str]) {
    person.write(".amp/bin/ampup", "#!/bin/sh\n");
    person.write(".amp/.version", format!("{}\n", tags[0]));
    for tag in tags {
        for name in ["ampd", "ampctl"] {
            let path = person.write(&format!(".amp/versions/{tag}/{name}"), script(name, tag));
            write_program(&path, script(name, tag));
        }
    }
    person.write(".amp/versions/half/.keep", "");
}

#[test]
fn versions_of_an_old_home_are_copied_and_it_stays_as_it_is() {
    for who in Who::all() {
        let person = Person::new(who);
        old(&person, &["v0.0.34", "v0.0.35", "local-0a1b2c3d"]);
        let before = snapshot(&person.directory());
        // Only offered, at first.
        person
            .built(&["init"])
            .exits(0)
            .says("`ampup init --migrate` copies them");
        person.ampup(&["list"]).exits(0).prints("");
        let run = person.ampup(&["init", "--migrate"]).exits(0);
        assert!(
            run.stderr.contains("copied ampd v0.0.34") && run.stderr.contains("copied ampctl v0.0.35"),
            "{run:#?}"
        );
        assert!(
            run.stderr.contains("`local-0a1b2c3d` is a build of your own"),
            "{run:#?}"
        );
        person
            .ampup(&["list"])
            .exits(0)
            .prints("ampd   v0.0.35\nampd   v0.0.34 (active)\nampctl v0.0.35\nampctl v0.0.34 (active)\n");
        let which = person.ampup(&["which", "ampd"]).exits(0).stdout;
        assert!(which.contains("/components/ampd/0.0.34/"), "{which}");
        // Again: they are here, and what is active stays.
        person.ampup(&["use", "0.0.35"]).exits(0);
        person
            .ampup(&["init", "--migrate"])
            .exits(0)
            .says("v0.0.34 is here already");
        person
            .ampup(&["list"])
            .exits(0)
            .prints("ampd   v0.0.35 (active)\nampd   v0.0.34\nampctl v0.0.35 (active)\nampctl v0.0.34\n");
        person.ampup(&["self", "uninstall", "--yes"]).exits(0);
        assert_eq!(snapshot(&person.directory()), before, "{who:?}");
    }
}

#[test]
fn what_does_not_run_here_is_left_and_the_rest_is_copied() {
    let person = Person::new(Who::Ordinary);
    old(&person, &["v0.0.35", "v0.0.34"]);
    let broken = person.directory().join(".amp/versions/v0.0.34/ampd");
    write_program(&broken, "#!/bin/sh\nexit 3\n");
    fs::remove_file(person.write(".amp/versions/v0.0.33/ampd", "")).expect("removed");
    let run = person.built(&["init", "--migrate"]).exits(0);
    assert!(run.stderr.contains("copied ampd v0.0.35"), "{run:#?}");
    assert!(
        run.stderr.contains("warning: could not install ampctl and ampd"),
        "{run:#?}"
    );
    person
        .ampup(&["list"])
        .exits(0)
        .prints("ampd   v0.0.35 (active)\nampctl v0.0.35 (active)\n");
}

/// A project's directory has the same name.
#[test]
fn a_projects_directory_is_no_old_home() {
    let person = Person::new(Who::Ordinary);
    person.write(".amp/metadb/PG_VERSION", "18\n");
    let run = person.built(&["init", "--migrate"]).exits(0);
    assert!(
        run.stderr.contains("there is no home of an ampup 0.1"),
        "{run:#?}"
    );
}
