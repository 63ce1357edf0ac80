//! The generated files in the real shells.

use std::process::{Command, Output};

use ampup::{
    layout::Layout,
    setup::{self, Action},
    shell::{Setting, Shell, quote, start_files::ShellUser},
};
use camino::{Utf8Path, Utf8PathBuf};

use crate::support::{
    programs,
    table::every,
    world::{World, write_program},
};

/// Names that a shell would take apart if they were not quoted.
const HOMES: [&str; 5] = [
    ".ampup",
    "with space",
    "it's $HOME `x` \"q\"",
    "é 中 ‘quoted’",
    "back\\slash *[a]?",
];

/// A user with a home of ampup in `name`, set up as `ampup init` does, with a program `ampup` in its `bin`.
struct SetUp {
    user: Utf8PathBuf,
    home: Utf8PathBuf,
}

impl SetUp {
    fn new(world: &World, name: &str, shell: Shell) -> Self {
        let user = world.join("user");
        let home = user.join(name);
        write_program(&home.join("bin/ampup"), "#!/bin/sh\necho the one\n");
        let setting = Setting::new(&home, Some(&user)).expect("fit");
        let facts = ShellUser {
            home: user.clone(),
            zdotdir: None,
            config_home: None,
            shells: vec![shell],
        };
        let changes = setup::plan(&facts, &setting, &Layout::new(&home));
        assert!(
            changes
                .iter()
                .all(|change| matches!(change.action, Action::Make(..)))
        );
        setup::apply(changes, &setting, &Layout::new(&home)).expect("done");
        Self { user, home }
    }

    fn run(&self, program: &Utf8Path, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .env_clear()
            .env("HOME", &self.user)
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "dumb")
            .current_dir(&self.user)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("started")
    }

    /// A shell started so finds ampup, once and first; and says nothing, also when the home is gone.
    fn assert_found(&self, program: &str, arguments: &[&str], path: &str) {
        let Some(program) = programs::find(program) else {
            return;
        };
        let shown = format!("{program} {arguments:?} in {}", self.home);
        let bin = self.home.join("bin");
        let command = [arguments, &[path]].concat();
        let output = self.run(&program, &command);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let errors = String::from_utf8_lossy(&output.stderr)
            .lines()
            // A shell that is told to be interactive, and has no terminal.
            .filter(|line| !line.contains("job control") && !line.contains("terminal process group"))
            .collect::<String>();
        assert_eq!(errors, "", "{shown}");
        let entries: Vec<&str> = text.trim_end().split(':').collect();
        assert_eq!(entries.first(), Some(&bin.as_str()), "{shown}");
        assert_eq!(
            entries.iter().filter(|entry| **entry == bin).count(),
            1,
            "{shown}"
        );
        assert!(!entries.contains(&""), "{shown}");
    }
}

fn every_home(shell: Shell, check: impl Fn(&SetUp)) {
    for name in HOMES {
        let world = World::new();
        check(&SetUp::new(&world, name, shell));
    }
}

const PRINT: &str = "printf '%s\\n' \"$PATH\"";

#[test]
fn bash_finds_ampup_however_it_is_started() {
    every_home(Shell::Bash, |world| {
        world.assert_found("bash", &["-i", "-c"], PRINT);
        world.assert_found("bash", &["-l", "-c"], PRINT);
        world.assert_found("bash", &["-l", "-i", "-c"], PRINT);
    });
}

#[test]
fn zsh_finds_ampup_however_it_is_started() {
    every_home(Shell::Zsh, |world| {
        world.assert_found("zsh", &["-c"], PRINT);
        world.assert_found("zsh", &["-i", "-c"], PRINT);
        world.assert_found("zsh", &["-l", "-i", "-c"], PRINT);
    });
}

#[test]
fn a_login_shell_of_the_posix_kind_finds_ampup() {
    every_home(Shell::Sh, |world| {
        world.assert_found("dash", &["-l", "-c"], PRINT);
        world.assert_found("busybox", &["ash", "-l", "-c"], PRINT);
    });
}

