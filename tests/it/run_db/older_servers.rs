//! A server that runs while a newer minor version of its PostgreSQL is installed.

use fs_err as fs;
use serde_json::{Value, json};

use crate::support::{
    database::{Build, Ends},
    home::{Home, finish},
    table::every,
};

/// Offers 16.14 beside 16.2, with fixes of a security hole.
fn offer_fixes(home: &mut Home) {
    home.offer_postgres(Build::Npm(16));
    amend(home, |postgres| {
        let mut releases = postgres["releases"].as_array_mut().expect("a list").iter_mut();
        let fixed = releases.find(|release| release["version"] == "16.14.0");
        fixed.expect("offered")["security"] = json!({"cves": ["CVE-2026-0001"]});
        // Which nobody has built, and which has no part in what helps.
        postgres["lines"] = json!([{"major": 16, "upstream": {"version": "16.15.0"}}]);
    });
}

fn amend(home: &Home, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(home.registry()).expect("read");
    let mut registry: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut registry["components"]["postgres"]);
    fs::write(home.registry(), registry.to_string()).expect("written");
}

const LACKS: &str = "postgres 16.2 lacks the security fixes of 16.14 (CVE-2026-0001)\n";
const BESIDE: &str = "`ampup install --no-activate postgres@16.14`";
const RESTART: &str = "`ampup db stop`, then `ampup db start`";

#[test]
fn whoever_installs_a_fix_or_looks_is_told_what_the_server_lacks_and_how_it_gets_it() {
    let mut home = Home::with_postgres(&[Build::Wheel16, Build::Npm(18)]);
    fs::write(
        home.work().join("ampup.toml"),
        "[components]\npostgres = \"16.2\"\n",
    )
    .expect("written");
    offer_fixes(&mut home);
    let _ends = Ends(&home);
    home.db(&["start"]).exits(0);
    fs::remove_file(home.work().join("ampup.toml")).expect("removed");
    let looks = |home: &Home, remedy: &str| {
        home.db(&["status"])
            .exits(0)
            .says(&format!("warning: {LACKS}hint: {remedy}\n"));
        home.ampup(&["doctor"])
            .prints_with(&format!("warning security: {LACKS}        {remedy}\n"));
    };
    looks(&home, BESIDE);
    home.ampup(&["install", "--no-activate", "postgres@16"])
        .exits(0)
        .says(&format!(
            "postgres 16.2 is already installed\n{LACKS}hint: {BESIDE}\n"
        ));
    let pin = |version: &str| {
        let text = format!("[components]\npostgres = \"{version}\"\n");
        fs::write(home.work().join("ampup.toml"), text).expect("written");
    };
    // What is pinned and not installed serves next.
    pin("16.14");
    home.db(&["status"])
        .exits(0)
        .says(&format!("warning: {LACKS}hint: `ampup install`\n"));
    fs::remove_file(home.work().join("ampup.toml")).expect("removed");
    // The project here is told of in place of what would use the older server; another one, with where to type it.
    let runs = |place: &str, there: &str| {
        format!("the server of `{place}` still runs 16.2; {there}{RESTART} bring it to 16.14\n")
    };
    let install = ["install", "--no-activate", "postgres@16.14"];
    let run = home
        .ampup(&install)
        .exits(0)
        .says("installed postgres 16.14 ")
        .says(&runs(".amp/metadb", ""));
    assert!(!run.stderr.contains("next: "), "{run:#?}");
    let work = home.work();
    let mut elsewhere = home.command(&install);
    elsewhere.current_dir(home.directory("elsewhere"));
    finish(elsewhere)
        .exits(0)
        .says(&runs(&format!("{work}/.amp/metadb"), &format!("in `{work}`, ")));
    looks(&home, RESTART);
    // Its own pin decides what it is started with: nothing is promised that would not come.
    pin("16.2");
    let run = home.ampup(&install).exits(0);
    assert!(!run.stderr.contains("still runs"), "{run:#?}");
    home.db(&["status"]).exits(0).says(&format!(
        "warning: {LACKS}hint: `ampup pin postgres@16.14.0`, then `ampup install`\n"
    ));
    // A pin that names a builder keeps it.
    pin("16.2.0+acme");
    home.ampup(&["check"])
        .says("for this project: `ampup pin postgres@16.14.0+acme`, then `ampup install`\n");
    pin("16.14");
    home.ampup(&["install"]).exits(0).says(&runs(".amp/metadb", ""));
    home.ampup(&["run", "true"])
        .exits(0)
        .says("using the running database `.amp/metadb` (PostgreSQL 16.2; 16.14 after `ampup db stop`)\n");
    fs::remove_file(home.work().join("ampup.toml")).expect("removed");
    // Nor where the older one is active, until it is not.
    let run = home.ampup(&["use", "postgres@16.2"]).exits(0);
    assert!(!run.stderr.contains("still runs"), "{run:#?}");
    looks(&home, "`ampup use postgres@16.14`, which is installed");
    home.ampup(&["use", "postgres@16.14"])
        .exits(0)
        .says(&runs(".amp/metadb", ""));
    home.db(&["stop"]).exits(0);
    home.db(&["start"]).exits(0).says("PostgreSQL 16.14");
    let run = home.db(&["status"]).exits(0);
    assert!(!run.stderr.contains("lacks"), "{run:#?}");
    every(["install", "use"], |verb| {
        let run = home.ampup(&[verb, "postgres@16.14"]).exits(0);
        assert!(!run.stderr.contains("still runs"), "{run:#?}");
    });
    home.ampup(&["undo"])
        .exits(0)
        .says(&format!("still runs 16.14; {RESTART} bring it to 16.2\n"));
    amend(&home, |postgres| {
        postgres["lines"] = json!([{"major": 16, "end_of_life": "2020-01-02"}])
    });
    home.db(&["status"])
        .exits(0)
        .says("hint: `ampup db upgrade` moves the database to a newer major version\n");
}

#[test]
fn a_server_that_others_keep_goes_with_them() {
    let mut home = Home::with_postgres(&[Build::Wheel16]);
    offer_fixes(&mut home);
    let program = crate::support::home::program();
    let install = format!("{program} install postgres@16.14");
    home.ampup(&["run", "--", "sh", "-c", &install]).exits(0).says(
        "the server of `.amp/metadb` still runs 16.2 until the last `ampup run` or `ampup db psql` that uses it ends; the next \
         start takes 16.14\n",
    );
}
