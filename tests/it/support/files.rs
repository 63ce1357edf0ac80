//! A server of files on loopback: a release page, as far as a bootstrap script sees it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};

/// The way a server treats requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Sends the file, or 404.
    Whole,
    /// Promises the file, sends so many bytes of it, and closes.
    CutAfter(usize),
    /// Promises the file, sends nothing, and keeps the connection.
    Silence,
}

/// A server that ends with the test's process.
pub(crate) struct FileServer {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FileServer {
    pub(crate) fn serve(directory: &Utf8Path, reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (directory, log) = (directory.to_owned(), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (directory, log) = (directory.clone(), Arc::clone(&log));
                // A client that goes away is the test's own doing.
                thread::spawn(move || answer(&stream, &directory, reply, &log).ok());
            }
        });
        Self { port, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The paths that were asked for, in their order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic while held").clone()
    }
}

fn answer(
    mut stream: &TcpStream,
    directory: &Utf8PathBuf,
    reply: Reply,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    log.lock().expect("no panic while held").push(path.clone());
    if let Some(to) = latest(directory, &path) {
        let head =
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return stream.write_all(head.as_bytes());
    }
    let Ok(content) = fs_err::read(directory.join(path.trim_start_matches('/'))) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let length = content.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    match reply {
        Reply::Whole => stream.write_all(&content),
        Reply::CutAfter(bytes) => stream.write_all(&content[..bytes.min(length)]),
        Reply::Silence => {
            thread::sleep(Duration::from_secs(30));
            Ok(())
        }
    }
}

/// Where a path below `latest/download` leads: a release page never has files there itself.
fn latest(directory: &Utf8Path, path: &str) -> Option<String> {
    let file = path.strip_prefix("/latest/download/")?;
    let release = directory.join("latest/download").read_link_utf8().ok()?;
    Some(format!("/download/{}/{file}", release.file_name()?))
}
