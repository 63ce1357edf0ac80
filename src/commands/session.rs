//! The context that every command works with.

use std::{cell::OnceCell, io, sync::Arc, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use url::Url;

use super::Error;
use crate::{
    children::{self, Interrupt},
    domain::{Component, ComponentName, Inventory, VersionStyle},
    env::Env,
    event::{Event, Reporter},
    fetch::{self, Secret, Wire},
    fs::{atomic, lock::Lock},
    hindrance::Hindrance,
    host::Host,
    layout::Layout,
    pins::Pins,
    refresh::{self, Loaded, Provenance},
    registry::{Registry, keys::RegistryOrigin, manifest, trust},
    settings::Settings,
    store::{self, claim::Claim},
};

/// Seconds to wait for another ampup.
const LOCK_TIMEOUT: &str = "AMPUP_LOCK_TIMEOUT";

/// A manifest file, or the address of a registry.
const REGISTRY: &str = "AMPUP_REGISTRY";

/// The default time that a command waits for another ampup.
const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(600);

/// The global flags; each is absent if it was not given.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--home`
    pub home: Option<Utf8PathBuf>,
    /// `--registry`
    pub registry: Option<String>,
    /// `--registry-key`
    pub registry_key: Option<Utf8PathBuf>,
    /// `--mirror`
    pub mirror: Option<String>,
    /// `--offline`
    pub offline: bool,
    /// `--yes`
    pub yes: bool,
    /// `--lock-timeout`, in seconds
    pub lock_timeout: Option<u64>,
    /// Goes on also where `config.toml` cannot be used.
    pub is_lenient: bool,
    /// The handle through which the run is interrupted.
    pub interrupt: Interrupt,
    /// Puts a question to the user; the second argument is what Enter means. `None` where nobody is there to answer.
    pub ask: Option<fn(&str, bool) -> bool>,
    /// Asks the user for a word; `None` where there is no answer.
    pub ask_for: Option<fn(&str) -> Option<String>>,
    /// The command line's own definition, for completions and the manual.
    pub grammar: Option<fn() -> clap::Command>,
}

/// One run of the program: where the home is, what is settled, and who is told.
pub struct Session {
    /// The environment.
    pub env: Env,
    /// The home.
    pub layout: Layout,
    /// The global flags, as they were given.
    pub flags: Options,
    /// The global flags, with what the environment says where they say nothing.
    pub options: Options,
    /// The settings in `config.toml`.
    pub settings: Settings,
    /// The reason that `config.toml` cannot be used, if the options allow that.
    pub unusable: Option<Error>,
    /// Who is told what happens.
    pub reporter: Arc<dyn Reporter>,
    /// The command line, for the history.
    pub command: String,
    /// The default registry. Only tests have another than the built-in one.
    pub origin: RegistryOrigin,
    /// The registry whose address the user named.
    pub(super) further: OnceCell<RegistryOrigin>,
    pub(super) registry: OnceCell<(Registry, RegistrySource)>,
    pins: OnceCell<Option<Pins>>,
}

/// Where the registry of a run came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrySource {
    /// This ampup was built with it.
    BuiltIn,
    /// It was fetched, and is signed.
    Fetched,
    /// The user named this file.
    Named(Utf8PathBuf),
}

