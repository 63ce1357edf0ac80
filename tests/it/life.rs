//! The first minute of ampup on a machine, and the last one: installed by its own script, found by every shell, and gone
//! without a trace.

mod migrating;
mod transcript;
mod updating;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::support::{
    home::{Home, Run, finish},
    person::{NOW, Person, Publisher, Who},
    programs,
    world::{snapshot, write_program},
};

/// Each shell's files, with what a user may have in them: no line break at the end, another alphabet, nothing.
const FILES: [(&str, &[u8]); 9] = [
    (".profile", b"export A=1\n"),
    (".bashrc", b"alias l=ls # no line break"),
    (".bash_profile", b". ~/.bashrc\r\n"),
    (".zshenv", b"caf\xe9=1\n"),
    (".zshrc", b""),
    (".config/fish/config.fish", b"set x 1\n"),
    (".config/fish/conf.d/other.fish", b""),
    (".config/nushell/config.nu", b"# mine"),
    (".config/powershell/profile.ps1", b"# mine\r\n"),
];

/// The name by which PATH and SHELL know each shell.
const SHELLS: [&str; 6] = ["dash", "bash", "zsh", "fish", "nu", "pwsh"];

#[test]
fn home_is_as_it_was_after_install_and_uninstall_for_every_shell() {
    for who in Who::all() {
        let publisher = Person::new(who);
        let files = Publisher::new(&publisher).publish_now();
        for shell in SHELLS {
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
                let ampup = person.home.path().join("bin/ampup");
                run(person.command(&ampup, &["self", "uninstall", "--yes"])).exits(0);
                assert_eq!(snapshot(&person.directory()), before, "{shown}");
            }
        }
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

/// What root keeps outside of the home goes, too; and so do directories that were made for a home.
#[test]
fn nothing_is_left_outside_of_the_home_either() {
    for who in Who::all() {
        let person = Person::new(who);
        let files = Publisher::new(&person).publish_now();
        let before = snapshot(&person.directory());
        let home = person.directory().join("a/b/it's amp");
        person.install(&files, &["--home", home.as_str()]).exits(0);
        let elsewhere = home.join("components").read_link_utf8().ok();
        assert_eq!(elsewhere.is_some(), who == Who::Root);
        let own = home.join("bin/ampup");
        let asked =
            finish(person.command(&own, &["self", "uninstall", "--dry-run", "--home", home.as_str()]))
                .exits(0);
        if let Some(elsewhere) = &elsewhere {
            let place = elsewhere.parent().expect("the home's own place");
            assert!(
                asked.stdout.contains(&format!("remove `{place}`\n")),
                "{asked:#?}"
            );
        }
        finish(person.command(&own, &["self", "uninstall", "--yes", "--home", home.as_str()])).exits(0);
        assert_eq!(snapshot(&person.directory()), before, "{who:?}");
        assert!(elsewhere.is_none_or(|path| path.parent().expect("a parent").symlink_metadata().is_err()));
    }
}

/// After it, a new shell of each kind finds `ampup`, `ampd` and `postgres`.
#[test]
fn a_new_shell_of_each_kind_finds_everything() {
    for who in Who::all() {
        let mut person = Person::new(who);
        person.home.offer("ampd", "0.0.35").offer("ampctl", "0.0.35");
        let mut command = person.command(crate::support::home::program(), &["init", "--component", "ampd"]);
        if let Some(nu) = programs::find("nu") {
            command.env("SHELL", nu);
        }
        finish(command)
            .exits(0)
            .says("installed ampup")
            .says("installed ampd v0.0.35");
        let bin = person.home.path().join("bin");
        let mut command = person.command(&bin.join("ampup"), &["install", "postgres@18.4"]);
        command.env_remove("AMPUP_REGISTRY");
        finish(command).exits(0);
        let all = |shell: &str, arguments: &[&str], line: &str| {
            let Some(run) = person.shell(shell, arguments, line) else {
                return;
            };
            for program in ["ampup", "ampd", "postgres"] {
                let path = bin.join(program);
                assert!(
                    run.stdout.contains(path.as_str()),
                    "{who:?} {shell}: {path} in {run:#?}"
                );
            }
        };
        let line = "command -v ampup; command -v ampd; command -v postgres";
        all("bash", &["-i", "-c"], line);
        all("bash", &["-l", "-c"], line);
        all("zsh", &["-c"], line);
        all("zsh", &["-l", "-i", "-c"], line);
        all("dash", &["-l", "-c"], line);
        all("fish", &["-c"], line);
        if let Some(nu) = programs::find("nu") {
            let line = format!(
                "{nu} --no-history --execute 'print (which ampup ampd postgres | get path | to text); exit'"
            );
            all("script", &["-q", "-e", "/dev/null", "-c"], &line);
        }
    }
}

#[test]
fn a_second_time_it_changes_nothing() {
    let person = Person::new(Who::Ordinary);
    person.write(".bashrc", "mine");
    person.built(&["init"]).exits(0).says("next: `ampup install`");
    let before = snapshot(&person.directory());
    person.built(&["init"]).exits(0).says("is in place");
    person.ampup(&["init"]).exits(0).says("is in place");
    assert_eq!(snapshot(&person.directory()), before);
}

#[test]
fn a_dry_run_lists_every_file_and_line_and_touches_none() {
    let person = Person::new(Who::Ordinary);
    person.write(".bashrc", "mine\n");
    let publisher = Publisher::new(&person);
    let files = publisher.publish_now();
    let before = snapshot(&person.directory());
    let home = person.home.path();
    for run in [
        person.built(&["init", "--dry-run"]),
        person.install(&files, &["--dry-run"]),
    ] {
        let run = run.exits(0);
        let line = format!("    if [ -f '{home}/env' ]; then . '{home}/env'; fi\n");
        for text in [
            format!("put ampup v{NOW} into `{home}`\n"),
            format!("write `{home}/env.fish`\n"),
            format!(
                "append to `{}/.bashrc`:\n    # >>> ampup >>>\n{line}",
                person.directory()
            ),
            format!(
                "make `{}/.profile`:\n    # >>> ampup >>>\n{line}",
                person.directory()
            ),
        ] {
            assert!(run.stdout.contains(&text), "no `{text}` in {run:#?}");
        }
        assert_eq!(snapshot(&person.directory()), before);
    }
    // What it listed is what it does.
    person.built(&["init"]).exits(0);
    let listed = person.ampup(&["self", "uninstall", "--dry-run"]).exits(0).stdout;
    for file in [".bashrc", ".profile", ".ampup/components", ".ampup/active"] {
        assert!(
            listed.contains(&format!("{}/{file}`", person.directory())),
            "{file}: {listed}"
        );
    }
    assert!(home.join("bin/ampup").exists());
}

#[test]
fn a_file_that_must_not_be_changed_is_told_with_its_line() {
    use std::os::unix::fs::PermissionsExt as _;
    let person = Person::new(Who::Ordinary);
    let read_only = person.write(".bashrc", "mine\n");
    fs::set_permissions(&read_only, std::fs::Permissions::from_mode(0o444)).expect("set");
    let shared = person.write("dotfiles/profile", "mine\n");
    fs_err::os::unix::fs::symlink(&shared, person.directory().join(".profile")).expect("linked");
    let run = person.built(&["init"]).exits(0);
    let line = format!(
        "    if [ -f '{0}/env' ]; then . '{0}/env'; fi",
        person.home.path()
    );
    for (path, why) in [(".bashrc", "read-only"), (".profile", "is a link")] {
        let warning = run
            .stderr
            .lines()
            .position(|text| text.contains(path) && text.contains(why));
        let warning = warning.unwrap_or_else(|| panic!("{path} {run:#?}"));
        assert_eq!(run.stderr.lines().nth(warning + 1), Some(line.as_str()));
    }
    assert_eq!(fs::read_to_string(read_only).expect("read"), "mine\n");
    assert_eq!(fs::read_to_string(shared).expect("read"), "mine\n");
}

#[test]
fn another_program_that_comes_first_is_named() {
    let person = Person::new(Who::Ordinary);
    let other = person.home.work().join("other");
    for name in ["ampup", "initdb"] {
        write_program(&other.join(name), "#!/bin/sh\n");
    }
    let init = |path: String| {
        let mut command = person.command(crate::support::home::program(), &["init"]);
        command.env("PATH", path);
        finish(command).exits(0)
    };
    let bin = person.home.path().join("bin");
    let run = init(format!("{other}:/usr/bin:/bin"));
    for name in ["ampup", "initdb"] {
        let text =
            format!("warning: `{other}/{name}` is on PATH too; a new shell finds the one in `{bin}` first");
        assert!(run.stderr.contains(&text), "{run:#?}");
    }
    init(format!("{other}:{bin}:/usr/bin:/bin"))
        .says(&format!("`{other}/initdb` comes before ampup's own on PATH"));
    let run = init(format!("{bin}:{other}:/usr/bin:/bin"));
    assert!(!run.stderr.contains("warning:"), "{run:#?}");
}

#[test]
fn under_sudo_the_other_users_home_is_named() {
    for who in Who::all() {
        let person = Person::new(who);
        let mut command = person.command(crate::support::home::program(), &["init", "--no-modify-path"]);
        command.env("SUDO_USER", "somebody");
        let run = finish(command).exits(0);
        let told = run.stderr.contains(&format!("HOME is `{}`", person.directory()));
        assert_eq!(told, who == Who::Root, "{run:#?}");
    }
}

#[test]
fn what_is_wrong_ends_it_before_anything_is_made() {
    let person = Person::new(Who::Ordinary);
    person.write("taken/bin/theirs", "");
    let before = snapshot(&person.directory());
    let taken = person.directory().join("taken");
    let zeros = "0".repeat(64);
    for (arguments, code, says) in [
        (&["--verify-self", zeros.as_str()][..], 4, "instead of 0000"),
        (&["--no-install-latest"], 2, "only what `--component` names"),
        (&["--home", taken.as_str()], 2, "is not ampup's"),
        (&["--home", "/a:b"], 2, "cannot be put on PATH"),
        (&["--home", "/proc/nothing"], 1, "error:"),
        (&["--no-such-flag"], 2, "error:"),
        (&["--component", "../x"], 2, "error:"),
    ] {
        let run = person.built(&[&["init"], arguments].concat());
        assert!(
            run.code == code || (run.code != 0 && code == 1),
            "{arguments:?} {run:#?}"
        );
        assert!(run.stderr.contains(says), "{arguments:?} {run:#?}");
        assert_eq!(snapshot(&person.directory()), before, "{arguments:?}");
    }
}

/// The script could not check: the program itself did, and it is the one it should be.
#[test]
fn a_program_that_is_what_it_should_be_goes_on() {
    let person = Person::new(Who::Ordinary);
    let program = fs::read(crate::support::home::program()).expect("read");
    let digest = crate::support::home::sha256(&program);
    let hex = digest.strip_prefix("sha256:").expect("a sha256");
    person.built(&["init", "--verify-self", hex]).exits(0);
}

#[test]
fn a_damaged_ampup_is_repaired_and_old_downloads_are_swept() {
    let person = Person::new(Who::Ordinary);
    person.built(&["init"]).exits(0);
    let program = person
        .home
        .path()
        .join(format!("components/ampup/{NOW}/bin/ampup"));
    let good = fs::read(&program).expect("read");
    fs::write(&program, "#!/bin/sh\nexit 3\n").expect("written");
    let left = person.write(".ampup/.bootstrap-3999999/ampup-x", "half a download");
    person.built(&["init"]).exits(0).says("installed ampup");
    assert_eq!(fs::read(&program).expect("read"), good);
    assert!(!left.exists(), "its script is not running any more");
}

/// The script's download is removed by the script; here it stands for a second one that runs.
#[test]
fn install_sh_run_twice_says_what_it_does_and_keeps_one_copy() {
    for who in Who::all() {
        let person = Person::new(who);
        let files = Publisher::new(&person).publish_now();
        person.install(&files, &[]).exits(0).says("built by amp");
        let before = snapshot(&person.directory());
        person
            .install(&files, &[])
            .exits(0)
            .says(&format!("There is `ampup {NOW}`"))
            .says("this repairs or updates it")
            .says("is in place");
        assert_eq!(snapshot(&person.directory()), before);
        person
            .ampup(&["list", "--all"])
            .exits(0)
            .prints(&format!("ampup v{NOW} (active)\n"));
        person.ampup(&["list"]).exits(0).prints("");
        person
            .ampup(&["self", "version"])
            .exits(0)
            .prints(&format!("ampup {NOW}\n"));
        person
            .ampup(&["--version"])
            .exits(0)
            .prints(&format!("ampup {NOW}\n"));
    }
}

#[test]
fn no_modify_path_leaves_the_shells_alone() {
    let person = Person::new(Who::Ordinary);
    person.write(".bashrc", "mine\n");
    let before = snapshot(&person.directory());
    person.built(&["init", "--no-modify-path"]).exits(0);
    let ours = |line: &String| line.starts_with(".ampup/");
    let rest: Vec<String> = snapshot(&person.directory())
        .into_iter()
        .filter(|line| !ours(line))
        .collect();
    assert_eq!(rest, before);
    let env = fs::read_to_string(person.home.path().join("env")).expect("read");
    person.ampup(&["env", "bash"]).exits(0).prints(&env);
    person
        .ampup(&["env", "csh"])
        .exits(2)
        .says("known are sh, bash, zsh");
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
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::new(),
        }
    };
    let before = snapshot(&person.directory());
    let built = crate::support::home::program();
    let run = answer(built, "init", "n\n").exits(1);
    assert!(
        run.stdout.contains("Go on? [Y/n]") && run.stdout.contains("nothing was changed"),
        "{run:#?}"
    );
    assert_eq!(snapshot(&person.directory()), before);
    answer(built, "init", "what?\n\n").exits(0);
    let before = snapshot(&person.directory());
    let own = person.home.path().join("bin/ampup");
    let run = answer(&own, "self uninstall", "\n").exits(1);
    assert!(run.stdout.contains("Remove all of this? [y/N]"), "{run:#?}");
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
fn a_server_that_runs_from_the_home_is_named() {
    let person = Person::new(Who::Ordinary);
    person.built(&["init"]).exits(0);
    let running: Utf8PathBuf = person
        .home
        .path()
        .join(format!("components/ampup/{NOW}/bin/postgres"));
    fs::copy("/bin/sleep", &running).expect("copied");
    let mut child = person.command(&running, &["60"]).spawn().expect("started");
    let run = person.ampup(&["self", "uninstall", "--dry-run"]).exits(0);
    let text = format!("warning: process {} runs from there (`{running}`)", child.id());
    assert!(run.stderr.contains(&text), "{run:#?}");
    person.ampup(&["self", "uninstall", "--yes"]).exits(0).says(&text);
    child.kill().expect("ended");
    child.wait().expect("reaped");
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
        .says("there is no home of ampup");
    assert!(!home.path().exists());
}

