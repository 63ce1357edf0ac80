//! `ampup link`: a build on this machine is a version, and its files stay where they are.

use camino::Utf8PathBuf;
use fs_err as fs;

use crate::support::{
    database::Build,
    home::{Home, finish, script},
    postgres::postgres_tree,
    table::every,
    world::write_program,
};

/// A home with a release of `tool`, and a directory in which one was built.
fn home() -> (Home, Utf8PathBuf) {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    let built = home.directory("src/target/debug");
    write_program(&built.join("tool"), script("tool", "9-dirty"));
    home.give(&built);
    (home, built)
}

fn linked(home: &Home, path: &str) -> String {
    let run = home.ampup(&["--json", "link", "tool", path]).exits(0).json();
    let version = run["version"].as_str().expect("a version");
    version
        .strip_prefix("0.0.0-")
        .expect("as `list` has it")
        .to_owned()
}

#[test]
fn a_build_is_accepted_switched_to_and_never_removed() {
    let (home, built) = home();
    let before = home.store();
    let file = built.join("tool");
    home.ampup(&["link", "tool", built.as_str(), "--dry-run"])
        .exits(0)
        .says(&format!("link `{}` as tool local-", home.shown(&file)));
    assert_eq!(home.store(), before);
    home.ampup(&["link", "tool", file.as_str()])
        .exits(0)
        .says(&format!("linked `{}` as tool local-", home.shown(&file)))
        .says(": `tool --version` prints `tool 9-dirty`");
    let name = linked(&home, built.as_str());
    assert!(name.starts_with("local-"), "{name}");
    home.ampup(&["list"]).exits(0).prints(&format!(
        "tool 1.0.0{pad} (active)\ntool {name} (linked)\n",
        pad = " ".repeat(8)
    ));
    let spec = format!("tool@{name}");
    home.ampup(&["use", &spec]).exits(0);
    // A project's file is for other machines too.
    home.ampup(&["pin", "tool"])
        .exits(1)
        .says("is a build of this machine");
    home.ampup(&["pin", &spec])
        .exits(0)
        .says("is a build of this machine, which no other has");
    home.ampup(&["install"]).exits(0);
    home.ampup(&["install", "--locked"])
        .exits(4)
        .says("hint: name a version that others have too: `ampup list --available tool`");
    fs::remove_file(home.work().join("ampup.toml")).expect("removed");
    home.ampup(&["which", "tool"])
        .exits(0)
        .prints(&format!("{}\n", built.join("tool")));
    home.ampup(&["run", "--no-db", "tool", "--version"])
        .exits(0)
        .prints_with("9-dirty");
    // Its link in the home is ampup's own.
    let mut why = home.command(&["why", "tool"]);
    why.env("PATH", home.path().join("bin"));
    let why = finish(why).exits(0);
    assert!(!why.stdout.contains("on PATH"), "{why:?}");
    // What is built next is what runs.
    write_program(&built.join("tool"), script("tool", "10-dirty"));
    home.ampup(&["run", "--no-db", "tool", "--version"])
        .exits(0)
        .prints_with("10-dirty");
    home.ampup(&["verify"]).exits(0);
    home.ampup(&["update"]).exits(0).says(&name);
    assert_eq!(
        linked(&home, built.join("tool").as_str()),
        name,
        "the same each time"
    );
    // Nobody gets it who did not name it.
    home.ampup(&["install", "tool"]).exits(0);
    home.ampup(&["which", "tool"])
        .exits(0)
        .prints_with("components/tool/1.0.0");
    home.ampup(&["uninstall", &spec]).exits(0);
    assert!(built.join("tool").is_file());
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
}

/// A build of the daemon alone, which has a group.
#[test]
fn a_build_is_switched_to_by_every_name_that_it_is_called() {
    let mut home = Home::new();
    home.offer("ampd", "0.0.35").offer("ampctl", "0.0.35");
    let built = home.directory("src/target/debug");
    write_program(&built.join("ampd"), script("ampd", "9-dirty"));
    home.give(&built);
    let run = home.ampup(&["--json", "link", "ampd", built.as_str()]).exits(0);
    let version = run.json()["version"].as_str().expect("a version").to_owned();
    let name = version
        .strip_prefix("0.0.0-")
        .expect("as `list` has it")
        .to_owned();
    home.ampup(&["run", "--no-db", "ampd", "solo"])
        .exits(127)
        .says(&format!("it is in ampd {name}, which is not active"))
        .says(&format!("hint: `ampup use ampd@{name}`"));
    let rows = [
        "ampd".to_owned(),
        format!("ampd@{name}"),
        format!("ampd@0.0.0-{name}"),
        name.clone(),
    ];
    every(rows, |word| {
        home.ampup(&["use", &word])
            .exits(0)
            .says(&format!("ampd {name} is active "));
    });
}

