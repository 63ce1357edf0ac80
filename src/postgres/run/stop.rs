//! Stopping: a fast shutdown, which loses nothing, and timeout.
//!
//! (<https://www.postgresql.org/docs/current/server-shutdown.html>: SIGTERM would wait for clients for ever, SIGINT ends
//! their transactions and flushes, SIGQUIT leaves recovery to the next start, and SIGKILL leaves shared memory too.)

use std::{
    process::Child,
    thread,
    time::{Duration, Instant},
};

use crate::{
    event::{Event, Reporter},
    fs::{lock, lock::Lock},
    postgres::{
        context::ClusterContext,
        error::ClusterError,
        identity::{self, Process, Role, Signal, postmaster, suspended},
        observe::{decide::SocketAnswer, observation::observe, purpose::is_of_ampup},
        run::{
            log::Log,
            wait::{Wait, WaitStep},
        },
    },
};

/// A shutdown that changes nothing for so long is given up on, not ended: it may be flushing to a slow disk.
const STANDSTILL: Duration = Duration::from_secs(60);
/// The time that a forced stop waits between its signals.
const FORCED: Duration = Duration::from_secs(5);
/// For so long a server is seen to do nothing before it counts as forgotten by its postmaster.
const FORGOTTEN: Duration = Duration::from_secs(3);

/// For so long somebody may be about to start one.
const BEGINNING: Duration = Duration::from_secs(3);

/// The choice whether a server that does not stop is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Never.
    No,
    /// First it is asked to drop everything (SIGQUIT), then it is killed. What was committed is recovered by the next
    /// start.
    Yes,
}

/// The result of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stopped {
    /// The server has ended, with all its processes.
    Stopped {
        /// Its process.
        pid: u32,
    },
    /// There was none.
    WasNotRunning,
}

/// Stops a cluster's server, whoever started it and whoever uses it. `child` is the server's process if it is a child of
/// ours, which must be waited for.
pub(crate) fn stop(
    cluster: &ClusterContext,
    force: Force,
    mut child: Option<Child>,
    reporter: &dyn Reporter,
) -> Result<Stopped, ClusterError> {
    let began = Instant::now();
    let processes = loop {
        let processes = servers(cluster)?;
        if !processes.is_empty() {
            break processes;
        }
        match ensure_nowhere_else(cluster) {
            Ok(()) => return Ok(Stopped::WasNotRunning),
            // Whoever starts one has its lock before there is a process to see.
            Err(_) if began.elapsed() < BEGINNING => thread::sleep(Duration::from_millis(50)),
            Err(out_of_reach) => return Err(out_of_reach),
        }
    };
    let server = postmaster(&processes).unwrap_or(&processes[0]);
    let pid = server.pid;
    let signals: &[_] = match force {
        Force::No => &[Signal::INT],
        Force::Yes => &[Signal::INT, Signal::QUIT, Signal::KILL],
    };
    let mut is_told = false;
    for (step, signal) in signals.iter().enumerate() {
        send(cluster, *signal)?;
        let is_last = step + 1 == signals.len();
        let timeout = if force == Force::Yes { FORCED } else { STANDSTILL };
        match until_ended(cluster, timeout, child.as_mut(), &mut is_told, reporter) {
            Err(ClusterError::Stuck { .. } | ClusterError::Suspended { .. }) if !is_last => {}
            answer => return answer.map(|()| Stopped::Stopped { pid }),
        }
    }
    Ok(Stopped::Stopped { pid })
}

/// The processes of a server, or what is left of one. A PostgreSQL that works alone is none: it is somebody's initdb.
fn servers(cluster: &ClusterContext) -> Result<Vec<Process>, ClusterError> {
    let mut processes = cluster.servers()?;
    processes.retain(|process| process.role != Role::Single);
    Ok(processes)
}

/// Signals the server; a kill goes to all its processes, because those that outlive it keep its memory.
fn send(cluster: &ClusterContext, signal: Signal) -> Result<(), ClusterError> {
    let processes = servers(cluster)?;
    let targets: Vec<_> = match signal {
        Signal::KILL => processes.iter().collect(),
        _ => postmaster(&processes).into_iter().collect(),
    };
    for target in targets {
        identity::signal(&cluster.directory, target, signal)
            .map_err(cluster.failed("signal the server of"))?;
    }
    Ok(())
}

