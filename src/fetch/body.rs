//! The body of an answer, in pieces that keep coming.

use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, timeout};

use super::{Fault, Wire, https, retry::Failed};
use crate::fs::space::sized;

/// The body of an answer, that may not stop and not crawl.
pub(super) struct Body<'a> {
    wire: &'a Wire,
    answer: Response,
    at: Fault,
    /// When the present window began, and what came in it.
    window: (Instant, u64),
    has_begun: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(wire: &'a Wire, answer: Response) -> Self {
        Self {
            wire,
            at: wire.fault_of(answer.url()),
            answer,
            window: (Instant::now(), 0),
            has_begun: false,
        }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Failed> {
        let limits = &self.wire.options.limits;
        loop {
            let limit = if self.has_begun {
                (self.window.0 + limits.window).saturating_duration_since(Instant::now())
            } else {
                limits.first_byte
            };
            match timeout(limit, self.answer.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    if !self.has_begun {
                        self.has_begun = true;
                        self.window.0 = Instant::now();
                    }
                    self.window.1 += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(cause)) => {
                    return Err(Failed::Again {
                        at: self.at.clone(),
                        why: format!(
                            "the download was cut ({})",
                            https::innermost(&cause.without_url())
                        ),
                        after: None,
                    });
                }
                Err(_) if !self.has_begun => return Err(self.stopped("nothing came", limits.first_byte)),
                Err(_) => {
                    let floor = limits.floor.saturating_mul(limits.window.as_secs().max(1));
                    if self.window.1 < floor {
                        return Err(
                            self.stopped(&format!("only {} came", sized(self.window.1)), limits.window)
                        );
                    }
                    self.window = (Instant::now(), 0);
                }
            }
        }
    }

    /// The failure of a body that ended before it was whole.
    pub(super) fn cut(&self) -> Failed {
        Failed::Again {
            at: self.at.clone(),
            why: "the download was cut".to_owned(),
            after: None,
        }
    }

    fn stopped(&self, what: &str, within: Duration) -> Failed {
        Failed::Unreachable {
            at: self.at.clone(),
            why: format!("{what} within {}", https::seconds(within)),
        }
    }
}
