//! Advice on a project's database.

use std::{io, process::ExitStatus};

use camino::Utf8Path;

use super::{foreign_entry, hint_of_io};
use crate::{
    distributions::{Distributions, os_release},
    exit::Exit,
    fs::{identity::FileIdentity, lock::LockError},
    postgres::{
        ClusterError,
        access::{AccessError, project_name},
        host_fault::HostFault,
        loading::LoadFailure,
        observe::{
            files, pid_file,
            sql_session::{
                DISK_FULL, NO_DATABASE, NO_ENTRY, NO_FILE, TOO_MANY, WRONG_PASSWORD, is_unknown_role,
            },
        },
        program::{ProgramError, disk_in},
        project::ProjectError,
        run::log,
        user::{UserError, current_uid},
    },
    shell,
};

/// Where a project's database can be.
const OTHER_DIRECTORY: &str = "`cd` into a project's directory, which you can write to, or name another place for its database with `AMP_DIR` or `--amp-dir`";

impl ProjectError {
    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoWorkingDirectory => Some("`cd` into the project, or name its directory with `--amp-dir`".to_owned()),
            Self::Path(_) => Some("unset it, set it to an absolute path, or use `--amp-dir`".to_owned()),
            Self::InCluster { .. } => Some("name the directory above it with `AMP_DIR` or `--amp-dir`".to_owned()),
            Self::OlderHome { .. } => Some(
                "run this in the project's own directory, or set `AMP_DIR` to the one that shall hold its data"
                    .to_owned(),
            ),
            Self::Link { link, owner } => Some(format!(
                "run this as that user, `sudo -u '#{owner}' ampup …`, or remove the link: `rm {link}`"
            )),
            Self::NoDirectory {
                path,
                target: Some(_),
            } => Some(format!("make that directory, or remove the link: `rm {path}`")),
            Self::NoDirectory { target: None, .. } => {
                Some("move it away, or name another directory with `AMP_DIR` or `--amp-dir`".to_owned())
            }
            Self::Make { source, .. } if source.kind() == io::ErrorKind::StorageFull => hint_of_database(source),
            Self::Make { amp_dir, source } => Some(match source.kind() {
                // Such as a volume, as a container's engine makes it.
                io::ErrorKind::PermissionDenied if is_of_another(amp_dir) => format!(
                    "as root, `chown {} {}`; or name another place for the database with `AMP_DIR` or `--amp-dir`",
                    current_uid(),
                    shell::typed(amp_dir.as_str())
                ),
                _ => OTHER_DIRECTORY.to_owned(),
            }),
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::NoWorkingDirectory | Self::Path(_) => Exit::Usage,
            Self::OlderHome { .. } | Self::InCluster { .. } => Exit::Failed,
            Self::Link { .. } | Self::NoDirectory { .. } => Exit::Disk,
            Self::Make { source, .. } => Exit::of_io(source),
        }
    }
}

fn is_of_another(directory: &Utf8Path) -> bool {
    FileIdentity::of(directory).is_ok_and(|found| found.uid != current_uid())
}

impl UserError {
    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownName(name) => Some(format!(
                "`useradd --system {name}` makes it, or name another user"
            )),
            Self::NoEntry(uid) => Some(format!(
                "`echo 'amp:x:{uid}:0::/tmp:/bin/sh' >> /etc/passwd` as root; a container keeps it if it is a `RUN` line of its Dockerfile"
            )),
            Self::NobodyElse => Some("`useradd --system postgres`".to_owned()),
            Self::Root => Some("choose another user with `--run-as`".to_owned()),
            Self::LookUp { .. } => None,
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::UnknownName(_) | Self::NoEntry(_) | Self::NobodyElse | Self::Root | Self::LookUp { .. } => {
                Exit::Failed
            }
        }
    }
}

