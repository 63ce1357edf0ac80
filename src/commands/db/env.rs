//! `ampup db env`: what a shell reads so that its programs use the project's database.

use serde_json::json;

use crate::{
    commands::{
        Error, Outcome, Session,
        database::Selected,
        env::{Usual, usual},
        variables,
    },
    shell::{Shell, foreign::AnyShell, quote},
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
    let shell = args.shell.unwrap_or_else(|| match usual(session) {
        Usual::Known(AnyShell::Own(shell)) => shell,
        Usual::Known(AnyShell::Foreign(shell)) => for_sh(shell.as_str(), session),
        Usual::Unknown(name) => for_sh(&name, session),
    });
    let cluster = args.project.cluster(session)?;
    let (url, status) = super::url::of(&cluster, session)?;
    let Some((socket, user)) = status.socket.zip(status.user) else {
        return Err(super::url::none(&cluster));
    };
    let variables = variables::of_the_cluster(&socket, &user, &url, cluster.project().amp_dir());
    // What would lead away and stays otherwise.
    let is_set = |name: &&str| session.env.var_os(name).is_some();
    let is_ours = |name: &&str| variables.iter().any(|(own, _)| own == name);
    let away: Vec<&str> = variables::LEADS_AWAY
        .iter()
        .copied()
        .filter(|name| is_set(name) && !is_ours(name))
        .collect();
    let set = variables.iter().map(|(name, value)| line(shell, name, value));
    let text: String = away.iter().map(|name| unset(shell, name)).chain(set).collect();
    let object: serde_json::Map<_, _> = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let json = json!({ "shell": shell.as_str(), "text": text, "variables": object, "unset": away });
    Ok(Outcome::answer(text, json))
}

/// sh, in the place of a shell that there are no lines for.
fn for_sh(name: &str, session: &Session) -> Shell {
    session.warn(format!("`{name}` is not supported: what follows is for sh"));
    Shell::Sh
}

fn unset(shell: Shell, name: &str) -> String {
    match shell {
        Shell::Sh | Shell::Bash | Shell::Zsh => format!("unset {name}\n"),
        Shell::Fish => format!("set -e {name}\n"),
        Shell::Nushell => format!("hide-env --ignore-errors {name}\n"),
        Shell::PowerShell => format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue\n"),
    }
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
