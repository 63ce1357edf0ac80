//! A project's `ampup.toml`: what it pins is what is used in it, whatever is active.

mod databases;
mod groups;
mod known;

use std::process::Command;

use fs_err as fs;
use serde_json::json;

use crate::support::{
    home::{Home, Run, finish},
    table::every,
};

/// A home with two versions of `tool`, the second active, and a project that pins the first.
fn home() -> Home {
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("tool", "2.0.0");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2"]).exits(0);
    pin(&home, "[components]\ntool = \"1\"\n");
    home
}

fn pin(home: &Home, text: &str) {
    fs::write(home.work().join("ampup.toml"), text).expect("written");
    home.give(&home.work());
}

/// Runs ampup in a directory below the project.
fn below(home: &Home, arguments: &[&str]) -> Run {
    let mut command: Command = home.command(arguments);
    command.current_dir(home.directory("work/src/deep"));
    home.give(&home.work());
    finish(command)
}

#[test]
fn a_command_is_run_with_what_is_pinned_and_a_flag_comes_first() {
    let home = home();
    let version = ["run", "--no-db", "--", "sh", "-c", "tool --version"];
    home.ampup(&version).exits(0).prints_with("1.0.0");
    below(&home, &version).exits(0).prints_with("1.0.0");
    home.ampup(&["run", "--no-db", "tool", "--version"])
        .exits(0)
        .prints_with("1.0.0");
    let with = ["run", "--no-db", "--with", "tool@2", "tool", "--version"];
    home.ampup(&with).exits(0).prints_with("2.0.0");
    home.ampup(&["run", "--no-db", "--with", "tool@1", "--with", "tool@2", "true"])
        .exits(2)
        .says("`--with` names two versions of tool: `tool@1` and `tool@2`")
        .says("\n  name one: `ampup run --with tool@2 -- CMD`");
    home.ampup(&["run", "--no-db", "--with", "tool@3", "true"])
        .exits(3)
        .says("hint: `ampup install --no-activate tool@3`");
    pin(&home, "[components]\ntool = \"3\"\n");
    home.ampup(&version)
        .exits(3)
        .says("line 2 of `")
        .says("pins `tool@3`, which is not installed")
        .says("hint: `ampup install`");
}

#[test]
fn installing_in_a_project_takes_what_is_pinned_and_leaves_what_is_active() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0")
        .offer("tool", "2.0.0")
        .offer("other", "1.0.0");
    pin(&home, "[components]\ntool = \"1\"\n");
    home.ampup(&["list", "other"])
        .exits(0)
        .prints("")
        .says("other is not installed; `ampup install other`");
    // In a home where nothing is active, nothing becomes so.
    home.ampup(&["install"])
        .exits(0)
        .says("installed tool 1.0.0")
        .says("`ampup run` uses these versions in this project; `ampup use tool@1.0.0` for projects that pin none\n");
    assert!(!home.path().join("active").exists());
    home.ampup(&["list"])
        .exits(0)
        .prints("tool 1.0.0 (pinned here)\n");
    home.ampup(&["run", "--no-db", "tool", "--version"])
        .exits(0)
        .prints_with("1.0.0");
    // What is named is the user's own affair, as ever.
    home.ampup(&["install", "tool@2", "other"]).exits(0);
    home.ampup(&["list"])
        .exits(0)
        .prints("other 1.0.0 (active)\ntool  2.0.0 (active)\ntool  1.0.0 (pinned here)\n");
    let before = home.store();
    home.ampup(&["install"])
        .exits(0)
        .says("tool 1.0.0 is already installed")
        .says("; what is active stayed as it was\n");
    assert_eq!(home.store(), before);
    home.ampup(&["install", "--dry-run"])
        .exits(0)
        .prints("keep tool 1.0.0\n");
    // Where several will do, it is the one that `run` takes: the highest, whatever is active.
    home.ampup(&["use", "tool@1.0.0"]).exits(0);
    pin(&home, "[components]\ntool = \">=1\"\n");
    home.ampup(&["run", "--no-db", "tool", "--version"])
        .exits(0)
        .prints_with("2.0.0");
    home.ampup(&["install"])
        .exits(0)
        .says("tool 2.0.0 is already installed");
    home.ampup(&["use", "tool@2.0.0"]).exits(0);
    pin(&home, "[components]\ntool = \"1\"\n");
    home.withdraw("other", "1.0.0");
    home.offer("other", "3.0.0");
    home.ampup(&["install", "--no-activate", "other@3"]).exits(0);
    home.ampup(&["list", "other"])
        .exits(0)
        .prints("other 3.0.0\nother 1.0.0 (active)\n");
}

