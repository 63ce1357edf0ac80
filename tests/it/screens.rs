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

/// Runs a command as it is looked at: in a shell that was opened now, so that the home's `bin` is on PATH if it is there.
fn run(home: &Home, arguments: &[&str], look: Look) -> Run {
    let plain = home.command(arguments);
    let mut command = match look {
        Look::Pipe => plain,
        Look::Terminal => {
            let words: Vec<String> = std::iter::once(plain.get_program())
                .chain(plain.get_args())
                .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
                .collect();
            // util-linux's `script` gives a terminal.
            let mut command = home.as_the_user("/usr/bin/script".into());
            let line = format!("stty rows 24 cols 80; {}", words.join(" "));
            command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
            command
        }
    };
    command.env("COLUMNS", "80");
    let bin = home.path().join("bin");
    if bin.exists() {
        let path = command.get_envs().find(|(name, _)| *name == "PATH");
        let path = path.and_then(|(_, path)| path?.to_str()).unwrap_or_default();
        let path = format!("{bin}:{path}");
        command.env("PATH", path);
    }
    let mut run = finish(command);
    run.stdout = match look {
        Look::Pipe => run.stdout,
        Look::Terminal => what_stays(&run.stdout),
    };
    run
}

/// The text that a terminal shows in the end: of a bar that was drawn over and over, and removed, nothing.
fn what_stays(written: &str) -> String {
    let (mut rows, mut row, mut is_redrawn) = (vec![String::new()], 0_usize, false);
    let mut rest = written;
    while let Some(letter) = rest.chars().next() {
        let mut length = letter.len_utf8();
        match letter {
            '\r' => is_redrawn = true,
            '\n' => {
                row += 1;
                is_redrawn = false;
            }
            '\x1b' => {
                length = rest
                    .find(|letter: char| letter.is_ascii_alphabetic())
                    .expect("its end")
                    + 1;
                let (sequence, end) = rest[..length].split_at(length - 1);
                let count = sequence[2..].parse().unwrap_or(1);
                match end {
                    "A" => row = row.saturating_sub(count),
                    "B" => row += count,
                    "K" => rows[row].clear(),
                    "J" => rows.truncate(row),
                    "m" => rows[row].push_str(&rest[..length]),
                    _ => {}
                }
            }
            _ => {
                if std::mem::take(&mut is_redrawn) {
                    rows[row].clear();
                }
                rows[row].push(letter);
            }
        }
        rest = &rest[length..];
        rows.resize(rows.len().max(row + 1), String::new());
    }
    let rows: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
    rows.join("\n")
}

/// A screen to review: its name, the home it begins in, and what is typed.
type Reviewed<'a> = (
    &'static str,
    &'a dyn Fn() -> Home,
    &'static [&'static [&'static str]],
);

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
        let line = between(line, "space: ", " are free", "[N]");
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

/// A home whose tool comes from this address.
fn home_of(url: &str) -> Home {
    let mut home = Home::new();
    let artifact = json!({
        "target": TARGET, "provider": "acme", "format": "raw",
        "source": {"kind": "https", "url": url},
        "integrity": {"kind": "pinned", "digest": sha256(script("tool", "1.0.0").as_bytes())},
    });
    home.offer_artifacts("tool", "1.0.0", &[artifact]);
    home
}

/// A home where this was installed.
fn home_with(specs: &[&str]) -> Home {
    let home = home();
    home.ampup(&[&["install"], specs].concat()).exits(0);
    home
}

/// A home that has lost two things.
fn sick() -> Home {
    let home = home_with(&["tool@1.0.0", "ampd"]);
    fs::remove_file(home.path().join("components/tool/1.0.0/bin/tool")).expect("removed");
    fs::remove_file(home.path().join("bin")).expect("removed");
    home
}

/// A home whose tool is not what was published.
fn altered() -> Home {
    let home = home();
    let world = home.directory("user");
    let world = world.parent().expect("the world");
    fs::write(world.join("tool-1.0.0"), "another content").expect("altered");
    home
}

/// A world with a file in the home's place.
fn taken() -> Home {
    let home = home();
    fs::write(home.directory("user").join(".ampup"), "").expect("written");
    home
}

fn refusing_to_run() -> Home {
    let mut home = Home::new();
    home.offer_script("tool", "1.0.0", "#!/bin/sh\nexit 3\n");
    home
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
    let server = Server::start(|_, _| Reply::whole(script("tool", "1.0.0").as_bytes()));
    let gone = Server::start(|_, _| Reply::status(404));
    let of_server = || home_of(&server.url("/tool-1.0.0"));
    let of_gone = || home_of(&gone.url("/tool-1.0.0"));
    let unreachable = || home_of("https://nowhere.invalid/tool");
    let used = || home_with(&["tool@1.0.0"]);
    let well = || home_with(&["tool", "ampd"]);
    let install: &[&[&str]] = &[&["install", "tool"]];
    let screens: [Reviewed; 13] = [
        ("help", &home, &[&[], &["--help"]]),
        (
            "empty",
            &home,
            &[
                &["list"],
                &["check"],
                &["update"],
                &["history"],
                &["undo"],
                &["prune"],
            ],
        ),
        (
            "life",
            &home,
            &[
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
            ],
        ),
        ("network", &of_server, install),
        (
            "no-network",
            &unreachable,
            &[&["install", "tool"], &["--offline", "install", "tool"]],
        ),
        ("gone", &of_gone, install),
        ("doctor-well", &well, &[&["doctor"]]),
        ("doctor-sick", &sick, &[&["doctor"], &["verify"]]),
        (
            "usage",
            &used,
            &[
                &["frobnicate"],
                &["instal", "tool"],
                &["install", "Tool!"],
                &["install", "--dry-rum"],
                &["db", "strat"],
                &["info"],
            ],
        ),
        (
            "not-found",
            &used,
            &[
                &["install", "tol"],
                &["install", "pg"],
                &["install", "tool@9"],
                &["which", "ampd"],
                &["uninstall", "ampd"],
                &["db", "url"],
            ],
        ),
        ("does-not-run", &refusing_to_run, install),
        ("integrity", &altered, &[&["install", "tool@1.0.0"]]),
        ("disk", &taken, install),
    ];
    let mut seen = vec![("helps".to_owned(), helps(&home()))];
    for (name, world, commands) in screens {
        seen.push((name.to_owned(), screen(&world(), Look::Pipe, commands)));
        // Where there is no `script`, there is no terminal to look at.
        if programs::find("script").is_some() {
            let on_terminal = screen(&world(), Look::Terminal, commands);
            seen.push((format!("{name}-terminal"), on_terminal));
        }
    }
    let assert = Assert::new().action_env("SNAPSHOTS");
    let reviewed = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/screens");
    let wrong: Vec<String> = seen
        .into_iter()
        .filter_map(|(name, screen)| {
            let expected = Data::read_from(reviewed.join(format!("{name}.txt")).as_std_path(), None).raw();
            let result = assert.try_eq(Some(&name), Data::text(screen), expected);
            result.err().map(|error| error.to_string())
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
