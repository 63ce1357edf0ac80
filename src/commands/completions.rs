//! `ampup completions`: what a shell reads to complete ampup's command line.

use serde_json::json;

use super::{Error, Outcome};
use crate::shell::completions::Completing;

/// Arguments of `ampup completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Completing,
}

/// The shell's script; its first line says where it goes.
///
/// # Errors
/// Never.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let script = args.shell.script();
    Ok(Outcome::answer(script, json!({ "script": script })))
}
