//! The whole first run from a mirror, in a network namespace without an interface: install script, PostgreSQL 18.6 as
//! theseus built it, and a database. The mirror is filled once, while online, and only proven later.

use std::process::Command;

use camino::Utf8PathBuf;
use fs_err as fs;

use crate::support::{
    home::{Home, Run, finish, program},
    postgres::{cache, run_as},
    programs,
};

/// The mirror that every run of the tests fills on, with what it says when it is filled.
fn filled(home: &Home) -> (Utf8PathBuf, Run) {
    let place = cache().join("mirror");
    fs::create_dir_all(&place).expect("made");
    home.give(&place);
    let run = home.ampup(&["mirror", place.as_str(), "postgres@18.6.0+theseus"]);
    (place, run)
}

/// A shell of an ordinary user that reaches nobody, not even this machine's own loopback address.
fn without_network(home: &Home, line: &str) -> Option<Command> {
    let mut command = home.other_program(&programs::find("unshare")?);
    match run_as() {
        Some(user) => {
            command.args(["--net", "--", "setpriv", "--clear-groups"]);
            command.args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]);
        }
        None => {
            let is_allowed = Command::new("unshare")
                .args(["--map-current-user", "--net", "true"])
                .status();
            if !is_allowed.is_ok_and(|status| status.success()) {
                programs::skip("this user may not make a network namespace");
                return None;
            }
            command.args(["--map-current-user", "--net", "--"]);
        }
    }
    command.args(["sh", "-euc", line]);
    Some(command)
}

#[test]
fn the_first_run_works_from_a_mirror_with_no_network_at_all() {
    let home = Home::new();
    let (mirror, run) = filled(&home);
    let run = run.exits(0);
    assert!(
        run.stderr
            .contains("postgres 18.6 for x86_64-unknown-linux-gnu, built by theseus"),
        "{run:#?}"
    );
    home.ampup(&["mirror", mirror.as_str(), "--check"]).exits(0);
    let lines = format!(
        "! getent hosts github.com
         ip link show up 2>/dev/null | grep -q . && exit 99
         sh '{mirror}/install.sh' --mirror 'file://{mirror}' --yes --no-modify-path --component postgres
         export PATH=\"$HOME/.ampup/bin:$PATH\" AMPUP_MIRROR='file://{mirror}'
         ampup --version
         ampup list
         ampup update
         ampup db start
         ampup db psql -- -XAtc 'create table t as select generate_series(1, 1000) n'
         ampup db psql -- -XAtc 'select count(*) from t'
         ampup db stop"
    );
    let Some(command) = without_network(&home, &lines) else {
        return;
    };
    let run = finish(command).exits(0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        run.stdout.lines().collect::<Vec<_>>(),
        [
            &format!("ampup {version}"),
            "postgres 18.6 (active)",
            "SELECT 1000",
            "1000"
        ],
        "{run:#?}"
    );
    assert!(program().exists());
}
