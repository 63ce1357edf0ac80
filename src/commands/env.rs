//! `ampup env`: what a shell reads to find ampup.

use camino::Utf8Path;
use serde_json::json;

use super::{Error, Outcome, Session};
use crate::shell::{Setting, Shell, foreign::AnyShell};

/// Arguments of `ampup env`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// sh, bash, zsh, fish, nushell, powershell, csh, elvish or xonsh [default: that of $SHELL, else sh]
    #[arg(value_name = "SHELL")]
    pub shell: Option<AnyShell>,
}

/// The text that puts this home's programs on PATH: `eval "$(ampup env sh)"`.
///
/// # Errors
/// When the home cannot be an entry of PATH.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let shell = args.shell.unwrap_or_else(|| match usual(session) {
        Usual::Known(shell) => shell,
        Usual::Unknown(name) => {
            session.warn(format!("`{name}` is not supported: what follows is for sh"));
            AnyShell::Own(Shell::Sh)
        }
    });
    let text = shell.env_text(&setting(session)?);
    let json = json!({ "shell": shell.as_str(), "text": text, "path": session.layout.bin() });
    Ok(Outcome::answer(text, json))
}

/// The user's own shell.
pub(super) enum Usual {
    /// One that can be made to find ampup.
    Known(AnyShell),
    /// Another program of this name.
    Unknown(String),
}

/// The user's own shell, as `$SHELL` says; sh where it says nothing.
pub(super) fn usual(session: &Session) -> Usual {
    let Some(program) = session.env.var("SHELL").filter(|program| !program.is_empty()) else {
        return Usual::Known(AnyShell::Own(Shell::Sh));
    };
    let name = || Utf8Path::new(program).file_name().unwrap_or(program).to_owned();
    AnyShell::of_program(program.into()).map_or_else(|| Usual::Unknown(name()), Usual::Known)
}

/// Returns the content of this home's generated files.
pub(super) fn setting(session: &Session) -> Result<Setting, Error> {
    Setting::new(session.layout.home(), session.env.user_home()).map_err(|cause| Error::Usage {
        message: cause.to_string(),
        hint: "choose another home with `--home`".to_owned(),
    })
}
