//! Pins of components that move together: of them a project has one version.

use fs_err as fs;

use super::pin;
use crate::support::{home::Home, table::every};

fn amp() -> Home {
    let mut home = Home::new();
    for version in ["0.0.34", "0.0.35"] {
        home.offer("ampd", version).offer("ampctl", version);
    }
    home.offer("tool", "1.0.0");
    home
}

#[test]
fn raising_one_raises_what_moves_with_it() {
    let home = amp();
    let file = home.work().join("ampup.toml");
    let both = |version: &str| format!("[components]\nampctl = \"{version}\"\nampd = \"{version}\"\n");
    let ampd_alone = |version: &str| format!("[components]\nampd = \"{version}\" # ours\n");
    let rows = [
        (both("0.0.34"), "ampd@0.0.35", both("0.0.35")),
        (both("0.0.34"), "ampctl@0.0.35", both("0.0.35")),
        (both("0.0.34"), "0.0.35", both("0.0.35")),
        (both("0.0.35"), "0.0.34", both("0.0.34")),
        // One line is enough.
        (ampd_alone("0.0.34"), "ampd@0.0.35", ampd_alone("0.0.35")),
        (
            "[components]\n".to_owned(),
            "ampd@0.0.35",
            "[components]\nampd = \"0.0.35\"\n".to_owned(),
        ),
        (
            "[components]\n".to_owned(),
            "0.0.35",
            "[components]\nampd = \"0.0.35\"\nampctl = \"0.0.35\"\n".to_owned(),
        ),
    ];
    every(rows, |(before, spec, after)| {
        pin(&home, &before);
        home.ampup(&["pin", spec, "--dry-run"]).exits(0);
        assert_eq!(fs::read_to_string(&file).expect("read"), before);
        home.ampup(&["pin", spec]).exits(0);
        assert_eq!(fs::read_to_string(&file).expect("read"), after);
        home.ampup(&["install"]).exits(0);
        home.ampup(&["run", "--no-db", "ampctl", "--version"])
            .exits(0)
            .prints_with(spec.split('@').next_back().expect("a version"));
    });
    pin(&home, &both("0.0.34"));
    home.ampup(&["pin", "ampd@0.0.35", "tool@1.0.0"])
        .exits(0)
        .prints("ampctl 0.0.35\nampd   0.0.35\ntool   1.0.0\n")
        .says("ampctl: it was `0.0.34`; it moves with ampd\n")
        .says("ampd: it was `0.0.34`\n");
}

#[test]
fn two_versions_of_what_moves_together_are_refused_with_the_pin_that_works() {
    let home = amp();
    let two = "[components]\nampctl = \"0.0.34\"\nampd = \"0.0.35\"\n";
    pin(&home, two);
    home.ampup(&["pin", "ampd@0.0.34", "ampctl@0.0.35"])
        .exits(2)
        .says("ampd and ampctl move together, and were named as `ampd@0.0.34` and `ampctl@0.0.35`")
        .says("hint: name one version: `ampup pin ampd@0.0.34`");
    home.ampup(&["install"])
        .exits(2)
        .says("line 3 of `ampup.toml`: ampd and ampctl move together")
        .says("hint: `ampup pin ampd@0.0.35` changes every line");
    home.ampup(&["pin", "ampd@0.0.35"]).exits(0);
    home.ampup(&["install"]).exits(0);
}
