//! The machine's own clients of package indexes, asked what their indexes list, so that the user's registry, proxy and
//! credentials apply. Each runs in an empty directory, where no file of somebody else's changes what it does.

use std::{process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::DiscoverError;
use crate::env::Env;

/// An index that is silent for longer tells nothing.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The clients, with the environment in which they run.
#[derive(Debug, Clone)]
pub struct Clients {
    env: Env,
}

impl Clients {
    /// The clients of this environment.
    pub fn new(env: &Env) -> Self {
        Self { env: env.clone() }
    }

    /// Runs npm and returns its output.
    pub(super) async fn npm(&self, arguments: &[&str]) -> Result<Vec<u8>, DiscoverError> {
        let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
        self.run("npm", program, arguments, &[]).await
    }

    /// Runs pip and returns its output.
    pub(super) async fn pip(&self, arguments: &[&str]) -> Result<Vec<u8>, DiscoverError> {
        let program = if cfg!(windows) { "python" } else { "python3" };
        let always = [
            "-m",
            "pip",
            "--no-input",
            "--disable-pip-version-check",
            "--no-cache-dir",
        ];
        let arguments = [&always[..], arguments].concat();
        self.run("pip", program, &arguments, &[("PIP_REQUIRE_VIRTUALENV", "0")])
            .await
    }

    async fn run(
        &self,
        client: &'static str,
        program: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Vec<u8>, DiscoverError> {
        let failed = |why: String| DiscoverError::Client { client, why };
        let room = tempfile::tempdir().map_err(|cause| failed(cause.to_string()))?;
        let command = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(self.env.variables())
            .envs(variables.iter().copied())
            .env("TMPDIR", room.path())
            .current_dir(room.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(TIMEOUT, command)
            .await
            .map_err(|_| failed(format!("no answer for {} seconds", TIMEOUT.as_secs())))?
            .map_err(|cause| failed(cause.to_string()))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut lines = said.lines().filter(|line| !line.trim().is_empty());
        let telling = lines
            .clone()
            .find(|line| line.contains("error") || line.contains("ERROR"));
        let line = telling.or_else(|| lines.next_back()).unwrap_or("it said nothing");
        Err(failed(line.trim().to_owned()))
    }
}
