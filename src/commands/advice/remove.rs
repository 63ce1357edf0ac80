//! Advice on removals.

use super::hint_of_io;
use crate::{
    exit::Exit,
    hindrance::Hindrance,
    locate,
    postgres::projects::UnreadRecord,
    remove::{
        RemoveError,
        needed::{Need, Needed},
    },
    shell,
};

impl RemoveError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::InUse { .. }
            | Self::Running { .. }
            | Self::Unlisted(_)
            | Self::Unknown(_)
            | Self::UnreadPins(_)
            | Self::Needed(_)
            | Self::AtWork { .. } => Exit::Busy,
            Self::Store(source) => Exit::of_io(source),
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InUse {
                amp_dir: Some(amp_dir),
                ..
            } => Some(format!(
                "`ampup db stop --amp-dir {}`, then run the same command again",
                shell::typed(amp_dir.as_str())
            )),
            Self::InUse { pid, .. } | Self::Running { pid, .. } => {
                Some(format!("end process {pid} and run the same command again"))
            }
            Self::Unlisted(_) if cfg!(target_os = "linux") => Hindrance::NoProc.hint(),
            Self::Unlisted(_) => None,
            Self::Unknown(unread) => Some(mended(unread)),
            Self::UnreadPins(_) => Some(
                "mend that file, or remove a version whatever it says: `ampup uninstall NAME@VERSION --force`".to_owned(),
            ),
            Self::Needed(needed) => Some(way_out(needed)),
            Self::AtWork { .. } => {
                Some("wait for that process, or end it, and run the same command again".to_owned())
            }
            Self::Store(source) => hint_of_io(source),
        }
    }
}

/// The commands that remove a version which projects need.
fn way_out(needed: &Needed) -> String {
    let Needed {
        component,
        version,
        by,
    } = needed;
    let shown = locate::shown(component, version);
    let force = format!("`ampup uninstall {component}@{shown} --force`");
    match &by[..] {
        [Need::OldDatabase(path)] => format!(
            "`ampup prune --remove {}`, if it is not needed any more, or {force}",
            shell::typed(path.as_str())
        ),
        [Need::Database(_)] => format!("{force}, if that database is not needed any more"),
        [Need::Pin { .. }] => format!("{force}, if that project is not needed any more"),
        _ => format!("{force}, if none of them is needed any more"),
    }
}

/// The remedy for a record of projects that cannot be read.
pub(crate) fn mended(unread: &UnreadRecord) -> String {
    if unread.is_closed {
        return "run this as the user who owns it".to_owned();
    }
    format!(
        "put it back from a backup, or remove it: `rm {}`; a project is known again once `ampup run` or `ampup db start` was used \
         in it",
        shell::typed(unread.file.as_str())
    )
}
