//! Whether a project has a database of its own, which ampup leaves alone.

use std::fmt;

use camino::Utf8PathBuf;

use crate::{
    commands::Error,
    env::Env,
    fs::atomic,
    postgres::{Cluster, Project},
    settings::SettingsError,
};

use super::URL;

/// No settings are longer.
const LIMIT: u64 = 1 << 20;

/// Where an explicit address was found. It may hold a password, so it is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    place: Place,
    url: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Environment,
    File(&'static str, Utf8PathBuf),
}

impl External {
    /// Looks where ampd looks, in its order: the environment, `[metadata_db] url` of its settings, and the older
    /// `metadata_db_url`.
    ///
    /// # Errors
    /// When the settings cannot be read or understood: ampd would refuse them too.
    pub(crate) fn find(project: &Project, env: &Env) -> Result<Option<Self>, Error> {
        if let Some(url) = env.var(URL) {
            let place = Place::Environment;
            return Ok(Some(Self {
                place,
                url: url.to_owned(),
            }));
        }
        // As `ampd --config` or AMP_CONFIG; a missing file that was named is ampd's to complain of.
        let path = match (env.var("AMP_CONFIG"), env.current_dir()) {
            (Some(named), Some(here)) => here.join(named),
            (Some(named), None) => named.into(),
            (None, _) => project.config(),
        };
        let text = match atomic::read(&path, LIMIT) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::File { path, source }),
            Ok(text) => text,
        };
        let found =
            in_settings(&String::from_utf8_lossy(&text)).map_err(|source| SettingsError::Malformed {
                path: path.to_string(),
                source: Box::new(source),
            })?;
        Ok(found.map(|(key, url)| Self {
            place: Place::File(key, path),
            url,
        }))
    }

    /// Whether it is the address of the project's own database: `ampup run` within `ampup run`, or after `ampup db env`.
    pub(crate) fn is_of(&self, cluster: &Cluster) -> bool {
        cluster
            .status()
            .is_ok_and(|status| status.url.as_deref() == Some(self.url.as_str()))
    }
}

impl fmt::Display for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Environment => write!(f, "`{URL}`"),
            Place::File(key, path) => write!(f, "`{key}` in `{path}`"),
        }
    }
}

fn in_settings(text: &str) -> Result<Option<(&'static str, String)>, toml::de::Error> {
    let settings: toml::Table = toml::from_str(text)?;
    let text = |value: Option<&toml::Value>| {
        let text = value.and_then(toml::Value::as_str)?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let newer = settings.get("metadata_db").and_then(|table| table.get("url"));
    Ok(text(newer)
        .map(|url| ("metadata_db.url", url))
        .or_else(|| text(settings.get("metadata_db_url")).map(|url| ("metadata_db_url", url))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_key_counts_before_the_older() {
        let found = |text: &str| {
            in_settings(text)
                .expect("TOML")
                .map(|(key, url)| format!("{key} {url}"))
        };
        assert_eq!(found("data_dir = \"data\"\n[metadata_db]\npool_size = 3\n"), None);
        assert_eq!(
            found("metadata_db_url = \"a\"").as_deref(),
            Some("metadata_db_url a")
        );
        assert_eq!(
            found("metadata_db_url = \"a\"\n[metadata_db]\nurl = \"b\"\n").as_deref(),
            Some("metadata_db.url b")
        );
        assert_eq!(found("[metadata_db]\nurl = \"\"\n"), None);
        in_settings("[").expect_err("ampd refuses it too");
    }
}
