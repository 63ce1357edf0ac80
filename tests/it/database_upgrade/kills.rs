//! An upgrade that is killed: one of the two clusters serves every row, and a second run finishes.
//! `AMPUP_TEST_POINTS=200` kills more often.

use ampup::event::Silent;
use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ampup::postgres::{Purpose, identity};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Signal;

use super::{has_every_row, home, major, start, with_16};
use crate::{
    postgres_law::signal,
    support::{
        database::Ends,
        home::Home,
        postgres::{done, eventually, sql},
        programs::is_heard,
    },
};

/// A project that was made by 15, which every kill begins with.
struct Project {
    home: Home,
    amp: Utf8PathBuf,
    original: Utf8PathBuf,
}

impl Project {
    fn new() -> Self {
        let home = with_16(home());
        let (amp, original) = (home.work().join(".amp"), home.work().join("original"));
        done(Command::new("cp").args(["-a", amp.as_str(), original.as_str()]));
        Self { home, amp, original }
    }

    /// Begins an upgrade of it.
    fn begin(&self) -> Child {
        fs_err::remove_dir_all(&self.amp).expect("removed");
        done(Command::new("cp").args(["-a", self.original.as_str(), self.amp.as_str()]));
        let mut command = self.home.command(&["db", "upgrade"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("started")
    }

    /// Begins one, and sends the signal when this moment has come. Gives whether it was seen: it may be short.
    fn cut(&self, deadly: Signal, has_come: Sign) -> bool {
        let mut running = self.begin();
        while !has_come(self) {
            if let Some(status) = running.try_wait().expect("asked") {
                assert!(status.success(), "{status}");
                return has_come(self);
            }
            thread::sleep(Duration::from_millis(1));
        }
        signal(running.id(), deadly);
        running.wait().expect("waited for");
        true
    }

    fn next(&self) -> Utf8PathBuf {
        self.amp.join("metadb.next/metadb")
    }

    /// Whoever comes next is served, and may write; and the second run finishes. Gives the major that was found.
    fn serves_and_finishes(&self, point: &str) -> u64 {
        let home = &self.home;
        let server = start(home, Purpose::Session);
        has_every_row(server.url());
        sql(
            server.url(),
            "create table after_the_kill (x int); insert into after_the_kill values (1)",
        )
        .unwrap_or_else(|error| panic!("{point}: {error}"));
        server.release(&Silent).expect("stopped");
        let found = major(home);
        home.db(&["upgrade"]).exits(0);
        assert_eq!(major(home), 16, "{point}");
        let server = start(home, Purpose::Session);
        has_every_row(server.url());
        let written = sql(server.url(), "select count(*) from after_the_kill").expect("it is there");
        assert_eq!(written, "1", "{point}");
        server.release(&Silent).expect("stopped");
        assert!(home.in_amp("metadb.next").is_empty(), "{point}");
        assert_eq!(home.in_amp("metadb.old-").len(), 1, "{point}");
        found
    }
}

#[test]
fn wherever_it_is_killed_every_row_is_served_and_the_second_run_finishes() {
    #[expect(clippy::disallowed_methods, reason = "the tests' own environment")]
    let points = std::env::var("AMPUP_TEST_POINTS").map_or(2, |points| points.parse().expect("a number"));
    let project = Project::new();
    let _ends = Ends(&project.home);
    let began = Instant::now();
    project.begin().wait().expect("ended");
    let duration = began.elapsed();
    let mut seen = [0, 0];
    for point in 0..points {
        let mut running = project.begin();
        // More often at the end, where the renames are.
        let part = if point % 2 == 0 {
            duration * point / points
        } else {
            duration * (90 + 10 * point / points) / 100
        };
        thread::sleep(part.max(Duration::from_millis(1)));
        let _ = running.kill();
        running.wait().expect("waited for");
        let found = project.serves_and_finishes(&format!("point {point}"));
        seen[usize::from(found == 16)] += 1;
    }
    assert!(seen[0] > 0, "some kills came before the exchange: {seen:?}");
}

/// The sign that a step begins.
type Sign = fn(&Project) -> bool;

fn has_servers(cluster: &Utf8Path) -> bool {
    !identity::servers_of(cluster).expect("listed").is_empty()
}

/// Returns true if a database of the user's is there: the fourth is.
fn has_databases(cluster: &Utf8Path) -> bool {
    let databases = cluster.join("base").read_dir_utf8();
    databases.is_ok_and(|databases| databases.count() > 3)
}

#[test]
fn killed_at_any_step_it_leaves_no_server_behind() {
    let both: Sign = |project| has_databases(&project.next()) && has_servers(&project.amp.join("metadb"));
    let steps: [(&str, Signal, Sign); 8] = [
        ("it has begun", Signal::KILL, |project| {
            project.amp.join("metadb.change").exists()
        }),
        ("the old server begins", Signal::KILL, |project| {
            has_servers(&project.amp.join("metadb"))
        }),
        ("the new cluster is whole", Signal::KILL, |project| {
            project.next().join("PG_VERSION").exists()
        }),
        ("the new server begins", Signal::TERM, |project| {
            has_servers(&project.next())
        }),
        ("rows are copied", Signal::KILL, both),
        ("rows are copied", Signal::INT, both),
        ("the old server has ended", Signal::KILL, |project| {
            has_databases(&project.next()) && !has_servers(&project.amp.join("metadb"))
        }),
        ("they are exchanged", Signal::KILL, |project| {
            fs_err::read_to_string(project.amp.join("metadb/PG_VERSION")).is_ok_and(|major| major == "16\n")
        }),
    ];
    let project = Project::new();
    let _ends = Ends(&project.home);
    for (step, deadly, has_come) in steps {
        if !is_heard(deadly.as_raw()) {
            continue;
        }
        assert!((0..5).any(|_| project.cut(deadly, has_come)), "{step}");
        // Without any ampup: ampd would meet a server that takes no writes.
        eventually(step, || {
            !has_servers(&project.amp.join("metadb")) && !has_servers(&project.next())
        });
        project.serves_and_finishes(step);
    }
}
