//! Where the server of a cluster listens, or would listen.

use camino::Utf8PathBuf;

use crate::postgres::{
    context::{ClusterContext, Reach},
    error::ClusterError,
    observe::{
        endpoint::{self, LOOPBACK, Password, Socket},
        files,
        pid_file::PidFile,
    },
    user::current_uid,
};

/// The socket where a server of this user would listen: in the cluster, or in a short directory where its path does not
/// do.
pub(crate) fn expected_socket(cluster: &ClusterContext, uid: u32) -> Socket {
    let directory = &cluster.directory;
    if endpoint::fits(directory) {
        Socket::new(directory.clone())
    } else {
        socket_elsewhere(cluster, uid)
    }
}

/// The socket in a short directory of this user's.
pub(crate) fn socket_elsewhere(cluster: &ClusterContext, uid: u32) -> Socket {
    let directory = &cluster.directory;
    // What `su` or a container hands on may be another user's, or nowhere.
    let is_ours = |runtime: &&Utf8PathBuf| {
        uid == current_uid() && files::owner(runtime).is_ok_and(|owner| owner == uid)
    };
    let ours = cluster.runtime_dir.as_ref().filter(is_ours);
    let short = ours
        .map(|runtime| endpoint::elsewhere(&runtime.join("ampup"), directory))
        .filter(|directory| endpoint::fits(directory));
    // Not TMPDIR: macOS's is long, and every ampup of this user must find the same.
    let everyones = Utf8PathBuf::from(format!("/tmp/ampup-{uid}"));
    Socket::new(short.unwrap_or_else(|| endpoint::elsewhere(&everyones, directory)))
}

/// The address that a server has, or would have, while nobody answers on any.
pub(crate) fn expected(cluster: &ClusterContext, owner: u32) -> Result<Socket, ClusterError> {
    Ok(match (cluster.reach, password(cluster)) {
        (Reach::Loopback, Some(password)) => {
            Socket::on_loopback(last_port(cluster)?.unwrap_or_default(), password)
        }
        _ => {
            let elsewhere = socket_elsewhere(cluster, owner);
            // A file system without sockets has none the next time either.
            let options =
                files::last_options(&cluster.directory).map_err(cluster.failed("read the options of"))?;
            if options.contains(elsewhere.host.as_str()) {
                elsewhere
            } else {
                expected_socket(cluster, owner)
            }
        }
    })
}

/// Where a server of this cluster may listen: where its pid file says, else where we would put it.
pub(crate) fn candidates(cluster: &ClusterContext, pid_file: &PidFile, owner: u32) -> Vec<Socket> {
    if cluster.reach == Reach::Loopback {
        let entry = pid_file
            .entry()
            .filter(|entry| entry.address.as_deref() == Some(LOOPBACK));
        let port = entry.and_then(|entry| entry.port);
        return port
            .zip(password(cluster))
            .map(|(port, password)| Socket::on_loopback(port, password))
            .into_iter()
            .collect();
    }
    let mut sockets = Vec::new();
    if let Some(entry) = pid_file.entry()
        && let Some(directory) = &entry.socket_directory
    {
        let mut socket = Socket::new(directory.clone());
        socket.port = entry.port.unwrap_or(socket.port);
        sockets.push(socket);
    }
    for socket in [
        Socket::new(cluster.directory.clone()),
        expected_socket(cluster, owner),
    ] {
        if !sockets.contains(&socket) {
            sockets.push(socket);
        }
    }
    sockets
}

/// The port of the server that runs now, and its password, if it has one beside its socket.
pub(crate) fn port_beside(cluster: &ClusterContext) -> Option<Socket> {
    if cluster.reach == Reach::Loopback {
        return None;
    }
    let file = files::pid_file(&cluster.directory).ok()?;
    let entry = file
        .entry()
        .filter(|entry| entry.address.as_deref() == Some(LOOPBACK))?;
    Some(Socket::on_loopback(entry.port?, password(cluster)?))
}

/// The superuser's password that is written down, if one is.
pub(crate) fn password(cluster: &ClusterContext) -> Option<Password> {
    Password::parse(&files::text(&cluster.password_file).ok()??)
}

/// The port that the last server had: addresses that people wrote down stay true where that is possible.
pub(crate) fn last_port(cluster: &ClusterContext) -> Result<Option<u16>, ClusterError> {
    let options = files::last_options(&cluster.directory).map_err(cluster.failed("read the options of"))?;
    let words = options.split(['"', ' ', '\n']);
    Ok(words
        .filter_map(|word| word.strip_prefix("port=")?.parse().ok())
        .next_back())
}
