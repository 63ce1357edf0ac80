//! A wheel that carries an archive: a zip with exactly one. Its other entries are judged as well, and not taken out.

use std::{fs::File, io};

use super::{
    UnpackError,
    census::{Census, Step},
    fault::{Failure, Fault},
    limits::Limits,
    pipe::Content,
    rules::judge,
    zip,
};
use crate::{domain::Format, verify::Verified};

/// Copies the one archive of a wheel into a file.
///
/// # Errors
/// `InvalidData` when the wheel breaks a rule or holds no archive or two; else those of reading and writing.
pub fn open_wheel(wheel: &Verified, into: &mut File) -> io::Result<()> {
    copy(wheel, into).map_err(|failure| match UnpackError::new(wheel, failure) {
        UnpackError::Refused { source, .. } => io::Error::new(io::ErrorKind::InvalidData, source),
        UnpackError::Read { source, .. } | UnpackError::Write { source, .. } => source,
        UnpackError::NoRoom { source, .. } => io::Error::new(io::ErrorKind::StorageFull, source),
    })
}

fn copy(wheel: &Verified, into: &mut File) -> Result<(), Failure> {
    let mut census = Census::new(Limits::new(wheel.size(), None), None, None);
    let mut found = false;
    zip::read(
        wheel.file(),
        wheel.size(),
        &mut |claim, content: &mut Content<'_>| {
            let admitted = judge(claim).and_then(|entry| census.admit(&entry));
            let step = admitted.map_err(|fault| fault.of(claim.name))?;
            let is_archive = std::str::from_utf8(claim.name).is_ok_and(Format::is_archive);
            if !matches!(step, Step::File { .. }) || !is_archive {
                return Ok(());
            }
            if std::mem::replace(&mut found, true) {
                return Err(Fault::ArchivesInWheel("more").into());
            }
            copy_to_end(content, into)
        },
    )?;
    if !found {
        return Err(Fault::ArchivesInWheel("none").into());
    }
    census.finish(&[])?;
    Ok(())
}

/// Copies content, and tells whose fault a failure is.
fn copy_to_end(content: &mut Content<'_>, into: &mut File) -> Result<(), Failure> {
    let mut buffer = vec![0; super::BUFFER];
    loop {
        match content.read(&mut buffer).map_err(Failure::reading)? {
            0 => return Ok(()),
            count => io::Write::write_all(into, &buffer[..count]).map_err(Failure::Write)?,
        }
    }
}
