//! The environment of this process, read once.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use camino::{Utf8Path, Utf8PathBuf};

/// The variables and directories that ampup was started with.
#[derive(Debug, Clone, Default)]
pub struct Env {
    variables: BTreeMap<OsString, OsString>,
    places: HomeDirectories,
    current_dir: Option<PathBuf>,
    current_exe: Option<PathBuf>,
    umask: Option<u32>,
}

/// The directories that the system gives a user.
#[derive(Debug, Clone, Default)]
struct HomeDirectories {
    home: Option<PathBuf>,
    state: Option<PathBuf>,
    runtime: Option<PathBuf>,
}

/// The reason ampup's home cannot be determined from the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Neither AMPUP_HOME nor HOME is set, and the system knows no home directory of this user.
    #[error(
        "neither `AMPUP_HOME` nor `{0}` is set, and this user has no home directory, so ampup's home cannot be determined"
    )]
    Unset(&'static str),
    /// The variable does not name one.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// The reason a variable does not name a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Nothing, which would mean the working directory.
    #[error("`{variable}` is set and empty; it must be an absolute path")]
    Empty {
        /// Which variable.
        variable: &'static str,
    },
    /// A path that cannot be written as text.
    #[error("`{variable}` is `{value}`, which is not UTF-8; it must be")]
    NotUtf8 {
        /// Which variable.
        variable: &'static str,
        /// Its value, as far as it can be shown.
        value: String,
    },
    /// A relative path would mean something else in every directory.
    #[error("`{variable}` is `{value}`, which is not an absolute path; it must be")]
    Relative {
        /// Which variable.
        variable: &'static str,
        /// Its value.
        value: Utf8PathBuf,
    },
}

/// A variable that is neither yes nor no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{variable}` is `{value}`, which is neither yes nor no")]
pub struct SwitchError {
    variable: &'static str,
    value: String,
}

/// The variable that names a user's home directory.
pub(crate) const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

impl Env {
    /// Reads the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    pub fn capture() -> Self {
        let variables = std::env::vars_os().collect();
        Self {
            places: HomeDirectories::of_system(&variables),
            variables,
            current_dir: std::env::current_dir().ok(),
            current_exe: std::env::current_exe().ok(),
            umask: None,
        }
    }

    /// An environment made of these variables alone, in `current_dir`. The user's places are below the home directory that
    /// they name.
    pub fn from_variables<K, V>(
        variables: impl IntoIterator<Item = (K, V)>,
        current_dir: impl Into<PathBuf>,
    ) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            places: HomeDirectories::below_home(&variables),
            variables,
            current_dir: Some(current_dir.into()),
            current_exe: None,
            umask: None,
        }
    }

    /// The same environment in another working directory.
    #[must_use]
    pub(crate) fn in_directory(self, directory: impl Into<PathBuf>) -> Self {
        Self {
            current_dir: Some(directory.into()),
            ..self
        }
    }

    /// The same environment for a program at this path.
    #[must_use]
    pub fn of_program(self, program: impl Into<PathBuf>) -> Self {
        Self {
            current_exe: Some(program.into()),
            ..self
        }
    }

    /// The same environment with the umask that our parent left.
    #[must_use]
    pub(crate) fn with_umask(self, umask: Option<u32>) -> Self {
        Self { umask, ..self }
    }

    /// The umask that our parent left, and that other programs get there: ours takes nothing from the owner.
    pub(crate) fn umask(&self) -> Option<u32> {
        self.umask
    }

    /// A variable as it is; one that is empty counts as absent.
    pub fn var_os(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable that is UTF-8; one that is empty counts as absent.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.var_os(name).and_then(OsStr::to_str)
    }

    /// All variables, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The working directory; `None` when it is gone or not UTF-8.
    pub fn current_dir(&self) -> Option<&Utf8Path> {
        self.current_dir.as_deref().and_then(Utf8Path::from_path)
    }

    /// The path of the running program; `None` when the system cannot say or it is not UTF-8.
    pub fn current_exe(&self) -> Option<&Utf8Path> {
        self.current_exe.as_deref().and_then(Utf8Path::from_path)
    }

    /// The user's home directory: what HOME names, else what the system says.
    pub fn user_home(&self) -> Option<&Utf8Path> {
        self.places.home.as_deref().and_then(Utf8Path::from_path)
    }

    /// The directory for what programs remember about this user.
    pub(crate) fn user_state(&self) -> Option<&Utf8Path> {
        self.places.state.as_deref().and_then(Utf8Path::from_path)
    }

    /// The directory for the sockets of this user, where the system has one.
    pub(crate) fn user_runtime(&self) -> Option<&Utf8Path> {
        self.places.runtime.as_deref().and_then(Utf8Path::from_path)
    }

    /// ampup's home: AMPUP_HOME, else `.ampup` in the user's home directory.
    ///
    /// # Errors
    /// When neither is known, or what is known is no absolute UTF-8 path.
    pub fn ampup_home(&self) -> Result<Utf8PathBuf, HomeError> {
        match self.path("AMPUP_HOME")? {
            Some(home) => Ok(home),
            None => self.default_home(),
        }
    }

    /// ampup's home where nobody names another: `~/.ampup`.
    ///
    /// # Errors
    /// When the user's home directory is not known, or is no absolute UTF-8 path.
    pub(crate) fn default_home(&self) -> Result<Utf8PathBuf, HomeError> {
        let home = self.places.home.as_ref().ok_or(HomeError::Unset(HOME))?;
        Ok(absolute(HOME, home.as_os_str())?.join(".ampup"))
    }

    /// The absolute path that a variable names, where it is set.
    ///
    /// # Errors
    /// When it is empty, relative or not UTF-8.
    pub fn path(&self, variable: &'static str) -> Result<Option<Utf8PathBuf>, PathError> {
        self.variables
            .get(OsStr::new(variable))
            .map(|value| absolute(variable, value))
            .transpose()
    }

    /// The answer of a variable that says yes (`1`, `true`, `yes`, `on`) or no (`0`, `false`, `no`, `off`, nothing), in
    /// letters of either case; one that is not set says no.
    ///
    /// # Errors
    /// When it says anything else.
    pub fn switch(&self, variable: &'static str) -> Result<bool, SwitchError> {
        let Some(value) = self.variables.get(OsStr::new(variable)) else {
            return Ok(false);
        };
        let value = value.to_string_lossy();
        match value.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" | "" => Ok(false),
            _ => Err(SwitchError {
                variable,
                value: value.into_owned(),
            }),
        }
    }

    /// A path as people write it, with `~` for the user's home directory.
    pub(crate) fn short_path(&self, path: &Utf8Path) -> String {
        match self.user_home().and_then(|home| path.strip_prefix(home).ok()) {
            Some(below) if below.as_str().is_empty() => "~".to_owned(),
            Some(below) => format!("~/{below}"),
            None => path.to_string(),
        }
    }

    /// Where `PATH` leads, in its order; entries that are not UTF-8 are left out.
    pub fn search_path(&self) -> Vec<Utf8PathBuf> {
        self.var_os("PATH")
            .map(|path| {
                std::env::split_paths(path)
                    .filter_map(|entry| Utf8PathBuf::from_path_buf(entry).ok())
                    .collect()
            })
            .unwrap_or_default()
    }
}

