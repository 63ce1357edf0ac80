//! The reason that a setting has its value: a flag comes before the environment, the environment before `config.toml`, and that
//! before the default.

use std::fmt::Write as _;

use serde_json::json;

use crate::{
    commands::{Error, Outcome, Session},
    postgres::enclosing::{self, Surprise},
};

/// A setting that more than one place can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    AmpDir,
    Color,
    GithubToken,
    Home,
    HttpProxy,
    HttpsProxy,
    Jobs,
    LockTimeout,
    Mirror,
    NoProxy,
    Offline,
    Progress,
    Registry,
    RegistryKey,
    RequirePinned,
    SslCertDir,
    SslCertFile,
    Upstream,
    Yes,
}

/// The settings by name, as `config.toml` writes them, and then by the other names of their variables.
const NAMES: &[(&str, Setting)] = &[
    ("amp_dir", Setting::AmpDir),
    ("color", Setting::Color),
    ("github_token", Setting::GithubToken),
    ("home", Setting::Home),
    ("http_proxy", Setting::HttpProxy),
    ("https_proxy", Setting::HttpsProxy),
    ("jobs", Setting::Jobs),
    ("lock_timeout", Setting::LockTimeout),
    ("mirror", Setting::Mirror),
    ("no_proxy", Setting::NoProxy),
    ("offline", Setting::Offline),
    ("progress", Setting::Progress),
    ("registry", Setting::Registry),
    ("registry_key", Setting::RegistryKey),
    ("require_pinned", Setting::RequirePinned),
    ("ssl_cert_dir", Setting::SslCertDir),
    ("ssl_cert_file", Setting::SslCertFile),
    ("upstream", Setting::Upstream),
    ("yes", Setting::Yes),
    ("all_proxy", Setting::HttpsProxy),
    ("clicolor_force", Setting::Color),
    ("no_color", Setting::Color),
];

impl Setting {
    /// The setting of this name, which may be that of its flag or of a variable.
    pub(super) fn named(word: &str) -> Option<Self> {
        let word = word.trim_start_matches('-').replace('-', "_").to_lowercase();
        let word = word.strip_prefix("ampup_").unwrap_or(&word);
        NAMES
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, setting)| *setting)
    }

    fn name(self) -> &'static str {
        let named = NAMES.iter().find(|(_, setting)| *setting == self);
        named.map_or("", |(name, _)| name)
    }
}

/// A place that may name a value, and the value that it names.
type Provenance = (String, Option<String>);

/// Shows every place that names a value, the one that decides first.
///
/// # Errors
/// When the value is one that every command which needs it refuses.
pub(super) fn why(setting: Setting, session: &Session) -> Result<Outcome, Error> {
    match setting {
        Setting::AmpDir => drop(session.env.path("AMP_DIR")?),
        Setting::Mirror => drop(session.mirror()?),
        _ => {}
    }
    let places = places(setting, session);
    let mut named = places
        .into_iter()
        .filter_map(|(place, value)| Some((place, value?)));
    let (place, value) = named.next().expect("the default is always named");
    let name = setting.name();
    let mut data = format!("{name} is `{value}`: {place}\n");
    let losers: Vec<_> = named.collect();
    for (place, value) in &losers {
        let _ = writeln!(data, "{:12}{place}: `{value}`", "rather than");
    }
    let losers: Vec<_> = losers
        .iter()
        .map(|(place, value)| json!({ "by": place, "value": value }))
        .collect();
    Ok(Outcome::answer(
        data,
        json!({ "setting": name, "value": value, "by": place, "rather_than": losers }),
    ))
}

