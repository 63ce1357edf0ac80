//! Power cuts under a project's database: every row that was acknowledged is there. Law 7 of its data safety.
//!
//! The project lies on an ext4 image (the *disk*) whose file lies on another one (the *tray*), each on a loop device. A cut is
//! `EXT4_IOC_SHUTDOWN` with NOLOGFLUSH on the tray: from that moment nothing reaches its image, and whatever its page cache
//! holds is dropped, as is the transaction that its journal is in. So what the disk wrote and did not flush is lost as in a
//! drive's own volatile cache; part of it was written back before, in no particular order, as drives do. What the disk's own
//! file system never wrote is lost with the processes. Then both are mounted again, each from its journal. A copy of the
//! image of a live file system would be torn, and fsfreeze would flush it; this is neither.
//!
//! It needs root, loop devices, mkfs.ext4 and perl, and is skipped with a word elsewhere. `just power-cut` runs it whole.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant, SystemTime},
};

use camino::Utf8PathBuf;
use fs_err as fs;

use super::whole;
use crate::support::{
    home::Run,
    postgres::{World, run_as, sql},
    programs,
    served::{Served, ampup_in, run_in},
};

/// The number of clients that write at once.
const CLIENTS: u64 = 3;

/// A disk in a tray.
struct Disk {
    world: World,
    is_mounted: bool,
}

impl Disk {
    /// `None` where this machine does not let us.
    fn new() -> Option<Self> {
        let mut disk = Self {
            world: World::new(),
            is_mounted: false,
        };
        for at in [disk.tray(), disk.at()] {
            fs::create_dir(at).expect("made");
        }
        let tray = disk.world.path().join("tray.image");
        let made = run(&["truncate", "-s", "700M", tray.as_str()])
            && run(&["mkfs.ext4", "-q", "-F", tray.as_str()])
            && run(&["mount", "-o", "loop", tray.as_str(), disk.tray().as_str()]);
        if !made {
            return None;
        }
        disk.is_mounted = true;
        // Written whole, so that a write into it changes no metadata of the tray.
        let image = disk.image();
        let zeros = format!("of={image}");
        assert!(run(&[
            "dd",
            "if=/dev/zero",
            &zeros,
            "bs=1M",
            "count=500",
            "conv=fsync"
        ]));
        assert!(run(&["mkfs.ext4", "-q", "-F", image.as_str()]));
        assert!(run(&["mount", "-o", "loop", image.as_str(), disk.at().as_str()]));
        Some(disk)
    }

    fn tray(&self) -> Utf8PathBuf {
        self.world.path().join("tray")
    }

    fn image(&self) -> Utf8PathBuf {
        self.tray().join("disk.image")
    }

    fn at(&self) -> Utf8PathBuf {
        self.world.path().join("disk")
    }

    /// A directory for a project, which outlives any cut from here on.
    fn directory(&self, name: &str) -> Utf8PathBuf {
        let directory = self.at().join(name);
        fs::create_dir(&directory).expect("made");
        if let Some(user) = run_as() {
            fs_err::os::unix::fs::chown(&directory, Some(user.uid), Some(user.gid)).expect("given away");
        }
        assert!(run(&["sync", "-f", directory.as_str()]));
        directory
    }

    /// The power goes, and with it every process.
    fn cut(&mut self) {
        let shutdown = "use Fcntl; my $how = pack('L', 2); sysopen(my $tray, $ARGV[0], O_RDONLY) or die $!; \
                        ioctl($tray, 0x8004587d, $how) or die $!";
        assert!(run(&["perl", "-e", shutdown, self.tray().as_str()]));
        self.end_processes();
        self.unmount();
    }

    fn back(&mut self) {
        let tray = self.world.path().join("tray.image");
        assert!(run(&["mount", "-o", "loop", tray.as_str(), self.tray().as_str()]));
        assert!(run(&[
            "mount",
            "-o",
            "loop",
            self.image().as_str(),
            self.at().as_str()
        ]));
        self.is_mounted = true;
    }

