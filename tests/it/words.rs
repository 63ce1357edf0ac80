//! What a person sees: bars on a terminal, lines elsewhere, data alone on stdout.

use std::process::{Command, Stdio};

use crate::support::{
    home::{Home, finish},
    programs,
    table::every,
};

/// Runs a command on a terminal (util-linux's `script`), and gives all that it wrote there.
#[cfg(target_os = "linux")]
fn on_a_terminal(home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let plain = home.command(arguments);
    let words: Vec<String> = std::iter::once(plain.get_program())
        .chain(plain.get_args())
        .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
        .collect();
    let mut command = Command::new("script");
    command.args(["-qec", &words.join(" "), "/dev/null"]).env_clear();
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

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_a_bar_with_bytes_rate_and_time_left_and_colour() {
    let Some(_) = programs::find("script") else { return };
    let home = Home::new();
    let seen = on_a_terminal(&home, &["install", "postgres@18.4.0+zonky"], &[]);
    assert!(seen.contains("/22.63 MiB") && seen.contains("/s "), "{seen}");
    assert!(seen.contains("installed postgres 18.4"), "{seen}");
    let missing = finish({
        let mut command = home.command(&["--color", "always", "install", "nothing"]);
        command.env("TERM", "xterm");
        command
    });
    assert!(
        missing.stderr.starts_with("\u{1b}[1;31merror:\u{1b}[0m "),
        "{missing:?}"
    );
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
            seen.contains("tool 1.0.0 runs here") && !seen.contains('\u{1b}'),
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
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "step" && event["phase"] == "proving"),
        "{run:?}"
    );
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let run = home.ampup(&["--progress", "never", "install", "tool"]).exits(0);
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
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
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{words:?}: {told}");
        assert!(
            told.starts_with("error: cannot write to stdout: No space left"),
            "{words:?}: {told}"
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
