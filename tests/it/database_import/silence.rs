//! Imports that come to an end before all was read.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    thread,
    time::Duration,
};

use ampup::postgres::identity;

use fs_err as fs;

use rustix::process::{Pid, Signal, kill_process};

use super::Elsewhere;
use crate::support::{
    database::{Build, Ends},
    home::Home,
    postgres::{eventually, sql},
    programs::is_heard,
};

/// A server that takes every session, and then says nothing but notices. Gives where it is.
pub(super) fn chatty() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("known");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // It goes when the client has gone.
            thread::spawn(move || notices(stream));
        }
    });
    place
}

fn notices(mut stream: TcpStream) -> io::Result<()> {
    /// The requests for TLS and for GSSAPI, in place of a version.
    const OTHERS: [u32; 2] = [80_877_103, 80_877_104];
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | u32::from(*byte));
        let (length, asked) = (number(&head[..4]), number(&head[4..]));
        stream.read_exact(&mut vec![0; length as usize - head.len()])?;
        if !OTHERS.contains(&asked) {
            break;
        }
        stream.write_all(b"N")?;
    }
    stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")?;
    let said = b"SNOTICE\0C00000\0Mpatience\0\0";
    loop {
        stream.write_all(&[b'N', 0, 0, 0, said.len() as u8 + 4])?;
        stream.write_all(said)?;
        thread::sleep(Duration::from_secs(1));
    }
}

/// Programs that were started to read this address.
fn readers(address: &str) -> Vec<String> {
    let place = address.split('@').next_back().expect("a host");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("listed").flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.contains(place) && !words.contains(" import ") {
            found.push(words);
        }
    }
    found
}

/// A server that works is waited for, and one that answers nowhere any more is not.
#[test]
fn a_server_that_goes_silent_while_it_is_read_is_given_up() {
    let home = Home::with_postgres(&[Build::Wheel16]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    sql(
        &elsewhere.address,
        "create table parts (x int) partition by range (x)",
    )
    .expect("written");
    let address = format!("{}?connect_timeout=2", elsewhere.address);
    // psql counts the rows of the one, and pg_dump locks the other.
    for table in ["t", "parts"] {
        let url = elsewhere.address.clone();
        let lock = format!("begin; lock table {table}; select pg_sleep(600)");
        let holder = thread::spawn(move || sql(&url, &lock));
        let waiting = "select count(*) from pg_stat_activity where query like 'begin; lock%' and wait_event = 'PgSleep'";
        eventually("it is locked", || {
            sql(&elsewhere.address, waiting).expect("asked") == "1"
        });
        let mut command = home.command(&["db", "import", "--replace", &address]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut import = command.spawn().expect("started");
        let mut lines = BufReader::new(import.stderr.take().expect("piped")).lines();
        let mut until = |text: &str| {
            lines
                .by_ref()
                .map_while(Result::ok)
                .any(|line| line.contains(text))
        };
        assert!(until("is still at work"), "{table}");
        let servers = identity::servers_of(&elsewhere.data).expect("listed");
        let all = |signal| {
            for process in &servers {
                let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
                // One that answered a question may have ended since.
                let _ = kill_process(pid.expect("a process"), signal);
            }
        };
        all(Signal::STOP);
        let is_given_up = until("error: no answer from 127.0.0.1:");
        let code = import.wait().expect("ended").code();
        all(Signal::CONT);
        assert!(is_given_up && code == Some(5), "{table}: {code:?}");
        assert!(home.in_amp("metadb.next").is_empty(), "{table}");
        let end = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'begin; lock%' and wait_event = 'PgSleep'";
        sql(&elsewhere.address, end).expect("ended");
        holder.join().expect("ended").expect_err("ended");
    }
}

#[test]
fn whoever_is_interrupted_leaves_nobody_at_the_source() {
    let home = Home::with_postgres(&[Build::Wheel16]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    // pg_dump locks it, and its rows are not counted.
    sql(
        &elsewhere.address,
        "create table parts (x int) partition by range (x)",
    )
    .expect("written");
    for (table, program, signal) in [("parts", "pg_dump", Signal::TERM), ("t", "psql", Signal::HUP)] {
        if !is_heard(signal.as_raw()) {
            continue;
        }
        let url = elsewhere.address.clone();
        let lock = format!("begin; lock table {table}; select pg_sleep(600)");
        let holder = thread::spawn(move || sql(&url, &lock));
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        let asleep =
            "select pid from pg_stat_activity where query like 'begin; lock%' and wait_event = 'PgSleep'";
        let mut pid = String::new();
        eventually("it is locked", || {
            pid = sql(&elsewhere.address, asleep).expect("asked");
            !pid.is_empty()
        });
        let import = home
            .command(&["db", "import", &elsewhere.address])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        eventually("somebody waits for the lock", || {
            sql(&elsewhere.address, waiting).expect("asked") == "1"
        });
        let there = readers(&elsewhere.address);
        assert!(there.iter().any(|words| words.contains(program)), "{there:?}");
        crate::postgres_law::signal(import.id(), signal);
        let output = import.wait_with_output().expect("ended");
        assert_eq!(output.status.code(), Some(128 + signal.as_raw()), "{output:?}");
        assert_eq!(readers(&elsewhere.address), Vec::<String>::new());
        sql(&elsewhere.address, &format!("select pg_terminate_backend({pid})")).expect("ended");
        holder.join().expect("ended").expect_err("ended");
    }
    assert!(home.in_amp("metadb.old-").is_empty());
    home.db(&["import", &elsewhere.address])
        .exits(0)
        .says("counted on both sides");
}
