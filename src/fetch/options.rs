//! The options of fetching, and its limits.

use std::{fmt, fs::File, io, time::Duration};

use camino::Utf8Path;
use url::Url;

use crate::{children::Interrupt, settings::SetBy, verify::Verified};

/// The directories of a fetch, and the reader of wheels.
#[derive(Debug, Clone, Copy)]
pub struct FetchContext<'a> {
    /// Finished downloads by digest, and partial ones.
    pub downloads: &'a Utf8Path,
    /// Room for unfinished work.
    pub staging: &'a Utf8Path,
    /// Copies the one archive of a wheel into a file; `InvalidData` means that it is no such wheel.
    pub open_wheel: fn(&Verified, &mut File) -> io::Result<()>,
}

/// The options that a person may set.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// No network at all, because of this.
    pub offline: Option<SetBy>,
    /// Asked first for everything that is on the web: `https://host/path` is `<mirror>/host/path`. Its bytes are proven
    /// by digest and need no trust; digests never come from it. `https`, `http` or `file`.
    pub mirror: Option<Url>,
    /// Where the mirror is named.
    pub mirror_by: SetBy,
    /// Sent to `token_origin`, never across a redirect.
    pub github_token: Option<Secret>,
    /// Refuse artifacts whose digest is not in the manifest itself, because of this.
    pub require_pinned: Option<SetBy>,
    /// The handle that ends the clients of package registries.
    pub interrupt: Interrupt,
    /// Where GitHub's API is. Tests have their own.
    pub token_origin: Url,
    /// The limits of time and of size.
    pub limits: Limits,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            offline: None,
            mirror: None,
            mirror_by: SetBy::Flag("--mirror"),
            github_token: None,
            require_pinned: None,
            interrupt: Interrupt::default(),
            token_origin: Url::parse("https://api.github.com").expect("an address"),
            limits: Limits::default(),
        }
    }
}

/// Something that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being printed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Every bound of the wire (SECURITY.md, promise 6).
#[derive(Debug, Clone)]
pub struct Limits {
    /// To a connection, TLS included.
    pub connect: Duration,
    /// From there to the first byte of an answer, and from its head to the first byte of its body.
    pub first_byte: Duration,
    /// In every such span of time ...
    pub window: Duration,
    /// ... so many bytes a second come on average.
    pub floor: u64,
    /// Attempts after the first. Counted anew when an attempt brought a mebibyte.
    pub retries: u32,
    /// Before the first retry; doubled before each further one.
    pub back_off: Duration,
    /// The longest `Retry-After` that is waited for.
    pub retry_after: Duration,
    /// Bytes of an artifact whose size is not stated.
    pub artifact: u64,
    /// Bytes of a checksum file.
    pub checksum_file: u64,
    /// Bytes of a release's JSON.
    pub github_release: u64,
    /// To the first answer that npm has from its registry, its own start included.
    pub npm_answer: Duration,
    /// From one byte to the next in npm's downloads.
    pub npm_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            window: Duration::from_secs(60),
            floor: 1 << 10,
            retries: 3,
            back_off: Duration::from_millis(500),
            retry_after: Duration::from_secs(60),
            artifact: 1 << 30,
            checksum_file: 64 << 10,
            github_release: 4 << 20,
            npm_answer: Duration::from_secs(25),
            npm_idle: Duration::from_secs(20),
        }
    }
}
