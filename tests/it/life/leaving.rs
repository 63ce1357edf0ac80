//! The last minute: nothing tells that ampup was there.

use super::*;
use crate::support::{
    home::{Home, Run},
    table::every,
};

/// The name by which PATH and SHELL know each shell.
const SHELLS: [&str; 6] = ["dash", "bash", "zsh", "fish", "nu", "pwsh"];

#[test]
fn home_is_as_it_was_after_install_and_uninstall_for_every_shell() {
    for who in Who::all() {
        let publisher = Person::new(who);
        let files = Publisher::new(&publisher).publish_now();
        every(SHELLS, |shell| {
            for existing in [false, true] {
                let person = Person::new(who);
                if existing {
                    for (name, content) in FILES {
                        person.write(name, content);
                    }
                }
                // A machine with this shell alone.
                let tools = person.home.work().join("tools");
                for tool in TOOLS {
                    let path = programs::find(tool).expect("a part of every system");
                    link(&path, &tools.join(tool));
                }
                write_program(&tools.join(shell), "#!/bin/sh\n");
                let shown = format!("{who:?} {shell} {existing}");
                let before = snapshot(&person.directory());
                let run = |mut command: std::process::Command| {
                    command.env("PATH", &tools).env("SHELL", tools.join(shell));
                    finish(command)
                };
                let mirror = format!("file://{files}");
                let mut script =
                    person.command("/bin/sh".into(), &["-s", "--", "--yes", "--mirror", &mirror]);
                script.stdin(
                    fs::File::open(files.join("install.sh"))
                        .expect("there")
                        .into_parts()
                        .0,
                );
                run(script).exits(0).says("installed ampup");
                let after = snapshot(&person.directory());
                assert!(
                    after.iter().any(|line| line.contains(own_file(shell))),
                    "{shown}: {after:#?}"
                );
                // As `ampup run` leaves it.
                for (file, content) in [
                    ("projects.json", r#"{"schema":1,"projects":[]}"#),
                    ("projects.json.lock", ""),
                ] {
                    fs::write(person.home.path().join(file), content).expect("written");
                }
                let ampup = person.home.path().join("bin/ampup");
                run(person.command(&ampup, &["self", "uninstall", "--yes"])).exits(0);
                assert_eq!(snapshot(&person.directory()), before, "{shown}");
            }
        });
    }
}

const TOOLS: [&str; 12] = [
    "cat",
    "chmod",
    "cp",
    "getconf",
    "head",
    "id",
    "mkdir",
    "rm",
    "rmdir",
    "sha256sum",
    "uname",
    "wc",
];

fn link(target: &Utf8Path, link: &Utf8Path) {
    fs::create_dir_all(link.parent().expect("a parent")).expect("made");
    fs_err::os::unix::fs::symlink(target, link).expect("linked");
}

/// The file that only this shell reads.
fn own_file(shell: &str) -> &'static str {
    match shell {
        "bash" => ".bashrc",
        "zsh" => ".zshenv",
        "fish" => "conf.d/ampup.fish",
        "nu" => "autoload/ampup.nu",
        "pwsh" => "powershell/profile.ps1",
        _ => ".profile",
    }
}

/// Directories that were made for a home go with it.
#[test]
fn nothing_is_left_outside_of_the_home_either() {
    for who in Who::all() {
        let person = Person::new(who);
        let files = Publisher::new(&person).publish_now();
        let before = snapshot(&person.directory());
        let home = person.directory().join("a/b/it's amp");
        person.install(&files, &["--home", home.as_str()]).exits(0);
        let own = home.join("bin/ampup");
        finish(person.command(&own, &["self", "uninstall", "--yes", "--home", home.as_str()])).exits(0);
        assert_eq!(snapshot(&person.directory()), before, "{who:?}");
    }
}

