//! The registry that is used: the highest of the one that was fetched and the one that ampup was built with. What was
//! fetched is proven again every time it is read; nothing of a refused one is ever kept.

mod keeping;

use std::io;

use jiff::Timestamp;
use url::Url;

use crate::{
    fetch::{FetchError, Fresh, Wire},
    install::in_one_line,
    layout::Layout,
    registry::{
        Registry,
        keys::RegistryOrigin,
        trust::{self, Pointer, Signed, Standing, TrustError},
    },
};

pub use keeping::{Kept, Published};

/// The registry in use.
#[derive(Debug)]
pub struct Loaded {
    /// The registry.
    pub registry: Registry,
    /// Where it came from.
    pub from: Provenance,
    /// Warnings about damage that was found on the way, one sentence each.
    pub warnings: Vec<String>,
    /// The server's entity tag of the kept copy, for the next request.
    etag: Option<String>,
}

/// Where the registry in use came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// This ampup was built with it.
    BuiltIn,
    /// It was fetched.
    Fetched,
}

/// The result of asking for a newer one.
#[derive(Debug)]
pub enum Answer {
    /// Nobody could sign one: nothing was asked.
    NoKey,
    /// The host cannot be reached now, or may not be asked: what is here goes on.
    OutOfReach(FetchError),
    /// There is none newer.
    Unchanged,
    /// One that is proven, to be kept.
    Newer(Box<Newer>),
}

/// A registry that was fetched and proven, with all that is kept of it.
#[derive(Debug)]
pub struct Newer {
    signed: Signed,
    pointer: Vec<u8>,
    document: Vec<u8>,
    etag: Option<String>,
}

impl Newer {
    fn serial(&self) -> u64 {
        self.signed.floor().serial
    }

    /// The registry, to be used without being kept.
    pub fn into_loaded(self) -> Loaded {
        Loaded {
            registry: self.signed.into_registry(),
            from: Provenance::Fetched,
            warnings: Vec::new(),
            etag: None,
        }
    }
}

/// The id of the further registry that is published there, as it was accepted before.
pub fn known_id(origin: &RegistryOrigin, layout: &Layout) -> Option<String> {
    keeping::known_id(origin, layout)
}

/// The id of the further registry that is published there, as its pointer claims. It is proven when that is.
///
/// # Errors
/// When there is no pointer.
pub async fn claimed_id(origin: &RegistryOrigin, wire: &Wire) -> Result<String, RefreshError> {
    let address = origin.address("registry.minisig").unwrap_or_default();
    let pointer = match wire.get_small(&address, trust::POINTER_LIMIT, None).await? {
        Fresh::Modified { body, .. } => body,
        Fresh::NotModified => Vec::new(),
    };
    let id = Pointer::claimed_id(&pointer).map_err(|source| RefreshError::Refused {
        address: address.clone(),
        source,
    })?;
    let named = RegistryOrigin { id, ..origin.clone() };
    if named.is_default() {
        return Err(RefreshError::Refused {
            address,
            source: TrustError::DefaultId(named.id),
        });
    }
    Ok(named.id)
}

