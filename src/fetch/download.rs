//! One artifact from one web address into its file: whole, or the rest of what an earlier attempt left.

use std::{fs::File, io};

use camino::{Utf8Path, Utf8PathBuf};
use url::Url;

use super::{
    FetchContext, FetchError, Wire, address, authority,
    body::Body,
    https::{self, Question, unaccepted},
    partial::{self, Partial, Validator},
    range::{content_length, rest, unsatisfied},
    retry::{Failed, Retries},
    telling::Telling,
};
use crate::{
    domain::Digest,
    event::{Event, Phase},
    fs::{
        atomic,
        space::{self, sized_down, sized_up},
    },
    verify::{self, Verified, VerifyError},
};

/// So much in one attempt, and the retries are counted anew.
const WORTH_ANOTHER_TRY: u64 = 1 << 20;

/// The wanted file, wherever it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) digest: &'a Digest,
    pub(super) size: Option<u64>,
    pub(super) unpacked: Unpacked,
    pub(super) places: &'a FetchContext<'a>,
}

/// The expected use of the download, as far as it is known before it is here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unpacked {
    /// A copy of it.
    Same,
    /// A tree of so many bytes, or none where nobody says.
    Stated(u64),
}

impl Wanted<'_> {
    /// Where the finished file lies.
    pub(super) fn path(&self) -> Utf8PathBuf {
        self.places.downloads.join(self.digest.file_name())
    }
}

/// The result of an attempt that did not fail.
enum Attempt {
    /// Everything is here: part of it from an earlier attempt, if `resumed`; it calls itself a web page, if `is_web_page`.
    Whole { resumed: bool, is_web_page: bool },
    /// It is no continuation of what is here.
    Useless,
}

