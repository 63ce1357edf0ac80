//! The rows on a terminal: one thread draws them, ten times a second, at the width that the terminal has then.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{board::Board, row::rows};
use crate::event::Event;

/// The time between two drawings.
const BEAT: Duration = Duration::from_millis(100);

/// A terminal that does not say how wide it is has the width of the first ones.
const USUAL: usize = 80;

/// The rows of this run. Its clones are one screen, so that whatever ends the run leaves a clean terminal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Screen(Arc<Mutex<Shown>>);

impl Screen {
    /// Shows the work of an event; false if it is about none.
    pub(super) fn take(&self, event: &Event) -> bool {
        let mut shown = self.shown();
        let is_work = shown.board.take(event, Instant::now());
        if is_work && !std::mem::replace(&mut shown.is_beating, true) {
            self.beat();
        }
        is_work
    }

    /// Takes the rows away while something is written.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        self.shown().all.suspend(write);
    }

    /// Takes the rows off the terminal, for good.
    pub(crate) fn clear(&self) {
        let mut shown = self.shown();
        shown.board = Board::default();
        shown.draw(Instant::now());
        shown.has_ended = true;
    }

    /// Draws until there is nothing to show. Where no thread can be had, there are no rows.
    fn beat(&self) {
        let screen = self.clone();
        let beat = move || {
            loop {
                thread::sleep(BEAT);
                let mut shown = screen.shown();
                shown.draw(Instant::now());
                if shown.board.0.is_empty() {
                    shown.is_beating = false;
                    return;
                }
            }
        };
        let _ = thread::Builder::new().spawn(beat);
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of the terminal.
#[derive(Debug, Default)]
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