#[test]
fn fish_finds_ampup_however_it_is_started() {
    every_home(Shell::Fish, |world| {
        let print = "string join : $PATH";
        world.assert_found("fish", &["-c"], print);
        world.assert_found("fish", &["-i", "-c"], print);
        world.assert_found("fish", &["-l", "-c"], print);
    });
}

/// nushell reads its autoload directory only where it has a terminal; `script` gives it one.
#[test]
#[cfg(target_os = "linux")]
fn nushell_finds_ampup_in_a_terminal() {
    let Some(nu) = programs::find("nu") else { return };
    every_home(Shell::Nushell, |world| {
        let print = format!("{nu} --no-history --execute 'print ($env.PATH | str join \":\"); exit'");
        world.assert_found("script", &["-q", "-e", "/dev/null", "-c"], &print);
    });
}

#[test]
fn reading_the_file_twice_or_with_an_empty_path_adds_one_entry() {
    let world = World::new();
    let set_up = SetUp::new(&world, "it's here", Shell::Sh);
    let twice = format!(". {0}; . {0}; {PRINT}", "\"$HOME/it's here/env\"");
    every(["dash", "bash", "zsh"], |program| {
        set_up.assert_found(program, &["-c"], &twice);
        let nothing = format!("PATH=; . \"$HOME/it's here/env\"; {PRINT}");
        set_up.assert_found(program, &["-c"], &nothing);
        let strict = format!("set -eu; unset PATH AMPUP_HOME; . \"$HOME/it's here/env\"; {PRINT}");
        set_up.assert_found(program, &["-c"], &strict);
    });
}

#[test]
fn a_home_elsewhere_is_exported() {
    let world = World::new();
    let set_up = SetUp::new(&world, "it's here", Shell::Sh);
    let rows = [
        (Shell::Sh, "dash", ".", "printf %s \"$AMPUP_HOME\""),
        (Shell::Fish, "fish", "source", "printf %s \"$AMPUP_HOME\""),
        (Shell::Nushell, "nu", "source", "print -n $env.AMPUP_HOME"),
    ];
    every(rows, |(shell, program, source, print)| {
        let Some(program) = programs::find(program) else {
            return;
        };
        let file = quote(shell, set_up.home.join(shell.env_file()).as_str());
        let output = set_up.run(&program, &["-c", &format!("{source} {file}; {print}")]);
        let errors = String::from_utf8_lossy(&output.stderr);
        let exported = String::from_utf8_lossy(&output.stdout);
        assert_eq!(exported, set_up.home.as_str(), "{program}: {errors}");
    });
}

#[test]
fn a_shell_says_nothing_when_the_home_is_gone() {
    #[cfg(target_os = "linux")]
    let nu = programs::find("nu").map(|nu| format!("{nu} --no-history -e exit"));
    let rows = [
        (Shell::Bash, "bash", &["-i", "-c", "true"][..]),
        (Shell::Zsh, "zsh", &["-c", "true"]),
        (Shell::Sh, "dash", &["-l", "-c", "true"]),
        (Shell::Fish, "fish", &["-c", "true"]),
        #[cfg(target_os = "linux")]
        (
            Shell::Nushell,
            "script",
            &["-q", "-e", "/dev/null", "-c", nu.as_deref().unwrap_or("true")],
        ),
    ];
    every(rows, |(shell, program, arguments)| {
        let world = World::new();
        let set_up = SetUp::new(&world, ".ampup", shell);
        fs_err::remove_dir_all(&set_up.home).expect("removed");
        let Some(program) = programs::find(program) else {
            return;
        };
        let output = set_up.run(&program, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {errors}");
        assert_eq!(output.stdout, b"", "{program}");
        assert!(!errors.contains("ampup"), "{program}: {errors}");
    });
}
