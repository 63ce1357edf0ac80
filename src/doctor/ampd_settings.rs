//! ampd's own settings: would it start with them?

use camino::{Utf8Path, Utf8PathBuf};

use super::Finding;
use crate::{
    env::Env,
    fs::{atomic, reason},
};

/// No settings of ampd's are longer, in bytes.
const LIMIT: u64 = 1 << 20;
/// The beginning of the variables that come before the keys of the file.
const PREFIX: &str = "AMP_CONFIG_";

/// The keys that have numbers, without a sign.
const NUMBERS: &[&str] = &[
    "max_mem_mb",
    "query_max_mem_mb",
    "microbatch_max_interval",
    "server_microbatch_max_interval",
    "keep_alive_interval",
    "metadata_db.pool_size",
    "metadata_db.min_connections",
    "metadata_db.max_lifetime_secs",
    "metadata_db.idle_timeout_secs",
];

/// Looks for what ampd would refuse, wherever it is started from.
pub(super) fn check(amp_dir: &Utf8Path, env: &Env) -> Vec<Finding> {
    let path = file(amp_dir, env);
    let text = match atomic::read(&path, LIMIT) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(cause)
            if matches!(
                cause.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return missing(&path, env)
                .into_iter()
                .chain(numbers(&toml::Table::new(), &path, env))
                .collect();
        }
        Err(cause) => {
            return vec![Finding::problem(
                "settings",
                format!("ampd cannot read `{path}`: {}", reason(&cause)),
                "make it a file that you can read",
            )];
        }
    };
    let settings: toml::Table = match toml::from_str(&text) {
        Ok(settings) => settings,
        Err(why) => {
            let place = why.span().map_or_else(String::new, |span| {
                format!(
                    ":{}",
                    text[..span.start.min(text.len())].matches('\n').count() + 1
                )
            });
            return vec![Finding::problem(
                "settings",
                format!("ampd does not start with `{path}`{place}: {}", why.message()),
                "mend that file",
            )];
        }
    };
    let mut findings = numbers(&settings, &path, env);
    let is_empty = |url: &toml::Value| url.as_str() == Some("");
    if value(&settings, "metadata_db.url").is_some_and(is_empty) {
        findings.push(Finding::warning(
            "settings",
            format!("`metadata_db.url` in `{path}` is empty, which ampd takes for an address"),
            "remove that line, or `ampup run ampd solo`",
        ));
    }
    findings
}

/// The table of ampd's settings; none where they cannot be read, which is told here.
pub(super) fn table(amp_dir: &Utf8Path, env: &Env) -> toml::Table {
    let text = atomic::read(&file(amp_dir, env), LIMIT).unwrap_or_default();
    toml::from_str(&String::from_utf8_lossy(&text)).unwrap_or_default()
}

/// The file that ampd reads: the one that AMP_CONFIG names, else that of the project.
fn file(amp_dir: &Utf8Path, env: &Env) -> Utf8PathBuf {
    let here = env.current_dir().unwrap_or(Utf8Path::new("/"));
    match env.var("AMP_CONFIG") {
        Some(named) => here.join(named),
        None => amp_dir.join("config.toml"),
    }
}

/// A file that was named must be there.
fn missing(path: &Utf8Path, env: &Env) -> Option<Finding> {
    env.var("AMP_CONFIG")?;
    Some(Finding::problem(
        "AMP_CONFIG",
        format!("it names `{path}`, which does not exist: ampd does not start"),
        "`unset AMP_CONFIG`, or make that file",
    ))
}

/// The values that are to be numbers and are not.
fn numbers(settings: &toml::Table, path: &Utf8Path, env: &Env) -> Vec<Finding> {
    let wrong = NUMBERS.iter().filter_map(|key| {
        let variable = format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"));
        let given = env.variables().find(|(name, _)| *name == variable.as_str());
        if let Some((_, text)) = given {
            let text = text.to_string_lossy();
            return text.trim().parse::<u64>().is_err().then(|| {
                Finding::problem(
                    "settings",
                    format!(
                        "`{variable}` is `{}`, and ampd wants a number",
                        text.escape_debug()
                    ),
                    format!("`unset {variable}`"),
                )
            });
        }
        let found = value(settings, key)?;
        let is_number = found.as_integer().is_some_and(|number| number >= 0);
        (!is_number).then(|| {
            Finding::problem(
                "settings",
                format!("`{key}` in `{path}` is not a number, and ampd wants one"),
                "mend that line",
            )
        })
    });
    wrong.collect()
}

/// The value of a key with its table.
fn value<'a>(settings: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    match key.split_once('.') {
        Some((table, key)) => settings.get(table)?.get(key),
        None => settings.get(key),
    }
}
