//! `ampup db`: the project's database, one verb a file.

pub mod backup;
pub mod import;
pub mod restore;
pub mod upgrade;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Error, Session};
use crate::{
    domain::Channel,
    locate::Locator,
    postgres::{Cluster, ClusterError, Project},
    transfer::TransferError,
};

/// Which project.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Which {
    /// The Amp directory [default: .amp] [env: AMP_DIR]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub amp_dir: Option<Utf8PathBuf>,
}

impl Which {
    /// The cluster of the project that was named, or of this directory.
    fn cluster(&self, session: &Session) -> Result<Cluster, Error> {
        let project = Project::find(&session.env, self.amp_dir.as_deref()).map_err(ClusterError::from)?;
        if let Some(note) = project.note() {
            session.note(note);
        }
        Ok(Cluster::open(
            project,
            Locator::new(session.layout.clone()),
            &session.env,
        ))
    }
}

/// A path that the user named, from the working directory.
fn named(path: &Utf8Path, session: &Session) -> Utf8PathBuf {
    session
        .env
        .current_dir()
        .map_or_else(|| path.to_owned(), |here| here.join(path))
}

/// The builder whose PostgreSQL has all client programs.
const COMPLETE: &str = "theseus";

/// Says which build has the programs that are missing, where the registry has one for this host.
fn with_build(error: TransferError, session: &Session) -> Error {
    let TransferError::NoTools { majors, .. } = &error else {
        return error.into();
    };
    let build = || {
        let target = session.host().ok()?.target?;
        let component = session.registry().ok()?.component(&crate::locate::postgres())?;
        component
            .releases
            .iter()
            .filter(|release| release.channel == Channel::Stable && majors.contains(&release.version.major))
            .filter(|release| {
                let is_complete = |artifact: &crate::domain::Artifact| {
                    artifact.target == target && artifact.provider.as_str() == COMPLETE
                };
                release.artifacts.iter().any(is_complete)
            })
            .max_by(|one, other| one.version.cmp(&other.version))
            .map(|release| {
                format!(
                    "`ampup install --component postgres@{}+{COMPLETE}`",
                    release.version
                )
            })
    };
    match build() {
        Some(hint) => Error::NotFound {
            message: error.to_string(),
            hint: format!("{hint} brings them, or put them in PATH"),
        },
        None => error.into(),
    }
}