impl ClusterError {
    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Project(cause) => cause.hint(),
            Self::Locate(cause) => cause.hint(),
            Self::Access(cause) => cause.hint(),
            Self::User(cause) => cause.hint(),
            Self::Lock(LockError::Io { path, source })
            | Self::Io { action: log::OPEN, path, source } => opening(path, source).or_else(|| hint_of_database(source)),
            Self::Lock(cause) => cause.hint(),
            Self::Program(ProgramError::Failed { status, last_lines, .. }) => match HostFault::of_end(*status, last_lines) {
                Some(fault) => Some(fault.hint().to_owned()),
                None => disk_in(last_lines).and_then(|refusal| hint_of_database(&refusal)),
            }
            Self::Program(cause) => cause.hint(),
            Self::Io { action: pid_file::READ, path, source } if source.kind() == io::ErrorKind::PermissionDenied => Some(
                format!("as its owner, `chmod 600 {}`", shell::typed(path.join(pid_file::NAME).as_str())),
            ),
            Self::Io { action: pid_file::REMOVE, source, .. } if source.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Some("move `postmaster.pid` away: it is a directory, and no server's".to_owned())
            }
            Self::Io { source, .. } => hint_of_database(source),
            Self::NotWhole { .. } => Some("`ampup verify --repair postgres`".to_owned()),
            Self::MajorDiffers { data, .. } => Some(format!(
                "`ampup install --no-activate postgres@{data}` brings the programs of that data, beside the active ones"
            )),
            Self::Foreign { entry, .. } if entry == "lost+found" => Some(
                "that is the volume's own and stays: mount the volume at `.amp` instead, or set `AMP_DIR` to a directory in it"
                    .to_owned(),
            ),
            Self::Foreign { .. } => {
                Some("move it away, or set `AMP_DIR` to another directory: it is never written over".to_owned())
            }
            Self::Dropped { .. } => Some("`ampup db start` makes it again, empty, and leaves the others as they are".to_owned()),
            Self::Damaged { .. } => Some(files::BRINGS_BACK.to_owned()),
            Self::EarlyEnd { status, last_lines, .. } => remedy_of_end(*status, last_lines)
                .or_else(|| Some("correct what it names; `ampup doctor` says more".to_owned())),
            Self::Stuck { .. } => Some("`ampup db stop --force` ends it without losing what was committed".to_owned()),
            Self::Suspended { pid, .. } => Some(resume(*pid)),
            Self::Refused { code, message, .. } => match code.as_str() {
                TOO_MANY => Some("close some of its sessions".to_owned()),
                DISK_FULL => hint_of_database(&io::ErrorKind::StorageFull.into()),
                NO_ENTRY if is_unknown_role(code, message) => Some(
                    "another user made it: `ampup db backup FILE`, then `ampup db restore FILE` makes it yours; or give its URL to \
                     ampd in `metadata_db.url`"
                        .to_owned(),
                ),
                NO_DATABASE => Some(files::BRINGS_BACK.to_owned()),
                NO_ENTRY | WRONG_PASSWORD => Some(
                    "ampup needs a superuser who is let in without a password: look at its roles and its `pg_hba.conf`".to_owned(),
                ),
                NO_FILE => Some("mend the setting that names it, then run the same command again; `ampup doctor` says more".to_owned()),
                _ => None,
            },
            Self::NoPassword { file, .. } => Some(format!(
                "put `{file}` back, from where the cluster was copied or from a backup of this directory"
            )),
            Self::OtherCluster { socket, .. } => Some(format!("stop that server, or remove `{socket}` if none is there")),
            Self::InUse { .. } => Some("end that first, then run the same command again".to_owned()),
            Self::OutOfReach { .. } => Some("stop it there".to_owned()),
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Project(cause) => cause.exit_code(),
            Self::Locate(cause) => cause.exit_code(),
            Self::Access(cause) => cause.exit_code(),
            Self::User(cause) => cause.exit_code(),
            Self::Lock(cause) => cause.exit_code(),
            Self::Io { source, .. } => Exit::of_io(source),
            Self::Program(cause) => cause.exit_code(),
            Self::EarlyEnd { last_lines, .. } if disk_in(last_lines).is_some() => Exit::Disk,
            Self::Refused { code, .. } if code == DISK_FULL => Exit::Disk,
            Self::NotWhole { .. }
            | Self::MajorDiffers { .. }
            | Self::Foreign { .. }
            | Self::Damaged { .. }
            | Self::Dropped { .. }
            | Self::EarlyEnd { .. }
            | Self::Refused { .. }
            | Self::NoPassword { .. }
            | Self::OtherCluster { .. } => Exit::Failed,
            Self::Stuck { .. } | Self::Suspended { .. } | Self::InUse { .. } | Self::OutOfReach { .. } => {
                Exit::Busy
            }
        }
    }
}