/// A person at a terminal is asked, and no is no.
#[test]
fn a_no_changes_nothing() {
    let person = Person::new(Who::Ordinary);
    let Some(script) = programs::find("script") else {
        return;
    };
    let answer = |program: &Utf8Path, words: &str, answer: &str| -> Run {
        use std::io::Write as _;
        let mut command = person.command(
            &script,
            &["-q", "-e", "/dev/null", "-c", &format!("{program} {words}")],
        );
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut child = command.spawn().expect("started");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(answer.as_bytes())
            .expect("written");
        let output = child.wait_with_output().expect("ended");
        Run {
            shortened: Vec::new(),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::new(),
        }
    };
    let before = snapshot(&person.directory());
    let built = crate::support::home::program();
    let run = answer(built, "init", "n\n").exits(1);
    assert!(
        run.stdout.contains("Continue? [Y/n]") && run.stdout.contains("ampup was not installed"),
        "{run:#?}"
    );
    let leaving = "to leave these files alone, add `--no-modify-path`.";
    assert!(run.stdout.contains(leaving), "{run:#?}");
    assert_eq!(run.stdout.matches("--no-modify-path").count(), 1, "{run:#?}");
    let run = answer(built, "init --component postgres@18.4.0", "n\n").exits(1);
    let asked = run.stdout.split("Continue?").next().unwrap_or_default();
    let download = asked.lines().find(|line| line.starts_with("  postgres 18.4, "));
    let download = download.unwrap_or_else(|| panic!("{run:#?}"));
    assert!(
        download.trim_end().ends_with(" MiB from github.com"),
        "{download}"
    );
    assert_eq!(snapshot(&person.directory()), before);
    let run = answer(built, "init", "what?\n\n").exits(0);
    let asked = run.stdout.matches("Continue?").count();
    assert!(
        asked == 1 && run.stdout.contains("please answer y or n: [Y/n]"),
        "{run:#?}"
    );
    let before = snapshot(&person.directory());
    let own = person.home.path().join("bin/ampup");
    let run = answer(&own, "self uninstall", "\n").exits(1);
    assert!(
        run.stdout
            .contains("Remove ampup and all that it installed? [y/N]"),
        "{run:#?}"
    );
    assert_eq!(snapshot(&person.directory()), before);
    // Nobody to ask: nothing is removed without a word.
    person.ampup(&["self", "uninstall"]).exits(2).says("--yes");
    assert_eq!(snapshot(&person.directory()), before);
    answer(&own, "self uninstall", "y\n").exits(0);
    assert_eq!(snapshot(&person.directory()), [""; 0]);
}

#[test]
fn what_is_not_ampups_stays_and_projects_are_not_touched() {
    let person = Person::new(Who::Ordinary);
    person.built(&["init"]).exits(0);
    let project = person.write("project/.amp/metadb/PG_VERSION", "18\n");
    let notes = person.write(".ampup/notes.txt", "mine\n");
    let page = person.write(".ampup/share/man/man1/other.1", "theirs\n");
    person
        .ampup(&["self", "uninstall", "--yes"])
        .exits(0)
        .says("is not ampup's, and stays");
    assert!(project.exists() && notes.exists() && page.exists());
    let left: Vec<String> = snapshot(&person.home.path());
    assert_eq!(left.len(), 5, "{left:#?}");
    let run = person.built(&["self", "uninstall", "--yes"]).exits(3);
    assert!(run.stderr.contains("has nothing of ampup"), "{run:#?}");
}

#[test]
fn what_cannot_be_removed_is_told_to_programs_too() {
    use std::os::unix::fs::PermissionsExt as _;
    let person = Person::new(Who::Ordinary);
    person.built(&["init"]).exits(0);
    // Nobody but root removes from a directory that is read-only.
    let closed = person.write(".ampup/cache/closed/file", "x");
    let closed = closed.parent().expect("a directory");
    fs::set_permissions(closed, std::fs::Permissions::from_mode(0o555)).expect("closed");
    let answer = person
        .ampup(&["self", "uninstall", "--yes", "--json"])
        .exits(7)
        .json();
    let cache = person.home.path().join("cache");
    assert_eq!(answer["left"][0], cache.as_str(), "what failed comes first");
    let removed = answer["removed"].as_array().expect("a list");
    assert!(!removed.is_empty() && removed.iter().all(|path| path != cache.as_str()));
    assert!(
        removed
            .iter()
            .all(|path| !Utf8Path::new(path.as_str().expect("a path")).exists())
    );
    fs::set_permissions(closed, std::fs::Permissions::from_mode(0o755)).expect("opened");
    person.built(&["self", "uninstall", "--yes"]).exits(0);
    assert_eq!(snapshot(&person.directory()), [""; 0]);
}

