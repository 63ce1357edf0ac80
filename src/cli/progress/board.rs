//! The work that is being done now, as far as it takes long enough to be shown.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    event::{Event, Phase},
    fs::space::{sized, sized_of},
};

/// The time over which a rate is measured.
const WINDOW: Duration = Duration::from_secs(10);

/// A download of which nothing comes for so long is told of as such.
const STALL: Duration = Duration::from_secs(5);

/// The work that is under way, by its name.
#[derive(Debug, Default)]
pub(super) struct Board(pub(super) BTreeMap<String, Work>);

/// One download, or one step after it.
#[derive(Debug)]
pub(super) struct Work {
    /// When it began.
    pub(super) since: Instant,
    /// When a line last told of it.
    pub(super) last_line: Instant,
    pub(super) doing: Doing,
}

#[derive(Debug)]
pub(super) enum Doing {
    /// Bytes are counted.
    Download(Download),
    /// A program fetches, and does not tell how far it is.
    Unmeasured { client: String, size: String },
    /// A step after the download.
    Step(&'static str),
}

#[derive(Debug)]
pub(super) struct Download {
    pub(super) received: u64,
    pub(super) total: Option<u64>,
    samples: VecDeque<(Instant, u64)>,
    /// When the last byte came.
    grew: Instant,
}

impl Download {
    /// Bytes a second, lately.
    pub(super) fn rate(&self) -> Option<u64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let millis = u64::try_from((last.0 - first.0).as_millis()).ok()?;
        (millis >= 200).then(|| last.1.saturating_sub(first.1).saturating_mul(1000) / millis)
    }

    /// `10/22 MiB`, or what is here where nobody knows the size.
    pub(super) fn amount(&self) -> String {
        match self.total {
            Some(total) => sized_of(self.received, total),
            None => sized(self.received),
        }
    }

    /// The time in which nothing has come, where that is worth a word.
    pub(super) fn stalled(&self, now: Instant) -> Option<Duration> {
        Some(now - self.grew).filter(|silence| *silence >= STALL)
    }

    fn sample(&mut self, received: u64, now: Instant) {
        if received > self.received {
            self.grew = now;
        }
        self.received = received;
        self.samples.push_back((now, received));
        while self.samples.len() > 2 && self.samples.front().is_some_and(|first| now - first.0 > WINDOW) {
            self.samples.pop_front();
        }
    }
}

impl Board {
    /// Takes an event; true if it was about work.
    pub(super) fn take(&mut self, event: &Event, now: Instant) -> bool {
        let (name, doing) = match event {
            Event::DownloadStarted {
                name,
                source,
                total,
                is_measured: false,
                ..
            } => {
                let client = source.clone();
                // Where nobody knows the size, it is said of nothing in particular.
                let size = total.map_or_else(|| "it".to_owned(), sized);
                (name, Doing::Unmeasured { client, size })
            }
            Event::DownloadStarted {
                name, total, resumed, ..
            } => {
                let mut download = Download {
                    received: 0,
                    total: *total,
                    samples: VecDeque::new(),
                    grew: now,
                };
                download.sample(*resumed, now);
                (name, Doing::Download(download))
            }
            Event::DownloadProgress { name, received } | Event::DownloadFinished { name, received } => {
                if let Some(Work {
                    doing: Doing::Download(download),
                    ..
                }) = self.0.get_mut(name)
                {
                    download.sample(*received, now);
                }
                return true;
            }
            Event::DownloadStopped { name }
            | Event::Step {
                name,
                phase: Phase::Publishing,
            } => {
                self.0.remove(name);
                return true;
            }
            Event::Step { name, phase } => {
                let words = match phase {
                    Phase::Verifying => "verifying",
                    Phase::Unpacking => "unpacking",
                    Phase::Proving => "checking that it runs",
                    Phase::Publishing => "publishing",
                };
                (name, Doing::Step(words))
            }
            Event::Waiting { .. } | Event::Note(_) | Event::Warning(_) => return false,
        };
        let work = Work {
            since: now,
            last_line: now,
            doing,
        };
        self.0.insert(name.clone(), work);
        true
    }

    /// A sign of life of each work that was not told of for `silence`.
    pub(super) fn signs(&mut self, silence: Duration, now: Instant) -> Vec<String> {
        let mut signs = Vec::new();
        for (name, work) in &mut self.0 {
            if now - work.last_line < silence {
                continue;
            }
            work.last_line = now;
            let lasting = lasting(now - work.since);
            signs.push(match &work.doing {
                Doing::Download(download) => {
                    let pace = match (download.stalled(now), download.rate()) {
                        (Some(silence), _) => format!(", nothing came for {}", self::lasting(silence)),
                        (None, Some(rate)) => format!(", {}/s", sized(rate)),
                        (None, None) => String::new(),
                    };
                    format!("{name}: {}{pace}", download.amount())
                }
                Doing::Unmeasured { client, size } => {
                    format!("{name}: {client} is still downloading {size}, and shows no progress ({lasting})")
                }
                Doing::Step(words) => format!("{name}: still {words} ({lasting})"),
            });
        }
        signs
    }
}

/// `12 s`, `3 min`.
pub(super) fn lasting(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds @ 100..6_000 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3_600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_see_a_bar_gets_a_sign_of_life_every_ten_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut board = Board::default();
        let began = |name: &str, source: &str, is_measured| Event::DownloadStarted {
            name: name.to_owned(),
            source: source.to_owned(),
            total: Some(22 << 20),
            resumed: 0,
            is_measured,
        };
        assert!(board.take(&began("postgres 18.4", "github.com", true), at(0)));
        assert!(board.take(&began("ampd v1.0.0", "npm", false), at(0)));
        let silence = Duration::from_secs(10);
        assert!(board.signs(silence, at(9)).is_empty());
        let received = 10 << 20;
        let progress = Event::DownloadProgress {
            name: "postgres 18.4".to_owned(),
            received,
        };
        assert!(board.take(&progress, at(10)));
        assert_eq!(
            board.signs(silence, at(10)),
            [
                "ampd v1.0.0: npm is still downloading 22 MiB, and shows no progress (10 s)",
                "postgres 18.4: 10/22 MiB, 1 MiB/s",
            ]
        );
        assert!(board.signs(silence, at(11)).is_empty(), "told already");
        let signs = board.signs(silence, at(22));
        assert_eq!(signs[1], "postgres 18.4: 10/22 MiB, nothing came for 12 s");
        let step = |phase| Event::Step {
            name: "postgres 18.4".to_owned(),
            phase,
        };
        board.take(&step(Phase::Proving), at(20));
        board.0.remove("ampd v1.0.0");
        assert_eq!(
            board.signs(silence, at(150)),
            ["postgres 18.4: still checking that it runs (3 min)"]
        );
        board.take(&step(Phase::Publishing), at(150));
        assert!(board.0.is_empty());
        assert!(!board.take(&Event::Note(String::new()), at(150)));
    }
}
