//! The compression of a backup: zstd, or gzip where the file's name says so, and what is read is known by its first bytes.
//! It is done by a thread of its own, beside the reading, writing and hashing of the files; where there is none to be had, by
//! ours.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    thread::{self, JoinHandle},
};

use camino::Utf8Path;
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use fs_err as fs;
use zstd::stream::{read::Decoder as ZstdDecoder, write::Encoder as ZstdEncoder};

/// The size of a chunk that goes from one thread to the other, and the number of chunks that may wait.
const CHUNK: usize = 1 << 18;
const WAITING: usize = 8;
/// zstd's fastest level but for its negative ones: files are smaller than gzip's and made in a fraction of the time.
const LEVEL: i32 = 1;

/// Compresses what is written into a file.
pub(super) enum Compressing {
    /// By a thread.
    Apart {
        /// Not sent yet.
        chunk: Vec<u8>,
        to: SyncSender<Vec<u8>>,
        /// Until it was waited for.
        thread: Option<JoinHandle<io::Result<fs::File>>>,
    },
    /// By ours.
    Here(Encoder),
}

/// A compression that was begun.
pub(super) enum Encoder {
    Zstd(ZstdEncoder<'static, fs::File>),
    Gzip(GzEncoder<fs::File>),
}

impl Encoder {
    fn new(file: fs::File, name: &Utf8Path) -> io::Result<Self> {
        if name.extension() == Some("gz") {
            return Ok(Self::Gzip(GzEncoder::new(file, Compression::fast())));
        }
        let mut encoder = ZstdEncoder::new(file, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self::Zstd(encoder))
    }

    fn finish(self) -> io::Result<fs::File> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(encoder) => encoder.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Compressing {
    /// Compresses into this file, as its later name says.
    pub(super) fn new(file: fs::File, name: &Utf8Path) -> io::Result<Self> {
        let encoder = Encoder::new(file, name)?;
        let (to, from) = mpsc::sync_channel::<Vec<u8>>(WAITING);
        Ok(
            match apart(encoder, move |mut encoder| {
                for chunk in from {
                    encoder.write_all(&chunk)?;
                }
                encoder.finish()
            }) {
                Ok(thread) => Self::Apart {
                    chunk: Vec::with_capacity(CHUNK),
                    to,
                    thread: Some(thread),
                },
                Err(encoder) => Self::Here(encoder),
            },
        )
    }

    /// Gives the file, which is whole now.
    pub(super) fn finish(mut self) -> io::Result<fs::File> {
        self.send()?;
        match self {
            Self::Here(encoder) => encoder.finish(),
            Self::Apart { to, mut thread, .. } => {
                drop(to);
                joined(&mut thread)
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Apart { chunk, to, thread } => {
                let full = std::mem::replace(chunk, Vec::with_capacity(CHUNK));
                // A thread that takes no more has failed, and knows why.
                to.send(full).or_else(|_| joined(thread).map(drop))
            }
        }
    }
}

/// Returns the result of a thread.
fn joined<T>(thread: &mut Option<JoinHandle<io::Result<T>>>) -> io::Result<T> {
    let done = thread.take().and_then(|thread| thread.join().ok());
    done.unwrap_or_else(|| Err(io::Error::other("the compression ended early")))
}

impl Write for Compressing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Here(encoder) => encoder.write(bytes),
            Self::Apart { chunk, .. } => {
                let count = bytes.len().min(CHUNK - chunk.len());
                chunk.extend_from_slice(&bytes[..count]);
                if chunk.len() == CHUNK {
                    self.send()?;
                }
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads what was compressed into a file, to its very end: nothing may follow it.
pub(super) fn decompressed(file: fs::File) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::with_capacity(CHUNK, file);
    let decoder = if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        Decoder::Gzip(Box::new(GzDecoder::new(file)))
    } else {
        Decoder::Zstd(ZstdDecoder::with_buffer(file)?.single_frame())
    };
    let (to, from) = mpsc::sync_channel(WAITING);
    Ok(
        match apart(decoder, move |mut decoder| {
            loop {
                let mut chunk = Vec::with_capacity(CHUNK);
                let read = decoder.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
                let is_over = chunk.is_empty() || read.is_err();
                // Nobody reads on where only the beginning was wanted.
                if !chunk.is_empty() && to.send(Ok(chunk)).is_err() {
                    return;
                }
                if is_over {
                    let _ = to.send(read.map(|_| Vec::new()));
                    return;
                }
            }
        }) {
            Ok(_) => Box::new(Ahead {
                from,
                chunk: io::Cursor::default(),
            }),
            Err(decoder) => Box::new(decoder),
        },
    )
}

enum Decoder {
    Zstd(ZstdDecoder<'static, BufReader<fs::File>>),
    Gzip(Box<GzDecoder<BufReader<fs::File>>>),
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self {
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
        };
        let count = count.map_err(in_our_words)?;
        if count == 0 && !buffer.is_empty() {
            let rest = match self {
                Self::Zstd(decoder) => decoder.get_mut(),
                Self::Gzip(decoder) => decoder.get_mut(),
            };
            if !rest.fill_buf()?.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "something follows its end",
                ));
            }
        }
        Ok(count)
    }
}