/// The reason there is no newer registry.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// It was not had.
    #[error("the registry could not be refreshed")]
    Fetch(#[from] FetchError),
    /// It is not to be believed.
    #[error("the registry of `{address}` is refused")]
    Refused {
        /// Where it came from.
        address: String,
        /// The cause.
        source: TrustError,
    },
    /// It cannot be kept.
    #[error("the registry could not be kept")]
    Store(#[from] io::Error),
}

/// The registry to use now, without the network. The copy that was fetched is used if it is whole, proven, not below
/// what was accepted before, and newer than the built-in one; a copy that is not to be used is removed.
pub fn load(origin: &RegistryOrigin, layout: &Layout) -> Loaded {
    let mut loaded = Loaded {
        registry: if origin.is_default() {
            Registry::embedded()
        } else {
            Registry::without_components(&origin.id)
        },
        from: Provenance::BuiltIn,
        warnings: Vec::new(),
        etag: None,
    };
    if origin.keyring.is_empty() {
        return loaded;
    }
    // The floor first: the copy is written before it, so a copy that is read after it is not below it.
    let accepted = keeping::accepted(origin, layout).unwrap_or_else(|sentence| {
        loaded.warnings.push(sentence);
        None
    });
    match keeping::accepted_copy(origin, layout, accepted.as_ref()) {
        Ok(None) => {}
        Ok(Some(signed)) => {
            loaded.etag = accepted
                .filter(|accepted| accepted.floor == *signed.floor())
                .and_then(|accepted| accepted.etag);
            if signed.floor().serial > loaded.registry.serial {
                loaded.registry = signed.into_registry();
                loaded.from = Provenance::Fetched;
            }
        }
        Err(why) => {
            loaded.warnings.push(format!(
                "the copy of the registry in `{}` is not used: {why}; `ampup update` fetches it again",
                layout.registry_copy(&origin.name())
            ));
            keeping::drop_refused(origin, layout);
        }
    }
    loaded
}

/// The fetched copy as it was published, if there is one that is to be used.
pub fn kept(origin: &RegistryOrigin, layout: &Layout) -> Option<Published> {
    let accepted = keeping::accepted(origin, layout).unwrap_or_default();
    keeping::accepted_copy(origin, layout, accepted.as_ref()).ok()??;
    keeping::published(origin, layout)
}

/// Asks the mirror, if there is one, and the origin for the newest. Where the origin is out of reach, or has none that is
/// newer, the mirror's is taken: it is proven like any. Keeps nothing.
///
/// # Errors
/// When what the origin gives is not proven.
pub async fn ask(
    origin: &RegistryOrigin,
    loaded: &Loaded,
    wire: &Wire,
    mirror: Option<&Url>,
) -> Result<Answer, RefreshError> {
    let Some(base) = origin.published() else {
        return Ok(Answer::NoKey);
    };
    let mut mirrored = None;
    if let Some(mirror) = mirror {
        match ask_at(mirror.as_str(), origin, None, wire).await {
            Ok(Answer::Newer(mut newer)) => {
                // The tag is the mirror's, and the next question is the origin's.
                newer.etag = None;
                mirrored = Some(newer).filter(|newer| newer.serial() > loaded.registry.serial);
            }
            // It need not have one, and that it is out of reach was told.
            Ok(_) | Err(RefreshError::Fetch(FetchError::Gone { .. } | FetchError::Refused { .. })) => {}
            Err(error) => wire.warn(format!(
                "the mirror is of no use for the registry: {}",
                in_one_line(&error)
            )),
        }
    }
    let answer = ask_at(base, origin, loaded.etag.as_deref(), wire).await?;
    Ok(match (answer, mirrored) {
        (Answer::Newer(one), Some(other)) if one.serial() < other.serial() => Answer::Newer(other),
        (Answer::Newer(one), _) => Answer::Newer(one),
        (_, Some(other)) => Answer::Newer(other),
        (answer, None) => answer,
    })
}

/// Asks at one place, with one conditional request; the manifest itself is fetched only when the pointer names another.
async fn ask_at(
    base: &str,
    origin: &RegistryOrigin,
    etag: Option<&str>,
    wire: &Wire,
) -> Result<Answer, RefreshError> {
    let address = |file: &str| format!("{}/v1/{file}", base.trim_end_matches('/'));
    let at = address("registry.minisig");
    let (pointer, etag) = match wire.get_small(&at, trust::POINTER_LIMIT, etag).await {
        Ok(Fresh::NotModified) => return Ok(Answer::Unchanged),
        Ok(Fresh::Modified { body, etag, .. }) => (body, etag),
        Err(
            error @ (FetchError::Unreachable { .. }
            | FetchError::Offline { .. }
            | FetchError::RateLimited { .. }),
        ) => return Ok(Answer::OutOfReach(error)),
        Err(error) => return Err(error.into()),
    };
    let refused = |address: &str| {
        let address = address.to_owned();
        move |source| RefreshError::Refused { address, source }
    };
    let read = Pointer::parse(&pointer, &origin.keyring, &origin.id).map_err(refused(&at))?;
    let claim = read.claim();
    let at = address(&claim.file_name());
    let document = match wire.get_small(&at, claim.size, None).await? {
        Fresh::Modified { body, .. } => body,
        Fresh::NotModified => Vec::new(),
    };
    let signed = trust::verify(&read, &document, &origin.keyring).map_err(refused(&at))?;
    Ok(Answer::Newer(Box::new(Newer {
        signed,
        pointer,
        document,
        etag,
    })))
}

/// Keeps what was fetched, unless what was accepted before forbids it. The caller holds the store lock, under which all
/// is read again.
///
/// # Errors
/// When it is below what was accepted before, or is another under the same serial; nothing is changed then. Or when it
/// cannot be written.
pub fn keep(
    newer: &Newer,
    origin: &RegistryOrigin,
    layout: &Layout,
    now: Timestamp,
) -> Result<Kept, RefreshError> {
    let refused = |source| RefreshError::Refused {
        address: origin.address("registry.minisig").unwrap_or_default(),
        source,
    };
    let floor = newer.signed.floor();
    // A copy that outlived a damaged `trust.json` still says what was accepted.
    let accepted = keeping::accepted(origin, layout).unwrap_or_default();
    let copy = keeping::copy(origin, layout).ok().flatten();
    let highest = accepted
        .as_ref()
        .map(|accepted| &accepted.floor)
        .into_iter()
        .chain(copy.as_ref().map(Signed::floor))
        .max_by_key(|floor| floor.serial);
    if let Some(highest) = highest {
        match highest.standing(floor) {
            Standing::Higher => {}
            Standing::Same => {
                let known = accepted.as_ref().is_some_and(|accepted| accepted.floor == *floor);
                // What of it was removed or damaged is made anew.
                if copy.is_none() || !known {
                    keeping::keep(newer, origin, layout)?;
                }
                return Ok(Kept::Same);
            }
            Standing::Lower if highest.is_fresh(now) => {
                return Ok(Kept::Behind {
                    found: floor.serial,
                    accepted: highest.serial,
                });
            }
            Standing::Lower => {
                return Err(refused(TrustError::Lower {
                    found: floor.serial,
                    accepted: highest.serial,
                }));
            }
            Standing::SameOtherBytes => {
                return Err(refused(TrustError::SameOtherBytes { serial: floor.serial }));
            }
        }
    }
    keeping::keep(newer, origin, layout)?;
    Ok(Kept::Newer {
        serial: floor.serial,
        issued: floor.issued.clone(),
    })
}