/// The download fits, and what becomes of it does not. Only root can make a small disk.
#[test]
fn a_disk_that_fills_up_is_left_as_it_was() {
    let allowed = std::process::Command::new("unshare")
        .args(["-m", "true"])
        .output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return;
    }
    let person = Person::new(Who::Root);
    let files = Publisher::new(&person).publish_now();
    let program = fs::metadata(crate::support::home::program())
        .expect("there")
        .len();
    let place = person.home.directory("place");
    for kilobytes in [program / 1024 * 5 / 4, program / 1024 * 19 / 10] {
        let line = format!(
            "mount -t tmpfs -o size={kilobytes}k none '{place}' && \
             sh -s -- --yes --home '{place}/amp' --mirror 'file://{files}' <'{files}/install.sh'; \
             code=$?; find '{place}'; exit $code"
        );
        let mut command = std::process::Command::new("unshare");
        command
            .args(["-m", "sh", "-c", &line])
            .env("HOME", person.directory());
        let run = finish(command).exits(7).says("error: ");
        assert_eq!(run.stdout, format!("{place}\n"), "{run:#?}");
        assert_eq!(snapshot(&person.directory()), [""; 0]);
    }
}

/// The same for everybody: files of this user may not be so large.
#[test]
fn a_limit_that_is_met_leaves_everything_as_it_was() {
    for who in Who::all() {
        let person = Person::new(who);
        person.write(".bashrc", "mine");
        let before = snapshot(&person.directory());
        let program = crate::support::home::program();
        let line = format!("trap '' XFSZ; ulimit -f 20000; exec {program} init --home \"$HOME/a/b\"");
        let run = finish(person.command("/bin/sh".into(), &["-c", &line])).exits(7);
        assert!(run.stderr.contains("error: "), "{run:#?}");
        assert_eq!(snapshot(&person.directory()), before);
    }
}

