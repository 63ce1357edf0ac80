//! As much of PostgreSQL's protocol as it takes to know that a server serves, and to ask it something
//! (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
//!
//! A socket that accepts a connection proves nothing: the server listens before it can answer. Ready means that a
//! session was opened.

use std::{
    fmt::Debug,
    io::{self, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use camino::Utf8Path;

use crate::{
    fs::reason,
    postgres::{
        observe::endpoint::{DATABASE, Password, Socket},
        observe::scram::{self, Scram},
    },
};

/// No message of a server we ask is larger.
const LIMIT: usize = 16 << 20;
/// Protocol 3.0, which every server understands.
const PROTOCOL: u32 = 3 << 16;

/// The answer of a socket.
#[derive(Debug)]
pub enum Answer {
    /// A session is open.
    Ready(SqlSession),
    /// A server is there that does not take sessions yet, or not any more (SQLSTATE 57P03), or that is silent.
    NotYet(String),
    /// A server is there that works and does not take this session.
    Refused {
        /// The SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
        code: String,
        /// The message.
        message: String,
    },
    /// Nobody listens.
    Nobody,
}

/// An open session. It ends with the value.
#[derive(Debug)]
pub struct SqlSession {
    stream: BufReader<Box<dyn Stream>>,
    /// `server_version`, such as `18.4`.
    pub version: String,
}

/// A connection, over whatever.
trait Stream: Read + Write + Debug + Send + Sync {}

impl<T: Read + Write + Debug + Send + Sync> Stream for T {}

/// The reason a query was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The connection broke, or was silent for too long.
    #[error("the connection to the server broke")]
    Io(#[from] io::Error),
    /// The server said no.
    #[error("the server refused: {message} ({code})")]
    Refused {
        /// The SQLSTATE.
        code: String,
        /// The message.
        message: String,
    },
}

/// SQLSTATEs (<https://www.postgresql.org/docs/current/errcodes-appendix.html>): invalid_authorization_specification, which a
/// role that is not there gets too.
pub(crate) const NO_ENTRY: &str = "28000";
/// invalid_password
pub(crate) const WRONG_PASSWORD: &str = "28P01";
/// invalid_catalog_name: there is no such database.
pub(crate) const NO_DATABASE: &str = "3D000";
/// A library that a session loads at its beginning is not there.
#[cfg(feature = "cli")]
pub(crate) const NO_FILE: &str = "58P01";
/// too_many_connections: the server has as many sessions as it takes.
pub(crate) const TOO_MANY: &str = "53300";
/// cannot_connect_now
pub const NOT_NOW: &str = "57P03";
/// disk_full
pub(crate) const DISK_FULL: &str = "53100";

/// Asks, in a `select`, whether nothing that is committed can be lost.
pub(crate) const DURABLE: &str = "'on' = all (array[current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')])";

/// Asks whether nothing that is committed can be lost.
pub(crate) fn is_durable(session: &mut SqlSession) -> Result<bool, WireError> {
    Ok(session.value(&format!("select {DURABLE}"))? == "t")
}

/// Returns true if the role that was refused does not exist. (The message is English: every server that ampup or ampd makes
/// is of the locale C.)
pub(crate) fn is_unknown_role(code: &str, message: &str) -> bool {
    code == NO_ENTRY && message.ends_with("does not exist")
}

/// A row: the columns as text, `None` for null.
pub type Row = Vec<Option<String>>;

/// Asks the server on this socket for a session. `timeout` bounds each wait for its next word.
pub fn connect(socket: &Socket, user: &str, timeout: Duration) -> Answer {
    connect_to(DATABASE, socket, user, timeout)
}

/// The same, in another of its databases.
pub fn connect_to(database: &str, socket: &Socket, user: &str, timeout: Duration) -> Answer {
    open(database, "", socket, user, timeout)
}

/// The same as `connect`, for a session that begins with these options, as those of PGOPTIONS.
#[cfg(all(feature = "cli", unix))]
pub(crate) fn connect_with(options: &str, socket: &Socket, user: &str, timeout: Duration) -> Answer {
    open(DATABASE, options, socket, user, timeout)
}

fn open(database: &str, options: &str, socket: &Socket, user: &str, timeout: Duration) -> Answer {
    let opened = match socket.path() {
        Some(path) => in_directory(&path, timeout),
        None => on_loopback(socket.port, timeout),
    };
    let stream = match opened {
        Ok(stream) => stream,
        // The queue of the socket is full: somebody made it, and is slow.
        Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
            return Answer::NotYet("its socket takes no more connections".to_owned());
        }
        Err(_) => return Answer::Nobody,
    };
    let mut session = SqlSession {
        // A server says many short things at once.
        stream: BufReader::new(stream),
        version: String::new(),
    };
    match session.begin(user, database, options, socket.password.as_ref()) {
        Ok(()) => Answer::Ready(session),
        Err(WireError::Refused { code, message }) if code == NOT_NOW => Answer::NotYet(message),
        Err(WireError::Refused { code, message }) => Answer::Refused { code, message },
        Err(WireError::Io(cause)) => Answer::NotYet(format!("its socket is silent: {}", reason(&cause))),
    }
}

fn on_loopback(port: u16, timeout: Duration) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), timeout)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(Box::new(stream))
}

