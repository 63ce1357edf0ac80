//! Bars on a terminal.

use super::{Face, always, is_sign_of_life};
use crate::event::{Event, Reporter};

/// A row for each download and each step after it.
pub(crate) struct Bars(pub(crate) Face);

impl Reporter for Bars {
    fn report(&self, event: Event) {
        let Self(face) = self;
        if !face.is_news(&event) || is_sign_of_life(&event) || face.screen().take(&event) {
            return;
        }
        if let Some(line) = always(&event) {
            face.screen().suspend(|| face.talk(&line));
        }
    }
}
