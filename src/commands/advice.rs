//! Advice: the exit code and the next command to type for each error of the rooms below, a file a room. The text of an error
//! stands beside the code that fails; no match on an error of ours has a `_`, so that a new failure cannot be forgotten.

mod accept;
mod backup;
mod dump;
mod fetch;
mod fs;
mod hindrance;
mod install;
mod locate;
mod mirror;
mod pins;
mod postgres;
mod refresh;
mod registry;
mod remove;
mod resolve;
mod settings;
mod setup;
mod unpack;
mod verify;

pub(super) use self::postgres::remedy_of_end;

use std::{error::Error, io};

use camino::Utf8Path;

pub(super) use self::remove::mended;
use crate::{
    fs::{self as files, is_disk_failure, is_out_of_files, link::ForeignEntry},
    nearest::nearest,
};

/// The remedy where a disk fails at its work.
const DISK_FAILURE: &str =
    "`dmesg` says more of the disk's failure; once it works, run the same command again";
/// The remedy where no further file can be opened.
const OPEN_FILES: &str = "close some, or raise the limit: `ulimit -n 1024`";

/// The remedy where the home cannot be changed.
pub(super) const ANOTHER_HOME: &str = "choose a home that you can write to, with `AMPUP_HOME` or `--home`";

/// The remedy where a file may not grow.
const FILE_SIZE: &str =
    "raise the limit of a file's size: `ulimit -f unlimited`, or the service's `LimitFSIZE=`";

/// The line that tells a remedy below an error or a warning: a hint if it has a command that can be typed as it stands, else one
/// more line of the reason.
pub(super) fn line(remedy: &str) -> String {
    let mut quoted = remedy.split('`').skip(1).step_by(2);
    match quoted.any(is_command) {
        true => format!("hint: {remedy}"),
        false => format!("  {remedy}"),
    }
}

/// Returns true for a command without a placeholder: not for an option, a path, a variable, or a line of a file.
fn is_command(text: &str) -> bool {
    let is_placeholder = |word: &str| {
        word.contains(['…', '<'])
            || word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '@')
    };
    let typed = text.split('\'').next().unwrap_or_default();
    text.contains(' ')
        && !text.starts_with('-')
        && !text.contains(" = ")
        && !typed.split(' ').any(is_placeholder)
}

/// Returns the command to type after a failed file operation in ampup's home, if the kind of failure tells it.
pub(super) fn hint_of_io(cause: &io::Error) -> Option<String> {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, Unsupported};
    if let Some(entry) = foreign_entry(cause) {
        return Some(entry.remedy());
    }
    match cause.kind() {
        ReadOnlyFilesystem | PermissionDenied | Unsupported => {
            Some(format!("as its owner, the same command works; or {ANOTHER_HOME}"))
        }
        StorageFull | QuotaExceeded => Some(
            "free disk space (`ampup prune` removes unused files) and run the same command again".to_owned(),
        ),
        _ => hint_of_room(cause),
    }
}

/// The entry that is in the way of a file operation; the failure may be that of a cause further down, as a lock's is.
fn foreign_entry(cause: &io::Error) -> Option<&ForeignEntry> {
    let mut error = inner_of(cause);
    while let Some(one) = error {
        if let Some(entry) = one.downcast_ref() {
            return Some(entry);
        }
        error = match one.downcast_ref() {
            Some(cause) => inner_of(cause),
            None => one.source(),
        };
    }
    None
}

fn inner_of(cause: &io::Error) -> Option<&(dyn Error + 'static)> {
    cause.get_ref().map(|inner| inner as _)
}

/// The remedy where a disk is full that need not be the home's: nothing of ampup's may be on it.
const MAKE_ROOM: &str =
    "free disk space there (`df -h` shows how much each disk has) and run the same command again";

/// The same after one elsewhere: another home would not help.
pub(super) fn hint_of_room(cause: &io::Error) -> Option<String> {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    let hint = match cause.kind() {
        StorageFull | QuotaExceeded => MAKE_ROOM,
        io::ErrorKind::FileTooLarge => FILE_SIZE,
        _ if is_disk_failure(cause) => DISK_FAILURE,
        _ if is_out_of_files(cause) => OPEN_FILES,
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Names the entry of the same directory that a path which is not there was meant to be, if one of such a kind is near.
fn meant(path: &Utf8Path, is_one: impl Fn(&Utf8Path) -> bool) -> Option<String> {
    let (directory, name) = (path.parent()?, path.file_name()?);
    let entries = files::entries(directory);
    let names = entries.iter().filter_map(|entry| entry.file_name());
    let near = nearest(name, names).into_iter().map(|name| directory.join(name));
    let meant = near.into_iter().find(|path| is_one(path))?;
    Some(format!("did you mean `{meant}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn only_what_can_be_typed_is_called_a_hint() {
        let rows = [
            ("`ampup install postgres`", true),
            ("free disk space (`df -h` shows it)", true),
            ("did you mean `ampup db psql -c 'select 1'`?", true),
            ("`sudo AMPUP_HOME=/opt/ampup /opt/ampup/bin/ampup install`", true),
            (
                "connect to a network; set `https_proxy`, or name a mirror with `--mirror`",
                false,
            ),
            ("name it with `--registry-key FILE`", false),
            ("`ampup use tool@1.0.0 --registry FILE`", false),
            ("`ampup prune NAME --remove …`", false),
            ("`port = 5432` is in the way", false),
            ("free disk space", false),
        ];
        every(rows, |(remedy, is_hint)| {
            let label = if is_hint { "hint: " } else { "  " };
            assert_eq!(line(remedy), format!("{label}{remedy}"));
        });
    }
}