/// The remedy for a server that ended while starting, if its last words tell it.
pub(crate) fn remedy_of_end(status: ExitStatus, last_lines: &[String]) -> Option<String> {
    if let Some(fault) = HostFault::of_end(status, last_lines) {
        return Some(fault.hint().to_owned());
    }
    if let Some(refusal) = disk_in(last_lines) {
        return hint_of_database(&refusal).map(|hint| match is_full(&refusal) {
            true => format!("{hint}; nothing is lost"),
            false => hint,
        });
    }
    says_damaged(last_lines).then(|| files::BRINGS_BACK.to_owned())
}

/// Returns true if a server found its files damaged, judged by its messages.
fn says_damaged(last_lines: &[String]) -> bool {
    const WORDS: [&str; 11] = [
        "required WAL directory",
        "could not locate a valid checkpoint record",
        "could not locate required checkpoint record",
        "could not find redo location",
        "WAL ends before end of online backup",
        "WAL ends before consistent recovery point",
        "incorrect checksum in control file",
        "initialized with PG_CONTROL_VERSION 0,",
        "invalid data in file \"backup_label\"",
        "is not a valid data directory",
        "could not access status of transaction",
    ];
    last_lines
        .iter()
        .any(|line| WORDS.iter().any(|words| line.contains(words)))
}

/// The command that lets a suspended process go on.
pub(crate) fn resume(pid: u32) -> String {
    format!("`kill -CONT {pid}` resumes it; if Ctrl-Z suspended the program that started it, `fg` there")
}

impl AccessError {
    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRoot => Some("leave out `--run-as`, or run this as root".to_owned()),
            Self::AsRoot => Some("name another user with `--run-as`".to_owned()),
            Self::OfAnother { owner, .. } => Some(format!(
                "run this as user {owner}, or set `AMP_DIR` to a directory of your own"
            )),
            Self::Volume { volume, us, .. } => Some(format!(
                "as root, `chown {us} {}`, or mount a volume of yours at `.amp` instead",
                shell::typed(volume.as_str())
            )),
            Self::OfRoot {
                cluster,
                wanted: Some(user),
            } => Some(format!("`chown -R {user} {cluster}`")),
            Self::OfRoot {
                cluster,
                wanted: None,
            } => Some(format!(
                "`chown -R postgres {cluster}`, or `nobody` where there is no such user"
            )),
            Self::OwnerDiffers { .. } => Some("leave out `--run-as`".to_owned()),
            Self::SudoForAnother { owner, .. } => Some(format!("`sudo -u '#{owner}' ampup …`")),
            Self::OpenToOthers { cluster, .. } => Some(format!("`chmod 700 {cluster}`")),
            Self::FileSystem { path, .. } => Some(format!(
                "`export AMP_DIR=\"$HOME/.local/share/amp/{}\"`, or another directory on a file system of this system's own",
                project_name(path)
            )),
            Self::Link { target, .. } => Some(format!(
                "set `AMP_DIR` to the directory that holds `{target}`, or remove the link"
            )),
            Self::Closed {
                closed,
                instead: Some(instead),
                ..
            } => Some(format!("`AMP_DIR={instead}`, or `chmod o+x {closed}`")),
            Self::Closed {
                closed,
                instead: None,
                ..
            } => Some(format!("`chmod o+x {closed}`")),
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::NotRoot | Self::AsRoot => Exit::Usage,
            Self::OfAnother { .. }
            | Self::Volume { .. }
            | Self::OwnerDiffers { .. }
            | Self::OfRoot { .. }
            | Self::SudoForAnother { .. }
            | Self::OpenToOthers { .. }
            | Self::FileSystem { .. }
            | Self::Link { .. }
            | Self::Closed { .. } => Exit::Disk,
        }
    }
}