/// The places that may name a value, in the order of their precedence; the last one always does.
fn places(setting: Setting, session: &Session) -> Vec<Provenance> {
    let config = format!("`{}`", session.layout.config());
    let default = "the default".to_owned();
    let (flags, settings) = (&session.flags, &session.settings);
    let flag = |name: &str, value: Option<String>| (format!("the flag `{name}`"), value);
    let variable = |name: &'static str| {
        (
            format!("the variable `{name}`"),
            session.env.var(name).map(str::to_owned),
        )
    };
    let given = |is_given: bool| is_given.then(|| "true".to_owned());
    let none = || Some("none".to_owned());
    // One that says a word of the flag's by being there, or by its value.
    let says = |name: &'static str, is_said: fn(&str) -> bool, word: &str| {
        let is_said = session.env.var(name).is_some_and(is_said);
        (format!("the variable `{name}`"), is_said.then(|| word.to_owned()))
    };
    match setting {
        Setting::AmpDir => vec![
            variable("AMP_DIR"),
            above(session),
            (default, Some(".amp".to_owned())),
        ],
        Setting::Color => vec![
            flag("--color", flags.color.clone()),
            says("NO_COLOR", |_| true, "never"),
            says("CLICOLOR_FORCE", |value| value != "0", "always"),
            says("CLICOLOR", |value| value == "0", "never"),
            says("TERM", |value| value == "dumb", "never"),
            (default, Some("auto".to_owned())),
        ],
        Setting::Progress => vec![
            flag("--progress", flags.progress.clone()),
            says("CI", |_| true, "lines"),
            says("TERM", |value| value == "dumb", "lines"),
            (default, Some("auto".to_owned())),
        ],
        // What it is, nobody shows.
        Setting::GithubToken => vec![
            says("AMPUP_GITHUB_TOKEN", |_| true, "set"),
            says("GITHUB_TOKEN", |_| true, "set"),
            (default, none()),
        ],
        Setting::RegistryKey => vec![
            flag(
                "--registry-key",
                flags.registry_key.as_ref().map(ToString::to_string),
            ),
            variable("AMPUP_REGISTRY_KEY"),
            (config, settings.registry_key.clone()),
            (default, Some("the keys that ampup was built with".to_owned())),
        ],
        Setting::Yes => vec![
            flag("--yes", given(flags.yes)),
            variable("AMPUP_YES"),
            (default, Some("false".to_owned())),
        ],
        // Only a flag of `install` and `update`.
        Setting::Upstream => vec![(default, Some("false".to_owned()))],
        Setting::Home => {
            let absolute = session.layout.home().to_string();
            let usual = session.env.default_home();
            vec![
                flag("--home", flags.home.as_ref().map(|_| absolute)),
                variable("AMPUP_HOME"),
                (
                    default,
                    Some(usual.map_or_else(|_| "none".to_owned(), |home| home.to_string())),
                ),
            ]
        }
        // Names of two that differ in their case are one in curl too, and the lower one counts.
        Setting::HttpProxy => proxy(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"], session),
        Setting::HttpsProxy => proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"], session),
        Setting::NoProxy => proxy(&["no_proxy", "NO_PROXY"], session),
        Setting::SslCertDir => vec![variable("SSL_CERT_DIR"), (default, none())],
        Setting::SslCertFile => vec![variable("SSL_CERT_FILE"), (default, none())],
        Setting::Registry => vec![
            flag("--registry", flags.registry.clone()),
            variable("AMPUP_REGISTRY"),
            (config, settings.registry.clone()),
            (
                default,
                Some("the newest that is signed, else the built-in one".to_owned()),
            ),
        ],
        Setting::Mirror => vec![
            flag("--mirror", flags.mirror.clone()),
            variable("AMPUP_MIRROR"),
            (config, settings.mirror.clone()),
            (default, none()),
        ],
        Setting::Offline => vec![
            flag("--offline", given(flags.offline)),
            variable("AMPUP_OFFLINE"),
            (default, Some("false".to_owned())),
        ],
        Setting::Jobs => vec![
            (config, settings.jobs.map(|jobs| jobs.to_string())),
            (default, Some("4".to_owned())),
        ],
        Setting::LockTimeout => vec![
            flag(
                "--lock-timeout",
                flags.lock_timeout.map(|seconds| seconds.to_string()),
            ),
            variable("AMPUP_LOCK_TIMEOUT"),
            (config, settings.lock_timeout.map(|seconds| seconds.to_string())),
            (default, Some("600".to_owned())),
        ],
        Setting::RequirePinned => vec![
            (config, given(settings.require_pinned)),
            (default, Some("false".to_owned())),
        ],
    }
}

/// The variables of a proxy; the name and the password in an address are nobody's to read.
fn proxy(names: &[&str], session: &Session) -> Vec<Provenance> {
    let shown = |name: &str| {
        let value = session.env.var(name)?;
        Some(match value.rsplit_once('@') {
            Some((before, host)) => {
                let scheme = before.split_once("://").map(|(scheme, _)| format!("{scheme}://"));
                format!("{}…@{host}", scheme.unwrap_or_default())
            }
            None => value.to_owned(),
        })
    };
    let variables = names
        .iter()
        .map(|name| (format!("the variable `{name}`"), shown(name)));
    variables
        .chain([("the default".to_owned(), Some("none".to_owned()))])
        .collect()
}

/// The project of a directory above this one, which `run` and `db` use.
fn above(session: &Session) -> Provenance {
    let found = match enclosing::find(&session.env, None) {
        Ok((project, Some(Surprise::Above))) => Some(project),
        Ok(_) | Err(_) => None,
    };
    let amp_dir = found.map(|project| project.amp_dir().to_string());
    ("the project above this directory".to_owned(), amp_dir)
}
