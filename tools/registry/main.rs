//! The maintainers' program. `tool.rs` is all of it but its printing, so that the tests run the same.

#[path = "tool.rs"]
mod tool;

use std::{io::Write as _, process::ExitCode};

use ampup::env::Env;

fn main() -> ExitCode {
    let cli = tool::Cli::read(std::env::args_os()).unwrap_or_else(|refusal| refusal.exit());
    match tool::run(&cli, &Env::capture()) {
        Ok(answer) => {
            // Whoever reads may have gone.
            let _ = std::io::stdout().write_all(cli.shown(&answer).as_bytes());
            if answer.is_well {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}
