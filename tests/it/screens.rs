//! The main screens, as a person reads them: `screens/*.txt`. After a change of words, read the difference as that person,
//! and take it with `SNAPSHOTS=overwrite cargo test --test it screens`.

use camino::Utf8Path;
use fs_err as fs;
use serde_json::json;
use snapbox::{Assert, Data};

use crate::support::{
    home::{Home, Run, TARGET, finish, script, sha256},
    programs,
    server::{Reply, Server},
};

/// One way to look at a command.
#[derive(Clone, Copy)]
enum Look {
    /// In a pipe, where lines are at most 100 wide.
    Pipe,
    /// On a terminal of 80 columns, where stdout and stderr are one.
    Terminal,
}

/// Runs a command as it is looked at.
fn run(home: &Home, arguments: &[&str], look: Look) -> Run {
    let mut command = home.command(arguments);
    let path = command.get_envs().find(|(name, _)| *name == "PATH");
    let path = path
        .and_then(|(_, path)| path?.to_str())
        .unwrap_or_default()
        .to_owned();
    command
        .env("COLUMNS", "80")
        .env("PATH", format!("{}:{path}", home.path().join("bin")));
    match look {
        Look::Pipe => finish(command),
        Look::Terminal => on_a_terminal(home, arguments),
    }
}

/// util-linux's `script` gives a terminal.
fn on_a_terminal(home: &Home, arguments: &[&str]) -> Run {
    let plain = home.command(arguments);
    let words: Vec<String> = std::iter::once(plain.get_program())
        .chain(plain.get_args())
        .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
        .collect();
    let mut command = home.other_program("/usr/bin/script".into());
    let line = format!("stty cols 80; {}", words.join(" "));
    command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
    let mut run = finish(command);
    run.stdout = run.stdout.replace('\r', "");
    run
}

/// The screen of some commands, one after the other.
fn screen(home: &Home, look: Look, commands: &[&[&str]]) -> String {
    let mut screen = String::new();
    for arguments in commands {
        let run = run(home, arguments, look);
        screen += &format!("$ ampup {}\n{}{}", arguments.join(" "), run.stdout, run.stderr);
        if run.code != 0 {
            screen += &format!("(exit {})\n", run.code);
        }
        screen.push('\n');
    }
    let user = home.directory("user");
    let world = user.parent().expect("the world");
    let screen = screen
        .replace(user.as_str(), "[HOME]")
        .replace(world.as_str(), "[WORLD]")
        .replace(TARGET, "[TARGET]")
        .replace('\x1b', "^[");
    without_times(&screen)
}

/// The text without what no two runs, and no two machines, have in common.
fn without_times(screen: &str) -> String {
    let is_of = |marks: &str, word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_digit() || marks.contains(letter))
    };
    let word = |word: &str| {
        let (bare, comma) = word.strip_suffix(',').map_or((word, ""), |bare| (bare, ","));
        match bare.len() {
            10 if bare.contains('-') && is_of("-", bare) => format!("[DATE]{comma}"),
            8 if bare.contains(':') && is_of(":", bare) => format!("[TIME]{comma}"),
            _ => word.to_owned(),
        }
    };
    let between = |line: String, begin: &str, end: &str, mark: &str| match line.split_once(begin) {
        Some((before, after)) if after.contains(end) => {
            let (_, rest) = after.split_once(end).expect("it has one");
            format!("{before}{begin}{mark}{end}{rest}")
        }
        _ => line,
    };
    let line = |line: &str| {
        let line = line.split(' ').map(word).collect::<Vec<_>>().join(" ");
        let line = between(line, "bytes in ", " s)", "[N]");
        // Resolvers have words of their own.
        let line = between(line, "(DNS: ", ")", "[WHY]");
        let line = between(line, "room: ", " are free", "[N]");
        let line = between(line, "user: user ", " can run", "[N]");
        match line.split_once("127.0.0.1:") {
            Some((before, after)) => {
                format!(
                    "{before}127.0.0.1:[PORT]{}",
                    after.trim_start_matches(|digit: char| digit.is_ascii_digit())
                )
            }
            None => line,
        }
    };
    screen.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A home with what can be installed: two versions of a tool, and ampd.
fn home() -> Home {
    let mut home = Home::new();
    home.offer("tool", "1.0.0")
        .offer("tool", "2.0.0")
        .offer("ampd", "0.0.35");
    home
}

/// The same where the tool comes from a server.
fn home_of(server: &Server) -> Home {
    let mut home = Home::new();
    let artifact = json!({
        "target": TARGET, "provider": "acme", "format": "raw",
        "source": {"kind": "https", "url": server.url("/tool-1.0.0")},
        "integrity": {"kind": "pinned", "digest": sha256(script("tool", "1.0.0").as_bytes())},
    });
    home.offer_artifacts("tool", "1.0.0", &[artifact]);
    home
}

/// A first installation, where the home is on no PATH yet.
fn first(home: &Home) -> String {
    let run = home.ampup(&["install", "tool"]).exits(0);
    let user = home.directory("user");
    without_times(&run.stderr.replace(user.as_str(), "[HOME]"))
}

