//! docs/reference.md is generated from the program: `SNAPSHOTS=overwrite cargo test --test it reference` writes it.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::support::release::repository;

/// The settings of the command line: an argument is shown as `--home <DIR>`, with what its help says.
fn arguments(command: &Command, page: &mut String) {
    let shown = command.get_arguments().filter(|argument| {
        !argument.is_hide_set()
            && !argument.is_global_set()
            && !["help", "version"].contains(&argument.get_id().as_str())
    });
    for argument in shown {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "- {}: {}", name(argument), help.replace('\n', " "));
    }
}

/// An argument as it is typed: `-j`, `--jobs <N>`.
fn name(argument: &Arg) -> String {
    let short = argument.get_short().filter(|_| argument.get_long().is_some());
    let short = short.map_or_else(String::new, |short| format!("`-{short}`, "));
    format!("{short}`{argument}`")
}

/// A verb with its arguments, and the verbs below it.
fn verb(command: &Command, path: &str, page: &mut String) {
    let usage = command.clone().bin_name(path).render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "\n### `{path}`\n\n{about}.\n\n    {usage}\n\n");
    arguments(command, page);
    let examples = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let examples: Vec<&str> = examples.lines().skip(1).collect();
    if !examples.is_empty() {
        let _ = write!(page, "\nExamples:\n\n");
    }
    for line in examples {
        let _ = writeln!(page, "  {line}");
    }
    for below in command.get_subcommands().filter(|below| is_shown(below)) {
        verb(below, &format!("{path} {}", below.get_name()), page);
    }
}

fn is_shown(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

fn reference() -> String {
    let mut command = ampup::cli::help::grammar();
    command.build();
    let mut page = String::from(
        "# Reference\n\nGenerated from the program; do not edit. `ampup help COMMAND` says the same.\n\n## Global options\n\n",
    );
    for argument in command
        .get_arguments()
        .filter(|argument| argument.is_global_set())
    {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "- {}: {help}", name(argument));
    }
    page.push_str(&super::settings::section(&command));
    page.push_str("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for (code, meaning) in CODES {
        let _ = writeln!(page, "| {code} | {meaning} |");
    }
    page.push_str(AFTER_CODES);
    page.push_str("\n## Commands\n");
    for below in command.get_subcommands().filter(|below| is_shown(below)) {
        verb(below, &format!("ampup {}", below.get_name()), &mut page);
    }
    page
}

const AFTER_CODES: &str = "
`ampup run` and `ampup db psql` end as their command does: with its own code, with 128 and the number of the signal that ended it, with 127
if it was not found, and with 126 if it may not be executed.

With `--json`, every command that answers prints one object on stdout, with `\"schema\": 1`, its `\"exit\"` code, and an `\"error\"` when it
failed.
";

const CODES: &[(u8, &str)] = &[
    (0, "done"),
    (1, "failed, or does not run on this host"),
    (2, "usage"),
    (
        3,
        "no such component, version, database or file, or not installed",
    ),
    (
        4,
        "integrity: a checksum or a signature does not match, or `verify` found damage",
    ),
    (5, "network"),
    (6, "busy or in use"),
    (7, "disk: full, read-only, or not permitted"),
    (100, "updates are available (`ampup check`)"),
];

#[test]
fn the_reference_is_what_the_program_says() {
    let path = repository().join("docs/reference.md");
    snapbox::assert_data_eq!(
        reference(),
        snapbox::Data::read_from(path.as_std_path(), None).raw()
    );
}