#[cfg(not(unix))]
fn in_directory(_: &Utf8Path, _: Duration) -> io::Result<Box<dyn Stream>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A connection that is made at once or not at all: a plain `connect` waits for ever on a stopped server with a full
/// queue.
#[cfg(unix)]
fn in_directory(socket: &Utf8Path, timeout: Duration) -> io::Result<Box<dyn Stream>> {
    use std::os::unix::net::UnixStream;

    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

    let address = SocketAddrUnix::new(socket.as_std_path())?;
    let descriptor = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, socket_flags(), None)?;
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    rustix::net::connect(&descriptor, &address)?;
    let stream = UnixStream::from(descriptor);
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(Box::new(stream))
}

/// macOS cannot say it in one step.
#[cfg(unix)]
fn socket_flags() -> rustix::net::SocketFlags {
    #[cfg(target_os = "linux")]
    {
        rustix::net::SocketFlags::CLOEXEC
    }
    #[cfg(not(target_os = "linux"))]
    {
        rustix::net::SocketFlags::empty()
    }
}

impl SqlSession {
    fn begin(
        &mut self,
        user: &str,
        database: &str,
        options: &str,
        password: Option<&Password>,
    ) -> Result<(), WireError> {
        let mut startup = PROTOCOL.to_be_bytes().to_vec();
        for (key, value) in [
            ("user", user),
            ("database", database),
            ("application_name", "ampup"),
            ("options", options),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        {
            for text in [key, value] {
                startup.extend_from_slice(text.as_bytes());
                startup.push(0);
            }
        }
        startup.push(0);
        self.stream.get_mut().write_all(&with_length(&startup))?;
        let mut is_known = password.is_none();
        loop {
            let (kind, body) = self.message()?;
            match kind {
                b'R' if body.starts_with(&[0, 0, 0, 0]) && is_known => {}
                // Whoever lets everybody in on a port is not ours.
                b'R' if body.starts_with(&[0, 0, 0, 0]) => {
                    return Err(no_password("what listens there does not ask for the password"));
                }
                // AuthenticationSASL: 10, and the names of what it takes.
                b'R' if body.starts_with(&[0, 0, 0, 10]) => match password {
                    Some(password) => {
                        self.show(password, &body[4..])?;
                        is_known = true;
                    }
                    None => return Err(no_password("the server wants a password")),
                },
                b'R' => {
                    return Err(no_password(
                        "the server wants a password of a kind that is not known here",
                    ));
                }
                b'S' => {
                    let mut words = body.split(|byte| *byte == 0);
                    if words.next() == Some(b"server_version") {
                        self.version = text(words.next().unwrap_or_default());
                    }
                }
                b'E' => return Err(refused(&body)),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    /// Shows that we know the password, and lets the server show that it does.
    fn show(&mut self, password: &Password, mechanisms: &[u8]) -> Result<(), WireError> {
        let mut offered = mechanisms.split(|byte| *byte == 0);
        if !offered.any(|name| name == scram::MECHANISM.as_bytes()) {
            return Err(no_password("the server does not know SCRAM-SHA-256"));
        }
        let nonce = Password::random()?;
        let mut scram = Scram::new(password.reveal(), nonce.reveal().to_owned());
        let first = scram.first();
        let mut message = [scram::MECHANISM.as_bytes(), &[0]].concat();
        message.extend(u32::try_from(first.len()).expect("it is short").to_be_bytes());
        message.extend(first.as_bytes());
        self.send(b'p', &message)?;
        // AuthenticationSASLContinue: 11.
        let last = scram.last(&self.said(11)?).ok_or_else(garbled)?;
        self.send(b'p', last.as_bytes())?;
        // AuthenticationSASLFinal: 12. Whoever listens there in the server's place does not know it.
        if scram.is_genuine(&self.said(12)?) {
            Ok(())
        } else {
            Err(no_password(
                "what listens there does not know the password itself",
            ))
        }
    }

    /// Reads the text of an authentication message of this number.
    fn said(&mut self, number: u8) -> Result<String, WireError> {
        match self.message()? {
            (b'R', body) if body.starts_with(&[0, 0, 0, number]) => Ok(text(&body[4..])),
            (b'E', body) => Err(refused(&body)),
            _ => Err(garbled().into()),
        }
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let mut message = vec![kind];
        message.extend(with_length(body));
        self.stream.get_mut().write_all(&message)
    }

    /// Runs one statement and gives its rows.
    ///
    /// # Errors
    /// When the server refuses it or the connection breaks.
    pub fn query(&mut self, statement: &str) -> Result<Vec<Row>, WireError> {
        let mut body = statement.as_bytes().to_vec();
        body.push(0);
        self.send(b'Q', &body)?;
        let (mut rows, mut error) = (Vec::new(), None);
        loop {
            let (kind, body) = self.message()?;
            match kind {
                b'D' => rows.push(row(&body).ok_or_else(garbled)?),
                b'E' => error = Some(refused(&body)),
                b'Z' => return error.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    /// The first column of the only row.
    ///
    /// # Errors
    /// As `query`; also when there is no such value.
    pub fn value(&mut self, statement: &str) -> Result<String, WireError> {
        let first = self.first_row(statement)?.into_iter().next().flatten();
        first.ok_or_else(|| garbled().into())
    }

    /// The only row.
    ///
    /// # Errors
    /// As `query`; also when there is none.
    pub(crate) fn first_row(&mut self, statement: &str) -> Result<Row, WireError> {
        let rows = self.query(statement)?;
        rows.into_iter().next().ok_or_else(|| garbled().into())
    }

    fn message(&mut self) -> Result<(u8, Vec<u8>), WireError> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| garbled())?;
        if !(4..=LIMIT).contains(&length) {
            return Err(garbled().into());
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        if kind == b'E' && body.starts_with(b"S") && fatal(&body) {
            // Nothing follows a fatal error.
            return Err(refused(&body));
        }
        Ok((kind, body))
    }
}

impl Drop for SqlSession {
    fn drop(&mut self) {
        // Terminate; without it the server writes a line about a lost connection into its log.
        let _ = self.stream.get_mut().write_all(&[b'X', 0, 0, 0, 4]);
    }
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("our own messages are short");
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(body);
    message
}

/// A DataRow: a count, then for each column its length (-1: null) and its text.
fn row(mut body: &[u8]) -> Option<Row> {
    let count = u16::from_be_bytes(take(&mut body, 2)?.try_into().ok()?);
    let mut row = Row::new();
    for _ in 0..count {
        let length = i32::from_be_bytes(take(&mut body, 4)?.try_into().ok()?);
        row.push(match usize::try_from(length) {
            Ok(length) => Some(text(take(&mut body, length)?)),
            Err(_) => None,
        });
    }
    Some(row)
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

/// A field of an ErrorResponse: a letter, then text, then a zero
/// (<https://www.postgresql.org/docs/current/protocol-error-fields.html>).
fn field(body: &[u8], letter: u8) -> Option<String> {
    body.split(|byte| *byte == 0)
        .find(|field| field.first() == Some(&letter))
        .map(|field| text(&field[1..]))
}

fn fatal(body: &[u8]) -> bool {
    // V is the severity in English always (since 9.6).
    matches!(field(body, b'V').as_deref(), Some("FATAL" | "PANIC"))
}

fn refused(body: &[u8]) -> WireError {
    WireError::Refused {
        code: field(body, b'C').unwrap_or_default(),
        message: field(body, b'M').unwrap_or_default(),
    }
}

/// With the code of a failed password check.
fn no_password(message: &str) -> WireError {
    WireError::Refused {
        code: WRONG_PASSWORD.to_owned(),
        message: message.to_owned(),
    }
}

fn garbled() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "this is not the language of PostgreSQL",
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_errors_are_read_and_nonsense_is_none() {
        let two = [0, 2, 0, 0, 0, 1, b'x', 0xff, 0xff, 0xff, 0xff];
        assert_eq!(row(&two), Some(vec![Some("x".to_owned()), None]));
        assert_eq!(row(&two[..6]), None);
        assert_eq!(row(&[]), None);
        assert!(is_unknown_role("28000", "role \"x\" does not exist"));
        assert!(!is_unknown_role("28000", "role \"x\" is not permitted to log in"));
        assert!(!is_unknown_role("3D000", "database \"postgres\" does not exist"));
        let error = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
        assert!(fatal(error));
        assert_eq!(field(error, b'C').as_deref(), Some("57P03"));
        assert_eq!(
            field(error, b'M').as_deref(),
            Some("the database system is starting up")
        );
    }
}
