//! The settings that docs/reference.md lists: where each can be made.

use std::fmt::Write as _;

use clap::Command;

/// Flag, variables of the environment, key of `config.toml`, meaning.
const SETTINGS: &[(&str, &str, &str, &str)] = &[
    (
        "--home",
        "`AMPUP_HOME`",
        "",
        "ampup's home; `~/.ampup` by default",
    ),
    (
        "--registry",
        "`AMPUP_REGISTRY`",
        "registry",
        "another registry in place of the default one: its manifest, or its https address, with `--registry-key`",
    ),
    (
        "--registry-key",
        "`AMPUP_REGISTRY_KEY`",
        "registry_key",
        "the public key of whoever signs the registry at an address",
    ),
    (
        "--mirror",
        "`AMPUP_MIRROR`",
        "mirror",
        "a mirror to ask before the origin: [proxies, mirrors and air gaps](network.md#mirrors)",
    ),
    ("--offline", "`AMPUP_OFFLINE`", "", "use no network"),
    ("--yes", "`AMPUP_YES`", "", "answer every question with yes"),
    (
        "--jobs",
        "",
        "jobs",
        "components to install at once; 4 by default",
    ),
    (
        "--require-pinned",
        "",
        "require_pinned",
        "refuse a file whose digest the registry does not state itself",
    ),
    (
        "--upstream",
        "",
        "",
        "`install` and `update` take also what builders have and the registry does not",
    ),
    (
        "--lock-timeout",
        "`AMPUP_LOCK_TIMEOUT`",
        "lock_timeout",
        "seconds to wait for another ampup; 600 by default",
    ),
    (
        "--github-token",
        "`AMPUP_GITHUB_TOKEN`, `GITHUB_TOKEN`",
        "",
        "a token for GitHub's API; it is sent nowhere else",
    ),
    ("--color", "`NO_COLOR`, `CLICOLOR_FORCE`", "", "colors"),
    ("--progress", "", "", "progress bars, or lines, or JSON on stderr"),
    (
        "--amp-dir",
        "`AMP_DIR`",
        "",
        "the project's Amp directory, for `ampup run` and `ampup db`; `.amp` by default",
    ),
    (
        "",
        "`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`",
        "",
        "proxies, in either case",
    ),
    (
        "",
        "`SSL_CERT_FILE`, `SSL_CERT_DIR`",
        "",
        "certificate authorities, beside the system's own",
    ),
];

const RULES: &str = "A flag comes before the environment, and the environment before `config.toml`, a file that you may write in ampup's \
    home. A switch in the environment is on with `1`, `true`, `yes` or `on`, and off with `0`, `false`, `no`, `off` or nothing. A path in \
    the environment or in `config.toml` must be absolute. Anything else is refused with exit code 2.";

/// The section of the reference. Every flag in it is one of the program's, and every key of `config.toml` is in it.
pub(super) fn section(command: &Command) -> String {
    let flags: Vec<String> = command
        .get_subcommands()
        .flat_map(|verb| std::iter::once(verb).chain(verb.get_subcommands()))
        .chain(std::iter::once(command))
        .flat_map(Command::get_arguments)
        .filter_map(|argument| argument.get_long().map(|long| format!("--{long}")))
        .collect();
    let mut page = format!(
        "\n## Settings\n\n{RULES}\n\n| flag | environment | `config.toml` | meaning |\n|---|---|---|---|\n"
    );
    for (flag, variables, key, meaning) in SETTINGS {
        assert!(
            flag.is_empty() || flags.iter().any(|known| known == flag),
            "there is no `{flag}`"
        );
        let _ = writeln!(
            page,
            "| {} | {variables} | {} | {meaning} |",
            code(flag),
            code(key)
        );
    }
    page.push_str("\nThe keys of `config.toml` take:\n\n");
    for (key, takes) in ampup::settings::KEYS {
        assert!(
            SETTINGS.iter().any(|setting| setting.2 == *key),
            "`{key}` is told"
        );
        let _ = writeln!(page, "- `{key}`: {takes}");
    }
    page
}

fn code(word: &str) -> String {
    if word.is_empty() {
        String::new()
    } else {
        format!("`{word}`")
    }
}
