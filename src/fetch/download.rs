//! One artifact from one web address into its file: whole, or the rest of what an earlier attempt left.

use std::{io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::{
    Response,
    header::{self, HeaderMap},
};
use tokio::time::{Instant, timeout};
use url::Url;

use super::{
    FetchError, Places, Wire, address,
    https::{self, Question, text_of, unaccepted},
    partial::{self, Partial, Validator},
    retry::{Failed, Retries},
    telling::Telling,
};
use crate::{
    domain::Digest,
    event::{Event, Phase},
    fs::{atomic, space},
    verify::{self, Verified, VerifyError},
};

/// So much in one attempt, and the retries are counted anew.
const WORTH_PATIENCE: u64 = 1 << 20;

/// What is to be had, wherever it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) digest: &'a Digest,
    pub(super) size: Option<u64>,
    pub(super) places: &'a Places<'a>,
}

impl Wanted<'_> {
    /// Where the finished file lies.
    pub(super) fn path(&self) -> Utf8PathBuf {
        self.places.downloads.join(self.digest.file_name())
    }
}

/// How an attempt ended that did not fail.
enum Attempt {
    /// Everything is here: part of it from an earlier attempt, if `resumed`; it calls itself a web page, if `web_page`.
    Whole { resumed: bool, web_page: bool },
    /// What is here is of no use; from the beginning, then.
    Restart,
}

const ALL_HERE: Attempt = Attempt::Whole {
    resumed: true,
    web_page: false,
};

impl Wire {
    /// A download that an earlier run finished, if it is what it should be.
    pub(super) async fn already_here(&self, wanted: &Wanted<'_>) -> Result<Option<Verified>, FetchError> {
        let downloads = wanted.places.downloads;
        atomic::make_directories(downloads).map_err(FetchError::disk(downloads))?;
        let path = wanted.path();
        let disk = |cause| FetchError::disk(&path)(cause);
        let Some(file) = partial::open_whole(&path).map_err(disk)? else {
            return Ok(None);
        };
        match self.verified(file, &path, path.as_str(), wanted).await? {
            Ok(verified) => Ok(Some(verified)),
            Err(VerifyError::Io { path, source }) => Err(FetchError::Disk { path, source }),
            Err(VerifyError::Digest { .. } | VerifyError::Size { .. }) => {
                self.report(Event::Warning(format!(
                    "`{path}` was damaged; it is fetched again"
                )));
                partial::remove(&path).map_err(disk)?;
                Ok(None)
            }
        }
    }

