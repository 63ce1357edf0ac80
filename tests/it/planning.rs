//! `--dry-run` on every verb that changes the active set: it says what would be done, and does nothing.

use crate::support::home::Home;

#[test]
fn what_would_be_done_is_said_and_nothing_is_done() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("tool", "2.0.0");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    let rows: &[(&[&str], &str)] = &[
        (&["use", "tool@1.0.0"], "tool 1.0.0 is active now"),
        (&["uninstall", "tool@1.0.0"], "removed tool 1.0.0"),
        (&["undo"], "tool 1.0.0 is active"),
    ];
    let mut wrong = Vec::new();
    for (verb, said) in rows {
        let before = home.store();
        let planned: Vec<&str> = verb.iter().copied().chain(["--dry-run"]).collect();
        let run = home.ampup(&planned);
        let is_said = run.stderr.contains("nothing was") && run.stderr.contains(said);
        if run.code != 0 || !is_said || home.store() != before {
            wrong.push(format!("{verb:?}: {run:?}"));
        }
    }
    // And the real thing does what was said.
    home.ampup(&["undo"]).exits(0).says("tool 1.0.0 is active");
    home.ampup(&["uninstall", "tool@2.0.0"])
        .exits(0)
        .says("removed tool 2.0.0");
    home.ampup(&["uninstall", "tool@2.0.0", "--dry-run"]).exits(3);
    home.ampup(&["use", "tool@2.0.0", "--dry-run"]).exits(3);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