    /// Kills whoever works on the disk.
    fn end_processes(&self) {
        let disk = self.at();
        for entry in fs::read_dir("/proc").expect("listed").flatten() {
            let works_here = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&disk));
            if works_here && let Some(pid) = entry.file_name().to_str() {
                run(&["kill", "-KILL", pid]);
            }
        }
    }

    fn unmount(&mut self) {
        for at in [self.at(), self.tray()] {
            let began = Instant::now();
            while !run(&["umount", at.as_str()]) {
                assert!(began.elapsed() < Duration::from_secs(30), "`{at}` is in use");
                self.end_processes();
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.is_mounted = false;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            self.end_processes();
            thread::sleep(Duration::from_millis(100));
            for at in [self.at(), self.tray()] {
                run(&["umount", "-l", at.as_str()]);
            }
        }
    }
}

fn run(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command.output().is_ok_and(|output| output.status.success())
}

/// The work that is going on when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum During {
    Writing,
    Stopping,
    Making,
}

/// A project on the disk, and what its clients were told.
struct Project<'a> {
    served: &'a Served,
    directory: Utf8PathBuf,
    acknowledged: [AtomicU64; CLIENTS as usize],
}

impl Project<'_> {
    fn ampup(&self, arguments: &[&str]) -> Run {
        run_in(self.served, &self.directory, arguments)
    }

    fn url(&self) -> String {
        self.ampup(&["db", "url"]).exits(0).stdout.trim().to_owned()
    }

    /// Writes rows, each in a transaction of its own, until it is refused.
    fn write(&self, client: u64, url: &str, is_over: &AtomicBool) {
        let acknowledged = &self.acknowledged[usize::try_from(client).expect("small")];
        while !is_over.load(Ordering::Relaxed) {
            let next = acknowledged.load(Ordering::Relaxed);
            let row = format!("insert into t values ({client}, {next}, repeat('{next} ', 50))");
            if sql(url, &row).is_err() {
                return;
            }
            acknowledged.store(next + 1, Ordering::Relaxed);
        }
    }

    /// The number of rows that were acknowledged and are not there.
    fn lost(&self) -> u64 {
        let url = self.url();
        let count = |client: u64, acknowledged: &AtomicU64| {
            let all = acknowledged.load(Ordering::Relaxed);
            let there = format!("select count(distinct n) from t where client = {client} and n < {all}");
            all - sql(&url, &there).map_or(0, |rows| rows.parse().unwrap_or(0))
        };
        (0..CLIENTS)
            .zip(&self.acknowledged)
            .map(|(client, acknowledged)| count(client, acknowledged))
            .sum()
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged
            .iter()
            .map(|client| client.load(Ordering::Relaxed))
            .sum()
    }
}

const TABLE: &str = "create table if not exists t (client int, n int, text text)";

/// Starts the project's database on the disk, cuts the power in the midst of something, and gives how many rows were
/// acknowledged and how many of them are lost after. `moment`: when, from 0 to 1.
fn cut(disk: &mut Disk, project: &Project<'_>, during: During, ephemeral: bool, moment: f64) -> (u64, u64) {
    let start: &[&str] = if ephemeral {
        &["db", "start", "--ephemeral"]
    } else {
        &["db", "start"]
    };
    let is_over = AtomicBool::new(false);
    if during == During::Making {
        // From nothing to the third row.
        let line = "psql -Xqc \"$0\" \"$AMP_CONFIG_METADATA_DB__URL\" && for n in 0 1 2; do \
                    psql -Xqc \"insert into t values (0, $n)\" \"$AMP_CONFIG_METADATA_DB__URL\" && echo $n; done; sleep 60";
        let mut command = ampup_in(
            project.served,
            &project.directory,
            &["run", "sh", "-c", line, TABLE],
        );
        let rows_file = disk.world.path().join("told");
        command
            .stdout(fs::File::create(&rows_file).expect("made").into_parts().0)
            .stderr(Stdio::null());
        let mut making: Child = command.process_group(0).spawn().expect("started");
        let rows = || fs::read_to_string(&rows_file).expect("read").lines().count();
        // Somewhere within its making, or at once after one of the rows.
        let began = Instant::now();
        match (moment * 5.0) as usize {
            0 | 1 => thread::sleep(Duration::from_secs_f64(5.0 * moment)),
            row => while rows() < row - 1 && began.elapsed() < Duration::from_secs(60) {},
        }
        disk.cut();
        let _ = making.wait();
        let rows = rows();
        project.acknowledged[0].store(u64::try_from(rows).expect("three"), Ordering::Relaxed);
    } else {
        project.ampup(start).exits(0);
        let url = project.url();
        sql(&url, TABLE).expect("made");
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (url, is_over) = (&url, &is_over);
                scope.spawn(move || project.write(client, url, is_over));
            }
            thread::sleep(Duration::from_secs_f64(0.3 + 2.0 * moment));
            let mut stop = ampup_in(project.served, &project.directory, &["db", "stop", "--yes"]);
            stop.stderr(Stdio::null());
            let stopping = (during == During::Stopping).then(|| {
                let stopping = stop.spawn().expect("started");
                thread::sleep(Duration::from_secs_f64(0.1 * moment));
                stopping
            });
            disk.cut();
            is_over.store(true, Ordering::Relaxed);
            if let Some(mut stopping) = stopping {
                let _ = stopping.wait();
            }
        });
    }
    disk.back();
    let started = project.ampup(start);
    if project.acknowledged() == 0 {
        started.exits(0);
        return (0, 0);
    }
    let all = project.acknowledged();
    let lost = if started.code == 0 { project.lost() } else { all };
    if !ephemeral {
        assert_eq!(started.code, 0, "{during:?} {moment}: {started:?}");
    }
    project.ampup(&["db", "stop", "--force"]);
    (all, lost)
}

