//! `ampup db logs`: the server's log.

use std::io::{self, Read as _, Seek as _, SeekFrom};

use camino::Utf8Path;
use fs_err as fs;
use serde_json::json;

use crate::{
    commands::{
        Error, Outcome, Session, child,
        database::{self, Selected},
    },
    event::sized,
    postgres::observe::purpose::StartedBy,
};

/// A log is put aside when it is a thousandth of this and a server starts. Of a longer one, the end is printed.
const LIMIT: u64 = 1 << 30;

/// Arguments of `ampup db logs`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Keep printing as the log grows
    #[arg(short, long)]
    pub follow: bool,
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
}

/// Prints the current log.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let project = args.project.find(session)?;
    let path = project.log();
    let others = match database::open(&project, session).started_by()? {
        Some(StartedBy::Living(starter)) => Some(format!(
            "{starter} started the server that runs now, and has its log"
        )),
        Some(StartedBy::Gone) => {
            Some("another program started the server that runs now, and had its log".to_owned())
        }
        Some(StartedBy::Ampup) | None => None,
    };
    if let Some(others) = &others {
        session.note(format!("{others}; `{path}` is that of ampup's last server"));
    }
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound if others.is_some() => Error::NotFound {
            message: format!("there is no log in `{}`: ampup started no server", project.logs()),
            hint: "look at the output of the program that started the server".to_owned(),
        },
        io::ErrorKind::NotFound => Error::NotFound {
            message: format!("there is no log in `{}`: no server was started", project.logs()),
            hint: "`ampup db start`".to_owned(),
        },
        _ => Error::File {
            path: path.clone(),
            source,
        },
    };
    if args.follow {
        fs::metadata(&path).map_err(failed)?;
        // By name, because a full log is put aside when a server starts.
        let words = ["-n", "+1", "-F", path.as_str()].map(Into::into);
        let tail = child::find(&["tail".into()], &[], session)?;
        return child::run(&child::Command::new(tail, &words), None, session).map(Outcome::of_command);
    }
    let (text, left_out) = end_of(&path, LIMIT).map_err(failed)?;
    if left_out > 0 {
        session.note(format!("the first {} of `{path}` are left out", sized(left_out)));
    }
    let text = String::from_utf8_lossy(&text);
    let json = json!({ "path": path, "text": text });
    Ok(Outcome::answer(text, json))
}

/// The last `limit` bytes of a file, from the beginning of a line, and the number of bytes before them.
fn end_of(path: &Utf8Path, limit: u64) -> io::Result<(Vec<u8>, u64)> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut file = fs::File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let mut begin = length.saturating_sub(limit);
    file.seek(SeekFrom::Start(begin))?;
    let mut text = Vec::new();
    // A server may write meanwhile.
    file.take(limit).read_to_end(&mut text)?;
    if begin > 0 {
        let line = text.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        text.drain(..line);
        begin += line as u64;
    }
    Ok((text, begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn the_end_of_a_long_log_begins_with_a_line() {
        let world = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(world.path()).expect("UTF-8").join("log");
        fs::write(&path, "one\ntwo\nthree\n").expect("written");
        every(
            [(14, "one\ntwo\nthree\n", 0), (13, "two\nthree\n", 4), (3, "", 14)],
            |(limit, text, left_out)| {
                let (found, before) = end_of(&path, limit).expect("read");
                assert_eq!((found.as_slice(), before), (text.as_bytes(), left_out), "{limit}");
            },
        );
    }
}
