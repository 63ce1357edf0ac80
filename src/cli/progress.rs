//! Showing what happens: bars on a terminal, a line for each finished step elsewhere, JSON for programs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    args::Progress,
    report::{Face, talk},
};
use crate::{
    children,
    env::Env,
    event::{Event, Phase, Reporter},
};

/// Which reporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Errors alone.
    Silent,
    /// Bars, then notes and warnings.
    Bars,
    /// A line for each finished step, notes and warnings.
    Lines,
    /// Notes and warnings.
    Notes,
    /// All of it, for programs.
    Json,
}

/// Bars move on a terminal that can move them and that nobody records: CI and TERM=dumb get lines.
pub(super) fn kind(asked: Progress, terminal: bool, quiet: bool, env: &Env) -> Kind {
    match asked {
        Progress::Json => Kind::Json,
        _ if quiet => Kind::Silent,
        Progress::Never => Kind::Notes,
        Progress::Always => Kind::Bars,
        Progress::Auto if terminal && env.var_os("CI").is_none() && env.var("TERM") != Some("dumb") => {
            Kind::Bars
        }
        Progress::Auto => Kind::Lines,
    }
}

/// One line for each finished step.
pub(super) struct Lines {
    face: Face,
    began: Mutex<BTreeMap<String, Instant>>,
    steps: bool,
}

impl Lines {
    pub(super) fn new(face: Face, steps: bool) -> Self {
        Self {
            face,
            began: Mutex::default(),
            steps,
        }
    }
}

impl Reporter for Lines {
    fn report(&self, event: Event) {
        let line = match event {
            Event::DownloadStarted {
                name,
                source,
                resumed,
                ..
            } => {
                self.began
                    .lock()
                    .expect("nobody panics with it")
                    .insert(name.clone(), Instant::now());
                if !self.face.is_verbose() {
                    return;
                }
                let resumed = if resumed > 0 {
                    format!(", from {} on", HumanBytes(resumed))
                } else {
                    String::new()
                };
                format!("downloading {name} from {source}{resumed}")
            }
            Event::DownloadFinished { name, received } if self.steps => {
                let began = self.began.lock().expect("nobody panics with it").remove(&name);
                let took = began
                    .map(|began| format!(" in {}", seconds(began.elapsed())))
                    .unwrap_or_default();
                format!("downloaded {name}: {}{took}", HumanBytes(received))
            }
            Event::Step {
                name,
                phase: Phase::Proving,
            } if self.steps => format!("unpacked {name}"),
            Event::Step {
                name,
                phase: Phase::Publishing,
            } if self.steps => format!("{name} runs here"),
            event => match always(&event) {
                Some(line) => line,
                None => return,
            },
        };
        talk(&self.face.line(&line));
    }
}

/// Returns the line of an event that is shown in every form: notes, warnings, waiting.
fn always(event: &Event) -> Option<String> {
    Some(match event {
        Event::Waiting { name, holder } => format!("waiting for {holder}, which works on {name}"),
        Event::Note(text) => text.clone(),
        Event::Warning(text) => format!("warning: {text}"),
        _ => return None,
    })
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A bar for each download, with bytes, rate and time left; a spinner for each step after it.
pub(super) struct Bars {
    face: Face,
    all: MultiProgress,
    bars: Mutex<BTreeMap<String, ProgressBar>>,
}

/// The bars of this run, so that an interrupted one leaves a clean terminal.
static SHOWN: OnceLock<MultiProgress> = OnceLock::new();

/// Takes the bars off the terminal, for good.
#[cfg(unix)]
pub(super) fn clear() {
    if let Some(bars) = SHOWN.get() {
        // A terminal that is gone needs no cleaning.
        let _ = bars.clear();
        bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
}

impl Bars {
    pub(super) fn new(face: Face) -> Self {
        Self {
            face,
            all: SHOWN.get_or_init(MultiProgress::new).clone(),
            bars: Mutex::default(),
        }
    }

    /// The bar of a name, made when it is first needed. One that was finished is no more.
    fn bar(&self, name: &str, total: Option<u64>) -> ProgressBar {
        let mut bars = self.bars.lock().expect("nobody panics with it");
        let bar = bars.entry(name.to_owned()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg} {spinner}").expect("a valid template");
            let bar = ProgressBar::no_length()
                .with_style(style)
                .with_message(name.to_owned());
            let bar = self.all.add(bar);
            // It takes a thread. Where none can be had, the bar moves with what it shows.
            if children::ensure_thread().is_ok() {
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            bar
        });
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.clone()
    }

    fn end(&self, name: &str) {
        if let Some(bar) = self.bars.lock().expect("nobody panics with it").remove(name) {
            bar.finish_and_clear();
        }
    }
}

impl Reporter for Bars {
    fn report(&self, event: Event) {
        match &event {
            Event::DownloadStarted {
                name, total, resumed, ..
            } => {
                let bar = self.bar(name, *total);
                let template = match total {
                    Some(_) => "{msg:24} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
                    None => "{msg:24} {spinner} {bytes} {bytes_per_sec}",
                };
                bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
                bar.set_message(name.clone());
                bar.set_position(*resumed);
                bar.reset_eta();
            }
            Event::DownloadProgress { name, received } => self.bar(name, None).set_position(*received),
            Event::DownloadFinished { .. } => {}
            Event::DownloadStopped { name } => self.end(name),
            Event::Step { name, phase } => {
                let words = match phase {
                    Phase::Verifying => "verifying",
                    Phase::Unpacking => "unpacking",
                    Phase::Proving => "proving that it runs here",
                    Phase::Publishing => return self.end(name),
                };
                let bar = self.bar(name, None);
                bar.set_style(ProgressStyle::with_template("{msg} {spinner}").expect("a valid template"));
                bar.set_message(format!("{name}: {words}"));
            }
            event => {
                if let Some(line) = always(event) {
                    let line = self.face.line(&line);
                    self.all.suspend(|| talk(&line));
                }
            }
        }
    }
}

/// One JSON object a line, on stderr.
pub(super) struct Json;

impl Reporter for Json {
    fn report(&self, event: Event) {
        let object = match event {
            Event::DownloadStarted {
                name,
                source,
                total,
                resumed,
            } => {
                json!({"event": "download-started", "name": name, "source": source, "total": total, "received": resumed})
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
            Event::Waiting { name, holder } => json!({"event": "waiting", "name": name, "holder": holder}),
            Event::Note(text) => json!({"event": "note", "text": text}),
            Event::Warning(text) => json!({"event": "warning", "text": text}),
        };
        talk(&object.to_string());
    }
}