/// Numbers that nobody chose, from 0 to 1.
fn moments() -> impl FnMut() -> f64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    let mut state = u64::from(now.subsec_nanos()) | 1;
    move || {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        #[expect(clippy::cast_precision_loss, reason = "a moment needs none")]
        let moment = (state >> 11) as f64 / (1_u64 << 53) as f64;
        moment
    }
}

#[test]
fn no_acknowledged_row_is_lost_in_a_power_cut() {
    let Some(mut disk) = Disk::new() else {
        return programs::skip("no mkfs.ext4 or loop devices, or we are not root");
    };
    let served = Served::new();
    let cuts = if whole() { 20 } else { 1 };
    let mut moment = moments();
    let long = project(&served, disk.directory("long"));
    let (mut all, mut wrong) = (0, Vec::new());
    for number in 0..cuts {
        let during = match number % 5 {
            3 => During::Stopping,
            4 => During::Making,
            _ => During::Writing,
        };
        let new;
        let project = if during == During::Making {
            new = project(&served, disk.directory(&format!("new-{number}")));
            &new
        } else {
            &long
        };
        let moment = moment();
        let (acknowledged, lost) = cut(&mut disk, project, during, false, moment);
        report(&format!(
            "cut {number} while {during:?} at {moment:.3}: {acknowledged} rows acknowledged so far, {lost} lost"
        ));
        if lost > 0 {
            wrong.push((number, during, moment, lost));
        }
        if during == During::Making {
            fs::remove_dir_all(&project.directory).expect("removed");
        } else {
            all = acknowledged;
        }
    }
    report(&format!(
        "{cuts} cuts, {all} rows and those of new clusters, {} wrong",
        wrong.len()
    ));
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Cuts are cuts: a database which does not flush loses rows by them.
#[test]
fn an_ephemeral_database_does_lose_rows_in_a_power_cut() {
    let Some(mut disk) = Disk::new() else {
        return programs::skip("no mkfs.ext4 or loop devices, or we are not root");
    };
    let served = Served::new();
    let project = project(&served, disk.directory("work"));
    let (all, lost) = cut(&mut disk, &project, During::Writing, true, 0.5);
    report(&format!("ephemeral: {all} rows acknowledged, {lost} lost"));
    assert!(lost > 0, "of {all} rows none was lost: nothing was cut");
}

fn project(served: &Served, directory: Utf8PathBuf) -> Project<'_> {
    Project {
        served,
        directory,
        acknowledged: Default::default(),
    }
}

#[expect(clippy::print_stderr, reason = "docs/torture.md is written from it")]
fn report(what: &str) {
    eprintln!("torture: power cut, database: {what}");
}
