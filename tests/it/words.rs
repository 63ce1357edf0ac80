//! The screen of a person: bars on a terminal, lines elsewhere, data alone on stdout.

#[cfg(target_os = "linux")]
use std::process::Command;
use std::{process::Stdio, time::Duration};

use serde_json::json;

#[cfg(target_os = "linux")]
use crate::support::programs;
use crate::support::{
    home::{Home, TARGET, finish, script, sha256},
    server::{End, Reply, Server},
    table::every,
};

/// Runs a command on a terminal (util-linux's `script`), and gives all that it wrote there.
#[cfg(target_os = "linux")]
fn on_a_terminal(home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    on_a_terminal_of(80, home, arguments, variables)
}

#[cfg(target_os = "linux")]
fn on_a_terminal_of(columns: usize, home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let plain = home.command(arguments);
    let words: Vec<String> = std::iter::once(plain.get_program())
        .chain(plain.get_args())
        .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
        .collect();
    let mut command = Command::new("script");
    let line = format!("stty rows 24 cols {columns}; {}", words.join(" "));
    command.args(["-qec", &line, "/dev/null"]).env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("set"));
    }
    command
        .env("TERM", "xterm")
        .env("HOME", home.path().parent().expect("the user's home"));
    for (name, value) in variables {
        command.env(name, value);
    }
    command.current_dir(home.work()).stdin(Stdio::null());
    finish(command).exits(0).stdout
}

/// A home whose `tool` comes from a server, slowly.
fn slow(server: &Server) -> Home {
    let mut home = Home::new();
    let artifact = json!({
        "target": TARGET, "provider": "acme", "format": "raw",
        "source": {"kind": "https", "url": server.url("/tool")},
        "integrity": {"kind": "pinned", "digest": sha256(script("tool", "1.0.0").as_bytes())},
    });
    home.offer_artifacts("tool", "1.0.0", &[artifact]);
    home
}

fn dripping() -> Server {
    Server::start(|_, _| {
        let body = script("tool", "1.0.0");
        Reply::whole(body.as_bytes()).ending(End::OneEvery(Duration::from_millis(40)))
    })
}

#[cfg(target_os = "linux")]
#[test]
fn a_bar_fits_every_terminal() {
    let Some(_) = programs::find("script") else { return };
    let server = dripping();
    let rows = [
        (20, &["%"][..]),
        (40, &["%", "[="]),
        (80, &["%", "[=", "/28 bytes", "/s"]),
    ];
    every(rows, |(columns, wanted)| {
        let home = slow(&server);
        let seen = on_a_terminal_of(columns, &home, &["install", "tool"], &[]);
        let (drawn, _) = seen.split_once("installed tool").expect("installed");
        // As root, the tests' own user is another.
        let drawn = drawn.rsplit_once("`--home`").map_or(drawn, |(_, drawn)| drawn);
        let rows: Vec<String> = drawn.split(['\r', '\n']).map(without_escapes).collect();
        for row in &rows {
            // What is drawn over an older row is filled with blanks to its end.
            assert!(row.chars().count() <= columns, "{columns}: `{row}`");
            assert!(row.trim_end().chars().count() < columns, "{columns}: `{row}`");
        }
        for part in wanted {
            assert!(
                rows.iter().any(|row| row.contains(part)),
                "{columns}: no `{part}` in {rows:#?}"
            );
        }
    });
}

