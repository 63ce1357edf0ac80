//! Where a server listens, and the URL that leads there: on a Unix socket in a directory; where the system has none, on a
//! port of the loopback interface, with a password.

use std::{
    fmt::{self, Write as _},
    io,
};

use camino::{Utf8Path, Utf8PathBuf};

/// The number in the socket's name. Servers do not collide: each has a directory of its own. ampd looks for this one.
pub const PORT: u16 = 5432;
/// The database that every cluster has, and that ampd uses.
pub const DATABASE: &str = "postgres";
/// The longest directory that fits into `sun_path` with its final zero (unix(7); macOS, unix(4)), less `/.s.PGSQL.5432`.
const LONGEST_DIRECTORY: usize = if cfg!(target_os = "macos") { 89 } else { 93 };

/// The address that a server listens on if there is no Unix socket. Every user of the machine can connect there.
pub const LOOPBACK: &str = "127.0.0.1";

/// A server's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// As libpq has it: the directory that it lies in, or an address.
    pub host: Utf8PathBuf,
    /// The number in its name, or its port.
    pub port: u16,
    /// The superuser's password. A socket in a directory needs none: who can enter may connect.
    pub password: Option<Password>,
}

/// A password: hexadecimal digits. It is not printed with what holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// No password of ours is longer, in hex digits.
const LONGEST_PASSWORD: usize = 64;

impl Password {
    /// One that nobody can guess.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// One that was written down; `None` where that is no password of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let has_length = (1..=LONGEST_PASSWORD).contains(&text.len());
        let is_ours = has_length && text.bytes().all(|letter| letter.is_ascii_hexdigit());
        is_ours.then(|| Self(text.to_owned()))
    }

    /// Returns the text that the server is given.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// Its path, or its address and port.
impl fmt::Display for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => path.fmt(formatter),
            None => formatter.write_str(&self.address().unwrap_or_default()),
        }
    }
}

impl Socket {
    /// The socket of a server that ampup or ampd starts in this directory.
    pub fn new(directory: impl Into<Utf8PathBuf>) -> Self {
        Self {
            host: directory.into(),
            port: PORT,
            password: None,
        }
    }

    /// A port of this machine's loopback interface.
    pub fn on_loopback(port: u16, password: Password) -> Self {
        Self {
            host: LOOPBACK.into(),
            port,
            password: Some(password),
        }
    }

    /// Where it lies, if it has a path.
    pub fn path(&self) -> Option<Utf8PathBuf> {
        let name = format!(".s.PGSQL.{}", self.port);
        self.password.is_none().then(|| self.host.join(name))
    }

    /// Its address and port, if it has no path.
    pub fn address(&self) -> Option<String> {
        self.password
            .as_ref()
            .map(|_| format!("{}:{}", self.host, self.port))
    }

    /// The URL of the database on it. It says everything that libpq and sqlx would otherwise take from PGPORT, PGUSER
    /// and PGSSLMODE (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>).
    ///
    /// User and host are parameters because the place before the `@` wants a host name, which a socket has not.
    pub fn url(&self, user: &str) -> String {
        let password = match &self.password {
            Some(password) => format!("&password={}", password.reveal()),
            None => String::new(),
        };
        self.url_to_show(user) + &password
    }

    /// The URL of the database on a port, in the form that programs for a host and a port take.
    pub(crate) fn url_for_hosts(&self, user: &str) -> String {
        let password = self
            .password
            .as_ref()
            .map(|password| format!(":{}", password.reveal()));
        format!(
            "postgresql://{}{}@{}:{}/{DATABASE}?sslmode=disable",
            encoded(user),
            password.unwrap_or_default(),
            self.host,
            self.port
        )
    }

    /// The same for a command line, which others may see: without the password.
    pub fn url_to_show(&self, user: &str) -> String {
        format!(
            "postgresql:///{DATABASE}?host={}&port={}&user={}&sslmode=disable",
            encoded(self.host.as_str()),
            self.port,
            encoded(user)
        )
    }
}

/// Returns true if a socket can be in this directory. libpq and PostgreSQL both read a comma as the end of a path
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

    #[test]
    fn a_password_is_in_the_address_and_nowhere_else() {
        let password = Password::random().expect("random");
        assert_ne!(password, Password::random().expect("random"));
        assert_eq!(
            Password::parse(&format!("{}\n", password.reveal())),
            Some(password.clone())
        );
        assert!(Password::parse("").is_none() && Password::parse("a b").is_none());
        let socket = Socket::on_loopback(49_152, password.clone());
        let (shown, whole) = (socket.url_to_show("postgres"), socket.url("postgres"));
        assert_eq!(whole, format!("{shown}&password={}", password.reveal()));
        assert!(!format!("{socket:?} {socket} {shown}").contains(password.reveal()));
        assert_eq!(
            (socket.to_string().as_str(), socket.path()),
            ("127.0.0.1:49152", None)
        );
    }
}
