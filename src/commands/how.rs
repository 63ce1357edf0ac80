//! The options that every installation has. Not a verb itself.

use super::{Error, Session};
use crate::{fetch::Secret, settings::SetBy};

/// The options of every installation, for `install` and `update`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct How {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The number of components to install at once [default: 4]
    #[arg(short, long, value_name = "N", value_parser = at_least_one)]
    pub jobs: Option<usize>,
    /// Refuse files whose digests are not in the registry
    #[arg(long)]
    pub require_pinned: bool,
    /// True if that is so because of `--locked`.
    #[arg(skip)]
    pub is_locked: bool,
    /// Also accept releases that are not in the registry yet, with the digests that their builders state
    #[arg(long)]
    pub upstream: bool,
    /// A token for GitHub's API, sent to no other host [env: AMPUP_GITHUB_TOKEN, GITHUB_TOKEN]
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub github_token: Option<String>,
    /// The versions that were removed.
    #[command(flatten)]
    pub gone: Gone,
}

impl How {
    /// The option, or the setting, by which only digests are taken that the registry itself states.
    pub(super) fn pinned_by(&self, session: &Session) -> Option<SetBy> {
        if self.is_locked {
            return Some(SetBy::Flag("--locked"));
        }
        let by_flag = self.require_pinned.then_some(SetBy::Flag("--require-pinned"));
        by_flag.or_else(|| session.require_pinned())
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "it is not a number from 1 up".to_owned())
}

/// Flags of ampup 0.1 that have no meaning any more.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Gone {
    #[arg(long, hide = true)]
    repo: Option<String>,
    #[arg(long, hide = true)]
    arch: Option<String>,
    #[arg(long, hide = true)]
    platform: Option<String>,
}

impl Gone {
    /// Says what replaced them.
    pub(super) fn ensure_none(&self) -> Result<(), Error> {
        let (flag, hint) = if self.repo.is_some() {
            ("--repo", "`--registry FILE` names a manifest with other releases")
        } else if self.arch.is_some() {
            (
                "--arch",
                "ampup installs what runs on this host; run it on the other host",
            )
        } else if self.platform.is_some() {
            (
                "--platform",
                "ampup installs what runs on this host; run it on the other host",
            )
        } else {
            return Ok(());
        };
        Err(Error::Usage {
            message: format!("`{flag}` of ampup 0.1 is gone"),
            hint: hint.to_owned(),
        })
    }
}

/// The token of the command line, else of the environment.
pub(super) fn github_token(how: &How, session: &Session) -> Option<Secret> {
    let from_env = || {
        session
            .env
            .var("AMPUP_GITHUB_TOKEN")
            .or_else(|| session.env.var("GITHUB_TOKEN"))
    };
    let token = how.github_token.as_deref().or_else(from_env);
    token.map(Secret::new)
}