#[test]
fn what_does_not_run_or_is_not_there_is_refused() {
    let (home, built) = home();
    let before = home.store();
    home.ampup(&["link", "tool", "nowhere"])
        .exits(3)
        .says("error: `nowhere` does not exist")
        .says("\n  build it first, or name the directory that `tool` was built in");
    home.ampup(&["link", "nothing", built.as_str()]).exits(3);
    write_program(&built.join("tool"), "#!/bin/sh\nexit 3\n");
    home.ampup(&["link", "tool", built.as_str()]).exits(1);
    write_program(&built.join("tool"), "#!/bin/sh\n");
    home.ampup(&["link", "tool", built.as_str()])
        .exits(1)
        .says("`tool --version` printed ``; expected a version");
    // Another program's build, of whatever name its file is.
    write_program(&built.join("tool"), script("true (GNU coreutils)", "9.1"));
    home.ampup(&["link", "tool", built.as_str()])
        .exits(1)
        .says("`tool --version` printed `true (GNU coreutils) 9.1`; expected tool");
    let target = built.parent().expect("cargo's directory");
    home.ampup(&["link", "tool", target.as_str()])
        .exits(3)
        .says("needs `tool`")
        .says(&format!("hint: `ampup link tool {}`\n", home.shown(&built)));
    let project = target.parent().expect("the project");
    home.ampup(&["link", "tool", project.as_str()])
        .exits(3)
        .says(&format!("hint: `ampup link tool {}`\n", home.shown(&built)));
    fs::remove_file(built.join("tool")).expect("removed");
    home.ampup(&["link", "tool", built.as_str()])
        .exits(3)
        .says("hint: build it, then `ampup link tool");
    fs::write(project.join("Cargo.toml"), "").expect("written");
    home.ampup(&["link", "tool", project.as_str()])
        .exits(3)
        .says(&format!(
            "hint: `cargo build` there, then `ampup link tool {}`\n",
            home.shown(&built)
        ));
    assert_eq!(home.store(), before);
}

/// Each command that meets it says so, with a remedy that works.
#[test]
fn a_build_that_is_gone_is_named() {
    let (home, built) = home();
    let name = linked(&home, built.as_str());
    let spec = format!("tool@{name}");
    let gone = format!(
        "tool {name} is linked to `{}`, which is gone",
        home.shown(&built.join("tool"))
    );
    let remedy = format!("build it again, or `ampup uninstall {spec}`");
    let say_so = |rows: &[(&[&str], i32)]| {
        let mut silent = Vec::new();
        for (words, code) in rows {
            let run = home.ampup(words);
            let said = format!("{}{}", run.stdout, run.stderr);
            let is_said =
                said.contains(&gone) || words[0] == "verify" && said.contains("tool`, which is gone");
            if run.code != *code || !is_said || !said.contains(&remedy) {
                silent.push(format!("{words:?}: {run:#?}"));
            }
        }
        assert!(silent.is_empty(), "{}", silent.join("\n"));
    };
    // One that is not active.
    home.ampup(&["uninstall", "tool@1.0.0"]).exits(0);
    home.ampup(&["which", "tool"])
        .exits(3)
        .says(&format!("`tool` is in tool {name}, which is not active"))
        .says(&format!("hint: `ampup use {spec}`"));
    fs::remove_file(built.join("tool")).expect("removed");
    say_so(&[
        (&["doctor"], 1),
        (&["doctor", "--files"], 1),
        (&["verify"], 4),
        (&["verify", "--repair"], 3),
        (&["which", "tool"], 3),
        (&["use", &spec], 3),
    ]);
    // The one that is active, and one that `undo` leads to.
    write_program(&built.join("tool"), script("tool", "9-dirty"));
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["use", &spec]).exits(0);
    fs::remove_file(built.join("tool")).expect("removed");
    say_so(&[
        (&["which", "tool"], 3),
        (&["why", "tool"], 0),
        (&["run", "--no-db", "tool"], 3),
    ]);
    home.ampup(&["use", "tool@1.0.0"]).exits(0);
    say_so(&[(&["undo"], 3), (&["undo", "--dry-run"], 3)]);
    home.ampup(&["uninstall", &spec]).exits(0);
    home.ampup(&["undo"])
        .exits(3)
        .says("\n  `ampup link tool PATH`, with the path of the build");
    home.ampup(&["history"])
        .exits(0)
        .prints_with("was removed since; `ampup link tool PATH`, with the path of the build, brings it back");
    home.ampup(&["doctor"])
        .prints_with("1 installed version, all complete");
    home.ampup(&["verify"]).exits(0);
}

#[test]
fn a_postgresql_of_ones_own_serves_a_project() {
    let mut home = Home::new();
    home.offer_postgres(Build::Npm(18));
    let tree = postgres_tree(18);
    let run = home
        .ampup(&["--json", "link", "postgres", tree.as_str()])
        .exits(0)
        .json();
    let spec = format!("postgres@{}", run["version"].as_str().expect("a version"));
    home.ampup(&["link", "postgres", tree.as_str()])
        .exits(0)
        .says(": `postgres --version` prints `postgres (PostgreSQL) 18.");
    home.ampup(&["use", &spec]).exits(0);
    home.ampup(&["run", "--", "cat", ".amp/metadb/PG_VERSION"])
        .exits(0)
        .prints("18\n");
    let active = home.path().join("active/postgres/bin/postgres");
    fs::remove_file(active).expect("removed");
    home.ampup(&["db", "start"])
        .exits(1)
        .says("hint: `ampup verify` says what is gone");
}
