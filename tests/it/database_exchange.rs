//! Another cluster comes in the place of a project's: killed before each call that the exchange consists of, where the
//! system exchanges in one step and where it cannot. In the suite at the renames; `AMPUP_TEST_POINTS=all` at every call, each of
//! which is made to fail too.

use std::process::Command;

use ampup::{
    event::Silent,
    postgres::{Purpose, StartOptions},
};
use camino::Utf8Path;
use nix::errno::Errno;

use crate::support::{
    database::{Build, Ends},
    home::Home,
    postgres::{done, run_as, sql},
    tracer::{Call, Deed, Traced, trace},
};

fn ask(home: &Home, statement: &str) -> String {
    let start = StartOptions::default().purpose(Purpose::Session);
    let server = home.cluster().start(&start, &Silent).expect("started");
    let answer = sql(server.url(), statement).expect("answered");
    server.release(&Silent).expect("left");
    answer
}

/// Restores the backup in a project that is as it was.
fn restore(home: &Home, original: &Utf8Path, deed: Deed) -> Traced {
    let amp = home.work().join(".amp");
    let _ = fs_err::remove_dir_all(&amp);
    done(Command::new("cp").args(["-a", original.as_str(), amp.as_str()]));
    let command = home.command_as_we_are(&["db", "restore", "b.tar.gz"]);
    trace(&command, run_as().map(|user| (user.uid, user.gid)), deed)
}

/// Nothing but a system that can or cannot exchange.
fn plain(can_exchange: bool) -> Deed {
    if can_exchange {
        Deed::Watch
    } else {
        Deed::FailAll {
            name: "renameat2",
            errno: Errno::EINVAL,
            killed_before: None,
        }
    }
}

/// The deeds at a call: a kill; and, where all is tried, a disk that refuses it, or everything from there on.
fn deeds(can_exchange: bool, number: usize, all: bool) -> Vec<Deed> {
    if !can_exchange {
        return vec![Deed::FailAll {
            name: "renameat2",
            errno: Errno::EINVAL,
            killed_before: Some(number),
        }];
    }
    let fails = [false, true].map(|on| Deed::Fail {
        number,
        errno: Errno::ENOSPC,
        on,
    });
    let mut deeds = vec![Deed::KillBefore(number)];
    deeds.extend(fails.into_iter().filter(|_| all));
    deeds
}

#[test]
fn whenever_it_is_killed_one_of_the_two_is_served_and_the_other_is_kept() {
    #[expect(clippy::disallowed_methods, reason = "the tests' own environment")]
    let all = std::env::var_os("AMPUP_TEST_POINTS").is_some();
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    ask(&home, "create table t as select generate_series(1, 1000) as x");
    home.db(&["backup", "b.tar.gz"]).exits(0);
    ask(&home, "delete from t where x > 7");
    let original = home.work().join("original");
    done(Command::new("cp").args(["-a", home.work().join(".amp").as_str(), original.as_str()]));

    for can_exchange in [true, false] {
        let whole = restore(&home, &original, plain(can_exchange));
        assert_eq!(whole.code, Some(0), "{}", whole.stderr);
        assert_eq!(ask(&home, "select count(*) from t"), "1000");
        let is_aside = |call: &&Call| call.name == "rename" && call.text.contains("/.amp/metadb ");
        assert_eq!(whole.calls.iter().any(|call| is_aside(&call)), !can_exchange);
        // From the flush of what was unpacked.
        let flushed = whole.calls.iter().position(|call| call.name == "syncfs");
        let exchange: Vec<_> = whole.calls[flushed.expect("it is flushed")..]
            .iter()
            .filter(|call| all || call.name.starts_with("rename"))
            .filter_map(|call| call.number)
            .collect();
        assert!(exchange.len() >= 3, "{exchange:?}");
        let mut seen = [0, 0];
        let points = exchange
            .into_iter()
            .flat_map(|number| deeds(can_exchange, number, all))
            .step_by(if can_exchange && !all { 2 } else { 1 });
        for (index, deed) in points.enumerate() {
            let point = format!("{deed:?}, can exchange: {can_exchange}");
            let traced = restore(&home, &original, deed);
            let last = traced.calls.last().expect("it did something");
            let is_killed = !matches!(deed, Deed::Fail { .. });
            assert_eq!(traced.signal.is_some(), is_killed, "{point}: {}", traced.stderr);
            // A start settles it, and so does another change.
            if index % 4 == 2 {
                home.db(&["backup"]).exits(0);
            }
            let rows = ask(&home, "select count(*) from t");
            let kept = home.in_amp("metadb.old-");
            let is_restored = match (rows.as_str(), kept.as_slice()) {
                ("7", []) => false,
                ("1000", [kept]) => kept.join("PG_VERSION").exists(),
                _ => panic!("{point}: {rows} rows, kept {kept:?}, before {last:?}"),
            };
            seen[usize::from(is_restored)] += 1;
            assert!(home.in_amp("metadb.next").is_empty(), "{point}");
            if all || index == 0 {
                home.db(&["restore", "b.tar.gz"]).exits(0);
                assert_eq!(ask(&home, "select count(*) from t"), "1000", "{point}");
            }
        }
        assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    }
}