impl HomeDirectories {
    /// Those of whoever runs this process. The variable counts before what Windows says, as it does for the install script.
    fn of_system(variables: &BTreeMap<OsString, OsString>) -> Self {
        let system = directories::BaseDirs::new();
        let system = system.as_ref();
        let state = |places: &directories::BaseDirs| {
            places
                .state_dir()
                .unwrap_or_else(|| places.data_local_dir())
                .to_owned()
        };
        Self {
            home: named_home(variables).or_else(|| Some(system?.home_dir().to_owned())),
            state: system.map(state),
            runtime: system.and_then(|places| places.runtime_dir()).map(Path::to_owned),
        }
    }

    fn below_home(variables: &BTreeMap<OsString, OsString>) -> Self {
        let home = named_home(variables);
        Self {
            state: home.as_ref().map(|home| home.join(".local/state")),
            runtime: None,
            home,
        }
    }
}

/// Not ours to be strict about: an empty one is as good as none.
fn named_home(variables: &BTreeMap<OsString, OsString>) -> Option<PathBuf> {
    let home = variables.get(OsStr::new(HOME)).filter(|home| !home.is_empty());
    home.map(PathBuf::from)
}

fn absolute(variable: &'static str, value: &OsStr) -> Result<Utf8PathBuf, PathError> {
    let value = value.to_str().ok_or_else(|| PathError::NotUtf8 {
        variable,
        value: value.to_string_lossy().into_owned(),
    })?;
    let value = Utf8PathBuf::from(value);
    if value.as_str().is_empty() {
        Err(PathError::Empty { variable })
    } else if value.is_absolute() {
        Ok(value)
    } else {
        Err(PathError::Relative { variable, value })
    }
}

