//! The published registry of a run: the default one, or a further one that the user named by its address, with the key of
//! whoever signs it. A further one takes the place of the default one for the command, has a floor and a copy of its own,
//! and never provides ampup.

use camino::Utf8PathBuf;
use jiff::Timestamp;
use url::Url;

use super::{
    Error, Session,
    session::{REGISTRY_KEY, absolute, no_address},
};
use crate::{
    event::Event,
    exit::Exit,
    fetch::Wire,
    fs::atomic,
    refresh::{self, Answer, Kept, Loaded, Newer, Provenance, RefreshError},
    registry::{
        keys::{Keyring, RegistryOrigin},
        trust::TrustError,
    },
    self_install,
    settings::SetBy,
    store::directories,
};

/// A public key's file is not larger, in bytes.
const KEY: u64 = 4 << 10;

/// Returns true if a registry is named by an address of the web, and not by a file.
fn is_address(named: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| named.starts_with(scheme))
}

impl Session {
    /// The registry that the user named, by its file or by its address.
    fn named(&self) -> Option<&str> {
        let named = self.options.registry.as_deref();
        named.or(self.settings.registry.as_deref())
    }

    /// The file that the user named.
    pub(super) fn named_registry(&self) -> Option<&str> {
        self.named().filter(|named| !is_address(named))
    }

    /// Where the registry is named.
    pub(super) fn registry_by(&self) -> SetBy {
        match (&self.flags.registry, &self.options.registry) {
            (Some(_), _) => SetBy::Flag("--registry"),
            (None, Some(_)) => SetBy::Variable("AMPUP_REGISTRY"),
            (None, None) => SetBy::Setting("registry"),
        }
    }

    /// The file of the public key that the user named.
    fn registry_key(&self) -> Result<Option<Utf8PathBuf>, Error> {
        if let Some(path) = &self.options.registry_key {
            return absolute(&self.env, path).map(Some);
        }
        let named = self.env.path(REGISTRY_KEY)?;
        Ok(named.or_else(|| self.settings.registry_key.clone().map(Utf8PathBuf::from)))
    }

    /// Returns true if the user named a registry by its address.
    pub(super) fn is_further(&self) -> bool {
        self.named_address().is_some()
    }

    /// The address of the registry that the user named, if it is one.
    fn named_address(&self) -> Option<&str> {
        self.named().filter(|named| is_address(named))
    }

    /// Where the registry in use is published: the default one, or the one whose address the user named.
    ///
    /// # Errors
    /// When the user named no usable key, or nobody knows yet which registry is at the address and it cannot be asked.
    pub fn publisher(&self) -> Result<&RegistryOrigin, Error> {
        let Some(address) = self.named_address() else {
            return Ok(&self.origin);
        };
        if self.further.get().is_none() {
            let _ = self.further.set(self.further(address)?);
        }
        Ok(self.further.get().expect("it was just set"))
    }

