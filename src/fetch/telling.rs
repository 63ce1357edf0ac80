//! The events of one download.

use std::time::{Duration, Instant};

use crate::event::{Event, Reporter};

/// A person sees no more than about ten changes a second.
const PACE: Duration = Duration::from_millis(100);

/// So many bytes are told of at once: they may be the last for a while.
const STRIDE: u64 = 256 << 10;

/// Tells how one download goes. Dropped before it is finished, it tells that the download stopped.
pub(super) struct Telling<'a> {
    reporter: &'a dyn Reporter,
    name: &'a str,
    is_running: bool,
    last_report: Instant,
    reported: u64,
}

impl<'a> Telling<'a> {
    pub(super) fn new(reporter: &'a dyn Reporter, name: &'a str) -> Self {
        Self {
            reporter,
            name,
            is_running: false,
            last_report: Instant::now(),
            reported: 0,
        }
    }

    pub(super) fn started(&mut self, source: String, total: Option<u64>, resumed: u64) {
        self.began(source, total, resumed, true);
    }

    /// Another program fetches, and does not tell how far it is.
    pub(super) fn started_unmeasured(&mut self, client: String, total: Option<u64>) {
        self.began(client, total, 0, false);
    }

    fn began(&mut self, source: String, total: Option<u64>, resumed: u64, is_measured: bool) {
        self.is_running = true;
        self.last_report = Instant::now();
        self.reported = resumed;
        let name = self.name.to_owned();
        self.reporter.report(Event::DownloadStarted {
            name,
            source,
            total,
            resumed,
            is_measured,
        });
    }

    pub(super) fn progress(&mut self, received: u64) {
        if self.last_report.elapsed() >= PACE || received.saturating_sub(self.reported) >= STRIDE {
            self.last_report = Instant::now();
            self.reported = received;
            let name = self.name.to_owned();
            self.reporter.report(Event::DownloadProgress { name, received });
        }
    }

    pub(super) fn finished(&mut self, received: u64) {
        if std::mem::take(&mut self.is_running) {
            let name = self.name.to_owned();
            self.reporter.report(Event::DownloadFinished { name, received });
        }
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if self.is_running {
            let name = self.name.to_owned();
            self.reporter.report(Event::DownloadStopped { name });
        }
    }
}
