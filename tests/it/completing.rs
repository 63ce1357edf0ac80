//! Completions in the real shells, and the manual where `man` looks.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use fs_err as fs;

use crate::support::{
    home::{Run, finish},
    person::{Person, Who},
    programs,
    table::every,
};

/// Somebody with ampup and a component in two versions.
fn person() -> Person {
    let mut person = Person::new(Who::Ordinary);
    person.home.offer("tool", "1.0.0").offer("tool", "1.5.0");
    person.home.offer("ampd", "0.0.35").offer("ampctl", "0.0.35");
    person.built(&["init", "--component", "tool@1.0.0"]).exits(0);
    person
}

fn shell(person: &Person, program: &str, arguments: &[&str]) -> Option<Command> {
    let program = programs::find(program)?;
    let mut command = person.command(&program, arguments);
    let path = format!("{}:/usr/bin:/bin", person.home.path().join("bin"));
    command
        .env("PATH", path)
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh");
    Some(command)
}

/// A shell in a terminal, with these keys typed one after the other.
fn typed(person: &Person, program: &str, keys: &[&str]) -> Option<Run> {
    let program = programs::find(program.split(' ').next()?).map(|path| {
        let rest = program.split_once(' ').map_or("", |(_, rest)| rest);
        format!("{path} {rest}")
    })?;
    let mut command = shell(person, "script", &["-q", "/dev/null", "-c", &program])?;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("started");
    let mut stdin = child.stdin.take().expect("piped");
    let (chunks, heard) = mpsc::channel();
    let mut screen = child.stdout.take().expect("piped");
    let reader = thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = screen.read(&mut chunk) {
            let _ = chunks.send(chunk[..length].to_vec());
        }
    });
    let mut seen = Vec::new();
    for keys in keys {
        // A shell that waits for keys has shown its prompt and writes no more.
        seen.extend(heard.recv().into_iter().flatten());
        while let Ok(chunk) = heard.recv_timeout(Duration::from_millis(700)) {
            seen.extend(chunk);
        }
        stdin.write_all(keys.as_bytes()).expect("typed");
    }
    drop(stdin);
    reader.join().expect("it does not panic");
    seen.extend(heard.iter().flatten());
    Some(Run {
        shortened: Vec::new(),
        code: child.wait().expect("ended").code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&seen).into_owned(),
        stderr: String::new(),
    })
}

/// The line that a shell ran, after it completed what was typed: ampup's own history has it.
fn ran(person: &Person, line: &str) {
    let history = person.ampup(&["history"]).exits(0).stdout;
    assert!(history.contains(&format!("`{line}`")), "no `{line}` in {history}");
}

#[test]
fn bash_completes_names_and_versions() {
    let person = person();
    let keys = [
        "eval \"$(ampup completions bash)\"\n",
        "ampup instal\t --component=too\t\n",
        "ampup use tool@1.0\t\n",
        "exit\n",
    ];
    let Some(run) = typed(&person, "bash --norc -i", &keys) else {
        return;
    };
    assert!(run.stdout.contains("tool 1.0.0 is active"), "{run:#?}");
    let versions =
        "COMP_LINE='ampup install tool@1'; COMP_POINT=20; _ampup; printf '%s ' \"${COMPREPLY[@]}\"";
    let line = format!("eval \"$(ampup completions bash)\"; {versions}");
    let run = finish(shell(&person, "bash", &["-c", &line]).expect("here")).exits(0);
    // `-c` is no terminal: there `@` breaks no word.
    assert!(
        run.stdout.contains("1.0.0 ") && run.stdout.contains("1.5.0 "),
        "{run:#?}"
    );
}

#[test]
fn zsh_completes_names_and_versions() {
    let person = person();
    let keys = [
        "autoload -U compinit; compinit -u -D; eval \"$(ampup completions zsh)\"\n",
        "ampup install tool@1.5\t",
        "\n",
        "exit\n",
    ];
    if typed(&person, "zsh -f -i", &keys).is_some() {
        ran(&person, "ampup install tool@1.5.0");
    }
}

#[test]
fn elvish_completes_names_and_versions() {
    let person = person();
    let keys = [
        "eval (ampup completions elvish | slurp)\n",
        "ampup install tool@1.5\t",
        "\n",
        "\n",
        "exit\n",
    ];
    if typed(&person, "elvish -norc", &keys).is_some() {
        ran(&person, "ampup install tool@1.5.0");
    }
}

