//! Failures to start a program at all: the message of the dynamic loader, and the package that has the missing library.
//!
//! Trees are judged by running them. This reads the loader's last words, so that a person hears of `libxml2.so.2` and
//! not of exit code 127.

use std::{fmt, io};

use camino::Utf8Path;

use crate::machine::{self, Built};

/// The number of the error that every system has for a file that is no program.
const ENOEXEC: i32 = 8;
/// The number of macOS's error for a program for another processor.
const EBADARCH: i32 = 86;

/// A failure to load a program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadFailure {
    /// This library is not here.
    MissingLibrary(String),
    /// This library lies in the component's own `lib/`, where the loader did not look: glibc asks `/proc` where a program
    /// lies (`$ORIGIN`).
    UnreachableLibrary(String),
    /// Another complaint of the loader's, in its own words.
    Other(String),
    /// The C library (or another) is older than this symbol version, such as `GLIBC_2.38`.
    OlderLibrary(String),
    /// The library was made for a machine with smaller memory pages, or another processor.
    OtherMachine(String),
    /// The program was built for this system and processor, as its header says.
    BuiltFor(String),
    /// The file is neither a program nor a script that names its interpreter.
    NoProgram,
    /// A part of the file is missing, or damaged.
    Incomplete,
    /// The `#!` line of a script names this interpreter, which is not here; or names none.
    MissingInterpreter(String),
    /// The loader that the program was linked for is not where its build expects it (NixOS, or a glibc build on a musl system).
    MissingLoader,
}

impl std::error::Error for LoadFailure {}

impl LoadFailure {
    /// Finds the loader's complaint in what a program wrote to stderr.
    pub fn find(stderr: &str) -> Option<Self> {
        stderr.lines().find_map(Self::of_line)
    }

    /// Reads what a program's header says it was built for. A program that execve refuses would be handed to `/bin/sh`
    /// by execvp (POSIX), and its bytes run as commands.
    pub fn of_header(header: &[u8]) -> Option<Self> {
        match Built::of(header) {
            Built::ForHere | Built::Script => None,
            Built::For(machine) => Some(Self::BuiltFor(machine)),
            Built::Unknown => Some(Self::NoProgram),
        }
    }

    /// Finds the reason the system does not start a file that is there: it says "No such file or directory" of what that file
    /// needs, too.
    pub(crate) fn of_start(program: &Utf8Path, cause: &io::Error) -> Option<Self> {
        let is_unknown = cause.raw_os_error() == Some(ENOEXEC);
        if cause.raw_os_error() == Some(EBADARCH) && cfg!(target_os = "macos") {
            return Some(Self::OtherMachine(String::new()));
        }
        if !is_unknown && cause.kind() != io::ErrorKind::NotFound {
            return None;
        }
        let header = machine::header(program).ok()?;
        match Built::of(&header) {
            Built::Script => {
                let interpreter = interpreter(&header);
                let is_there = Utf8Path::new(&interpreter).exists();
                (is_unknown || !is_there).then_some(Self::MissingInterpreter(interpreter))
            }
            _ if !is_unknown => Some(Self::MissingLoader),
            Built::ForHere => Some(Self::Incomplete),
            Built::For(_) | Built::Unknown => Self::of_header(&header),
        }
    }

    fn of_line(line: &str) -> Option<Self> {
        if let Some(rest) = after(line, "Error loading shared library ") {
            // musl: `<library>: No such file or directory (needed by <program>)`
            let (library, why) = rest.split_once(": ").unwrap_or((rest, ""));
            return Some(Self::of_library(library, why, rest));
        }
        // glibc, and PostgreSQL of an extension's library: `could not load library "<path>": <library>: cannot open …`
        let program = after(line, "error while loading shared libraries: ");
        let extension = || after(line, "could not load library \"")?.split_once("\": ");
        if let Some(rest) = program.or_else(|| extension().map(|(_, rest)| rest)) {
            // glibc: `<library>: cannot open shared object file: No such file or directory`
            let (library, why) = rest.split_once(": ").unwrap_or((rest, ""));
            return Some(
                if why.contains("not page-aligned") || why.contains("wrong ELF class") {
                    Self::OtherMachine(file_name(library))
                } else {
                    Self::of_library(library, why, rest)
                },
            );
        }
        if let Some(rest) = after(line, "Library not loaded: ") {
            // macOS: the install name, alone on its line
            return Some(Self::MissingLibrary(file_name(rest.trim())));
        }
        if let Some(rest) = after(line, "version `") {
            // glibc: `<library>: version `GLIBC_2.38' not found (required by <program>)`
            let (version, rest) = rest.split_once('\'')?;
            return rest
                .contains("not found")
                .then(|| Self::OlderLibrary(version.to_owned()));
        }
        if let Some(rest) = after(line, "Bad CPU type in executable") {
            return Some(Self::OtherMachine(rest.trim().to_owned()));
        }
        None
    }