/// A command line as it may be written down and shown to others: the program's own name, and no token and no password.
/// Words behind `--`, `run` or `psql` belong to another program, and are left out; of a program that is not ampup, and of the
/// install script, only its name is shown.
pub fn shown_command(words: &[OsString]) -> String {
    let mut shown = Vec::new();
    let mut secret_follows = false;
    for (number, word) in words.iter().enumerate() {
        let word = word.to_string_lossy();
        if number == 0 {
            let mut places = word.trim_end_matches(".exe").rsplit(['/', '\\']);
            let name = places.next().unwrap_or_default();
            // What the install script says to the program that it has downloaded was typed by nobody.
            if places.next().is_some_and(|place| place.contains(BOOTSTRAP)) {
                return INSTALL_SCRIPT.to_owned();
            }
            // A download has the name of its build.
            let is_ampup = name == "ampup" || name.starts_with("ampup-");
            shown.push(if is_ampup { "ampup" } else { name }.to_owned());
            if !is_ampup && words.len() > 1 {
                shown.push("…".to_owned());
                break;
            }
        } else if word == "--" {
            shown.push("-- …".to_owned());
            break;
        } else if std::mem::replace(&mut secret_follows, word == SECRET_FLAG) {
            shown.push("…".to_owned());
        } else if word.split_once('=').is_some_and(|(flag, _)| flag == SECRET_FLAG) {
            shown.push(format!("{SECRET_FLAG}=…"));
        } else {
            shown.push(without_user(&word));
            if ["run", "psql"].contains(&&*word) && number + 1 < words.len() {
                shown.push("…".to_owned());
                break;
            }
        }
    }
    shown.join(" ")
}

/// The directory that an install script downloads into, in the home or beside it; its process id follows.
pub(crate) const BOOTSTRAP: &str = ".bootstrap-";

/// The name of the install script.
const INSTALL_SCRIPT: &str = if cfg!(windows) {
    "install.ps1"
} else {
    "install.sh"
};

/// The flag whose value is a secret.
const SECRET_FLAG: &str = "--github-token";

/// An address without what may be a secret in it: user, password, and query.
pub(crate) fn without_user(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        return word.to_owned();
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) => (rest, "?…"),
        None => (rest, ""),
    };
    let end = rest.find(['/', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}{}{query}", &rest[end..]),
        None => format!("{scheme}://{rest}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_is_ampup_home_or_below_the_users() {
        let env = |variables: &[(&str, &str)]| Env::from_variables(variables.iter().copied(), "/");
        let [user, own] = if cfg!(windows) {
            [r"C:\u", r"C:\a"]
        } else {
            ["/u", "/a"]
        };
        let home = env(&[(HOME, user)]).ampup_home().expect("a home");
        assert_eq!(home, Utf8Path::new(user).join(".ampup"));
        let home = env(&[(HOME, user), ("AMPUP_HOME", own)]).ampup_home();
        assert_eq!(home.expect("a home"), own);
        assert!(matches!(
            env(&[(HOME, user), ("AMPUP_HOME", "")]).ampup_home(),
            Err(HomeError::Path(PathError::Empty { .. }))
        ));
        assert!(matches!(env(&[]).ampup_home(), Err(HomeError::Unset(_))));
        assert!(matches!(
            env(&[(HOME, "")]).ampup_home(),
            Err(HomeError::Unset(_))
        ));
        assert!(matches!(
            env(&[("AMPUP_HOME", "a")]).ampup_home(),
            Err(HomeError::Path(PathError::Relative { .. }))
        ));
    }

    #[test]
    fn a_command_is_shown_without_its_secrets() {
        let shown = |words: &str| {
            let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            shown_command(&words)
        };
        assert_eq!(shown("/a/b/ampup install tool"), "ampup install tool");
        assert_eq!(
            shown("ampup install --github-token ghp_x -q"),
            "ampup install --github-token … -q"
        );
        assert_eq!(
            shown("ampup install --github-token=ghp_x"),
            "ampup install --github-token=…"
        );
        assert_eq!(
            shown("ampup --mirror https://u:p@w@h/x?y list"),
            "ampup --mirror https://…@h/x?… list"
        );
        assert_eq!(
            shown("ampup --mirror=https://u:p@h list"),
            "ampup --mirror=https://…@h list"
        );
        assert_eq!(shown("ampup run -- sh -c secret"), "ampup run …");
        assert_eq!(shown("ampup run --no-db ampd --token t"), "ampup run …");
        assert_eq!(shown("ampup db psql -c secret"), "ampup db psql …");
        assert_eq!(shown("ampup link -- secret"), "ampup link -- …");
        assert_eq!(shown("/bin/ampd --password secret"), "ampd …");
        assert_eq!(
            shown("/t/ampup-x86_64-unknown-linux-musl init -c ampd"),
            "ampup init -c ampd"
        );
        assert_eq!(shown("ampup install a@1.0.0"), "ampup install a@1.0.0");
        let by_script = "/u/.ampup.bootstrap-7/ampup-x86_64-unknown-linux-gnu init --made 1";
        assert_eq!(shown(by_script), INSTALL_SCRIPT);
    }
}
