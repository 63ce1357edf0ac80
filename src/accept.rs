//! Acceptance: a staged tree is run on this host before anybody can see it. It is judged by running it, never by
//! looking at its libraries: good builds hold optional modules whose libraries a host may lack.

use std::{io, thread};

use camino::{Utf8Path, Utf8PathBuf};
#[cfg(unix)]
use fs_err as fs;
use semver::Version;

use crate::{
    children::Interrupt,
    domain::{Component, ComponentName, component::Acceptance},
    postgres::{
        program::{Program, ProgramError},
        run::initdb::{Flush, Superuser, initdb},
        single_user::single_user_select,
        user::{OsUser, UserError},
    },
    unpack::Staged,
};

/// A tree that ran here.
#[derive(Debug)]
pub struct Accepted {
    staged: Staged,
    version: String,
    cluster: Option<ProvenCluster>,
}

/// The cluster that proved a PostgreSQL. It was not flushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenCluster {
    /// Where it lies, in staging.
    pub path: Utf8PathBuf,
    /// The name of its superuser.
    pub user: String,
}

/// The reason a tree is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// It does not run here.
    #[error(transparent)]
    DoesNotRun(ProgramError),
    /// It runs, and is something else than the registry says.
    #[error("`{executable} --version` printed `{printed}`; expected {expected}")]
    WrongVersion {
        /// The executable.
        executable: String,
        /// The expected output.
        expected: String,
        /// The actual output.
        printed: String,
    },
    /// An executable that the registry names is not in it.
    #[error("{component} {version} has no `bin/{executable}`")]
    NoExecutable {
        /// The component.
        component: ComponentName,
        /// Its version.
        version: Version,
        /// The executable.
        executable: String,
    },
    /// There is nobody whom PostgreSQL could be run as.
    #[error(transparent)]
    User(#[from] UserError),
    /// Whoever it is run as cannot get to it: an ordinary user's home is closed to all others, also to whom root runs
    /// it as.
    #[error("cannot run `{program}` as `{user}`: `{directory}` is closed to other users")]
    Closed {
        /// The program.
        program: Utf8PathBuf,
        /// Whom it is run as.
        user: String,
        /// The directory that lets nobody else in.
        directory: Utf8PathBuf,
        /// To whom that belongs; `None` when it is root's.
        owner: Option<String>,
    },
    /// The throw-away cluster's directory cannot be made.
    #[error("cannot make a directory for the throw-away cluster")]
    Io(#[from] io::Error),
}

/// The version that a tree must print.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// A release's, with its tags.
    Release(&'a Version, &'a [String]),
    /// Whatever it is, but one: this is what a local build is called.
    Any(&'a Version),
}

impl<'a> Expected<'a> {
    fn version(self) -> &'a Version {
        match self {
            Self::Release(version, _) | Self::Any(version) => version,
        }
    }
}

