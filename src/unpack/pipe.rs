//! Decoding on one core while the tree is written on another.

use std::{
    io::{self, Read},
    sync::mpsc::{self, Receiver, Sender, SyncSender},
    thread,
};

use super::{BUFFER, tree::read_some};

/// Buffers that wait to be read, 8 MiB. With the one that is filled and the one that is read they are all that is held. Many small
/// files are written more slowly than they are decoded, and a large one faster: this much evens it out.
const WAITING: usize = 64;

/// The content of an entry, which can be read on any thread.
pub(super) type Content<'c> = dyn Read + Send + 'c;

/// Lets `read` take what `decoder` gives, which is decoded on a thread of its own. Both have ended on return.
///
/// Where no thread can be had, one does both.
pub(super) fn beside<T>(decoder: &mut Content<'_>, read: &mut dyn FnMut(&mut Content<'_>) -> T) -> T {
    let piped = thread::scope(|scope| {
        let (full, filled) = mpsc::sync_channel(WAITING);
        let (emptied, empty) = mpsc::channel();
        let decoder = &mut *decoder;
        thread::Builder::new()
            .spawn_scoped(scope, move || fill(decoder, &full, &empty))
            .ok()?;
        // It is dropped before the scope ends: a decoder whose buffers nobody reads any more stops.
        Some(read(&mut Pipe {
            filled,
            emptied,
            buffer: Vec::new(),
            used: 0,
        }))
    });
    match piped {
        Some(outcome) => outcome,
        None => read(&mut io::BufReader::with_capacity(BUFFER, decoder)),
    }
}

/// Decodes into buffers until the end, an error, or until nobody reads them.
fn fill(decoder: &mut Content<'_>, full: &SyncSender<io::Result<Vec<u8>>>, empty: &Receiver<Vec<u8>>) {
    loop {
        // The system has zeros at hand; to write them would take longer than to decode over them.
        let mut buffer = empty.try_recv().unwrap_or_else(|_| vec![0; BUFFER]);
        buffer.resize(BUFFER, 0);
        let (count, ended) = match read_full(decoder, &mut buffer) {
            Ok(count) => (count, (count < BUFFER).then_some(None)),
            Err((count, cause)) => (count, Some(Some(cause))),
        };
        buffer.truncate(count);
        if count > 0 && full.send(Ok(buffer)).is_err() {
            return;
        }
        if let Some(cause) = ended {
            if let Some(cause) = cause {
                let _ = full.send(Err(cause));
            }
            return;
        }
    }
}

/// Fills a buffer, or reads to the end; an error comes with what was read before it.
fn read_full(decoder: &mut Content<'_>, buffer: &mut [u8]) -> Result<usize, (usize, io::Error)> {
    let mut count = 0;
    while count < buffer.len() {
        match read_some(decoder, &mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(cause) => return Err((count, cause)),
        }
    }
    Ok(count)
}

/// The end of the pipe that is read.
struct Pipe {
    filled: Receiver<io::Result<Vec<u8>>>,
    emptied: Sender<Vec<u8>>,
    buffer: Vec<u8>,
    used: usize,
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.used == self.buffer.len() {
            // Whoever decodes has ended when nothing more comes.
            let Ok(next) = self.filled.recv() else {
                return Ok(0);
            };
            let read = std::mem::replace(&mut self.buffer, next?);
            self.used = 0;
            let _ = self.emptied.send(read);
        }
        let rest = &self.buffer[self.used..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.used += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    /// Gives bytes in pieces, and then an error or the end.
    struct Pieces {
        left: usize,
        piece: usize,
        fails: bool,
    }

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 && self.fails {
                return Err(io::Error::other("broken"));
            }
            let count = out.len().min(self.piece).min(self.left);
            for byte in &mut out[..count] {
                *byte = self.left as u8;
                self.left -= 1;
            }
            Ok(count)
        }
    }

    #[test]
    fn what_is_decoded_is_read_whole_and_in_order() {
        every([0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 9 * BUFFER + 7], |left| {
            for (piece, fails) in [(1 << 20, false), (4097, false), (4097, true)] {
                let mut read = Vec::new();
                let outcome = beside(&mut Pieces { left, piece, fails }, &mut |content| {
                    content.read_to_end(&mut read).map_err(|cause| cause.to_string())
                });
                let expected: Vec<u8> = (1..=left).rev().map(|count| count as u8).collect();
                assert!(read == expected, "{left} in pieces of {piece}");
                let ended = if fails { Err("broken".to_owned()) } else { Ok(left) };
                assert_eq!(outcome, ended, "{left} in pieces of {piece}");
            }
        });
    }

    #[test]
    fn a_decoder_that_nobody_reads_any_more_stops() {
        let mut endless = io::repeat(7);
        let mut first = [0; 3];
        beside(&mut endless, &mut |content| {
            content.read_exact(&mut first).expect("read")
        });
        assert_eq!(first, [7; 3]);
    }
}
