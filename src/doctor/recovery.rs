//! The recovery that the start of a stopped cluster's server begins with: is there what it would begin from?

use camino::Utf8Path;

use super::Finding;
use crate::{fs::atomic, postgres::observe::files};

/// More is not read of any of the files here.
const LIMIT: u64 = 64 << 10;
/// The length of a segment's name: a timeline and two halves of a number, eight hexadecimal digits each.
const NAME: usize = 24;
/// The length of a segment, where there is none to measure.
const USUAL: u64 = 16 << 20;

/// Looks for what would keep the server from recovering, or from taking writes after it.
pub(crate) fn finding(cluster: &Utf8Path, restore_command: impl FnOnce() -> String) -> Option<Finding> {
    let is_there = |name: &str| cluster.join(name).symlink_metadata().is_ok();
    if is_there("standby.signal") {
        return Some(Finding::problem(
            "database",
            format!(
                "`{}` makes its server a standby, which takes no writes",
                cluster.join("standby.signal")
            ),
            "`ampup db psql -c 'select pg_promote()'` makes it a server of its own",
        ));
    }
    if is_there("recovery.signal") {
        let signal = cluster.join("recovery.signal");
        return restore_command().trim().is_empty().then(|| {
            Finding::problem(
                "database",
                format!("`{signal}` asks for a recovery from an archive, and no `restore_command` is set"),
                format!("set it in `postgresql.conf`, or `mv {signal} {signal}.old`"),
            )
        });
    }
    let log = cluster.join("pg_wal");
    let (segment, by) = match atomic::read_beginning(&cluster.join("backup_label"), LIMIT) {
        Ok(label) => (named(&String::from_utf8_lossy(&label))?, "`backup_label`"),
        Err(_) => {
            let control = atomic::read_beginning(&cluster.join("global/pg_control"), LIMIT).ok()?;
            (first(&control, length(&log)?)?, "`pg_control`")
        }
    };
    let is_gone = log.read_dir_utf8().is_ok() && !log.join(&segment).exists();
    is_gone.then(|| {
        Finding::problem(
            "database",
            format!("`{log}` lacks `{segment}`, from which its server would recover, as {by} says"),
            files::BRINGS_BACK,
        )
    })
}

/// The segment that a backup's label names: `START WAL LOCATION: 0/2000028 (file 000000010000000000000002)`.
fn named(label: &str) -> Option<String> {
    let (_, rest) = label
        .lines()
        .find(|line| line.starts_with("START WAL LOCATION:"))?
        .split_once("(file ")?;
    let segment = rest.strip_suffix(')')?;
    is_segment(segment).then(|| segment.to_owned())
}

/// The segment with the place where recovery begins, as `pg_control` has it (`ControlFileData` and `CheckPoint` in PostgreSQL's
/// `pg_control.h`, which begin alike in every version that is in use).
fn first(control: &[u8], length: u64) -> Option<String> {
    let redo = u64::from_ne_bytes(control.get(40..48)?.try_into().ok()?);
    let timeline = u32::from_ne_bytes(control.get(48..52)?.try_into().ok()?);
    // Neither is 0 in a file that is whole; one that is not is told by PostgreSQL.
    if redo == 0 || timeline == 0 {
        return None;
    }
    let (number, in_half) = (redo / length, (1 << 32) / length);
    Some(format!(
        "{timeline:08X}{:08X}{:08X}",
        number / in_half,
        number % in_half
    ))
}

/// The length of a segment of this log; `None` where the log cannot be read, or has files of other lengths.
fn length(log: &Utf8Path) -> Option<u64> {
    let mut lengths: Vec<u64> = log
        .read_dir_utf8()
        .ok()?
        .flatten()
        .filter(|entry| is_segment(entry.file_name()))
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    match lengths[..] {
        [] => Some(USUAL),
        [length] if length.is_power_of_two() && ((1 << 20)..=(1 << 30)).contains(&length) => Some(length),
        _ => None,
    }
}

fn is_segment(name: &str) -> bool {
    name.len() == NAME && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_named_by_its_timeline_and_its_number() {
        let mut control = [0; 64];
        control[40..48].copy_from_slice(&0x3_1234_5678u64.to_ne_bytes());
        control[48..52].copy_from_slice(&2u32.to_ne_bytes());
        let name = first(&control, USUAL);
        assert_eq!(name.as_deref(), Some("000000020000000300000012"));
        assert_eq!(
            [first(&control[..40], USUAL), first(&[0; 64], USUAL)],
            [None, None]
        );
        let label =
            "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n";
        assert_eq!(named(label).as_deref(), Some("000000010000000000000002"));
        assert_eq!(named("START WAL LOCATION: (file ../../etc/passwd)"), None);
    }
}