/// Runs a staged tree. As root it runs as an unprivileged user, because PostgreSQL refuses root and because nothing that
/// was just downloaded needs to be root.
///
/// `work` is an empty directory in staging that others can enter; a throw-away cluster is made in it.
///
/// # Errors
/// When it does not run here, or is not what the registry says.
pub fn accept(
    staged: Staged,
    component: &Component,
    expected: Expected<'_>,
    work: &Utf8Path,
    interrupt: &Interrupt,
) -> Result<Accepted, AcceptError> {
    let version = expected.version();
    let run_as = OsUser::for_postgres()?;
    let tree = staged.path();
    let program = |name| Program {
        tree,
        name,
        run_as: run_as.as_ref(),
        interrupt,
    };
    for executable in &component.executables {
        if !program(executable).path().is_file() {
            return Err(AcceptError::NoExecutable {
                component: component.name.clone(),
                version: version.clone(),
                executable: executable.clone(),
            });
        }
    }
    let mut said = None;
    let cluster = match component.acceptance {
        Acceptance::Version => {
            // In a home that root alone can enter, root alone will ever run it.
            let is_roots = |user: &OsUser| {
                matches!(
                    closed(tree.to_owned(), user),
                    Some(AcceptError::Closed { owner: None, .. })
                )
            };
            let run_as = run_as.as_ref().filter(|user| !is_roots(user));
            for executable in &component.executables {
                let printed = first_run(&Program {
                    run_as,
                    ..program(executable)
                })?;
                match expected {
                    Expected::Release(version, tags) => {
                        names_version(executable, &printed, &names_of(version, tags), commit_of(version))?;
                    }
                    Expected::Any(_) if printed.is_empty() => {
                        return Err(AcceptError::WrongVersion {
                            executable: executable.clone(),
                            expected: "a version".to_owned(),
                            printed,
                        });
                    }
                    Expected::Any(_) if !names_itself(executable, component, &printed) => {
                        return Err(AcceptError::WrongVersion {
                            executable: executable.clone(),
                            expected: executable.clone(),
                            printed: printed.lines().next().unwrap_or_default().to_owned(),
                        });
                    }
                    Expected::Any(_) => {}
                }
                said.get_or_insert(printed);
            }
            None
        }
        Acceptance::Postgres => {
            let postgres = program("postgres");
            let owner = match &run_as {
                Some(user) => user.clone(),
                None => OsUser::current()?,
            };
            let name = owner.superuser();
            let named = (name != owner.name).then_some(Superuser { name, password: None });
            let path = work.join("cluster");
            if let Some(user) = &run_as {
                give_to(work, user)?;
            }
            // What is wrong with the server explains whatever is wrong with initdb, and neither waits for the other.
            let (printed, made) = beside(
                || first_run(&postgres),
                || initdb(&program("initdb"), &path, named, Flush::No).map_err(AcceptError::DoesNotRun),
            );
            let printed = printed?;
            // The third number is the packager's; PostgreSQL itself has two.
            let two = format!("{}.{}", version.major, version.minor);
            if let Expected::Release(..) = expected {
                names_version("postgres", &printed, &[two, version.to_string()], None)?;
            }
            said.get_or_insert(printed);
            made?;
            // On Windows initdb puts off administrative rights, with which no server runs, before it runs one in single-user
            // mode itself; we cannot (`postgres::server`).
            if !cfg!(windows) {
                single_user_select(&postgres, &path).map_err(AcceptError::DoesNotRun)?;
            }
            let user = name.to_owned();
            Some(ProvenCluster { path, user })
        }
    };
    let version = said.unwrap_or_default();
    let version = version.lines().next().unwrap_or_default().to_owned();
    Ok(Accepted {
        staged,
        version,
        cluster,
    })
}

/// Does two things at the same time; where no thread can be had, one after the other.
fn beside<A: Send, B>(one: impl Fn() -> A + Sync, other: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let begun = thread::Builder::new().spawn_scoped(scope, &one);
        let other = other();
        let one = begun.map_or_else(
            |_| one(),
            |begun| begun.join().expect("running a program does not panic"),
        );
        (one, other)
    })
}

/// Returns true if a program calls itself by its name, or says a version alone: nothing else is known of a local build.
fn names_itself(executable: &str, component: &Component, printed: &str) -> bool {
    let said = printed.to_lowercase();
    let is_bare = said
        .trim_start_matches('v')
        .starts_with(|letter: char| letter.is_ascii_digit());
    is_bare
        || [executable, component.name.as_str()]
            .iter()
            .any(|name| said.contains(&name.to_lowercase()))
}

/// Runs a program for its version; the error says so if a directory on the way to it cannot be entered.
fn first_run(program: &Program<'_>) -> Result<String, AcceptError> {
    program.version().map_err(|error| match (&error, program.run_as) {
        (ProgramError::Spawn { source, .. }, Some(user))
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            closed(program.path(), user).unwrap_or(AcceptError::DoesNotRun(error))
        }
        _ => AcceptError::DoesNotRun(error),
    })
}

/// Ensures that whoever root runs PostgreSQL as can enter the directory where a program is to lie. It is better known
/// before a large download than after it.
///
/// # Errors
/// `Closed`, with the directory.
pub fn ensure_open(program: &Utf8Path, run_as: Option<&OsUser>) -> Result<(), AcceptError> {
    run_as
        .and_then(|user| closed(program.to_owned(), user))
        .map_or(Ok(()), Err)
}

#[cfg(unix)]
fn closed(program: Utf8PathBuf, user: &OsUser) -> Option<AcceptError> {
    use std::os::unix::fs::MetadataExt as _;
    let (directory, found) = program
        .ancestors()
        .skip(1)
        .filter_map(|directory| Some((directory, fs::metadata(directory).ok()?)))
        .find(|(_, found)| found.uid() != user.uid && found.mode() & 0o001 == 0)?;
    let name = |uid: u32| OsUser::by_uid(uid).map_or_else(|_| uid.to_string(), |user| user.name);
    Some(AcceptError::Closed {
        user: user.name.clone(),
        directory: directory.to_owned(),
        owner: Some(found.uid()).filter(|uid| *uid != 0).map(name),
        program,
    })
}