/// Every help, one below the other.
fn helps(home: &Home) -> String {
    fn walk(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            if below.get_name() != "help" {
                let path = [path, &[below.get_name().to_owned()]].concat();
                found.push([&["help".to_owned()], path.as_slice()].concat());
                walk(below, &path, found);
            }
        }
    }
    let mut commands = Vec::new();
    walk(&ampup::cli::help::grammar(), &[], &mut commands);
    let commands: Vec<Vec<&str>> = commands
        .iter()
        .map(|words| words.iter().map(String::as_str).collect())
        .collect();
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    screen(home, Look::Pipe, &commands)
}

#[test]
fn the_main_screens_are_as_reviewed() {
    let used = home();
    used.ampup(&["install", "tool@1.0.0"]).exits(0);
    let damaged = home();
    let other = format!(
        "{}/tool-1.0.0",
        damaged.directory("user").parent().expect("the world")
    );
    fs::write(other, "another content").expect("altered");
    let taken = home();
    fs::create_dir_all(taken.path().parent().expect("the user's home")).expect("made");
    fs::write(taken.path(), "").expect("written");
    let server = Server::start(|_, _| Reply::whole(script("tool", "1.0.0").as_bytes()));
    let gone = Server::start(|_, _| Reply::status(404));
    let unreachable = {
        let mut home = Home::new();
        let artifact = json!({
            "target": TARGET, "provider": "acme", "format": "raw",
            "source": {"kind": "https", "url": "https://nowhere.invalid/tool"},
            "integrity": {"kind": "pinned", "digest": sha256(b"")},
        });
        home.offer_artifacts("tool", "1.0.0", &[artifact]);
        home
    };
    let mut refused = Home::new();
    refused.offer_script("tool", "1.0.0", "#!/bin/sh\nexit 3\n");
    let well = home();
    well.ampup(&["install", "tool", "ampd"]).exits(0);
    let sick = home();
    sick.ampup(&["install", "tool@1.0.0", "ampd"]).exits(0);
    fs::remove_file(sick.path().join("components/tool/1.0.0/bin/tool")).expect("removed");
    fs::remove_file(sick.path().join("bin")).expect("removed");
    let life: &[&[&str]] = &[
        &["install", "tool@1.0.0"],
        &["install", "ampd"],
        &["list"],
        &["list", "--all"],
        &["install", "tool"],
        &["check"],
        &["update"],
        &["use", "tool@1.0.0"],
        &["undo"],
        &["history"],
        &["why", "tool"],
        &["info", "tool"],
        &["which", "tool"],
        &["verify"],
        &["prune"],
        &["uninstall", "ampd"],
        &["list"],
    ];
    let empty: &[&[&str]] = &[
        &["list"],
        &["check"],
        &["update"],
        &["history"],
        &["undo"],
        &["prune"],
    ];
    let usage: &[&[&str]] = &[
        &["frobnicate"],
        &["instal", "tool"],
        &["install", "Tool!"],
        &["install", "--dry-rum"],
        &["db", "strat"],
        &["info"],
    ];
    // Where there is no `script`, there is no terminal to look at.
    let has_terminal = programs::find("script").is_some();
    let terminal = |home: &Home, commands: &[&[&str]]| match has_terminal {
        true => screen(home, Look::Terminal, commands),
        false => String::new(),
    };
    let screens = [
        ("help", screen(&home(), Look::Pipe, &[&[], &["--help"]])),
        ("help-terminal", terminal(&home(), &[&[]])),
        ("helps", helps(&home())),
        ("empty", screen(&home(), Look::Pipe, empty)),
        ("life", screen(&home(), Look::Pipe, life)),
        (
            "life-terminal",
            terminal(&used, &[&["list"], &["check"], &["frobnicate"]]),
        ),
        ("first", first(&home_of(&server))),
        (
            "network",
            screen(&home_of(&server), Look::Pipe, &[&["install", "tool"]]),
        ),
        (
            "no-network",
            screen(
                &unreachable,
                Look::Pipe,
                &[&["install", "tool"], &["--offline", "install", "tool"]],
            ),
        ),
        (
            "gone",
            screen(&home_of(&gone), Look::Pipe, &[&["install", "tool"]]),
        ),
        ("doctor-well", screen(&well, Look::Pipe, &[&["doctor"]])),
        (
            "doctor-sick",
            screen(&sick, Look::Pipe, &[&["doctor"], &["verify"]]),
        ),
        ("usage", screen(&used, Look::Pipe, usage)),
        (
            "not-found",
            screen(
                &used,
                Look::Pipe,
                &[
                    &["install", "tol"],
                    &["install", "pg"],
                    &["install", "tool@9"],
                    &["which", "ampd"],
                    &["uninstall", "ampd"],
                    &["db", "url"],
                ],
            ),
        ),
        (
            "does-not-run",
            screen(&refused, Look::Pipe, &[&["install", "tool"]]),
        ),
        (
            "integrity",
            screen(&damaged, Look::Pipe, &[&["install", "tool@1.0.0"]]),
        ),
        ("disk", screen(&taken, Look::Pipe, &[&["install", "tool@1.0.0"]])),
    ];
    let assert = Assert::new().action_env("SNAPSHOTS");
    let reviewed = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/screens");
    let wrong: Vec<String> = screens
        .into_iter()
        .filter(|(_, screen)| !screen.is_empty())
        .filter_map(|(name, screen)| {
            let expected = Data::read_from(reviewed.join(format!("{name}.txt")).as_std_path(), None).raw();
            let result = assert.try_eq(Some(&name), Data::text(screen), expected);
            result.err().map(|error| error.to_string())
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