    /// Missing is only what the system has not: one that may not be read or mapped is there.
    fn of_library(library: &str, why: &str, words: &str) -> Self {
        if why.contains("No such file") {
            Self::MissingLibrary(file_name(library))
        } else {
            Self::Other(words.trim().to_owned())
        }
    }

    /// The same for a program of this tree, which may bring the library that its loader did not find.
    #[must_use]
    pub fn in_tree(self, tree: &Utf8Path) -> Self {
        match self {
            Self::MissingLibrary(library) if tree.join("lib").join(&library).exists() => {
                Self::UnreachableLibrary(library)
            }
            other => other,
        }
    }
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingLibrary(library) => write!(f, "the library `{library}` is not on this system"),
            Self::UnreachableLibrary(library) => {
                write!(
                    f,
                    "the loader does not find `{library}`, which is in the component's own `lib/`"
                )
            }
            Self::Other(words) => write!(f, "the loader says: {words}"),
            Self::OlderLibrary(version) => write!(f, "it needs {version}, and this system is older"),
            Self::OtherMachine(what) if what.is_empty() => f.write_str("it was made for another processor"),
            Self::OtherMachine(what) => write!(f, "`{what}` was made for another kind of machine"),
            Self::BuiltFor(machine) => {
                write!(f, "it was built for {machine}; this host is {}", machine::here())
            }
            Self::NoProgram => f.write_str("it is neither a program nor a script with a `#!` line"),
            Self::Incomplete => f.write_str("a part of the file is missing, or damaged"),
            Self::MissingInterpreter(name) if name.is_empty() => {
                f.write_str("its `#!` line names no interpreter")
            }
            Self::MissingInterpreter(name) => write!(
                f,
                "its `#!` line names the interpreter `{}`, which is not on this system",
                name.escape_debug()
            ),
            Self::MissingLoader => f.write_str("the loader that it was linked for is not on this system"),
        }
    }
}

/// The missing library that a program's stderr names.
pub fn missing_library(stderr: &str) -> Option<String> {
    match LoadFailure::find(stderr)? {
        LoadFailure::MissingLibrary(library) => Some(library),
        LoadFailure::UnreachableLibrary(_)
        | LoadFailure::Other(_)
        | LoadFailure::OlderLibrary(_)
        | LoadFailure::OtherMachine(_)
        | LoadFailure::BuiltFor(_)
        | LoadFailure::NoProgram
        | LoadFailure::Incomplete
        | LoadFailure::MissingInterpreter(_)
        | LoadFailure::MissingLoader => None,
    }
}

/// The interpreter that a script's first line names, as a kernel reads it: a carriage return is a part of the name.
fn interpreter(header: &[u8]) -> String {
    let line = header.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.strip_prefix(b"#!").unwrap_or(line));
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    words.next().unwrap_or_default().to_owned()
}