impl ProgramError {
    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            // It was one when it was installed.
            Self::DoesNotLoad {
                failure: LoadFailure::NoProgram,
                ..
            } => Some("`ampup verify --repair` restores it".to_owned()),
            Self::DoesNotLoad { failure, .. } => failure.hint(&os_release()),
            Self::Spawn { source, .. } => match (self.host_fault(), source.kind()) {
                (Some(fault), _) => Some(fault.hint().to_owned()),
                (None, io::ErrorKind::PermissionDenied) => None,
                (None, io::ErrorKind::NotFound) => {
                    Some("`ampup verify` says what is gone, and what helps".to_owned())
                }
                (None, _) => hint_of_io(source),
            },
            Self::Failed {
                status, last_lines, ..
            } => match HostFault::of_end(*status, last_lines) {
                Some(fault) => Some(fault.hint().to_owned()),
                None => disk_in(last_lines).and_then(|refusal| hint_of_io(&refusal)),
            },
            Self::UnexpectedAnswer { .. } | Self::Silent { .. } => None,
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            // The file may not be executed: no fault of the disk's.
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Exit::Failed,
            Self::Spawn { source, .. } => Exit::of_io(source),
            Self::Failed { last_lines, .. } => {
                disk_in(last_lines).map_or(Exit::Failed, |refusal| Exit::of_io(&refusal))
            }
            Self::DoesNotLoad { .. } | Self::UnexpectedAnswer { .. } | Self::Silent { .. } => Exit::Failed,
        }
    }
}

fn is_full(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The command that opens a file of a project to this user, or the directory that it is in.
fn opening(file: &Utf8Path, cause: &io::Error) -> Option<String> {
    if cause.kind() != io::ErrorKind::PermissionDenied {
        return None;
    }
    let us = current_uid();
    let places = [(file.parent()?, 0o700, "rwx"), (file, 0o600, "rw")];
    let found = places
        .into_iter()
        .filter_map(|(place, mode, word)| Some((place, FileIdentity::at(place).ok()?, mode, word)));
    let others = found.clone().find(|(_, found, ..)| found.uid != us);
    if let Some((place, ..)) = others {
        let place = shell::typed(place.as_str());
        return Some(format!("as root, `chown -R {us} {place}`"));
    }
    let (place, _, _, word) = found
        .clone()
        .find(|(_, found, mode, _)| found.mode & mode != *mode)?;
    Some(format!("`chmod u+{word} {}`", shell::typed(place.as_str())))
}

/// The same about a project's database, which is not in ampup's home.
fn hint_of_database(cause: &io::Error) -> Option<String> {
    use io::ErrorKind::{
        CrossesDevices, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, ResourceBusy,
        StorageFull, Unsupported,
    };
    if let Some(entry) = foreign_entry(cause) {
        return Some(entry.remedy());
    }
    match cause.kind() {
        ResourceBusy | CrossesDevices => Some(
            "a volume that is mounted at `metadb` cannot be exchanged for another cluster: mount it at `.amp` instead".to_owned(),
        ),
        PermissionDenied | ReadOnlyFilesystem | Unsupported => {
            Some(OTHER_DIRECTORY.to_owned())
        }
        NotADirectory => Some(
            "`.amp`, and `metadb` in it, must be directories: move the file away, or name another directory with `AMP_DIR` or \
             `--amp-dir`"
                .to_owned(),
        ),
        StorageFull | QuotaExceeded => Some(
            "free disk space where the database is (`df -h .`; `df -i .` says if no further file can be made) and run the same \
             command again"
                .to_owned(),
        ),
        _ => hint_of_io(cause),
    }
}

impl LoadFailure {
    /// The command that helps on the system with this `/etc/os-release`.
    pub fn hint(&self, os_release: &str) -> Option<String> {
        match self {
            Self::MissingLibrary(library) => {
                let (known, library) = (Distributions::built_in(), library.as_str());
                if !known.ended([library], os_release).is_empty() {
                    return Some(format!(
                        "this distribution has no `{library}` any more; ask for another build: `ampup info postgres` lists them"
                    ));
                }
                let command = known.install([library], os_release);
                command.map(|command| format!("`{command}`"))
            }
            Self::UnreachableLibrary(_) if cfg!(target_os = "linux") => {
                Some("mount `/proc`: the loader asks it where the program lies".to_owned())
            }
            Self::Other(text) if text.contains("failed to map segment") => Some(
                "the memory of a process is limited (`ulimit -v unlimited`), or the file system is mounted `noexec`".to_owned(),
            ),
            Self::MissingInterpreter(name) if name.ends_with('\r') => {
                Some("its lines end as on Windows: `sed -i 's/\\r$//'` and its path mends that".to_owned())
            }
            Self::MissingInterpreter(_) => Some("install it, or name another in the first line".to_owned()),
            Self::Incomplete
            | Self::MissingLoader
            | Self::UnreachableLibrary(_)
            | Self::Other(_)
            | Self::OlderLibrary(_)
            | Self::OtherMachine(_)
            | Self::BuiltFor(_)
            | Self::NoProgram => None,
        }
    }
}