const ALL_HERE: Attempt = Attempt::Whole {
    resumed: true,
    is_web_page: false,
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
        match self.verified(file, &path, path.as_str(), wanted).await {
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
        let mut partial = Partial::open(directory, wanted.digest).map_err(FetchError::disk(directory))?;
        let mut retries = Retries::new(&self.options.limits);
        let mut telling = Telling::new(&*self.reporter, wanted.name);
        loop {
            let had = partial.length();
            match self.attempt(url, wanted, &mut partial, &mut telling).await {
                Ok(Attempt::Useless) => {
                    if !partial.discard().map_err(FetchError::disk(partial.path()))? {
                        partial.remove().map_err(FetchError::disk(directory))?;
                        return Err(unaccepted(url, "it sends parts of something else"));
                    }
                }
                Ok(Attempt::Whole { resumed, is_web_page }) => {
                    telling.finished(partial.length());
                    let path = wanted.path();
                    let hashed = partial.hashed().map_err(FetchError::disk(partial.path()))?;
                    let origin = address::shown(url);
                    let verified = match hashed {
                        Some(hashed) => {
                            self.tell_of_verifying(wanted);
                            verify::verify_hashed(hashed, &path, &origin, wanted.digest, wanted.size)
                        }
                        None => {
                            let file = partial.file().map_err(FetchError::disk(partial.path()))?;
                            self.verified(file, &path, &origin, wanted).await
                        }
                    };
                    match verified {
                        Ok(verified) => {
                            partial.finish(&path).map_err(FetchError::disk(path))?;
                            return Ok(verified);
                        }
                        // The beginning may be what is wrong: a crash, or another file of that name.
                        Err(VerifyError::Digest { .. } | VerifyError::Size { .. })
                            if resumed && partial.discard().map_err(FetchError::disk(partial.path()))? => {}
                        Err(cause) => {
                            partial.remove().map_err(FetchError::disk(directory))?;
                            return Err(FetchError::of_verify(cause, is_web_page));
                        }
                    }
                }
                Err(Failed::Again { at, why, after }) => {
                    if partial.length() >= had + WORTH_ANOTHER_TRY {
                        retries.reset();
                    }
                    self.wait(&mut retries, at, why, after).await?;
                }
                Err(Failed::Unreachable { at, why }) => return Err(self.out_of_reach(at, why)),
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
        telling: &mut Telling<'_>,
    ) -> Result<Attempt, Failed> {
        let here = partial.length();
        if here > 0 && wanted.size == Some(here) {
            return Ok(ALL_HERE);
        }
        let shown = address::shown(url);
        let fits = wanted.size.is_none_or(|size| here < size);
        let validator = partial.validator(&shown).filter(|_| fits).map(str::to_owned);
        let question = Question {
            url,
            from: validator.as_deref().map(|validator| (here, validator)),
            unless: None,
        };
        let answer = self.ask(question).await?;
        let is_web_page = https::is_web_page(&answer);
        let length = content_length(answer.headers());
        let status = answer.status().as_u16();
        let total = match status {
            200 => length,
            206 => match rest(answer.headers(), here, validator.as_deref(), length) {
                Some(total) if wanted.size.is_none_or(|size| size == total) => Some(total),
                _ => return Ok(Attempt::Useless),
            },
            // 416: from there on is nothing, which is right if all is here.
            _ if unsatisfied(answer.headers()) == Some(here) => return Ok(ALL_HERE),
            _ => return Ok(Attempt::Useless),
        };
        if let (Some(size), Some(total)) = (wanted.size, total)
            && size != total
        {
            let cause = VerifyError::Size {
                origin: shown,
                expected: size,
                actual: total,
            };
            return Err(FetchError::of_verify(cause, is_web_page).into());
        }
        let limit = wanted.size.unwrap_or(self.options.limits.artifact);
        let too_large = || FetchError::TooLarge {
            origin: shown.clone(),
            limit,
            is_web_page,
        };
        if total.is_some_and(|total| total > limit) {
            return Err(too_large().into());
        }
        let resumed = status == 206;
        if !resumed {
            let validator = Validator::of(&shown, answer.headers());
            partial
                .restart(validator)
                .map_err(FetchError::disk(partial.path()))?;
        }
        let total = total.or(wanted.size);
        if let Some(total) = total {
            let unpacked = match wanted.unpacked {
                Unpacked::Same => total,
                Unpacked::Stated(bytes) => bytes,
            };
            let rest = total - partial.length();
            let FetchContext {
                downloads, staging, ..
            } = *wanted.places;
            if space::is_shared(downloads, staging) {
                ensure_space(downloads, rest.saturating_add(unpacked))?;
            } else {
                // `components` is a link to another disk, and what is unpacked lies there.
                ensure_space(downloads, rest)?;
                ensure_space(staging, unpacked)?;
            }
        }
        telling.started(authority::host(url), total, partial.length());
        let mut body = Body::new(self, answer);
        while let Some(bytes) = body.next().await? {
            let bytes = bytes.as_ref();
            if partial.length() + bytes.len() as u64 > limit {
                return Err(too_large().into());
            }
            partial.append(bytes).map_err(FetchError::disk(partial.path()))?;
            telling.progress(partial.length());
        }
        match total {
            Some(total) if partial.length() < total => Err(body.cut()),
            _ => Ok(Attempt::Whole { resumed, is_web_page }),
        }
    }

    /// Hashes on another thread, so that other downloads go on.
    pub(super) async fn verified(
        &self,
        file: File,
        path: &Utf8Path,
        origin: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Verified, VerifyError> {
        self.tell_of_verifying(wanted);
        let (path, origin) = (path.to_owned(), origin.to_owned());
        let (digest, size) = (wanted.digest.clone(), wanted.size);
        tokio::task::spawn_blocking(move || verify::verify(file, &path, &origin, &digest, size))
            .await
            .expect("hashing does not panic")
    }

    fn tell_of_verifying(&self, wanted: &Wanted<'_>) {
        let name = wanted.name.to_owned();
        let phase = Phase::Verifying;
        self.report(Event::Step { name, phase });
    }
}

/// Fails now rather than with the last byte that fits.
pub(super) fn ensure_space(directory: &Utf8Path, needed: u64) -> Result<(), FetchError> {
    match space::free(directory) {
        Ok(Some(free)) if free < needed => {
            let text = format!(
                "{} are needed, and {} are free",
                sized_up(needed),
                sized_down(free)
            );
            Err(FetchError::disk(directory)(io::Error::new(
                io::ErrorKind::StorageFull,
                text,
            )))
        }
        // A file system that cannot say is asked by writing.
        _ => Ok(()),
    }
}
