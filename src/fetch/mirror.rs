//! The layout of a mirror: any artifact under its digest, and what is on the web under its host and path. It need not
//! have everything, and nobody trusts it: the digest is checked here.

use url::Url;

use super::{FetchError, Wire, address, authority, download::Wanted};
use crate::{domain::Source, event::Event, verify::Verified};

/// A mirror's copy of an artifact.
pub(super) enum Mirrored {
    /// The artifact.
    Here(Box<Verified>),
    /// Nothing, or nothing that can be had now; there may be no mirror at all.
    Absent,
    /// Something else, which was told. It counts if no other source has the artifact.
    Wrong(FetchError),
}

impl Wire {
    /// From the mirror, where there is one that has it.
    pub(super) async fn fetch_mirror(
        &self,
        source: &Source,
        wanted: &Wanted<'_>,
    ) -> Result<Mirrored, FetchError> {
        let Some(mirror) = &self.options.mirror else {
            return Ok(Mirrored::Absent);
        };
        let by_digest = address::by_digest(mirror, wanted.digest)?;
        let outcome = match (self.mirrored(&by_digest, wanted).await, source) {
            // Some servers forbid what they do not have.
            (Err(FetchError::Gone { .. } | FetchError::Refused { .. }), Source::Https { url }) => {
                let at = address::mirrored(mirror, &address::parse(url)?)?;
                self.mirrored(&at, wanted).await
            }
            (Err(FetchError::Refused { .. }), _) => return Ok(Mirrored::Absent),
            (outcome, _) => outcome,
        };
        match outcome {
            Ok(verified) => Ok(Mirrored::Here(Box::new(verified))),
            Err(error @ FetchError::Disk { .. }) => Err(error),
            Err(FetchError::Gone { .. } | FetchError::Offline { .. }) => Ok(Mirrored::Absent),
            Err(error @ FetchError::Unreachable { .. }) => {
                let text = format!("{error}; continuing without it");
                if self.is_news(&text) {
                    self.report(Event::Note(text));
                }
                Ok(Mirrored::Absent)
            }
            Err(error) => {
                self.report(Event::Warning(format!(
                    "the mirror cannot serve {}: {}",
                    wanted.name,
                    in_one_line(&error)
                )));
                Ok(match error {
                    FetchError::WrongBytes { .. } | FetchError::TooLarge { .. } => {
                        Mirrored::Wrong(FetchError::WrongMirror {
                            name: wanted.name.to_owned(),
                            why: in_one_line(&error),
                        })
                    }
                    _ => Mirrored::Absent,
                })
            }
        }
    }

    async fn mirrored(&self, at: &Url, wanted: &Wanted<'_>) -> Result<Verified, FetchError> {
        if at.scheme() == "file" {
            return self.open(at, wanted).await;
        }
        self.ensure_online(wanted.name, &authority::host(at))?;
        self.download(at, wanted).await
    }
}

fn in_one_line(error: &FetchError) -> String {
    match error {
        FetchError::WrongBytes { source, .. } => source.to_string(),
        error => error.to_string(),
    }
}
