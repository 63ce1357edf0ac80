//! Where a server's Unix socket lies, and the URL that leads to it.

use std::{fmt::Write as _, io};

use camino::{Utf8Path, Utf8PathBuf};

/// The number in the socket's name. Servers do not collide: each has a directory of its own. ampd looks for this one.
pub const PORT: u16 = 5432;
/// The database that every cluster has, and that ampd uses.
pub const DATABASE: &str = "postgres";
/// What fits into `sun_path` with its final zero (unix(7); macOS, unix(4)), less `/.s.PGSQL.5432`.
const LONGEST_DIRECTORY: usize = if cfg!(target_os = "macos") { 89 } else { 93 };

/// A server's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Where it lies.
    pub directory: Utf8PathBuf,
    /// The number in its name.
    pub port: u16,
}

impl Socket {
    /// The socket of a server that ampup or ampd starts in this directory.
    pub fn new(directory: impl Into<Utf8PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            port: PORT,
        }
    }

    /// Its path.
    pub fn path(&self) -> Utf8PathBuf {
        self.directory.join(format!(".s.PGSQL.{}", self.port))
    }

    /// The URL of the database on it. It says everything that libpq and sqlx would otherwise take from PGPORT, PGUSER
    /// and PGSSLMODE (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>).
    ///
    /// User and host are parameters because the place before the `@` wants a host name, which a socket has not.
    pub fn url(&self, user: &str) -> String {
        format!(
            "postgresql:///{DATABASE}?host={}&port={}&user={}&sslmode=disable",
            encoded(self.directory.as_str()),
            self.port,
            encoded(user)
        )
    }
}

/// Whether a socket can lie in this directory. libpq and PostgreSQL both read a comma as the end of a path
/// (<https://www.postgresql.org/docs/current/runtime-config-connection.html>, `unix_socket_directories`).
pub fn fits(directory: &Utf8Path) -> bool {
    directory.as_str().len() <= LONGEST_DIRECTORY && !directory.as_str().contains(',')
}

/// The short directory for the socket of a cluster whose own path does not do: below `runtime`, named after the
/// cluster's path, so that every ampup finds the same.
pub fn elsewhere(runtime: &Utf8Path, cluster: &Utf8Path) -> Utf8PathBuf {
    use sha2::{Digest as _, Sha256};
    let name = hex::encode(&Sha256::digest(cluster.as_str())[..8]);
    runtime.join(name)
}

/// Percent-encoded. A slash may stay in a query (RFC 3986, section 3.4), and people read these.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Makes a directory that only `owner` can enter, or checks that it is one. Somebody else may have made it first: the
/// directory above may be `/tmp`.
///
/// # Errors
/// When it cannot be made, is a link, is another's, or is open to others.
#[cfg(unix)]
pub fn make_private(directory: &Utf8Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

    use fs_err as fs;

    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700);
    match builder.create(directory) {
        Ok(()) => {
            if let Some((uid, gid)) = owner {
                fs_err::os::unix::fs::lchown(directory, Some(uid), Some(gid))?;
            }
        }
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(cause),
    }
    let found = fs::symlink_metadata(directory)?;
    let uid = owner.map_or_else(super::user::current_uid, |(uid, _)| uid);
    if found.is_dir() && found.uid() == uid && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("`{directory}` is not a directory that user {uid} alone can enter"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_fits_where_the_system_and_the_clients_can_name_it() {
        let of_length = |length: usize| Utf8PathBuf::from(format!("/{}", "p".repeat(length - 1)));
        assert!(fits(&of_length(LONGEST_DIRECTORY)));
        assert!(!fits(&of_length(LONGEST_DIRECTORY + 1)));
        assert!(!fits("/a,b".into()));
        assert!(fits("/a b'\"$é".into()));
    }

    #[test]
    fn the_url_survives_every_path_and_name() {
        assert_eq!(
            Socket::new("/p/.amp/metadb").url("ann"),
            "postgresql:///postgres?host=/p/.amp/metadb&port=5432&user=ann&sslmode=disable"
        );
        assert_eq!(
            Socket::new("/a b&c+é").url("x@y"),
            "postgresql:///postgres?host=/a%20b%26c%2B%C3%A9&port=5432&user=x%40y&sslmode=disable"
        );
    }
}