#[test]
fn locked_takes_exact_versions_only() {
    let home = home();
    home.ampup(&["install", "--locked"])
        .exits(2)
        .says("leaves `tool@1` open")
        .says("hint: `ampup pin tool@1.0.0`");
    home.ampup(&["install", "--locked", "tool@2"])
        .exits(2)
        .says("hint: `ampup install --locked tool@2.0.0`");
    pin(&home, "[components]\ntool = \"1.0.0\"\n");
    home.ampup(&["install", "--locked"]).exits(0);
    // What is installed counts only while the registry states its digest.
    let mut home = home;
    home.withdraw("tool", "1.0.0");
    home.offer_script("tool", "1.0.0", "#!/bin/sh\necho tool 1.0.0, again\n");
    home.ampup(&["install"]).exits(0);
    for more in [&[][..], &["--dry-run"]] {
        home.ampup(&[&["install", "--locked"], more].concat())
            .exits(4)
            .says("`--locked` takes only what the registry states the digest of, and the tool 1.0.0 that is installed is not")
            .says("hint: `ampup uninstall tool@1.0.0`");
    }
    fs::remove_file(home.work().join("ampup.toml")).expect("removed");
    home.ampup(&["install", "--locked"])
        .exits(3)
        .says("no `ampup.toml` here or above");
}

#[test]
fn pin_writes_what_is_active_or_named_and_keeps_what_is_there() {
    let home = home();
    let file = home.work().join("ampup.toml");
    let text = || fs::read_to_string(&file).expect("read");
    pin(&home, "# ours\n[components]\ntool = \"1\" # for now\n");
    home.ampup(&["pin", "--dry-run"]).exits(0).prints("tool 2.0.0\n");
    assert!(text().contains("\"1\""));
    below(&home, &["pin"])
        .exits(0)
        .prints("tool 2.0.0\n")
        .says("tool: it was `1`");
    assert_eq!(text(), "# ours\n[components]\ntool = \"2.0.0\" # for now\n");
    home.ampup(&["pin", "tool@1"]).exits(0).prints("tool 1\n");
    assert_eq!(text(), "# ours\n[components]\ntool = \"1\" # for now\n");
    home.ampup(&["pin", "tool@9"])
        .exits(3)
        .says("tool has no version `9`")
        .says("`ampup pin tool@9 --force` pins it all the same");
    assert_eq!(text(), "# ours\n[components]\ntool = \"1\" # for now\n");
    home.ampup(&["pin", "tool@9", "--force", "--dry-run"])
        .exits(0)
        .prints("tool 9\n");
    home.ampup(&["pin", "tool@9.0.0", "--dry-run"])
        .exits(0)
        .says("warning: tool has no version `9.0.0`");
    home.ampup(&["pin", "nothing@1"]).exits(3);
    home.ampup(&["pin", "ampup@0.2.0"]).exits(1).says("AMPUP_VERSION");
    home.ampup(&["pin", "tool@one"]).exits(2);
    fs::remove_file(&file).expect("removed");
    home.ampup(&["pin", "tool@1.0.0"]).exits(0);
    assert!(text().ends_with("[components]\ntool = \"1.0.0\"\n"), "{}", text());
}

#[test]
fn what_is_pinned_and_not_active_is_not_called_missing() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("tool", "1.1.0");
    pin(&home, "[components]\ntool = \"1.0.0\"\n");
    home.ampup(&["install"]).exits(0);
    let by_pin = |words: &[&str]| {
        let check = home.ampup(&[&["--json", "check"], words].concat()).exits(0);
        let check = check.json();
        assert_eq!(check["components"], json!([]), "{check}");
        check["pins"].clone()
    };
    // By name it is judged as it is without one.
    let pins = by_pin(&["tool"]);
    assert_eq!(
        (&pins[0]["version"], &pins[0]["installed"]),
        (&json!("1.0.0"), &json!(true))
    );
    assert_eq!(pins, by_pin(&[]));
    home.ampup(&["update", "tool"])
        .exits(3)
        .says("no version of tool is active; this project pins `1.0.0`")
        .says("hint: `ampup pin tool@1.1.0`, then `ampup install`");
    // Of what is not installed the pin is installed, and no other version.
    let missing = "line 2 of `ampup.toml` pins `tool@1.1.0`, which is not installed";
    let place =
        "this project uses `tool@1.1.0` (line 2 of `ampup.toml`), which is not installed: `ampup install`\n";
    pin(&home, "[components]\ntool = \"1.1.0\"\n");
    home.ampup(&["check", "tool"]).exits(0).says(place);
    assert_eq!(by_pin(&["tool"]), by_pin(&[]));
    home.ampup(&["update", "tool"])
        .exits(3)
        .says(missing)
        .says("hint: `ampup install`\n");
    home.ampup(&["install"]).exits(0);
    home.ampup(&["update", "tool"])
        .exits(3)
        .says("hint: `ampup use tool@1.1.0`");
    let mut fresh = Home::new();
    fresh.offer("tool", "1.0.0").offer("other", "1.0.0");
    pin(&fresh, "[components]\ntool = \"1.0.0\"\n");
    for words in [["list", "tool"], ["check", "tool"]] {
        let run = fresh
            .ampup(&words)
            .exits(0)
            .says("which is not installed: `ampup install`\n");
        assert!(!run.stderr.contains("install tool"), "{run:?}");
    }
    every([["which", "tool"], ["update", "tool"]], |words| {
        fresh.ampup(&words).exits(3).says("hint: `ampup install`\n");
    });
    // What is neither pinned nor active is missing, also beside what is.
    fresh
        .ampup(&["check", "tool", "other"])
        .exits(3)
        .says("other is not installed");
}