impl Session {
    /// Begins a run. Flags come before the environment, the environment before `config.toml`.
    ///
    /// # Errors
    /// When there is no usable home, or `config.toml` is damaged.
    pub fn new(
        env: Env,
        mut options: Options,
        reporter: Arc<dyn Reporter>,
        command: String,
    ) -> Result<Self, Error> {
        let mut unusable = None;
        let flags = options.clone();
        options.offline |= env.switch("AMPUP_OFFLINE")?;
        options.yes |= env.switch("AMPUP_YES")?;
        options.registry = match options.registry {
            Some(named) => Some(absolute_file(&env, named)?),
            None => registry_of(&env)?,
        };
        let home = match &options.home {
            Some(home) => absolute(&env, home)?,
            None => env.ampup_home()?,
        };
        let layout = Layout::new(home);
        let (settings, warnings) = match Settings::read(&layout.config()) {
            Ok(read) => read,
            Err(error) if options.is_lenient => {
                unusable = Some(error.into());
                (Settings::default(), Vec::new())
            }
            Err(error) => return Err(error.into()),
        };
        for warning in warnings {
            reporter.report(Event::Warning(warning));
        }
        if let Some(seconds) = env.var(LOCK_TIMEOUT)
            && seconds.parse::<u64>().is_err()
        {
            return Err(Error::Usage {
                message: format!("`{LOCK_TIMEOUT}` is `{seconds}`, which is not a number of seconds"),
                hint: format!("`{LOCK_TIMEOUT}=60`"),
            });
        }
        Ok(Self {
            env,
            layout,
            flags,
            options,
            settings,
            reporter,
            command,
            unusable,
            origin: RegistryOrigin::built_in(),
            further: OnceCell::new(),
            registry: OnceCell::new(),
            pins: OnceCell::new(),
        })
    }

    /// The same run in another working directory.
    ///
    /// # Errors
    /// As `new`.
    pub fn in_directory(&self, directory: &Utf8Path) -> Result<Self, Error> {
        Self::new(
            self.env.clone().in_directory(directory),
            self.options.clone(),
            self.reporter.clone(),
            self.command.clone(),
        )
    }

    /// The registry: the manifest that the user named, else the newer of the fetched and the built-in one.
    ///
    /// # Errors
    /// When the named manifest cannot be read or understood.
    pub fn registry(&self) -> Result<&Registry, Error> {
        self.registry_and_source().map(|(registry, _)| registry)
    }

    /// The same, and where it came from.
    ///
    /// # Errors
    /// As `registry`.
    pub fn registry_and_source(&self) -> Result<(&Registry, &RegistrySource), Error> {
        if self.registry.get().is_none() {
            let found = match self.named_registry() {
                Some(path) => {
                    let path = Utf8PathBuf::from(path.strip_prefix("file://").unwrap_or(path));
                    let document = atomic::read(&path, manifest::LIMIT).map_err(|source| Error::File {
                        path: path.clone(),
                        source,
                    })?;
                    (Registry::parse(&document)?, RegistrySource::Named(path))
                }
                None if self.is_further() => self.settled(self.load_further()?),
                None => self.settled(self.load_published()?),
            };
            let _ = self.registry.set(found);
        }
        let (registry, source) = self.registry.get().expect("it was just set");
        Ok((registry, source))
    }

