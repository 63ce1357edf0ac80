//! What every command works with.

use std::{cell::OnceCell, io, sync::Arc, time::Duration};

use camino::Utf8PathBuf;
use url::Url;

use super::Error;
use crate::{
    domain::{Component, ComponentName, Inventory, VersionStyle},
    env::Env,
    event::{Event, Reporter},
    fs::{atomic, lock::Lock},
    host::Host,
    layout::Layout,
    registry::{Registry, manifest},
    settings::Settings,
    store,
};

/// How long a command waits for another ampup, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the global flags said; each is absent where nothing was.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--home`
    pub home: Option<Utf8PathBuf>,
    /// `--registry`
    pub registry: Option<String>,
    /// `--mirror`
    pub mirror: Option<String>,
    /// `--offline`
    pub offline: bool,
    /// `--yes`
    pub yes: bool,
    /// `--lock-timeout`, in seconds
    pub lock_timeout: Option<u64>,
}

/// One run of the program: where the home is, what is settled, and who is told.
pub struct Session {
    /// The environment.
    pub env: Env,
    /// The home.
    pub layout: Layout,
    /// What the flags said.
    pub options: Options,
    /// What `config.toml` says.
    pub settings: Settings,
    /// Who is told what happens.
    pub reporter: Arc<dyn Reporter>,
    /// The command line, for the history.
    pub command: String,
    registry: OnceCell<Registry>,
}

impl Session {
    /// Begins a run. Flags come before the environment, the environment before `config.toml`.
    ///
    /// # Errors
    /// When there is no usable home, or `config.toml` is damaged.
    pub fn new(
        env: Env,
        options: Options,
        reporter: Arc<dyn Reporter>,
        command: String,
    ) -> Result<Self, Error> {
        let home = match &options.home {
            Some(home) => absolute(&env, home)?,
            None => env.ampup_home()?,
        };
        let layout = Layout::new(home);
        let settings = Settings::read(&layout.config())?;
        Ok(Self {
            env,
            layout,
            options,
            settings,
            reporter,
            command,
            registry: OnceCell::new(),
        })
    }

    /// The registry: the manifest that the user named, else the embedded one.
    ///
    /// # Errors
    /// When the named manifest cannot be read or understood.
    pub fn registry(&self) -> Result<&Registry, Error> {
        if let Some(registry) = self.registry.get() {
            return Ok(registry);
        }
        let named = self.setting(
            self.options.registry.as_deref(),
            "AMPUP_REGISTRY",
            self.settings.registry.as_deref(),
        );
        let registry = match named {
            None => Registry::embedded(),
            Some(path) => {
                let path = Utf8PathBuf::from(path.strip_prefix("file://").unwrap_or(path));
                let document =
                    atomic::read(&path, manifest::LIMIT).map_err(|source| Error::File { path, source })?;
                Registry::parse(&document)?
            }
        };
        Ok(self.registry.get_or_init(|| registry))
    }

    /// The mirror that the user named.
    ///
    /// # Errors
    /// When it is no address.
    pub fn mirror(&self) -> Result<Option<Url>, Error> {
        let named = self.setting(
            self.options.mirror.as_deref(),
            "AMPUP_MIRROR",
            self.settings.mirror.as_deref(),
        );
        let parsed = named.map(|mirror| {
            Url::parse(mirror).map_err(|cause| Error::Usage {
                message: format!("the mirror `{mirror}` is not an address: {cause}"),
                hint: "`--mirror https://mirror.example/amp`, or `file:///…`".to_owned(),
            })
        });
        parsed.transpose()
    }

    /// A flag, else a variable, else a setting.
    fn setting<'a>(
        &'a self,
        flag: Option<&'a str>,
        variable: &str,
        settled: Option<&'a str>,
    ) -> Option<&'a str> {
        flag.or_else(|| self.env.var(variable)).or(settled)
    }

    /// Whether the network may not be used.
    pub fn is_offline(&self) -> bool {
        self.options.offline || self.is_set("AMPUP_OFFLINE")
    }

    /// Whether a yes-or-no variable says yes: it is set, and not to `0` or `false`.
    fn is_set(&self, variable: &str) -> bool {
        self.env
            .var(variable)
            .is_some_and(|value| value != "0" && value != "false")
    }

    /// What is installed.
    ///
    /// # Errors
    /// When the home cannot be read.
    pub fn inventory(&self) -> Result<Inventory, Error> {
        store::inventory::read(&self.layout).map_err(|source| Error::Store {
            action: "read",
            source,
        })
    }

    /// What this machine is, as far as the registry's artifacts ask.
    ///
    /// # Errors
    /// When the registry cannot be had.
    pub fn host(&self) -> Result<Host, Error> {
        let registry = self.registry()?;
        let releases = registry
            .components
            .values()
            .flat_map(|component| &component.releases);
        Ok(Host::probe(
            releases
                .flat_map(|release| &release.artifacts)
                .map(|artifact| &artifact.needs),
        ))
    }

    /// Makes the home's directories and takes the store lock, telling the user who holds it if that takes a while.
    ///
    /// # Errors
    /// When the home cannot be made, or another process holds the lock for too long.
    pub fn lock_store(&self) -> Result<Lock, Error> {
        self.prepare()?;
        let lock = store::lock(&self.layout, self.patience(), |holder| {
            self.reporter.report(Event::Waiting {
                name: "the store".to_owned(),
                holder: holder.to_owned(),
            });
        })?;
        if let Some(warning) = lock.warning() {
            self.reporter.report(Event::Warning(warning.to_owned()));
        }
        Ok(lock)
    }

    /// Makes the home's directories.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn prepare(&self) -> Result<(), Error> {
        if let Some(owner) = store::place::foreign_owner(&self.layout) {
            // `sudo ampup`, most often: HOME is still the user's.
            let text = format!(
                "`{}` belongs to user {owner}, who cannot change what root writes there; run ampup as that user, or choose \
                 another home with `--home`",
                self.layout.home()
            );
            self.reporter.report(Event::Warning(text));
        }
        store::place::prepare(&self.layout).map_err(|source| Error::Store {
            action: "make",
            source,
        })
    }

    /// How long to wait for another ampup.
    pub fn patience(&self) -> Duration {
        let settled = self
            .options
            .lock_timeout
            .or_else(|| self.env.var("AMPUP_LOCK_TIMEOUT")?.parse().ok())
            .or(self.settings.lock_timeout);
        settled.map_or(PATIENCE, Duration::from_secs)
    }

    /// How versions of a component are shown; plain where this registry does not know it.
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
}

fn absolute(env: &Env, path: &Utf8PathBuf) -> Result<Utf8PathBuf, Error> {
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
