//! Showing what happens: bars on a terminal, lines elsewhere, JSON for programs.

mod bars;
mod board;
mod row;
pub(super) mod screen;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

pub(super) use self::bars::Bars;
use self::board::Board;
use super::{args::Progress, report::Face};
use crate::{
    env::Env,
    event::{Event, Phase, Reporter},
    fs::{lock::ANOTHER_PROCESS, space::sized},
};

/// Which reporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Errors alone.
    Silent,
    /// Bars, then notes and warnings.
    Bars,
    /// Lines for each download, notes and warnings.
    Lines,
    /// Notes and warnings.
    Notes,
    /// All of it, for programs.
    Json,
}

/// Bars move on a terminal that can move them and that nobody records: CI and TERM=dumb get lines.
pub(super) fn kind(asked: Progress, terminal: bool, quiet: bool, env: &Env) -> Kind {
    let moves = terminal && env.var("TERM") != Some("dumb");
    match asked {
        Progress::Json => Kind::Json,
        _ if quiet => Kind::Silent,
        Progress::Never => Kind::Notes,
        Progress::Always if moves => Kind::Bars,
        Progress::Auto if moves && env.var_os("CI").is_none() => Kind::Bars,
        Progress::Always | Progress::Auto => Kind::Lines,
    }
}

/// Nobody waits longer for a sign of life.
const SILENCE: Duration = Duration::from_secs(10);

/// A line when a download begins, one when it ends, and a sign of life meanwhile.
pub(super) struct Lines {
    face: Face,
    has_steps: bool,
    watched: Arc<Mutex<Watched>>,
}

/// The work that is on its way, and whether somebody looks at it from time to time.
#[derive(Default)]
struct Watched {
    board: Board,
    is_watched: bool,
}

impl Lines {
    pub(super) fn new(face: Face, has_steps: bool) -> Self {
        Self {
            face,
            has_steps,
            watched: Arc::default(),
        }
    }

    /// Gives signs of life until there is no work.
    fn watch(&self) {
        let (watched, face) = (self.watched.clone(), self.face.clone());
        let watch = move || {
            loop {
                thread::sleep(SILENCE / 20);
                let mut watched = locked(&watched);
                for line in watched.board.signs(SILENCE, Instant::now()) {
                    face.talk(&line);
                }
                if watched.board.0.is_empty() {
                    watched.is_watched = false;
                    return;
                }
            }
        };
        let _ = thread::Builder::new().spawn(watch);
    }

    /// The line of an event about work, if it is worth one.
    fn line(&self, event: &Event, board: &Board) -> Option<String> {
        match event {
            Event::DownloadStarted {
                name,
                source,
                total,
                resumed,
                is_measured,
            } => {
                let from = if *is_measured { "from" } else { "with" };
                let size = total.map(|total| match resumed {
                    0 => format!(" ({})", sized(total)),
                    resumed => format!(" ({}, resuming at {})", sized(total), sized(*resumed)),
                });
                Some(format!(
                    "downloading {name} {from} {source}{}",
                    size.unwrap_or_default()
                ))
            }
            Event::DownloadFinished { name, received } => {
                let began = board.0.get(name).map(|work| work.since.elapsed());
                let took = began.map(|took| format!(" in {:.1} s", took.as_secs_f64()));
                Some(format!(
                    "downloaded {name} ({}{})",
                    sized(*received),
                    took.unwrap_or_default()
                ))
            }
            Event::Step {
                name,
                phase: Phase::Publishing,
            } if self.face.is_verbose() => Some(format!("{name} runs on this host")),
            _ => None,
        }
    }
}

fn locked(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reporter for Lines {
    fn report(&self, event: Event) {
        if !self.face.is_news(&event) || !self.has_steps && is_sign_of_life(&event) {
            return;
        }
        if let Some(line) = always(&event) {
            return self.face.talk(&line);
        }
        if !self.has_steps {
            return;
        }
        let mut watched = locked(&self.watched);
        if let Some(line) = self.line(&event, &watched.board) {
            self.face.talk(&line);
        }
        if watched.board.take(&event, Instant::now()) && !std::mem::replace(&mut watched.is_watched, true) {
            self.watch();
        }
    }
}

/// Returns true if an event says only that what was told before goes on.
fn is_sign_of_life(event: &Event) -> bool {
    matches!(event, Event::Waiting { waited, .. } if *waited >= SILENCE)
}

/// Returns the line of an event that is shown in every form: notes, warnings, waiting.
fn always(event: &Event) -> Option<String> {
    Some(match event {
        Event::Waiting { name, waited, .. } if is_sign_of_life(event) => {
            format!("waiting for {name}: {} s so far", waited.as_secs())
        }
        Event::Waiting { name, holder, .. } if holder == ANOTHER_PROCESS => format!("waiting for {name}"),
        Event::Waiting { name, holder, .. } => format!("waiting for {name}: {holder}"),
        Event::Note(text) => text.clone(),
        Event::Warning(text) => format!("warning: {text}"),
        _ => return None,
    })
}

/// One JSON object a line, on stderr.
pub(super) struct Json(pub(super) Face);

impl Reporter for Json {
    fn report(&self, event: Event) {
        if !self.0.is_news(&event) {
            return;
        }
        let object = match event {
            Event::DownloadStarted {
                name,
                source,
                total,
                resumed,
                is_measured,
            } => {
                json!({
                    "event": "download-started", "name": name, "source": source, "total": total, "received": resumed,
                    "measured": is_measured,
                })
            }
            Event::DownloadProgress { name, received } => {
                json!({"event": "download-progress", "name": name, "received": received})
            }
            Event::DownloadFinished { name, received } => {
                json!({"event": "download-finished", "name": name, "received": received})
            }
            Event::DownloadStopped { name } => json!({"event": "download-stopped", "name": name}),
            Event::Step { name, phase } => {
                let phase = match phase {
                    Phase::Verifying => "verifying",
                    Phase::Unpacking => "unpacking",
                    Phase::Proving => "proving",
                    Phase::Publishing => "publishing",
                };
                json!({"event": "step", "name": name, "phase": phase})
            }
            Event::Waiting { name, holder, .. } => {
                json!({"event": "waiting", "name": name, "holder": holder})
            }
            Event::Note(text) => json!({"event": "note", "text": text}),
            Event::Warning(text) => json!({"event": "warning", "text": text}),
        };
        self.0.talk_json(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_wait_is_told_in_words_and_later_with_its_time() {
        let rows = [
            (ANOTHER_PROCESS, 1, "waiting for another ampup to finish"),
            (
                "process 7 (`ampup undo`)",
                1,
                "waiting for another ampup to finish: process 7 (`ampup undo`)",
            ),
            (
                "process 7 (`ampup undo`)",
                21,
                "waiting for another ampup to finish: 21 s so far",
            ),
        ];
        every(rows, |(holder, seconds, told)| {
            let event = Event::Waiting {
                name: "another ampup to finish".to_owned(),
                holder: holder.to_owned(),
                waited: Duration::from_secs(seconds),
            };
            assert_eq!(always(&event).as_deref(), Some(told));
            assert_eq!(is_sign_of_life(&event), seconds > 10);
        });
    }
}
