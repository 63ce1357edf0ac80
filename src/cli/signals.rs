//! Signals that end us: SIGINT, SIGTERM and SIGHUP. Whatever we were doing, the store is as before or as after, so nothing
//! is tidied here but what others see: our children end, the terminal is as it was, the reason is told, and the exit code is
//! what a shell says of a program that such a signal ended. What a project lacks meanwhile is waited for, while the command
//! puts it back. SIGPIPE is ignored, as ever in Rust: work is done to its end although nobody listens any more.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use super::report::Face;
use crate::children::{self, Interrupt};

/// The time in which children may end by themselves.
const GRACE: Duration = Duration::from_secs(3);

/// The time in which a command may put back what it was about to change.
const TIDYING: Duration = Duration::from_secs(60);
/// The shortest time between two signals; what comes sooner is not a second one: a terminal that is closed, or a parent
/// that passes its own on, sends two at once.
const SECOND: Duration = Duration::from_secs(1);

/// A run whose signals are listened to.
pub(super) struct Watch {
    interrupt: Interrupt,
    /// Held by whoever tells how the run ended: its end, or its interruption.
    last_word: Arc<Mutex<()>>,
}

/// Listens from now on. Where that is not possible, the signals do what they always do.
/// `left` says where the user finds what was begun.
pub(super) fn watch(face: &Face, interrupt: &Interrupt, left: String) -> Option<Watch> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let watch = Watch {
        interrupt: interrupt.clone(),
        last_word: Arc::default(),
    };
    let listener = Listener {
        face: face.clone(),
        interrupt: interrupt.clone(),
        last_word: watch.last_word.clone(),
        left,
    };
    // The thread first: without it nobody would listen to what no longer does as always.
    let (hand_over, handed) = mpsc::channel();
    thread::Builder::new()
        .spawn(move || {
            if let Ok((runtime, listening)) = handed.recv() {
                listener.listen(&runtime, listening);
            }
        })
        .ok()?;
    let mut listening = Vec::new();
    {
        let _entered = runtime.enter();
        let ignored = children::Ignored::at_start();
        for (name, kind) in [
            ("SIGINT", SignalKind::interrupt()),
            ("SIGTERM", SignalKind::terminate()),
            ("SIGHUP", SignalKind::hangup()),
        ] {
            // `nohup` and background jobs of a script set some to be ignored.
            if !ignored.has(kind.as_raw_value())
                && let Ok(signal) = signal(kind)
            {
                listening.push((name, kind, signal));
            }
        }
    }
    if listening.is_empty() {
        return None;
    }
    hand_over.send((runtime, listening)).ok().map(|()| watch)
}

/// Signals that are listened to, each with its name.
type Listening = Vec<(&'static str, SignalKind, Signal)>;

/// Whoever ends the run when a signal comes.
struct Listener {
    face: Face,
    interrupt: Interrupt,
    last_word: Arc<Mutex<()>>,
    left: String,
}

impl Listener {
    /// Waits for the first signal, and ends the run.
    fn listen(self, runtime: &Runtime, mut listening: Listening) {
        let Self {
            face,
            interrupt,
            last_word,
            left,
        } = self;
        let (name, kind) = runtime.block_on(first(&mut listening));
        let began = Instant::now();
        interrupt.end(GRACE);
        runtime.block_on(async {
            tokio::select! {
                () = tidied(began, &interrupt, &face) => {}
                () = second(began, &mut listening) => {}
            }
        });
        let is_asking = interrupt.is_asking();
        let left = if interrupt.is_unfinished() {
            format!("{left}; its server may be stopped: `ampup db start`")
        } else if is_asking {
            "nothing was changed".to_owned()
        } else {
            left
        };
        for _ in 0..100 {
            if let Ok(_last_word) = last_word.try_lock() {
                face.clear();
                face.interrupted(name, &left, is_asking);
                std::process::exit(128 + kind.as_raw_value());
            }
            thread::sleep(Duration::from_millis(10));
        }
        // The end is being told, to somebody who does not read it.
        std::process::exit(128 + kind.as_raw_value());
    }
}

impl Watch {
    /// Waits for ever if we are being interrupted; else nothing that is told after this is cut short by a signal.
    pub(super) fn settle(self) {
        let last_word = self.last_word.lock().unwrap_or_else(PoisonError::into_inner);
        if self.interrupt.is_ending() {
            drop(last_word);
            loop {
                thread::park();
            }
        }
        // Never given back: we end.
        std::mem::forget(last_word);
    }
}

/// The first of the signals that comes.
async fn first(listening: &mut Listening) -> (&'static str, SignalKind) {
    let waiting = listening.iter_mut().map(|(name, kind, signal)| {
        Box::pin(async move {
            signal.recv().await;
            (*name, *kind)
        })
    });
    futures_util::future::select_all(waiting).await.0
}

async fn tidied(began: Instant, interrupt: &Interrupt, face: &Face) {
    let mut is_announced = false;
    while interrupt.is_unfinished() && began.elapsed() < TIDYING {
        if !is_announced && began.elapsed() >= SECOND {
            is_announced = true;
            face.clear();
            face.puts_back();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn second(began: Instant, listening: &mut Listening) {
    loop {
        first(listening).await;
        if began.elapsed() >= SECOND {
            return;
        }
    }
}
