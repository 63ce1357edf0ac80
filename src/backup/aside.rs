//! A cluster that was put aside, copied back: what was kept stays where it is.

use std::io;

use camino::Utf8Path;
use jiff::Timestamp;

use super::{
    BackupError, Header, SCHEMA,
    archive::{ClusterEntry, list, opened, place_of},
    failed,
};
use crate::{
    children::Interrupt,
    fs::directory::Directory,
    postgres::{
        ClusterError, OsUser, identity,
        observe::{
            decide::{Contents, OLD},
            files,
        },
        ownership::give_all,
        run::create,
    },
};

/// Says what the kept cluster is.
pub(super) fn header(kept: &Utf8Path) -> Result<Header, BackupError> {
    let Contents::Cluster { major } = files::look(kept).map_err(failed("read", kept))? else {
        return Err(BackupError::NotKept(kept.to_owned()));
    };
    let servers = identity::servers_of(kept).map_err(failed("read", kept))?;
    if let Some(process) = servers.first() {
        return Err(ClusterError::InUse {
            cluster: kept.to_owned(),
            holder: format!("process {}", process.pid),
        }
        .into());
    }
    let created = match put_aside(kept) {
        Some(time) => Ok(time),
        // Every server that ends writes it.
        None => fs_err::metadata(kept.join("global/pg_control"))
            .and_then(|found| found.modified())
            .map(|written| Timestamp::try_from(written).unwrap_or_default()),
    };
    let created = created.map_err(failed("read", kept))?;
    Ok(Header {
        schema: SCHEMA,
        major,
        created: created.to_string(),
        bytes: entries(kept)?.iter().filter_map(|entry| entry.size).sum(),
    })
}

/// The time in its name, at which it was put aside.
fn put_aside(kept: &Utf8Path) -> Option<Timestamp> {
    let time = kept.file_name()?.strip_prefix(OLD)?;
    time.get(..time.find('Z')? + 1)?.parse().ok()
}

/// Copies it into a directory that is not there yet. It is ours until it is whole: what root wrote into another user's
/// directory could land elsewhere. It is interrupted between two files, none of which is larger than a GiB.
pub(super) fn copy(
    kept: &Utf8Path,
    into: &Utf8Path,
    owner: Option<&OsUser>,
    interrupt: &Interrupt,
) -> Result<(), BackupError> {
    let from = Directory::open(kept).map_err(failed("read", kept))?;
    let top = Directory::make(into).map_err(failed("make", into))?;
    let write = |entry: &ClusterEntry| -> io::Result<()> {
        interrupt.ensure_not_ending()?;
        let (above, name) = place_of(&top, &entry.name)?;
        if entry.size.is_none() {
            return above.directory(name).map(drop);
        }
        let (source, target) = (opened(&from, &entry.name)?, above.file(name)?);
        // The system's own files: there the kernel copies.
        io::copy(&mut source.file(), &mut target.file()).map(drop)
    };
    let copied = entries(kept)?.iter().try_for_each(write);
    copied
        .and_then(|()| create::link_data(&top))
        .and_then(|()| give_all(&top, owner))
        .map_err(failed("restore into", into))
}

fn entries(kept: &Utf8Path) -> Result<Vec<ClusterEntry>, BackupError> {
    let mut entries = Vec::new();
    list(kept, Utf8Path::new(""), &mut entries)?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn the_time_of_what_was_put_aside_is_that_of_its_name() {
        let time = Some("2026-11-29T18:36:23Z");
        let rows = [
            ("/p/.amp/metadb.old-20261129T183623Z", time),
            ("/p/.amp/metadb.old-20261129T183623Z-2", time),
            ("/p/.amp/metadb.old-20261129T183623Z-unfinished", time),
            ("/p/.amp/metadb.old-20269999T183623Z", None),
            ("/p/.amp/metadb.old-mine", None),
            ("/p/.amp/metadb", None),
        ];
        every(rows, |(path, time)| {
            let told = put_aside(path.into()).map(|time| time.to_string());
            assert_eq!(told.as_deref(), time);
        });
    }
}