#[test]
fn a_file_that_says_more_than_versions_is_refused_by_line() {
    let home = home();
    let rows = [
        ("registry = \"https://evil.example/m.json\"\n", 1),
        ("[components]\ntool = 1\n", 2),
        ("[components]\ntool = \"1\"\n[run]\ncommand = \"rm\"\n", 3),
    ];
    every(rows, |(text, line)| {
        pin(&home, text);
        home.ampup(&["run", "--no-db", "true"])
            .exits(2)
            .says(&format!("`ampup.toml`, line {line}:"));
        home.ampup(&["install"]).exits(2);
        home.ampup(&["doctor"]).exits(1);
    });
    // So is one that the registry cannot answer.
    let unknown = "line 2 of `ampup.toml`: there is no component `bogus`";
    pin(&home, "[components]\nbogus = \"1\"\n");
    every(
        [
            &["run", "--no-db", "true"][..],
            &["install"],
            &["install", "--locked"],
            &["list"],
        ],
        |words| drop(home.ampup(words).exits(3).says(unknown)),
    );
    home.ampup(&["doctor"]).exits(1).prints_with(unknown);
    pin(&home, "[components]\ntool = \"9\"\n");
    home.ampup(&["install"])
        .exits(3)
        .says("line 2 of `ampup.toml`: tool has no version `9`");
}

#[test]
fn which_why_check_and_doctor_name_file_and_line() {
    let home = home();
    let place = "line 2 of `ampup.toml`";
    let tree = home.path().join("components/tool/1.0.0");
    home.ampup(&["which", "tool"])
        .exits(0)
        .prints(&format!("{}\n", tree.join("bin/tool")))
        .says(place);
    let why = home.ampup(&["why", "tool"]).exits(0);
    let chain = format!(
        "tool 1.0.0 is used in this project\npinned      `tool@1`, {place}: this decides\n\
         asked for   `tool@2`; 2.0.0 is active outside this project\ndefault     stable\n"
    );
    assert!(why.stdout.starts_with(&chain), "{why:?}");
    home.ampup(&["check"])
        .exits(0)
        .says(place)
        .says("tool 1.0.0 has every security fix that is known\n");
    home.ampup(&["list"]).exits(0).says(place);
    home.ampup(&["doctor"]).prints_with(place);
    pin(&home, "[components]\ntool = \"9\"\n");
    home.ampup(&["doctor"])
        .exits(1)
        .prints_with("which is not installed");
    let missing = "`tool@9`, line 2 of `ampup.toml`: not installed; `ampup install` installs it";
    home.ampup(&["why", "tool"])
        .exits(0)
        .prints_with(&format!("tool 2.0.0 is active\npinned      {missing}\n"));
    let why = home.ampup(&["--json", "why", "tool"]).exits(0).json();
    assert_eq!(why["pin"]["line"], 2, "{why}");
    home.ampup(&["which", "tool"])
        .exits(0)
        .says("this project pins `tool@9` (line 2 of `ampup.toml`), which is not installed");
}

#[test]
fn what_only_an_active_version_has_is_no_reason_to_activate_it() {
    let home = home();
    let bin = home.path().join("components/tool/2.0.0/bin");
    fs::copy(bin.join("tool"), bin.join("extra")).expect("copied");
    let why = "tool 2.0.0, which this project does not use\nhint: `ampup why tool` says which version it uses instead";
    home.ampup(&["run", "--no-db", "extra"])
        .exits(127)
        .says(&format!("it is in {why}"));
    home.ampup(&["which", "extra"])
        .exits(3)
        .says(&format!("`extra` is in {why}"));
}