/// A line of ampup's that cannot be taken out: its record and its home stay until it can.
#[test]
fn a_file_that_cannot_be_changed_ends_it_before_anything_is_removed() {
    use std::os::unix::fs::PermissionsExt as _;
    let person = Person::new(Who::Ordinary);
    let bashrc = person.write(".bashrc", "mine\n");
    person.built(&["init"]).exits(0);
    let record = fs::read(person.home.path().join("shells.json")).expect("there");
    fs::set_permissions(&bashrc, std::fs::Permissions::from_mode(0o444)).expect("closed");
    let run = person.ampup(&["self", "uninstall", "--yes"]).exits(7);
    let said = "error: cannot take ampup's line out of `~/.bashrc`\n";
    assert!(
        run.stderr.contains(said) && run.stderr.contains("hint: "),
        "{run:#?}"
    );
    assert_eq!(
        fs::read(person.home.path().join("shells.json")).expect("there"),
        record
    );
    person.ampup(&["verify"]).exits(0);
    fs::set_permissions(&bashrc, std::fs::Permissions::from_mode(0o644)).expect("opened");
    person.ampup(&["self", "uninstall", "--yes"]).exits(0);
    assert_eq!(snapshot(&person.directory()), [".bashrc 100644 mine\\n"]);
    // And `init` does not say that it is done when it is not.
    if crate::support::postgres::run_as().is_some() {
        fs_err::os::unix::fs::chown(&bashrc, Some(0), Some(0)).expect("taken");
        let run = person.built(&["init"]).exits(7);
        let said = "error: cannot add ampup's line to `~/.bashrc`\n";
        assert!(
            run.stderr.contains(said) && run.stderr.contains("hint: "),
            "{run:#?}"
        );
        fs::set_permissions(&bashrc, std::fs::Permissions::from_mode(0o666)).expect("opened");
        person.ampup(&["init"]).exits(0);
    }
}

/// A file that is ours to write, and not to give to its owner, keeps owner, group and mode.
#[test]
fn a_file_of_another_owner_stays_theirs() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let Some(user) = crate::support::postgres::run_as() else {
        return;
    };
    let person = Person::new(Who::Ordinary);
    let bashrc = person.write(".bashrc", "mine\n");
    fs_err::os::unix::fs::chown(&bashrc, Some(0), Some(user.gid)).expect("taken");
    fs::set_permissions(&bashrc, std::fs::Permissions::from_mode(0o664)).expect("set");
    person.built(&["init"]).exits(0);
    let mut text = fs::read_to_string(&bashrc).expect("there");
    assert!(text.contains("ampup"), "{text}");
    text.push_str("later\n");
    fs::write(&bashrc, text).expect("written");
    person.ampup(&["self", "uninstall", "--yes"]).exits(0);
    let found = fs::metadata(&bashrc).expect("there");
    let shown = (found.uid(), found.gid(), found.mode() & 0o7777);
    assert_eq!(shown, (0, user.gid, 0o664));
    assert_eq!(fs::read_to_string(&bashrc).expect("there"), "mine\nlater\n");
}

#[test]
fn nothing_is_removed_under_what_runs_from_the_home() {
    let person = Person::new(Who::Ordinary);
    person.built(&["init"]).exits(0);
    let running: Utf8PathBuf = person
        .home
        .path()
        .join(format!("components/ampup/{NOW}/bin/postgres"));
    fs::copy("/bin/sleep", &running).expect("copied");
    let mut child = person.command(&running, &["60"]).spawn().expect("started");
    let text = format!(
        "process {} runs from ampup's home (`~/.ampup/components/ampup/{NOW}/bin/postgres`)",
        child.id()
    );
    let run = person.ampup(&["self", "uninstall", "--dry-run"]).exits(0);
    assert!(run.stderr.contains(&format!("warning: {text}")), "{run:#?}");
    person
        .ampup(&["self", "uninstall", "--yes"])
        .exits(6)
        .says(&format!("error: {text}"));
    person.ampup(&["--version"]).exits(0);
    child.kill().expect("ended");
    child.wait().expect("reaped");
    person.ampup(&["self", "uninstall", "--yes"]).exits(0);
    assert!(!person.home.path().exists());
}

#[test]
fn the_active_ampup_is_not_uninstalled_like_a_component() {
    let person = Person::new(Who::Ordinary);
    person.built(&["init"]).exits(0);
    person
        .ampup(&["uninstall", "ampup"])
        .exits(2)
        .says("`ampup self uninstall`");
    person.ampup(&["--version"]).exits(0);
}

#[test]
fn nothing_is_uninstalled_where_nothing_is() {
    let home = Home::new();
    home.ampup(&["self", "uninstall", "--yes"])
        .exits(3)
        .says("there is no ampup home");
    assert!(!home.path().exists());
}