fn after<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.split_once(mark).map(|(_, rest)| rest)
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn the_loaders_last_words_are_understood() {
        let find = |text: &str| LoadFailure::find(text).map(|failure| failure.to_string());
        let missing = |library: &str| Some(format!("the library `{library}` is not on this system"));
        assert_eq!(
            find(
                "bin/postgres: error while loading shared libraries: libxml2.so.2: cannot open shared object \
                 file: No such file or directory"
            ),
            missing("libxml2.so.2")
        );
        assert_eq!(
            find(
                "Error loading shared library libicui18n.so.74: No such file or directory (needed by postgres)"
            ),
            missing("libicui18n.so.74")
        );
        assert_eq!(
            find(
                "dyld[7]: Library not loaded: /usr/local/opt/openssl@3/lib/libssl.3.dylib\n  Referenced from"
            ),
            missing("libssl.3.dylib")
        );
        assert_eq!(
            find(
                "postgres: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by postgres)"
            ),
            Some("it needs GLIBC_2.38, and this system is older".to_owned())
        );
        assert_eq!(
            find(
                "error while loading shared libraries: libicuuc.so.60: ELF load command address/offset not page-aligned"
            ),
            Some("`libicuuc.so.60` was made for another kind of machine".to_owned())
        );
        assert_eq!(
            find(
                "bin/initdb: error while loading shared libraries: libpq.so.5: failed to map segment from shared object"
            ),
            Some("the loader says: libpq.so.5: failed to map segment from shared object".to_owned())
        );
        assert_eq!(
            find("Error loading shared library libpq.so.5: Permission denied (needed by bin/initdb)"),
            Some("the loader says: libpq.so.5: Permission denied (needed by bin/initdb)".to_owned())
        );
        assert_eq!(find("FATAL:  role \"x\" does not exist\n"), None);
        assert_eq!(missing_library("version `GLIBC_2.38' not found"), None);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_program_needs_is_told_from_the_program() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = Utf8Path::from_path(directory.path()).expect("UTF-8").join("x");
        #[cfg(target_os = "linux")]
        let ours =
            fs_err::read("/proc/self/exe").map_or_else(|_| b"\x7fELF".to_vec(), |bytes| bytes[..64].to_vec());
        let (missing, refused) = (2, ENOEXEC);
        let rows = [
            (
                &b"#!/bin/sh\r\necho\r\n"[..],
                missing,
                Some(LoadFailure::MissingInterpreter("/bin/sh\r".to_owned())),
            ),
            (
                b"#! /nowhere/x -e\n",
                missing,
                Some(LoadFailure::MissingInterpreter("/nowhere/x".to_owned())),
            ),
            (
                b"#!\n",
                refused,
                Some(LoadFailure::MissingInterpreter(String::new())),
            ),
            (b"x", refused, Some(LoadFailure::NoProgram)),
            #[cfg(target_os = "linux")]
            (&ours, refused, Some(LoadFailure::Incomplete)),
            #[cfg(target_os = "linux")]
            (&ours, missing, Some(LoadFailure::MissingLoader)),
            (b"#!/bin/sh\n", 13, None),
        ];
        every(rows, |(content, number, expected)| {
            fs_err::write(&file, content).expect("written");
            let found = LoadFailure::of_start(&file, &io::Error::from_raw_os_error(number));
            assert_eq!(found, expected, "{content:?}");
        });
        let gone = LoadFailure::of_start("/nowhere/x".into(), &io::Error::from_raw_os_error(missing));
        assert_eq!(gone, None);
    }

    #[test]
    fn a_library_that_an_extension_lacks_is_named() {
        let said = "ERROR:  could not load library \"/p/lib/uuid-ossp.so\": ";
        let rows = [
            (
                "libossp-uuid.so.16: cannot open shared object file: No such file or directory",
                Some("libossp-uuid.so.16"),
            ),
            (
                "Error loading shared library libuuid.so.1: No such file or directory (needed by /p/lib/uuid-ossp.so)",
                Some("libuuid.so.1"),
            ),
            ("/p/lib/uuid-ossp.so: undefined symbol: x", None),
        ];
        every(rows, |(why, missing)| {
            assert_eq!(
                missing_library(&format!("{said}{why}")).as_deref(),
                missing,
                "{why}"
            );
        });
    }

    #[test]
    fn a_library_of_the_components_own_is_not_called_missing() {
        let tree = tempfile::tempdir().expect("a directory");
        let tree = Utf8Path::from_path(tree.path()).expect("UTF-8");
        fs_err::create_dir(tree.join("lib")).expect("made");
        fs_err::write(tree.join("lib/libpq.so.5"), "").expect("written");
        let said = |library: &str| {
            let line = format!(
                "x: error while loading shared libraries: {library}: cannot open shared object file: No such file or directory"
            );
            LoadFailure::find(&line).expect("understood").in_tree(tree)
        };
        assert_eq!(
            said("libpq.so.5"),
            LoadFailure::UnreachableLibrary("libpq.so.5".to_owned())
        );
        assert_eq!(
            said("libxml2.so.2"),
            LoadFailure::MissingLibrary("libxml2.so.2".to_owned())
        );
    }
}
