//! An error and its causes in one line, for a build that was passed over.

use std::{error::Error, io};

use super::error::{Attempt, AttemptError};
use crate::{accept::AcceptError, postgres::program::ProgramError};

/// An error with its causes; a transparent error's text is not repeated. A fault of the disk keeps its whole path: it says which
/// disk. So does that of a program which writes a cluster: what its host refuses has many words.
pub fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut is_of_place = has_cluster_failed(error);
    let mut cause = error.source();
    while let Some(inner) = cause {
        is_of_place |= inner.is::<io::Error>();
        let more = inner.to_string();
        let more = more.split(" (os error ").next().unwrap_or_default();
        if !text.contains(more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    if is_of_place { text } else { without_staging(&text) }
}

/// Returns true if a program that writes a cluster ran and failed.
fn has_cluster_failed(error: &(dyn Error + 'static)) -> bool {
    let of_attempt = || error.downcast_ref::<Attempt>().map(|attempt| &attempt.error);
    matches!(
        error.downcast_ref::<AttemptError>().or_else(of_attempt),
        Some(AttemptError::Accept(AcceptError::DoesNotRun(
            ProgramError::Failed { program, .. } | ProgramError::Silent { program, .. }
        ))) if matches!(program.file_stem(), Some("initdb" | "postgres"))
    )
}

/// The text with the files of a staged tree as they are called in it: where it was staged is nobody's concern.
fn without_staging(text: &str) -> String {
    const TREE: &str = "/tree/tree/";
    let words = text.split('`').map(|word| match word.split_once(TREE) {
        Some((place, file)) if place.contains("/staging/") => file,
        _ => word,
    });
    words.collect::<Vec<_>>().join("`")
}

#[cfg(all(test, unix))]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

    use super::*;
    use crate::postgres::loading::LoadFailure;

    /// Which disk refused is said by the path; where a program that does not load was staged concerns nobody.
    #[test]
    fn the_path_of_a_staged_program_is_told_where_it_writes_a_cluster() {
        let program = || "/home/ada/.ampup/staging/7/tree/tree/bin/initdb".into();
        let of = |error| in_one_line(&AttemptError::from(AcceptError::DoesNotRun(error)));
        let failed = of(ProgramError::Failed {
            program: program(),
            status: ExitStatus::from_raw(1 << 8),
            last_lines: Vec::new(),
        });
        assert!(failed.starts_with(&format!("`{}` failed", program())), "{failed}");
        let other = of(ProgramError::Failed {
            program: "/home/ada/.ampup/staging/7/tree/tree/bin/tool".into(),
            status: ExitStatus::from_raw(1 << 8),
            last_lines: Vec::new(),
        });
        assert!(other.starts_with("`bin/tool` failed"), "{other}");
        let unloaded = of(ProgramError::DoesNotLoad {
            program: program(),
            failure: LoadFailure::Other("no".to_owned()),
        });
        assert!(
            unloaded.starts_with("`bin/initdb` does not run here"),
            "{unloaded}"
        );
    }
}
