//! Every verb, run as a user runs it, on small components from files.

mod answering;
mod installing;
mod switching;

use crate::support::home::Home;

/// A home with `tool` 1.0.0 and 2.0.0, and ampd and ampctl in two versions.
fn home() -> Home {
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("tool", "2.0.0");
    for version in ["0.0.34", "0.0.35"] {
        home.offer("ampd", version).offer("ampctl", version);
    }
    home
}

fn active(home: &Home, component: &str) -> String {
    let run = home.ampup(&["list", "--json"]).exits(0).json();
    let rows = run["components"].as_array().expect("rows").clone();
    let row = rows
        .iter()
        .find(|row| row["name"] == component && row["state"] == "active");
    row.map(|row| row["version"].as_str().expect("text").to_owned())
        .unwrap_or_default()
}
