//! Waiting that is bounded by progress: as long as something changes it goes on, and a standstill ends it.

use std::{
    thread,
    time::{Duration, Instant},
};

/// A wait for one thing.
#[derive(Debug)]
pub(crate) struct Wait<M> {
    began: Instant,
    changed: Instant,
    mark: Option<M>,
    is_told: bool,
}

/// The next step of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitStep {
    /// Look again.
    LookAgain,
    /// Look again, and tell the user once that it takes a while.
    Tell,
    /// Nothing changed for so long that it is given up.
    GiveUp,
}

impl<M: PartialEq> Wait<M> {
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            changed: now,
            mark: None,
            is_told: false,
        }
    }

    /// Sleeps for a moment, unless `standstill` has passed without a change of `mark`: whatever grows or changes while
    /// there is progress.
    pub(crate) fn pause(&mut self, mark: M, standstill: Duration) -> WaitStep {
        if self.mark.as_ref() != Some(&mark) {
            self.mark = Some(mark);
            self.changed = Instant::now();
        }
        if self.changed.elapsed() >= standstill {
            return WaitStep::GiveUp;
        }
        // Most waits are for a server that is there after 30 ms; a long one should not keep a processor busy.
        let nap = (self.began.elapsed() / 8).clamp(Duration::from_millis(2), Duration::from_millis(100));
        thread::sleep(nap);
        if !self.is_told && self.began.elapsed() >= Duration::from_secs(1) {
            self.is_told = true;
            return WaitStep::Tell;
        }
        WaitStep::LookAgain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_at_a_standstill_and_not_before() {
        let standstill = Duration::from_millis(30);
        let mut wait = Wait::begin();
        for step in 0..20 {
            assert_ne!(wait.pause(step, standstill), WaitStep::GiveUp, "it moves");
        }
        let mut pauses = 0;
        while wait.pause(19, standstill) != WaitStep::GiveUp {
            pauses += 1;
            assert!(pauses < 100, "it stands still");
        }
    }
}
