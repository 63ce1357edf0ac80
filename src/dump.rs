//! Moving rows from one server to another with PostgreSQL's own programs, and proving that all came: one program's output
//! goes straight into the next one's input, and the rows of every table are counted on both sides.

mod clients;
mod error;
mod patience;
pub(crate) mod server_settings;

use std::{
    io::{self, BufRead as _, BufReader, BufWriter, Read, Write},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

pub use self::{
    clients::{Clients, Side, Version, Wanted, version_of},
    error::DumpError,
};
pub(crate) use self::{
    clients::{Running, version},
    error::PRIVILEGES,
    patience::{DumpFile, Heard, Patience, Pulse},
};

use crate::{
    children::Interrupt,
    postgres::observe::sql_session::{self, Answer, SqlSession, WireError},
};

/// The rows of every table: lines of `schema.table|count`, sorted.
pub type Counts = Vec<String>;

/// Asks for a statement for each table that is not PostgreSQL's own, which counts its rows. Its answer is one line.
pub(crate) const COUNT: &str = "select format('select %L, count(*) from only %I.%I', \
    pg_catalog.translate(n.nspname || '.' || c.relname, E'\\n', ' '), n.nspname, c.relname) \
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema') \
    and n.nspname !~ '^pg_toast' and not exists (select from pg_catalog.pg_depend d where d.objid = c.oid and d.deptype = 'e')";

/// The largest table is counted in less.
const A_DAY: Duration = Duration::from_secs(86_400);

/// Counts every row of a database of a server of ours, in a session of our own.
///
/// # Errors
/// When the server refuses, or ends.
pub fn count(server: &Side, database: &str) -> Result<Counts, DumpError> {
    let count = || {
        let mut session = session_in(database, server)?;
        let mut lines = Counts::new();
        for statement in session.query(COUNT)?.into_iter().flatten().flatten() {
            let rows = session.query(&statement)?;
            let texts = rows
                .into_iter()
                .map(|row| row.into_iter().flatten().collect::<Vec<_>>().join("|"));
            lines.extend(texts);
        }
        lines.sort();
        Ok(lines)
    };
    count().map_err(|source| DumpError::Uncounted {
        database: database.to_owned(),
        source,
    })
}

/// A session of our own in a database of a server of ours.
pub(crate) fn session_in(database: &str, server: &Side) -> Result<SqlSession, WireError> {
    let Side::Socket { socket, user } = server else {
        return Err(io::Error::from(io::ErrorKind::Unsupported).into());
    };
    match sql_session::connect_to(database, socket, user, A_DAY) {
        Answer::Ready(session) => Ok(session),
        Answer::Refused { code, message } => Err(WireError::Refused { code, message }),
        Answer::NotYet(message) => Err(io::Error::other(message).into()),
        Answer::Nobody => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
    }
}

/// Ensures that both sides have the same rows.
///
/// # Errors
/// With the first table that differs.
pub fn compare(database: &str, from: &Counts, to: &Counts) -> Result<(), DumpError> {
    if from == to {
        return Ok(());
    }
    let lost = from.iter().find(|line| !to.contains(line));
    let found = to.iter().find(|line| !from.contains(line));
    Err(DumpError::RowsDiffer {
        database: database.to_owned(),
        expected: lost.cloned().unwrap_or_default(),
        found: found.cloned().unwrap_or_default(),
    })
}

/// Rows of all tables together.
pub fn total(counts: &Counts) -> u64 {
    counts
        .iter()
        .filter_map(|line| line.rsplit('|').next()?.parse::<u64>().ok())
        .sum()
}

/// Where SQL comes from.
pub(crate) enum From<'a> {
    /// A program's stdout.
    Program(Command),
    /// The same, of a program that asks a server of somebody else's.
    Elsewhere(Command, Patience<'a>),
    /// The same, of a program that reads a dump.
    Archive(Command, DumpFile),
    /// A file.
    File(fs_err::File),
}

/// Pipes SQL into a program, line by line as `edit` says, until that has seen enough.
pub(crate) fn pipe(
    from: From<'_>,
    mut into: Command,
    edit: &mut dyn FnMut(&[u8]) -> Edit,
    interrupt: &Interrupt,
) -> Result<(), DumpError> {
    into.stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let failed = |program: &str| {
        let program = program.to_owned();
        move |source| DumpError::Spawn { program, source }
    };
    // First: without input it ends by itself.
    let mut loader = Running::start(into, interrupt)?;
    let loader_said = listen(&mut loader)?;
    let (command, patience, dump, file) = match from {
        From::Program(command) => (Some(command), None, None, None),
        From::Elsewhere(command, patience) => (Some(command), Some(patience), None, None),
        From::Archive(command, dump) => (Some(command), None, Some(dump), None),
        From::File(file) => (None, None, None, Some(file)),
    };
    let mut giver = command
        .map(|mut command| {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            Running::start(command, interrupt)
        })
        .transpose()?;
    let giver_said = giver.as_mut().map(listen).transpose()?;
    let stdin = loader.child.stdin.take().expect("it is piped");
    let mut stdin = BufWriter::with_capacity(BUFFER, stdin);
    let said = giver.as_mut().and_then(|giver| giver.child.stdout.take());
    let over = match (said, file, &giver) {
        (Some(said), _, Some(giver)) => {
            let work = |pulse: &Pulse| edited(Heard { said, pulse }, &mut stdin, edit);
            match (patience, &dump) {
                (Some(patience), _) => patience.over(&giver.enlisted, work),
                (None, Some(dump)) => dump.over(&giver.enlisted, work),
                (None, None) => Ok(work(&Pulse::begin())),
            }
        }
        (_, Some(file), _) => Ok(edited(file, &mut stdin, edit)),
        (_, None, _) => unreachable!("a program's output is piped"),
    };
    let (piped, silent) = match over {
        Ok(piped) => (piped, None),
        Err(silent) => (Err(io::ErrorKind::TimedOut.into()), Some(silent)),
    };
    // The end of its input is the end of its work, and only if all came: what is cut off must not be committed.
    let is_whole = match (&piped, &mut giver) {
        (Ok(()), Some(giver)) => {
            let status = giver.child.wait().map_err(failed(&giver.program))?;
            status.success().then_some(()).ok_or(Some(status))
        }
        (Ok(()), None) => Ok(()),
        (Err(_), _) => Err(None),
    };
    if is_whole.is_err() {
        loader.enlisted.end();
    }
    drop(stdin.into_parts());
    let status = loader.child.wait().map_err(failed(&loader.program))?;
    if let Some(silent) = silent {
        let _ = giver.map(|mut giver| giver.child.wait());
        return Err(silent);
    }
    let loader_said = loader_said.join().unwrap_or_default();
    let loader = loader.program;
    if let Some(mut giver) = giver {
        if let Err(None) = is_whole {
            giver.enlisted.end();
            let _ = giver.child.wait();
        }
        let said = giver_said.and_then(|said| said.join().ok()).unwrap_or_default();
        if let Err(Some(status)) = is_whole {
            return Err(match patience {
                Some(patience) => patience.failed(giver.program, status, &said),
                None => DumpError::failed(giver.program, status, &said),
            });
        }
    }
    if !status.success() && (piped.is_ok() || !loader_said.trim().is_empty()) {
        return Err(DumpError::failed(loader, status, &loader_said));
    }
    piped.map_err(failed(&loader))
}

/// Writes a text as it is edited.
fn edited(text: impl Read, to: &mut impl Write, edit: &mut dyn FnMut(&[u8]) -> Edit) -> io::Result<()> {
    let mut content = BufReader::with_capacity(BUFFER, text);
    let mut line = Vec::new();
    loop {
        line.clear();
        if content.read_until(b'\n', &mut line)? == 0 {
            return to.flush();
        }
        match edit(&line) {
            Edit::Keep => to.write_all(&line)?,
            Edit::Drop => {}
            Edit::Replace(other) => to.write_all(other.as_bytes())?,
            Edit::KeepRest => {
                to.write_all(&line)?;
                io::copy(&mut content, to)?;
                return to.flush();
            }
        }
    }
}

const BUFFER: usize = 1 << 17;

/// The fate of a line in a pipe.
pub(crate) enum Edit {
    /// It goes on.
    Keep,
    /// It does not.
    Drop,
    /// This goes on in its place.
    Replace(String),
    /// It goes on, and so does all after it.
    KeepRest,
}

/// Reads what a program complains of meanwhile. Where no thread can be had for that, the program is ended.
fn listen(running: &mut Running) -> Result<thread::JoinHandle<String>, DumpError> {
    let stderr = running.child.stderr.take();
    let listener = move || {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            // A program that complains of each row must not fill the memory.
            let mut stderr = stderr.take(1 << 20);
            let _ = stderr.read_to_end(&mut said);
            let _ = io::copy(&mut stderr.into_inner(), &mut io::sink());
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    thread::Builder::new().spawn(listener).map_err(|source| {
        running.enlisted.end();
        let _ = running.child.wait();
        DumpError::Spawn {
            program: running.program.clone(),
            source,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As pg_dumpall starts pg_dump.
    #[cfg(target_os = "linux")]
    #[test]
    fn whoever_is_not_listened_to_ends_with_what_it_started() {
        let world = tempfile::tempdir().expect("a directory");
        let started = world.path().join("started");
        let mut giver = Command::new("/bin/sh");
        giver
            .args([
                "-c",
                "sleep 600 >/dev/null 2>&1 & echo $! >\"$1\"; exec yes",
                "sh",
            ])
            .arg(&started);
        let edit = &mut |_: &[u8]| Edit::KeepRest;
        pipe(
            From::Program(giver),
            Command::new("true"),
            edit,
            &Interrupt::default(),
        )
        .expect_err("nobody reads it");
        let pid = fs_err::read_to_string(&started).expect("written down");
        // Whoever inherits it may take a moment to wait for it.
        let is_there = || {
            let stat = fs_err::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        let began = std::time::Instant::now();
        while is_there() && began.elapsed().as_secs() < 10 {
            thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(!is_there(), "process {pid} lives");
    }

    #[test]
    fn a_table_with_fewer_rows_is_named() {
        let counts = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Counts>();
        let (from, to) = (counts(&["a.b|7", "a.c|1"]), counts(&["a.b|6", "a.c|1"]));
        assert!(compare("x", &from, &from).is_ok());
        let differ = compare("x", &from, &to)
            .expect_err("one row is missing")
            .to_string();
        assert!(differ.contains("a.b|7") && differ.contains("a.b|6"), "{differ}");
        assert_eq!(total(&from), 8);
    }
}
