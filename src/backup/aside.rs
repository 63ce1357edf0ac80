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
        observe::{decide::Contents, files},
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
    // Every server that ends writes it.
    let written = fs_err::metadata(kept.join("global/pg_control")).and_then(|found| found.modified());
    let written = written.map_err(failed("read", kept))?;
    Ok(Header {
        schema: SCHEMA,
        major,
        created: Timestamp::try_from(written).map_or_else(|_| String::new(), |time| time.to_string()),
        bytes: entries(kept)?.iter().filter_map(|entry| entry.size).sum(),
    })
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
