//! The first minute of ampup on a machine, and the last one: installed by its own script, found by every shell, and gone
//! without a trace.

mod leaving;
mod trouble;
mod updating;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::support::{
    home::finish,
    person::{NOW, Person, Publisher, Who},
    programs,
    table::every,
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
            every(["ampup", "ampd", "postgres"], |program| {
                let path = bin.join(program);
                assert!(
                    run.stdout.contains(path.as_str()),
                    "{who:?} {shell}: {path} in {run:#?}"
                );
            });
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
    // ampup itself is something.
    for arguments in [
        ["list", "--all"].as_slice(),
        &["history"],
        &["check"],
        &["update"],
    ] {
        let run = person
            .ampup(arguments)
            .exits(0)
            .says("nothing else is installed; `ampup install`\n");
        assert!((run.stdout + &run.stderr).contains("ampup "));
    }
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
    for run in [
        person.built(&["init", "--dry-run"]),
        person.install(&files, &["--dry-run"]),
    ] {
        let run = run.exits(0);
        let line = "    if [ -f \"$HOME/.ampup/env\" ]; then . \"$HOME/.ampup/env\"; fi\n";
        let rows = [
            format!("put ampup v{NOW} into `~/.ampup`\n"),
            "write `~/.ampup/env.fish`\n".to_owned(),
            format!("append to `~/.bashrc`:\n    # >>> ampup >>>\n{line}"),
            format!("create `~/.profile`:\n    # >>> ampup >>>\n{line}"),
        ];
        every(rows, |text| {
            assert!(run.stdout.contains(&text), "no `{text}` in {run:#?}");
        });
        assert_eq!(snapshot(&person.directory()), before);
    }
    // What it listed is what it does.
    person.built(&["init"]).exits(0);
    let listed = |more: &[&str]| {
        let words = [&["self", "uninstall", "--dry-run"], more].concat();
        person.ampup(&words).exits(0).stdout
    };
    let (short, whole) = (listed(&[]), listed(&["--verbose"]));
    let rows = [
        (&short, "lines out of `~/.bashrc`\n"),
        (&short, "`~/.profile`"),
        (&short, "in `~/.ampup`: ampup v"),
        (&whole, "remove `~/.ampup/components`\n"),
        (&whole, "remove `~/.ampup/active`\n"),
    ];
    every(rows, |(listed, line)| {
        assert!(listed.contains(line), "{line}: {listed}");
    });
    assert!(short.lines().count() < 6, "{short}");
    assert!(person.home.path().join("bin/ampup").exists());
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
    let line = r#"    if [ -f "$HOME/.ampup/env" ]; then . "$HOME/.ampup/env"; fi"#;
    every(
        [(".bashrc", "read-only"), (".profile", "is a link")],
        |(path, why)| {
            let warning = run
                .stderr
                .lines()
                .position(|text| text.contains(path) && text.contains(why));
            let warning = warning.unwrap_or_else(|| panic!("{path} {run:#?}"));
            assert_eq!(run.stderr.lines().nth(warning + 1), Some(line));
        },
    );
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
    // A new shell finds ampup's first.
    let run = init(format!("{other}:/usr/bin:/bin"));
    assert!(!run.stderr.contains("warning:"), "{run:#?}");
    init(format!("{other}:{bin}:/usr/bin:/bin"))
        .says("warning: `other/ampup` comes before ampup's own on PATH");
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
        let is_named = run.stderr.contains(&format!("HOME is `{}`", person.directory()));
        assert_eq!(is_named, who == Who::Root, "{run:#?}");
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

/// The script's download is removed by the script; here it stands for a second one that runs.
#[test]
fn install_sh_run_twice_says_what_it_does_and_keeps_one_copy() {
    for who in Who::all() {
        let person = Person::new(who);
        let files = Publisher::new(&person).publish_now();
        person
            .install(&files, &[])
            .exits(0)
            .says(&format!("installed ampup v{NOW} in `~/.ampup`"));
        let before = snapshot(&person.directory());
        person
            .install(&files, &[])
            .exits(0)
            .says(&format!(
                "ampup {NOW} is installed in ~/.ampup; this updates or repairs it"
            ))
            .says("is in place");
        assert_eq!(snapshot(&person.directory()), before);
        let active = person.home.path().join("active");
        fs::remove_file(&active).expect("removed");
        std::os::unix::fs::symlink("generations/99", &active).expect("linked");
        person
            .install(&files, &[])
            .exits(0)
            .says("the ampup in ~/.ampup does not run; this repairs it")
            .says("leads to `generations/99`, which does not exist; it is repaired");
        assert_eq!(active.read_link_utf8().expect("a link"), "generations/1");
        person
            .ampup(&["list", "--all"])
            .exits(0)
            .prints(&format!("ampup v{NOW} (active)\n"));
        person
            .ampup(&["history"])
            .exits(0)
            .prints_with("(`install.sh`)  active\n");
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

/// The line that finds ampup holds wherever it is typed; whoever calls sudo has another PATH, of which nothing is known.
#[test]
fn the_line_that_finds_ampup_is_whole_and_is_for_whoever_types_it() {
    let mut person = Person::new(Who::Ordinary);
    person.home.offer("tool", "1.0.0").offer("other", "1.0.0");
    let (here, home) = (person.home.work(), person.home.work().join("below"));
    let run = |words: &[&str], more: &[(&str, &str)]| {
        let mut command = person.command(crate::support::home::program(), words);
        command
            .env("SHELL", "/bin/bash")
            .env("PATH", "/usr/bin:/bin")
            .env("AMPUP_HOME", &home)
            .envs(more.iter().copied())
            .current_dir(&here);
        crate::support::home::finish(command).exits(0)
    };
    run(&["init", "--no-modify-path"], &[]).says(&format!(
        "in this shell and in each new one: `. '{home}/env'` (your"
    ));
    run(&["install", "tool"], &[]).says(&format!(
        "`below/bin` is not on PATH; in this shell: `. '{home}/env'`\n"
    ));
    let through_sudo = run(&["install", "other"], &[("SUDO_USER", "someone")]);
    assert!(!through_sudo.stderr.contains("PATH"), "{through_sudo:#?}");
}

/// Nobody is there to be asked; the hint does as it stands what a yes would have done, though no shell finds ampup yet.
#[test]
fn the_hint_about_the_shells_files_works_as_it_is_typed() {
    for home in [".ampup", "it's here/amp"] {
        let person = Person::new(Who::Ordinary);
        let home = person.directory().join(home);
        let mut command = person.command(
            crate::support::home::program(),
            &["init", "--home", home.as_str()],
        );
        command.env_remove("AMPUP_YES");
        let run = finish(command).exits(0).says("no terminal to ask on");
        let mut quoted = run.stderr.split('`');
        let hint = quoted.find(|text| text.ends_with(" init --yes")).expect("a hint");
        finish(person.command("/bin/sh".into(), &["-c", hint]))
            .exits(0)
            .says("created `~/.bashrc`");
    }
}

#[test]
fn no_modify_path_leaves_the_shells_alone() {
    let person = Person::new(Who::Ordinary);
    person.write(".bashrc", "mine\n");
    let before = snapshot(&person.directory());
    let in_each = |path: &str| {
        let mut command = person.command(crate::support::home::program(), &["init", "--no-modify-path"]);
        command.env("SHELL", "/bin/bash").env("PATH", path);
        crate::support::home::finish(command).exits(0)
    };
    in_each("/usr/bin:/bin")
        .says("in this shell and in each new one: `. ~/.ampup/env` (your startup files do not read it)\n");
    let bin = person.home.path().join("bin");
    in_each(&format!("{bin}:/usr/bin:/bin"))
        .says("in each new shell: `. ~/.ampup/env` (your startup files do not read it)\n");
    let ours = |line: &String| line.starts_with(".ampup/");
    let rest: Vec<String> = snapshot(&person.directory())
        .into_iter()
        .filter(|line| !ours(line))
        .collect();
    assert_eq!(rest, before);
    let env = fs::read_to_string(person.home.path().join("env")).expect("read");
    person.ampup(&["env", "bash"]).exits(0).prints(&env);
    person
        .ampup(&["env", "ion"])
        .exits(2)
        .says("known are sh, bash, zsh");
}
