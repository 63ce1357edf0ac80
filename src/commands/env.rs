//! `ampup env`: what a shell reads to find ampup.

use serde_json::json;

use super::{Error, Outcome, Session};
use crate::shell::{Setting, Shell};

/// Arguments of `ampup env`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// sh, bash, zsh, fish, nushell or powershell [default: that of $SHELL, else sh]
    #[arg(value_name = "SHELL")]
    pub shell: Option<Shell>,
}

/// The text that puts this home's programs on PATH: `eval "$(ampup env sh)"`.
///
/// # Errors
/// When the home cannot be an entry of PATH.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let shell = args.shell.or_else(|| usual(session)).unwrap_or(Shell::Sh);
    let text = setting(session)?.env_text(shell);
    let json = json!({ "shell": shell.as_str(), "text": text, "path": session.layout.bin() });
    Ok(Outcome::answer(text, json))
}

/// The user's own shell, as `$SHELL` says.
pub(super) fn usual(session: &Session) -> Option<Shell> {
    session
        .env
        .var("SHELL")
        .and_then(|program| Shell::of_program(program.into()))
}

/// Returns the content of this home's generated files.
pub(super) fn setting(session: &Session) -> Result<Setting, Error> {
    Setting::new(session.layout.home(), session.env.user_home()).map_err(|cause| Error::Usage {
        message: cause.to_string(),
        hint: "choose another home with `--home`".to_owned(),
    })
}
