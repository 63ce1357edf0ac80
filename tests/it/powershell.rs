//! Scripts for PowerShell are PowerShell: read with a real grammar, because few machines have the shell. The public
//! CI runs it.

use ampup::{
    setup::windows,
    shell::{Setting, Shell, completions::Completing},
};
use tree_sitter::{Node, Parser, Tree};

fn parse(text: &str) -> Tree {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .expect("a grammar of this version");
    parser.parse(text, None).expect("a tree")
}

/// The lines that are no PowerShell.
fn faults(text: &str) -> Vec<String> {
    fn visit(node: Node, text: &str, found: &mut Vec<String>) {
        if node.is_error() || node.is_missing() {
            let row = node.start_position().row;
            found.push(format!(
                "line {}: {}",
                row + 1,
                text.lines().nth(row).unwrap_or("")
            ));
        }
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            visit(child, text, found);
        }
    }
    let mut found = Vec::new();
    visit(parse(text).root_node(), text, &mut found);
    found
}

const SCRIPT: &str = include_str!("../../install.ps1");

#[test]
fn install_ps1_is_powershell() {
    assert_eq!(faults(SCRIPT), [""; 0]);
    assert_eq!(faults(include_str!("../../release/try.ps1")), [""; 0]);
    assert!(
        SCRIPT.is_ascii(),
        "Windows PowerShell 5.1 reads a file without a mark as ANSI"
    );
}

/// PowerShell parses the whole text before it runs any: what was cut inside the block does nothing.
#[test]
fn install_ps1_that_was_cut_does_not_parse() {
    let begin = SCRIPT.find("\n& {\n").expect("the block") + 4;
    let end = SCRIPT.trim_end().len();
    for length in (begin..end).step_by(37) {
        assert!(
            parse(&SCRIPT[..length]).root_node().has_error(),
            "cut at {length}"
        );
    }
}

/// A name that is PowerShell's own cannot be a parameter: `$Home` is read-only.
#[test]
fn install_ps1_has_every_option_of_install_sh() {
    let (_, rest) = SCRIPT.split_once("\nparam(\n").expect("parameters");
    let (parameters, _) = rest.split_once("\n)\n").expect("their end");
    for option in [
        "[switch] $Yes",
        "[string] $Version",
        "[Alias('Home')]",
        "[switch] $NoModifyPath",
        "[string[]] $Component",
        "[switch] $DryRun",
        "[string] $Mirror",
    ] {
        assert!(parameters.contains(option), "{option}");
    }
    assert!(!parameters.contains("] $Home"));
}

/// As install.sh: beside a home that does not exist, whose directory `init` makes.
#[test]
fn install_ps1_makes_no_home() {
    let made: Vec<&str> = SCRIPT
        .lines()
        .filter(|line| line.contains("New-Item"))
        .map(str::trim)
        .collect();
    assert_eq!(
        made,
        ["New-Item -ItemType Directory -Path $script:work | Out-Null"]
    );
    assert!(SCRIPT.contains(r#"else { "$ampup.bootstrap-$PID" }"#));
}

#[test]
fn what_profiles_read_is_powershell() {
    for home in ["/u/.ampup", "/u/it's ‘here’ $HOME `x`", "C:\\Users\\é\\.ampup"] {
        // A colon is a drive's on Windows alone.
        let Ok(setting) = Setting::new(home.into(), None) else {
            continue;
        };
        assert_eq!(faults(&setting.env_text(Shell::PowerShell)), [""; 0]);
        assert_eq!(faults(&setting.line(Shell::PowerShell)), [""; 0]);
        assert_eq!(faults(&windows::path_script(home.into())), [""; 0]);
        let left = [home.into(), "C:\\left over".into()];
        assert_eq!(faults(&windows::removal_script(7, &left, home.into())), [""; 0]);
    }
    assert_eq!(faults(Completing::PowerShell.script()), [""; 0]);
}

/// As install.sh: whoever named no version is not told to leave it out, and a mirror that is not there is called that.
#[test]
fn install_ps1_hints_at_an_option_that_was_given() {
    let (_, rest) = SCRIPT
        .split_once("leave -Version out")
        .expect("the hint of a missing version");
    assert!(!rest.contains("leave -Version out"), "once");
    let before = &SCRIPT[..SCRIPT.len() - rest.len()];
    let condition = before.lines().rev().nth(1).expect("the line above");
    assert_eq!(condition.trim(), "if ($Version -or $env:AMPUP_VERSION) {");
    let mirror = before.find("\"$mirrored does not exist\"").expect("told");
    assert!(
        mirror < before.find("there is no ampup").unwrap_or(usize::MAX),
        "before the version"
    );
}
