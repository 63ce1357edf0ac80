//! Bars on a terminal: one thread draws, ten times a second, at the width that the terminal has then.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Face, always, board::Board, row::rows, talk};
use crate::event::{Event, Reporter};

/// The time between two drawings.
const BEAT: Duration = Duration::from_millis(100);

/// A terminal that does not say how wide it is has the width of the first ones.
const USUAL: usize = 80;

/// A row for each download and each step after it.
pub(in crate::cli) struct Bars {
    face: Face,
    shown: Arc<Mutex<Shown>>,
}

/// The bars of this run, so that whatever ends it leaves a clean terminal.
static SHOWN: OnceLock<Arc<Mutex<Shown>>> = OnceLock::new();

/// Takes the bars off the terminal, for good.
pub(in crate::cli) fn clear() {
    if let Some(shown) = SHOWN.get() {
        let mut shown = locked(shown);
        shown.board = Board::default();
        shown.draw(Instant::now());
        shown.has_ended = true;
    }
}

/// What stands on the terminal.
#[derive(Default)]
struct Shown {
    board: Board,
    all: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    /// The rows as they were drawn last, and at which width.
    drawn: (Vec<usize>, usize),
    beat: usize,
    is_beating: bool,
    has_ended: bool,
}

fn locked(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shown {
    fn draw(&mut self, now: Instant) {
        if self.has_ended {
            return;
        }
        let width = Term::stderr()
            .size_checked()
            .map_or(USUAL, |(_, columns)| usize::from(columns));
        self.sweep(width);
        // A cursor behind the last column would wrap.
        let rows = rows(&self.board, width.saturating_sub(1), self.beat, now);
        self.beat += 1;
        let board = &self.board;
        self.bars.retain(|name, bar| {
            let is_shown = board.0.contains_key(name);
            if !is_shown {
                bar.finish_and_clear();
            }
            is_shown
        });
        for (name, row) in self.board.0.keys().zip(&rows) {
            let bar = self.bars.entry(name.clone()).or_insert_with(|| {
                let style = ProgressStyle::with_template("{msg}").expect("a valid template");
                self.all.add(ProgressBar::no_length().with_style(style))
            });
            bar.set_message(row.clone());
            bar.tick();
        }
        self.drawn = (rows.iter().map(|row| row.chars().count()).collect(), width);
    }

    /// A terminal that became narrower has wrapped the rows: what they take beside their own lines is erased.
    fn sweep(&self, width: usize) {
        let (rows, before) = &self.drawn;
        if width == 0 || width >= *before {
            return;
        }
        let wrapped = rows.iter().map(|row| row.saturating_sub(1) / width).sum();
        self.all.suspend(|| {
            let terminal = Term::stderr();
            // A terminal that is gone needs no cleaning.
            let _ = terminal.move_cursor_up(wrapped);
            let _ = terminal.clear_to_end_of_screen();
        });
    }
}

impl Bars {
    pub(in crate::cli) fn new(face: Face) -> Self {
        Self {
            face,
            shown: SHOWN.get_or_init(Arc::default).clone(),
        }
    }

    /// Draws until there is nothing to show. Where no thread can be had, there are no bars.
    fn beat(&self) {
        let shown = self.shown.clone();
        let beat = move || {
            loop {
                thread::sleep(BEAT);
                let mut shown = locked(&shown);
                shown.draw(Instant::now());
                if shown.board.0.is_empty() {
                    shown.is_beating = false;
                    return;
                }
            }
        };
        let _ = thread::Builder::new().spawn(beat);
    }
}

impl Reporter for Bars {
    fn report(&self, event: Event) {
        let mut shown = locked(&self.shown);
        if shown.board.take(&event, Instant::now()) {
            if !std::mem::replace(&mut shown.is_beating, true) {
                self.beat();
            }
        } else if let Some(line) = always(&event) {
            let line = self.face.line(&line);
            shown.all.suspend(|| talk(&line));
        }
    }
}
