//! A daemon that keeps its state in the project's database: complete, to be copied.
//!
//! It links ampup without the feature `cli`: no network client and no async runtime comes with it.
//!
//!     ampup = { git = "https://github.com/edgeandnode/ampup", default-features = false }
//!
//! A new cluster is one of the active version: a project's pins are followed by `ampup run` and `ampup db`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program")]

use std::{error::Error as _, io::Read as _, process::ExitCode};

use ampup::{
    Env,
    event::Silent,
    locate::Locator,
    postgres::{Cluster, ClusterError, Project, StartOptions},
};

pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(reason) = cause {
                eprintln!("  {reason}");
                cause = reason.source();
            }
            // It fails for the same reason, and names the command that helps.
            eprintln!("run: ampup db start");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), ClusterError> {
    let env = Env::capture();
    let project = Project::find(&env, None)?;
    let locator = Locator::from_env(&env)?;
    // Nothing is downloaded. A cluster is made if there is none, and one that is served already is used.
    let server = Cluster::open(project, locator, &env).start(&StartOptions::default(), &Silent)?;
    println!("{}", server.url());

    // The daemon works here, with any client: `postgres(server.url())`, sqlx, tokio-postgres.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());

    // Whoever releases it last shuts it down. A daemon that is killed leaves it running, and the next one finds it.
    server.release(&Silent)?;
    Ok(())
}