    /// Downloads from this very address.
    pub(super) async fn download(&self, url: &Url, wanted: &Wanted<'_>) -> Result<Verified, FetchError> {
        let directory = wanted.places.downloads;
        let mut partial =
            Partial::open(directory, &wanted.digest.file_name()).map_err(FetchError::disk(directory))?;
        let mut retries = Retries::new(&self.settings.limits);
        let mut telling = Telling::new(&*self.reporter, wanted.name);
        let mut may_resume = true;
        loop {
            let had = partial.length();
            match self
                .attempt(url, wanted, &mut partial, may_resume, &mut telling)
                .await
            {
                Ok(Attempt::Restart) if may_resume => {
                    may_resume = false;
                    partial.restart(None).map_err(FetchError::disk(partial.path()))?;
                }
                Ok(Attempt::Restart) => {
                    partial.remove().map_err(FetchError::disk(directory))?;
                    return Err(unaccepted(url, "it sends parts of something else"));
                }
                Ok(Attempt::Whole { resumed, web_page }) => {
                    telling.finished(partial.length());
                    let file = partial.file().map_err(FetchError::disk(partial.path()))?;
                    match self
                        .verified(file, &wanted.path(), &address::shown(url), wanted)
                        .await?
                    {
                        Ok(verified) => {
                            partial
                                .finish(&wanted.path())
                                .map_err(FetchError::disk(wanted.path()))?;
                            return Ok(verified);
                        }
                        Err(VerifyError::Digest { .. } | VerifyError::Size { .. })
                            if resumed && may_resume =>
                        {
                            // The beginning may be what is wrong: a crash, or another file of that name.
                            may_resume = false;
                            partial.restart(None).map_err(FetchError::disk(partial.path()))?;
                        }
                        Err(cause) => {
                            partial.remove().map_err(FetchError::disk(directory))?;
                            return Err(FetchError::of_verify(cause, web_page));
                        }
                    }
                }
                Err(Failed::Again { host, why, after }) => {
                    if partial.length() >= had + WORTH_PATIENCE {
                        retries.reset();
                    }
                    self.wait(&mut retries, host, why, after).await?;
                }
                Err(Failed::Unreachable { host, why }) => return Err(self.out_of_reach(host, why)),
                Err(Failed::Final(error)) => {
                    if matches!(error, FetchError::WrongBytes { .. } | FetchError::TooLarge { .. }) {
                        partial.remove().map_err(FetchError::disk(directory))?;
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn attempt(
        &self,
        url: &Url,
        wanted: &Wanted<'_>,
        partial: &mut Partial,
        may_resume: bool,
        telling: &mut Telling<'_>,
    ) -> Result<Attempt, Failed> {
        let here = partial.length();
        if may_resume && here > 0 && wanted.size == Some(here) {
            return Ok(ALL_HERE);
        }
        let shown = address::shown(url);
        let fits = wanted.size.is_none_or(|size| here < size);
        let validator = partial
            .validator(&shown)
            .filter(|_| may_resume && fits)
            .map(str::to_owned);
        let question = Question {
            url,
            from: validator.as_deref().map(|validator| (here, validator)),
            unless: None,
        };
        let answer = self.ask(question).await?;
        let web_page = https::is_web_page(&answer);
        let length = content_length(answer.headers());
        let mut resumed = false;
        let total = match answer.status().as_u16() {
            200 => {
                let validator = Validator::of(&shown, answer.headers());
                partial
                    .restart(validator)
                    .map_err(FetchError::disk(partial.path()))?;
                length
            }
            206 => match rest(answer.headers(), here, validator.as_deref(), length) {
                Some(total) if wanted.size.is_none_or(|size| size == total) => {
                    resumed = true;
                    Some(total)
                }
                _ => return Ok(Attempt::Restart),
            },
            // 416: from the end on there is nothing, which is right if all is here.
            _ => {
                return Ok(match unsatisfied(answer.headers()) {
                    Some(total) if total == here => ALL_HERE,
                    _ => Attempt::Restart,
                });
            }
        };
        if let (Some(size), Some(total)) = (wanted.size, total)
            && size != total
        {
            let cause = VerifyError::Size {
                origin: shown,
                expected: size,
                actual: total,
            };
            return Err(FetchError::of_verify(cause, web_page).into());
        }
        let limit = wanted.size.unwrap_or(self.settings.limits.artifact);
        let too_large = || FetchError::TooLarge {
            origin: shown.clone(),
            limit,
            web_page,
        };
        if total.is_some_and(|total| total > limit) {
            return Err(too_large().into());
        }
        let total = total.or(wanted.size);
        if let Some(total) = total {
            enough_room(wanted.places.downloads, total - partial.length())?;
        }
        telling.started(address::host(url), total, partial.length());
        let mut body = Body::new(self, answer);
        while let Some(octets) = body.next().await? {
            let octets = octets.as_ref();
            if partial.length() + octets.len() as u64 > limit {
                return Err(too_large().into());
            }
            partial.append(octets).map_err(FetchError::disk(partial.path()))?;
            telling.progress(partial.length());
        }
        match total {
            Some(total) if partial.length() < total => Err(body.cut()),
            _ => Ok(Attempt::Whole { resumed, web_page }),
        }
    }

    /// Hashes on another thread, so that other downloads go on.
    pub(super) async fn verified(
        &self,
        file: std::fs::File,
        path: &Utf8Path,
        origin: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Result<Verified, VerifyError>, FetchError> {
        let name = wanted.name.to_owned();
        let phase = Phase::Verifying;
        self.report(Event::Step { name, phase });
        let (path, origin, digest, size) = (
            path.to_owned(),
            origin.to_owned(),
            wanted.digest.clone(),
            wanted.size,
        );
        let failed = FetchError::disk(path.clone());
        tokio::task::spawn_blocking(move || verify::verify(file, &path, &origin, &digest, size))
            .await
            .map_err(|cause| failed(io::Error::other(cause)))
    }
}

/// The body of an answer, that may not stop and not crawl.
pub(super) struct Body<'a> {
    wire: &'a Wire,
    answer: Response,
    host: String,
    /// When the present window began, and what came in it.
    window: (Instant, u64),
    any: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(wire: &'a Wire, answer: Response) -> Self {
        Self {
            wire,
            host: address::host(answer.url()),
            answer,
            window: (Instant::now(), 0),
            any: false,
        }
    }

    /// The next octets; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Failed> {
        let limits = &self.wire.settings.limits;
        loop {
            let patience = if self.any {
                (self.window.0 + limits.window).saturating_duration_since(Instant::now())
            } else {
                limits.first_byte
            };
            match timeout(patience, self.answer.chunk()).await {
                Ok(Ok(Some(octets))) => {
                    if !self.any {
                        self.any = true;
                        self.window.0 = Instant::now();
                    }
                    self.window.1 += octets.len() as u64;
                    return Ok(Some(octets));
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(cause)) => {
                    return Err(Failed::Again {
                        host: self.host.clone(),
                        why: format!("the download was cut ({})", https::innermost(&cause)),
                        after: None,
                    });
                }
                Err(_) if !self.any => return Err(self.stopped("nothing came", limits.first_byte)),
                Err(_) => {
                    let floor = limits.floor.saturating_mul(limits.window.as_secs().max(1));
                    if self.window.1 < floor {
                        return Err(
                            self.stopped(&format!("only {} bytes came", self.window.1), limits.window)
                        );
                    }
                    self.window = (Instant::now(), 0);
                }
            }
        }
    }

    /// The failure of a body that ended before it was whole.
    fn cut(&self) -> Failed {
        Failed::Again {
            host: self.host.clone(),
            why: "the download was cut".to_owned(),
            after: None,
        }
    }

    fn stopped(&self, what: &str, within: Duration) -> Failed {
        Failed::Unreachable {
            host: self.host.clone(),
            why: format!("{what} within {}", https::seconds(within)),
        }
    }
}

/// The size of the whole file, if a 206 is the rest from `here` on and of the same file.
fn rest(headers: &HeaderMap, here: u64, validator: Option<&str>, length: Option<u64>) -> Option<u64> {
    let range = text_of(headers, &header::CONTENT_RANGE)?
        .trim()
        .strip_prefix("bytes ")?;
    let (range, total) = range.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) = (
        first.trim().parse().ok()?,
        last.trim().parse().ok()?,
        total.trim().parse().ok()?,
    );
    let same_file = match (text_of(headers, &header::ETAG), validator) {
        (Some(tag), Some(validator)) if validator.starts_with('"') => tag == validator,
        _ => true,
    };
    let fits =
        first == here && last.checked_add(1)? == total && length.is_none_or(|length| length == total - first);
    (same_file && fits).then_some(total)
}

/// The size of the whole file, as a 416 says it.
fn unsatisfied(headers: &HeaderMap) -> Option<u64> {
    text_of(headers, &header::CONTENT_RANGE)?
        .trim()
        .strip_prefix("bytes */")?
        .parse()
        .ok()
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    text_of(headers, &header::CONTENT_LENGTH)?.parse().ok()
}

/// Fails now rather than with the last octet that fits.
pub(super) fn enough_room(directory: &Utf8Path, needed: u64) -> Result<(), FetchError> {
    match space::free(directory) {
        Ok(Some(free)) if free < needed => {
            let text = format!("{needed} bytes are needed and {free} are free");
            Err(FetchError::disk(directory)(io::Error::new(
                io::ErrorKind::StorageFull,
                text,
            )))
        }
        // A file system that cannot say is asked by writing.
        _ => Ok(()),
    }
}
