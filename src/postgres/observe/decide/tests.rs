//! Decisions, fact by fact.

use super::*;
use crate::postgres::observe::pid_file::PidFileEntry;
use crate::table::every;

fn whole() -> Listing {
    Listing {
        entries: ["PG_VERSION", "base", "global"].map(str::to_owned).to_vec(),
        version: Some("18\n".to_owned()),
        has_control: true,
        is_open: false,
        databases: Databases::All,
        names_last_database: true,
        has_users_objects: true,
        is_pristine: false,
        lacks_catalog: None,
        lacks: None,
    }
}

#[test]
fn a_cluster_is_told_from_what_only_looks_like_one() {
    assert_eq!(contents(&Listing::default()), Contents::Empty);
    assert_eq!(contents(&whole()), Contents::Cluster { major: 18 });
    let fresh = Listing {
        has_users_objects: false,
        ..whole()
    };
    assert_eq!(contents(&fresh), Contents::Cluster { major: 18 });
    let rows = [
        Listing {
            databases: Databases::Some,
            ..fresh.clone()
        },
        Listing {
            databases: Databases::Begun,
            ..fresh.clone()
        },
        Listing {
            is_open: true,
            ..fresh.clone()
        },
        Listing {
            has_control: false,
            ..fresh.clone()
        },
        Listing {
            version: Some(String::new()),
            databases: Databases::Absent,
            ..fresh.clone()
        },
        Listing {
            version: None,
            entries: vec!["base".to_owned(), "pg_wal".to_owned()],
            ..fresh.clone()
        },
    ];
    every(rows, |killed| {
        assert_eq!(contents(&killed), Contents::Unfinished, "{killed:?}");
    });
    let copy = Listing {
        entries: vec!["PG_VERSION".to_owned(), "backup_label".to_owned()],
        is_open: true,
        ..fresh
    };
    assert_eq!(contents(&copy), Contents::Cluster { major: 18 });
}

#[test]
fn what_a_server_was_started_on_is_half_made_only_where_nobody_can_have_data() {
    let mut served = whole();
    served.entries.push("postmaster.opts".to_owned());
    served.has_users_objects = false;
    let with = |databases, names_last_database, has_users_objects| {
        contents(&Listing {
            databases,
            names_last_database,
            has_users_objects,
            ..served.clone()
        })
    };
    let cluster = Contents::Cluster { major: 18 };
    assert_eq!(with(Databases::Some, false, false), Contents::Unfinished);
    assert_eq!(with(Databases::Begun, true, false), Contents::Unfinished);
    assert_eq!(with(Databases::All, true, false), cluster);
    assert_eq!(with(Databases::Some, true, false), cluster, "it lost a database");
    assert_eq!(with(Databases::Some, false, true), cluster, "somebody's");
    assert_eq!(with(Databases::Absent, false, false), cluster, "not mounted");
}

#[test]
fn what_lost_a_file_is_made_again_only_where_nothing_was_ever_made_in_it() {
    let with = |is_pristine, has_users_objects| {
        contents(&Listing {
            lacks_catalog: Some("global/1262".to_owned()),
            is_pristine,
            has_users_objects,
            ..whole()
        })
    };
    assert_eq!(with(true, false), Contents::Unfinished);
    // A role or a function has no file of its own.
    assert_eq!(with(false, false), damaged("global/1262"));
    assert_eq!(with(true, true), damaged("global/1262"));
    let pristine = Listing {
        is_pristine: true,
        ..whole()
    };
    assert_eq!(contents(&pristine), Contents::Cluster { major: 18 });
}

#[test]
fn where_users_have_data_nothing_counts_as_unfinished() {
    let without = |change: fn(&mut Listing)| {
        let mut listing = whole();
        change(&mut listing);
        contents(&listing)
    };
    assert_eq!(
        without(|listing| listing.has_control = false),
        damaged("global/pg_control")
    );
    assert_eq!(
        without(|listing| {
            listing.version = None;
            listing.entries.remove(0);
        }),
        damaged("PG_VERSION")
    );
    assert_eq!(
        without(|listing| listing.version = Some("x".to_owned())),
        damaged("PG_VERSION")
    );
    assert_eq!(
        without(|listing| listing.databases = Databases::Some),
        Contents::Cluster { major: 18 }
    );
    let unmounted = |listing: &mut Listing| {
        listing.entries.push("postmaster.opts".to_owned());
        (listing.databases, listing.has_users_objects) = (Databases::Absent, false);
    };
    assert_eq!(without(unmounted), Contents::Cluster { major: 18 });
    let home = Listing {
        entries: vec!["base".to_owned(), "notes.txt".to_owned()],
        ..Listing::default()
    };
    assert_eq!(
        contents(&home),
        Contents::Foreign {
            entry: "notes.txt".to_owned()
        }
    );
}

fn process(role: Role) -> Process {
    Process {
        pid: 7,
        parent: 1,
        started: "1".to_owned(),
        used: "0".to_owned(),
        role,
        idles: false,
    }
}

fn nobody() -> Seen {
    Seen {
        lock_is_ours: true,
        processes: Vec::new(),
        answer: SocketAnswer::Nobody,
        pid_file: PidFile::Absent,
        named_process_exists: false,
    }
}

#[test]
fn a_server_is_started_only_where_three_witnesses_say_that_none_is() {
    let start = |clear_lock_files| Next::Start { clear_lock_files };
    assert_eq!(next(&nobody()), start(false));
    let locked = Seen {
        lock_is_ours: false,
        ..nobody()
    };
    assert_eq!(next(&locked), Next::Wait(WaitFor::LockHolder));
    let working = Seen {
        processes: vec![process(Role::Postmaster)],
        ..nobody()
    };
    assert_eq!(next(&working), Next::Wait(WaitFor::ServerWithoutSocket(7)));
    let surviving = Seen {
        processes: vec![process(Role::Backend)],
        ..nobody()
    };
    assert_eq!(next(&surviving), Next::Wait(WaitFor::Survivors(7)));
    let starting = Seen {
        answer: SocketAnswer::NotYet,
        ..nobody()
    };
    assert_eq!(next(&starting), Next::Wait(WaitFor::Server(None)));
    let serving = Seen {
        answer: SocketAnswer::Serves,
        ..locked
    };
    assert_eq!(next(&serving), Next::Adopt);
}

#[test]
fn lock_files_are_cleared_only_where_nobody_is_and_they_are_in_the_way() {
    let names = PidFile::Names(PidFileEntry {
        pid: 7,
        single: false,
        started: None,
        port: None,
        socket_directory: None,
        address: None,
        is_starting: false,
    });
    let clears = |pid_file: &PidFile, named_process_exists, lock_is_ours| {
        let seen = Seen {
            pid_file: pid_file.clone(),
            named_process_exists,
            lock_is_ours,
            ..nobody()
        };
        next(&seen)
            == Next::Start {
                clear_lock_files: true,
            }
    };
    assert!(clears(&PidFile::Damaged, false, true));
    assert!(clears(&names, true, true));
    assert!(!clears(&names, false, true), "PostgreSQL does that itself");
    assert!(!clears(&PidFile::Damaged, true, false));
}