#[cfg(not(unix))]
fn closed(_: Utf8PathBuf, _: &OsUser) -> Option<AcceptError> {
    None
}

impl Accepted {
    /// The tree that ran.
    pub fn staged(&self) -> &Staged {
        &self.staged
    }

    /// The version that its first executable printed, as it printed it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The cluster that proved it, where it is a PostgreSQL.
    pub fn cluster(&self) -> Option<&ProvenCluster> {
        self.cluster.as_ref()
    }
}

/// The names that a version goes by: its number; for a nightly also its tags and its commit.
fn names_of(version: &Version, tags: &[String]) -> Vec<String> {
    let mut names = vec![version.to_string()];
    if !version.pre.is_empty() {
        names.extend(tags.iter().cloned());
        names.extend((!version.build.is_empty()).then(|| version.build.to_string()));
    }
    names
}

/// The commit that a nightly was built from.
fn commit_of(version: &Version) -> Option<&str> {
    let commit = version.build.as_str();
    (!version.pre.is_empty() && is_commit(commit)).then_some(commit)
}

/// Fails unless one of the words that a program printed is one of the names, or ends with the commit.
fn names_version(
    executable: &str,
    printed: &str,
    names: &[String],
    commit: Option<&str>,
) -> Result<(), AcceptError> {
    let mut words = printed.split(|letter: char| !(letter.is_alphanumeric() || ".-+_".contains(letter)));
    let is_named = |word: &str| {
        let is_name = |name: &String| word == name || word.strip_prefix('v') == Some(name);
        names.iter().any(is_name) || commit.is_some_and(|commit| ends_with_commit(word, commit))
    };
    if words.any(is_named) {
        return Ok(());
    }
    Err(AcceptError::WrongVersion {
        executable: executable.to_owned(),
        expected: names.join(" or "),
        printed: printed.lines().next().unwrap_or_default().to_owned(),
    })
}

/// `git describe` writes v0.0.35-57-g188bfd4, with as many digits as it takes to be unique where it runs.
fn ends_with_commit(word: &str, commit: &str) -> bool {
    let end = word.rsplit(['-', '+']).next().unwrap_or(word);
    [Some(end), end.strip_prefix('g')]
        .into_iter()
        .flatten()
        .any(|found| is_commit(found) && (found.starts_with(commit) || commit.starts_with(found)))
}

/// Seven digits are the least that git abbreviates to.
fn is_commit(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(unix)]
fn give_to(directory: &Utf8Path, user: &OsUser) -> io::Result<()> {
    fs_err::os::unix::fs::chown(directory, Some(user.uid), Some(user.gid))
}

#[cfg(not(unix))]
fn give_to(_: &Utf8Path, _: &OsUser) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    fn accepts(printed: &str, version: &str, tags: &[&str]) -> bool {
        let version = Version::parse(version).expect("a version");
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        names_version("x", printed, &names_of(&version, &tags), commit_of(&version)).is_ok()
    }

    #[test]
    fn a_program_must_name_its_version() {
        assert!(accepts(
            "postgres (PostgreSQL) 18.4.0 (Debian 18.4-1)",
            "18.4.0",
            &[]
        ));
        assert!(!accepts("postgres (PostgreSQL) 18.40.0", "18.4.0", &[]));
        assert!(accepts("ampd v0.0.35", "0.0.35", &["v0.0.35"]) && !accepts("ampd v0.0.351", "0.0.35", &[]));
        let nightly = "0.0.36-nightly.20260313+188bfd4";
        let rows = [
            "ampd nightly-188bfd4",
            "ampd v0.0.35-57-g188bfd4",
            "ampd 188bfd4",
            &format!("ampd {nightly}"),
            "ampd v0.0.35-57-g188bfd41",
            "ampd nightly-188bfd41c",
            "ampd (188bfd41c0ffee)",
        ];
        every(rows, |printed| {
            assert!(accepts(printed, nightly, &["nightly-188bfd4"]), "{printed}");
        });
        // Another commit, too few digits, and a commit that is no nightly's.
        every(
            ["ampd v0.0.36", "ampd v0.0.35-57-g188bfd5", "ampd v0.0.35-g188bfd"],
            |printed| {
                assert!(!accepts(printed, nightly, &["nightly-188bfd4"]), "{printed}");
            },
        );
        let longer = "0.0.36-nightly.20260313+188bfd41";
        assert!(accepts("ampd v0.0.35-57-g188bfd4", longer, &[]));
        assert!(!accepts("ampd 188bfd4", "0.0.36+188bfd4", &[]));
    }
}