/// The fault of a file in our words, where a decoder has its own; the system's are left as they are.
fn in_our_words(cause: io::Error) -> io::Error {
    let why = match cause.kind() {
        _ if cause.raw_os_error().is_some() => return cause,
        io::ErrorKind::Interrupted => return cause,
        io::ErrorKind::UnexpectedEof => "it was cut off",
        _ => "a part of it was changed",
    };
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The data that another thread reads ahead. An empty chunk is the end.
struct Ahead {
    from: Receiver<io::Result<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.fill_buf()?.is_empty() {
            self.chunk = io::Cursor::new(match self.from.recv() {
                Ok(chunk) => chunk?,
                // It said before that this is the end.
                Err(_) => Vec::new(),
            });
        }
        self.chunk.read(buffer)
    }
}

/// Does some work on a thread of its own; where there is none, gives back what it was to be done with.
fn apart<W: Send + 'static, T: Send + 'static>(
    with: W,
    work: impl FnOnce(W) -> T + Send + 'static,
) -> Result<JoinHandle<T>, W> {
    let place = Arc::new(Mutex::new(Some(with)));
    let take = |place: &Mutex<Option<W>>| {
        let with = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        with.expect("it is taken once")
    };
    let theirs = Arc::clone(&place);
    thread::Builder::new()
        .spawn(move || work(take(&theirs)))
        .map_err(|_| take(&place))
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;
    use crate::table::every;

    fn written(directory: &Utf8Path, name: &str, content: &[u8]) -> Utf8PathBuf {
        let path = directory.join(name);
        let file = fs::File::create(&path).expect("made");
        let mut compressing = Compressing::new(file, &path).expect("begun");
        compressing.write_all(content).expect("written");
        compressing.finish().expect("finished");
        path
    }

    fn read(path: &Utf8Path) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        decompressed(fs::File::open(path)?)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn what_was_compressed_is_read_and_nothing_may_be_cut_off_or_follow() {
        let world = tempfile::tempdir().expect("a directory");
        let world = Utf8Path::from_path(world.path()).expect("UTF-8");
        let content: Vec<u8> = (0..3 * CHUNK as u32 + 5).flat_map(u32::to_le_bytes).collect();
        every(["a.tar.zst", "a.tar.gz", "a"], |name| {
            for content in [&content[..], b"", b"short"] {
                let path = written(world, name, content);
                assert_eq!(read(&path).expect("whole"), content, "{name}");
                let whole = fs::read(&path).expect("read");
                assert_eq!(whole.starts_with(&[0x1f, 0x8b]), name.ends_with("gz"), "{name}");
                fs::write(&path, &whole[..whole.len() - 1]).expect("written");
                let refused = read(&path).expect_err("its last byte is missing");
                assert_eq!(refused.to_string(), "it was cut off", "{name}");
                let mut flipped = whole.clone();
                let last = flipped.len() - 1;
                flipped[last] ^= 1;
                fs::write(&path, flipped).expect("written");
                let refused = read(&path).expect_err("its checksum is wrong").to_string();
                assert_eq!(refused, "a part of it was changed", "{name}");
                for more in [&b"\0"[..], b"evil", &whole] {
                    fs::write(&path, [&whole, more].concat()).expect("written");
                    let refused = read(&path).expect_err("something follows").to_string();
                    assert_eq!(refused, "something follows its end", "{name}");
                }
            }
        });
    }
}
