//! PostgreSQL's programs as ampup runs them.

#[cfg(target_os = "linux")]
use std::process::Command;

use ampup::{
    children::Interrupt,
    postgres::{
        program::{Program, ProgramError},
        run::initdb::{Flush, initdb},
        single_user::single_user_select,
        user::OsUser,
    },
};
use camino::Utf8Path;
use fs_err as fs;

use crate::support::postgres::{World, postgres_tree, run_as};

/// Makes a cluster with a tree's initdb.
fn make(tree: &Utf8Path, cluster: &Utf8Path, user: Option<&OsUser>) -> Result<(), ProgramError> {
    let program = Program {
        tree,
        name: "initdb",
        run_as: user,
        interrupt: &Interrupt::default(),
    };
    initdb(&program, cluster, None, Flush::No)
}

#[test]
fn a_tree_makes_a_cluster_and_serves_it_without_a_socket() {
    let (world, user) = (World::new(), run_as());
    let tree = postgres_tree(18);
    let cluster = world.directory("a place, with spaces").join("cluster");
    make(&tree, &cluster, user.as_ref()).expect("made");
    let version = fs::read_to_string(cluster.join("PG_VERSION")).expect("read");
    assert_eq!(version.trim(), "18");
    let postgres = Program {
        tree: &tree,
        name: "postgres",
        run_as: user.as_ref(),
        interrupt: &Interrupt::default(),
    };
    let answer = single_user_select(&postgres, &cluster).expect("served");
    assert!(answer.contains("one = \"1\""), "{answer}");
    assert!(
        !cluster.join("postmaster.pid").exists(),
        "shut down in good order"
    );
}

#[test]
fn initdb_says_what_is_in_its_way() {
    let (world, user) = (World::new(), run_as());
    let cluster = world.directory("cluster");
    fs::write(cluster.join("precious"), "data").expect("written");
    let refused = make(&postgres_tree(18), &cluster, user.as_ref()).expect_err("not empty");
    assert!(refused.to_string().contains("not empty"), "{refused}");
    assert_eq!(
        fs::read_to_string(cluster.join("precious")).expect("kept"),
        "data"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_missing_library_is_named_also_where_initdb_says_something_else() {
    let (world, user) = (World::new(), run_as());
    let tree = world.path().join("tree");
    let copied = Command::new("cp")
        .args(["-a", postgres_tree(18).as_str(), tree.as_str()])
        .status()
        .expect("cp");
    assert!(copied.success());
    fs::rename(tree.join("lib/libicuuc.so.60"), tree.join("lib/elsewhere.so.60")).expect("moved");
    let cluster = world.directory("parent").join("cluster");
    let refused = make(&tree, &cluster, user.as_ref()).expect_err("no library");
    assert!(matches!(refused, ProgramError::DoesNotLoad { .. }), "{refused}");
    assert!(
        refused.to_string().contains("the library `libicuuc.so.60`"),
        "{refused}"
    );
    assert!(
        refused.hint().expect("a hint").contains("libicu60"),
        "{:?}",
        refused.hint()
    );
}
