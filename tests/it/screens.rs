//! The main screens, as a person reads them: `screens/*.txt`. After a change of words, read the difference as that person,
//! and take it with `SNAPSHOTS=overwrite cargo test --test it screens`.

use camino::Utf8Path;
use fs_err as fs;
use snapbox::{Assert, Data};

use crate::support::home::Home;

/// What a terminal would show of some commands, one after the other.
fn screen(home: &Home, commands: &[&[&str]]) -> String {
    let mut screen = String::new();
    for arguments in commands {
        let run = home.ampup(arguments);
        screen += &format!("$ ampup {}\n{}{}", arguments.join(" "), run.stdout, run.stderr);
        if run.code != 0 {
            screen += &format!("(exit {})\n", run.code);
        }
        screen.push('\n');
    }
    let user = home.directory("user");
    let world = user.parent().expect("the world");
    screen
        .replace(user.as_str(), "[HOME]")
        .replace(world.as_str(), "[WORLD]")
}

fn home() -> Home {
    let mut home = Home::new();
    home.offer("tool", "1.0.0")
        .offer("tool", "2.0.0")
        .offer("ampd", "0.0.35");
    home
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
    let screens = [
        ("help", screen(&home(), &[&["--help"]])),
        (
            "life",
            screen(
                &home(),
                &[
                    &["install", "tool@1.0.0"],
                    &["install", "ampd"],
                    &["list"],
                    &["list", "--all"],
                    &["install", "tool"],
                    &["use", "tool@1.0.0"],
                    &["uninstall", "ampd"],
                    &["list"],
                ],
            ),
        ),
        ("usage", screen(&used, &[&["frobnicate"], &["install", "Tool!"]])),
        (
            "not-found",
            screen(
                &used,
                &[&["install", "tol"], &["install", "tool@9"], &["which", "ampd"]],
            ),
        ),
        ("integrity", screen(&damaged, &[&["install", "tool@1.0.0"]])),
        ("disk", screen(&taken, &[&["install", "tool@1.0.0"]])),
    ];
    let assert = Assert::new().action_env("SNAPSHOTS");
    let reviewed = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/screens");
    let wrong: Vec<String> = screens
        .into_iter()
        .filter_map(|(name, screen)| {
            let expected = Data::read_from(reviewed.join(format!("{name}.txt")).as_std_path(), None).raw();
            let result = assert.try_eq(Some(&name), Data::text(screen), expected);
            result.err().map(|error| error.to_string())
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
