//! The context that every command works with.

mod home;
mod registry;

use std::{cell::OnceCell, io, sync::Arc, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use url::{ParseError, Url};

pub(super) use self::registry::NAMED_REGISTRY;
pub use self::registry::RegistrySource;
use super::Error;
use crate::{
    children::{self, Interrupt},
    env::Env,
    event::{Event, Reporter},
    fetch::{self, Secret, Wire},
    hindrance::Hindrance,
    layout::Layout,
    pins::Pins,
    registry::{Registry, keys::RegistryOrigin},
    settings::{SetBy, Settings, is_mirror},
};

/// Seconds to wait for another ampup.
const LOCK_TIMEOUT: &str = "AMPUP_LOCK_TIMEOUT";

/// A manifest file, or the address of a registry.
const REGISTRY: &str = "AMPUP_REGISTRY";

/// The public key of a registry that an address names.
pub(super) const REGISTRY_KEY: &str = "AMPUP_REGISTRY_KEY";

/// The default time that a command waits for another ampup.
const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(600);

/// The global flags; each is absent if it was not given.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
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
    /// `--verbose`
    pub verbose: bool,
    /// `--lock-timeout`, in seconds
    pub lock_timeout: Option<u64>,
    /// `--color`, unless it is `auto`
    pub color: Option<String>,
    /// `--progress`, unless it is `auto`
    pub progress: Option<String>,
    /// Goes on also where `config.toml` cannot be used.
    pub is_lenient: bool,
    /// The handle through which the run is interrupted.
    pub interrupt: Interrupt,
    /// Puts a question to the user, whose paths are short in it; the last argument is what Enter means. `None` where nobody is
    /// there to answer.
    pub ask: Option<fn(&Env, &str, bool) -> bool>,
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
    /// The reason that there may be newer versions than this run knows, as the rest of a sentence.
    doubt: OnceCell<String>,
}

impl Session {
    /// Begins a run. Flags come before the environment, the environment before `config.toml`.
    ///
    /// # Errors
    /// When there is no usable home, a variable or a flag names what makes no sense, or `config.toml` is damaged.
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
        env.path(REGISTRY_KEY)?;
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
        let session = Self {
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
            doubt: OnceCell::new(),
        };
        session.mirror()?;
        Ok(session)
    }

    /// The same run in another working directory.
    ///
    /// # Errors
    /// As `new`.
    pub fn in_directory(&self, directory: &Utf8Path) -> Result<Self, Error> {
        Self::new(
            self.env.clone().in_directory(directory),
            Options {
                // What a variable says, it says there too.
                offline: self.flags.offline,
                registry: self
                    .options
                    .registry
                    .clone()
                    .filter(|_| self.flags.registry.is_some()),
                ..self.options.clone()
            },
            self.reporter.clone(),
            self.command.clone(),
        )
    }

    /// The network, as the user has settled it.
    ///
    /// # Errors
    /// When the mirror that the user named is no address.
    pub fn wire(&self, github_token: Option<Secret>, require_pinned: Option<SetBy>) -> Result<Wire, Error> {
        self.warn_of_missing_mirror()?;
        let settings = fetch::FetchOptions {
            offline: self.offline_by(),
            mirror: self.mirror()?,
            mirror_by: self.mirror_by(),
            github_token,
            require_pinned: require_pinned.or_else(|| self.require_pinned()),
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
        // An empty variable is none: a workflow sets it so where nobody configured one.
        let variable = self.env.var("AMPUP_MIRROR");
        let Some(named) = flag.or(variable).or(self.settings.mirror.as_deref()) else {
            return Ok(None);
        };
        let refused = |why: &str| Error::Usage {
            message: format!("the mirror `{named}` {why}"),
            hint: "`--mirror https://mirror.example/amp`, or `file:///…`".to_owned(),
        };
        let mirror = Url::parse(named).map_err(|cause| refused(&no_address(cause)))?;
        if !["https", "http", "file"].contains(&mirror.scheme()) {
            return Err(refused("is neither https, http nor file"));
        }
        if !is_mirror(named) {
            return Err(refused("is no absolute path"));
        }
        Ok(Some(mirror))
    }

    /// Where the mirror is named.
    fn mirror_by(&self) -> SetBy {
        match (&self.options.mirror, self.env.var("AMPUP_MIRROR")) {
            (Some(_), _) => SetBy::Flag("--mirror"),
            (None, Some(_)) => SetBy::Variable("AMPUP_MIRROR"),
            (None, None) => SetBy::Setting("mirror"),
        }
    }

    /// Warns of a mirror in a directory that is not there, as one of a disk that is not mounted: every file would only be
    /// missing.
    fn warn_of_missing_mirror(&self) -> Result<(), Error> {
        if let Some(mirror) = self.mirror()?
            && let Ok(directory) = mirror.to_file_path()
            && mirror.scheme() == "file"
            && !directory.is_dir()
        {
            self.warn(format!(
                "the mirror `{mirror}` is not there: `{}` is no directory",
                directory.display()
            ));
        }
        Ok(())
    }

    /// Returns true if the network must not be used.
    pub fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// Where it is said that the network must not be used, if it is.
    pub(super) fn offline_by(&self) -> Option<SetBy> {
        let by = match self.flags.offline {
            true => SetBy::Flag("--offline"),
            false => SetBy::Variable("AMPUP_OFFLINE"),
        };
        self.is_offline().then_some(by)
    }

    /// The setting by which only digests are taken that the registry itself states, if it says so.
    pub(super) fn require_pinned(&self) -> Option<SetBy> {
        let by = SetBy::Setting("require_pinned");
        self.settings.require_pinned.then_some(by)
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

    /// Returns the time to wait for another ampup.
    pub fn lock_timeout(&self) -> Duration {
        let settled = self
            .options
            .lock_timeout
            .or_else(|| self.env.var(LOCK_TIMEOUT)?.parse().ok())
            .or(self.settings.lock_timeout);
        settled.map_or(DEFAULT_LOCK_TIMEOUT, Duration::from_secs)
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
        let ask = self.options.ask?;
        let interrupt = &self.options.interrupt;
        Some(interrupt.asking(|| ask(&self.env, question, enter)))
    }

    /// Asks for a word; `None` where there is no answer.
    pub fn ask_for(&self, question: &str) -> Option<String> {
        let ask_for = self.options.ask_for?;
        self.options.interrupt.asking(|| ask_for(question))
    }

    /// The command line's own definition.
    pub fn grammar(&self) -> clap::Command {
        self.options
            .grammar
            .map_or_else(|| clap::Command::new("ampup"), |grammar| grammar())
    }
}

/// The reason that a text is no address, as the rest of a sentence.
pub(super) fn no_address(cause: ParseError) -> String {
    match cause {
        ParseError::RelativeUrlWithoutBase => "is not an address".to_owned(),
        cause => format!("is not an address: {cause}"),
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