    fn further(&self, address: &str) -> Result<RegistryOrigin, Error> {
        let usage = |message: String| Error::Usage {
            message,
            hint: "`--registry https://registry.example --registry-key FILE`".to_owned(),
        };
        if let Err(cause) = Url::parse(address) {
            return Err(usage(format!("the registry `{address}` {}", no_address(cause))));
        }
        let path = self.registry_key()?.ok_or_else(|| {
            usage(format!(
                "the registry `{address}` is believed only with the public key of whoever signs it"
            ))
        })?;
        let bytes = atomic::read(&path, KEY).map_err(|source| Error::File {
            path: path.clone(),
            source,
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let keyring = Keyring::new(&[&text], "")
            .map_err(|_| usage(format!("`{path}` is not a public key of minisign's")))?;
        let mut origin = RegistryOrigin {
            id: String::new(),
            base: Some(address.to_owned()),
            keyring,
        };
        origin.id = match refresh::known_id(&origin, &self.layout) {
            Some(id) => id,
            None => {
                let (wire, runtime) = (self.wire(None, None)?, self.runtime()?);
                let id = runtime.block_on(refresh::claimed_id(&origin, &wire));
                runtime.shutdown_background();
                id?
            }
        };
        Ok(origin)
    }

    /// The further registry: the copy of it, else what is published. Without either there is none.
    pub(super) fn load_further(&self) -> Result<Loaded, Error> {
        let loaded = self.load_published()?;
        if loaded.from == Provenance::Fetched {
            return Ok(without_ampup(loaded));
        }
        let origin = self.publisher()?;
        let (wire, runtime) = (self.wire(None, None)?, self.runtime()?);
        let answer = runtime.block_on(self.ask_publisher(&loaded, &wire));
        runtime.shutdown_background();
        match answer? {
            Answer::Newer(newer) if directories::ensure_writable(&self.layout).is_ok() => {
                self.keep_published(&newer)?;
                Ok(without_ampup(self.load_published()?))
            }
            // In a home of another user it is used once.
            Answer::Newer(newer) => Ok(without_ampup(newer.into_loaded())),
            Answer::OutOfReach(error) => Err(RefreshError::Fetch(error).into()),
            Answer::NoKey | Answer::Unchanged => Err(Error::NotFound {
                message: format!("there is no registry `{}`", origin.id),
                hint: "`ampup doctor` shows the registry in use".to_owned(),
            }),
        }
    }

    pub(super) fn load_published(&self) -> Result<Loaded, Error> {
        let mut loaded = refresh::load(self.publisher()?, &self.layout);
        for warning in loaded.warnings.drain(..) {
            self.reporter.report(Event::Warning(warning));
        }
        Ok(loaded)
    }

    /// Asks for a newer registry than the one that is here.
    async fn ask_publisher(&self, loaded: &Loaded, wire: &Wire) -> Result<Answer, Error> {
        let origin = self.publisher()?;
        // A mirror has the default registry.
        let mirror = self.mirror()?.filter(|_| origin.is_default());
        let answer = refresh::ask(origin, loaded, wire, mirror.as_ref()).await;
        answer.map_err(|error| match error {
            // The default registry's keys come with ampup, and a further one's from whoever publishes it.
            RefreshError::Refused {
                source: TrustError::UnknownKey(key),
                address,
            } if !origin.is_default() => Error::Integrity {
                message: format!(
                    "the registry of `{address}` is refused: it is signed by the key {key}, which is not the one that you named"
                ),
                hint: "get the publisher's new public key, and name it with `--registry-key FILE`".to_owned(),
            },
            error => error.into(),
        })
    }

    /// Keeps what was fetched.
    fn keep_published(&self, newer: &Newer) -> Result<Kept, Error> {
        let publisher = self.publisher()?;
        let lock = self.lock_store()?;
        let kept = refresh::keep(newer, publisher, &self.layout, Timestamp::now());
        // Whoever refuses the copy next removes it under this lock, and does not wait.
        lock.release();
        Ok(kept?)
    }

    /// Returns true if a newer registry could be asked for.
    fn can_refresh(&self) -> Result<bool, Error> {
        Ok(self.named_registry().is_none() && !self.publisher()?.keyring.is_empty())
    }

    /// Does what `refresh` does where nothing can be kept: asks nobody, and says so where somebody could be asked.
    ///
    /// # Errors
    /// As `publisher`.
    pub(super) fn skip_refresh(&self) -> Result<(), Error> {
        if self.can_refresh()? {
            self.note("no newer registry was fetched: it cannot be kept in this home");
            self.is_in_doubt(NOT_REFRESHED);
        }
        Ok(())
    }

    /// Asks for a newer registry and uses it from now on. Must come before the first `registry`. Does nothing where the
    /// user named a manifest, or no key was built in; where the host is out of reach, what is here goes on.
    ///
    /// # Errors
    /// When what comes is not proven, or cannot be kept; nothing is changed then.
    pub fn refresh(&self) -> Result<(), Error> {
        if !self.can_refresh()? {
            return Ok(());
        }
        let loaded = self.load_published()?;
        let wire = self.wire(None, None)?;
        let runtime = self.runtime()?;
        let answer = runtime.block_on(self.ask_publisher(&loaded, &wire));
        // A name look-up that hangs must not keep us.
        runtime.shutdown_background();
        match answer? {
            Answer::NoKey | Answer::Unchanged => {}
            Answer::OutOfReach(error) => {
                self.note(format!("the registry was not refreshed: {error}"));
                self.is_in_doubt(NOT_REFRESHED);
            }
            Answer::Newer(newer) => match self.keep_published(&newer)? {
                Kept::Newer { serial, issued } => {
                    self.note(format!("the registry is now number {serial}, issued {issued}"));
                    // It is in use from now on.
                    self.registry()?;
                    return Ok(());
                }
                Kept::Same => {}
                Kept::Behind { found, accepted } => self.note(format!(
                    "the published registry is still number {found}; continuing with {accepted}"
                )),
            },
        }
        if self.is_further() {
            // There may be none of it here.
            self.registry()?;
        } else {
            let _ = self.registry.set(self.settled(loaded));
        }
        Ok(())
    }
}

impl Session {
    /// Does what `refresh` does, for a command that changes nothing: where what comes is not proven, that is a warning, and the
    /// registry that is here goes on. Gives the error that `update` would end with.
    ///
    /// # Errors
    /// When there is no other registry, or the newer one cannot be kept.
    pub(super) fn refresh_or_warn(&self) -> Result<Option<Error>, Error> {
        let Err(error) = self.refresh() else {
            return Ok(None);
        };
        let is_of_publisher = matches!(error.exit_code(), Exit::Integrity | Exit::Network);
        if !is_of_publisher || self.registry().is_err() {
            return Err(error);
        }
        self.reporter.report(Event::Warning(format!(
            "{}; continuing with number {}",
            error.in_one_line(),
            self.registry()?.serial
        )));
        self.is_in_doubt(NOT_REFRESHED);
        Ok(Some(error))
    }
}

/// The state of a registry that could not be asked for.
const NOT_REFRESHED: &str = "the registry was not refreshed";

fn without_ampup(mut loaded: Loaded) -> Loaded {
    loaded.registry.components.remove(&self_install::name());
    loaded
}