#[test]
fn the_help_of_a_verb_that_is_missing_has_its_colors() {
    let home = Home::new();
    every(["db", "self", "registry"], |verb| {
        let run = home.ampup(&["--color", "always", verb]).exits(2);
        assert!(
            run.stderr.contains("\x1b[1m") && !run.stderr.contains("u{1b}"),
            "{run:#?}"
        );
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_help_fits_every_terminal() {
    if programs::find("script").is_none() {
        return;
    }
    let home = Home::new();
    let helps: [&[&str]; 3] = [&[], &["--help"], &["help", "list"]];
    every(helps, |words| {
        for columns in [40, 80, 200] {
            let seen = without_escapes(&on_a_terminal_of(columns, &home, words, &[]));
            let widest = seen.lines().map(|line| line.trim_end().chars().count()).max();
            assert!(widest <= Some(columns), "{columns}: {seen}");
        }
    });
    let narrow = without_escapes(&on_a_terminal_of(40, &home, &[], &[]));
    assert!(
        narrow.contains("  pin          Write the versions that a\r\n               project uses"),
        "{narrow}"
    );
}

/// The text without what moves the cursor and paints.
fn without_escapes(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain += before;
        let end = after
            .find(|letter: char| letter.is_ascii_alphabetic())
            .unwrap_or(0);
        rest = &after[(end + 1).min(after.len())..];
    }
    plain + rest
}

#[test]
fn a_pipe_gets_a_line_when_a_download_begins_and_one_when_it_ends() {
    let server = dripping();
    for progress in ["auto", "always"] {
        let home = slow(&server);
        let run = home.ampup(&["--progress", progress, "install", "tool"]).exits(0);
        let lines: Vec<&str> = run.stderr.lines().collect();
        let begins = format!("downloading tool 1.0.0 from {} (28 bytes)", server.host());
        assert_eq!(lines[0], begins, "{run:#?}");
        assert!(
            lines[1].starts_with("downloaded tool 1.0.0 (28 bytes in "),
            "{run:#?}"
        );
        assert!(lines[2].starts_with("installed tool 1.0.0"), "{run:#?}");
        assert!(!run.stderr.contains('\x1b'), "{run:#?}");
    }
}

#[test]
fn color_follows_the_usual_rules_on_stdout_too() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    let active = "\x1b[32m(active)\x1b[0m";
    let rows = [
        (&["list"][..], &[][..], false),
        (&["list"], &[("CLICOLOR_FORCE", "1")], true),
        (&["list"], &[("CLICOLOR_FORCE", "0")], false),
        (&["list"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&["--color", "always", "list"], &[("NO_COLOR", "1")], true),
        (&["--color", "never", "list"], &[("CLICOLOR_FORCE", "1")], false),
    ];
    every(rows, |(words, variables, is_coloured)| {
        let mut command = home.command(words);
        command.envs(variables.iter().copied());
        let run = finish(command).exits(0);
        assert_eq!(
            run.stdout.contains(active),
            is_coloured,
            "{words:?} {variables:?} {run:?}"
        );
        let plain = run.stdout.replace("\x1b[32m", "").replace("\x1b[0m", "");
        assert_eq!(plain, "tool 1.0.0 (active)\n");
    });
    let missing = home.ampup(&["--color", "always", "install", "nothing"]);
    assert!(
        missing.stderr.starts_with("\x1b[1;31merror:\x1b[0m "),
        "{missing:?}"
    );
    every(["db", "self", "registry"], |group| {
        let [coloured, plain] =
            ["always", "never"].map(|when| home.ampup(&["--color", when, group]).exits(2).stderr);
        assert!(coloured.contains("\x1b[4mUsage:"), "{coloured}");
        assert_eq!(without_escapes(&coloured), plain);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn ci_and_dumb_terminals_get_lines_and_no_color_is_honoured() {
    let Some(_) = programs::find("script") else { return };
    for variables in [&[("CI", "true"), ("NO_COLOR", "1")][..], &[("TERM", "dumb")]] {
        let mut home = Home::new();
        home.offer("tool", "1.0.0");
        let seen = on_a_terminal(&home, &["install", "tool"], variables);
        assert!(
            seen.contains("installed tool 1.0.0") && !seen.contains('\u{1b}'),
            "{seen:?}"
        );
    }
}

#[test]
fn progress_can_be_json_or_nothing() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let run = home.ampup(&["--progress", "json", "install", "tool"]).exits(0);
    let events: Vec<serde_json::Value> = run
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "step" && event["phase"] == "proving"),
        "{run:?}"
    );
    for words in [
        &["--progress", "json", "list", "tool@@"][..],
        &["which", "nonesuch", "--progress=json"],
    ] {
        let run = home.ampup(words);
        let event: serde_json::Value = serde_json::from_str(&run.stderr).expect("one line");
        assert!(event["event"] == "error" && event["hint"].is_string(), "{run:?}");
    }
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let run = home.ampup(&["--progress", "never", "install", "tool"]).exits(0);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(
        lines[0].starts_with("installed tool 1.0.0") && lines.len() == 2,
        "{run:?}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new();
    let mut command = home.command(&["list", "--available", "--all"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    drop(child.stdout.take());
    assert!(child.wait().expect("ended").success());
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let home = Home::new();
    let rows = [
        &["help"][..],
        &["help", "install"],
        &["install", "--help"],
        &["--version"],
        &["completions", "bash"],
        &["list", "--available", "--all"],
    ];
    every(rows, |words| {
        let full = fs_err::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("opened");
        let mut command = home.command(words);
        command.stdout(full.into_file()).stderr(Stdio::piped());
        let output = command.output().expect("run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{words:?}: {said}");
        assert!(
            said.starts_with("error: cannot write to stdout: No space left"),
            "{words:?}: {said}"
        );
    });
}

#[test]
fn a_token_is_in_no_output_and_not_in_the_history() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let secret = "ghp_averysecrettoken";
    for words in [
        &["install", "tool", "--github-token", secret][..],
        &["install", "tool", "--github-token=ghp_averysecrettoken"],
    ] {
        let run = home.ampup(&[words, &["--verbose"]].concat()).exits(0);
        assert!(!format!("{run:?}").contains(secret), "{run:?}");
    }
    assert!(
        !home
            .ampup(&["history", "--json"])
            .exits(0)
            .stdout
            .contains(secret)
    );
}
