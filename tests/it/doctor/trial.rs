//! The server that `ampup doctor` tries: it ends with doctor, however that ends.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use ampup::postgres::identity::servers_of;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::process::Signal;

use super::elsewhere;
use crate::{
    postgres_law::signal,
    support::{home::Home, postgres::postgres_tree, table::every, world::write_program},
};

/// The scratch cluster in a directory, once its server has begun.
fn served(place: &Utf8Path) -> Option<Utf8PathBuf> {
    let entries = place.read_dir_utf8().expect("listed").flatten();
    let clusters = entries.map(|entry| entry.path().join("metadb"));
    let mut served = clusters.filter(|cluster| servers_of(cluster).is_ok_and(|servers| !servers.is_empty()));
    served.next()
}

fn wait_for(mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > Duration::from_secs(60) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

#[test]
fn a_server_that_is_tried_ends_with_doctor() {
    let home = Home::new();
    // Its socket is elsewhere, so that doctor waits for it.
    let programs = home.directory("programs");
    let (tree, sockets) = (postgres_tree(18), home.directory("s"));
    for (name, more) in [("initdb", String::new()), ("postgres", format!("-k '{sockets}'"))] {
        let script = format!("#!/bin/sh\nexec '{}/bin/{name}' \"$@\" {more}\n", tree);
        write_program(&programs.join(name), script);
    }
    home.give(&programs);
    every([Signal::KILL, Signal::TERM, Signal::INT], |number| {
        let project = home.directory(&format!("project {number:?}"));
        let mut doctor = home.command(&["doctor"]);
        elsewhere(&mut doctor);
        doctor
            .current_dir(&project)
            .env("PATH", format!("{programs}:/usr/bin:/bin"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut doctor = doctor.spawn().expect("started");
        let mut cluster = None;
        let has_begun = wait_for(|| {
            cluster = served(&project);
            cluster.is_some() || doctor.try_wait().is_ok_and(|ended| ended.is_some())
        });
        signal(doctor.id(), number);
        doctor.wait().expect("ended");
        let cluster = cluster.filter(|_| has_begun).expect("a server");
        let is_gone = wait_for(|| servers_of(&cluster).is_ok_and(|servers| servers.is_empty()));
        assert!(is_gone, "{number:?}: {:?}", servers_of(&cluster));
        let scratch = cluster.parent().expect("a parent");
        assert!(wait_for(|| !scratch.exists()), "{number:?}: {scratch}");
    });
}

#[test]
fn an_initdb_that_is_tried_ends_with_doctor_and_leaves_nothing() {
    let home = Home::new();
    let programs = home.directory("programs");
    let initdb = "#!/bin/sh\nmkdir \"$2\"; echo $$ >\"$2/new\"; mv \"$2/new\" \"$2/pid\"; exec sleep 600\n";
    write_program(&programs.join("initdb"), initdb);
    write_program(&programs.join("postgres"), "#!/bin/sh\n");
    home.give(&programs);
    let project = home.directory("killed");
    let mut doctor = home.command(&["doctor"]);
    elsewhere(&mut doctor);
    doctor
        .current_dir(&project)
        .env("PATH", format!("{programs}:/usr/bin:/bin"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut doctor = doctor.spawn().expect("started");
    let entries = || project.read_dir_utf8().expect("listed").flatten();
    let mut pid = None;
    let has_begun = wait_for(|| {
        let mut pids = entries().filter_map(|entry| fs::read_to_string(entry.path().join("metadb/pid")).ok());
        pid = pids.next();
        pid.is_some() || doctor.try_wait().is_ok_and(|ended| ended.is_some())
    });
    signal(doctor.id(), Signal::KILL);
    doctor.wait().expect("ended");
    let pid = pid.filter(|_| has_begun).expect("an initdb");
    // Whoever inherits it may take a moment to wait for it.
    let lives = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    assert!(wait_for(|| !lives()), "{pid} lives");
    assert!(wait_for(|| entries().next().is_none()), "{project}");
}