#[test]
fn a_setting_is_explained_with_what_it_wins_over() {
    let home = home();
    let mut command = home.command(&["why", "mirror", "--mirror", "https://flag.example/"]);
    command.env("AMPUP_MIRROR", "https://variable.example/");
    fs::write(
        home.path().join("config.toml"),
        "mirror = \"https://file.example/\"\n",
    )
    .expect("written");
    let run = finish(command).exits(0);
    assert_eq!(
        run.stdout,
        format!(
            "mirror is `https://flag.example/`: the flag `--mirror`\n\
             rather than the variable `AMPUP_MIRROR`: `https://variable.example/`\n\
             rather than `{}`: `https://file.example/`\nrather than the default: `none`\n",
            home.path().join("config.toml")
        )
    );
    home.ampup(&["why", "no-such-thing"]).exits(3);
    home.ampup(&["why", "home", "--home", "../other"])
        .exits(0)
        .prints(&format!(
            "home is `{}`: the flag `--home`\nrather than the default: `{}`\n",
            home.work().join("../other"),
            home.path()
        ));
    let mut proxy = home.command(&["why", "HTTPS_PROXY"]);
    proxy.env("https_proxy", "http://me:secret@proxy.example:3128");
    finish(proxy)
        .exits(0)
        .prints_with("https_proxy is `http://…@proxy.example:3128`: the variable `https_proxy`\n");
    // A value that commands refuse is refused here too.
    for (name, setting) in [("AMP_DIR", "amp-dir"), ("AMPUP_MIRROR", "mirror")] {
        let mut why = home.command(&["why", setting]);
        why.env(name, "relative");
        finish(why).exits(2);
    }
    type Row = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let rows: [Row; 14] = [
        (&["color"], &[], "color is `auto`: the default"),
        (
            &["color"],
            &[("NO_COLOR", "1")],
            "color is `never`: the variable `NO_COLOR`",
        ),
        (
            &["color", "--color", "always"],
            &[("NO_COLOR", "1")],
            "color is `always`: the flag `--color`\nrather than the variable `NO_COLOR`: `never`",
        ),
        (
            &["progress", "--progress=never"],
            &[],
            "progress is `never`: the flag `--progress`",
        ),
        (
            &["progress"],
            &[("CI", "true")],
            "progress is `lines`: the variable `CI`",
        ),
        (&["amp-dir"], &[], "amp_dir is `.amp`: the default"),
        (
            &["amp_dir"],
            &[("AMP_DIR", "/a")],
            "amp_dir is `/a`: the variable `AMP_DIR`",
        ),
        (
            &["yes"],
            &[("AMPUP_YES", "1")],
            "yes is `1`: the variable `AMPUP_YES`",
        ),
        (
            &["registry-key", "--registry-key", "k"],
            &[],
            "registry_key is `k`: the flag `--registry-key`",
        ),
        (
            &["github-token"],
            &[("GITHUB_TOKEN", "secret")],
            "github_token is `set`: the variable `GITHUB_TOKEN`",
        ),
        (&["offline"], &[], "offline is `false`: the default"),
        (&["jobs"], &[], "jobs is `4`: the default"),
        (&["lock-timeout"], &[], "lock_timeout is `600`: the default"),
        (&["upstream"], &[], "upstream is `false`: the default"),
    ];
    every(rows, |(words, variables, says)| {
        let mut command = home.command(&[&["why"], words].concat());
        command.envs(variables.iter().copied());
        let run = finish(command).exits(0);
        assert!(
            run.stdout.starts_with(says) && !run.stdout.contains("secret"),
            "{run:?}"
        );
    });
}

/// Every setting that docs/reference.md lists is explained, by its flag and by its variables.
#[test]
fn every_setting_of_the_reference_is_explained() {
    let home = home();
    let reference = include_str!("../../docs/reference.md");
    let table = reference.split("\n## Settings").nth(1).expect("a section");
    let table = table.split("\n## ").next().expect("its text");
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let columns = rows.flat_map(|row| row.split('|').skip(1).take(2));
    let names = columns.flat_map(|column| column.split('`').skip(1).step_by(2));
    let names: Vec<&str> = names.filter(|name| name.len() > 2).collect();
    assert!(names.len() > 20, "{names:?}");
    every(names, |name| {
        home.ampup(&["why", "--", name]).exits(0);
    });
}
