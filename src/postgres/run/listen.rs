//! The address that the next server of a cluster listens on: its directory or port is found, its password is made.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

#[cfg(unix)]
use camino::Utf8Path;

#[cfg(unix)]
use crate::fs::{directory::Directory, identity::FileIdentity, sockets};
use crate::{
    fs::atomic,
    postgres::{
        context::{ClusterContext, Reach},
        error::ClusterError,
        host_fault::HostFault,
        observe::{
            address::{expected_socket, last_port, password, socket_elsewhere},
            endpoint::{Password, Socket},
        },
        ownership::give,
        user::{OsUser, current_uid},
    },
};

/// The place of a server's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketPlace {
    /// The cluster, unless its path does not do.
    Usual,
    /// The runtime directory: the file system of the cluster has no sockets.
    Elsewhere,
}

impl SocketPlace {
    /// Takes the other place for a server that failed for want of a socket. Gives whether there is one.
    pub(crate) fn is_other_after(&mut self, last_lines: &[String]) -> bool {
        let takes = *self == Self::Usual && HostFault::find(last_lines) == Some(HostFault::Socket);
        if takes {
            *self = Self::Elsewhere;
        }
        takes
    }
}

/// The socket of a server that is about to run as this user: in the cluster, or in a short directory, which is made,
/// where the cluster's own does not do.
pub(crate) fn make_socket(
    cluster: &ClusterContext,
    run_as: Option<&OsUser>,
    place: SocketPlace,
) -> Result<Socket, ClusterError> {
    if cluster.reach == Reach::Loopback {
        let password = password(cluster).ok_or_else(|| ClusterError::NoPassword {
            cluster: cluster.directory.clone(),
            file: cluster.password_file.clone(),
        })?;
        let port = free_port(last_port(cluster)?).map_err(cluster.failed("find a port for the server of"))?;
        return Ok(Socket::on_loopback(port, password));
    }
    let uid = run_as.map_or_else(current_uid, |user| user.uid);
    let usual = expected_socket(cluster, uid);
    let socket = match place {
        SocketPlace::Usual if !is_without_sockets(cluster, &usual) => usual,
        SocketPlace::Usual | SocketPlace::Elsewhere => socket_elsewhere(cluster, uid),
    };
    #[cfg(unix)]
    if socket.host != cluster.directory {
        let owner = run_as.map(|user| (user.uid, user.gid));
        let above = socket.host.parent().expect("made below a runtime directory");
        for directory in [above, &socket.host] {
            make_private(directory, owner).map_err(|source| ClusterError::Io {
                action: "use the runtime directory",
                path: directory.to_owned(),
                source,
            })?;
        }
    }
    Ok(socket)
}

/// Returns true if nobody would reach a socket in the cluster, as far as it can be tried there. A server would begin all the
/// same where one can be made.
fn is_without_sockets(cluster: &ClusterContext, usual: &Socket) -> bool {
    #[cfg(unix)]
    {
        usual.host == cluster.directory && matches!(sockets::work_in(&cluster.directory), Ok(false))
    }
    #[cfg(not(unix))]
    {
        let _ = (cluster, usual);
        false
    }
}

/// Writes a password down for the superuser, unless there is one. Only for a cluster that is about to be made: no other
/// one would know it.
pub(crate) fn make_password(cluster: &ClusterContext, run_as: Option<&OsUser>) -> Result<(), ClusterError> {
    if password(cluster).is_some() {
        return Ok(());
    }
    let failed = cluster.failed("make a password for");
    let password = Password::random().map_err(&failed)?;
    let text = format!("{}\n", password.reveal());
    atomic::write_private(&cluster.password_file, text.as_bytes()).map_err(&failed)?;
    give(&cluster.password_file, run_as).map_err(&failed)
}

/// A port that nobody listens on: this one, if it can be. Somebody may take it before the server does, which then says so.
pub(crate) fn free_port(wanted: Option<u16>) -> io::Result<u16> {
    let wanted = wanted.and_then(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    let listener = match wanted {
        Some(listener) => listener,
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
    };
    Ok(listener.local_addr()?.port())
}

/// Makes a directory that only `owner` can enter, or checks that it is one. Somebody else may have made it first: the
/// directory above may be `/tmp`.
///
/// # Errors
/// When it cannot be made, is a link, is another's, or is open to others.
#[cfg(unix)]
pub fn make_private(directory: &Utf8Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    match Directory::make(directory) {
        Ok(made) => {
            if let Some((uid, gid)) = owner {
                made.give(uid, gid)?;
            }
        }
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(cause),
    }
    let found = FileIdentity::at(directory)?;
    let is_directory = fs_err::symlink_metadata(directory)?.is_dir();
    let uid = owner.map_or_else(current_uid, |(uid, _)| uid);
    if is_directory && found.uid == uid && found.mode & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("`{directory}` is not a directory that user {uid} alone can enter"),
    ))
}