fn until_ended(
    cluster: &ClusterContext,
    standstill: Duration,
    mut child: Option<&mut Child>,
    is_told: &mut bool,
    reporter: &dyn Reporter,
) -> Result<(), ClusterError> {
    let log = Log::of(&cluster.project);
    let mut wait = Wait::begin();
    let mut is_dropped = false;
    loop {
        if let Some(child) = &mut child {
            // A child that nobody waits for stays in the process table.
            let _ = child.try_wait();
        }
        let left = servers(cluster)?;
        if left.is_empty() {
            if let Some(child) = child {
                reap(child);
            }
            return Ok(());
        }
        is_dropped = is_dropped || end_if_forgotten(cluster, reporter)?;
        let suspended = suspended(&left);
        // What its processes do meanwhile is no progress.
        let mark = match suspended {
            Some(_) => (Vec::new(), 0),
            None => (left, log.length()),
        };
        match wait.pause(mark, standstill) {
            WaitStep::LookAgain => {}
            // Once, whatever signals follow.
            WaitStep::Tell if *is_told => {}
            WaitStep::Tell => {
                *is_told = true;
                reporter.report(Event::Note(match suspended {
                    Some(pid) => format!(
                        "the server of the project's database (process {pid}) is suspended: it ends once it is resumed \
                         (`kill -CONT {pid}`)"
                    ),
                    None => "waiting for the database to stop".to_owned(),
                }));
            }
            WaitStep::GiveUp => {
                if let Some(pid) = suspended {
                    return Err(ClusterError::Suspended {
                        cluster: cluster.directory.clone(),
                        pid,
                    });
                }
                return Err(log.stuck(
                    "the server was asked to stop and has not ended".to_owned(),
                    standstill,
                    is_of_ampup(cluster)?,
                ));
            }
        }
    }
}

/// Ends a server that was asked to stop, and whose last processes wait for a word that their postmaster will not say.
///
/// PostgreSQL does so (18.4, and by its source others too) when it is asked while it recovers from the crash of one of
/// its own processes, for example where the disk of `pg_wal` is full: its startup process ends as told, and the
/// postmaster believes that it told the others before the crash. SIGQUIT is not SIGKILL: it takes its memory and its
/// children along, and what was committed is in the write-ahead log, from which it was recovering anyway. Gives whether
/// it was sent.
pub(crate) fn end_if_forgotten(
    cluster: &ClusterContext,
    reporter: &dyn Reporter,
) -> Result<bool, ClusterError> {
    let processes = servers(cluster)?;
    let pids = |processes: &[Process]| processes.iter().map(|process| process.pid).collect::<Vec<_>>();
    let began = Instant::now();
    let mut now = processes.clone();
    while identity::is_forgotten(&now) && pids(&now) == pids(&processes) {
        if began.elapsed() >= FORGOTTEN {
            reporter.report(Event::Note(
                "the server hangs in its shutdown after a crash and is told to drop everything; the next start recovers \
                 what was committed"
                    .to_owned(),
            ));
            return send(cluster, Signal::QUIT).map(|()| true);
        }
        thread::sleep(Duration::from_millis(20));
        now = servers(cluster)?;
    }
    Ok(false)
}

/// Fails if a server is there that we cannot see.
fn ensure_nowhere_else(cluster: &ClusterContext) -> Result<(), ClusterError> {
    let path = cluster.project.lock();
    if path.symlink_metadata().is_err() && cluster.directory.symlink_metadata().is_err() {
        return Ok(());
    }
    let is_answering = observe(cluster, false)?.seen.answer != SocketAnswer::Nobody;
    let is_held = path.symlink_metadata().is_ok() && Lock::try_acquire(&path)?.is_none();
    if is_answering || is_held && servers(cluster)?.is_empty() {
        return Err(ClusterError::OutOfReach {
            cluster: cluster.directory.clone(),
            holder: lock::holder(&path),
        });
    }
    Ok(())
}

/// A child that has ended stays in the process table until somebody asks for it. That it is in no cluster any more comes a
/// moment earlier.
fn reap(child: &mut Child) {
    for _ in 0..100 {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
}