#[test]
fn what_was_named_and_cannot_be_had_leaves_ampup_in_place() {
    let person = Person::new(Who::Ordinary);
    let run = person
        .built(&["--offline", "init", "--component", "postgres@18.4"])
        .exits(5);
    assert!(
        run.stderr.contains("installed ampup") && run.stderr.contains("error: could not install postgres"),
        "{run:#?}"
    );
    person.ampup(&["--version"]).exits(0);
    let run = person.ampup(&["init", "--component", "nothing"]).exits(3);
    assert!(run.stderr.contains("there is no component `nothing`"), "{run:#?}");
}

/// Killed at any moment, either of them can be run again, and then leaves nothing.
#[test]
fn init_and_uninstall_that_were_killed_are_finished_by_the_next() {
    let person = Person::new(Who::Ordinary);
    for (name, content) in FILES {
        person.write(name, content);
    }
    let before = snapshot(&person.directory());
    let kill = |arguments: &[&str], milliseconds: u64| {
        let mut command = person.command(crate::support::home::program(), arguments);
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut child = command.spawn().expect("started");
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().expect("reaped");
    };
    for milliseconds in [5, 20, 50, 90, 140, 200, 280] {
        kill(&["init"], milliseconds);
        person.built(&["init"]).exits(0);
        person.ampup(&["--version"]).exits(0);
        kill(&["self", "uninstall", "--yes"], milliseconds / 4);
        let run = person.built(&["self", "uninstall", "--yes"]);
        assert!([0, 3].contains(&run.code), "{run:#?}");
        assert_eq!(snapshot(&person.directory()), before, "{milliseconds} ms");
    }
}
