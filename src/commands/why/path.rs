//! Other programs on PATH that have the names of a component's executables.

use std::fmt;

use camino::Utf8PathBuf;

use crate::{
    commands::{Error, Session},
    domain::ComponentName,
    fs::link,
};

/// A file on PATH that has the name of an executable of a component, and is not ampup's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub path: Utf8PathBuf,
    /// A shell finds it before ampup's, or there is none of ampup's.
    pub is_first: bool,
    /// A shell finds one of ampup's, too.
    pub has_ours: bool,
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.file_name().unwrap_or_default();
        let place = match (self.has_ours, self.is_first) {
            (false, _) => "",
            (true, true) => ", which shells find before ampup's",
            (true, false) => ", which shells find after ampup's",
        };
        write!(f, "another `{name}`{place}: `{}`", self.path)
    }
}

/// The other copies on PATH of one executable of a component, or of all that it links.
pub(super) fn other_copies(
    name: &ComponentName,
    executable: Option<&str>,
    session: &Session,
) -> Result<Vec<Copy>, Error> {
    let linked = session
        .registry()?
        .component(name)
        .map(|component| component.executables.clone())
        .unwrap_or_default();
    let names = executable.map_or(linked, |one| vec![one.to_owned()]);
    let ours = link::real(session.layout.home()).unwrap_or_else(|_| session.layout.home().to_owned());
    let mut copies = Vec::new();
    for name in names {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let (mut is_first, before) = (true, copies.len());
        for directory in session.env.search_path() {
            let path = directory.join(&file);
            if !path.is_file() {
                continue;
            }
            // A local build's executable is a link in the home, and lies elsewhere.
            let is_ours = |path| link::real(path).is_ok_and(|real| real.starts_with(&ours));
            if is_ours(&path) || is_ours(&directory) {
                is_first = false;
            } else if copies.iter().all(|copy: &Copy| copy.path != path) {
                copies.push(Copy {
                    path,
                    is_first,
                    has_ours: true,
                });
            }
        }
        // None of ampup's was found on the way, nor would it be where its directory came next.
        let has_ours = !is_first || session.layout.bin().join(&file).exists();
        copies[before..]
            .iter_mut()
            .for_each(|copy| copy.has_ours = has_ours);
    }
    Ok(copies)
}
