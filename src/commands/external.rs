//! Detection of a database that a project has configured itself, which ampup leaves alone.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use url::{ParseError, Url};

use crate::{
    env::Env,
    fs::atomic,
    postgres::{Cluster, Project},
    settings::{SettingsError, TomlError},
};

use super::{Error, Session, variables::URL};

/// No settings are longer.
const LIMIT: u64 = 1 << 20;

/// Where an explicit address was found. It may hold a password, so it is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    place: Location,
    url: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Location {
    Environment,
    File(&'static str, Utf8PathBuf),
}

impl External {
    /// Looks where ampd looks, in its order, and takes the first: the environment, `[metadata_db] url` of its settings
    /// (`config`, where it was given that), and the older `metadata_db_url`.
    ///
    /// # Errors
    /// When the settings cannot be read or understood: ampd would refuse them too.
    pub(crate) fn find(
        project: &Project,
        config: Option<&Utf8Path>,
        env: &Env,
    ) -> Result<Option<Self>, Error> {
        match in_environment(env) {
            Some(external) => Ok(Some(external)),
            None => Ok(in_file(project, config, env)?.into_iter().next()),
        }
    }

    /// The one that ampd takes in place of this cluster, and a word about it to the user. Settings that cannot be read are
    /// ampd's to complain of.
    pub(crate) fn tell(cluster: &Cluster, session: &Session) -> Option<Self> {
        let found = Self::find(cluster.project(), None, &session.env).ok().flatten();
        let external = found.filter(|external| !external.is_of(cluster))?;
        session.note(format!(
            "ampd does not use this database: {external} names another; {} to use this one",
            external.removal()
        ));
        Some(external)
    }

    /// All of them, in that order.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) fn every(project: &Project, env: &Env) -> Result<Vec<Self>, Error> {
        let mut every = in_file(project, None, env)?;
        every.splice(..0, in_environment(env));
        Ok(every)
    }

    /// Says how to remove the setting.
    pub(crate) fn removal(&self) -> String {
        match &self.place {
            Location::Environment => format!("unset `{URL}`"),
            Location::File(key, path) => format!("remove `{key}` from `{path}`"),
        }
    }

    /// The reason that this is the address of no PostgreSQL server, if it is none
    /// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>).
    pub(crate) fn fault(&self) -> Option<String> {
        match Url::parse(&self.url) {
            Ok(url) if ["postgres", "postgresql"].contains(&url.scheme()) => None,
            Ok(url) => Some(format!("its scheme is `{}`, and not `postgresql`", url.scheme())),
            Err(ParseError::RelativeUrlWithoutBase) => Some("it is not an address".to_owned()),
            Err(cause) => Some(cause.to_string()),
        }
    }

    /// Returns true if it is the address of the project's own database: `ampup run` within `ampup run`, or after `ampup db
    /// env`.
    pub(crate) fn is_of(&self, cluster: &Cluster) -> bool {
        cluster
            .status()
            .is_ok_and(|status| status.url.as_deref() == Some(self.url.as_str()))
    }
}

impl fmt::Display for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Location::Environment => write!(f, "`{URL}`"),
            Location::File(key, path) => write!(f, "`{key}` in `{path}`"),
        }
    }
}

fn in_environment(env: &Env) -> Option<External> {
    env.var(URL).map(|url| External {
        place: Location::Environment,
        url: url.to_owned(),
    })
}

fn in_file(project: &Project, config: Option<&Utf8Path>, env: &Env) -> Result<Vec<External>, Error> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    // As `ampd --config` or AMP_CONFIG; a missing file that was named is ampd's to complain of.
    let named = config.or(env.var("AMP_CONFIG").map(Utf8Path::new));
    let path = match (named, env.current_dir()) {
        (Some(named), Some(here)) => here.join(named),
        (Some(named), None) => named.into(),
        (None, _) => project.config(),
    };
    let text = match atomic::read(&path, LIMIT) {
        Err(cause) if matches!(cause.kind(), NotFound | NotADirectory) => return Ok(Vec::new()),
        Err(source) => return Err(Error::File { path, source }),
        Ok(text) => text,
    };
    let found = in_settings(&String::from_utf8_lossy(&text)).map_err(|source| SettingsError::Malformed {
        path: path.to_string(),
        source: Box::new(TomlError(source)),
    })?;
    let external = |(key, url)| External {
        place: Location::File(key, path.clone()),
        url,
    };
    Ok(found.into_iter().map(external).collect())
}

/// The keys that count, the stronger first.
fn in_settings(text: &str) -> Result<Vec<(&'static str, String)>, toml::de::Error> {
    let settings: toml::Table = toml::from_str(text)?;
    let newer = settings.get("metadata_db").and_then(|table| table.get("url"));
    let keys = [
        ("metadata_db.url", newer),
        ("metadata_db_url", settings.get("metadata_db_url")),
    ];
    let set = keys.into_iter().filter_map(|(key, value)| {
        let text = value?.as_str()?;
        (!text.is_empty()).then(|| (key, text.to_owned()))
    });
    Ok(set.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_key_counts_before_the_older() {
        let found = |text: &str| {
            let keys = in_settings(text).expect("TOML");
            keys.iter()
                .map(|(key, url)| format!("{key} {url}"))
                .collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(found("data_dir = \"data\"\n[metadata_db]\npool_size = 3\n"), none);
        assert_eq!(found("metadata_db_url = \"a\""), ["metadata_db_url a"]);
        assert_eq!(
            found("metadata_db_url = \"a\"\n[metadata_db]\nurl = \"b\"\n"),
            ["metadata_db.url b", "metadata_db_url a"]
        );
        assert_eq!(found("[metadata_db]\nurl = \"\"\n"), none);
        in_settings("[").expect_err("ampd refuses it too");
    }
}
