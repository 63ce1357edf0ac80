//! The layout of a mirror: any artifact under its digest, and what is on the web under its host and path. It need not
//! have everything, and nobody trusts it: the digest is checked here.

use url::Url;

use super::{FetchError, Wire, address, authority, download::Wanted, locked};
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

/// The knowledge of a mirror that was asked for a digest, and could not serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unserved {
    /// It does not have it.
    Absent,
    /// It has something else, for this reason.
    Wrong(String),
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
        // The sources of one artifact have one digest, which is asked for once.
        let known = locked(&self.unserved).get(wanted.digest).cloned();
        let by_digest = match known {
            Some(Unserved::Wrong(why)) => return Ok(wrong(why, wanted)),
            Some(Unserved::Absent) => None,
            None => self.by_digest(mirror, wanted).await?,
        };
        let outcome = match (by_digest, source) {
            (Some(outcome), _) => outcome,
            (None, Source::Https { url }) => {
                let at = address::mirrored(mirror, &address::parse(url)?)?;
                self.mirrored(&at, wanted).await
            }
            (None, _) => return Ok(Mirrored::Absent),
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
                        wrong(in_one_line(&error), wanted)
                    }
                    _ => Mirrored::Absent,
                })
            }
        }
    }

    /// The file that the mirror has under the digest; `None` where it has nothing.
    async fn by_digest(
        &self,
        mirror: &Url,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Result<Verified, FetchError>>, FetchError> {
        let outcome = self
            .mirrored(&address::by_digest(mirror, wanted.digest)?, wanted)
            .await;
        let remember = |unserved| locked(&self.unserved).insert(wanted.digest.clone(), unserved);
        match &outcome {
            // Some servers forbid what they do not have.
            Err(FetchError::Gone { .. } | FetchError::Refused { .. }) => {
                remember(Unserved::Absent);
                return Ok(None);
            }
            Err(error @ (FetchError::WrongBytes { .. } | FetchError::TooLarge { .. })) => {
                remember(Unserved::Wrong(in_one_line(error)));
            }
            _ => {}
        }
        Ok(Some(outcome))
    }

    async fn mirrored(&self, at: &Url, wanted: &Wanted<'_>) -> Result<Verified, FetchError> {
        if at.scheme() == "file" {
            return self.open(at, wanted).await;
        }
        self.ensure_online(wanted.name, &authority::host(at))?;
        self.download(at, wanted).await
    }
}

fn wrong(why: String, wanted: &Wanted<'_>) -> Mirrored {
    Mirrored::Wrong(FetchError::WrongMirror {
        name: wanted.name.to_owned(),
        why,
    })
}

fn in_one_line(error: &FetchError) -> String {
    match error {
        FetchError::WrongBytes { source, .. } => source.to_string(),
        error => error.to_string(),
    }
}
