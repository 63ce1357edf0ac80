//! The commands that ampup tells its user to type: as they stand they are about the home, the registry and the database of
//! the command line before.

use camino::Utf8Path;
use fs_err as fs;

use crate::support::{
    home::{Home, Run, finish, program},
    served::Served,
    table::every,
};

/// The commands that were told, each as it stands between backticks.
fn told(run: &Run) -> Vec<&str> {
    let quoted = run.stderr.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("ampup ")).collect()
}

/// Types a line into a shell that finds ampup and knows no variable of ours.
fn typed(home: &Home, line: &str) -> Run {
    let bin = program().parent().expect("a directory");
    let mut shell = home.as_the_user(Utf8Path::new("/bin/sh"));
    shell
        .env_remove("AMPUP_REGISTRY")
        .args(["-c", &format!("PATH='{bin}':$PATH\n{line}")]);
    finish(shell)
}

#[test]
fn a_command_that_is_told_is_about_the_same_home_and_registry() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let (other, mirror, registry) = (home.directory("other"), home.directory("mirror"), home.registry());
    let options = format!("--home {other} --registry {registry} --mirror file://{mirror}");
    let line = format!("ampup {options} list tool");
    let run = typed(&home, &line).exits(0);
    assert_eq!(told(&run), [format!("ampup {options} install tool")], "{run:#?}");
    let json = typed(&home, &format!("{line} --json")).exits(0).json();
    let words = format!("tool is not installed; `ampup {options} install tool`");
    assert_eq!(json["messages"][0], words);
    let refused = typed(&home, &format!("ampup {options} use tool --json"))
        .exits(3)
        .json();
    assert_eq!(
        refused["error"]["hint"],
        format!("`ampup {options} install tool`")
    );
    typed(&home, told(&run)[0]).exits(0).says("installed tool 1.0.0");
    // What a variable says holds for the next command too, and the history has what was typed.
    let run = home.ampup(&["list", "tool"]).exits(0);
    assert_eq!(told(&run), ["ampup install tool"]);
    typed(&home, &format!("ampup --home {other} history"))
        .exits(0)
        .prints_with(&format!("(`ampup {options} install tool`)  active"));
}

#[test]
fn a_command_that_is_told_is_about_the_same_database() {
    let served = Served::new();
    let home = &served.home;
    home.directory("work/other");
    let project = "--amp-dir other/.amp";
    let run = typed(home, &format!("ampup db start {project}")).exits(0);
    let [stop, psql] = [
        format!("ampup db stop {project}"),
        format!("ampup db psql {project}"),
    ];
    assert_eq!(told(&run), [stop.as_str(), &psql], "{run:#?}");
    typed(home, &format!("{psql} -XtAc 'select 7'"))
        .exits(0)
        .prints("7\n");
    // The server of a project that is known is stopped by name, not by its process.
    let run = served
        .ampup(&["uninstall", "--force", "postgres@18.4.0+zonky"])
        .exits(6);
    assert_eq!(told(&run), [stop.as_str()], "{run:#?}");
    let run = typed(home, &format!("ampup db reset {project}")).exits(2);
    assert_eq!(told(&run), [format!("ampup db reset {project} other")]);
    typed(home, told(&run)[0]).exits(0);
    typed(home, &stop).exits(0);
    assert!(
        !home.work().join(".amp").exists(),
        "no command was about another one"
    );
    served
        .ampup(&["uninstall", "--force", "postgres@18.4.0+zonky"])
        .exits(0);
}

#[test]
fn who_has_nothing_is_told_what_to_type() {
    let home = Home::new();
    let rows = [
        (
            ["list", "postgresql"].as_slice(),
            "postgres is not installed; `ampup install postgres`\n",
        ),
        (
            &["list", "pg"],
            "postgres is not installed; `ampup install postgres`\n",
        ),
        (&["verify"], "nothing is installed; `ampup install`\n"),
        (&["history"], "nothing is installed; `ampup install`\n"),
    ];
    every(rows, |(arguments, words)| {
        let run = home.ampup(arguments).exits(0);
        assert_eq!((run.stderr.as_str(), run.stdout.as_str()), (words, ""));
    });
    assert!(
        fs::symlink_metadata(home.path()).is_err(),
        "questions make no home"
    );
}

#[test]
fn who_names_amp_is_told_what_amp_is() {
    let mut home = Home::new();
    for name in ["ampctl", "ampd"] {
        home.offer(name, "1.0.0");
    }
    let (install, solo) = (
        "hint: `ampup install` installs Amp: ampd, ampctl and PostgreSQL\n",
        "hint: `ampup run ampd solo` runs Amp\n",
    );
    let rows = [
        (&["install", "amp"][..], 3, install),
        (&["info", "amp"], 3, install),
        (&["install", "solo"], 3, solo),
        (&["run", "--no-db", "solo"], 127, solo),
    ];
    every(rows, |(words, code, hint)| {
        drop(home.ampup(words).exits(code).says(hint));
    });
}
