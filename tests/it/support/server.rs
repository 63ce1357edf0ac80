//! A small web server on a loopback port. What it does wrong is data.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A server; it ends with this value.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(one, _)| one.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    end: End,
}

/// The end of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// With its last byte.
    Whole,
    /// The connection is closed after so many bytes of the body.
    CutAfter(usize),
    /// In chunks, and the connection is closed after so many bytes of the body.
    ChunkedCutAfter(usize),
    /// In chunks, as it should be.
    Chunked,
    /// The connection stays open and nothing comes, not even a head.
    SilentBefore,
    /// Nothing comes after so many bytes of the body.
    SilentAfter(usize),
    /// One byte in each such span.
    OneEvery(Duration),
    /// The body is all there is: it is sent as it is, without a head.
    Raw,
}

/// The ETag of honest answers.
pub(crate) const ETAG: &str = "\"v1\"";

impl Reply {
    /// A status and nothing else.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            end: End::Whole,
        }
        .header("Content-Length", "0")
    }

    /// The whole content.
    pub(crate) fn whole(content: &[u8]) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: content.to_vec(),
            end: End::Whole,
        }
        .header("ETag", ETAG)
        .header("Content-Length", content.len().to_string())
    }

    /// The answer of an honest server: the content, or the rest of it that is asked for.
    pub(crate) fn honest(content: &[u8], request: &Request) -> Self {
        let from = request
            .header("Range")
            .and_then(|range| {
                range
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse::<usize>()
                    .ok()
            })
            .filter(|_| request.header("If-Range").is_none_or(|tag| tag == ETAG));
        let Some(from) = from else {
            return Self::whole(content);
        };
        if from >= content.len() {
            return Self::status(416).header("Content-Range", format!("bytes */{}", content.len()));
        }
        Self::part(content, from)
    }

    /// The rest from a byte on.
    pub(crate) fn part(content: &[u8], from: usize) -> Self {
        let mut reply = Self::whole(&content[from..]);
        reply.status = 206;
        reply.header(
            "Content-Range",
            format!("bytes {from}-{}/{}", content.len() - 1, content.len()),
        )
    }

    /// Bytes as they are, in place of an answer.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 0,
            headers: Vec::new(),
            body: bytes.into(),
            end: End::Raw,
        }
    }

    pub(crate) fn redirect(to: impl Into<String>) -> Self {
        Self::status(302).header("Location", to)
    }

    /// With this header in place of any of that name.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(one, _)| !one.eq_ignore_ascii_case(name));
        self
    }

    /// With a header that may be there already.
    pub(crate) fn also(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

impl Server {
    /// A server that answers each request, the nth of all (from 0), so.
    pub(crate) fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::run("http", answer, |stream| Ok(Box::new(stream)))
    }

    /// The same with TLS.
    pub(crate) fn start_tls(
        config: Arc<rustls::ServerConfig>,
        answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::run("https", answer, move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            Ok(Box::new(rustls::StreamOwned::new(connection, stream)))
        })
    }

    fn run(
        scheme: &'static str,
        answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
        accept: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self {
            address: listener.local_addr().expect("bound"),
            scheme,
            requests: Arc::default(),
            stop: Arc::default(),
        };
        let (requests, stop) = (server.requests.clone(), server.stop.clone());
        let worker = Arc::new(move |stream: TcpStream| {
            let _ = stream.set_nodelay(true);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let mut stream = accept(stream)?;
            let request = read_request(&mut stream)?;
            let nth = {
                let mut requests = requests.lock().expect("no panic");
                requests.push(request.clone());
                requests.len() - 1
            };
            send(&mut stream, &answer(&request, nth), &stop)
        });
        let stop = server.stop.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let worker = worker.clone();
                // A client that goes away is part of many tests.
                thread::spawn(move || {
                    let _: io::Result<()> = worker(stream);
                });
            }
        });
        server
    }

    /// The address of a path on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// All that was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn read_request(stream: &mut Box<dyn Stream>) -> io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let mut words = first.split(' ');
    let mut request = Request {
        method: words.next().unwrap_or_default().to_owned(),
        target: words.next().unwrap_or_default().to_owned(),
        headers: Vec::new(),
    };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        request.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok(request)
}

fn send(stream: &mut Box<dyn Stream>, reply: &Reply, stop: &AtomicBool) -> io::Result<()> {
    if let End::SilentBefore = reply.end {
        hang(stop);
        return Ok(());
    }
    if let End::Raw = reply.end {
        stream.write_all(&reply.body)?;
        return stream.flush();
    }
    let chunked = matches!(reply.end, End::Chunked | End::ChunkedCutAfter(_));
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        if !(chunked && name.eq_ignore_ascii_case("Content-Length")) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    if chunked {
        head.push_str("Transfer-Encoding: chunked\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.flush()?;
    match reply.end {
        End::Whole => stream.write_all(&reply.body)?,
        End::CutAfter(count) => stream.write_all(&reply.body[..count.min(reply.body.len())])?,
        End::Chunked => {
            send_chunk(stream, &reply.body)?;
            stream.write_all(b"0\r\n\r\n")?;
        }
        End::ChunkedCutAfter(count) => send_chunk(stream, &reply.body[..count.min(reply.body.len())])?,
        End::SilentAfter(count) => {
            stream.write_all(&reply.body[..count.min(reply.body.len())])?;
            stream.flush()?;
            hang(stop);
        }
        End::OneEvery(span) => {
            for byte in &reply.body {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                thread::sleep(span);
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        End::SilentBefore | End::Raw => unreachable!("handled above"),
    }
    stream.flush()
}

fn send_chunk(stream: &mut Box<dyn Stream>, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes())?;
    stream.write_all(bytes)?;
    stream.write_all(b"\r\n")
}

/// Does nothing until the test ends.
fn hang(stop: &AtomicBool) {
    let began = Instant::now();
    while !stop.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(20));
    }
}