#[test]
fn fish_completes_names_and_versions() {
    let person = person();
    let complete = |line: &str| {
        let line = format!("ampup completions fish | source; complete -C '{line}'");
        shell(&person, "fish", &["-c", &line]).map(|command| finish(command).exits(0).stdout)
    };
    let Some(verbs) = complete("ampup in") else { return };
    let verbs: Vec<&str> = verbs.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(verbs, ["info", "init", "install"]);
    let complete = |line: &str| complete(line).expect("here");
    assert_eq!(complete("ampup install to"), "tool\ttool for tests\n");
    assert_eq!(complete("ampup install tool@1"), "tool@1.0.0\ntool@1.5.0\n");
    assert_eq!(
        complete("ampup use tool@"),
        "tool@1.0.0\n",
        "only what is installed"
    );
    assert_eq!(complete("ampup which to"), "tool\n");
    assert_eq!(complete("ampup self un").split('\t').next(), Some("uninstall"));
    assert_eq!(complete("ampup env fi"), "fish\n");
    assert_eq!(complete("ampup completions el"), "elvish\n");
    assert!(complete("ampup install --dry").starts_with("--dry-run\t"));
}

#[test]
fn nushell_completes_names_and_versions() {
    let person = person();
    let script = person.ampup(&["completions", "nushell"]).exits(0).stdout;
    for (line, word) in [("ampup install to", "tool"), ("ampup use tool@1", "tool@1.0.0")] {
        let text = format!("{script}\n{line}");
        let file = person.write("line.nu", &text);
        let length = text.len().to_string();
        let Some(command) = shell(&person, "nu", &["--ide-complete", &length, file.as_str()]) else {
            return;
        };
        let run = finish(command).exits(0);
        assert!(run.stdout.contains(&format!("\"{word}\"")), "{line}: {run:#?}");
    }
    // Declared so, it still takes every word and flag.
    let file = person.write("run.nu", format!("{script}\nampup list --all --json\n"));
    let run = finish(shell(&person, "nu", &[file.as_str()]).expect("here")).exits(0);
    assert!(run.stdout.contains("\"schema\": 1"), "{run:#?}");
}

/// `man` looks beside the directories of PATH, unless MANPATH forbids it.
#[test]
fn man_finds_a_page_for_every_verb() {
    let person = person();
    let pages = person.home.path().join("share/man/man1");
    for name in ["ampup", "ampup-install", "ampup-self-update"] {
        let Some(command) = shell(&person, "man", &["-w", name]) else {
            return;
        };
        let run = finish(command).exits(0);
        assert_eq!(run.stdout.trim(), pages.join(format!("{name}.1")));
    }
    let text = fs::read_to_string(pages.join("ampup-install.1")).expect("read");
    assert!(
        text.starts_with(".") && text.contains(".SH SYNOPSIS") && text.contains("dry\\-run"),
        "{text}"
    );
    assert!(
        !pages.join("ampup-complete.1").exists(),
        "what is hidden has no page"
    );
    every(
        [("/usr/share/man", true), (":/usr/share/man", false)],
        |(manpath, is_named)| {
            let mut command = shell(&person, "env", &["ampup", "init"]).expect("a part of every system");
            command.env("MANPATH", manpath);
            let run = finish(command).exits(0);
            assert_eq!(run.stderr.contains("in MANPATH"), is_named, "{run:#?}");
        },
    );
}

#[test]
fn every_shell_of_the_contract_has_completions() {
    let person = Person::new(Who::Ordinary);
    every(
        ["bash", "zsh", "fish", "nushell", "powershell", "elvish"],
        |shell| {
            let run = person.built(&["completions", shell]).exits(0);
            assert!(run.stdout.contains("ampup complete"), "{run:#?}");
        },
    );
    person.built(&["completions", "csh"]).exits(2);
    assert!(!person.home.path().exists());
    // A shell that asks about nonsense gets nothing, and no error.
    person
        .built(&["complete", "--line", "ampup nonsense --x 'y"])
        .exits(0)
        .prints("");
    person.built(&["complete"]).exits(0).prints("");
}