    /// The document of the registry in use, byte for byte, and its signature if it has one.
    ///
    /// # Errors
    /// As `registry`.
    pub fn registry_document(&self) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
        let (registry, source) = self.registry_and_source()?;
        if let RegistrySource::Named(path) = source {
            let document = atomic::read(path, manifest::LIMIT).map_err(|source| Error::File {
                path: path.clone(),
                source,
            })?;
            return Ok((document, None));
        }
        Ok(match refresh::kept(self.publisher()?, &self.layout) {
            Some(kept) if kept.serial >= registry.serial => (kept.document, Some(kept.pointer)),
            _ => (manifest::embedded().to_vec(), None),
        })
    }

    pub(super) fn settled(&self, loaded: Loaded) -> (Registry, RegistrySource) {
        let source = match loaded.from {
            Provenance::BuiltIn => RegistrySource::BuiltIn,
            Provenance::Fetched => RegistrySource::Fetched,
        };
        (loaded.registry, source)
    }

    /// Warns of a registry that nobody has renewed for long.
    ///
    /// # Errors
    /// As `registry`.
    pub fn warn_of_age(&self) -> Result<(), Error> {
        let (registry, source) = self.registry_and_source()?;
        if let Some(age) = trust::age_warning(&registry.issued, Timestamp::now()) {
            let (name, remedy) = match source {
                RegistrySource::BuiltIn => ("built-in registry", "a newer ampup has a newer one"),
                RegistrySource::Fetched => (
                    "registry that was fetched last",
                    "`ampup update` asks for a newer one",
                ),
                // The user's own affair.
                RegistrySource::Named(_) => return Ok(()),
            };
            self.reporter
                .report(Event::Warning(format!("the {name} {age}; {remedy}")));
        }
        Ok(())
    }

    /// The network, as the user has settled it.
    ///
    /// # Errors
    /// When the mirror that the user named is no address.
    pub fn wire(&self, github_token: Option<Secret>, require_pinned: bool) -> Result<Wire, Error> {
        let settings = fetch::FetchOptions {
            offline: self.is_offline(),
            mirror: self.mirror()?,
            github_token,
            require_pinned: require_pinned || self.settings.require_pinned,
            interrupt: self.options.interrupt.clone(),
            ..fetch::FetchOptions::default()
        };
        Ok(Wire::new(settings, &self.env, self.reporter.clone()))
    }

    /// Returns the runtime for network operations.
    ///
    /// # Errors
    /// When the system has no thread left for it.
    pub fn runtime(&self) -> Result<tokio::runtime::Runtime, Error> {
        // tokio would panic.
        children::ensure_thread().map_err(Hindrance::NoProcess)?;
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|source| Error::Store {
                action: "work in",
                source,
            })
    }

    /// The mirror that the user named.
    ///
    /// # Errors
    /// When it is no address.
    pub fn mirror(&self) -> Result<Option<Url>, Error> {
        let flag = self.options.mirror.as_deref();
        let named = flag
            .or_else(|| self.env.var("AMPUP_MIRROR"))
            .or(self.settings.mirror.as_deref());
        let parsed = named.map(|mirror| {
            Url::parse(mirror).map_err(|cause| Error::Usage {
                message: format!("the mirror `{mirror}` is not an address: {cause}"),
                hint: "`--mirror https://mirror.example/amp`, or `file:///…`".to_owned(),
            })
        });
        match parsed.transpose()? {
            Some(mirror) if !["https", "http", "file"].contains(&mirror.scheme()) => Err(Error::Usage {
                message: format!("the mirror `{mirror}` is neither https, http nor file"),
                hint: "`--mirror https://mirror.example/amp`, or `file:///…`".to_owned(),
            }),
            mirror => Ok(mirror),
        }
    }

    /// Returns true if the network must not be used.
    pub fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// The pins of the project that the working directory lies in, if it has any.
    ///
    /// # Errors
    /// When its `ampup.toml` cannot be read, or says what it cannot say.
    pub fn pins(&self) -> Result<Option<&Pins>, Error> {
        if self.pins.get().is_none() {
            let _ = self.pins.set(Pins::find(&self.env)?);
        }
        Ok(self.pins.get().and_then(Option::as_ref))
    }

    /// Returns the installed components.
    ///
    /// # Errors
    /// When the home cannot be read.
    pub fn inventory(&self) -> Result<Inventory, Error> {
        store::inventory::read(&self.layout).or_else(|source| {
            self.ensure_home()?;
            Err(Error::Store {
                action: "read",
                source,
            })
        })
    }

    /// Returns the facts of this machine that the registry's artifacts ask for.
    ///
    /// # Errors
    /// When the registry cannot be had.
    pub fn host(&self) -> Result<Host, Error> {
        Ok(Self::host_for(self.registry()?))
    }

    /// Returns the facts of this machine that the artifacts of a registry ask for.
    pub fn host_for(registry: &Registry) -> Host {
        let releases = registry
            .components
            .values()
            .flat_map(|component| &component.releases);
        Host::probe(
            releases
                .flat_map(|release| &release.artifacts)
                .map(|artifact| &artifact.needs),
        )
    }

    /// Makes the home's directories and takes the store lock, telling the user who holds it if that takes a while.
    ///
    /// # Errors
    /// When the home cannot be made, or another process holds the lock for too long.
    pub fn lock_store(&self) -> Result<Lock, Error> {
        self.prepare()?;
        Ok(store::lock(
            &self.layout,
            self.lock_timeout(),
            self.reporter.as_ref(),
        )?)
    }

    /// Makes the home's directories.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn prepare(&self) -> Result<(), Error> {
        if let Some(owner) = store::directories::foreign_owner(&self.layout) {
            // `sudo ampup`, most often: HOME is still the user's.
            let text = format!(
                "`{}` belongs to user {owner}, who cannot change what root writes there; run ampup as that user, or choose \
                 another home with `--home`",
                self.layout.home()
            );
            self.reporter.report(Event::Warning(text));
        }
        self.ensure_writable()?;
        store::directories::prepare(&self.layout, self.env.user_home()).map_err(|source| Error::Store {
            action: "make",
            source,
        })
    }

    /// Ensures that the home is ampup's, and ours to write to.
    ///
    /// # Errors
    /// When something in it was there before ampup, or it is another user's or on a read-only file system.
    pub(super) fn ensure_writable(&self) -> Result<(), Error> {
        self.ensure_home()?;
        store::directories::ensure_writable(&self.layout).map_err(|source| Error::Store {
            action: "change",
            source,
        })
    }

    /// Ensures that nothing in the home was there before ampup.
    ///
    /// # Errors
    /// When something was, or the home cannot be read.
    pub(super) fn ensure_home(&self) -> Result<(), Error> {
        let claim = store::claim::read(&self.layout).map_err(|source| Error::Store {
            action: "look at",
            source,
        })?;
        match claim {
            Claim::Foreign(entry) => Err(Error::Usage {
                message: entry.to_string(),
                hint: "choose another home with `--home` or `AMPUP_HOME`".to_owned(),
            }),
            Claim::Made(_) | Claim::Free => Ok(()),
        }
    }

    /// Returns the time to wait for another ampup.
    pub fn lock_timeout(&self) -> Duration {
        let settled = self
            .options
            .lock_timeout
            .or_else(|| self.env.var(LOCK_TIMEOUT)?.parse().ok())
            .or(self.settings.lock_timeout);
        settled.map_or(DEFAULT_LOCK_TIMEOUT, Duration::from_secs)
    }

    /// Returns the style in which versions of a component are shown; plain if this registry does not know it.
    ///
    /// # Errors
    /// When the registry cannot be had.
    pub fn style(&self, component: &ComponentName) -> Result<VersionStyle, Error> {
        Ok(self
            .registry()?
            .component(component)
            .map_or(VersionStyle::Plain, |component| component.version_style))
    }

    /// A component of the registry.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn component(&self, name: &ComponentName) -> Result<&Component, Error> {
        Ok(self.registry()?.require(name)?)
    }

    /// Tells the user something that is as expected.
    pub fn note(&self, text: impl Into<String>) {
        self.reporter.report(Event::Note(text.into()));
    }

    /// Tells the user something that is not as expected.
    pub fn warn(&self, text: impl Into<String>) {
        self.reporter.report(Event::Warning(text.into()));
    }

    /// Asks the user a question; `--yes` answers yes. `None` if there is no terminal to ask on.
    pub fn ask(&self, question: &str, enter: bool) -> Option<bool> {
        if self.options.yes {
            return Some(true);
        }
        self.options.ask.map(|ask| ask(question, enter))
    }

    /// The command line's own definition.
    pub fn grammar(&self) -> clap::Command {
        self.options
            .grammar
            .map_or_else(|| clap::Command::new("ampup"), |grammar| grammar())
    }
}

/// The registry that the environment names: a file, or an address.
fn registry_of(env: &Env) -> Result<Option<String>, Error> {
    match env.var(REGISTRY) {
        Some(named) if named.contains("://") => Ok(Some(named.to_owned())),
        Some(_) | None => Ok(env.path(REGISTRY)?.map(Utf8PathBuf::into_string)),
    }
}

fn absolute_file(env: &Env, named: String) -> Result<String, Error> {
    if named.contains("://") {
        return Ok(named);
    }
    Ok(absolute(env, &named.into())?.into_string())
}

/// The path from the working directory.
///
/// # Errors
/// When the path is relative and there is no working directory.
pub(super) fn absolute(env: &Env, path: &Utf8PathBuf) -> Result<Utf8PathBuf, Error> {
    if path.is_absolute() {
        return Ok(path.clone());
    }
    let current = env.current_dir().ok_or_else(|| Error::Store {
        action: "find",
        source: io::Error::new(
            io::ErrorKind::NotFound,
            "the working directory is gone or not UTF-8",
        ),
    })?;
    Ok(current.join(path))
}
