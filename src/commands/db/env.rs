//! `ampup db env`: what a shell reads so that its programs use the project's database.

use serde_json::json;

use crate::{
    commands::{Error, Outcome, Session, database::Selected, env::usual, run::variables},
    shell::{Shell, quote},
};

/// Arguments of `ampup db env`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// sh, bash, zsh, fish, nushell or powershell [default: that of $SHELL, else sh]
    #[arg(value_name = "SHELL")]
    pub shell: Option<Shell>,
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
}

/// The text that leads a shell's programs to the database: `eval "$(ampup db env sh)"`.
///
/// # Errors
/// When there is no database.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let shell = args.shell.or_else(|| usual(session)).unwrap_or(Shell::Sh);
    let cluster = args.project.cluster(session)?;
    let (url, status) = super::url::of(&cluster, session)?;
    let Some((socket, user)) = status.socket.zip(status.user) else {
        return Err(super::url::none(&cluster));
    };
    let variables = variables::of_the_cluster(&socket, &user, &url, cluster.project().amp_dir());
    let text: String = variables
        .iter()
        .map(|(name, value)| line(shell, name, value))
        .collect();
    let object: serde_json::Map<_, _> = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let json = json!({ "shell": shell.as_str(), "text": text, "variables": object });
    Ok(Outcome::answer(text, json))
}

fn line(shell: Shell, name: &str, value: &str) -> String {
    let value = quote(shell, value);
    match shell {
        Shell::Sh | Shell::Bash | Shell::Zsh => format!("export {name}={value}\n"),
        Shell::Fish => format!("set -gx {name} {value}\n"),
        Shell::Nushell => format!("$env.{name} = {value}\n"),
        Shell::PowerShell => format!("$env:{name} = {value}\n"),
    }
}
